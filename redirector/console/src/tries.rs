//! Tries of passwords: few an hour for each address, and few at once on the machine. It never sees a
//! password.
//!
//! SECURITY: who guesses from many machines is bounded by the account that they guess at. The right
//! person can still sign in by an address that an administrator makes.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use shared::id::PersonId;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use answers::Problem;

/// Tries an hour for one account.
const TRIES_MAX: u32 = 10;
const HOUR: Duration = Duration::from_secs(3600);
/// Places in which tries for addresses that nobody has are counted, so that they get the same
/// answers and take no memory.
const UNKNOWN: usize = 4096;
/// Passwords that are hashed at once: each takes 19 MiB.
const AT_ONCE: usize = 2;

/// Whose password is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Account<'a> {
    Of(PersonId),
    /// An address that nobody has.
    Unknown(&'a str),
}

/// How many tries there were, and since when.
type Count = (u32, Instant);

/// The tries of all accounts.
pub struct Tries {
    of: Mutex<Counts>,
    turns: Arc<Semaphore>,
}

#[derive(Default)]
struct Counts {
    /// There are no more entries than people.
    people: HashMap<PersonId, Count>,
    /// By a hash that nobody can foresee.
    unknown: HashMap<usize, Count>,
    hasher: RandomState,
}

impl Default for Tries {
    fn default() -> Self {
        Self { of: Mutex::default(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Tries {
    /// Counts a try, and returns whether it may be made.
    pub(crate) fn admit(&self, account: Account<'_>, now: Instant) -> bool {
        let mut counts = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let (tries, since) = match account {
            Account::Of(person) => counts.people.entry(person).or_insert((0, now)),
            Account::Unknown(address) => {
                let hash = counts.hasher.hash_one(address.to_lowercase());
                let place = usize::try_from(hash).unwrap_or(0) % UNKNOWN;
                counts.unknown.entry(place).or_insert((0, now))
            }
        };
        if now.duration_since(*since) >= HOUR {
            (*tries, *since) = (0, now);
        }
        *tries = tries.saturating_add(1);
        *tries <= TRIES_MAX
    }

    /// Forgets the tries of a person whose password was right.
    pub(crate) fn forget(&self, person: PersonId) {
        self.of.lock().unwrap_or_else(PoisonError::into_inner).people.remove(&person);
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
        let [anna, ben] = [1, 2].map(PersonId::from_bits);
        for account in [Account::Of(anna), Account::Unknown("nobody@agency.example")] {
            for n in 1..=12 {
                assert_eq!(tries.admit(account, now), n <= 10, "{n}");
            }
            assert!(tries.admit(account, now + HOUR));
        }
        assert!(tries.admit(Account::Of(ben), now), "others have their own");
        tries.forget(anna);
        for _ in 1..=10 {
            assert!(tries.admit(Account::Of(anna), now));
        }
        let other_case = Account::Unknown("Nobody@Agency.example");
        assert!((2..=10).all(|_| tries.admit(other_case, now + HOUR)));
        assert!(!tries.admit(other_case, now + HOUR), "it is the same address");
    }

    #[test]
    fn guesses_at_any_number_of_addresses_take_no_more_memory() {
        let (tries, now) = (Tries::default(), Instant::now());
        for n in 0..50_000 {
            let address = (n / 3).to_string();
            tries.admit(Account::Unknown(&address), now);
        }
        let counts = tries.of.lock().unwrap();
        assert!(counts.unknown.len() <= UNKNOWN && counts.people.is_empty());
    }
}
