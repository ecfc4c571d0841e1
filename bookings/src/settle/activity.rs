//! Amounts earned without an order: by leads and by billable clicks. A lead of which only a browser
//! told earns only when the merchant trusts such leads, and of one click only a few count. A lead of
//! which the shop's server told earns when it is qualified.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::civil::Date;
use settlement::held::{self, Holding};
use settlement::ledger::{Booking, CampaignAccount, Reason};
use shared::catalog::{Campaign, Catalog, Merchant};
use shared::class::Class;
use shared::event::EventName;
use shared::id::{CampaignId, ClickId, EventId, FactId, InfluencerId, LinkId};
use shared::lead::LeadStatus;
use shared::links::LinkRef;
use shared::money::{Currency, Decimal};
use shared::order::Touch;
use shared::record::EventFact;
use shared::time::Timestamp;

use crate::error::Error;
use crate::read::dataset::{Dataset, arrival};
use crate::settle::leads::{AnyLead, server_leads, told_by_servers};
use crate::settle::zones::{days_later, local_date, start_of, zone_of};

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
    holding: Holding,
}

/// Why a lead earns nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    /// It may earn.
    None,
    /// The click's attribution window does not cover it.
    OutsideWindow,
    /// The link or the influencer was suspended when the link was clicked.
    Suspended,
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
            amount_minor: self.booking().map_or(0, |booking| booking.amount_minor),
            currency: Some(self.merchant.currency),
            held: self.held(),
        }
    }

    /// Returns why its commission is held, in one line; `None` when it is not, or earns nothing.
    fn held(&self) -> Option<String> {
        self.booking().and_then(|_| self.holding.to_text())
    }

    /// Returns `outside_window`, `suspended`, `lead_limit` or `flood` for a lead that earns nothing, else an
    /// empty text.
    const fn label(&self) -> &'static str {
        match self.label {
            Label::None => "",
            Label::OutsideWindow => "outside_window",
            Label::Suspended => "suspended",
            Label::LeadLimit => "lead_limit",
            Label::Flood => "flood",
        }
    }

    /// Returns why the lead is credited or not, in one sentence.
    fn reason(&self) -> String {
        match self.label {
            Label::None => "the click whose token came with the lead".to_owned(),
            Label::OutsideWindow => "the lead came after the window of its click".to_owned(),
            Label::Suspended => "the link or the influencer was suspended".to_owned(),
            Label::LeadLimit => {
                let most = self.campaign.caps.leads_per_click();
                format!("the click had brought {most} leads before, and no more count")
            }
            Label::Flood => "the click is one of a flood, which earns by sales alone".to_owned(),
        }
    }

    /// Returns what is booked for the lead; `None` when it earns nothing.
    fn booking(&self) -> Option<Booking> {
        let (_, terms) = self.campaign.terms_at(self.event.happened_at());
        let amount =
            terms.per_lead().filter(|_| self.merchant.trusts_leads() && self.label().is_empty())?;
        booking(
            self.id,
            self.event.received_at,
            (self.campaign.id, self.link.influencer()),
            self.merchant,
            1,
            amount,
        )
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
            } else if is_suspended(catalog, &link, touch.clicked_at) {
                Label::Suspended
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
            });
        }
    }
    for lead in leads(dataset, &told_by_servers(&of_servers)) {
        if let Some(booking) = lead.booking() {
            let zone = zone_of(lead.merchant)?;
            let earned_on = local_date(lead.event.happened_at(), &zone)?;
            let released_at = lead.holding.released_at;
            let released_on = released_at.map(|at| local_date(at, &zone)).transpose()?;
            let held = lead.holding.to_text();
            let (id, conversion) = (None, lead.id);
            earned.push(Earning { id, conversion, booking, earned_on, held, released_on });
        }
    }
    Ok(earned)
}

/// Why clicks are held, and the day on which they were released.
type HoldOfClicks = (Option<String>, Option<Date>);

