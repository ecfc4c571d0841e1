//! Group commit: one thread writes for many callers, with one write and at most one fsync for all
//! that wait; it never answers before the promise asked for is kept, and never lets the queue grow
//! without limit.

use std::iter::Peekable;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::durability::{Durability, SYNC_DELAY};
use crate::error::Error;
use crate::format::PAYLOAD_BYTES_MAX;
use crate::queue::{Answer, COMMIT_BYTES_MAX, Caller, Job, Offered, QUEUE_RECORDS_MAX, Queue};
use crate::stream_name::StreamName;
use crate::sync::Health;
use crate::writer::Writer;

/// How long several callers that wait for an fsync wait for others to share it. A single caller
/// does not wait.
///
/// An fsync costs the processor as much as dozens of record writes, however many records it covers.
const GATHER_DELAY: Duration = Duration::from_millis(1);

/// A handle to the thread that owns a stream's [`Writer`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Committer {
    queue: Arc<Queue>,
    health: Health,
}

/// Ends a committer's thread. Dropping it does so as well, but hides errors.
#[derive(Debug)]
pub struct Shutdown {
    queue: Arc<Queue>,
    health: Health,
    /// `None` when the thread could not be started, or was joined.
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Committer {
    /// Starts the thread. `clock` returns Unix time in milliseconds and only dates segments.
    ///
    /// If the thread cannot be started, the stream is poisoned, and every append is refused with
    /// [`Error::Closed`].
    pub fn spawn(writer: Writer, clock: fn() -> u64) -> (Self, Shutdown) {
        let queue = Arc::new(Queue::default());
        let health = writer.health();
        let worker = Worker { writer, clock, queue: Arc::clone(&queue), unsynced_since: None };
        let name = format!("journal-{}", health.stream());
        let started = thread::Builder::new().name(name).spawn(|| worker.run());
        // If the start failed, the worker was dropped, and dropping it closed the queue.
        let thread = started
            .map_err(|error| health.0.poison_with(&format!("cannot start a thread: {error}")))
            .ok();
        let shutdown = Shutdown { queue: Arc::clone(&queue), health: health.clone(), thread };
        (Self { queue, health }, shutdown)
    }

    /// Appends a record and returns its sequence when the promise is kept. Works in any executor.
    ///
    /// The record is appended even if the caller stops waiting.
    ///
    /// # Errors
    /// After [`Error::Busy`] and [`Error::TooLarge`] the record is not in the stream. After
    /// [`Error::Poisoned`] and [`Error::Closed`] the caller must treat it as not recorded, although
    /// it may be in the stream after a restart.
    pub async fn append(&self, payload: Vec<u8>, durability: Durability) -> Result<u64, Error> {
        let answer = self.enqueue(payload, durability)?;
        answer.await.unwrap_or_else(|_| Err(self.closed()))
    }

    /// Appends records in their order and returns when the promise is kept for all of them. Works
    /// in any executor.
    ///
    /// The stream keeps this order, but records of other callers may come between these. An empty
    /// list succeeds at once.
    ///
    /// A list may be longer than the queue. It is taken and written group by group, so that other
    /// callers find room in the queue. Only the last group waits for [`Durability::Disk`]: an fsync
    /// covers all earlier records of the stream. If the caller stops waiting, later groups are not
    /// appended.
    ///
    /// # Errors
    /// As [`append`](Self::append), at the first group that fails; no later one is tried. The
    /// stream may hold the first records of the list, without a gap, but none after the first
    /// missing one. The caller must treat the whole list as not recorded.
    pub async fn append_all(
        &self,
        payloads: impl IntoIterator<Item = Vec<u8>>,
        durability: Durability,
    ) -> Result<(), Error> {
        let mut payloads = payloads.into_iter().peekable();
        while let Some((mut jobs, payload)) = next_group(&mut payloads) {
            let is_last = payloads.peek().is_none();
            let (caller, answer) = Caller::new(if is_last { durability } else { Durability::Os });
            jobs.push(Job { payload, caller: Some(caller) });
            self.offer(jobs)?;
            answer.await.unwrap_or_else(|_| Err(self.closed()))?;
        }
        Ok(())
    }

    /// As [`append`](Self::append), for threads outside of any executor.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    ///
    /// # Panics
    /// When called inside an async task, whose executor it would block.
    pub fn append_blocking(&self, payload: Vec<u8>, durability: Durability) -> Result<u64, Error> {
        let answer = self.enqueue(payload, durability)?;
        answer.blocking_recv().unwrap_or_else(|_| Err(self.closed()))
    }

    /// Returns the stream's name.
    pub fn stream(&self) -> &StreamName {
        self.health.stream()
    }

    /// Returns a handle for readiness checks.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    fn enqueue(
        &self,
        payload: Vec<u8>,
        durability: Durability,
    ) -> Result<oneshot::Receiver<Answer>, Error> {
        let (caller, answer) = Caller::new(durability);
        self.offer([Job { payload, caller: Some(caller) }])?;
        Ok(answer)
    }

