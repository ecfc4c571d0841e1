//! What billable clicks earn: an amount for each day and link. A day's clicks of an influencer are rounded
//! once.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use settlement::held;
use shared::catalog::{Campaign, Catalog, Merchant};
use shared::class::Class;
use shared::id::{CampaignId, FactId, InfluencerId, LinkId};
use shared::money::round_half_away;
use shared::time::Timestamp;

use crate::error::Error;
use crate::read::dataset::Dataset;
use crate::settle::earning::{Earning, booking, suspended, suspended_at, times_minor};
use crate::settle::zones::{local_date, start_of, zone_of};

/// The clicks of a day that one version of a campaign's terms pays to one influencer, by link.
type DaysOfClicks = BTreeMap<DayOfClicks, BTreeMap<LinkId, PaidClicks>>;
type DayOfClicks = (CampaignId, InfluencerId, Date, usize);

/// The clicks of a day on a link that are paid.
#[derive(Default)]
struct PaidClicks {
    count: i64,
    /// How many of them lie in a suspension that was decided when the day was over, by that time.
    taken_back: BTreeMap<Timestamp, i64>,
}

/// Returns what billable clicks earned: for each day, influencer and version of a campaign's terms an
/// amount a link. They add up to the day's amount, which is rounded once, whatever is held of it.
///
/// # Errors
/// When a day is outside the range of the calendar, or a merchant's time zone is invalid.
pub fn earned_by_clicks(dataset: &Dataset) -> Result<Vec<Earning>, Error> {
    let catalog = &dataset.catalog;
    let paying = paying_campaigns(catalog)?;
    let mut earned = Vec::new();
    for ((id, influencer, day, version), links) in paid_clicks(dataset, &paying)? {
        let Some((campaign, merchant, zone)) = paying.get(&id) else { continue };
        let earlier = campaign.earlier_commissions.get(version - 1);
        let terms = earlier.map_or(&campaign.commission, |earlier| &earlier.commission);
        let Some(rate) = terms.per_click() else { continue };
        let begins = start_of(day, zone)?;
        let (mut counted, mut booked_minor) = (0, 0);
        for (link, clicks) in links {
            counted += clicks.count;
            // The amount of all links so far, less what is booked for those before.
            let Some(so_far) = times_minor(rate, counted, merchant.currency) else { continue };
            let amount_minor = so_far - booked_minor;
            booked_minor = so_far;
            let conversion = id_of_clicks((id, influencer, day, version), link);
            let account = (id, influencer);
            let (count, at) = (clicks.count, begins);
            let booking = booking(conversion, at, account, merchant, count, rate, amount_minor);
            let holding = held::of_clicks(link, influencer, catalog);
            let released_on = holding.released_at.map(|at| local_date(at, zone)).transpose()?;
            let accrued = Earning {
                id: None,
                conversion,
                booking,
                earned_on: day,
                held: holding.to_text(),
                released_on,
                held_times: holding.periods,
                link: Some(link),
            };
            let taken_back = taken_back(&accrued, clicks.taken_back);
            earned.push(accrued);
            earned.extend(taken_back);
        }
    }
    Ok(earned)
}

/// Returns what suspensions take back of a day's clicks, each when it was decided: what is left is the
/// share of the clicks that are left, rounded.
fn taken_back(accrued: &Earning, taken: BTreeMap<Timestamp, i64>) -> Vec<Earning> {
    let (all, amount_minor) = (accrued.booking.base_minor, accrued.booking.amount_minor);
    let (mut left, mut left_minor) = (all, amount_minor);
    let mut earned = Vec::new();
    for (at, count) in taken {
        left -= count;
        let share = round_half_away(i128::from(amount_minor) * i128::from(left), i128::from(all));
        let now_minor = i64::try_from(share).unwrap_or(left_minor);
        earned.push(suspended(accrued, at, left, now_minor - left_minor));
        left_minor = now_minor;
    }
    earned
}

/// Counts the clicks that are paid.
fn paid_clicks(
    dataset: &Dataset,
    paying: &BTreeMap<CampaignId, PayingCampaign<'_>>,
) -> Result<DaysOfClicks, Error> {
    let catalog = &dataset.catalog;
    let mut days = DaysOfClicks::new();
    let clicks = dataset.clicks.iter().map(|recorded| &recorded.fact);
    for click in clicks.filter(|click| click.class == Class::Billable) {
        let Some(link) = catalog.links.get(click.link) else { continue };
        let Some((campaign, _, zone)) = paying.get(&link.campaign()) else { continue };
        let (version, terms) = campaign.terms_at(click.at);
        if terms.per_click().is_none() {
            continue;
        }
        let day = local_date(click.at, zone)?;
        let suspended_at = suspended_at(catalog, &link, click.at);
        // A day's amount is known when the day is over.
        let is_over =
            |at: &Timestamp| local_date(*at, zone).is_ok_and(|decided_on| day < decided_on);
        if suspended_at.is_some_and(|at| !is_over(&at)) {
            continue;
        }
        let of_day = days.entry((campaign.id, link.influencer(), day, version)).or_default();
        let clicks = of_day.entry(click.link).or_default();
        clicks.count += 1;
        if let Some(at) = suspended_at {
            *clicks.taken_back.entry(at).or_default() += 1;
        }
    }
    Ok(days)
}

/// Returns the id of a day's clicks on a link.
fn id_of_clicks(
    (campaign, influencer, day, version): (CampaignId, InfluencerId, Date, usize),
    link: LinkId,
) -> FactId {
    let parts = [
        "clicks".to_owned(),
        campaign.to_string(),
        influencer.to_string(),
        day.to_string(),
        version.to_string(),
        link.to_string(),
    ];
    FactId::of_content(&parts.each_ref().map(|part| part.as_bytes()))
}

type PayingCampaign<'a> = (&'a Arc<Campaign>, &'a Arc<Merchant>, jiff::tz::TimeZone);

/// Returns the campaigns that pay for clicks now, or did under earlier terms.
fn paying_campaigns(catalog: &Catalog) -> Result<BTreeMap<CampaignId, PayingCampaign<'_>>, Error> {
    let mut paying = BTreeMap::new();
    for campaign in catalog.campaigns.values() {
        let earlier = campaign.earlier_commissions.iter().map(|earlier| &earlier.commission);
        let pays = earlier.chain([&campaign.commission]).any(|terms| terms.per_click().is_some());
        if let Some(merchant) = catalog.merchants.get(&campaign.merchant).filter(|_| pays) {
            paying.insert(campaign.id, (campaign, merchant, zone_of(merchant)?));
        }
    }
    Ok(paying)
}
