//! Tables that are imported. Beyond no panic: no slug, code or destination gets in that the checks of
//! a single one refuse, no slug twice, and the journal gives back what was taken.
//!
//! The bytes are a line with the kind of entity (or `orders`), and the table.

use std::collections::HashSet;

use live::{check_code, check_destination, check_slug};
use shared::catalog::{Catalog, Change, Entity};
use shared::links::fold_slug;
use shared::order::Source;
use shared::record::Record;

use crate::fact;
use crate::world::{MERCHANT, NOW, first_line};

thread_local! {
    static CATALOG: Catalog = catalog();
}

/// Returns a catalog with a merchant, a campaign and an influencer.
fn catalog() -> Catalog {
    let json = serde_json::json!({
        "merchant": {
            "id": MERCHANT, "key": "key", "name": "Shop", "domains": ["shop.example"],
            "currency": "EUR", "timezone": "UTC", "platform": null, "webhook_secret": null,
            "created_at": NOW, "updated_at": NOW,
        },
        "campaign": {
            "id": "cmp_0000000000002", "merchant": MERCHANT, "name": "Autumn", "window_days": 30,
            "dedupe_minutes": 30, "hold_days": 30, "starts_at": null, "ends_at": null,
            "commission": { "kind": "percent", "rate": "15", "base": "net_goods" },
            "precedence": ["click", "coupon"], "model": "last_click",
            "created_at": NOW, "updated_at": NOW,
        },
        "influencer": {
            "id": "inf_0000000000003", "name": "Anna", "email": null, "payout": null,
            "created_at": NOW, "updated_at": NOW,
        },
    });
    let of = |name: &str| json[name].clone();
    let entities = vec![
        Entity::Merchant(serde_json::from_value(of("merchant")).expect("a merchant")),
        Entity::Campaign(serde_json::from_value(of("campaign")).expect("a campaign")),
        Entity::Influencer(serde_json::from_value(of("influencer")).expect("an influencer")),
    ];
    let mut catalog = Catalog::default();
    catalog.apply(&Change { at: NOW, entities, request: None, by: None });
    catalog
}

pub(crate) fn table(bytes: &[u8]) {
    let (kind, table) = first_line(bytes);
    CATALOG.with(|catalog| {
        if kind == "orders" {
            let merchant = catalog.merchants.get(&MERCHANT).expect("it is there");
            let facts = console::fuzz::orders(merchant, table, NOW);
            facts.iter().flatten().for_each(|fact| fact::check(fact, Source::Postback));
            assert!(facts.iter().flatten().all(|fact| fact.notes.is_empty()), "a silent mistake");
        } else if let Some(entities) = console::fuzz::entities(catalog, kind, table, NOW) {
            check(entities);
        }
    });
}

fn check(entities: Vec<Entity>) {
    assert!(!entities.is_empty(), "a table without rows is a mistake");
    let mut slugs = HashSet::new();
    for entity in &entities {
        match entity {
            Entity::Link(link) => {
                assert_eq!(check_slug(&link.slug), Ok(()));
                assert_eq!(check_destination(&link.destination).as_ref(), Ok(&link.destination));
                if let Some(fallback) = &link.fallback {
                    assert_eq!(check_destination(fallback).as_ref(), Ok(fallback));
                }
                assert!(slugs.insert(fold_slug(&link.slug)), "`{}` twice", link.slug);
            }
            Entity::Coupon(coupon) => {
                assert_eq!(check_code(&coupon.code).as_ref(), Ok(&coupon.code));
            }
            _ => {}
        }
    }
    let record = Record::Catalog(Change { at: NOW, entities, request: None, by: None });
    // `Live::change` refuses a record that cannot be read back.
    if let Ok(read) = Record::decode(&record.encode()) {
        assert_eq!(read, record, "the journal changes the rows");
    }
}
