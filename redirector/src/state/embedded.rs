//! The embedded store: fjall, an LSM tree, in the data folder. An index only: it is never fsynced for its own sake,
//! since a lost tail is projected again from the journal.

use std::path::Path;

use anyhow::{Context, Result};
use fjall::{Database, Keyspace, KeyspaceCreateOptions};

use crate::state::{Batch, Space};

/// Keys removed at a time.
const REMOVALS: usize = 10_000;

/// A handle; cheap to clone.
#[derive(Clone)]
pub(crate) struct Embedded {
    database: Database,
    spaces: [Keyspace; Space::ALL.len()],
}

impl Embedded {
    /// Opens or makes the store.
    ///
    /// # Errors
    /// When it cannot be opened, most often because a running server has it.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let open = || -> Result<Self, fjall::Error> {
            let database = Database::builder(folder).open()?;
            let space = |name: &str| database.keyspace(name, KeyspaceCreateOptions::default);
            let spaces = [
                space("windows")?,
                space("orders")?,
                space("names")?,
                space("events")?,
                space("counters")?,
                space("positions")?,
                space("unparsed")?,
            ];
            Ok(Self { database, spaces })
        };
        open().with_context(|| format!("hot state in {}: is another afterclick using it?", folder.display()))
    }

    /// Deletes the store.
    pub(crate) fn wipe(folder: &Path) -> Result<()> {
        if folder.exists() {
            std::fs::remove_dir_all(folder).with_context(|| format!("cannot delete {}", folder.display()))?;
        }
        Ok(())
    }

    /// Removes every key: the store's own way of clearing has lost data in the past.
    pub(crate) fn clear(&self) -> Result<()> {
        for space in &self.spaces {
            let mut removals = self.database.batch();
            for entry in space.iter() {
                removals.remove(space, entry.key()?);
                if removals.len() >= REMOVALS {
                    std::mem::replace(&mut removals, self.database.batch()).commit()?;
                }
            }
            removals.commit()?;
        }
        Ok(())
    }

    fn space(&self, space: Space) -> &Keyspace {
        &self.spaces[space as usize]
    }

    pub(crate) fn value(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.space(space).get(key)?.map(|value| value.to_vec()))
    }

    pub(crate) fn scan(&self, space: Space, prefix: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        for entry in self.space(space).prefix(prefix) {
            let (key, value) = entry.into_inner()?;
            each(&key, &value);
        }
        Ok(())
    }

    pub(crate) fn apply(&self, batch: Batch) -> Result<()> {
        let mut writes = self.database.batch();
        for ((space, key), value) in batch {
            writes.insert(self.space(space), key, value);
        }
        Ok(writes.commit()?)
    }
}
