//! What visitors said of tracking, by click, so that amounts that were earned without consent can be
//! told apart. It decides about no money.

use std::collections::HashMap;

use shared::consent::Consent;
use shared::id::ClickId;

use crate::read::dataset::Dataset;

/// The consent of each click's visitor, as far as anybody said it.
pub(crate) struct Consents(HashMap<ClickId, Consent>);

impl Consents {
    /// Gathers what browsers said when they clicked, and what pages said later. A page that asked
    /// its visitor knows better than a signal of the browser.
    pub(crate) fn of(dataset: &Dataset) -> Self {
        let clicks = dataset.clicks.iter().map(|click| (click.fact.id, click.fact.consent));
        let events = dataset.events.iter().map(|event| &event.fact);
        let events = events.filter_map(|event| Some((event.touch?.click, event.consent)));
        let orders = dataset.order_facts.iter().map(|order| &order.fact);
        let orders = orders.filter_map(|order| Some((order.touches.iter(), order.consent?)));
        let orders =
            orders.flat_map(|(touches, said)| touches.map(move |touch| (touch.click, said)));
        let mut known: HashMap<ClickId, Consent> = HashMap::new();
        for (click, said) in clicks.chain(events).chain(orders) {
            match said {
                Consent::Unknown => {}
                Consent::Denied => _ = known.entry(click).or_insert(said),
                Consent::Granted => _ = known.insert(click, said),
            }
        }
        Self(known)
    }

    /// Returns what the visitor of a click said.
    pub(crate) fn of_click(&self, click: Option<ClickId>) -> Consent {
        click.and_then(|click| self.0.get(&click).copied()).unwrap_or_default()
    }
}
