//! Exchanges the changes of the catalog between several nodes, through the Redis that they share.
//!
//! A node offers each change that was made there, under the change's hash. Every other node writes
//! it into its own journal and then shows it. So each node has all changes, and any node may be
//! lost. The order in which changes come does not matter to the catalog. If Redis loses changes,
//! they are offered again.
//!
//! SECURITY: Redis is not trusted. An entry is sealed with a key that follows from `keys.json`, so
//! that only our nodes can make or read one: a change holds secrets, and decides who is an
//! administrator and where links lead. What cannot be opened is dropped, counted and logged, and
//! does not stop the rest.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use hot_state::Redis;
use journal::{Committer, Durability, Reader, StreamName};
use live::seal::Sealer;
use live::status::ExchangeStatus;
use live::{Live, Rarely, Stop};
use shared::catalog::{Change, ChangeId, change_id};
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
    /// The ids of entries that are not ours; each is counted once.
    refused: HashSet<ChangeId>,
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
            refused: HashSet::new(),
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
        // Entries that are not ours count too: they must not hide that ours are gone.
        if offered < self.held.len() + self.refused.len() {
            // Redis lost some changes: the whole journal is read once more.
            self.readers.clear();
            self.refused.clear();
        }
        let is_new = self.read_and_offer()?;
        if is_new || offered != self.held.len() + self.refused.len() {
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
                    let entry = entry(&stream, record.seq, record.payload);
                    self.redis.offer_change(&id, &self.sealer.seal(&id, &entry))?;
                }
            }
        }
        Ok(any)
    }

    /// Writes the changes of other nodes into this node's journal, and shows them.
    fn take_over(&mut self) -> Result<()> {
        let is_new = |id: &ChangeId| !self.held.contains(id) && !self.refused.contains(id);
        let missing: Vec<ChangeId> = self.redis.change_ids()?.into_iter().filter(is_new).collect();
        for some in missing.chunks(AT_ONCE) {
            for (id, sealed) in some.iter().zip(self.redis.changes(some)?) {
                let Some(sealed) = sealed else { continue };
                match self.open(id, &sealed) {
                    Some((payload, change)) => {
                        self.committer.append_blocking(payload, Durability::Disk)?;
                        self.held.insert(*id);
                        self.live.apply(&change);
                    }
                    None => self.refuse(*id),
                }
            }
        }
        Ok(())
    }

    /// Returns the record and the change of an entry that one of our nodes made.
    fn open(&self, id: &ChangeId, sealed: &[u8]) -> Option<(Vec<u8>, Change)> {
        let entry = self.sealer.open(id, sealed)?;
        let payload = payload_of(&entry).filter(|payload| change_id(payload) == *id)?;
        match Record::decode(payload) {
            Ok(Record::Catalog(change)) => Some((payload.to_vec(), change)),
            _ => None,
        }
    }

    fn refuse(&mut self, id: ChangeId) {
        self.refused.insert(id);
        self.status.refused();
        // Whoever writes to Redis can write a million entries. The metric counts them all.
        let Some(left_out) = self.refused_log.permit() else { return };
        tracing::error!(
            left_out,
            "a change of the catalog in Redis is dropped: it was not sealed with a key of our \
             `keys.json`; if a node has other keys, give it the same, else find out who writes to \
             Redis"
        );
    }
}

/// An entry before it is sealed: the stream's name and its length, the sequence, the record.
fn entry(stream: &StreamName, seq: u64, payload: &[u8]) -> Vec<u8> {
    let name = stream.as_str().as_bytes();
    let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], name, &seq.to_be_bytes(), payload].concat()
}

fn payload_of(entry: &[u8]) -> Option<&[u8]> {
    let (length, rest) = entry.split_first_chunk()?;
    let rest = rest.get(usize::from(u16::from_be_bytes(*length))..)?;
    rest.get(size_of::<u64>()..)
}
