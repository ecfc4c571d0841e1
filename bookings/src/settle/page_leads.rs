//! Amounts earned by leads. A lead of which only a browser told earns only when the merchant trusts such
//! leads, and of one click only a few count. A lead of which the shop's server told earns when it is
//! qualified.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use settlement::held::{self, Holding};
use settlement::ledger::Booking;
use shared::catalog::{Campaign, Merchant};
use shared::event::EventName;
use shared::id::{ClickId, EventId, FactId};
use shared::lead::LeadStatus;
use shared::links::LinkRef;
use shared::order::Touch;
use shared::record::EventFact;
use shared::time::Timestamp;

use crate::error::Error;
use crate::read::dataset::{Dataset, arrival};
use crate::settle::earning::{Earning, booking, suspended, suspended_at, times_minor};
use crate::settle::leads::{AnyLead, server_leads, told_by_servers};
use crate::settle::zones::{local_date, zone_of};

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
            let is_flood = floods.contains(&touch.click);
            let label = label(campaign, (&event.fact, &touch), *earlier, is_flood);
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

/// Returns why a lead earns nothing, suspensions apart. It is the `number`th of its click.
fn label(
    campaign: &Campaign,
    (event, touch): (&EventFact, &Touch),
    number: u32,
    is_flood: bool,
) -> Label {
    if !touch.covers(event.happened_at()) {
        Label::OutsideWindow
    } else if number > campaign.caps.leads_per_click() {
        Label::LeadLimit
    } else if is_flood {
        Label::Flood
    } else {
        Label::None
    }
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
