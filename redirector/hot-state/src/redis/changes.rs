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

    /// Returns the ids of the changes that are offered.
    pub fn change_ids(&self) -> Result<Vec<ChangeId>> {
        self.run(|c| redis::cmd("HKEYS").arg(key(FIRST, b'x', &[])).query(c))
    }

    /// Returns the bytes of changes; `None` for one that is not there.
    pub fn changes(&self, ids: &[ChangeId]) -> Result<Vec<Option<Vec<u8>>>> {
        let ids: Vec<&[u8]> = ids.iter().map(|id| &id[..]).collect();
        self.run(|c| redis::cmd("HMGET").arg(key(FIRST, b'x', &[])).arg(&ids).query(c))
    }

    /// Offers a change to other nodes.
    pub fn offer_change(&self, id: &ChangeId, payload: &[u8]) -> Result<()> {
        self.run(|c| {
            redis::cmd("HSETNX").arg(key(FIRST, b'x', &[])).arg(&id[..]).arg(payload).query::<()>(c)
        })
    }
}
