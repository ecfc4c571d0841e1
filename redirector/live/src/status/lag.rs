//! How far the hot state is behind the journal. The projector writes it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use journal::{Health, StreamName};
use shared::time::Timestamp;

#[derive(Debug, Default)]
pub struct Lag {
    /// Records projected since the start.
    pub projected: AtomicU64,
    /// The projector found nothing left to project in its last pass. Records that came since are
    /// not in it.
    pub caught_up: AtomicBool,
    /// Projecting fails at the moment.
    pub failing: AtomicBool,
    /// The sequence number of the last projected record of each stream.
    positions: Mutex<BTreeMap<StreamName, u64>>,
    /// The latest time in the records that were seen, in milliseconds; 0 before the first one.
    latest: AtomicI64,
}

impl Lag {
    /// Returns whether figures that are read from now on contain every record that these streams
    /// have now. A record is in its stream before its sender gets an answer. Streams that other
    /// processes write are known only as of the projector's last pass.
    pub fn is_up_to_date(&self, streams: &[Health]) -> bool {
        self.caught_up.load(Relaxed) && !self.failing.load(Relaxed) && self.behind(streams) == 0
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

    /// Notes the time of a click, an event or an order that is recorded.
    pub fn saw(&self, at: Timestamp) {
        self.latest.fetch_max(at.as_ms(), Relaxed);
    }

    /// Returns the latest time of a recorded click, event or order; `None` before the first one.
    pub fn latest(&self) -> Option<Timestamp> {
        Some(self.latest.load(Relaxed)).filter(|ms| *ms > 0).map(Timestamp::from_ms)
    }

    /// Locks the map. A panic of another holder cannot leave it half changed.
    fn positions(&self) -> MutexGuard<'_, BTreeMap<StreamName, u64>> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use journal::{Options, Writer};

    use super::*;

    #[test]
    fn figures_are_up_to_date_only_with_every_record_that_was_committed() {
        let folder = tempfile::tempdir().unwrap();
        let stream = StreamName::new("facts-00000000").unwrap();
        let (mut writer, _) = Writer::open(folder.path(), &stream, 1, Options::default()).unwrap();
        let streams = [writer.health()];
        let lag = Lag::default();
        assert!(!lag.is_up_to_date(&streams), "the projector has not begun");
        lag.caught_up.store(true, Relaxed);
        assert!(lag.is_up_to_date(&streams));
        for seq in 1..=3 {
            writer.append(b"record").unwrap();
            writer.commit(1).unwrap();
            assert!(!lag.is_up_to_date(&streams), "the last pass did not see record {seq}");
            lag.reached(&stream, seq);
            assert!(lag.is_up_to_date(&streams));
        }
        lag.failing.store(true, Relaxed);
        assert!(!lag.is_up_to_date(&streams));
    }
}
