//! The embedded store: fjall, an LSM tree, in the data folder.
//!
//! It is an index only. It is never fsynced for its own sake, since a lost tail is projected again
//! from the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch};
use journal::StreamName;
use shared::id::{CampaignId, ClickId, InfluencerId, MerchantId};
use shared::order::Visit;
use shared::time::Timestamp;

use crate::listed::{Listed, keys_of_rows, rows_from_bytes};
use crate::model::{
    CountQuestion, CounterKey, Entry, EntryKey, FirstBringer, KeyRange, NameKey, Position, Reach,
    SettledOrder, Stored, totals_from_bytes, visit_from_bytes, visit_to_bytes, window_expires_at,
};

/// Keys that are removed in one step.
const REMOVALS: usize = 10_000;
/// The largest size of the store's log, which it reads again when it opens. fjall allows no less.
const LOG_BYTES_MAX: u64 = 64 << 20;
/// Bytes that a keyspace holds in memory before it writes them to a file, so that the log can
/// shrink.
const MEMTABLE_BYTES_MAX: u64 = 8 << 20;
/// The version of the layout of keys and values.
const LAYOUT: &[u8] = b"7";
/// The key of that version; no stream has this name.
const LAYOUT_KEY: &[u8] = b"(layout)";

/// A handle to the store; cheap to clone.
#[derive(Clone)]
pub struct Embedded {
    database: Database,
    /// Click id → the touch and the click before it: an attribution window.
    windows: Keyspace,
    /// Event id → the first record that brought it, and the time until which that is kept.
    events: Keyspace,
    /// Name and entry → what stands under an order's name.
    entries: Keyspace,
    /// Name → the amounts that its order counts for.
    totals: Keyspace,
    /// Name → its order, as lists show it.
    rows: Keyspace,
    /// List, part of it, time, name → nothing: which orders a list has.
    lists: Keyspace,
    /// Stream and counter → the count. Under the empty name: what all orders count for together.
    counters: Keyspace,
    /// Influencer and campaign → nothing: where something was ever counted for whom.
    promoted: Keyspace,
    /// Stream → the last record that is projected.
    positions: Keyspace,
    /// Time of arrival and a hash → an unparsed delivery, without its body.
    unparsed: Keyspace,
}

/// Why the store was not opened.
enum Unopened {
    /// Another process has it, or the system refuses. It may be whole.
    Refused(anyhow::Error),
    /// Its files are damaged.
    Unreadable(String),
}

impl Unopened {
    fn into_error(self) -> anyhow::Error {
        match self {
            Self::Refused(error) => error,
            Self::Unreadable(reason) => anyhow::anyhow!(reason),
        }
    }
}

/// Returns whether an error says that files are damaged, and not that the system refuses them.
fn is_unreadable(error: &fjall::Error) -> bool {
    let is_cut = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
    };
    match error {
        fjall::Error::Io(error) => is_cut(error),
        fjall::Error::Storage(fjall::LsmError::Io(error)) => is_cut(error),
        fjall::Error::Storage(_)
        | fjall::Error::JournalRecovery(_)
        | fjall::Error::Decompress(_)
        | fjall::Error::InvalidTrailer
        | fjall::Error::InvalidTag(_)
        | fjall::Error::InvalidVersion(None)
        | fjall::Error::Unrecoverable => true,
        // A newer release may have written it.
        _ => false,
    }
}

/// Moves a store out of the way. Only the last one that was moved is kept.
fn put_aside(folder: &Path) -> Result<PathBuf> {
    let aside = folder.with_extension("unreadable");
    match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::rename(folder, &aside),
    }
    .with_context(|| format!("cannot move {} to {}", folder.display(), aside.display()))?;
    Ok(aside)
}

