//! Which rules of a campaign can never count in the merchant's shop. Such a rule is allowed, since
//! the server API may bring what the shop does not say, but whoever makes it is told.

use shared::catalog::{Campaign, Evidence};
use shared::commission::Conditions;
use shared::platform::Platform;
use shops::{Asked, says};

/// Returns a sentence for each thing that the campaign's rules ask and that no report of the shop
/// says. Nothing is known of a shop without a platform.
pub(crate) fn unworkable(campaign: &Campaign, platform: Option<Platform>) -> Vec<String> {
    let Some(platform) = platform else { return vec![] };
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
    let unsaid =
        asked.into_iter().filter(|(what, is_asked, ..)| *is_asked && !says(platform, *what));
    unsaid.map(|(what, _, field, word)| sentence(platform, what, field, word)).collect()
}

fn sentence(platform: Platform, what: Asked, field: &str, word: &str) -> String {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::id::{CampaignId, MerchantId};
    use shared::time::Timestamp;

    use super::*;

    fn warned(platform: Option<Platform>, when: Value, precedence: Value) -> Vec<String> {
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
        unworkable(&serde_json::from_value(campaign).unwrap(), platform)
    }

    #[test]
    fn a_rule_that_cannot_count_is_named_and_one_that_can_is_not() {
        let click = || json!(["click", "coupon"]);
        let shops = [Platform::Shopify, Platform::Woocommerce, Platform::Magento, Platform::Stripe];
        for platform in shops {
            let word = platform.as_str();
            for (when, field) in [
                (json!({ "category": ["Shoes"] }), "`category`"),
                (json!({ "new_customer": true }), "`new_customer`"),
                (json!({ "new_customer": false }), "`new_customer`"),
            ] {
                let said = warned(Some(platform), when, click());
                assert_eq!(said.len(), 1, "{said:?}");
                assert!(said[0].contains(field) && said[0].contains(word), "{said:?}");
            }
            let products = warned(Some(platform), json!({ "product": ["A1"] }), click());
            assert_eq!(products.len(), usize::from(platform == Platform::Stripe), "{products:?}");
            let precedence = json!(["existing_customer", "click"]);
            let said = warned(Some(platform), json!({}), precedence);
            assert!(said.len() == 1 && said[0].starts_with("precedence: "), "{said:?}");
            assert!(warned(Some(platform), json!({}), click()).is_empty());
        }
        let all = json!({ "product": ["A1"], "category": ["Shoes"], "new_customer": true });
        for platform in [None, Some(Platform::Other)] {
            assert!(warned(platform, all.clone(), click()).is_empty(), "{platform:?}");
        }
    }
}
