//! What is known of the clicks and codes that opened visits, beside who earns by them: the sub id of
//! the post, and what the visitor said of tracking, so that amounts that were earned without consent
//! can be told apart. It decides about no money.

use std::collections::HashMap;

use settlement::attribution::Candidate;
use shared::consent::Consent;
use shared::id::{ClickId, FactId};
use shared::order::{OpeningId, Touch};

use crate::read::dataset::Dataset;
use crate::settle::entry::LedgerEntry;
use crate::settle::page_leads::all_leads;

/// Clicks with a sub id, and openings of whose visitor's consent anybody said something.
pub struct Openings<'a> {
    sub_ids: HashMap<ClickId, &'a str>,
    consents: HashMap<OpeningId, Consent>,
    clicks_of_leads: HashMap<FactId, ClickId>,
}

impl<'a> Openings<'a> {
    /// Gathers what came with the clicks, and what pages said later.
    pub fn of(dataset: &'a Dataset) -> Self {
        let clicks = dataset.clicks.iter().map(|click| &click.fact);
        let sub_ids = clicks.filter_map(|click| Some((click.id, click.sub_id.as_deref()?)));
        let leads = all_leads(dataset);
        let clicks_of_leads = leads.iter().filter_map(|lead| Some((lead.id, lead.touch?.click)));
        Self {
            sub_ids: sub_ids.collect(),
            consents: consents(dataset),
            clicks_of_leads: clicks_of_leads.collect(),
        }
    }

    /// Returns what opened the visit that an amount was earned by; `None` for coupons and for clicks
    /// that are paid themselves.
    pub fn of_entry(&self, entry: &LedgerEntry<'_>) -> Option<OpeningId> {
        match entry.conversion {
            Some(conversion) => conversion.subject().and_then(Candidate::opening),
            None => self.clicks_of_leads.get(&entry.conversion_id).copied().map(OpeningId::Click),
        }
    }

    /// Returns the sub id of a click; `None` where a link was followed without one, and for a code.
    pub fn sub_id(&self, opening: Option<OpeningId>) -> Option<&'a str> {
        match opening? {
            OpeningId::Click(click) => self.sub_ids.get(&click).copied(),
            OpeningId::Code(_) => None,
        }
    }

    /// Returns what the visitor said whose visit was opened so.
    pub fn consent(&self, opening: Option<OpeningId>) -> Consent {
        opening.and_then(|opening| self.consents.get(&opening).copied()).unwrap_or_default()
    }
}

/// Gathers what browsers said when they clicked, and what pages said later. A page that asked its
/// visitor knows better than a signal of the browser.
fn consents(dataset: &Dataset) -> HashMap<OpeningId, Consent> {
    let clicks = dataset.clicks.iter().map(|click| &click.fact);
    let clicks = clicks.map(|click| (OpeningId::Click(click.id), click.consent));
    let of_touch = |touch: &Touch| OpeningId::Click(touch.click);
    let events = dataset.events.iter().map(|event| &event.fact).flat_map(|event| {
        let code = event.code_visit.map(OpeningId::Code);
        let both = event.touch.iter().map(of_touch).chain(code);
        both.map(|opening| (opening, event.consent))
    });
    let orders = dataset.order_facts.iter().map(|order| &order.fact);
    let orders = orders.filter_map(|order| Some((order, order.consent?)));
    let orders = orders.flat_map(|(order, said)| {
        let code = order.code_visit.map(OpeningId::Code);
        order.touches.iter().map(of_touch).chain(code).map(move |opening| (opening, said))
    });
    let mut known: HashMap<OpeningId, Consent> = HashMap::new();
    for (opening, said) in clicks.chain(events).chain(orders) {
        match said {
            Consent::Unknown => {}
            Consent::Denied => _ = known.entry(opening).or_insert(said),
            Consent::Granted => _ = known.insert(opening, said),
        }
    }
    known
}
