//! Clicks by id, to follow the touches that led to an order. It knows no visitors, only clicks that
//! name the click before them. The rule itself is `shared::order::path_before`, the same as at the
//! edge.

use std::collections::HashMap;

use shared::id::ClickId;
use shared::order::Visit;

use crate::read::facts::{ClickRecord, Recorded};

/// Every click of a class that earns, by id.
#[derive(Debug)]
pub(crate) struct ClickIndex {
    visits: HashMap<ClickId, Visit>,
}

impl ClickIndex {
    /// Indexes the clicks. If an id was recorded twice, the first record counts.
    pub(crate) fn new(clicks: &[Recorded<ClickRecord>]) -> Self {
        let mut visits = HashMap::new();
        for visit in clicks.iter().filter_map(|recorded| recorded.fact.visit()) {
            visits.entry(visit.touch.click).or_insert(visit);
        }
        Self { visits }
    }

    /// Returns a click; `None` when it is unknown or of a class that does not earn.
    pub(crate) fn visit(&self, click: &ClickId) -> Option<Visit> {
        self.visits.get(click).copied()
    }
}
