//! The hot state: attribution windows, orders and live counters, projected from the journal and disposable.
//!
//! Wipe it, and it is rebuilt from the journal. It is never the truth about money; it only answers quickly. Every batch
//! is applied whole together with the journal positions it covers, so that no record counts twice after a crash.

mod dossier;
mod embedded;
mod model;
mod projection;
mod projector;
mod redis;

pub(crate) use dossier::facts_of_order;
pub(crate) use model::{CounterKey, Metric};
pub(crate) use projection::{Projection, UnparsedReport};
pub(crate) use projector::{Lag, Projector, replay};
pub(crate) use redis::without_password;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use shared::id::ClickId;
use shared::order::Visit;

use crate::config::StateUrl;
use crate::state::embedded::Embedded;
use crate::state::redis::Redis;

/// The kinds of keys; each store keeps them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Space {
    /// Click id → the touch and the click before it: an attribution window.
    Windows,
    /// Merchant and a name → the dossier of orders that share names: their facts and what they count for.
    Orders,
    /// Merchant and a name of an order → the key of its dossier.
    Names,
    /// Event id → seen.
    Events,
    /// What is counted, by day → how many.
    Counters,
    /// Stream → the last record that is projected.
    Positions,
    /// Time of arrival and a hash → a report that nobody could read, without its body.
    Unparsed,
}

impl Space {
    pub(crate) const ALL: [Self; 7] = [
        Self::Windows,
        Self::Orders,
        Self::Names,
        Self::Events,
        Self::Counters,
        Self::Positions,
        Self::Unparsed,
    ];
}

/// The layout of keys and values, and where it is noted; no stream has this name.
const LAYOUT: &[u8] = b"2";
const LAYOUT_KEY: &[u8] = b"(layout)";

/// Values to set, all or none.
pub(crate) type Batch = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

/// Where the hot state is kept: a closed set, one contract.
#[derive(Clone)]
pub(crate) enum HotState {
    /// In the data folder.
    Embedded(Embedded),
    /// On a Redis server.
    Redis(Redis),
}

impl HotState {
    /// Opens the state.
    ///
    /// # Errors
    /// When it cannot be opened; for the embedded store also when another process has it.
    pub(crate) fn open(url: &StateUrl, data: &Path) -> Result<Self> {
        match url {
            StateUrl::Embedded => Embedded::open(&data.join("state")).map(Self::Embedded),
            StateUrl::Redis(url) => Redis::open(url).map(Self::Redis),
        }
    }

    /// Forgets what an older version kept in another layout: it is built anew.
    pub(crate) fn refresh_layout(&self) -> Result<()> {
        if self.value(Space::Positions, LAYOUT_KEY)?.as_deref() != Some(LAYOUT) {
            self.clear()?;
            self.apply(Batch::from([((Space::Positions, LAYOUT_KEY.to_vec()), LAYOUT.to_vec())]))?;
        }
        Ok(())
    }

    /// Forgets everything.
    pub(crate) fn wipe(url: &StateUrl, data: &Path) -> Result<()> {
        match url {
            StateUrl::Embedded => Embedded::wipe(&data.join("state")),
            StateUrl::Redis(url) => Redis::open(url)?.wipe(),
        }
    }

    /// Forgets everything while it is open.
    pub(crate) fn clear(&self) -> Result<()> {
        match self {
            Self::Embedded(store) => store.clear(),
            Self::Redis(redis) => redis.wipe(),
        }
    }

