//! The hot state's contract: what every store must do. `contract_tests` runs the same tests for
//! each store.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use journal::StreamName;
use live::seal::{Purpose, Sealer};
use live::{keys, node};
use shared::id::{ClickId, MerchantId};
use shared::order::Visit;
use shared::time::Timestamp;

use crate::embedded::Embedded;
use crate::listed::Listed;
use crate::model::{
    CountQuestion, CounterKey, Entry, EntryKey, FirstBringer, KeyRange, NameKey, Position, Reach,
    SettledOrder, Stored, totals_from_bytes,
};
use crate::redis::{Lost, Redis, WrongSetting};
use crate::url::StateUrl;

/// The stores that can keep the hot state. The set is closed, and all fulfil the same contract.
#[derive(Clone)]
pub enum HotState {
    /// In the data folder.
    Embedded(Embedded),
    /// On a Redis server, or a cluster.
    Redis(Redis),
}

impl HotState {
    /// Opens the state. A Redis server that does not answer is no error: it may come later.
    ///
    /// # Errors
    /// When the embedded store cannot be opened, or a Redis server has settings that would lose
    pub fn open(url: &StateUrl, data: &Path) -> Result<Self> {
        match url {
            StateUrl::Embedded => Embedded::open(&data.join("state")).map(Self::Embedded),
            StateUrl::Redis(url) => {
                let sealer = Sealer::new(
                    &keys::load_or_create(data, &data.join("journal"))?,
                    Purpose::HotState,
                );
                Redis::open(url, &node::name(data)?, sealer).map(Self::Redis)
            }
        }
    }

    /// Deletes everything.
    pub fn clear(&self) -> Result<()> {
        match self {
            Self::Embedded(store) => store.clear(),
            Self::Redis(redis) => redis.clear(),
        }
    }

    /// Deletes expired data, where the store does not do that by itself.
    pub fn retire(&self, now: Timestamp) -> Result<()> {
        match self {
            Self::Embedded(store) => store.retire(now),
            Self::Redis(_) => Ok(()),
        }
    }

    /// Returns how far a stream is projected.
    pub fn reach(&self, stream: &StreamName) -> Result<Reach> {
        match self {
            Self::Embedded(store) => store.reach(stream),
            Self::Redis(redis) => redis.reach(stream),
        }
    }

    /// Checks that the store still has all data that was written to it, and writes down in the
    /// store how far it is now.
    ///
    /// # Errors
    /// When it lost something ([`is_lost`]) or does not answer.
    pub fn sweep(&self) -> Result<()> {
        match self {
            Self::Embedded(_) => Ok(()),
            Self::Redis(redis) => redis.sweep(),
        }
    }

    /// Drops what this process knows of the store, so that it asks the store again. To be called
    /// after a failure.
    pub fn forget(&self) {
        if let Self::Redis(redis) = self {
            redis.forget();
        }
    }

    /// Returns how many values were found and deleted since the start that none of our nodes wrote.
    pub fn foreign(&self) -> u64 {
        match self {
            Self::Embedded(_) => 0,
            Self::Redis(redis) => redis.foreign(),
        }
    }

    /// Adds windows, entries and unparsed deliveries. What is there already stays.
    pub fn store(&self, stored: &Stored, now: Timestamp) -> Result<()> {
        match self {
            Self::Embedded(store) => store.store(stored),
            Self::Redis(redis) => redis.store(stored, now),
        }
    }

    /// Removes entries that change nothing. The same entries may be removed again, or put again.
    pub fn remove_entries(&self, entries: &[(NameKey, EntryKey)]) -> Result<()> {
        match self {
            _ if entries.is_empty() => Ok(()),
            Self::Embedded(store) => store.remove_entries(entries),
            Self::Redis(redis) => redis.remove_entries(entries),
        }
    }

    /// Returns for each record whether it is the first that brought its event. Asking again gives
    /// the same answer.
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

    /// Sets what orders count for and how lists show them, by the order's name. What stood there
    /// before goes, out of every list too.
    pub fn put_orders(&self, orders: &[SettledOrder]) -> Result<()> {
        match self {
            Self::Embedded(store) => store.put_orders(orders),
            Self::Redis(redis) => redis.put_orders(orders),
        }
    }

