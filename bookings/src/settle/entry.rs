//! An entry of the ledger: one amount that was booked, and when it may be paid.

use jiff::civil::Date;
use settlement::held::HeldPeriod;
use settlement::ledger::Booking;
use shared::id::{FactId, LinkId};

use crate::settle::conversion::{Conversion, is_payable};

/// One amount booked.
#[derive(Debug, Clone)]
pub struct LedgerEntry<'a> {
    /// The entry's id; the same in every export.
    pub id: FactId,
    /// The conversion that it belongs to: an order, a lead, or a day's clicks on a link.
    pub conversion_id: FactId,
    /// The order; `None` for leads and clicks.
    pub conversion: Option<&'a Conversion>,
    /// The link that was clicked; `None` for orders and leads.
    pub link: Option<LinkId>,
    /// The amount, and whom it is booked for.
    pub booking: Booking,
    /// The day on which it becomes payable; `None` when there is no such day so far, or while it is
    /// held. It says how things stand today.
    pub payable_on: Option<Date>,
    /// The day from which it may be paid by the calendar, whoever holds it, and never before the day on
    /// which it was booked. It says the same of every past day, whatever is held or booked later.
    pub due_on: Option<Date>,
    /// `pending`, `approved`, `held` or `reversed`.
    pub status: &'static str,
    /// Why it is held, in one line; `None` when it is not.
    pub held: Option<String>,
    /// Every time in which it was held.
    pub held_times: Vec<HeldPeriod>,
}

impl LedgerEntry<'_> {
    /// Returns the shop's order id; empty for leads and clicks.
    pub fn order_id(&self) -> &str {
        self.conversion.map_or("", |conversion| &conversion.settled.order.order_id)
    }

    /// Returns `claimed`, `confirmed` or `cancelled`; leads and clicks are `confirmed`.
    pub fn order_status(&self) -> &'static str {
        self.conversion.map_or("confirmed", Conversion::status)
    }
}

/// Returns the status of an amount that no order decides about.
pub(crate) fn status(
    amount_minor: i64,
    is_held: bool,
    payable_on: Option<Date>,
    as_of: Date,
) -> &'static str {
    if amount_minor < 0 {
        "reversed"
    } else if is_held {
        "held"
    } else if is_payable(payable_on, as_of) {
        "approved"
    } else {
        "pending"
    }
}
