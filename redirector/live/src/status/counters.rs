//! What a worker counts. Only its own thread writes the counters; any thread may read them.
//!
//! Never the truth about money: that is the journal.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use shared::class::Class;

/// Why a delivery of a shop or network was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedDelivery {
    /// The merchant has no secret to check it with.
    NoSecret,
    /// It has no signature, or nothing that could be one.
    Unsigned,
    /// Its signed time is too far from our clock.
    Stale,
    /// Its signature is wrong.
    WrongSignature,
    /// It is authentic and cannot be understood. It is kept.
    Unparsed,
}

impl RefusedDelivery {
    pub const ALL: [Self; 5] =
        [Self::NoSecret, Self::Unsigned, Self::Stale, Self::WrongSignature, Self::Unparsed];

    /// Returns the word that metrics use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSecret => "no_secret",
            Self::Unsigned => "unsigned",
            Self::Stale => "stale",
            Self::WrongSignature => "wrong_signature",
            Self::Unparsed => "unparsed",
        }
    }
}

/// One worker's counters, on cache lines of their own.
#[repr(align(128))]
#[derive(Debug, Default)]
pub struct Counters {
    clicks: [AtomicU64; Class::ALL.len()],
    unrecorded: AtomicU64,
    failed_commits: AtomicU64,
    not_found: AtomicU64,
    connections: AtomicU64,
    refused_connections: AtomicU64,
    refused_by_address: AtomicU64,
    refused_bodies: AtomicU64,
    refused_deliveries: [AtomicU64; RefusedDelivery::ALL.len()],
    handshakes: AtomicU64,
    failed_handshakes: AtomicU64,
}

/// Adds without a locked instruction, because there is only one writer.
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(amount), Relaxed);
}

impl Counters {
    /// Returns counters that live as long as the process. Call it once for each worker.
    pub fn leak() -> &'static Self {
        Box::leak(Box::default())
    }

    pub fn count(&self, class: Class) {
        add(&self.clicks[class as usize], 1);
    }

    pub fn unrecorded(&self, clicks: u64) {
        add(&self.unrecorded, clicks);
    }

    pub fn not_found(&self) {
        add(&self.not_found, 1);
    }

    pub fn connected(&self) {
        add(&self.connections, 1);
    }

    pub fn refused_connection(&self) {
        add(&self.refused_connections, 1);
    }

    /// Counts a connection, or a request through a proxy, of an address that has too many.
    pub fn refused_by_address(&self) {
        add(&self.refused_by_address, 1);
    }

    pub fn refused_body(&self) {
        add(&self.refused_bodies, 1);
    }

    pub fn refused_delivery(&self, reason: RefusedDelivery) {
        add(&self.refused_deliveries[reason as usize], 1);
    }

    pub fn handshake(&self) {
        add(&self.handshakes, 1);
    }

    pub fn failed_handshake(&self) {
        add(&self.failed_handshakes, 1);
    }

    /// Counts a failed commit, and logs the first one. The stream stays poisoned, so every later
    /// failure is the same.
    pub fn failed_commit(&self, error: &journal::Error) {
        if self.failed_commits.load(Relaxed) == 0 {
            tracing::error!("clicks are no longer recorded, redirects go on: {error}");
        }
        add(&self.failed_commits, 1);
    }

    /// Calls `put` with the name, label and value of every counter, for `/metrics`.
    pub fn each(
        &self,
        mut put: impl FnMut(&'static str, Option<(&'static str, &'static str)>, u64),
    ) {
        for class in Class::ALL {
            let value = self.clicks[class as usize].load(Relaxed);
            put("afterclick_clicks_total", Some(("class", class.as_str())), value);
        }
        let mut unauthentic = 0;
        for reason in RefusedDelivery::ALL {
            let value = self.refused_deliveries[reason as usize].load(Relaxed);
            unauthentic += if reason == RefusedDelivery::Unparsed { 0 } else { value };
            let label = Some(("reason", reason.as_str()));
            put("afterclick_deliveries_refused_total", label, value);
        }
        put("afterclick_reports_refused_total", None, unauthentic);
        for (name, counter) in [
            ("afterclick_clicks_unrecorded_total", &self.unrecorded),
            ("afterclick_journal_failed_commits_total", &self.failed_commits),
            ("afterclick_not_found_total", &self.not_found),
            ("afterclick_connections_total", &self.connections),
            ("afterclick_connections_refused_total", &self.refused_connections),
            ("afterclick_connections_refused_by_address_total", &self.refused_by_address),
            ("afterclick_bodies_refused_total", &self.refused_bodies),
            ("afterclick_tls_handshakes_total", &self.handshakes),
            ("afterclick_tls_handshakes_failed_total", &self.failed_handshakes),
        ] {
            put(name, None, counter.load(Relaxed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_a_counter_of_its_own() {
        let counters = Counters::default();
        Class::ALL.into_iter().for_each(|class| counters.count(class));
        let mut ones = 0;
        counters.each(|name, _, value| {
            ones += u64::from(name == "afterclick_clicks_total" && value == 1);
        });
        assert_eq!(ones, Class::ALL.len() as u64);
    }
}
