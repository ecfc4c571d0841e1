//! What is known of clicks beside who earns by them: the sub id of the post, and what the visitor said
//! of tracking, so that amounts that were earned without consent can be told apart. It decides about
//! no money.

use std::collections::HashMap;

use shared::consent::Consent;
use shared::id::ClickId;

use crate::read::dataset::Dataset;

/// Clicks with a sub id, and clicks of whose visitor's consent anybody said something.
pub(crate) struct ClickFacts<'a> {
    sub_ids: HashMap<ClickId, &'a str>,
    consents: HashMap<ClickId, Consent>,
}

impl<'a> ClickFacts<'a> {
    /// Gathers what came with the clicks, and what pages said later.
    pub(crate) fn of(dataset: &'a Dataset) -> Self {
        let clicks = dataset.clicks.iter().map(|click| &click.fact);
        let sub_ids = clicks.filter_map(|click| Some((click.id, click.sub_id.as_deref()?)));
        Self { sub_ids: sub_ids.collect(), consents: consents(dataset) }
    }

    /// Returns the sub id of a click; `None` where the link was followed without one.
    pub(crate) fn sub_id(&self, click: Option<ClickId>) -> Option<&'a str> {
        self.sub_ids.get(&click?).copied()
    }

    /// Returns what the visitor of a click said.
    pub(crate) fn consent(&self, click: Option<ClickId>) -> Consent {
        click.and_then(|click| self.consents.get(&click).copied()).unwrap_or_default()
    }
}

/// Gathers what browsers said when they clicked, and what pages said later. A page that asked its
/// visitor knows better than a signal of the browser.
fn consents(dataset: &Dataset) -> HashMap<ClickId, Consent> {
    let clicks = dataset.clicks.iter().map(|click| (click.fact.id, click.fact.consent));
    let events = dataset.events.iter().map(|event| &event.fact);
    let events = events.filter_map(|event| Some((event.touch?.click, event.consent)));
    let orders = dataset.order_facts.iter().map(|order| &order.fact);
    let orders = orders.filter_map(|order| Some((order.touches.iter(), order.consent?)));
    let orders = orders.flat_map(|(touches, said)| touches.map(move |touch| (touch.click, said)));
    let mut known: HashMap<ClickId, Consent> = HashMap::new();
    for (click, said) in clicks.chain(events).chain(orders) {
        match said {
            Consent::Unknown => {}
            Consent::Denied => _ = known.entry(click).or_insert(said),
            Consent::Granted => _ = known.insert(click, said),
        }
    }
    known
}