/// Returns what billable clicks earned: one amount for each day, influencer and version of a
/// campaign's terms, rounded once. Clicks of the day that are held, or were released late, make
/// amounts of their own.
pub fn earned_by_clicks(dataset: &Dataset) -> Result<Vec<Earning>, Error> {
    let catalog = &dataset.catalog;
    let paying: BTreeMap<CampaignId, _> = paying_campaigns(catalog)?;
    let mut holds: HashMap<LinkId, Holding> = HashMap::new();
    let mut days: BTreeMap<_, BTreeMap<HoldOfClicks, i64>> = BTreeMap::new();
    for click in
        dataset.clicks.iter().map(|recorded| &recorded.fact).filter(|c| c.class == Class::Billable)
    {
        let Some(link) = catalog.links.get(click.link) else { continue };
        let Some((campaign, _, zone)) = paying.get(&link.campaign()) else { continue };
        let (version, terms) = campaign.terms_at(click.at);
        if terms.per_click().is_none() || is_suspended(catalog, &link, click.at) {
            continue;
        }
        let day = local_date(click.at, zone)?;
        let holding = holds
            .entry(click.link)
            .or_insert_with(|| held::of_clicks(click.link, link.influencer(), catalog));
        let due = days_later(day, campaign.hold_days)?;
        let released_on = holding.released_at.map(|at| local_date(at, zone)).transpose()?;
        let hold = (holding.to_text(), released_on.filter(|released_on| *released_on > due));
        let of_day = days.entry((campaign.id, link.influencer(), day, version)).or_default();
        *of_day.entry(hold).or_default() += 1;
    }
    let mut earned = Vec::new();
    for ((id, influencer, day, version), of_day) in days {
        let Some((campaign, merchant, zone)) = paying.get(&id) else { continue };
        let terms = campaign
            .earlier_commissions
            .get(version - 1)
            .map_or(&campaign.commission, |e| &e.commission);
        let Some(amount) = terms.per_click() else { continue };
        let begins = start_of(day, zone)?;
        for (index, ((held, released_on), count)) in of_day.into_iter().enumerate() {
            let mut parts =
                vec![id.to_string(), influencer.to_string(), day.to_string(), version.to_string()];
            // What is not held, or all that there is, keeps the id that it has without any hold.
            if index > 0 {
                let released_on = released_on.map(|day| day.to_string());
                parts.extend([held.clone().unwrap_or_default(), released_on.unwrap_or_default()]);
            }
            let parts = parts.iter().map(String::as_bytes);
            let parts: Vec<&[u8]> = [&b"clicks"[..]].into_iter().chain(parts).collect();
            let conversion = FactId::of_content(&parts);
            let booked = booking(conversion, begins, (id, influencer), merchant, count, amount);
            earned.extend(booked.map(|booking| Earning {
                id: None,
                conversion,
                booking,
                earned_on: day,
                held,
                released_on,
            }));
        }
    }
    Ok(earned)
}

/// Returns whether a click lies in a suspension of its link or its influencer.
fn is_suspended(catalog: &Catalog, link: &LinkRef<'_>, clicked_at: Timestamp) -> bool {
    let of = (link.id(), link.influencer());
    catalog.suspended_click(of, clicked_at, Timestamp::MAX).is_some()
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

/// Books `count` times an amount, rounded once; `None` when the amount is too large.
fn booking(
    fact: FactId,
    booked_at: Timestamp,
    (campaign, influencer): (CampaignId, InfluencerId),
    merchant: &Merchant,
    count: i64,
    amount: Decimal,
) -> Option<Booking> {
    let currency: Currency = merchant.currency;
    let times: Decimal = count.to_string().parse().ok()?;
    Some(Booking {
        fact,
        booked_at,
        reason: Reason::Accrued,
        account: CampaignAccount { campaign, influencer, currency },
        base_minor: count,
        base_currency: currency,
        rate: amount.to_string(),
        amount_minor: amount.checked_mul(times)?.to_minor(currency).ok()?,
    })
}
