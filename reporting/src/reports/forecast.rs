//! The forecast of a campaign: its target against what was reached, and what it reaches at its end if
//! it goes on as it went. It decides about no money.
//!
//! The method is `daily_mean_and_weeks`. The projected end is what was reached, and for each day that
//! is left the mean of the days so far. The range takes instead the daily mean of the worst and of the
//! best seven days in a row; before there are seven days there is no range.

use std::collections::BTreeMap;

use bookings::{Conversions, Dataset};
use shared::catalog::Campaign;
use shared::commission::bound_minor;
use shared::day::Day;
use shared::id::CampaignId;
use shared::money::{Currency, Money, round_half_away};
use shared::order::Status;
use shared::time::Timestamp;
use shared::zone::Zone;

use crate::error::Error;
use crate::reports::accounts::OnDay;
use crate::write::document::{Document, Table};
use crate::write::form::Form;
use crate::write::print::{Block, Cell};

/// The name of the method.
const METHOD: &str = "daily_mean_and_weeks";
/// How many days in a row make a week, in which all days of the week occur.
const WEEK: usize = 7;

/// The columns, in order.
const HEADER: [&str; 12] = [
    "metric",
    "currency",
    "target",
    "actual",
    "days_past",
    "days_left",
    "projected",
    "low",
    "high",
    "missing",
    "shortfall",
    "method",
];

/// The forecast of a campaign.
pub struct Forecast(Document);

impl Forecast {
    /// Computes the forecast at the end of a day.
    ///
    /// # Errors
    /// When the campaign is unknown, or its merchant's time zone is invalid.
    pub fn of(dataset: &Dataset, campaign: CampaignId, on: OnDay) -> Result<Self, Error> {
        let (campaign, merchant) = dataset.campaign(campaign)?;
        let zone = Zone::named(&merchant.timezone);
        let days = CampaignDays::of(campaign, &zone, on);
        let (goods, orders) = by_day(dataset, campaign, (merchant.currency, &zone))?;
        let target = campaign.target.unwrap_or_default();
        let goods_target = bound_minor(target.goods, merchant.currency).map(i128::from);
        let money = |minor: i128| match i64::try_from(minor) {
            Ok(minor) => Money { minor, currency: merchant.currency }.to_string(),
            Err(_) => String::new(),
        };
        let rows = [
            row("goods", &merchant.currency.to_string(), (goods_target, &goods), &days, &money),
            row("orders", "", (target.orders.map(i128::from), &orders), &days, &|n| n.to_string()),
        ];
        let block = Block::of(&HEADER, rows.into_iter());
        let tables = vec![Table { name: "forecast", block }];
        let day = |day: Day| Cell::Id(day.to_string());
        let mut facts = vec![
            ("campaign", Cell::Text(campaign.name.clone())),
            ("campaign_id", Cell::Id(campaign.id.to_string())),
            ("from", day(days.first)),
        ];
        facts.extend(days.last.map(|last| ("to", day(last))));
        facts.extend([
            ("as_of", day(days.today)),
            ("timezone", Cell::Text(merchant.timezone.clone())),
        ]);
        Ok(Self(Document { title: "forecast", facts, tables, lines: None }))
    }

    /// Writes the forecast.
    pub fn write(&self, form: Form) -> String {
        form.write(&self.0, false)
    }
}

/// The days of a campaign in its merchant's calendar.
struct CampaignDays {
    first: Day,
    /// `None` while nobody said when it ends.
    last: Option<Day>,
    today: Day,
}

impl CampaignDays {
    fn of(campaign: &Campaign, zone: &Zone, on: OnDay) -> Self {
        let today = match on {
            OnDay::Day(day) => day,
            OnDay::Of(at) => zone.date(at),
        };
        let first = zone.date(campaign.starts_at.unwrap_or(campaign.created_at));
        // It has ended when its last moment is past, so its last day is that of the moment before.
        let ends_at = campaign.ends_at.map(|at| Timestamp::from_ms(at.as_ms().saturating_sub(1)));
        Self { first, last: ends_at.map(|at| zone.date(at)), today }
    }

    /// Returns the last day that counts so far.
    fn last_past(&self) -> Day {
        self.last.map_or(self.today, |last| last.min(self.today))
    }

