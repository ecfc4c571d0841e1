//! Events of pages that are counted: each once, the sessions of a click or of a visit by a code once
//! in a half hour, and no more
//! leads of a click than its campaign counts. Browsers choose the events' ids, so an id alone
//! bounds nothing. Leads of which the shop's own server tells count once each, without a bound.

use anyhow::Result;
use shared::commission::Caps;
use shared::event::EventName;
use shared::id::{ClickId, EventId, MerchantId};
use shared::lead::LeadFact;
use shared::order::Touch;
use shared::record::EventFact;
use shared::time::Timestamp;

use crate::model::{CounterKey, FirstBringer, event_expires_at, place_expires_at};
use crate::state::HotState;

/// An event that one record of a stream brings, and what it counts for.
#[derive(Clone)]
struct Brought {
    by: FirstBringer,
    key: CounterKey,
    /// Of a browser's lead: the merchant, the click, and how many leads of the click count.
    of_click: Option<(MerchantId, ClickId, u32)>,
}

/// Events of one batch, in the order of their records.
#[derive(Default)]
pub(crate) struct Events {
    of_pages: Vec<Brought>,
    of_servers: Vec<Brought>,
}

impl Events {
    /// Adds an event that the record `seq` of a stream brings. `origin` names that record.
    pub(crate) fn add(
        &mut self,
        event: &EventFact,
        (seq, origin): (u64, Vec<u8>),
        key: CounterKey,
        caps: &Caps,
    ) {
        let by =
            FirstBringer { event: event.counted_as(), origin, seq, received_at: event.received_at };
        let click = event.touch.filter(|_| event.name == EventName::Lead).map(|touch| touch.click);
        let of_click = click.map(|click| (event.merchant, click, caps.leads_per_click()));
        self.of_pages.push(Brought { by, key, of_click });
    }

    /// Adds a lead of which the shop's server told in the record `seq` of a stream.
    pub(crate) fn add_lead(
        &mut self,
        (fact, touch): (&LeadFact, &Touch),
        (seq, origin): (u64, Vec<u8>),
        key: CounterKey,
    ) {
        let event = EventId::of_lead(fact.merchant, touch.click, &fact.lead_id);
        let by = FirstBringer { event, origin, seq, received_at: fact.received_at };
        self.of_servers.push(Brought { by, key, of_click: None });
    }

    /// Returns the records whose events count, with what they count for. Asking again gives the
    /// same answer.
    pub(crate) fn counted(
        self,
        state: &HotState,
        now: Timestamp,
    ) -> Result<Vec<(u64, CounterKey)>> {
        let kept_until = |by: &FirstBringer| event_expires_at(by.received_at, now);
        let (first, _) = parted(state, self.of_pages, &kept_until)?;
        let (mut leads, mut counted): (Vec<_>, Vec<_>) =
            first.into_iter().partition(|event| event.of_click.is_some());
        let kept_until = |by: &FirstBringer| place_expires_at(by.received_at, now);
        // Each lead takes the first place of its click that is free, for good, or none.
        for place in 0..Caps::LEADS_PER_CLICK_MAX {
            leads.retain(|lead| lead.of_click.is_some_and(|(_, _, most)| place < most));
            if leads.is_empty() {
                break;
            }
            for lead in &mut leads {
                let place = lead.of_click.map(|(merchant, click, _)| id(merchant, click, place));
                lead.by.event = place.unwrap_or(lead.by.event);
            }
            let (placed, rest) = parted(state, leads, &kept_until)?;
            counted.extend(placed);
            leads = rest;
        }
        // What becomes of a lead is told for months.
        let (first, _) = parted(state, self.of_servers, &kept_until)?;
        counted.extend(first);
        Ok(counted.into_iter().map(|event| (event.by.seq, event.key)).collect())
    }
}

/// Parts events into those whose id this record brought first, and the others.
fn parted(
    state: &HotState,
    events: Vec<Brought>,
    expires_at: &dyn Fn(&FirstBringer) -> Timestamp,
) -> Result<(Vec<Brought>, Vec<Brought>)> {
    let bringers: Vec<FirstBringer> = events.iter().map(|event| event.by.clone()).collect();
    let mut first = state.are_first(&bringers, expires_at)?.into_iter();
    Ok(events.into_iter().partition(|_| first.next() == Some(true)))
}

/// Returns the id of one of the places that a click has for leads.
fn id(merchant: MerchantId, click: ClickId, place: u32) -> EventId {
    let merchant = merchant.bits().to_be_bytes();
    EventId::of_content(&[b"lead place", &merchant, click.as_bytes(), &place.to_be_bytes()])
}
