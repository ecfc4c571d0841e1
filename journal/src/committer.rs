//! Group commit: many callers, one thread, one write and at most one fsync for all that wait; it
//! never answers before the promise asked for is kept, and never lets the queue grow without limit.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    Error, Health, PAYLOAD_BYTES_MAX, StreamName, Writer,
    queue::{Answer, Job, Offered, Queue},
};

/// What an acknowledgement promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Written to the operating system. Survives a kill of the process. A power cut loses at most
    /// the last 50 ms ([`SYNC_DELAY`] and the fsync itself).
    Os,
    /// Fsynced. Survives a kill of the process and a power cut, as far as the disk keeps its word.
    Disk,
}

/// How long a commit may wait for its fsync when nobody asked for [`Durability::Disk`].
pub const SYNC_DELAY: Duration = Duration::from_millis(40);

/// How long records that wait for an fsync together wait for others to share it. One that waits
/// alone does not.
///
/// An fsync costs the processor as much as writing dozens of records does, however many records it
/// covers.
const GATHER_DELAY: Duration = Duration::from_millis(1);

/// A handle to the thread that owns a stream's [`Writer`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Committer {
    queue: Arc<Queue>,
    health: Health,
}

/// Ends a committer's thread. Dropping it shuts down as well, and hides what went wrong.
#[derive(Debug)]
pub struct Shutdown {
    queue: Arc<Queue>,
    health: Health,
    /// None when it could not be started, or was joined.
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Committer {
    /// Starts the thread. `clock` gives Unix time in milliseconds and only dates segments.
    pub fn spawn(writer: Writer, clock: fn() -> u64) -> (Committer, Shutdown) {
        let queue = Arc::new(Queue::default());
        let health = writer.health();
        let worker = Worker { writer, clock, queue: Arc::clone(&queue), unsynced_since: None };
        let name = format!("journal-{}", health.stream());
        let started = thread::Builder::new().name(name).spawn(|| worker.run());
        // Without a thread the worker was dropped, which closed the queue: every append then says
        // so.
        let thread = started
            .map_err(|error| health.0.poison_with(&format!("cannot start a thread: {error}")))
            .ok();
        let shutdown = Shutdown { queue: Arc::clone(&queue), health: health.clone(), thread };
        (Committer { queue, health }, shutdown)
    }

    /// Appends a record and returns its sequence when the promise is kept. Works in any executor.
    ///
    /// A caller that stops waiting does not take the record back.
    ///
    /// # Errors
    /// [`Error::Busy`] and [`Error::TooLarge`]: not recorded. [`Error::Poisoned`] and
    /// [`Error::Closed`]: must be taken as not recorded, though after a restart the record may turn
    /// out to be there.
    pub async fn append(&self, payload: Vec<u8>, durability: Durability) -> Result<u64, Error> {
        let answer = self.enqueue(payload, durability)?;
        answer.await.unwrap_or_else(|_| Err(self.closed()))
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
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(Error::TooLarge { bytes: payload.len() });
        }
        let (ack, answer) = oneshot::channel();
        match self.queue.offer(Job { payload, durability, ack }) {
            Offered::Taken => Ok(answer),
            Offered::Full => Err(Error::Busy { stream: self.stream().clone() }),
            Offered::Closed => Err(self.closed()),
        }
    }

    fn closed(&self) -> Error {
        Error::Closed { stream: self.stream().clone() }
    }
}

impl Shutdown {
    /// Refuses new records, commits and fsyncs those that wait, answers them, and ends the thread.
    ///
    /// # Errors
    /// What the last commit or fsync failed with, or [`Error::Poisoned`] after an earlier failure.
    pub fn shutdown(mut self) -> Result<(), Error> {
        self.queue.close();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            // A thread that panicked, or was never started, has poisoned the stream.
            Some(Err(_)) | None => self.health.0.check(),
        }
    }
}

impl Drop for Shutdown {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A panic or error of the thread was answered to its callers; there is nobody here to
            // tell.
            let _ = thread.join();
        }
    }
}

/// The thread's state.
struct Worker {
    writer: Writer,
    clock: fn() -> u64,
    queue: Arc<Queue>,
    /// When the oldest commit was made that waits for its fsync.
    unsynced_since: Option<Instant>,
}

/// A record that is framed and not yet answered.
struct Framed {
    seq: u64,
    durability: Durability,
    ack: oneshot::Sender<Answer>,
}

impl Worker {
    fn run(mut self) -> Result<(), Error> {
        let mut batch = Vec::new();
        let mut framed = Vec::new();
        while self.queue.take(&mut batch, self.unsynced_since.map(|since| since + SYNC_DELAY)) {
            self.frame_and_commit(&mut batch, &mut framed);
            if framed.len() > 1 {
                thread::sleep(GATHER_DELAY);
                self.queue.take(&mut batch, Some(Instant::now()));
                self.frame_and_commit(&mut batch, &mut framed);
            }
            self.sync_and_answer(&mut framed);
            if self.unsynced_since.is_some_and(|since| since.elapsed() >= SYNC_DELAY) {
                // A failure has poisoned the stream: whoever comes next is told, and so is
                // `/readyz`.
                let _ = self.sync();
            }
        }
        self.writer.sync()
    }

    /// Writes a batch, and leaves those in `framed` that still wait for their fsync.
    fn frame_and_commit(&mut self, batch: &mut Vec<Job>, framed: &mut Vec<Framed>) {
        if !batch.is_empty() {
            self.frame(batch, framed);
            self.commit(framed);
        }
    }

    fn frame(&mut self, batch: &mut Vec<Job>, framed: &mut Vec<Framed>) {
        for Job { payload, durability, ack } in batch.drain(..) {
            match self.writer.append(&payload) {
                Ok(seq) if self.writer.plan().acks_early() => answer(ack, Ok(seq)),
                Ok(seq) => framed.push(Framed { seq, durability, ack }),
                Err(error) => answer(ack, Err(error)),
            }
        }
        if self.writer.plan().acks_early() {
            self.writer.plan().linger();
        }
    }

    /// Writes all that is framed, and answers those who were promised no more than that.
    fn commit(&mut self, framed: &mut Vec<Framed>) {
        if self.writer.pending() == 0 {
            return;
        }
        if let Err(error) = self.writer.commit((self.clock)()) {
            return self.refuse(framed.drain(..), &error);
        }
        self.unsynced_since.get_or_insert_with(Instant::now);
        for written in framed.extract_if(.., |waiting| waiting.durability == Durability::Os) {
            answer(written.ack, Ok(written.seq));
        }
    }

    /// Brings all that was written to the disk, and answers those who wait for it.
    fn sync_and_answer(&mut self, framed: &mut Vec<Framed>) {
        if framed.is_empty() {
            return;
        }
        match self.sync() {
            Ok(()) => framed.drain(..).for_each(|synced| answer(synced.ack, Ok(synced.seq))),
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
            answer(
                refused.ack,
                Err(Error::Poisoned { stream: stream.clone(), cause: cause.clone() }),
            );
        }
    }
}

impl Drop for Worker {
    /// However the thread ends, nobody is left waiting: dropping the jobs answers them with
    /// [`Error::Closed`].
    fn drop(&mut self) {
        if thread::panicking() {
            self.writer.health().0.poison_with("the thread that writes it panicked");
        }
        self.queue.abandon();
    }
}

/// Answers a caller, who may have gone away.
fn answer(ack: oneshot::Sender<Answer>, result: Answer) {
    let _ = ack.send(result);
}
