//! A hash table whose clones share everything: a change copies the shard that it touches and
//! nothing else. So a snapshot with one merchant more costs hardly more when there are many.
//!
//! A look-up computes one hash, like any other table.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// The number of shards.
const SHARDS: usize = 256;

type Shard<K, V> = HashTable<(K, V)>;

/// A table from `K` to `V`.
#[derive(Clone)]
pub(crate) struct Shards<K, V> {
    hasher: RandomState,
    shards: Arc<[Arc<Shard<K, V>>]>,
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        let empty = Arc::default();
        Self { hasher: RandomState::default(), shards: vec![empty; SHARDS].into() }
    }
}

/// Returns the shard of a hash. The table itself uses the lowest and the highest bits.
const fn shard_of(hash: u64) -> usize {
    (hash >> 40) as usize % SHARDS
}

impl<K: Hash + Eq, V> Shards<K, V> {
    /// Returns the value of a key.
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let found = self.shards[shard_of(hash)].find(hash, |(held, _)| held.borrow() == key);
        found.map(|(_, value)| value)
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    /// Sets the value of a key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        let hash = self.hasher.hash_one(&key);
        let hasher = &self.hasher;
        let shard = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[shard_of(hash)]);
        match shard.find_mut(hash, |(held, _)| *held == key) {
            Some((_, held)) => *held = value,
            None => _ = shard.insert_unique(hash, (key, value), |(key, _)| hasher.hash_one(key)),
        }
    }

    /// Removes a key.
    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let shard = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[shard_of(hash)]);
        if let Ok(entry) = shard.find_entry(hash, |(held, _)| held.borrow() == key) {
            entry.remove();
        }
    }

    /// Returns how many shards are not shared with another table.
    #[cfg(test)]
    pub(crate) fn copied_since(&self, other: &Self) -> usize {
        let both = self.shards.iter().zip(other.shards.iter());
        both.filter(|(one, other)| !Arc::ptr_eq(one, other)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_behaves_as_a_plain_table_and_clones_stay() {
        let mut table = Shards::default();
        for number in 0..5000_u32 {
            table.insert(number.to_string(), number);
        }
        let before = table.clone();
        table.insert("7".to_owned(), 0);
        table.remove("8");
        table.remove("no such key");
        assert_eq!((table.get("7"), table.get("8"), table.get("9")), (Some(&0), None, Some(&9)));
        assert_eq!((before.get("7"), before.get("8")), (Some(&7), Some(&8)));
        assert!((0..5000_u32).all(|n| before.get(n.to_string().as_str()) == Some(&n)));
    }

    #[test]
    fn a_change_copies_one_shard_of_many() {
        let mut table: Shards<u32, u32> = Shards::default();
        (0..5000).for_each(|number| table.insert(number, number));
        let before = table.clone();
        table.insert(5000, 0);
        assert_eq!(table.copied_since(&before), 1);
    }
}
