//! The hot state: attribution windows, orders and live counters, projected from the journal and
//! disposable.
//!
//! Wipe it, and it is rebuilt from the journal. It is never the truth about money; it only answers
//! quickly. What is stored is either put once and never changed, or absolute; counters and the
//! position they count up to are one step. So no record counts twice after a crash, and nodes can
//! share a store.

#[cfg(test)]
mod contract;
mod embedded;
#[cfg(feature = "faults")]
mod fault;
mod model;
mod orders;
mod projection;
mod projector;
mod redis;

#[cfg(feature = "faults")]
pub(crate) use fault::StateFault;
pub(crate) use model::{CounterKey, Metric};
pub(crate) use orders::find_order;
pub(crate) use projection::{Listed, UnparsedReport};
pub(crate) use projector::{Lag, Projector, replay};
pub(crate) use redis::{Redis, without_password};

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::{Result, bail};
use journal::StreamName;
use shared::id::{ClickId, EventId, MerchantId};
use shared::order::Visit;
use shared::time::Timestamp;

use crate::config::StateUrl;
use crate::node;
use crate::state::embedded::Embedded;
use crate::state::model::{Entry, NameKey, Position, Reach, totals_from_bytes};
use crate::state::redis::{Lost, WrongSetting};

/// What records put into the state, once and for all.
#[derive(Default)]
pub(crate) struct Stored {
    pub(crate) windows: Vec<Window>,
    /// What stands under names of orders.
    pub(crate) entries: Vec<(NameKey, Entry)>,
    /// Reports that nobody could read.
    pub(crate) unparsed: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A click that may earn, and until when it must be remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) visit: Visit,
    pub(crate) expires_at: Timestamp,
}

/// A record that brings an event: of several the first to come counts.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) event: EventId,
    /// Stream and sequence.
    pub(crate) origin: Vec<u8>,
    pub(crate) seq: u64,
    pub(crate) received_at: Timestamp,
}

/// Where the hot state is kept: a closed set, one contract.
#[derive(Clone)]
pub(crate) enum HotState {
    /// In the data folder.
    Embedded(Embedded),
    /// On a Redis server, or a cluster.
    Redis(Redis),
}

/// The hot state of a running server, which redirects do not wait for: an embedded store reads its
/// own log first.
#[derive(Clone, Default)]
pub(crate) struct Opening(Arc<OnceLock<HotState>>);

impl Opening {
    /// The state, once it is open.
    ///
    /// # Errors
    /// When it is not open yet.
    pub(crate) fn get(&self) -> Result<&HotState> {
        let Some(state) = self.0.get() else { bail!("the hot state is still being opened") };
        Ok(state)
    }

    /// Shows the state to everyone who holds this.
    pub(crate) fn set(&self, state: HotState) {
        _ = self.0.set(state);
    }
}