impl Embedded {
    /// Opens the store, or makes it. A store of an older layout is emptied; it is then rebuilt from
    /// the journal. So is a store that cannot be read, which a full disk may leave behind: it is put
    /// aside.
    ///
    /// # Errors
    /// When it cannot be opened, most often because a running server has it open.
    pub fn open(folder: &Path) -> Result<Self> {
        let in_use =
            || format!("hot state in {}: is another afterclick using it?", folder.display());
        let store = match Self::try_open(folder) {
            Ok(store) => store,
            Err(Unopened::Refused(error)) => return Err(error).with_context(in_use),
            Err(Unopened::Unreadable(reason)) => {
                let aside = put_aside(folder)?;
                tracing::error!(
                    "the hot state in {} cannot be read ({reason}); it now lies in {}, and a new one \
                     is built from the journal: nothing is lost",
                    folder.display(),
                    aside.display()
                );
                Self::try_open(folder).map_err(Unopened::into_error).with_context(in_use)?
            }
        };
        if store.positions.get(LAYOUT_KEY)?.as_deref() != Some(LAYOUT) {
            store.clear()?;
        }
        Ok(store)
    }

    /// Opens the store as it is. The library panics on some stores that it did not write whole.
    fn try_open(folder: &Path) -> Result<Self, Unopened> {
        let open = || -> Result<Self, fjall::Error> {
            let database = Database::builder(folder).max_journaling_size(LOG_BYTES_MAX).open()?;
            let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES_MAX);
            let space = |name: &str| database.keyspace(name, options);
            let [windows, events, entries, totals] =
                [space("windows")?, space("events")?, space("entries")?, space("totals")?];
            let [rows, lists, promoted] = [space("rows")?, space("lists")?, space("promoted")?];
            let [counters, positions, unparsed] =
                [space("counters")?, space("positions")?, space("unparsed")?];
            Ok(Self {
                windows,
                events,
                entries,
                totals,
                rows,
                lists,
                promoted,
                counters,
                positions,
                unparsed,
                database,
            })
        };
        match catch_unwind(AssertUnwindSafe(open)) {
            Ok(Ok(store)) => Ok(store),
            Ok(Err(error)) if is_unreadable(&error) => Err(Unopened::Unreadable(error.to_string())),
            Ok(Err(error)) => Err(Unopened::Refused(error.into())),
            Err(_) => Err(Unopened::Unreadable("the log says where it is damaged".to_owned())),
        }
    }

    /// Removes every key. The store's own way to clear a keyspace has lost data in the past.
    pub fn clear(&self) -> Result<()> {
        let spaces = [
            &self.positions,
            &self.counters,
            &self.windows,
            &self.events,
            &self.entries,
            &self.totals,
            &self.rows,
            &self.lists,
            &self.promoted,
            &self.unparsed,
        ];
        spaces.into_iter().try_for_each(|space| self.remove_where(space, |_, _| true))?;
        Ok(self.positions.insert(LAYOUT_KEY, LAYOUT)?)
    }

    fn remove_where(
        &self,
        space: &Keyspace,
        mut is_wanted: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<()> {
        let mut removals = self.database.batch();
        for entry in space.iter() {
            let (key, value) = entry.into_inner()?;
            if is_wanted(&key, &value) {
                removals.remove(space, key);
            }
            if removals.len() >= REMOVALS {
                std::mem::replace(&mut removals, self.database.batch()).commit()?;
            }
        }
        Ok(removals.commit()?)
    }

    /// Deletes windows and events that have expired.
    pub fn retire(&self, now: Timestamp) -> Result<()> {
        self.remove_where(&self.windows, |key, value| {
            let click = key.try_into().map(ClickId::from_bytes);
            let visit = click.ok().and_then(|click| visit_from_bytes(click, value));
            // The time at which a window was written is not known here, so only its own end counts.
            visit.is_none_or(|visit| window_expires_at(&visit.touch, Timestamp::from_ms(0)) <= now)
        })?;
        self.remove_where(&self.events, |_, value| {
            expiry_of(value).is_none_or(|expires_at| expires_at <= now)
        })
    }

    pub fn reach(&self, stream: &StreamName) -> Result<Reach> {
        let stored = self.positions.get(stream.as_str())?;
        let position = stored.map_or_else(Position::default, |bytes| Position::from_bytes(&bytes));
        Ok(Reach { least: position, most: position, counted: position })
    }

    pub fn store(&self, stored: &Stored) -> Result<()> {
        let mut writes = self.database.batch();
        for window in &stored.windows {
            writes.insert(
                &self.windows,
                window.visit.touch.click.as_bytes(),
                visit_to_bytes(&window.visit),
            );
        }
        for (name, entry) in &stored.entries {
            writes.insert(&self.entries, entry_key(name, &entry.key()), entry.to_bytes()?);
        }
        for (key, delivery) in &stored.unparsed {
            writes.insert(&self.unparsed, key.as_slice(), delivery.as_slice());
        }
        Ok(writes.commit()?)
    }

    pub fn remove_entries(&self, entries: &[(NameKey, EntryKey)]) -> Result<()> {
        let mut removals = self.database.batch();
        for (name, entry) in entries {
            removals.remove(&self.entries, entry_key(name, entry));
        }
        Ok(removals.commit()?)
    }

    pub fn are_first(
        &self,
        bringers: &[FirstBringer],
        expires_at: &dyn Fn(&FirstBringer) -> Timestamp,
    ) -> Result<Vec<bool>> {
        let mut first = Vec::with_capacity(bringers.len());
        for bringer in bringers {
            let held = self.events.get(bringer.event.as_bytes())?;
            if let Some(held) = held {
                first.push(held.get(8..) == Some(&bringer.origin));
                continue;
            }
            let value = [&expires_at(bringer).as_ms().to_be_bytes()[..], &bringer.origin].concat();
            self.events.insert(bringer.event.as_bytes(), value)?;
            first.push(true);
        }
        Ok(first)
    }

    /// Writes amounts, their sums, rows and lists in one step.
    pub fn put_orders(&self, orders: &[SettledOrder]) -> Result<()> {
        let mut writes = self.database.batch();
        let mut sums: BTreeMap<CounterKey, OrdersSum> = BTreeMap::new();
        for SettledOrder { name, totals, rows } in orders {
            let before = self.totals.get(name)?;
            for (sign, totals) in [(-1, before.as_deref().unwrap_or_default()), (1, totals)] {
                for (key, amount) in totals_from_bytes(totals) {
                    let change = OrdersSum { amount: sign * amount, orders: sign };
                    let sum = sums.entry(key).or_default();
                    *sum = sum.plus(change);
                }
            }
            writes.insert(&self.totals, name.as_slice(), totals.as_slice());
            let held = self.rows.get(name)?;
            if held.as_deref() == rows.as_deref() {
                continue;
            }
            let before = keys_of_rows(name, held.as_deref());
            let after = keys_of_rows(name, rows.as_deref());
            before.difference(&after).for_each(|key| writes.remove(&self.lists, key.as_slice()));
            after
                .difference(&before)
                .for_each(|key| writes.insert(&self.lists, key.as_slice(), []));
            match rows {
                Some(rows) => writes.insert(&self.rows, name.as_slice(), rows.as_slice()),
                None => writes.remove(&self.rows, name.as_slice()),
            }
        }
        self.add_to_sums(&mut writes, &sums)?;
        Ok(writes.commit()?)
    }

    pub fn list_keys(&self, ranges: &[KeyRange], count: usize) -> Result<Vec<Vec<Vec<u8>>>> {
        let of_range = |range: &KeyRange| -> Result<Vec<Vec<u8>>> {
            if range.from >= range.until {
                return Ok(vec![]);
            }
            let keys = self.lists.range(&range.from[..]..&range.until[..]).take(count);
            keys.map(|entry| Ok(entry.key()?.to_vec())).collect()
        };
        ranges.iter().map(of_range).collect()
    }

    pub fn listed(&self, names: &[NameKey]) -> Result<Vec<Vec<Listed>>> {
        let of_name = |name: &NameKey| -> Result<Vec<Listed>> {
            let rows = self.rows.get(name)?.and_then(|rows| rows_from_bytes(&rows));
            Ok(rows.unwrap_or_default())
        };
        names.iter().map(of_name).collect()
    }

    /// Writes counters and position in one step: after a crash both are there, or neither.
    pub fn count(
        &self,
        stream: &StreamName,
        position: Position,
        counts: &BTreeMap<CounterKey, i64>,
    ) -> Result<()> {
        let mut writes = self.database.batch();
        self.note_promoted(&mut writes, counts.keys())?;
        for (key, amount) in counts {
            let key = counter_key(stream, key);
            let held = self.counters.get(&key)?.map_or(0, |bytes| amount_of(&bytes));
            writes.insert(&self.counters, key, (held + amount).to_be_bytes());
        }
        writes.insert(&self.positions, stream.as_str(), position.to_bytes());
        Ok(writes.commit()?)
    }

    pub fn visits(&self, clicks: &[ClickId]) -> Result<Vec<Visit>> {
        let mut found = Vec::new();
        for click in clicks {
            let stored = self.windows.get(click.as_bytes())?;
            found.extend(stored.and_then(|bytes| visit_from_bytes(*click, &bytes)));
        }
        Ok(found)
    }

    pub fn entries(&self, names: &[NameKey]) -> Result<Vec<Vec<Entry>>> {
        let of_name = |name: &NameKey| -> Result<Vec<Entry>> {
            let prefix = entry_key(name, &[]);
            let mut entries = Vec::new();
            for stored in self.entries.prefix(&prefix) {
                let (key, value) = stored.into_inner()?;
                entries.push(Entry::from_bytes(&key[prefix.len()..], &value)?);
            }
            Ok(entries)
        };
        names.iter().map(of_name).collect()
    }

    pub fn names_with_totals(&self, merchant: MerchantId) -> Result<Vec<NameKey>> {
        let mut names = Vec::new();
        each_of(&self.totals, &merchant.bits().to_be_bytes(), &mut |name, _| {
            names.push(name.to_vec());
        })?;
        Ok(names)
    }

    /// Calls `each` for the counters of the campaigns in which something may be asked for.
    pub fn each_counter(
        &self,
        question: &CountQuestion,
        each: &mut dyn FnMut(CounterKey, i64),
    ) -> Result<()> {
        let mut of_entry = |key: &[u8], value: &[u8]| {
            let length = key.first().copied().map_or(0, usize::from);
            if let Some(key) = key.get(1 + length..).and_then(CounterKey::from_bytes) {
                each(key, amount_of(value));
            }
        };
        let campaigns = match (&question.campaigns, question.influencer) {
            (Some(campaigns), _) => campaigns.clone(),
            (None, Some(influencer)) => self.campaigns_of(influencer)?,
            (None, None) => return each_of(&self.counters, &[], &mut of_entry),
        };
        for beginning in self.counted()? {
            for campaign in &campaigns {
                let KeyRange { from, until } = question.range(*campaign);
                let at = |key: Vec<u8>| [&beginning[..], &key].concat();
                for entry in self.counters.range(at(from)..at(until)) {
                    let (key, value) = entry.into_inner()?;
                    of_entry(&key, &value);
                }
            }
        }
        Ok(())
    }

    /// Returns how the keys of everything begin that has counters: streams, and the orders.
    fn counted(&self) -> Result<Vec<Vec<u8>>> {
        let mut beginnings = vec![beginning(ORDERS)];
        each_of(&self.positions, &[], &mut |stream, _| {
            if stream != LAYOUT_KEY {
                beginnings.push(beginning(stream));
            }
        })?;
        Ok(beginnings)
    }

    /// Returns the campaigns in which something was ever counted for an influencer.
    fn campaigns_of(&self, influencer: InfluencerId) -> Result<Vec<CampaignId>> {
        let mut campaigns = Vec::new();
        let prefix = influencer.bits().to_be_bytes();
        each_of(&self.promoted, &prefix, &mut |key, _| {
            let campaign = key.get(prefix.len()..).and_then(|bits| bits.try_into().ok());
            campaigns.extend(campaign.map(|bits| CampaignId::from_bits(u64::from_be_bytes(bits))));
        })?;
        Ok(campaigns)
    }

    /// Notes in which campaigns an influencer has counts.
    fn note_promoted<'k>(
        &self,
        writes: &mut OwnedWriteBatch,
        keys: impl Iterator<Item = &'k CounterKey>,
    ) -> Result<()> {
        let pairs: BTreeSet<_> = keys.map(|key| (key.influencer, key.campaign)).collect();
        for (influencer, campaign) in pairs {
            let ids = [influencer.bits(), campaign.bits()];
            let key: Vec<u8> = ids.into_iter().flat_map(u64::to_be_bytes).collect();
            if self.promoted.get(&key)?.is_none() {
                writes.insert(&self.promoted, key, []);
            }
        }
        Ok(())
    }

    /// Adds to the sums over all orders.
    fn add_to_sums(
        &self,
        writes: &mut OwnedWriteBatch,
        changes: &BTreeMap<CounterKey, OrdersSum>,
    ) -> Result<()> {
        self.note_promoted(writes, changes.keys())?;
        for (counter, change) in
            changes.iter().filter(|(_, change)| **change != OrdersSum::default())
        {
            let key = [beginning(ORDERS), counter.to_bytes()].concat();
            let held = self.counters.get(&key)?;
            let held = held.map_or_else(OrdersSum::default, |bytes| OrdersSum::from_bytes(&bytes));
            let sum = held.plus(*change);
            if sum.orders > 0 {
                writes.insert(&self.counters, key, sum.to_bytes());
            } else {
                writes.remove(&self.counters, key);
            }
        }
        Ok(())
    }

    pub fn each_unparsed(&self, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        each_of(&self.unparsed, &[], &mut |_, value| each(value))
    }
}

