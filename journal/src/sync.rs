//! The state that a stream's writer, its syncer and its health checks share; it never forgets a
//! failure, and never calls a record durable before the fsync that covers it has returned.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use crate::error::Error;
use crate::fault::SegmentIo;
use crate::layout::sync_dir;
use crate::mark::Mark;
use crate::stream_name::StreamName;

/// Fsyncs a stream's commits, from any thread. Cheap to clone.
///
/// Call [`sync`](Self::sync) at least every 50 ms to keep the promise of
/// [`Durability::Os`](crate::Durability::Os).
#[derive(Clone, Debug)]
pub struct Syncer(pub(crate) Arc<Shared>);

impl Syncer {
    /// Fsyncs every commit that had returned before the call, in all segments. Does nothing when
    /// all of them are fsynced already.
    ///
    /// # Errors
    /// [`Error::Io`] when an fsync fails, which poisons the stream. [`Error::Poisoned`] after any
    /// earlier failure. A failed fsync is never tried again: a second one would report success for
    /// data that the kernel has dropped.
    pub fn sync(&self) -> Result<(), Error> {
        self.0.sync()?;
        self.0.sync_mark_if_due();
        Ok(())
    }
}

/// Reports whether a stream still records, to any thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health(pub(crate) Arc<Shared>);

impl Health {
    /// Returns the stream's name.
    pub fn stream(&self) -> &StreamName {
        &self.0.stream
    }

    /// Returns whether a write or fsync failed. That stays so until the stream is opened again.
    pub fn is_poisoned(&self) -> bool {
        self.0.is_poisoned()
    }

    /// Returns the text of the first failure.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.get().map(String::as_str)
    }

    /// Returns the last record that survives a kill of the process; 0 for none.
    pub fn last_committed(&self) -> u64 {
        self.0.unsynced().last_committed
    }

    /// Returns the last record that survives a power cut; 0 for none.
    pub fn last_synced(&self) -> u64 {
        self.0.last_synced()
    }
}

/// A segment file that is being written.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
}

/// The files that were written and not yet fsynced.
#[derive(Debug, Default)]
struct Unsynced {
    /// Oldest first. Only the last one is still written to.
    segments: Vec<Arc<SegmentFile>>,
    /// Whether a new segment's name is not on disk yet.
    dir: bool,
    /// The last record that a write covered, fsynced or not; 0 for none.
    last_committed: u64,
}

/// The state of one open stream.
#[derive(Debug)]
pub(crate) struct Shared {
    stream: StreamName,
    stream_dir: PathBuf,
    pub(crate) segment_io: SegmentIo,
    /// The text of the first failure. The stream is poisoned once it is set.
    cause: OnceLock<String>,
    unsynced: Mutex<Unsynced>,
    /// Held during fsyncs, so that a second caller waits for the fsync that covers its commits.
    sync_turn: Mutex<()>,
    last_synced: AtomicU64,
    /// Says beside the stream what `last_synced` says here.
    mark: Mutex<Mark>,
}

impl Shared {
    /// Starts with a stream whose records up to `last_seq` are on disk.
    pub(crate) fn new(
        stream: StreamName,
        stream_dir: PathBuf,
        segment_io: SegmentIo,
        last_seq: u64,
        mark: Mark,
    ) -> Self {
        Self {
            stream,
            stream_dir,
            segment_io,
            cause: OnceLock::new(),
            unsynced: Mutex::new(Unsynced { last_committed: last_seq, ..Unsynced::default() }),
            sync_turn: Mutex::new(()),
            last_synced: AtomicU64::new(last_seq),
            mark: Mutex::new(mark),
        }
    }

    /// Returns the last record that survives a power cut; 0 for none.
    pub(crate) fn last_synced(&self) -> u64 {
        self.last_synced.load(Ordering::Acquire)
    }

    pub(crate) fn stream(&self) -> &StreamName {
        &self.stream
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.cause.get().is_some()
    }