impl HotState {
    /// Opens the state.
    ///
    /// # Errors
    /// When the embedded store cannot be opened, or a Redis server has settings that would lose
    /// windows. One that is away may come later.
    pub(crate) fn open(url: &StateUrl, data: &Path) -> Result<Self> {
        match url {
            StateUrl::Embedded => Embedded::open(&data.join("state")).map(Self::Embedded),
            StateUrl::Redis(url) => Redis::open(url, &node::name(data)?).map(Self::Redis),
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) -> Result<()> {
        match self {
            Self::Embedded(store) => store.clear(),
            Self::Redis(redis) => redis.clear(),
        }
    }

    /// Forgets what has had its time, where the store does not do that by itself.
    pub(crate) fn retire(&self, now: Timestamp) -> Result<()> {
        match self {
            Self::Embedded(store) => store.retire(now),
            Self::Redis(_) => Ok(()),
        }
    }

    /// How far a stream is projected.
    pub(crate) fn reach(&self, stream: &StreamName) -> Result<Reach> {
        match self {
            Self::Embedded(store) => store.reach(stream),
            Self::Redis(redis) => redis.reach(stream),
        }
    }

    /// Looks whether the store still has what it was given, and makes it remember how far it is.
    ///
    /// # Errors
    /// When it lost something ([`is_lost`]) or does not answer.
    pub(crate) fn sweep(&self) -> Result<()> {
        match self {
            Self::Embedded(_) => Ok(()),
            Self::Redis(redis) => redis.sweep(),
        }
    }

    /// After a failure: what is known of the store is asked anew.
    pub(crate) fn forget(&self) {
        if let Self::Redis(redis) = self {
            redis.forget();
        }
    }

    /// Puts windows, entries and reports. What is there stays.
    pub(crate) fn store(&self, stored: &Stored, now: Timestamp) -> Result<()> {
        match self {
            Self::Embedded(store) => store.store(stored),
            Self::Redis(redis) => redis.store(stored, now),
        }
    }

    /// Whether each claim is the first of its event; also when it was made before.
    pub(crate) fn claim(
        &self,
        claims: &[Claim],
        expires_at: &dyn Fn(&Claim) -> Timestamp,
    ) -> Result<Vec<bool>> {
        match self {
            Self::Embedded(store) => store.claim(claims, expires_at),
            Self::Redis(redis) => redis.claim(claims, expires_at),
        }
    }

    /// Sets what orders count for.
    pub(crate) fn put_totals(&self, totals: &[(NameKey, Vec<u8>)]) -> Result<()> {
        match self {
            Self::Embedded(store) => store.put_totals(totals),
            Self::Redis(redis) => redis.put_totals(totals),
        }
    }

    /// Adds to a stream's counters, which count up to `from` and then up to `position`, in one
    /// step.
    pub(crate) fn count(
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
    pub(crate) fn visit(&self, click: &ClickId) -> Result<Option<Visit>> {
        Ok(self.visits(&[*click])?.pop())
    }

    /// Those of the clicks that are remembered.
    pub(crate) fn visits(&self, clicks: &[ClickId]) -> Result<Vec<Visit>> {
        match self {
            Self::Embedded(store) => store.visits(clicks),
            Self::Redis(redis) => redis.visits(clicks),
        }
    }

    /// What stands under each name.
    pub(crate) fn entries(&self, names: &[NameKey]) -> Result<Vec<Vec<Entry>>> {
        match self {
            Self::Embedded(store) => store.entries(names),
            Self::Redis(redis) => redis.entries(names),
        }
    }

    /// How much stands under each name, where others may have put something meanwhile.
    pub(crate) fn entry_counts(&self, names: &[NameKey]) -> Result<Vec<Option<usize>>> {
        match self {
            Self::Embedded(_) => Ok(vec![None; names.len()]),
            Self::Redis(redis) => Ok(redis.entry_counts(names)?.into_iter().map(Some).collect()),
        }
    }

    /// Every counter, those of a stream or an order each by itself.
    pub(crate) fn each_count(&self, each: &mut dyn FnMut(CounterKey, i64)) -> Result<()> {
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
    pub(crate) fn names_with_totals(&self, merchant: MerchantId) -> Result<Vec<NameKey>> {
        match self {
            Self::Embedded(store) => store.names_with_totals(merchant),
            Self::Redis(redis) => redis.names_with_totals(merchant),
        }
    }

    /// Every report that nobody could read ([`Listed`]), by time of arrival.
    pub(crate) fn each_unparsed(&self, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        match self {
            Self::Embedded(store) => store.each_unparsed(each),
            Self::Redis(redis) => redis.each_unparsed(each),
        }
    }
}

/// Whether a store lost what it was given.
pub(crate) fn is_lost(error: &anyhow::Error) -> bool {
    error.is::<Lost>()
}

/// Whether a store's settings must be changed first.
pub(crate) fn is_wrong_setting(error: &anyhow::Error) -> bool {
    error.is::<WrongSetting>()
}
