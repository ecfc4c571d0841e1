//! What an address asks for figures: parameters that are known, with values that can be meant.

use std::fmt::Display;
use std::str::FromStr;

use serde::Deserialize;
use shared::catalog::{Catalog, Role};
use shared::id::{CampaignId, InfluencerId, LinkId, MerchantId};
use shared::time::Timestamp;

use crate::stats::by::By;
use crate::stats::question::{Days, Question};
use crate::wrong::Wrong;

/// The most days whose figures are shown by hour.
const DAYS_BY_HOUR: u32 = 62;

/// The parameters, as an address has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatsQuery {
    by: Option<String>,
    from: Option<String>,
    to: Option<String>,
    compare: Option<String>,
    merchant: Option<String>,
    campaign: Option<String>,
    influencer: Option<String>,
    link: Option<String>,
}

impl StatsQuery {
    /// Reads the address. A filter that names nobody would look like nothing earned.
    ///
    /// # Errors
    /// The first mistake.
    pub fn read(&self, role: Role, catalog: &Catalog) -> Result<Question, Wrong> {
        let by = By::read(self.by.as_deref().unwrap_or("link"));
        let by =
            by.ok_or_else(|| Wrong::new("by", "expected link, influencer, campaign, day or hour"))?;
        let days =
            Days { from: day(self.from.as_deref(), "from")?, to: day(self.to.as_deref(), "to")? };
        if days.from.zip(days.to).is_some_and(|(from, to)| from > to) {
            let reason = "is after `to`; expected the first day and then the last one";
            return Err(Wrong::new("from", reason));
        }
        if by == By::Hour && days.count().is_none_or(|count| count > DAYS_BY_HOUR) {
            let reason = format!("hour needs `from` and `to`, {DAYS_BY_HOUR} days at most");
            return Err(Wrong::new("by", reason));
        }
        // Who sees only their own figures learns nothing of what others have.
        let sees_all = role == Role::Admin;
        Ok(Question {
            by,
            days,
            previous: self.previous(days)?,
            merchant: filter("merchant", self.merchant.as_deref(), |id: &MerchantId| {
                !sees_all || catalog.merchants.contains_key(id)
            })?,
            campaign: filter("campaign", self.campaign.as_deref(), |id: &CampaignId| {
                !sees_all || catalog.campaigns.contains_key(id)
            })?,
            influencer: filter("influencer", self.influencer.as_deref(), |id: &InfluencerId| {
                !sees_all || catalog.influencers.contains_key(id)
            })?,
            link: filter("link", self.link.as_deref(), |id: &LinkId| {
                !sees_all || catalog.links.get(*id).is_some()
            })?,
        })
    }

    fn previous(&self, days: Days) -> Result<Option<Days>, Wrong> {
        match self.compare.as_deref() {
            None => Ok(None),
            Some("previous") => {
                let before = days.count().zip(days.from).and_then(|(count, from)| {
                    Some(Days { from: Some(from.checked_sub(count)?), to: Some(from - 1) })
                });
                let needs = || Wrong::new("compare", "previous needs `from` and `to`");
                before.map(Some).ok_or_else(needs)
            }
            Some(text) => Err(Wrong::new("compare", format!("`{text}`: expected previous"))),
        }
    }
}

fn filter<Id: FromStr<Err: Display>>(
    field: &str,
    asked: Option<&str>,
    exists: impl FnOnce(&Id) -> bool,
) -> Result<Option<Id>, Wrong> {
    let Some(text) = asked else { return Ok(None) };
    let id: Id = text.parse().map_err(|error| Wrong::new(field, format!("{error}")))?;
    if exists(&id) {
        Ok(Some(id))
    } else {
        Err(Wrong::new(field, format!("`{text}` does not exist")))
    }
}

