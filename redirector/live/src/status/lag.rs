//! How far the hot state is behind the journal. The projector writes it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use journal::{Health, StreamName};

#[derive(Debug, Default)]
pub struct Lag {
    /// Records projected since the start.
    pub projected: AtomicU64,
    /// The projector found nothing left to project in its last pass.
    pub caught_up: AtomicBool,
    /// Projecting fails at the moment.
    pub failing: AtomicBool,
    /// Values in the hot state that none of our nodes wrote, since the start.
    pub foreign: AtomicU64,
    /// The sequence number of the last projected record of each stream.
    positions: Mutex<BTreeMap<StreamName, u64>>,
}

impl Lag {
    /// Returns whether figures contain everything that is recorded.
    pub fn is_up_to_date(&self) -> bool {
        self.caught_up.load(Relaxed) && !self.failing.load(Relaxed)
    }

    /// Returns how many records of these streams are not projected yet.
    pub fn behind(&self, streams: &[Health]) -> u64 {
        let positions = self.positions();
        let position = |stream: &StreamName| positions.get(stream).copied().unwrap_or(0);
        let behind =
            streams.iter().map(|s| s.last_committed().saturating_sub(position(s.stream())));
        behind.sum()
    }

    /// Returns whether a record is projected.
    pub fn has_reached(&self, stream: &StreamName, seq: u64) -> bool {
        self.positions().get(stream).is_some_and(|position| *position >= seq)
    }

    /// Sets the last projected record of a stream.
    pub fn reached(&self, stream: &StreamName, seq: u64) {
        let mut positions = self.positions();
        match positions.get_mut(stream) {
            Some(position) => *position = seq,
            None => _ = positions.insert(stream.clone(), seq),
        }
    }

    /// Locks the map. A panic of another holder cannot leave it half changed.
    fn positions(&self) -> MutexGuard<'_, BTreeMap<StreamName, u64>> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
