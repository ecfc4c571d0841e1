//! The hot state's contract: what every store must do. `contract_tests` holds each store to it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use journal::StreamName;
use live::node;
use shared::id::{ClickId, MerchantId};
use shared::order::Visit;
use shared::time::Timestamp;

use crate::embedded::Embedded;
use crate::model::{
    CounterKey, Entry, FirstBringer, NameKey, Position, Reach, Stored, totals_from_bytes,
};
use crate::redis::{Lost, Redis, WrongSetting};
use crate::url::StateUrl;

/// Where the hot state is kept: a closed set, one contract.
#[derive(Clone)]
pub enum HotState {
    /// In the data folder.
    Embedded(Embedded),
    /// On a Redis server, or a cluster.
    Redis(Redis),
}

impl HotState {
    /// Opens the state.
    ///
    /// # Errors
    /// When the embedded store cannot be opened, or a Redis server has settings that would lose
    /// windows. One that is away may come later.
    pub fn open(url: &StateUrl, data: &Path) -> Result<Self> {
        match url {
            StateUrl::Embedded => Embedded::open(&data.join("state")).map(Self::Embedded),
            StateUrl::Redis(url) => Redis::open(url, &node::name(data)?).map(Self::Redis),
        }
    }

    /// Forgets everything.
    pub fn clear(&self) -> Result<()> {
        match self {
            Self::Embedded(store) => store.clear(),
            Self::Redis(redis) => redis.clear(),
        }
    }

    /// Forgets what has had its time, where the store does not do that by itself.
    pub fn retire(&self, now: Timestamp) -> Result<()> {
        match self {
            Self::Embedded(store) => store.retire(now),
            Self::Redis(_) => Ok(()),
        }
    }

    /// How far a stream is projected.
    pub fn reach(&self, stream: &StreamName) -> Result<Reach> {
        match self {
            Self::Embedded(store) => store.reach(stream),
            Self::Redis(redis) => redis.reach(stream),
        }
    }

    /// Looks whether the store still has what it was given, and makes it remember how far it is.
    ///
    /// # Errors
    /// When it lost something ([`is_lost`]) or does not answer.
    pub fn sweep(&self) -> Result<()> {
        match self {
            Self::Embedded(_) => Ok(()),
            Self::Redis(redis) => redis.sweep(),
        }
    }

    /// After a failure: what is known of the store is asked anew.
    pub fn forget(&self) {
        if let Self::Redis(redis) = self {
            redis.forget();
        }
    }

    /// Puts windows, entries and reports. What is there stays.
    pub fn store(&self, stored: &Stored, now: Timestamp) -> Result<()> {
        match self {
            Self::Embedded(store) => store.store(stored),
            Self::Redis(redis) => redis.store(stored, now),
        }
    }

    /// Returns for each whether it is the first to bring its event. The answer stays the same when
    /// it is asked again.
    pub fn are_first(
        &self,
        bringers: &[FirstBringer],
        expires_at: &dyn Fn(&FirstBringer) -> Timestamp,
    ) -> Result<Vec<bool>> {
        match self {
            Self::Embedded(store) => store.are_first(bringers, expires_at),
            Self::Redis(redis) => redis.are_first(bringers, expires_at),
        }
    }

    /// Sets what orders count for.
    pub fn put_totals(&self, totals: &[(NameKey, Vec<u8>)]) -> Result<()> {
        match self {
            Self::Embedded(store) => store.put_totals(totals),
            Self::Redis(redis) => redis.put_totals(totals),
        }
    }

    /// Adds to a stream's counters, which count up to `from` and then up to `position`, in one
    /// step.
    pub fn count(
        &self,
        stream: &StreamName,
        (from, position): (Position, Position),
        counts: &BTreeMap<CounterKey, i64>,
    ) -> Result<()> {
        match self {
            Self::Embedded(store) => store.count(stream, position, counts),
            Self::Redis(redis) => redis.count(stream, (from, position), counts),
        }
    }

    /// A click that may earn.
    pub fn visit(&self, click: &ClickId) -> Result<Option<Visit>> {
        Ok(self.visits(&[*click])?.pop())
    }

    /// Those of the clicks that are remembered.
    pub fn visits(&self, clicks: &[ClickId]) -> Result<Vec<Visit>> {
        match self {
            Self::Embedded(store) => store.visits(clicks),
            Self::Redis(redis) => redis.visits(clicks),
        }
    }

    /// What stands under each name.
    pub fn entries(&self, names: &[NameKey]) -> Result<Vec<Vec<Entry>>> {
        match self {
            Self::Embedded(store) => store.entries(names),
            Self::Redis(redis) => redis.entries(names),
        }
    }

    /// How much stands under each name, where others may have put something meanwhile.
    pub fn entry_counts(&self, names: &[NameKey]) -> Result<Vec<Option<usize>>> {
        match self {
            Self::Embedded(_) => Ok(vec![None; names.len()]),
            Self::Redis(redis) => Ok(redis.entry_counts(names)?.into_iter().map(Some).collect()),
        }
    }

    /// Every counter, those of a stream or an order each by itself.
    pub fn each_count(&self, each: &mut dyn FnMut(CounterKey, i64)) -> Result<()> {
        let mut of_order =
            |_: &[u8], totals: &[u8]| totals_from_bytes(totals).for_each(|(key, n)| each(key, n));
        match self {
            Self::Embedded(store) => store.each_total(&mut of_order)?,
            Self::Redis(redis) => redis.each_total(&mut of_order)?,
        }
        match self {
            Self::Embedded(store) => store.each_counter(each),
            Self::Redis(redis) => redis.each_counter(each),
        }
    }

    /// The names of a merchant's orders.
    pub fn names_with_totals(&self, merchant: MerchantId) -> Result<Vec<NameKey>> {
        match self {
            Self::Embedded(store) => store.names_with_totals(merchant),
            Self::Redis(redis) => redis.names_with_totals(merchant),
        }
    }

    /// Every report that nobody could read ([`Listed`]), by time of arrival.
    pub fn each_unparsed(&self, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        match self {
            Self::Embedded(store) => store.each_unparsed(each),
            Self::Redis(redis) => redis.each_unparsed(each),
        }
    }
}

/// Whether a store lost what it was given.
pub fn is_lost(error: &anyhow::Error) -> bool {
    error.is::<Lost>()
}

/// Whether a store's settings must be changed first.
pub fn is_wrong_setting(error: &anyhow::Error) -> bool {
    error.is::<WrongSetting>()
}
