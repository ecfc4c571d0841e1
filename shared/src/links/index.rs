//! A hash table of positions in shards that clones share: a change copies the shards it touches and
//! nothing else.
//!
//! Keys are not kept: whoever asks brings the hash, and says of a position whether it is the wanted
//! one.

use std::sync::Arc;

use hashbrown::HashTable;

use super::arena::Position;
use super::chunks::Chunks;

/// With ten million links a shard has 2,500 positions, 20 KB: what a changed link copies.
const SHARDS: usize = 1 << SHARD_BITS;
const SHARD_BITS: u32 = 12;
/// The table inside a shard uses the lowest bits of a hash and the highest seven; these lie
/// between.
const SHARD_SHIFT: u32 = 64 - 7 - SHARD_BITS;

#[derive(Debug, Clone)]
pub(super) struct Index(Chunks<Arc<HashTable<Position>>>);

impl Default for Index {
    fn default() -> Self {
        Self(Chunks::filled(Arc::default(), SHARDS))
    }
}

impl Index {
    /// The position under a hash that is the wanted one.
    #[inline]
    pub(super) fn find(
        &self,
        hash: u64,
        mut is_it: impl FnMut(Position) -> bool,
    ) -> Option<Position> {
        self.0.get(shard_of(hash))?.find(hash, |&position| is_it(position)).copied()
    }

    /// Puts a position in the place of the one that is the wanted one, or beside the others.
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

    /// Puts a position in the place of another, if that is still held.
    pub(super) fn replace(&mut self, hash: u64, old: Position, new: Position) {
        if self.find(hash, |held| held == old).is_some() {
            self.put(hash, new, |held| held == old, |_| hash);
        }
    }

    /// Takes a position out, if it is held.
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

    /// Every position, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Position> {
        self.0.iter().flat_map(|shard| shard.iter().copied())
    }
}

fn shard_of(hash: u64) -> usize {
    usize::try_from(hash >> SHARD_SHIFT).unwrap_or(0) % SHARDS
}