    /// The value of a key, as of the last batch applied.
    pub(crate) fn value(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Embedded(store) => store.value(space, key),
            Self::Redis(redis) => redis.value(space, key),
        }
    }

    /// A click that may earn.
    pub(crate) fn visit(&self, click: &ClickId) -> Result<Option<Visit>> {
        let stored = self.value(Space::Windows, click.as_bytes())?;
        Ok(stored.and_then(|bytes| postcard::from_bytes(&bytes).ok()))
    }

    /// Calls `each` with every key of a space that starts with `prefix`, in the order of keys.
    pub(crate) fn scan(&self, space: Space, prefix: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        match self {
            Self::Embedded(store) => store.scan(space, prefix, each),
            Self::Redis(redis) => redis.scan(space, prefix, each),
        }
    }

    /// Applies a batch: after an `Ok` all of it is there, after a crash all or nothing.
    pub(crate) fn apply(&self, batch: Batch) -> Result<()> {
        match self {
            Self::Embedded(store) => store.apply(batch),
            Self::Redis(redis) => redis.apply(&batch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every store must do; each store's test runs it.
    fn honours_the_contract(state: &HotState) {
        let batch = |pairs: &[(Space, &str, &str)]| -> Batch {
            pairs
                .iter()
                .map(|(space, key, value)| ((*space, key.as_bytes().to_vec()), value.as_bytes().to_vec()))
                .collect()
        };
        assert_eq!(state.value(Space::Windows, b"a").unwrap(), None);
        state
            .apply(batch(&[
                (Space::Windows, "a", "1"),
                (Space::Orders, "a", "2"),
                (Space::Counters, "ab", "3"),
            ]))
            .unwrap();
        state
            .apply(batch(&[
                (Space::Windows, "a", "9"),
                (Space::Counters, "aa", "4"),
                (Space::Counters, "b", "5"),
            ]))
            .unwrap();
        assert_eq!(
            state.value(Space::Windows, b"a").unwrap().as_deref(),
            Some(&b"9"[..]),
            "the last value counts"
        );
        assert_eq!(state.value(Space::Orders, b"a").unwrap().as_deref(), Some(&b"2"[..]), "spaces are apart");
        let mut seen = Vec::new();
        state
            .scan(Space::Counters, b"a", &mut |key, value| seen.push((key.to_vec(), value.to_vec())))
            .unwrap();
        assert_eq!(seen, [(b"aa".to_vec(), b"4".to_vec()), (b"ab".to_vec(), b"3".to_vec())]);
        state.clear().unwrap();
        for space in Space::ALL {
            state.scan(space, b"", &mut |key, _| panic!("{key:?} is left in {space:?}")).unwrap();
        }
        state.apply(batch(&[(Space::Orders, "a", "2")])).unwrap();
    }

    #[test]
    fn the_embedded_store_honours_the_contract_and_keeps_what_it_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let state = HotState::open(&StateUrl::Embedded, folder.path()).unwrap();
        honours_the_contract(&state);
        drop(state);
        let state = HotState::open(&StateUrl::Embedded, folder.path()).unwrap();
        assert_eq!(state.value(Space::Orders, b"a").unwrap().as_deref(), Some(&b"2"[..]));
        drop(state);
        HotState::wipe(&StateUrl::Embedded, folder.path()).unwrap();
        let state = HotState::open(&StateUrl::Embedded, folder.path()).unwrap();
        assert_eq!(state.value(Space::Orders, b"a").unwrap(), None);
    }

    #[test]
    fn redis_honours_the_contract_and_forgets_only_what_is_ours() {
        let server = harness::Redis::start(&[]).unwrap();
        let url = StateUrl::Redis(server.url());
        let state = HotState::open(&url, Path::new("unused")).unwrap();
        honours_the_contract(&state);
        let mut others = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        ::redis::cmd("SET").arg("somebody else's").arg(1).query::<()>(&mut others).unwrap();
        HotState::wipe(&url, Path::new("unused")).unwrap();
        assert_eq!(state.value(Space::Orders, b"a").unwrap(), None);
        let keys: Vec<String> = ::redis::cmd("KEYS").arg("*").query(&mut others).unwrap();
        assert_eq!(keys, ["somebody else's"]);
    }

    #[test]
    fn redis_is_used_again_when_it_comes_back() {
        let server = harness::Redis::start(&[]).unwrap();
        let state = HotState::open(&StateUrl::Redis(server.url()), Path::new("unused")).unwrap();
        let mut others = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        ::redis::cmd("CLIENT")
            .arg("KILL")
            .arg("TYPE")
            .arg("normal")
            .arg("SKIPME")
            .arg("yes")
            .query::<()>(&mut others)
            .unwrap();
        assert!(state.value(Space::Orders, b"a").is_err(), "the connection is gone");
        assert_eq!(state.value(Space::Orders, b"a").unwrap(), None, "and made anew");
    }
}