    /// Hands jobs to the thread: all of them, or none.
    fn offer(&self, jobs: impl AsRef<[Job]> + IntoIterator<Item = Job>) -> Result<(), Error> {
        let mut lengths = jobs.as_ref().iter().map(|job| job.payload.len());
        if let Some(bytes) = lengths.find(|bytes| *bytes > PAYLOAD_BYTES_MAX) {
            return Err(Error::TooLarge { bytes });
        }
        match self.queue.offer(jobs) {
            Offered::Taken => Ok(()),
            Offered::Full => Err(Error::Busy { stream: self.stream().clone() }),
            Offered::Closed => Err(self.closed()),
        }
    }

    fn closed(&self) -> Error {
        Error::Closed { stream: self.stream().clone() }
    }
}

/// How many records of one list wait at the same time: a part of the queue, so that other callers
/// find room.
const GROUP_RECORDS_MAX: usize = QUEUE_RECORDS_MAX / 16;

/// Takes the next records of a list, about as many as one write takes: all but the last as jobs
/// that need no answer, and the last one's payload. Returns `None` at the end of the list.
fn next_group(
    payloads: &mut Peekable<impl Iterator<Item = Vec<u8>>>,
) -> Option<(Vec<Job>, Vec<u8>)> {
    let mut last = payloads.next()?;
    let (mut jobs, mut bytes) = (Vec::new(), last.len());
    while let Some(payload) = payloads.next_if(|next| {
        jobs.len() + 1 < GROUP_RECORDS_MAX && bytes + next.len() <= COMMIT_BYTES_MAX
    }) {
        bytes += payload.len();
        jobs.push(Job { payload: std::mem::replace(&mut last, payload), caller: None });
    }
    Some((jobs, last))
}

impl Shutdown {
    /// Refuses new records, commits and fsyncs those that wait, answers their callers, and ends the
    /// thread.
    ///
    /// # Errors
    /// The error of the last commit or fsync, or [`Error::Poisoned`] after an earlier failure.
    pub fn shutdown(mut self) -> Result<(), Error> {
        self.queue.close();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            // The stream is poisoned if the thread panicked or was never started.
            Some(Err(_)) | None => self.health.0.check(),
        }
    }
}

impl Drop for Shutdown {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // The callers were told about a panic or error of the thread. A drop can tell nobody.
            let _ = thread.join();
        }
    }
}

/// The thread's state.
struct Worker {
    writer: Writer,
    clock: fn() -> u64,
    queue: Arc<Queue>,
    /// When the oldest commit without an fsync was made.
    unsynced_since: Option<Instant>,
}

/// A record whose bytes are in the writer's buffer or file, and whose caller still waits.
struct Framed {
    seq: u64,
    caller: Caller,
}

impl Worker {
    fn run(mut self) -> Result<(), Error> {
        let mut batch = Vec::new();
        let mut framed = Vec::new();
        while self.queue.take(&mut batch, self.deadline()) {
            self.frame_and_commit(&mut batch, &mut framed);
            if framed.len() > 1 {
                thread::sleep(GATHER_DELAY);
                self.queue.take(&mut batch, Some(Instant::now()));
                self.frame_and_commit(&mut batch, &mut framed);
            }
            self.sync_and_answer(&mut framed);
            if self.unsynced_since.is_some_and(|since| since.elapsed() >= SYNC_DELAY) {
                // A failure poisons the stream. The next caller and readiness checks see that.
                let _ = self.sync();
            }
            self.writer.sync_mark_if_due();
        }
        self.writer.sync()
    }