/// Reads a calendar day such as `2026-11-25`, as days since 1970. Which time it begins at depends
/// on the merchant: counts stand under the days of theirs.
fn day(text: Option<&str>, field: &str) -> Result<Option<u32>, Wrong> {
    let Some(text) = text else { return Ok(None) };
    let time: Option<Timestamp> = format!("{text}T00:00:00Z").parse().ok();
    let day = time.and_then(|time| u32::try_from(time.utc_day()).ok());
    day.map(Some)
        .ok_or_else(|| Wrong::new(field, format!("`{text}`: expected a day such as 2026-11-25")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::catalog::{Change, Entity};

    use super::*;
    use crate::stats::by::date;

    /// Two campaigns of the first merchant, and one of the second.
    fn catalog() -> Catalog {
        let at = Timestamp::from_ms(0);
        let campaign = |(id, merchant): (u64, u64)| {
            let campaign = json!({
                "id": CampaignId::from_bits(id), "merchant": MerchantId::from_bits(merchant),
                "name": "Autumn", "window_days": 30, "dedupe_minutes": 30, "hold_days": 30,
                "starts_at": null, "ends_at": null,
                "commission": [{ "kind": "percent", "rate": "10" }], "precedence": ["click"],
                "model": "last_click", "created_at": at, "updated_at": at,
            });
            Entity::Campaign(serde_json::from_value(campaign).unwrap())
        };
        let entities = [(11, 1), (12, 1), (13, 2)].map(campaign).to_vec();
        let mut catalog = Catalog::default();
        catalog.apply(&Change { at, entities, request: None, by: None });
        catalog
    }

    fn read(query: Value, role: Role) -> Result<Question, Wrong> {
        let query: StatsQuery = serde_json::from_value(query).unwrap();
        query.read(role, &catalog())
    }

    #[test]
    fn a_question_reads_no_campaign_beside_those_that_may_be_seen_and_are_asked_for() {
        let (merchant, other) = (MerchantId::from_bits(1), MerchantId::from_bits(2));
        let (own, foreign) = (CampaignId::from_bits(11), CampaignId::from_bits(13));
        let influencer = InfluencerId::from_bits(3);
        for (role, query, campaigns, of) in [
            (Role::Admin, json!({}), None, None),
            (Role::Admin, json!({ "campaign": own }), Some(vec![11]), None),
            (Role::Merchant(merchant), json!({}), Some(vec![11, 12]), None),
            (Role::Merchant(merchant), json!({ "campaign": own }), Some(vec![11]), None),
            (Role::Merchant(merchant), json!({ "campaign": foreign }), Some(vec![]), None),
            (Role::Merchant(merchant), json!({ "merchant": other }), Some(vec![]), None),
            (
                Role::Merchant(merchant),
                json!({ "influencer": influencer }),
                Some(vec![11, 12]),
                Some(3),
            ),
            (Role::Influencer(influencer), json!({}), None, Some(3)),
            (Role::Influencer(influencer), json!({ "merchant": other }), Some(vec![13]), Some(3)),
            (
                Role::Influencer(influencer),
                json!({ "influencer": InfluencerId::from_bits(4) }),
                None,
                Some(3),
            ),
        ] {
            let question = read(query.clone(), role).unwrap();
            let counts = question.counts(role, question.days, &catalog());
            let found = counts.campaigns.map(|ids| ids.iter().map(|id| id.bits()).collect());
            assert_eq!(found, campaigns, "{role:?} {query}");
            assert_eq!(counts.influencer.map(InfluencerId::bits), of, "{role:?} {query}");
        }
    }

    #[test]
    fn hours_and_comparisons_need_days() {
        let days = |from: &str, to: &str, more: (&str, &str)| {
            read(json!({ "from": from, "to": to, more.0: more.1 }), Role::Admin)
        };
        assert!(days("2026-01-01", "2026-03-03", ("by", "hour")).is_ok(), "62 days");
        assert!(days("2026-01-01", "2026-03-04", ("by", "hour")).is_err(), "63 days");
        assert!(read(json!({ "by": "hour", "from": "2026-01-01" }), Role::Admin).is_err());
        assert!(read(json!({ "compare": "previous", "to": "2026-01-01" }), Role::Admin).is_err());
        assert!(days("2026-01-01", "2026-01-02", ("compare", "year")).is_err());
        let question = days("2026-03-01", "2026-03-07", ("compare", "previous")).unwrap();
        let previous = question.previous.unwrap();
        let spelled = (previous.from.map(date).unwrap(), previous.to.map(date).unwrap());
        assert_eq!(spelled, ("2026-02-22".to_owned(), "2026-02-28".to_owned()));
        assert_eq!(question.days.hours(), (20_513 * 24)..(20_520 * 24));
    }
}
