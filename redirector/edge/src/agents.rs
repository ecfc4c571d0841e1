//! Verdicts on user agents, kept by worker: judging one costs microseconds, and followers send the
//! same few thousand.

use std::cell::Cell;
use std::hash::BuildHasher;
use std::sync::Arc;

use shared::agent::{Agent, Agents};

/// Verdicts kept; a later user agent in the same place replaces an earlier one.
const PLACES: usize = 4096;

/// A worker's verdicts.
pub(crate) struct AgentCache {
    agents: Arc<Agents>,
    /// Keyed at random, so that nobody can choose user agents that collide.
    hasher: foldhash::fast::RandomState,
    places: Vec<Cell<Option<(u64, Agent)>>>,
}

impl AgentCache {
    pub(crate) fn new(agents: Arc<Agents>) -> Self {
        let places = std::iter::repeat_with(|| Cell::new(None)).take(PLACES).collect();
        Self { agents, hasher: foldhash::fast::RandomState::default(), places }
    }

    /// Judges a user agent; one that is no UTF-8 is nobody's browser.
    pub(crate) fn judge(&self, user_agent: &[u8]) -> Agent {
        let hash = self.hasher.hash_one(user_agent);
        let place = &self.places[usize::try_from(hash % PLACES as u64).unwrap_or(0)];
        match place.get() {
            Some((held, agent)) if held == hash => agent,
            _ => {
                let agent = self.agents.judge(str::from_utf8(user_agent).unwrap_or_default());
                place.set(Some((hash, agent)));
                agent
            }
        }
    }
}
