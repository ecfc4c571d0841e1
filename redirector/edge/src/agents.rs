//! A cache of verdicts on user agents, one for each worker. A judgement takes microseconds, and
//! followers send the same few thousand user agents.

use std::cell::Cell;
use std::hash::BuildHasher;
use std::sync::Arc;

use agents::Agents;
use shared::agent::Agent;

/// Verdicts that are kept. A later user agent in the same place replaces an earlier one.
const PLACES: usize = 4096;

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

    /// Returns the verdict on a user agent, and the worker's hash of it. Bytes that are no UTF-8 are
    /// judged as unknown letters: carriers put their names there in Latin-1.
    pub(crate) fn judge(&self, user_agent: &[u8]) -> (Agent, u64) {
        let hash = self.hasher.hash_one(user_agent);
        let place = &self.places[usize::try_from(hash % PLACES as u64).unwrap_or(0)];
        if let Some((held, agent)) = place.get()
            && held == hash
        {
            return (agent, hash);
        }
        let agent = self.agents.judge(&String::from_utf8_lossy(user_agent));
        place.set(Some((hash, agent)));
        (agent, hash)
    }
}