    /// Returns when something must be fsynced even if no record comes.
    fn deadline(&self) -> Option<Instant> {
        let of_records = self.unsynced_since.map(|since| since + SYNC_DELAY);
        [of_records, self.writer.mark_sync_due()].into_iter().flatten().min()
    }

    /// Writes a batch. Those that wait for an fsync are left in `framed`.
    fn frame_and_commit(&mut self, batch: &mut Vec<Job>, framed: &mut Vec<Framed>) {
        if !batch.is_empty() {
            self.frame(batch, framed);
            self.commit(framed);
        }
    }

    fn frame(&mut self, batch: &mut Vec<Job>, framed: &mut Vec<Framed>) {
        for Job { payload, caller } in batch.drain(..) {
            let appended = self.writer.append(&payload);
            // Invariant: payloads were checked against their limit, so a record that fails here has
            // found the stream poisoned. Then the last record of its group fails as well.
            let Some(caller) = caller else { continue };
            match appended {
                Ok(seq) if self.writer.segment_io().acks_early() => caller.answer(Ok(seq)),
                Ok(seq) => framed.push(Framed { seq, caller }),
                Err(error) => caller.answer(Err(error)),
            }
        }
        if self.writer.segment_io().acks_early() {
            self.writer.segment_io().wait_after_early_ack();
        }
    }

    /// Writes all framed records, and answers the callers that asked for [`Durability::Os`].
    fn commit(&mut self, framed: &mut Vec<Framed>) {
        if self.writer.pending() == 0 {
            return;
        }
        if let Err(error) = self.writer.commit((self.clock)()) {
            return self.refuse(framed.drain(..), &error);
        }
        self.unsynced_since.get_or_insert_with(Instant::now);
        for written in framed.extract_if(.., |waiting| waiting.caller.durability == Durability::Os)
        {
            written.caller.answer(Ok(written.seq));
        }
    }

    /// Fsyncs all written records, and answers the callers that wait for it.
    fn sync_and_answer(&mut self, framed: &mut Vec<Framed>) {
        if framed.is_empty() {
            return;
        }
        match self.sync() {
            Ok(()) => framed.drain(..).for_each(|synced| synced.caller.answer(Ok(synced.seq))),
            Err(error) => self.refuse(framed.drain(..), &error),
        }
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.unsynced_since = None;
        self.writer.sync()
    }

    fn refuse(&self, waiting: impl Iterator<Item = Framed>, error: &Error) {
        let (stream, cause) = (self.writer.stream().clone(), error.to_string());
        for refused in waiting {
            let error = Error::Poisoned { stream: stream.clone(), cause: cause.clone() };
            refused.caller.answer(Err(error));
        }
    }
}

impl Drop for Worker {
    /// Answers every caller that still waits with [`Error::Closed`], however the thread ends, by
    /// dropping their jobs.
    fn drop(&mut self) {
        if thread::panicking() {
            self.writer.health().0.poison_with("the thread that writes it panicked");
        }
        self.queue.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_into_groups_of_few_records_and_bytes() {
        let groups = |lengths: &[usize]| {
            let mut payloads = lengths.iter().map(|length| vec![0; *length]).peekable();
            let mut records = Vec::new();
            while let Some((jobs, _)) = next_group(&mut payloads) {
                records.push(jobs.len() + 1);
            }
            records
        };
        let half = COMMIT_BYTES_MAX / 2;
        assert_eq!(groups(&[]), []);
        assert_eq!(groups(&[1, 2, 3]), [3]);
        assert_eq!(groups(&[half, half, 1]), [2, 1]);
        assert_eq!(groups(&[1, COMMIT_BYTES_MAX + 1, 1]), [1, 1, 1]);
        assert_eq!(groups(&[0; GROUP_RECORDS_MAX + 1]), [GROUP_RECORDS_MAX, 1]);
    }
}
