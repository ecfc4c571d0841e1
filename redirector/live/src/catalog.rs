//! The live catalog: one change at a time is checked, journaled and then made visible.
//!
//! The journal's `catalog…` streams are the truth, and the catalog in memory is a fold of them. A
//! change must never be visible before it is on disk.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, TryLockError};

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use journal::{Committer, Durability, StreamName};
use shared::catalog::{Catalog, Change};
use shared::record::{Record, RecordError};
use shared::stream::StreamKind;
use shared::time::Timestamp;
use shared::token::KeyRing;

use crate::secrets::Secrets;
use crate::snapshot::Snapshot;

/// The catalog of a running server.
pub struct Live {
    catalog: RwLock<Catalog>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    committer: Committer,
    secrets: Secrets,
    /// Held from the check of a change until it is applied. Otherwise two changes could both pass a
    /// check that only one of them may pass.
    changing: tokio::sync::Mutex<()>,
    /// The time of the last change in the journal, in milliseconds; 0 before the first one.
    last_change: AtomicI64,
}

/// Why a change was not made.
#[derive(Debug)]
pub enum ChangeError<E> {
    /// The check refused it. Nothing has changed.
    Refused(E),
    /// Its record cannot be read back, so it was not written.
    Unreadable(RecordError),
    /// The journal could not record it.
    Journal(journal::Error),
}

impl Live {
    /// Folds the catalog from the journal.
    ///
    /// # Errors
    /// When a stream is damaged, or holds a record that this version cannot read.
    pub fn open(
        journal_dir: &Path,
        hosts: Vec<String>,
        ring: KeyRing,
        committer: Committer,
    ) -> Result<Self> {
        let (mut catalog, secrets) = (Catalog::default(), Secrets::new(&ring));
        let mut last_change = 0;
        for stream in journal::streams(journal_dir)?
            .iter()
            .filter(|s| StreamKind::of(s.as_str()) == Some(StreamKind::Catalog))
        {
            let mut last = 0;
            for_each_change(journal_dir, stream, |change| {
                last = change.at.as_ms();
                catalog.apply(&secrets.open(change));
            })?;
            last_change = last.max(last_change);
        }
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::of(&catalog, hosts, ring)));
        Ok(Self {
            catalog: RwLock::new(catalog),
            snapshot,
            committer,
            secrets,
            changing: tokio::sync::Mutex::default(),
            last_change: AtomicI64::new(last_change),
        })
    }

    /// Returns the snapshot that the edge reads. Every change replaces it.
    pub fn snapshot(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.snapshot)
    }

    /// Returns the current catalog. Hold the lock briefly, because changes wait for it.
    pub fn read(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the current catalog, or `None` while a change is being applied.
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, Catalog>> {
        match self.catalog.try_read() {
            Ok(catalog) => Some(catalog),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Returns the time of the last change that was made here, as the journal orders changes.
    pub fn last_change(&self) -> Option<Timestamp> {
        Some(self.last_change.load(Relaxed)).filter(|ms| *ms > 0).map(Timestamp::from_ms)
    }

    /// Makes a change. First `prepare` checks it against the current catalog, then it is written to
    /// disk, then it becomes visible.
    ///
    /// # Errors
    /// When `prepare` refuses the change: nothing has changed. Or when it could not be recorded:
    /// the change is not promised, but what was written before the disk failed may still appear
    /// later.
    pub async fn change<T, E>(
        &self,
        prepare: impl FnOnce(&Catalog) -> Result<(Option<Change>, T), E>,
    ) -> Result<T, ChangeError<E>> {
        let _changing = self.changing.lock().await;
        let (change, answer) = prepare(&self.read()).map_err(ChangeError::Refused)?;
        if let Some(change) = change {
            let (record, change) = self.readable(change).map_err(ChangeError::Unreadable)?;
            self.committer.append(record, Durability::Disk).await.map_err(ChangeError::Journal)?;
            self.made(&change);
        }
        Ok(answer)
    }

    /// Makes the change that `prepare` returns, for threads outside of any executor.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    ///
    /// # Panics
    /// When called inside an async task.
    pub fn change_blocking(
        &self,
        prepare: impl FnOnce(&Catalog) -> Option<Change>,
    ) -> Result<(), ChangeError<std::convert::Infallible>> {
        let _changing = self.changing.blocking_lock();
        let Some(change) = prepare(&self.read()) else { return Ok(()) };
        let (record, change) = self.readable(change).map_err(ChangeError::Unreadable)?;
        self.committer.append_blocking(record, Durability::Disk).map_err(ChangeError::Journal)?;
        self.made(&change);
        Ok(())
    }

    /// Returns the record of a change, and the change as it reads back.
    ///
    /// The journal keeps records for ever, so they must be readable for ever: the record is read
    /// back before it is written. The change that was read back becomes visible, as it will after a
    /// restart.
    fn readable(&self, change: Change) -> Result<(Vec<u8>, Change), RecordError> {
        let had_sealed = change.has_sealed();
        let record = Record::Catalog(self.secrets.seal(change)).encode();
        let change = self.secrets.open(&read_change(&record)?).into_owned();
        if change.has_sealed() && !had_sealed {
            return Err(RecordError::Body("its secrets do not open again".to_owned()));
        }
        Ok((record, change))
    }

    fn made(&self, change: &Change) {
        self.last_change.store(change.at.as_ms(), Relaxed);
        self.apply(change);
    }

    /// Returns a change of the journal with its secrets opened.
    pub fn opened(&self, change: &Change) -> Change {
        self.secrets.open(change).into_owned()
    }

    /// Applies a change that is already in the journal.
    pub fn apply(&self, change: &Change) {
        // Every change comes twice: from its author and from the journal, by a thread that yields
        // to all others and must not make them wait for nothing.
        let change = &*self.secrets.open(change);
        if self.read().has(change) {
            return;
        }
        let mut catalog = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        catalog.apply(change);
        let mut snapshot = Snapshot::clone(&self.snapshot.load());
        snapshot.apply(change, &catalog);
        self.snapshot.store(Arc::new(snapshot));
    }
}

fn read_change(record: &[u8]) -> Result<Change, RecordError> {
    match Record::decode(record)? {
        Record::Catalog(change) => Ok(change),
        _ => Err(RecordError::Body("not a change of the catalog".to_owned())),
    }
}

/// Calls `each` with the catalog changes of one stream, in order, as they stand there: secrets are
/// sealed.
///
/// # Errors
/// When the stream is damaged, or holds a record that this version cannot read.
pub fn for_each_change(
    journal_dir: &Path,
    stream: &StreamName,
    mut each: impl FnMut(&Change),
) -> Result<()> {
    let mut reader = journal::Reader::open(journal_dir, stream, 0)?;
    while let Some(record) = reader.next()? {
        let decoded = Record::decode(record.payload);
        let decoded = decoded.with_context(|| format!("stream {stream}, record {}", record.seq))?;
        if let Record::Catalog(change) = decoded {
            each(&change);
        }
    }
    Ok(())
}
