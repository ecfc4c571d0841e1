//! Exchanges the changes of the catalog between several nodes, through the Redis that they share.
//!
//! A node offers each change that was made there, under the change's hash. Every other node writes
//! it into its own journal and then shows it. So each node has all changes, but for those that the
//! others made since the last exchange: these are lost with their node's disk. The order in which
//! changes come does not matter to the catalog. If Redis loses changes, they are offered again.
//!
//! SECURITY: Redis is not trusted. An entry is sealed with a key that follows from `keys.json`, so
//! that only our nodes can make or read one: a change holds secrets, and decides who is an
//! administrator and where links lead. What cannot be opened is deleted, counted and logged, and
//! does not stop the rest. Deleted, because it may stand in the place of one of ours, which its node
//! then offers again.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use hot_state::Redis;
use journal::{Committer, Durability, Reader, StreamName};
use live::entry::{self, Opened};
use live::seal::Sealer;
use live::status::ExchangeStatus;
use live::{Live, Rarely, Stop};
use shared::catalog::{ChangeId, change_id};
use shared::stream::StreamKind;

/// How often changes are exchanged. A change is at every node within a second.
const PAUSE: Duration = Duration::from_millis(200);
/// How many changes are fetched in one step.
const AT_ONCE: usize = 100;
/// How often it is checked that each of our changes is still offered. Only a count is compared in
/// between, and whoever writes to Redis can put one entry in another's place.
const CHECK_EVERY: Duration = Duration::from_secs(60);
/// How often all changes are offered again at most. Somebody may take them away again and again.
const OFFER_ALL_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Exchange {
    journal_dir: PathBuf,
    redis: Redis,
    live: Arc<Live>,
    committer: Committer,
    readers: BTreeMap<StreamName, Reader>,
    /// The ids of the changes in this node's journal.
    held: HashSet<ChangeId>,
    /// When all changes were last offered again.
    offered_all_at: Option<Instant>,
    /// When it was last checked that all of our changes are offered.
    checked_at: Instant,
    refused_log: Rarely,
    sealer: Sealer,
    status: Arc<ExchangeStatus>,
}

impl Exchange {
    pub(crate) fn new(
        journal_dir: PathBuf,
        redis: Redis,
        live: Arc<Live>,
        committer: Committer,
        sealer: Sealer,
        status: Arc<ExchangeStatus>,
    ) -> Self {
        Self {
            journal_dir,
            redis,
            live,
            committer,
            readers: BTreeMap::new(),
            held: HashSet::new(),
            offered_all_at: None,
            checked_at: Instant::now(),
            refused_log: Rarely::default(),
            sealer,
            status,
        }
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
        let is_lost = offered < self.held.len() || self.is_one_missing()?;
        if is_lost && self.offered_all_at.is_none_or(|at| at.elapsed() >= OFFER_ALL_EVERY) {
            // Redis lost some changes: the whole journal is read once more.
            self.offered_all_at = Some(Instant::now());
            self.readers.clear();
        }
        let is_new = self.read_and_offer()?;
        if is_new || offered != self.held.len() {
            self.take_over()?;
        }
        Ok(())
    }

    /// Returns now and then whether a change that this node holds is not offered.
    fn is_one_missing(&mut self) -> Result<bool> {
        if self.checked_at.elapsed() < CHECK_EVERY {
            return Ok(false);
        }
        self.checked_at = Instant::now();
        let names: HashSet<Vec<u8>> = self.redis.change_names()?.into_iter().collect();
        Ok(self.held.iter().any(|id| !names.contains(&id[..])))
    }

    /// Offers the changes that the journal has got since the last call. Returns whether there were
    /// any.
    fn read_and_offer(&mut self) -> Result<bool> {
        let mut any = false;
        let known: HashSet<Vec<u8>> = if self.readers.is_empty() {
            self.redis.change_names()?.into_iter().collect()
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
                if !known.contains(&id[..]) {
                    let (seq, record) = (record.seq, record.payload);
                    let entry = entry::seal(&self.sealer, &id, &stream, seq, record);
                    self.redis.offer_change(&id, &entry)?;
                }
            }
        }
        Ok(any)
    }

    /// Writes the changes of other nodes into this node's journal, and shows them.
    fn take_over(&mut self) -> Result<()> {
        let is_held =
            |name: &[u8]| name.try_into().is_ok_and(|id: ChangeId| self.held.contains(&id));
        let is_new = |name: &Vec<u8>| !is_held(name);
        let names = self.redis.change_names()?.into_iter();
        let missing: Vec<Vec<u8>> = names.filter(is_new).collect();
        for some in missing.chunks(AT_ONCE) {
            for (name, sealed) in some.iter().zip(self.redis.changes(some)?) {
                let Some(sealed) = sealed else { continue };
                match entry::open(&self.sealer, name, &sealed) {
                    Some(Opened { id, record, change }) => {
                        self.committer.append_blocking(record, Durability::Disk)?;
                        self.held.insert(id);
                        self.live.apply(&change);
                    }
                    None => self.refuse(name)?,
                }
            }
        }
        Ok(())
    }

    fn refuse(&self, name: &[u8]) -> Result<()> {
        self.redis.take_change_away(name)?;
        self.status.refused();
        // Whoever writes to Redis can write a million entries. The metric counts them all.
        let Some(left_out) = self.refused_log.permit() else { return Ok(()) };
        tracing::error!(
            left_out,
            "a change of the catalog in Redis is dropped: it was not sealed with a key of our \
             `keys.json`; if a node has other keys, give it the same, else find out who writes to \
             Redis"
        );
        Ok(())
    }
}
