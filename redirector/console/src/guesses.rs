//! Guesses of access tokens: they are counted, logged, and slowed by client address.
//!
//! SECURITY: after some wrong tokens every request from the same block of addresses waits before
//! its token is looked at, and only a few wait at a time. So an address can try a bounded number of
//! tokens a second. No address is locked out: a right token counts as soon as it is looked at, and
//! other addresses wait for nothing. Whether a token is right is never decided here.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What one wrong token costs a client: in this time it is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(1);
/// How much a client may have against it before it is slowed: twenty wrong tokens at once.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much a client has against it at most: it is slowed for ten more seconds.
const DEBT_MAX: Duration = Duration::from_secs(30);
/// How long a slowed request waits.
pub(crate) const WAIT: Duration = Duration::from_secs(1);
/// Requests of one client that wait at the same time; more are refused.
const WAITING_MAX: usize = 16;
/// Clients that are told apart; the rest share one place.
const CLIENTS_MAX: usize = 4096;
/// How often the log says at most that tokens were wrong.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The block of addresses that one client can have: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    Block(IpAddr),
    /// All that there was no place for.
    Others,
}

impl Client {
    pub(crate) const fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::Block(IpAddr::V4(address)),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::Block(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
        }
    }
}

/// What a request with a token may do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Now,
    /// It waits for [`WAIT`]; then [`Guesses::waited`] is called.
    Wait(Client),
    /// Too many wait already.
    Refused,
}

/// The guesses of all clients.
#[derive(Debug, Default)]
pub struct Guesses {
    clients: Mutex<HashMap<Client, Debt>>,
    logged: Mutex<Logged>,
    wrong: AtomicU64,
    refused: AtomicU64,
}

/// What a client has against it.
#[derive(Debug)]
struct Debt {
    /// When everything is forgotten.
    until: Instant,
    waiting: usize,
}

#[derive(Debug, Default)]
struct Logged {
    at: Option<Instant>,
    /// Wrong tokens that the log has told of.
    wrong: u64,
}

impl Guesses {
    /// Decides whether a request's token may be looked at.
    pub(crate) fn admit(&self, client: Client, now: Instant) -> Admission {
        let mut clients = self.clients();
        let client = if clients.contains_key(&client) { client } else { Client::Others };
        let Some(debt) = clients.get_mut(&client) else { return Admission::Now };
        if debt.until <= now + PATIENCE {
            Admission::Now
        } else if debt.waiting < WAITING_MAX {
            debt.waiting += 1;
            Admission::Wait(client)
        } else {
            self.refused.fetch_add(1, Relaxed);
            Admission::Refused
        }
    }

    /// Notes that a request of a client waits no longer.
    pub(crate) fn waited(&self, client: Client) {
        if let Some(debt) = self.clients().get_mut(&client) {
            debt.waiting = debt.waiting.saturating_sub(1);
        }
    }

    /// Counts a wrong token. Returns how many there were since the log last told of them, if it
    /// should do so now.
    pub(crate) fn wrong(&self, client: Client, now: Instant) -> Option<u64> {
        let total = self.wrong.fetch_add(1, Relaxed) + 1;
        let mut clients = self.clients();
        if !clients.contains_key(&client) && clients.len() >= CLIENTS_MAX {
            clients.retain(|_, debt| debt.until > now || debt.waiting > 0);
        }
        let has_place = clients.contains_key(&client) || clients.len() < CLIENTS_MAX;
        let client = if has_place { client } else { Client::Others };
        let debt = clients.entry(client).or_insert(Debt { until: now, waiting: 0 });
        debt.until = (debt.until.max(now) + FORGOTTEN_AFTER).min(now + DEBT_MAX);
        drop(clients);
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.at.is_some_and(|at| now < at + LOG_EVERY) {
            return None;
        }
        let since = total - logged.wrong;
        *logged = Logged { at: Some(now), wrong: total };
        Some(since)
    }

    /// Returns how many wrong tokens were sent.
    pub(crate) fn wrong_total(&self) -> u64 {
        self.wrong.load(Relaxed)
    }

    /// Returns how many requests were refused without a look at their token.
    pub(crate) fn refused_total(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// A panic of another holder leaves the map whole.
    fn clients(&self) -> MutexGuard<'_, HashMap<Client, Debt>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Client {
        Client::of(text.parse().unwrap())
    }

    #[test]
    fn a_client_that_guesses_is_slowed_and_forgiven_and_others_are_not_touched() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let (evil, good) = (client("192.0.2.1"), client("192.0.2.2"));
        for _ in 0..20 {
            assert_eq!(guesses.admit(evil, now), Admission::Now);
            guesses.wrong(evil, now);
        }
        assert_eq!(guesses.admit(evil, now), Admission::Now, "as many as it may");
        for _ in 0..1000 {
            guesses.wrong(evil, now);
        }
        for _ in 0..WAITING_MAX {
            assert_eq!(guesses.admit(evil, now), Admission::Wait(evil));
        }
        assert_eq!(guesses.admit(evil, now), Admission::Refused);
        assert_eq!(guesses.admit(good, now), Admission::Now);
        guesses.waited(evil);
        assert_eq!(guesses.admit(evil, now), Admission::Wait(evil), "one has waited");
        let later = now + Duration::from_secs(10);
        assert_eq!(guesses.admit(evil, later), Admission::Now, "however many it were");
        assert_eq!((guesses.wrong_total(), guesses.refused_total()), (1020, 1));
    }

    #[test]
    fn a_client_has_all_addresses_of_its_network() {
        assert_eq!(client("2001:db8:1:2::1"), client("2001:db8:1:2:ffff::9"));
        assert_ne!(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
    }

    #[test]
    fn many_clients_take_a_bounded_place_and_stay_slow() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for number in 0..u32::try_from(CLIENTS_MAX).unwrap() + 100 {
            guesses.wrong(Client::of(IpAddr::V4(number.into())), now);
        }
        assert_eq!(guesses.clients().len(), CLIENTS_MAX + 1, "the others have one place");
        assert_eq!(guesses.admit(client("198.51.100.1"), now), Admission::Wait(Client::Others));
        guesses.waited(Client::Others);
        let later = now + DEBT_MAX + FORGOTTEN_AFTER;
        guesses.wrong(client("198.51.100.1"), later);
        assert_eq!(guesses.clients().len(), 1, "the rest is forgotten");
    }

    #[test]
    fn the_log_tells_of_all_wrong_tokens_at_a_bounded_rate() {
        let (guesses, now, evil) = (Guesses::default(), Instant::now(), client("192.0.2.1"));
        assert_eq!(guesses.wrong(evil, now), Some(1));
        for _ in 0..41 {
            assert_eq!(guesses.wrong(evil, now + Duration::from_secs(59)), None);
        }
        assert_eq!(guesses.wrong(evil, now + LOG_EVERY), Some(42));
    }
}
