//! The exchange of catalog changes between nodes. Written by its job.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[derive(Debug, Default)]
pub struct ExchangeStatus {
    refused: AtomicU64,
}

impl ExchangeStatus {
    /// Counts an entry that no node of ours made.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Returns how many entries were dropped since the start.
    pub fn refused_total(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}
