//! Tries of passwords: few an hour for each address, and few at once on the machine. It never sees a
//! password.
//!
//! SECURITY: who guesses from many machines is bounded by the account that they guess at. The right
//! person can still sign in by an address that an administrator makes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use answers::Problem;

/// Tries an hour for one account.
const TRIES_MAX: u32 = 10;
const HOUR: Duration = Duration::from_secs(3600);
/// Accounts that are told apart. More at once are guesses, and those that tried least go first.
const ACCOUNTS_MAX: usize = 10_000;
/// Passwords that are hashed at once: each takes 19 MiB.
const AT_ONCE: usize = 2;

/// The tries of all accounts.
pub struct Tries {
    of: Mutex<HashMap<String, (u32, Instant)>>,
    turns: Arc<Semaphore>,
}

impl Default for Tries {
    fn default() -> Self {
        Self { of: Mutex::default(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Tries {
    /// Counts a try, and returns whether it may be made.
    pub(crate) fn admit(&self, account: &str, now: Instant) -> bool {
        let mut all = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ACCOUNTS_MAX {
            all.retain(|_, (tries, since)| *tries > 1 && now.duration_since(*since) < HOUR);
        }
        let (tries, since) = all.entry(account.to_owned()).or_insert((0, now));
        if now.duration_since(*since) >= HOUR {
            (*tries, *since) = (0, now);
        }
        *tries = tries.saturating_add(1);
        *tries <= TRIES_MAX
    }

    /// Forgets the tries of an account whose password was right.
    pub(crate) fn forget(&self, account: &str) {
        self.of.lock().unwrap_or_else(PoisonError::into_inner).remove(account);
    }

    /// Runs what hashes a password, on a thread that may take its time.
    ///
    /// # Errors
    /// When the thread cannot run.
    pub(crate) async fn one_at_a_time<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|error| Problem::internal(&error.into()))?;
        let done = spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|error| Problem::internal(&error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_tries_an_hour_are_made_for_an_account() {
        let (tries, now) = (Tries::default(), Instant::now());
        for n in 1..=12 {
            assert_eq!(tries.admit("anna", now), n <= 10, "{n}");
        }
        assert!(tries.admit("ben", now), "others have their own");
        assert!(tries.admit("anna", now + HOUR));
        tries.forget("anna");
        for _ in 1..=10 {
            assert!(tries.admit("anna", now));
        }
    }

    #[test]
    fn guesses_at_many_accounts_take_no_more_memory() {
        let (tries, now) = (Tries::default(), Instant::now());
        for n in 0..2 * ACCOUNTS_MAX {
            tries.admit(&n.to_string(), now);
        }
        assert!(tries.of.lock().unwrap().len() <= ACCOUNTS_MAX);
    }
}
