//! The rules of the links that have some, by the link's id, in shards that clones share. It knows
//! nothing of records, and never reads what a rule says.

use std::collections::BTreeMap;
use std::sync::Arc;

use basics::id::LinkId;
use rules::Rules;

use super::chunks::Chunks;

/// With 100,000 such links a shard has 400. A change copies one shard: their ids, and a reference
/// each.
const SHARDS: usize = 256;

type Shard = Arc<BTreeMap<LinkId, Arc<Rules>>>;

#[derive(Debug, Clone)]
pub(super) struct Ruled(Chunks<Shard>);

impl Default for Ruled {
    fn default() -> Self {
        Self(Chunks::filled(Shard::default(), SHARDS))
    }
}

impl Ruled {
    pub(super) fn get(&self, id: LinkId) -> Option<&Rules> {
        self.0.get(shard_of(id))?.get(&id).map(AsRef::as_ref)
    }

    /// Replaces the rules of a link. A link that had none and has none changes nothing, so that it
    /// costs nothing.
    pub(super) fn put(&mut self, id: LinkId, rules: Option<Rules>) {
        if rules.is_none() && self.get(id).is_none() {
            return;
        }
        let Some(shard) = self.0.get_mut(shard_of(id)).map(Arc::make_mut) else { return };
        match rules {
            Some(rules) => _ = shard.insert(id, Arc::new(rules)),
            None => _ = shard.remove(&id),
        }
    }
}

/// Ids are random, so any of their bits tell them apart.
fn shard_of(id: LinkId) -> usize {
    usize::try_from(id.bits()).unwrap_or(0) % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_are_taken_away_are_gone_but_not_for_who_reads_an_older_clone() {
        let (id, mut ruled) = (LinkId::from_bits(7), Ruled::default());
        ruled.put(id, Some(Rules::default()));
        let before = ruled.clone();
        ruled.put(id, None);
        assert_eq!((ruled.get(id), before.get(id)), (None, Some(&Rules::default())));
    }
}