    /// Returns the first keys of each range, so many at most, in their order.
    pub fn list_keys(&self, ranges: &[KeyRange], count: usize) -> Result<Vec<Vec<Vec<u8>>>> {
        match self {
            Self::Embedded(store) => store.list_keys(ranges, count),
            Self::Redis(redis) => redis.list_keys(ranges, count),
        }
    }

    /// Returns the orders under names as lists show them.
    pub fn listed(&self, names: &[NameKey]) -> Result<Vec<Vec<Listed>>> {
        match self {
            Self::Embedded(store) => store.listed(names),
            Self::Redis(redis) => redis.listed(names),
        }
    }

    /// Adds to a stream's counters, and moves the position up to which they count from `from` to
    /// `position`, in one step.
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

    /// Returns the window of a click that may earn, if it is still remembered.
    pub fn visit(&self, click: &ClickId) -> Result<Option<Visit>> {
        Ok(self.visits(&[*click])?.pop())
    }

    /// Returns the windows of those clicks that are still remembered.
    pub fn visits(&self, clicks: &[ClickId]) -> Result<Vec<Visit>> {
        match self {
            Self::Embedded(store) => store.visits(clicks),
            Self::Redis(redis) => redis.visits(clicks),
        }
    }

    /// Returns the entries under each name.
    pub fn entries(&self, names: &[NameKey]) -> Result<Vec<Vec<Entry>>> {
        match self {
            Self::Embedded(store) => store.entries(names),
            Self::Redis(redis) => redis.entries(names),
        }
    }

    /// Returns the number of entries under each name, or `None` where no other node can add any.
    pub fn entry_counts(&self, names: &[NameKey]) -> Result<Vec<Option<usize>>> {
        match self {
            Self::Embedded(_) => Ok(vec![None; names.len()]),
            Self::Redis(redis) => Ok(redis.entry_counts(names)?.into_iter().map(Some).collect()),
        }
    }

    /// Calls `each` for every counter that is asked for; one key may come several times. Returns how
    /// many entries were read: the embedded store reads what is asked for and little else.
    pub fn counts(
        &self,
        question: &CountQuestion,
        each: &mut dyn FnMut(CounterKey, i64),
    ) -> Result<usize> {
        let mut read = 0;
        let mut each = |key: CounterKey, amount| {
            read += 1;
            if question.has(&key) {
                each(key, amount);
            }
        };
        match self {
            Self::Embedded(store) => store.each_counter(question, &mut each)?,
            Self::Redis(redis) => {
                redis.each_total(&mut |_, totals| {
                    totals_from_bytes(totals).for_each(|(key, amount)| each(key, amount));
                })?;
                redis.each_counter(&mut each)?;
            }
        }
        Ok(read)
    }

    /// Returns the names under which a merchant's orders have amounts.
    pub fn names_with_totals(&self, merchant: MerchantId) -> Result<Vec<NameKey>> {
        match self {
            Self::Embedded(store) => store.names_with_totals(merchant),
            Self::Redis(redis) => redis.names_with_totals(merchant),
        }
    }

    /// Returns the streams of other nodes that share the store, as far as they are known.
    pub fn streams_of_others(&self, own: &[StreamName]) -> Result<Vec<String>> {
        match self {
            Self::Embedded(_) => Ok(vec![]),
            Self::Redis(redis) => {
                let streams = redis.streams()?.into_iter();
                let streams = streams.map(|name| String::from_utf8_lossy(&name).into_owned());
                Ok(streams.filter(|name| own.iter().all(|own| own.as_str() != name)).collect())
            }
        }
    }

    /// Calls `each` for every entry in the list of unparsed deliveries
    /// ([`ListedDelivery`](crate::ListedDelivery) as JSON), by time of arrival.
    pub fn each_unparsed(&self, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        match self {
            Self::Embedded(store) => store.each_unparsed(each),
            Self::Redis(redis) => redis.each_unparsed(each),
        }
    }
}

/// Returns whether the error says that a store lost data.
pub fn is_lost(error: &anyhow::Error) -> bool {
    error.is::<Lost>()
}

/// Returns whether the error says that a server's settings must be changed first.
pub fn is_wrong_setting(error: &anyhow::Error) -> bool {
    error.is::<WrongSetting>()
}
