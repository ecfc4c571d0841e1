//! The records that wait for a committer's thread; it never holds more than its limits, and never
//! lets the thread sleep while a record waits.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::durability::Durability;
use crate::error::Error;

/// How many records may wait. Further ones are refused with [`Error::Busy`].
pub const QUEUE_RECORDS_MAX: usize = 64 << 10;
/// How many payload bytes may wait. Only an empty queue accepts more, in one offer.
pub const QUEUE_BYTES_MAX: usize = 128 << 20;
/// About how many payload bytes one write takes, so that a long queue is answered piece by piece.
pub(crate) const COMMIT_BYTES_MAX: usize = 4 << 20;

/// A record's sequence, once its promise is kept.
pub(crate) type Answer = Result<u64, Error>;

/// A record that waits to be written.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) payload: Vec<u8>,
    /// `None` when a later job of the same caller is answered for this one too.
    pub(crate) caller: Option<Caller>,
}

/// A caller that waits for an answer.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) durability: Durability,
    answer: oneshot::Sender<Answer>,
}

impl Caller {
    /// Returns a caller and where it receives its answer.
    pub(crate) fn new(durability: Durability) -> (Self, oneshot::Receiver<Answer>) {
        let (answer, receiver) = oneshot::channel();
        (Self { durability, answer }, receiver)
    }

    /// Answers the caller, which may have stopped waiting.
    pub(crate) fn answer(self, result: Answer) {
        let _ = self.answer.send(result);
    }
}

/// The records that wait for the thread.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// The payload bytes of `jobs`.
    bytes: usize,
    closed: bool,
}

/// Whether jobs were accepted.
pub(crate) enum Offered {
    Taken,
    Full,
    Closed,
}

impl Queue {
    /// Adds jobs next to each other and in their order, or none of them when there is no room.
    pub(crate) fn offer(&self, jobs: impl AsRef<[Job]> + IntoIterator<Item = Job>) -> Offered {
        let mut waiting = self.waiting();
        if waiting.closed {
            return Offered::Closed;
        }
        let offered = jobs.as_ref();
        let records = waiting.jobs.len() + offered.len();
        let bytes = waiting.bytes + offered.iter().map(|job| job.payload.len()).sum::<usize>();
        let is_first = waiting.jobs.is_empty();
        if records > QUEUE_RECORDS_MAX || (bytes > QUEUE_BYTES_MAX && !is_first) {
            return Offered::Full;
        }
        waiting.bytes = bytes;
        waiting.jobs.extend(jobs);
        drop(waiting);
        // The thread only sleeps on an empty queue.
        if is_first {
            self.changed.notify_one();
        }
        Offered::Taken
    }

    /// Refuses new jobs. Those that wait can still be taken.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.changed.notify_one();
    }

    /// Moves the next jobs into `batch`; waits for one until `deadline`, or for ever without one.
    /// Returns `false` when the queue is closed and empty.
    pub(crate) fn take(&self, batch: &mut Vec<Job>, deadline: Option<Instant>) -> bool {
        let mut waiting = self.waiting();
        while waiting.jobs.is_empty() && !waiting.closed {
            let Some(deadline) = deadline else {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let waited = self.changed.wait_timeout(waiting, left);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut taken_bytes = 0;
        while let Some(job) = waiting.jobs.front() {
            if !batch.is_empty() && taken_bytes + job.payload.len() > COMMIT_BYTES_MAX {
                break;
            }
            taken_bytes += job.payload.len();
            batch.extend(waiting.jobs.pop_front());
        }
        debug_assert!(taken_bytes <= waiting.bytes, "bytes are counted in and out");
        waiting.bytes -= taken_bytes;
        !(batch.is_empty() && waiting.closed)
    }

    /// Refuses new jobs and drops those that wait, which answers them with [`Error::Closed`].
    pub(crate) fn abandon(&self) {
        self.close();
        let left = std::mem::take(&mut self.waiting().jobs);
        drop(left);
    }

    /// A panic of another holder leaves the queue consistent: nothing panics between its changes.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(bytes: usize) -> Job {
        Job { payload: vec![0; bytes], caller: None }
    }

    #[test]
    fn a_full_queue_refuses_until_something_is_taken() {
        let queue = Queue::default();
        for _ in 0..QUEUE_RECORDS_MAX {
            assert!(matches!(queue.offer([job(0)]), Offered::Taken));
        }
        assert!(matches!(queue.offer([job(0)]), Offered::Full));
        let mut batch = Vec::new();
        assert!(queue.take(&mut batch, None));
        assert_eq!(batch.len(), QUEUE_RECORDS_MAX);
        assert!(matches!(queue.offer([job(0)]), Offered::Taken));
    }

    #[test]
    fn jobs_offered_together_are_taken_together_or_refused_together() {
        let queue = Queue::default();
        let jobs = |count: usize| (0..count).map(job).collect::<Vec<_>>();
        assert!(matches!(queue.offer(jobs(QUEUE_RECORDS_MAX + 1)), Offered::Full));
        assert!(matches!(queue.offer(jobs(3)), Offered::Taken));
        assert!(matches!(queue.offer(jobs(QUEUE_RECORDS_MAX - 2)), Offered::Full));
        let mut batch = Vec::new();
        assert!(queue.take(&mut batch, None));
        let lengths: Vec<usize> = batch.iter().map(|job| job.payload.len()).collect();
        assert_eq!(lengths, [0, 1, 2]);
    }

    #[test]
    fn bytes_are_limited_too_and_taken_piece_by_piece() {
        let queue = Queue::default();
        let quarter = COMMIT_BYTES_MAX / 4;
        for _ in 0..QUEUE_BYTES_MAX / quarter {
            assert!(matches!(queue.offer([job(quarter)]), Offered::Taken));
        }
        assert!(matches!(queue.offer([job(1)]), Offered::Full));
        let mut batch = Vec::new();
        assert!(queue.take(&mut batch, None));
        assert_eq!(batch.len(), 4);
        assert!(matches!(queue.offer([job(1)]), Offered::Taken));
    }

    #[test]
    fn a_closed_queue_is_drained_and_then_ends() {
        let queue = Queue::default();
        assert!(matches!(queue.offer([job(1)]), Offered::Taken));
        queue.close();
        assert!(matches!(queue.offer([job(1)]), Offered::Closed));
        let mut batch = Vec::new();
        assert!(queue.take(&mut batch, None));
        batch.clear();
        assert!(!queue.take(&mut batch, None));
    }
}
