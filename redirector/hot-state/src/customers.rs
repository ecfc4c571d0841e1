//! Which orders a click brought, so that a click of many customers is noticed.
//!
//! Orders stand under their click like entries under a name: they are only added, a few for each
//! click. Whether an order still belongs to its click is decided from its facts when it is asked.

use std::collections::BTreeMap;

use anyhow::Result;
use settlement::customers::{Customers, bringing_click};
use settlement::ledger::Settled;
use shared::id::{ClickId, MerchantId};
use shared::time::Timestamp;

use crate::model::{Entry, NameKey, Stored};
use crate::orders::{FoundOrder, find_order_of_key};
use crate::state::HotState;

/// Orders that are kept for one click: more than are needed to see that it has many customers.
const ORDERS_MAX: usize = 20;

/// Orders of one step, by the click that is credited for them.
#[derive(Default)]
pub(crate) struct Brought(BTreeMap<NameKey, Vec<Entry>>);

impl Brought {
    /// Adds an order, which stands under `name`, if a click brought it.
    pub(crate) fn add(&mut self, settled: &Settled, name: &NameKey) {
        if let Some(click) = bringing_click(settled) {
            let entry = Entry::elsewhere(name);
            self.0.entry(click_key(settled.order.merchant, &click)).or_default().push(entry);
        }
    }

    /// Stores the orders under their clicks, as long as there is room.
    pub(crate) fn store(self, state: &HotState, now: Timestamp) -> Result<()> {
        let clicks: Vec<NameKey> = self.0.keys().cloned().collect();
        if clicks.is_empty() {
            return Ok(());
        }
        let held = state.entries(&clicks)?;
        let mut stored = Stored::default();
        for ((click, orders), held) in self.0.into_iter().zip(held) {
            let new = orders.into_iter().filter(|order| !held.contains(order));
            let room = ORDERS_MAX.saturating_sub(held.len());
            stored.entries.extend(new.take(room).map(|order| (click.clone(), order)));
        }
        if stored.entries.is_empty() { Ok(()) } else { state.store(&stored, now) }
    }
}

/// Returns whether the click that is credited for an order brought orders of more customers than
/// one click does. `settle` settles an order that was found.
///
/// # Errors
/// When the state cannot be read.
pub fn has_many_customers(
    state: &HotState,
    settled: &Settled,
    settle: &dyn Fn(&FoundOrder) -> Result<Option<Settled>>,
) -> Result<bool> {
    let Some(click) = bringing_click(settled) else { return Ok(false) };
    let merchant = settled.order.merchant;
    let mut customers = Customers::default();
    for entry in state.entries(&[click_key(merchant, &click)])?.concat() {
        let Entry::Elsewhere(_, home) = entry else { continue };
        let name = home.get(MERCHANT_BYTES..).and_then(|name| str::from_utf8(name).ok());
        let found = find_order_of_key(state, merchant, name.unwrap_or_default())?;
        let Some(found) = found else { continue };
        if let Some(order) = settle(&found)?.filter(|order| bringing_click(order) == Some(click)) {
            customers.add(&order);
        }
        if customers.are_many() {
            return Ok(true);
        }
    }
    Ok(false)
}

const MERCHANT_BYTES: usize = 8;

/// Returns the key under which a click's orders stand. No name of an order begins with a zero byte.
fn click_key(merchant: MerchantId, click: &ClickId) -> NameKey {
    [&merchant.bits().to_be_bytes()[..], &[0], click.as_bytes()].concat()
}
