//! Whether an order is its customer's first, and who says so. It judges nothing: the fold has what
//! was said, and `settlement::history` what recorded orders show.

use serde::{Deserialize, Serialize};

/// Who says whether an order is its customer's first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// The shop's server, in a report of the order. Its word comes before any other.
    Shop,
    /// The shop's page. It is only heard while no server has reported the order.
    Page,
    /// The orders of the same customer that are recorded here.
    RecordedOrders,
}

/// Whether an order is its customer's first, with who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCustomer {
    /// True for the customer's first order, false for a later one.
    pub is_new: bool,
    /// Who says it.
    pub by: Witness,
}
