//! A hash table of positions, in shards that clones share: a change only copies the shards that it
//! touches.
//!
//! The table holds no keys: the caller passes the hash, and decides for each position whether it is
//! the right one.

use std::sync::Arc;

use hashbrown::HashTable;

use super::arena::Position;
use super::chunks::Chunks;

/// With ten million links a shard has 2,500 positions. A changed link copies one shard, 20 KB.
const SHARDS: usize = 1 << SHARD_BITS;
const SHARD_BITS: u32 = 12;
/// The table inside a shard uses the lowest bits and the highest seven bits of a hash. The bits
/// that choose the shard lie between them.
const SHARD_SHIFT: u32 = 64 - 7 - SHARD_BITS;

#[derive(Debug, Clone)]
pub(super) struct Index(Chunks<Arc<HashTable<Position>>>);

impl Default for Index {
    fn default() -> Self {
        Self(Chunks::filled(Arc::default(), SHARDS))
    }
}

impl Index {
    /// Returns the position with this hash that `is_it` accepts.
    #[inline]
    pub(super) fn find(
        &self,
        hash: u64,
        mut is_it: impl FnMut(Position) -> bool,
    ) -> Option<Position> {
        self.0.get(shard_of(hash))?.find(hash, |&position| is_it(position)).copied()
    }

    /// Replaces the position that `is_it` accepts, or adds one.
    pub(super) fn put(
        &mut self,
        hash: u64,
        position: Position,
        mut is_it: impl FnMut(Position) -> bool,
        rehash: impl Fn(Position) -> u64,
    ) {
        let Some(shard) = self.0.get_mut(shard_of(hash)) else { return };
        let shard = Arc::make_mut(shard);
        match shard.find_mut(hash, |&held| is_it(held)) {
            Some(held) => *held = position,
            None => {
                shard.insert_unique(hash, position, |&held| rehash(held));
            }
        }
    }

    /// Replaces a position by another, if the index still holds it.
    pub(super) fn replace(&mut self, hash: u64, old: Position, new: Position) {
        if self.find(hash, |held| held == old).is_some() {
            self.put(hash, new, |held| held == old, |_| hash);
        }
    }

    /// Removes a position, if the index holds it.
    pub(super) fn remove(&mut self, hash: u64, position: Position) {
        if self.find(hash, |held| held == position).is_none() {
            return;
        }
        let shard = self.0.get_mut(shard_of(hash)).map(Arc::make_mut);
        if let Some(held) =
            shard.and_then(|shard| shard.find_entry(hash, |&held| held == position).ok())
        {
            held.remove();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|shard| shard.len()).sum()
    }

    /// Returns all positions, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Position> {
        self.0.iter().flat_map(|shard| shard.iter().copied())
    }
}

fn shard_of(hash: u64) -> usize {
    usize::try_from(hash >> SHARD_SHIFT).unwrap_or(0) % SHARDS
}
