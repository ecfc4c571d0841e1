//! Amounts earned without an order: by leads and by billable clicks. A lead of which only a browser
//! told earns only when the merchant trusts such leads, and of one click only a few count. A lead of
//! which the shop's server told earns when it is qualified.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::civil::Date;
use settlement::held::{self, HeldPeriod, Holding};
use settlement::ledger::{Booking, CampaignAccount, Reason};
use shared::catalog::{Campaign, Catalog, Merchant};
use shared::class::Class;
use shared::event::EventName;
use shared::id::{CampaignId, ClickId, EventId, FactId, InfluencerId, LinkId};
use shared::lead::LeadStatus;
use shared::links::LinkRef;
use shared::money::{Currency, Decimal, round_half_away};
use shared::order::Touch;
use shared::record::EventFact;
use shared::time::Timestamp;

use crate::error::Error;
use crate::read::dataset::{Dataset, arrival};
use crate::settle::leads::{AnyLead, server_leads, told_by_servers};
use crate::settle::zones::{local_date, start_of, zone_of};

/// A lead that a click led to, and of which only a browser told.
#[derive(Debug)]
struct Lead<'a> {
    /// The lead's id as a conversion.
    id: FactId,
    /// The event as the pixel sent it.
    event: &'a EventFact,
    /// The click that led to it.
    touch: Touch,
    /// The link that was clicked.
    link: LinkRef<'a>,
    campaign: &'a Arc<Campaign>,
    merchant: &'a Arc<Merchant>,
    label: Label,
    /// When the suspension was decided in which its click lies. What it earned before is taken back.
    suspended_at: Option<Timestamp>,
    holding: Holding,
}

/// Why a lead earns nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    /// It may earn.
    None,
    /// The click's attribution window does not cover it.
    OutsideWindow,
    /// The click had brought as many leads before as its campaign counts.
    LeadLimit,
    /// The click is one of a flood, and a lead proves no person.
    Flood,
}

impl Lead<'_> {
    /// Returns the lead as tables show it.
    fn shown(&self) -> AnyLead {
        let is_trusted = self.merchant.trusts_leads();
        let happened_at = self.event.happened_at();
        let became = if is_trusted { LeadStatus::Qualified } else { LeadStatus::Open };
        AnyLead {
            id: self.id,
            lead_id: None,
            source: "pixel",
            merchant: self.merchant.id,
            campaign: Some(self.campaign.id),
            influencer: Some(self.link.influencer()),
            link: Some(self.touch.link),
            touch: Some(self.touch),
            happened_at,
            became: (became, happened_at),
            status: if is_trusted { "confirmed" } else { "claimed" },
            label: self.label(),
            reason: self.reason(),
            order_id: None,
            amount_minor: self
                .booking()
                .filter(|_| !self.is_suspended())
                .map_or(0, |booking| booking.amount_minor),
            currency: Some(self.merchant.currency),
            held: self.held(),
        }
    }

    /// Returns why its commission is held, in one line; `None` when it is not, or earns nothing.
    fn held(&self) -> Option<String> {
        self.booking().filter(|_| !self.is_suspended()).and_then(|_| self.holding.to_text())
    }

    const fn is_suspended(&self) -> bool {
        self.suspended_at.is_some()
    }

    /// Returns `outside_window`, `suspended`, `lead_limit` or `flood` for a lead that earns nothing, else an
    /// empty text.
    const fn label(&self) -> &'static str {
        match self.label {
            Label::OutsideWindow => "outside_window",
            _ if self.is_suspended() => "suspended",
            Label::None => "",
            Label::LeadLimit => "lead_limit",
            Label::Flood => "flood",
        }
    }

    /// Returns why the lead is credited or not, in one sentence.
    fn reason(&self) -> String {
        match self.label {
            Label::OutsideWindow => "the lead came after the window of its click".to_owned(),
            _ if self.is_suspended() => "the link or the influencer was suspended".to_owned(),
            Label::None => "the click whose token came with the lead".to_owned(),
            Label::LeadLimit => {
                let most = self.campaign.caps.leads_per_click();
                format!("the click had brought {most} leads before, and no more count")
            }
            Label::Flood => "the click is one of a flood, which earns by sales alone".to_owned(),
        }
    }

    /// Returns what was booked for the lead when it came; `None` when it earned nothing then.
    fn booking(&self) -> Option<Booking> {
        let (_, terms) = self.campaign.terms_at(self.event.happened_at());
        let was_suspended = self.suspended_at.is_some_and(|at| at <= self.event.received_at);
        let earns = self.merchant.trusts_leads() && self.label == Label::None && !was_suspended;
        let amount = terms.per_lead().filter(|_| earns)?;
        let amount_minor = times_minor(amount, 1, self.merchant.currency)?;
        let account = (self.campaign.id, self.link.influencer());
        let received_at = self.event.received_at;
        Some(booking(self.id, received_at, account, self.merchant, 1, amount, amount_minor))
    }
}

