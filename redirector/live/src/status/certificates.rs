//! The status of the public listener's certificates: when they expire, and whether ACME issued the
//! requested ones.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use shared::time::Timestamp;

/// TLS and the ACME job write it.
#[derive(Debug, Default)]
pub struct CertificateStatus {
    expiries: ArcSwap<Vec<(String, Timestamp)>>,
    issued: AtomicU64,
    failed: AtomicU64,
}

impl CertificateStatus {
    /// Returns the first name of each certificate and when it expires.
    pub fn expiries(&self) -> Vec<(String, Timestamp)> {
        self.expiries.load().to_vec()
    }

    pub fn set_expiries(&self, expiries: Vec<(String, Timestamp)>) {
        self.expiries.store(expiries.into());
    }

    /// Counts an ACME order that has ended.
    pub fn ordered(&self, was_issued: bool) {
        let counter = if was_issued { &self.issued } else { &self.failed };
        counter.fetch_add(1, Relaxed);
    }

    /// Returns how many certificates ACME directories have issued since the start.
    pub fn issued(&self) -> u64 {
        self.issued.load(Relaxed)
    }

    /// Returns how many ACME orders have failed since the start.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }
}
