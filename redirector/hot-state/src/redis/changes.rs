//! Changes of the catalog, as nodes that share a Redis exchange them.
//!
//! This file knows only ids and bytes, never what a change means.

use anyhow::Result;
use shared::catalog::ChangeId;

use crate::redis::client::Redis;
use crate::redis::keys::{FIRST, key};

impl Redis {
    /// Returns the number of changes that are offered.
    pub fn changes_count(&self) -> Result<usize> {
        self.run(|c| redis::cmd("HLEN").arg(key(FIRST, b'x', &[])).query(c))
    }

    /// Returns the names under which changes are offered. Those of our nodes are ids of changes.
    pub fn change_names(&self) -> Result<Vec<Vec<u8>>> {
        self.run(|c| redis::cmd("HKEYS").arg(key(FIRST, b'x', &[])).query(c))
    }

    /// Returns the bytes of changes; `None` for one that is not there.
    pub fn changes(&self, names: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        self.run(|c| redis::cmd("HMGET").arg(key(FIRST, b'x', &[])).arg(names).query(c))
    }

    /// Takes away what stands under a name.
    pub fn take_change_away(&self, name: &[u8]) -> Result<()> {
        self.run(|c| redis::cmd("HDEL").arg(key(FIRST, b'x', &[])).arg(name).query::<()>(c))
    }

    /// Offers a change to other nodes.
    pub fn offer_change(&self, id: &ChangeId, payload: &[u8]) -> Result<()> {
        self.run(|c| {
            redis::cmd("HSETNX").arg(key(FIRST, b'x', &[])).arg(&id[..]).arg(payload).query::<()>(c)
        })
    }
}