    /// Fails when the stream is poisoned.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.cause.get() {
            None => Ok(()),
            Some(cause) => {
                Err(Error::Poisoned { stream: self.stream.clone(), cause: cause.clone() })
            }
        }
    }

    /// Stops the stream for good. Only the first cause is kept: later failures follow from it.
    pub(crate) fn poison(&self, error: Error) -> Error {
        self.poison_with(&error.to_string());
        error
    }

    /// As [`poison`](Self::poison), for a cause that is a text and not an [`Error`].
    pub(crate) fn poison_with(&self, cause: &str) -> Error {
        let _ = self.cause.set(cause.to_owned());
        Error::Poisoned { stream: self.stream.clone(), cause: cause.to_owned() }
    }

    /// As [`poison`](Self::poison), for a system call that failed.
    pub(crate) fn poison_io(&self, action: &'static str, path: &Path, source: io::Error) -> Error {
        self.poison(Error::Io { action, path: path.to_owned(), source })
    }

    /// Notes that records up to `last_committed` were written to `segment`.
    ///
    /// Invariant: called after the write. If it were called before, a sync in between would take
    /// the note and miss the bytes.
    pub(crate) fn note_commit(&self, segment: &Arc<SegmentFile>, last_committed: u64) {
        let mut unsynced = self.unsynced();
        debug_assert!(unsynced.last_committed < last_committed, "a commit holds new records");
        unsynced.last_committed = last_committed;
        if !unsynced.segments.last().is_some_and(|last| Arc::ptr_eq(last, segment)) {
            unsynced.segments.push(Arc::clone(segment));
        }
    }

    /// Notes that a segment was created.
    pub(crate) fn note_created(&self, segment: &Arc<SegmentFile>) {
        let mut unsynced = self.unsynced();
        unsynced.segments.push(Arc::clone(segment));
        unsynced.dir = true;
    }

    /// Returns whether a segment older than `current` still waits for its fsync.
    pub(crate) fn has_unsynced_sealed(&self, current: &Arc<SegmentFile>) -> bool {
        self.unsynced().segments.iter().any(|segment| !Arc::ptr_eq(segment, current))
    }

    /// Fsyncs everything that was noted before the call: segments oldest first, then their names.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let _turn = self.sync_turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.check()?;
        let Unsynced { segments, dir, last_committed } = self.take_unsynced();
        for segment in segments {
            let synced = self.segment_io.sync_data(&segment.file);
            synced.map_err(|source| self.poison_io("fsync", &segment.path, source))?;
        }
        if dir {
            sync_dir(&self.stream_dir).map_err(|error| self.poison(error))?;
        }
        debug_assert!(self.last_synced.load(Ordering::Relaxed) <= last_committed);
        self.last_synced.store(last_committed, Ordering::Release);
        // Invariant: only after the fsync. A mark that says more would make the next start refuse.
        if !self.segment_io.skips_writes() {
            self.mark().note(last_committed);
        }
        Ok(())
    }

    /// Fsyncs the mark when that is due. Callers have been answered before: nobody waits for it.
    /// If it fails, the mark lags.
    pub(crate) fn sync_mark_if_due(&self) {
        let due = self.mark().take_due();
        _ = due.map(|file| file.sync_data());
    }

    /// Returns when the mark's next fsync is due.
    pub(crate) fn mark_sync_due(&self) -> Option<Instant> {
        self.mark().sync_due()
    }

    /// A panic of another holder leaves the mark whole: its file has two slots.
    fn mark(&self) -> MutexGuard<'_, Mark> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_unsynced(&self) -> Unsynced {
        let mut unsynced = self.unsynced();
        let last_committed = unsynced.last_committed;
        std::mem::replace(&mut unsynced, Unsynced { last_committed, ..Unsynced::default() })
    }

    /// A panic of another holder leaves the lists whole: they are only pushed to or taken.
    fn unsynced(&self) -> MutexGuard<'_, Unsynced> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
