//! The catalog of several nodes: changes are exchanged through the Redis that they share.
//!
//! A change made at one node is offered there under its hash; every other node writes it into its
//! own journal and then shows it. So each node has all changes, and any of them may be lost. The
//! catalog is a fold that does not care in which order changes come. What Redis loses is offered
//! again.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use hot_state::Redis;
use journal::{Committer, Durability, Reader, StreamName};
use live::{Live, Stop};
use shared::catalog::{ChangeId, change_id};
use shared::record::Record;
use shared::stream::StreamKind;

/// How often to look; a change is everywhere within a second.
const PAUSE: Duration = Duration::from_millis(200);
/// Changes fetched at once.
const AT_ONCE: usize = 100;

/// Exchanges changes until told to stop.
pub(crate) struct Exchange {
    journal_dir: PathBuf,
    redis: Redis,
    live: Arc<Live>,
    committer: Committer,
    readers: BTreeMap<StreamName, Reader>,
    /// The changes in this node's journal.
    held: HashSet<ChangeId>,
}

impl Exchange {
    pub(crate) fn new(
        journal_dir: PathBuf,
        redis: Redis,
        live: Arc<Live>,
        committer: Committer,
    ) -> Self {
        Self { journal_dir, redis, live, committer, readers: BTreeMap::new(), held: HashSet::new() }
    }

    pub(crate) fn run(mut self, stop: &Stop) {
        let mut failing = false;
        while !stop.is_set() {
            match self.exchange() {
                Ok(()) => failing = false,
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(
                            "changes of the catalog do not reach other nodes for now: {error:#}"
                        );
                    }
                    // What was read but not offered is read again.
                    self.readers.clear();
                }
            }
            stop.sleep(PAUSE);
        }
    }

    fn exchange(&mut self) -> Result<()> {
        let offered = self.redis.changes_count()?;
        if offered < self.held.len() {
            // Redis lost some: everything is looked through once more.
            self.readers.clear();
        }
        let is_new = self.read_and_offer()?;
        if is_new || offered != self.held.len() {
            self.take_over()?;
        }
        Ok(())
    }

    /// Offers the changes that the journal has got since, and returns whether there were any.
    fn read_and_offer(&mut self) -> Result<bool> {
        let mut any = false;
        let known: HashSet<ChangeId> = if self.readers.is_empty() {
            self.redis.change_ids()?.into_iter().collect()
        } else {
            HashSet::new()
        };
        for stream in journal::streams(&self.journal_dir)? {
            if StreamKind::of(stream.as_str()) != Some(StreamKind::Catalog) {
                continue;
            }
            if !self.readers.contains_key(&stream) {
                self.readers.insert(stream.clone(), Reader::open(&self.journal_dir, &stream, 0)?);
            }
            let Some(reader) = self.readers.get_mut(&stream) else { continue };
            while let Some(record) = reader.next()? {
                let id = change_id(record.payload);
                any = true;
                self.held.insert(id);
                if !known.contains(&id) {
                    self.redis.offer_change(&id, record.payload)?;
                }
            }
        }
        Ok(any)
    }

    /// Writes the changes of other nodes into this one's journal, and shows them.
    fn take_over(&mut self) -> Result<()> {
        let missing: Vec<ChangeId> =
            self.redis.change_ids()?.into_iter().filter(|id| !self.held.contains(id)).collect();
        for some in missing.chunks(AT_ONCE) {
            for (id, payload) in some.iter().zip(self.redis.changes(some)?) {
                let Some(payload) = payload.filter(|payload| change_id(payload) == *id) else {
                    continue;
                };
                let decoded = Record::decode(&payload).context("a change of another node")?;
                let Record::Catalog(change) = decoded else { continue };
                self.committer.append_blocking(payload, Durability::Disk)?;
                self.held.insert(*id);
                self.live.apply(&change);
            }
        }
        Ok(())
    }
}
