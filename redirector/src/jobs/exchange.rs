//! Exchanges the changes of the catalog between several nodes, through the Redis that they share.
//!
//! A node offers each change that was made there, under the change's hash. Every other node writes
//! it into its own journal and then shows it. So each node has all changes, and any node may be
//! lost. The order in which changes come does not matter to the catalog. If Redis loses changes,
//! they are offered again.

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

/// How often changes are exchanged. A change is at every node within a second.
const PAUSE: Duration = Duration::from_millis(200);
/// How many changes are fetched in one step.
const AT_ONCE: usize = 100;

pub(crate) struct Exchange {
    journal_dir: PathBuf,
    redis: Redis,
    live: Arc<Live>,
    committer: Committer,
    readers: BTreeMap<StreamName, Reader>,
    /// The ids of the changes in this node's journal.
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
                    // Changes that were read but not offered are read again.
                    self.readers.clear();
                }
            }
            stop.sleep(PAUSE);
        }
    }

    fn exchange(&mut self) -> Result<()> {
        let offered = self.redis.changes_count()?;
        if offered < self.held.len() {
            // Redis lost some changes: the whole journal is read once more.
            self.readers.clear();
        }
        let is_new = self.read_and_offer()?;
        if is_new || offered != self.held.len() {
            self.take_over()?;
        }
        Ok(())
    }

    /// Offers the changes that the journal has got since the last call. Returns whether there were
    /// any.
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

    /// Writes the changes of other nodes into this node's journal, and shows them.
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
