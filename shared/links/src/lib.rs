//! All links of a catalog, packed so that ten million of them fit a small machine.
//!
//! The catalog writes to one copy of the links, the edge reads another. A clone only counts some
//! references, and a later change of the original does not change it. A change copies the parts
//! that it touches (the last block of records, a shard of each index), however many links there
//! are. This module never compares versions: a link that is put replaces the one with its id. It
//! never forgets a link.
//!
//! Few links have rules. These stand beside the records, found by id; a bit of the record says
//! whether there are any.
//!
//! Each link is a record in the `arena`. Three indexes find it: by id, by slug among the links of
//! its merchant, and by slug among all links. Hashes have a random key, so that nobody can choose
//! slugs that collide.

mod arena;
mod chunks;
mod index;
mod link;
mod packed;
mod ruled;
mod schedule;

pub use link::{Link, Scope, fold_slug};
pub use packed::{LinkRef, parts_of};
pub use schedule::{Availability, Schedule};

use std::hash::{BuildHasher, Hasher};

use basics::id::{LinkId, MerchantId};
use foldhash::fast::RandomState;

use arena::{Arena, Position};
use index::Index;
use ruled::Ruled;

/// The bits that make eight letters lower case. They also make other characters equal to each
/// other, but none that a slug can have.
const LOWER_CASE: u64 = 0x2020_2020_2020_2020;
/// A number of bytes that is enough for most records.
const RECORD_BYTES: usize = 256;

/// All links, with the look-ups that redirects need.
#[derive(Debug, Clone, Default)]
pub struct Links {
    records: Arena,
    by_id: Index,
    by_merchant: Index,
    by_slug: Index,
    /// The rules of the links that have some.
    ruled: Ruled,
    keys: Keys,
}

/// The hashes of ids and slugs, with a random key.
#[derive(Debug, Clone, Default)]
struct Keys(RandomState);

impl Keys {
    #[inline]
    fn of_id(&self, id: LinkId) -> u64 {
        self.0.hash_one(id.bits())
    }

    /// Returns the hash of a slug in a scope. Slugs are hashed as they are compared: without case.
    #[inline]
    fn of_slug(&self, scope: Scope, slug: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write_u64(match scope {
            // No merchant has this id: merchant ids have 40 bits.
            Scope::Agency => u64::MAX,
            Scope::Merchant(id) => id.bits(),
        });
        let (words, rest) = slug.as_chunks();
        let words = words.iter().map(|word| u64::from_le_bytes(*word));
        let last = rest.iter().fold(0, |last, &byte| last << 8 | u64::from(byte));
        words.chain([last]).for_each(|word| hasher.write_u64(word | LOWER_CASE));
        hasher.finish()
    }
}

impl Links {
    /// Returns the number of links.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Returns whether there are no links.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of bytes of all records, including records that were replaced.
    pub fn bytes(&self) -> usize {
        self.records.bytes()
    }

