//! Statistics from the live counters. It reads the counts of the campaigns that are asked for, and
//! shows no more of them than the asker's role may see.

mod by;
pub(crate) mod query;
pub(crate) mod question;
mod row;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;
use hot_state::{CountQuestion, CounterKey, HotState};
use serde_json::{Map, Value, json};
use shared::catalog::{Catalog, Role};

use crate::beyond;
use crate::stats::by::{By, date};
use crate::stats::question::Question;
use crate::stats::row::Row;

/// Returns everything that was counted of what is asked for. It reads the hot state, so the catalog
/// must not be locked meanwhile: a store that hangs would stop every change.
///
/// # Errors
/// When the state cannot be read.
pub fn counted(state: &HotState, question: &CountQuestion) -> Result<Counted> {
    let mut counted = Counted::new();
    state.counts(question, &mut |key, amount| *counted.entry(key).or_default() += amount)?;
    Ok(counted)
}

/// What was counted.
pub type Counted = HashMap<CounterKey, i64>;

/// Answers a question from what was counted on its days, and on those that are compared with them.
pub fn answer(
    question: &Question,
    role: Role,
    counted: (Counted, Counted),
    catalog: &Catalog,
) -> Value {
    let (rows, remark) = group(question, role, counted, catalog);
    let rows: Vec<_> =
        rows.iter().map(|(group, row)| show(question, group, row, catalog)).collect();
    let mut answer = json!({ "by": question.by.as_str(), "rows": rows });
    if let Some(days) = question.previous {
        answer["previous"] = json!({ "from": days.from.map(date), "to": days.to.map(date) });
    }
    if let Some(remark) = remark {
        answer["warnings"] = json!([remark]);
    }
    answer
}

/// The figures of each group, and those that they are compared with.
type Rows = BTreeMap<String, (Row, Row)>;

/// Adds up what may be seen, by group. What is compared stands where it would stand had it been so
/// many days later. Returns a remark on the campaigns too.
fn group(
    question: &Question,
    role: Role,
    (now, before): (Counted, Counted),
    catalog: &Catalog,
) -> (Rows, Option<String>) {
    let (mut rows, mut campaigns) = (Rows::new(), BTreeSet::new());
    for (key, amount) in now.into_iter().filter(|(key, _)| question.has(role, key, catalog)) {
        rows.entry(question.by.group(&key)).or_default().0.add(&key, amount);
        campaigns.insert(key.campaign);
    }
    for (key, amount) in before.into_iter().filter(|(key, _)| question.has(role, key, catalog)) {
        let later = CounterKey { hour: key.hour.saturating_add(question.hours_back()), ..key };
        rows.entry(question.by.group(&later)).or_default().1.add(&key, amount);
    }
    let campaigns = campaigns.iter().filter_map(|id| catalog.campaigns.get(id));
    (rows, beyond::remark(campaigns.map(AsRef::as_ref)))
}

fn show(question: &Question, group: &str, (row, before): &(Row, Row), catalog: &Catalog) -> Value {
    let (by, mut shown) = (question.by, Map::new());
    shown.insert(by.as_str().to_owned(), if group.is_empty() { Value::Null } else { group.into() });
    let name = match by {
        By::Link => group
            .parse()
            .ok()
            .and_then(|id| catalog.links.get(id))
            .map(|link| link.slug().to_owned()),
        By::Influencer => {
            group.parse().ok().and_then(|id| catalog.influencers.get(&id)).map(|i| i.name.clone())
        }
        By::Campaign => {
            group.parse().ok().and_then(|id| catalog.campaigns.get(&id)).map(|c| c.name.clone())
        }
        By::Day | By::Hour => None,
    };
    let label = if by == By::Link { "slug" } else { "name" };
    shown.extend(name.map(|name| (label.to_owned(), name.into())));
    shown.extend(row.show());
    if question.previous.is_some() {
        shown.insert("previous".to_owned(), before.show().into());
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use hot_state::{HOURS_OF_A_DAY, Metric};
    use shared::class::Class;
    use shared::id::{CampaignId, InfluencerId};

    use super::*;
    use crate::stats::query::StatsQuery;

    #[test]
    fn what_is_compared_stands_beside_the_day_that_follows_it() {
        let query = json!({
            "by": "day", "from": "2026-03-03", "to": "2026-03-04", "compare": "previous",
        });
        let query: StatsQuery = serde_json::from_value(query).unwrap();
        let catalog = Catalog::default();
        let question = query.read(Role::Admin, &catalog).unwrap();
        let day = |back: u32| question.days.to.unwrap() - back;
        let clicks = |day: u32, hour: u32| CounterKey {
            campaign: CampaignId::from_bits(1),
            hour: day * HOURS_OF_A_DAY + hour,
            influencer: InfluencerId::from_bits(2),
            link: None,
            metric: Metric::Clicks(Class::Billable),
        };
        let now = Counted::from([(clicks(day(0), 0), 3), (clicks(day(0), 23), 4)]);
        let before = Counted::from([(clicks(day(2), 5), 10), (clicks(day(3), 5), 20)]);
        let (rows, _) = group(&question, Role::Admin, (now, before), &catalog);
        let rows: Vec<Value> =
            rows.iter().map(|(group, row)| show(&question, group, row, &catalog)).collect();
        let found: Vec<_> = rows
            .iter()
            .map(|row| (&row["day"], &row["clicks"]["raw"], &row["previous"]["clicks"]["raw"]))
            .collect();
        let (first, second) = (json!("2026-03-03"), json!("2026-03-04"));
        assert_eq!(found, [(&first, &json!(0), &json!(20)), (&second, &json!(7), &json!(10))]);
    }
}
