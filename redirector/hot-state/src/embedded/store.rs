//! The store itself: how it is opened and emptied, and what the journal's records put into it.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use journal::StreamName;
use shared::id::ClickId;
use shared::order::Visit;
use shared::time::Timestamp;

use crate::model::{
    Entry, EntryKey, FirstBringer, NameKey, Position, Reach, Stored, visit_from_bytes,
    visit_to_bytes, window_expires_at,
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
pub(super) const LAYOUT_KEY: &[u8] = b"(layout)";

/// A handle to the store; cheap to clone.
#[derive(Clone)]
pub struct Embedded {
    pub(super) database: Database,
    /// Click id → the touch and the click before it: an attribution window.
    pub(super) windows: Keyspace,
    /// Event id → the first record that brought it, and the time until which that is kept.
    pub(super) events: Keyspace,
    /// Name and entry → what stands under an order's name.
    pub(super) entries: Keyspace,
    /// Name → the amounts that its order counts for.
    pub(super) totals: Keyspace,
    /// List, part of it, time, name → nothing: which orders a list has. Beside that, under kinds that
    /// no list has: name → its orders as lists show them; influencer and campaign → nothing, where
    /// something was ever counted for whom.
    pub(super) lists: Keyspace,
    /// Stream and counter → the count. Under the empty name: what all orders count for together.
    pub(super) counters: Keyspace,
    /// Stream → the last record that is projected.
    pub(super) positions: Keyspace,
    /// Time of arrival and a hash → an unparsed delivery, without its body.
    pub(super) unparsed: Keyspace,
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
            let [lists, counters, positions, unparsed] =
                [space("lists")?, space("counters")?, space("positions")?, space("unparsed")?];
            Ok(Self {
                windows,
                events,
                entries,
                totals,
                lists,
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
            &self.lists,
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

    pub fn each_unparsed(&self, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        each_of(&self.unparsed, &[], &mut |_, value| each(value))
    }
}

pub(super) fn each_of(
    space: &Keyspace,
    prefix: &[u8],
    each: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<()> {
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

fn expiry_of(value: &[u8]) -> Option<Timestamp> {
    Some(Timestamp::from_ms(i64::from_be_bytes(value.get(..8)?.try_into().ok()?)))
}
