//! How many customers' orders one click brought. One visitor buys for few people, so a click with
//! many is remarkable: its token may have been planted in others' carts. It takes nothing away; a
//! person has to look.

use std::collections::BTreeSet;

use crate::attribution::Method;
use crate::ledger::Settled;
use shared::id::{ClickId, CustomerId};
use shared::order::Status;

/// The most customers of one click that are not remarkable.
pub const CUSTOMERS_OF_A_CLICK: usize = 5;
/// The label of an order whose click brought orders of more customers.
pub const MANY_CUSTOMERS: &str = "many_customers";

/// Returns the click that is credited for an order that counts, also after it became void.
pub fn bringing_click(settled: &Settled) -> Option<ClickId> {
    let order = &settled.order;
    let counts = settled.accepted
        && !order.test
        && order.status != Status::Draft
        && settled.decision.method == Method::Click;
    settled.decision.subject().filter(|_| counts)?.click
}

/// The customers whose orders one click brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Customers {
    known: BTreeSet<CustomerId>,
    unknown: usize,
}

impl Customers {
    /// Adds the customer of an order. An order whose customer is not known counts as one of its
    /// own.
    pub fn add(&mut self, settled: &Settled) {
        match settled.order.customer {
            Some(customer) => _ = self.known.insert(customer),
            None => self.unknown += 1,
        }
    }

    /// Returns whether there are more than one click brings.
    pub fn are_many(&self) -> bool {
        self.known.len() + self.unknown > CUSTOMERS_OF_A_CLICK
    }
}
