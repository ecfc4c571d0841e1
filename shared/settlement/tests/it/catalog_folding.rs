//! Changes of the catalog come from several nodes in any order, and must make the same catalog.

use proptest::prelude::*;
use shared::catalog::{
    AccessToken, Catalog, Change, Entity, Hold, HoldTarget, Merchant, RequestId, Role, Suspendable,
    Suspension,
};
use shared::id::{HoldId, LinkId};
use shared::links::{Link, Scope};
use shared::time::Span;

use crate::world::{ANNA, ANNAS_LINK, BEN, CAMPAIGN, MERCHANT, NOW, click_first};

const HOLD: HoldId = HoldId::from_bits(7);

/// All entities of the small world, two more links with one slug, and a later version of each
/// entity.
fn changes() -> Vec<Change> {
    let world = click_first();
    let link = |id: u64, influencer, minutes: i64| {
        let at = NOW.plus(Span::minutes(minutes));
        Entity::Link(Link {
            id: LinkId::from_bits(id),
            campaign: CAMPAIGN,
            influencer,
            destination: format!("https://shop.example/{id}"),
            slug: "wanted".into(),
            starts_at: None,
            ends_at: None,
            fallback: None,
            paused: false,
            pass_click_ids: false,
            deep_links: false,
            rules: vec![],
            split: vec![],
            created_at: at,
            updated_at: at,
        })
    };
    let mut renamed = world.campaigns[&CAMPAIGN].as_ref().clone();
    (renamed.name, renamed.updated_at) = ("Renamed".into(), NOW.plus(Span::minutes(5)));
    // Two nodes changed it in the same millisecond.
    let mut at_another_node = renamed.clone();
    at_another_node.name = "Otherwise".into();
    let token = AccessToken::new("00ff".into(), Role::Admin, NOW);
    let later = NOW.plus(Span::minutes(5));
    let hold = Hold {
        id: HOLD,
        target: HoldTarget::Link(ANNAS_LINK),
        reason: "looks odd".into(),
        since: None,
        created_at: NOW,
        released_at: None,
        release_reason: None,
        updated_at: NOW,
    };
    let suspended = Suspension::changed(None, Suspendable::Influencer(ANNA), Some(NOW), NOW);
    let lifted = Suspension::changed(Some(&suspended), suspended.of, None, later);
    let entities = vec![
        Entity::AccessToken(AccessToken { revoked_at: Some(later), ..token.clone() }),
        Entity::AccessToken(token),
        Entity::Hold(Hold { released_at: Some(later), updated_at: later, ..hold.clone() }),
        Entity::Hold(hold),
        Entity::Suspension(suspended),
        Entity::Suspension(lifted),
        Entity::Merchant(world.merchants[&MERCHANT].as_ref().clone()),
        Entity::Campaign(world.campaigns[&CAMPAIGN].as_ref().clone()),
        Entity::Campaign(renamed),
        Entity::Campaign(at_another_node),
        Entity::Influencer(world.influencers[&ANNA].as_ref().clone()),
        Entity::Link(world.links.get(ANNAS_LINK).unwrap().to_link()),
        link(71, ANNA, 2),
        link(72, BEN, 1),
        link(73, BEN, 3),
    ];
    let of_one = |entity| Change { at: NOW, entities: vec![entity], request: None, by: None };
    entities.into_iter().map(of_one).collect()
}

#[test]
fn a_change_that_is_there_already_is_known_as_such() {
    let mut catalog = click_first();
    let mut merchant = catalog.merchants[&MERCHANT].as_ref().clone();
    let change = |merchant: &Merchant, request: Option<RequestId>| Change {
        at: NOW,
        entities: vec![Entity::Merchant(merchant.clone())],
        request,
        by: None,
    };
    assert!(catalog.has(&change(&merchant, None)));
    let request = RequestId { key: "key".into(), hash: "hash".into() };
    assert!(!catalog.has(&change(&merchant, Some(request))), "its answer must be remembered");
    let domains = vec!["new.example".to_owned()];
    (merchant.domains, merchant.updated_at) = (domains, NOW.plus(Span::minutes(1)));
    assert!(!catalog.has(&change(&merchant, None)));
    catalog.apply(&change(&merchant, None));
    assert!(catalog.has(&change(&merchant, None)));
    let holders = |domain: &str| catalog.merchants_that_meet(domain).count();
    assert_eq!((holders("new.example"), holders("shop.example")), (1, 0), "it was given up");
    for (domain, meets) in
        [("go.new.example", 1), ("example", 1), ("w.example", 0), ("xnew.example", 0)]
    {
        assert_eq!(holders(domain), meets, "{domain}");
    }
}

proptest! {
    #[test]
    fn every_order_of_changes_makes_the_same_catalog(shuffled in Just(changes()).prop_shuffle()) {
        let mut catalog = Catalog::default();
        shuffled.iter().chain(&shuffled[..3]).for_each(|change| catalog.apply(change));
        for scope in [Scope::Merchant(MERCHANT), Scope::Agency] {
            let holder = catalog.links.by_slug(scope, "Wanted").map(|link| link.id());
            prop_assert_eq!(holder, Some(LinkId::from_bits(72)), "the earliest");
            prop_assert!(catalog.links.by_slug(scope, "anna").is_some());
        }
        prop_assert_eq!(&catalog.campaigns[&CAMPAIGN].name, "Renamed");
        prop_assert!(!catalog.tokens["00ff"].is_valid(NOW), "a revocation is final");
        prop_assert_eq!(catalog.holds_on(&HoldTarget::Link(ANNAS_LINK)).count(), 1);
        prop_assert!(catalog.holds[&HOLD].released_at.is_some(), "and so is a release");
        let of = Suspendable::Influencer(ANNA);
        let lifted_at = NOW.plus(Span::minutes(5));
        prop_assert!(catalog.suspended(of, NOW, lifted_at).is_some());
        prop_assert!(catalog.suspended(of, lifted_at, lifted_at).is_none(), "it was lifted");
    }
}
