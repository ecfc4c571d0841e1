//! Clicks by id, for following the touches that led to one; it never knows a visitor, only clicks
//! that name the click before them. The rule itself is `shared::order::path_before`, as the edge
//! follows it.

use std::collections::HashMap;

use shared::id::ClickId;
use shared::order::Visit;

use crate::read::facts::{ClickRecord, Recorded};

/// Every click that may earn, by id.
#[derive(Debug)]
pub(crate) struct Paths {
    visits: HashMap<ClickId, Visit>,
}

impl Paths {
    /// Indexes the clicks. Where an id was recorded twice, the first record counts.
    pub(crate) fn new(clicks: &[Recorded<ClickRecord>]) -> Self {
        let mut visits = HashMap::new();
        for visit in clicks.iter().filter_map(|recorded| recorded.fact.visit()) {
            visits.entry(visit.touch.click).or_insert(visit);
        }
        Self { visits }
    }

    /// A click that may earn.
    pub(crate) fn visit(&self, click: &ClickId) -> Option<Visit> {
        self.visits.get(click).copied()
    }
}
