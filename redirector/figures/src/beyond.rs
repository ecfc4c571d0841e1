//! What campaigns pay beyond single orders. Live figures have the commission of orders alone, so an
//! answer says where a statement will differ.

use shared::catalog::Campaign;
use shared::commission::Pays;

/// Returns a sentence about campaigns whose statements differ from live figures; `None` where there
/// are none among these.
pub(crate) fn remark<'c>(campaigns: impl Iterator<Item = &'c Campaign>) -> Option<String> {
    let (mut count, mut found) = (0, [false; 4]);
    for campaign in campaigns {
        let of_campaign = beyond_orders(campaign);
        count += usize::from(of_campaign.contains(&true));
        found.iter_mut().zip(of_campaign).for_each(|(found, is)| *found |= is);
    }
    let words = ["volume", "caps", "leads", "clicks"];
    let words: Vec<&str> =
        words.into_iter().zip(found).filter(|(_, found)| *found).map(|(word, _)| word).collect();
    (count > 0).then(|| {
        format!(
            "commission: these figures have that of orders alone; the statements of {count} of \
             these campaigns also count {}",
            words.join(", ")
        )
    })
}

/// Returns whether a campaign pays for volume, has caps over more than an order, pays for leads, or
/// for clicks: now, or by earlier terms.
fn beyond_orders(campaign: &Campaign) -> [bool; 4] {
    let earlier = campaign.earlier_commissions.iter().map(|earlier| &earlier.commission);
    let (mut volume, mut leads, mut clicks) = (false, false, false);
    for rule in earlier.chain([&campaign.commission]).flat_map(|terms| terms.rules()) {
        match rule.pays {
            Pays::Percent(..) | Pays::PerSale(_) => {}
            Pays::Volume(..) => volume = true,
            Pays::PerLead(_) => leads = true,
            Pays::PerClick(_) => clicks = true,
        }
    }
    let caps = &campaign.caps;
    let is_capped =
        caps.commission_per_influencer_month.is_some() || caps.commission_total.is_some();
    [volume, is_capped, leads, clicks]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::catalog::EarlierTerms;
    use shared::id::{CampaignId, MerchantId};
    use shared::time::Timestamp;

    use super::*;

    fn campaign(commission: Value, caps: Value) -> Campaign {
        let at = Timestamp::from_ms(0);
        let campaign = json!({
            "id": CampaignId::from_bits(2), "merchant": MerchantId::from_bits(1), "name": "Autumn",
            "window_days": 30, "dedupe_minutes": 30, "hold_days": 30, "starts_at": null,
            "ends_at": null, "commission": commission, "caps": caps,
            "precedence": ["click", "coupon"], "model": "last_click", "created_at": at,
            "updated_at": at,
        });
        serde_json::from_value(campaign).unwrap()
    }

    #[test]
    fn figures_say_which_statements_count_more_than_orders() {
        let percent = || json!({ "kind": "percent", "rate": "10" });
        let plain = campaign(json!([percent()]), json!({ "commission_per_order": "5.00" }));
        assert_eq!(remark([&plain].into_iter()), None);
        for (rule, caps, word) in [
            (json!({ "kind": "volume", "orders": 5, "rate": "2" }), json!({}), "volume"),
            (json!({ "kind": "per_lead", "amount": "2.00" }), json!({}), "leads"),
            (json!({ "kind": "per_click", "amount": "0.05" }), json!({}), "clicks"),
            (percent(), json!({ "commission_per_influencer_month": "20.00" }), "caps"),
            (percent(), json!({ "commission_total": "20.00" }), "caps"),
        ] {
            let more = campaign(json!([percent(), rule]), caps);
            let said = remark([&plain, &more].into_iter()).unwrap();
            assert!(said.ends_with(word) && said.contains("of 1 of"), "{said}");
            let mut ended = more.clone();
            let until = Timestamp::from_ms(1);
            ended.earlier_commissions =
                vec![EarlierTerms { until, commission: more.commission.clone() }];
            ended.commission = plain.commission.clone();
            assert!(remark([&ended].into_iter()).is_some(), "earlier terms count: {word}");
        }
    }
}
