//! What a stream's writer, its syncer and its health checks share; it never forgets a failure, and
//! never calls a record durable before the fsync that covers it has returned.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{Error, StreamName, fault::Plan, layout::sync_dir};

/// Makes commits survive a power cut, from any thread. Cheap to clone.
///
/// Call [`sync`](Self::sync) at least every 50 ms to keep the promise of
/// [`Durability::Os`](crate::Durability::Os).
#[derive(Clone, Debug)]
pub struct Syncer(pub(crate) Arc<Shared>);

impl Syncer {
    /// Fsyncs every commit that had returned before the call, in all segments. Does nothing when
    /// there is none.
    ///
    /// # Errors
    /// [`Error::Io`] when an fsync fails, which poisons the stream; then, and after any earlier
    /// failure, [`Error::Poisoned`]. A failed fsync is never tried again: a second one would report
    /// success for data that the kernel has dropped.
    pub fn sync(&self) -> Result<(), Error> {
        self.0.sync()
    }
}

/// Says whether a stream still records, from any thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health(pub(crate) Arc<Shared>);

impl Health {
    /// Returns the stream.
    pub fn stream(&self) -> &StreamName {
        &self.0.stream
    }

    /// Tells whether a write or fsync failed. It stays so until the stream is opened again.
    pub fn is_poisoned(&self) -> bool {
        self.0.is_poisoned()
    }

    /// Returns the first failure, in words.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.get().map(String::as_str)
    }

    /// Returns the last record that survives a kill of the process; 0 for none.
    pub fn last_committed(&self) -> u64 {
        self.0.unsynced().last_committed
    }

    /// Returns the last record that survives a power cut; 0 for none.
    pub fn last_synced(&self) -> u64 {
        self.0.last_synced.load(Ordering::Acquire)
    }
}

/// A segment file that is being written.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
}

/// What was written and not yet fsynced.
#[derive(Debug, Default)]
struct Unsynced {
    /// Oldest first. Only the last one is still written to.
    segments: Vec<Arc<SegmentFile>>,
    /// A segment's name is not on disk yet.
    dir: bool,
    last_committed: u64,
}

/// The state of one open stream.
#[derive(Debug)]
pub(crate) struct Shared {
    stream: StreamName,
    stream_dir: PathBuf,
    pub(crate) plan: Plan,
    cause: OnceLock<String>,
    unsynced: Mutex<Unsynced>,
    /// Held during fsyncs, so that whoever comes second waits for the fsync that covers its
    /// commits.
    turn: Mutex<()>,
    last_synced: AtomicU64,
}

impl Shared {
    /// Begins with a stream whose records up to `last_seq` are on disk.
    pub(crate) fn new(
        stream: StreamName,
        stream_dir: PathBuf,
        plan: Plan,
        last_seq: u64,
    ) -> Shared {
        Shared {
            stream,
            stream_dir,
            plan,
            cause: OnceLock::new(),
            unsynced: Mutex::new(Unsynced { last_committed: last_seq, ..Unsynced::default() }),
            turn: Mutex::new(()),
            last_synced: AtomicU64::new(last_seq),
        }
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

    /// Stops the stream for good. Only the first cause is kept: later ones follow from it.
    pub(crate) fn poison(&self, error: Error) -> Error {
        self.poison_with(&error.to_string());
        error
    }

    /// As [`poison`](Self::poison), for a cause that is no error of a call.
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
    /// Invariant: called after the write. Before it, a sync in between would take the note and miss
    /// the bytes.
    pub(crate) fn note_commit(&self, segment: &Arc<SegmentFile>, last_committed: u64) {
        let mut unsynced = self.unsynced();
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

    /// Tells whether a segment older than the one being written still waits for its fsync.
    pub(crate) fn has_unsynced_sealed(&self, current: &Arc<SegmentFile>) -> bool {
        self.unsynced().segments.iter().any(|segment| !Arc::ptr_eq(segment, current))
    }

    /// Fsyncs all that was noted before the call: segments oldest first, then their names.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.check()?;
        let (segments, dir, last_committed) = {
            let mut unsynced = self.unsynced();
            (
                std::mem::take(&mut unsynced.segments),
                std::mem::take(&mut unsynced.dir),
                unsynced.last_committed,
            )
        };
        for segment in segments {
            let synced = self.plan.sync_data(&segment.file);
            synced.map_err(|source| self.poison_io("fsync", &segment.path, source))?;
        }
        if dir {
            sync_dir(&self.stream_dir).map_err(|error| self.poison(error))?;
        }
        self.last_synced.store(last_committed, Ordering::Release);
        Ok(())
    }

    /// A panic of another holder leaves the lists whole: they are only ever pushed to or taken.
    fn unsynced(&self) -> MutexGuard<'_, Unsynced> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