fn each_of(space: &Keyspace, prefix: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
    for entry in space.prefix(prefix) {
        let (key, value) = entry.into_inner()?;
        each(&key, &value);
    }
    Ok(())
}

/// Puts the length before the name, so that no key begins like one of another name. A name has a
/// few hundred bytes at most.
fn entry_key(name: &[u8], entry: &[u8]) -> Vec<u8> {
    let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], name, entry].concat()
}

/// Where the sums over all orders stand among the streams, none of which has this name.
const ORDERS: &[u8] = b"";

/// Returns how the keys of a stream's counters begin. A stream's name has at most 64 bytes.
fn beginning(stream: &[u8]) -> Vec<u8> {
    let length = u8::try_from(stream.len()).unwrap_or(u8::MAX);
    [&[length][..], stream].concat()
}

fn counter_key(stream: &StreamName, counter: &CounterKey) -> Vec<u8> {
    [beginning(stream.as_str().as_bytes()), counter.to_bytes()].concat()
}

/// Returns the amount that a counter begins with.
fn amount_of(bytes: &[u8]) -> i64 {
    bytes.first_chunk().map_or(0, |amount| i64::from_be_bytes(*amount))
}

/// What orders count for together, and how many of them count for it. A sum to which no order adds
/// is not there, as if it had never been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct OrdersSum {
    amount: i64,
    orders: i64,
}

impl OrdersSum {
    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.amount.to_be_bytes());
        bytes[8..].copy_from_slice(&self.orders.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        Self { amount: amount_of(bytes), orders: bytes.get(8..).map_or(0, amount_of) }
    }

    const fn plus(self, change: Self) -> Self {
        Self {
            amount: self.amount.saturating_add(change.amount),
            orders: self.orders + change.orders,
        }
    }
}

fn expiry_of(value: &[u8]) -> Option<Timestamp> {
    Some(Timestamp::from_ms(i64::from_be_bytes(value.get(..8)?.try_into().ok()?)))
}