/// An amount booked without an order.
pub struct Earning {
    /// The id of the booking; `None` for the only one of its conversion.
    pub id: Option<FactId>,
    /// The id of the lead as a conversion. A day's clicks are no conversion, but have an id too.
    pub conversion: FactId,
    /// The amount, and whom it is booked for.
    pub booking: Booking,
    /// The day on which the hold begins.
    pub earned_on: Date,
    /// Why it is held by somebody, in one line; `None` when it is not.
    pub held: Option<String>,
    /// The day on which somebody released it; it is not payable before.
    pub released_on: Option<Date>,
    /// Every time in which somebody held it.
    pub held_times: Vec<HeldPeriod>,
    /// The link that was clicked; `None` for leads.
    pub link: Option<LinkId>,
}

/// Returns every lead, whoever told of it, by time.
pub fn all_leads(dataset: &Dataset) -> Vec<AnyLead> {
    let of_servers = server_leads(dataset);
    let of_pages = leads(dataset, &told_by_servers(&of_servers));
    let of_pages = of_pages.iter().map(Lead::shown);
    let of_servers = of_servers.iter().map(|told| AnyLead::of_server(told, dataset));
    let mut all: Vec<_> = of_pages.chain(of_servers).collect();
    all.sort_by_key(|lead| (lead.happened_at, lead.id));
    all
}

/// Returns every lead that a click led to and of which only a browser told, by time. `told` are
/// those of which the shop's server told, too.
fn leads<'d>(dataset: &'d Dataset, told: &HashSet<EventId>) -> Vec<Lead<'d>> {
    let mut leads = Vec::new();
    let floods = unpaid_clicks(dataset);
    let mut of_click: HashMap<ClickId, u32> = HashMap::new();
    let mut events = dataset.distinct_events_of_clicks(EventName::Lead);
    events.retain(|(event, _)| !told.contains(&event.fact.id));
    events.sort_by_key(|(event, _)| arrival(event));
    for (event, touch) in events {
        let Some(link) = dataset.catalog.links.get(touch.link) else { continue };
        let Some((campaign, merchant)) = dataset.catalog.campaign_and_merchant(link.campaign())
        else {
            continue;
        };
        if merchant.id == event.fact.merchant {
            let id = FactId::of_content(&[b"lead", event.fact.id.as_bytes()]);
            let (influencer, catalog) = (link.influencer(), &dataset.catalog);
            let earlier = of_click.entry(touch.click).or_default();
            *earlier += 1;
            let label = if !touch.covers(event.fact.happened_at()) {
                Label::OutsideWindow
            } else if *earlier > campaign.caps.leads_per_click() {
                Label::LeadLimit
            } else if floods.contains(&touch.click) {
                Label::Flood
            } else {
                Label::None
            };
            leads.push(Lead {
                id,
                event: &event.fact,
                touch,
                link,
                campaign,
                merchant,
                label,
                suspended_at: suspended_at(catalog, &link, touch.clicked_at),
                holding: held::of_lead(&touch, event.fact.received_at, influencer, catalog),
            });
        }
    }
    leads.sort_by_key(|lead| (lead.event.happened_at(), lead.id));
    leads
}

