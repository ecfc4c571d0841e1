//! Counters in the embedded store: those of streams, and what all orders count for together. A question
//! reads the campaigns that it asks for, and no others.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use fjall::OwnedWriteBatch;
use journal::StreamName;
use shared::id::{CampaignId, InfluencerId};

use crate::embedded::store::{Embedded, LAYOUT_KEY, each_of};
use crate::model::{CountQuestion, CounterKey, KeyRange, Position};

impl Embedded {
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
        let prefix = promoted_by(influencer);
        each_of(&self.lists, &prefix, &mut |key, _| {
            let campaign = key.get(prefix.len()..).and_then(|bits| bits.try_into().ok());
            campaigns.extend(campaign.map(|bits| CampaignId::from_bits(u64::from_be_bytes(bits))));
        })?;
        Ok(campaigns)
    }

    /// Notes in which campaigns an influencer has counts.
    pub(super) fn note_promoted<'k>(
        &self,
        writes: &mut OwnedWriteBatch,
        keys: impl Iterator<Item = &'k CounterKey>,
    ) -> Result<()> {
        let pairs: BTreeSet<_> = keys.map(|key| (key.influencer, key.campaign)).collect();
        for (influencer, campaign) in pairs {
            let campaign = campaign.bits().to_be_bytes();
            let key = [&promoted_by(influencer)[..], &campaign].concat();
            if self.lists.get(&key)?.is_none() {
                writes.insert(&self.lists, key, []);
            }
        }
        Ok(())
    }
}

/// Where the sums over all orders stand among the streams, none of which has this name.
pub(super) const ORDERS: &[u8] = b"";

/// Returns how the keys of a stream's counters begin. A stream's name has at most 64 bytes.
pub(super) fn beginning(stream: &[u8]) -> Vec<u8> {
    let length = u8::try_from(stream.len()).unwrap_or(u8::MAX);
    [&[length][..], stream].concat()
}

fn counter_key(stream: &StreamName, counter: &CounterKey) -> Vec<u8> {
    [beginning(stream.as_str().as_bytes()), counter.to_bytes()].concat()
}

/// Returns the amount that a counter begins with.
pub(super) fn amount_of(bytes: &[u8]) -> i64 {
    bytes.first_chunk().map_or(0, |amount| i64::from_be_bytes(*amount))
}

/// Returns how the keys begin that say in which campaigns an influencer has counts. No list is of
/// this kind.
fn promoted_by(influencer: InfluencerId) -> Vec<u8> {
    [&[PROMOTED][..], &influencer.bits().to_be_bytes()].concat()
}

/// The kind of these keys.
const PROMOTED: u8 = 0x41;
