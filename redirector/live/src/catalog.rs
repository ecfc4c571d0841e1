//! The live catalog: one change at a time is checked, journaled and then seen by everybody.
//!
//! The journal's `catalog…` streams are the truth; memory is a fold of them. Nothing is visible
//! before it is on disk.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, TryLockError};

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use journal::{Committer, Durability, StreamName};
use shared::catalog::{Catalog, Change};
use shared::record::{Record, RecordError};
use shared::stream::StreamKind;
use shared::token::KeyRing;

use crate::snapshot::Snapshot;

/// The catalog of a running server.
pub struct Live {
    catalog: RwLock<Catalog>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    committer: Committer,
    /// Held from check to apply, so that two changes cannot both pass a check that only one may.
    changing: tokio::sync::Mutex<()>,
}

/// Why a change was not made.
#[derive(Debug)]
pub enum ChangeError<E> {
    /// It was refused before anything happened.
    Refused(E),
    /// It would not read back from the journal.
    Unreadable(RecordError),
    /// It could not be recorded.
    Journal(journal::Error),
}

impl Live {
    /// Folds the catalog from the journal.
    ///
    /// # Errors
    /// When a stream is damaged or holds what this version cannot read.
    pub fn open(
        journal_dir: &Path,
        hosts: Vec<String>,
        ring: KeyRing,
        committer: Committer,
    ) -> Result<Self> {
        let mut catalog = Catalog::default();
        for stream in journal::streams(journal_dir)?
            .iter()
            .filter(|s| StreamKind::of(s.as_str()) == Some(StreamKind::Catalog))
        {
            for_each_change(journal_dir, stream, |change| catalog.apply(change))?;
        }
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::of(&catalog, hosts, ring)));
        Ok(Self {
            catalog: RwLock::new(catalog),
            snapshot,
            committer,
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// What the edge reads.
    pub fn snapshot(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.snapshot)
    }

    /// The catalog as it stands; hold it briefly.
    pub fn read(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The catalog, unless it is being changed right now.
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, Catalog>> {
        match self.catalog.try_read() {
            Ok(catalog) => Some(catalog),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Makes a change: `prepare` checks it against the catalog as it stands, then it is on disk,
    /// then it is visible.
    ///
    /// # Errors
    /// What `prepare` refused: nothing has changed. Or that it could not be recorded: it is not
    /// promised, but what was written before the disk failed may still turn up.
    pub async fn change<T, E>(
        &self,
        prepare: impl FnOnce(&Catalog) -> Result<(Option<Change>, T), E>,
    ) -> Result<T, ChangeError<E>> {
        let _changing = self.changing.lock().await;
        let (change, answer) = prepare(&self.read()).map_err(ChangeError::Refused)?;
        if let Some(change) = change {
            let record = Record::Catalog(change).encode();
            // What the journal holds for ever must be readable for ever: once more, before it is
            // written. What was read is what becomes visible, as it will after a restart.
            let change = read_change(&record).map_err(ChangeError::Unreadable)?;
            self.committer.append(record, Durability::Disk).await.map_err(ChangeError::Journal)?;
            self.apply(&change);
        }
        Ok(answer)
    }

    /// Takes over a change that is in the journal already.
    pub fn apply(&self, change: &Change) {
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

/// Reads the catalog changes of one stream, in order.
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