/// Returns the clicks that have a token but earn by sales alone.
fn unpaid_clicks(dataset: &Dataset) -> HashSet<ClickId> {
    let clicks = dataset.clicks.iter().map(|recorded| &recorded.fact);
    let unpaid = clicks.filter(|click| click.class.earns() && !click.class.earns_leads());
    unpaid.map(|click| click.id).collect()
}

/// Returns what leads earned.
pub(crate) fn earned_by_leads(dataset: &Dataset) -> Result<Vec<Earning>, Error> {
    let of_servers = server_leads(dataset);
    let mut earned = Vec::new();
    for lead in &of_servers {
        for (id, booking) in lead.bookings() {
            let merchant = dataset.catalog.merchants.get(&lead.merchant);
            let Some(merchant) = merchant else { continue };
            let (zone, holding) = (zone_of(merchant)?, &lead.settled.holding);
            earned.push(Earning {
                id: Some(id),
                conversion: lead.id,
                booking: booking.clone(),
                earned_on: local_date(lead.happened_at(), &zone)?,
                held: holding.to_text(),
                released_on: holding.released_at.map(|at| local_date(at, &zone)).transpose()?,
                held_times: holding.periods.clone(),
                link: None,
            });
        }
    }
    for lead in leads(dataset, &told_by_servers(&of_servers)) {
        if let Some(booking) = lead.booking() {
            let zone = zone_of(lead.merchant)?;
            let earned_on = local_date(lead.event.happened_at(), &zone)?;
            let released_at = lead.holding.released_at;
            let released_on = released_at.map(|at| local_date(at, &zone)).transpose()?;
            let (held, held_times) = (lead.holding.to_text(), lead.holding.periods);
            let (id, conversion, link) = (None, lead.id, None);
            let accrued =
                Earning { id, conversion, booking, earned_on, held, released_on, held_times, link };
            let taken_back = lead.suspended_at.map(|at| {
                let amount_minor = accrued.booking.amount_minor.saturating_neg();
                suspended(&accrued, at, 0, amount_minor)
            });
            earned.push(accrued);
            earned.extend(taken_back);
        }
    }
    Ok(earned)
}

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

/// Returns what a suspension takes back of an earning when it was decided.
fn suspended(accrued: &Earning, at: Timestamp, left: i64, amount_minor: i64) -> Earning {
    let id = FactId::of_content(&[
        b"suspended",
        accrued.conversion.as_bytes(),
        at.to_string().as_bytes(),
    ]);
    let booking = Booking {
        booked_at: at,
        reason: Reason::Suspended,
        base_minor: left,
        amount_minor,
        ..accrued.booking.clone()
    };
    Earning {
        id: Some(id),
        conversion: accrued.conversion,
        booking,
        earned_on: accrued.earned_on,
        held: accrued.held.clone(),
        released_on: accrued.released_on,
        held_times: accrued.held_times.clone(),
        link: accrued.link,
    }
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

/// Returns when the suspension was decided, of its link or its influencer, in which a click lies.
fn suspended_at(catalog: &Catalog, link: &LinkRef<'_>, clicked_at: Timestamp) -> Option<Timestamp> {
    let of = (link.id(), link.influencer());
    catalog.suspended_click(of, clicked_at, Timestamp::MAX).map(|period| period.made_at)
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

/// Returns `count` times an amount, rounded once; `None` when it is too large.
fn times_minor(amount: Decimal, count: i64, currency: Currency) -> Option<i64> {
    let times: Decimal = count.to_string().parse().ok()?;
    amount.checked_mul(times)?.to_minor(currency).ok()
}

/// Books what `count` leads or clicks earned.
fn booking(
    fact: FactId,
    booked_at: Timestamp,
    (campaign, influencer): (CampaignId, InfluencerId),
    merchant: &Merchant,
    count: i64,
    rate: Decimal,
    amount_minor: i64,
) -> Booking {
    let currency = merchant.currency;
    Booking {
        fact,
        booked_at,
        reason: Reason::Accrued,
        account: CampaignAccount { campaign, influencer, currency },
        base_minor: count,
        base_currency: currency,
        rate: rate.to_string(),
        amount_minor,
    }
}
