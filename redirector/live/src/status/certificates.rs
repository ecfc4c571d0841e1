//! The certificates that the public listener uses, and what became of orders for them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use shared::time::Timestamp;

/// Written by TLS and by the job that orders certificates.
#[derive(Debug, Default)]
pub struct CertificateStatus {
    expiries: ArcSwap<Vec<(String, Timestamp)>>,
    issued: AtomicU64,
    failed: AtomicU64,
}

impl CertificateStatus {
    /// Each certificate's first name and when it ends.
    pub fn expiries(&self) -> Vec<(String, Timestamp)> {
        self.expiries.load().to_vec()
    }

    pub fn set_expiries(&self, expiries: Vec<(String, Timestamp)>) {
        self.expiries.store(expiries.into());
    }

    /// Counts an order by ACME that ended.
    pub fn ordered(&self, was_issued: bool) {
        let counter = if was_issued { &self.issued } else { &self.failed };
        counter.fetch_add(1, Relaxed);
    }

    /// Certificates that ACME directories have issued since the start.
    pub fn issued(&self) -> u64 {
        self.issued.load(Relaxed)
    }

    /// Orders that failed since the start.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }
}
