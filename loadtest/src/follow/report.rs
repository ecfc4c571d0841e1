//! The result of a load test, and the news while it runs. `text.rs` and `page.rs` render it.

use std::time::Duration;

use crate::follow::capacity::{Capacity, Step};
use crate::follow::measure::{Phase, Second};
use crate::follow::reconcile::Reconciliation;

/// Something that happened at a moment of the load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When it happened, as time since the start of the load.
    pub at: Duration,
    /// What happened.
    pub what: String,
}

/// The result of a load test.
#[derive(Debug, Clone)]
pub struct FollowReport {
    /// The settings, in one line.
    pub setting: String,
    /// The measurements of each part.
    pub phases: Vec<Phase>,
    /// The measurements of each second.
    pub seconds: Vec<Second>,
    /// Events during the load, such as posts.
    pub marks: Vec<Mark>,
    /// The product's capacity, if it was measured.
    pub capacity: Option<Capacity>,
    /// Sessions, orders and repeats that were due after the end of a part, and were not sent.
    pub not_yet_due: usize,
    /// The comparison of answers, journal and figures.
    pub reconciliation: Reconciliation,
}

impl FollowReport {
    /// Returns whether there is no difference.
    pub fn is_good(&self) -> bool {
        self.reconciliation.differences() == 0
    }
}

/// Progress while a load test runs.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// A part begins.
    Begins(&'a str),
    /// A second is over.
    Second(&'a Second),
    /// A rate was tried.
    Tried(&'a Step),
}