    fn past(&self) -> usize {
        usize::try_from(self.first.days_until(self.last_past()) + 1).unwrap_or(0)
    }

    fn left(&self) -> Option<usize> {
        let last = self.last?;
        let from = self.last_past().max(self.first.before());
        usize::try_from(from.days_until(last)).ok()
    }
}

type ByDay = BTreeMap<Day, i128>;

/// Returns goods and orders of a campaign by the day on which they were placed.
fn by_day(
    dataset: &Dataset,
    campaign: &Campaign,
    (currency, zone): (Currency, &Zone),
) -> Result<(ByDay, ByDay), Error> {
    let (mut goods, mut orders) = (ByDay::new(), ByDay::new());
    for conversion in Conversions::of(dataset)?.iter() {
        let order = &conversion.settled.order;
        let is_of = conversion.subject().is_some_and(|by| by.campaign == Some(campaign.id));
        if !is_of || !conversion.counts_as_order() || order.status == Status::Void {
            continue;
        }
        let day = zone.date(order.placed_at);
        *orders.entry(day).or_default() += 1;
        if order.currency.is_none_or(|of| of == currency) {
            let minor = order.net_goods_minor().unwrap_or(0);
            *goods.entry(day).or_default() += i128::from(minor);
        }
    }
    Ok((goods, orders))
}

/// What is projected for the end.
struct Projection {
    projected: i128,
    /// The worst and the best that it may be.
    range: Option<(i128, i128)>,
}

/// Projects the end from the figures of each day so far.
fn project(so_far: &[i128], left: usize) -> Option<Projection> {
    let (actual, days) = (so_far.iter().sum::<i128>(), so_far.len() as i128);
    let goes_on = |sum: i128, days: i128| actual + round_half_away(sum * left as i128, days);
    if days == 0 {
        return None;
    }
    let weeks = || so_far.windows(WEEK).map(|week| week.iter().sum::<i128>());
    let range = weeks().min().zip(weeks().max());
    let range = range.map(|(worst, best)| (goes_on(worst, 7), goes_on(best, 7)));
    Some(Projection { projected: goes_on(actual, days), range })
}

fn row(
    metric: &'static str,
    currency: &str,
    (target, by_day): (Option<i128>, &ByDay),
    days: &CampaignDays,
    show: &dyn Fn(i128) -> String,
) -> Vec<Cell> {
    let past = days.past();
    let day = |at: usize| days.first.later(u32::try_from(at).unwrap_or(u32::MAX));
    let so_far: Vec<i128> =
        (0..past).map(|at| by_day.get(&day(at)).copied().unwrap_or(0)).collect();
    let actual: i128 = so_far.iter().sum();
    let left = days.left();
    let projection = left.and_then(|left| project(&so_far, left));
    let projected = projection.as_ref().map(|projection| projection.projected);
    let range = projection.and_then(|projection| projection.range);
    let missing = |reached: i128| target.map(|target| (target - reached).max(0));
    let cell = |value: Option<i128>| Cell::Number(value.map_or_else(String::new, show));
    vec![
        Cell::Word(metric),
        Cell::Id(currency.to_owned()),
        cell(target),
        cell(Some(actual)),
        Cell::Number(past.to_string()),
        Cell::Number(left.map_or_else(String::new, |left| left.to_string())),
        cell(projected),
        cell(range.map(|(low, _)| low)),
        cell(range.map(|(_, high)| high)),
        cell(missing(actual)),
        cell(projected.and_then(missing)),
        Cell::Id(METHOD.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_projected_by_the_mean_and_its_range_by_the_worst_and_best_week() {
        // Fourteen days: a week of 10 a day, then a week of 20 a day; seven days are left.
        let so_far: Vec<i128> = [vec![10; 7], vec![20; 7]].concat();
        let projection = project(&so_far, 7).unwrap();
        assert_eq!(projection.projected, 210 + 105);
        assert_eq!(projection.range, Some((210 + 70, 210 + 140)));
        let young = project(&[3, 4], 3).unwrap();
        assert_eq!((young.projected, young.range), (7 + 11, None), "10.5 is 11, rounded once");
        assert!(project(&[], 3).is_none());
        assert_eq!(project(&so_far, 0).unwrap().projected, 210, "nothing is left");
    }
}
