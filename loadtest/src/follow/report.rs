//! What came of a load test, and what it tells while it runs. How that looks is the business of
//! `text.rs` and `page.rs`.

use std::time::Duration;

use crate::follow::capacity::{Capacity, Step};
use crate::follow::measure::{Phase, Second};
use crate::follow::reconcile::Reconciliation;

/// Something that happened at a moment, counted from the first click of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Duration,
    /// What.
    pub what: String,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct FollowReport {
    /// How it was done, in one line.
    pub setting: String,
    /// Part by part.
    pub phases: Vec<Phase>,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// What happened meanwhile.
    pub marks: Vec<Mark>,
    /// How much it could take, if that was measured.
    pub capacity: Option<Capacity>,
    /// Sessions, orders and repeats that would have come after the end.
    pub not_yet_due: usize,
    /// Whether everything agrees.
    pub reconciliation: Reconciliation,
}

impl FollowReport {
    /// Whether nothing differs.
    pub fn is_good(&self) -> bool {
        self.reconciliation.differences() == 0
    }
}

/// What there is to tell while it runs.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// A part begins.
    Begins(&'a str),
    /// A second is over.
    Second(&'a Second),
    /// A rate was tried.
    Tried(&'a Step),
}
