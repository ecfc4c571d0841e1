//! The facts of an order in the sequence in which they reached us. It judges none of them.

use shared::id::ClickId;
use shared::order::{OrderFact, Visit, distinct};

/// Returns the facts that count, each with the clicks that it names, the first to arrive first.
pub(crate) fn by_arrival<'f>(
    facts: impl IntoIterator<Item = &'f OrderFact>,
    visit: &dyn Fn(&ClickId) -> Option<Visit>,
) -> Vec<OrderFact> {
    let mut by_arrival: Vec<OrderFact> = distinct(facts).into_iter().cloned().collect();
    by_arrival.iter_mut().for_each(|fact| fact.look_up_clicks(visit));
    by_arrival.sort_by_key(|fact| (fact.received_at, fact.id));
    by_arrival
}
