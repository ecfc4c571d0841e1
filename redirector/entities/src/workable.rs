//! Which rules of a campaign can never count in the merchant's shop, and which count by something
//! else than the shop's word. Such rules are allowed, since the server API may bring what the shop
//! does not say, but whoever makes one is told.

use shared::catalog::{Campaign, Evidence};
use shared::commission::Conditions;
use shared::platform::Platform;
use shops::{Answers, Asked, answers};

/// What is to be said of a campaign's rules.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// A sentence for each thing that the rules ask and that nobody says.
    pub warnings: Vec<String>,
    /// A sentence for each thing that is decided by something else than the shop's word.
    pub notes: Vec<String>,
}

/// Returns what is to be said of a campaign's rules in a shop of this platform. Nothing is known of
/// a shop without one.
pub fn remarks(campaign: &Campaign, platform: Option<Platform>) -> Remarks {
    let mut remarks = Remarks::default();
    let Some(platform) = platform else { return remarks };
    let asks = |asks: fn(&Conditions) -> bool| {
        campaign.commission.rules().iter().any(|rule| asks(&rule.when))
    };
    let heeds_existing = campaign.precedence.contains(&Evidence::ExistingCustomer);
    let asked = [
        (Asked::Product, asks(|when| !when.product.is_empty()), "commission", "product"),
        (Asked::Category, asks(|when| !when.category.is_empty()), "commission", "category"),
        (
            Asked::NewCustomer,
            asks(|when| when.new_customer.is_some()),
            "commission",
            "new_customer",
        ),
        (Asked::NewCustomer, heeds_existing, "precedence", "existing_customer"),
    ];
    for (what, _, field, word) in asked.into_iter().filter(|(_, is_asked, ..)| *is_asked) {
        match answers(platform, what) {
            Answers::Reports => {}
            Answers::RecordedOrders => remarks.notes.push(by_orders(platform, field, word)),
            Answers::Nobody => remarks.warnings.push(unsaid(platform, what, field, word)),
        }
    }
    remarks
}

fn unsaid(platform: Platform, what: Asked, field: &str, word: &str) -> String {
    let bring = match what {
        Asked::Product => "`items` with `sku`",
        Asked::Category => "`items` with `category`",
        Asked::NewCustomer => "`new_customer`",
    };
    format!(
        "{field}: `{word}` never fits an order that only {} reports, because its reports do not \
         say it; send such orders by the server API too, with {bring}, or leave the condition out",
        platform.as_str()
    )
}

fn by_orders(platform: Platform, field: &str, word: &str) -> String {
    format!(
        "{field}: {} does not say who is new, so `{word}` is decided by the orders that are \
         recorded here with the same e-mail address; import the shop's earlier orders, or customers \
         of before count as new",
        platform.as_str()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::id::{CampaignId, MerchantId};
    use shared::time::Timestamp;

    use super::*;

    fn said(platform: Option<Platform>, when: Value, precedence: Value) -> Remarks {
        let at = Timestamp::from_ms(0);
        let rule = json!([
            { "kind": "percent", "rate": "20", "when": when }, { "kind": "percent", "rate": "10" },
        ]);
        let campaign = json!({
            "id": CampaignId::from_bits(2), "merchant": MerchantId::from_bits(1), "name": "Autumn",
            "window_days": 30, "dedupe_minutes": 30, "hold_days": 30, "starts_at": null,
            "ends_at": null, "commission": rule, "precedence": precedence, "model": "last_click",
            "created_at": at, "updated_at": at,
        });
        remarks(&serde_json::from_value(campaign).unwrap(), platform)
    }

    #[test]
    fn a_rule_that_cannot_count_is_named_and_one_that_counts_otherwise_is_explained() {
        let click = || json!(["click", "coupon"]);
        let shops = [Platform::Shopify, Platform::Woocommerce, Platform::Magento, Platform::Stripe];
        for platform in shops {
            let word = platform.as_str();
            let told = said(Some(platform), json!({ "category": ["Shoes"] }), click());
            let [warning] = &told.warnings[..] else { panic!("{told:?}") };
            assert!(warning.contains("`category`") && warning.contains(word), "{told:?}");
            for is_new in [true, false] {
                let told = said(Some(platform), json!({ "new_customer": is_new }), click());
                let ([], [note]) = (&told.warnings[..], &told.notes[..]) else {
                    panic!("{told:?}")
                };
                assert!(note.contains("`new_customer`") && note.contains(word), "{told:?}");
            }
            let products = said(Some(platform), json!({ "product": ["A1"] }), click()).warnings;
            assert_eq!(products.len(), usize::from(platform == Platform::Stripe), "{products:?}");
            let precedence = json!(["existing_customer", "click"]);
            let told = said(Some(platform), json!({}), precedence);
            let ([], [note]) = (&told.warnings[..], &told.notes[..]) else { panic!("{told:?}") };
            assert!(note.starts_with("precedence: "), "{told:?}");
            assert_eq!(said(Some(platform), json!({}), click()), Remarks::default());
        }
        let all = json!({ "product": ["A1"], "category": ["Shoes"], "new_customer": true });
        for platform in [None, Some(Platform::Other)] {
            assert_eq!(said(platform, all.clone(), click()), Remarks::default(), "{platform:?}");
        }
    }
}