    /// Returns the link with this id.
    #[inline]
    pub fn get(&self, id: LinkId) -> Option<LinkRef<'_>> {
        self.read(self.position(id)?)
    }

    /// Returns the link that has this slug, compared without case. Of several links with one slug
    /// it is the one created first; of links created at the same time, the one with the lower id.
    #[inline]
    pub fn by_slug(&self, scope: Scope, slug: &str) -> Option<LinkRef<'_>> {
        self.holder(scope, slug).map(|(_, link)| link)
    }

    /// Returns all links, in no order.
    pub fn iter(&self) -> impl Iterator<Item = LinkRef<'_>> {
        self.by_id.iter().filter_map(|position| self.read(position))
    }

    /// Adds a link, or replaces the one with its id. The link is found among its merchant's links
    /// once the merchant is known.
    ///
    /// The slug, the campaign and the time of creation of a link must not change. If the slug
    /// changes nevertheless, no link has the old one any more.
    pub fn put(&mut self, link: &Link, merchant: Option<MerchantId>) {
        let mut record = Vec::with_capacity(RECORD_BYTES);
        packed::pack(link, merchant, &mut record);
        let replaced = self.position(link.id);
        let position = self.records.append(&record);
        self.ruled.put(link.id, link.rules());
        let Self { records, by_id, keys, .. } = self;
        let hash_at = |held| keys.of_id(packed::id_at(records.at(held)).unwrap_or(link.id));
        by_id.put(keys.of_id(link.id), position, |held| Some(held) == replaced, hash_at);
        for scope in [merchant.map(Scope::Merchant), Some(Scope::Agency)].into_iter().flatten() {
            self.claim_slug(scope, link, position);
        }
        if let Some(replaced) = replaced {
            self.retire(replaced);
        }
        self.empty_sparse_blocks();
        debug_assert!(
            self.get(link.id).is_some_and(|held| held.to_link() == *link),
            "a link reads back as it was put"
        );
    }

    /// Gives the slug to the link, unless an earlier link has it. Of links created at the same
    /// time, the one with the lower id has it.
    fn claim_slug(&mut self, scope: Scope, link: &Link, position: Position) {
        let holder = self.holder(scope, &link.slug);
        let keeps = |(_, held): &(_, LinkRef<'_>)| {
            held.id() != link.id && (held.created_at(), held.id()) < (link.created_at, link.id)
        };
        if holder.as_ref().is_some_and(keeps) {
            return;
        }
        let holder = holder.map(|(position, _)| position);
        let Self { records, by_merchant, by_slug, keys, .. } = self;
        let hash = keys.of_slug(scope, link.slug.as_bytes());
        let hash_at = |held| {
            let held = LinkRef::read(records.at(held));
            held.map_or(hash, |held| keys.of_slug(scope_like(scope, &held), held.slug_bytes()))
        };
        let index = match scope {
            Scope::Merchant(_) => by_merchant,
            Scope::Agency => by_slug,
        };
        index.put(hash, position, |held| Some(held) == holder, hash_at);
    }

    /// Counts a replaced record as garbage, and removes it from the indexes.
    fn retire(&mut self, replaced: Position) {
        let Some(bytes) = packed::bytes_at(self.records.at(replaced)) else { return };
        let hashes = self.read(replaced).map(|link| self.slug_hashes(&link));
        let [of_merchant, of_all] = hashes.unwrap_or_default();
        of_merchant.iter().for_each(|hash| self.by_merchant.remove(*hash, replaced));
        of_all.iter().for_each(|hash| self.by_slug.remove(*hash, replaced));
        self.records.retire(replaced, bytes);
    }

    fn empty_sparse_blocks(&mut self) {
        while let Some(block) = self.records.sparse() {
            for (position, record) in block.records(packed::bytes_at) {
                self.move_record(position, record);
            }
            self.records.release(&block);
        }
    }

    /// Writes a record again, unless it was replaced, and points the indexes to it.
    fn move_record(&mut self, old: Position, record: &[u8]) {
        let Some(link) = LinkRef::read(record).filter(|link| self.position(link.id()) == Some(old))
        else {
            return;
        };
        let new = self.records.append(record);
        self.by_id.replace(self.keys.of_id(link.id()), old, new);
        let [of_merchant, of_all] = self.slug_hashes(&link);
        of_merchant.iter().for_each(|hash| self.by_merchant.replace(*hash, old, new));
        of_all.iter().for_each(|hash| self.by_slug.replace(*hash, old, new));
    }

    /// Returns the hash of a slug among the links of its merchant, and among all links.
    fn slug_hashes(&self, link: &LinkRef<'_>) -> [Option<u64>; 2] {
        let scopes = [link.merchant().map(Scope::Merchant), Some(Scope::Agency)];
        scopes.map(|scope| scope.map(|scope| self.keys.of_slug(scope, link.slug_bytes())))
    }

    fn position(&self, id: LinkId) -> Option<Position> {
        let is_it = |position| packed::id_at(self.records.at(position)) == Some(id);
        self.by_id.find(self.keys.of_id(id), is_it)
    }

    #[inline]
    fn holder(&self, scope: Scope, slug: &str) -> Option<(Position, LinkRef<'_>)> {
        let index = match scope {
            Scope::Merchant(_) => &self.by_merchant,
            Scope::Agency => &self.by_slug,
        };
        let mut found = None;
        let position = index.find(self.keys.of_slug(scope, slug.as_bytes()), |position| {
            found = self.read(position).filter(|link| is_in(link, scope) && link.has_slug(slug));
            found.is_some()
        });
        Some((position?, found?))
    }

    #[inline]
    fn read(&self, position: Position) -> Option<LinkRef<'_>> {
        LinkRef::read(self.records.at(position)).map(|link| link.with_rules(&self.ruled))
    }
}

fn is_in(link: &LinkRef<'_>, scope: Scope) -> bool {
    match scope {
        Scope::Merchant(id) => link.merchant() == Some(id),
        Scope::Agency => true,
    }
}

/// Returns the scope of the same kind in which a link is found.
fn scope_like(scope: Scope, link: &LinkRef<'_>) -> Scope {
    match scope {
        Scope::Merchant(_) => link.merchant().map_or(scope, Scope::Merchant),
        Scope::Agency => Scope::Agency,
    }
}
