//! Faults planted into the hot state by test builds, to show that the outage tests catch them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A fault that a test plants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFault {
    /// `state-forgets:N`: every N-th window is not stored.
    Forgets(u64),
    /// `state-blind`: data that a server lost goes unnoticed.
    Blind,
}

static PLANTED: OnceLock<StateFault> = OnceLock::new();
static WINDOWS: AtomicU64 = AtomicU64::new(0);

impl StateFault {
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some(("state-forgets", every)) => every.parse().ok().map(Self::Forgets),
            None if text == "state-blind" => Some(Self::Blind),
            _ => None,
        }
    }

    pub fn plant(self) {
        // Planted once, at the start of the process.
        _ = PLANTED.set(self);
    }
}

/// Returns whether the next window is not to be stored.
pub(crate) fn forgets_window() -> bool {
    match PLANTED.get() {
        Some(StateFault::Forgets(every)) => WINDOWS.fetch_add(1, Relaxed) % every == every - 1,
        _ => false,
    }
}

/// Returns whether losses are to go unnoticed.
pub(crate) fn is_blind() -> bool {
    PLANTED.get() == Some(&StateFault::Blind)
}
