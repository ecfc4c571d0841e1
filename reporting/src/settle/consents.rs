//! What visitors said of tracking, by what opened their visit, so that amounts that were earned without consent can be
//! told apart. It decides about no money.

use std::collections::HashMap;

use shared::consent::Consent;
use shared::order::{OpeningId, Touch};

use crate::read::dataset::Dataset;

/// The consent of each visitor, as far as anybody said it.
pub(crate) struct Consents(HashMap<OpeningId, Consent>);

impl Consents {
    /// Gathers what browsers said when they clicked, and what pages said later. A page that asked
    /// its visitor knows better than a signal of the browser.
    pub(crate) fn in_dataset(dataset: &Dataset) -> Self {
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
        Self(known)
    }

    /// Returns what the visitor said whose visit was opened so.
    pub(crate) fn of(&self, opening: Option<OpeningId>) -> Consent {
        opening.and_then(|opening| self.0.get(&opening).copied()).unwrap_or_default()
    }
}
