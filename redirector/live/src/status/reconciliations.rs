//! The status of reconciliations: how the last requests to each shop for its orders went, and when
//! the next are due. The reconciler writes it; the API can make a shop due at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use shared::id::MerchantId;
use shared::time::Timestamp;

/// The status of one shop's reconciliations.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Reconciliation {
    /// When the last reconciliation began.
    pub last_run: Option<Timestamp>,
    /// When the next one is due.
    pub next_run: Timestamp,
    /// Reconciliations that succeeded.
    pub runs: u64,
    /// Reconciliations that failed.
    pub failures: u64,
    /// Orders that were read, over all reconciliations.
    pub read: u64,
    /// Facts that were read and that no webhook had brought before.
    pub found: u64,
    /// Why the last one failed; `None` when it succeeded.
    pub last_error: Option<String>,
    /// When the last successful one began.
    #[serde(skip)]
    pub succeeded_at: Option<Timestamp>,
    #[serde(skip)]
    pub failed_in_a_row: u32,
}

/// The reconciliations of all shops. Clones share them.
#[derive(Clone, Default)]
pub struct Reconciliations(Arc<Mutex<BTreeMap<MerchantId, Reconciliation>>>);

impl Reconciliations {
    pub fn all(&self) -> BTreeMap<MerchantId, Reconciliation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a shop due now. With `since`, the shop is asked for everything from that time on.
    pub fn ask_now(&self, merchant: MerchantId, since: Option<Timestamp>) {
        self.change(merchant, |of_shop| {
            of_shop.next_run = Timestamp::default();
            if since.is_some() {
                of_shop.succeeded_at = since;
            }
        });
    }

    /// Changes the status of one shop. Returns what `change` returns.
    pub fn change<T>(
        &self,
        merchant: MerchantId,
        change: impl FnOnce(&mut Reconciliation) -> T,
    ) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(merchant).or_default())
    }
}
