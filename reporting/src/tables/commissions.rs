//! Table `commissions`: one row for every amount booked, a reversal being a row of its own with a negative
//! amount; it never rewrites a booking.

use jiff::civil::Date;
use shared::id::FactId;
use shared::ledger::Booking;
use shared::time::Timestamp;

use super::DerivedRow;
use crate::columns::{Column, required};
use crate::{Conversion, Conversions, Error};

pub(super) const NAME: &str = "commissions";

pub(super) struct Row<'a> {
    id: FactId,
    conversion: &'a Conversion,
    booking: &'a Booking,
    payable_on: Option<Date>,
    status: &'static str,
}

pub(super) fn columns<'a>() -> Vec<Column<Row<'a>>> {
    vec![
        required(Column::id("commission_id", |row| Some(row.id.to_string()))),
        required(Column::id("conversion_id", |row| Some(row.conversion.id.to_string()))),
        required(Column::id("merchant_id", |row| Some(row.conversion.settled.order.merchant.to_string()))),
        required(Column::id("campaign_id", |row| Some(row.booking.account.campaign.to_string()))),
        required(Column::id("influencer_id", |row| Some(row.booking.account.influencer.to_string()))),
        required(Column::text("order_id", |row| Some(row.conversion.settled.order.order_id.as_str().into()))),
        required(Column::time("booked_at", |row| Some(row.booking.booked_at))),
        required(Column::id("reason", |row| Some(row.booking.reason.as_str().into()))),
        required(Column::integer("base_minor", |row| Some(row.booking.base_minor))),
        Column::id("rate", |row| Some(row.booking.rate.clone()).filter(|rate| !rate.is_empty())),
        required(Column::integer("amount_minor", |row| Some(row.booking.amount_minor))),
        required(Column::id("currency", |row| Some(row.booking.account.currency.to_string()))),
        required(Column::id("status", |row| Some(row.status.into()))),
        Column::id("payable_on", |row| row.payable_on.map(|day| day.to_string())),
    ]
}

/// Every booking, by time and then by merchant, order id and place in the order's ledger.
pub(super) fn rows(conversions: &Conversions, as_of: Date) -> Result<Vec<Row<'_>>, Error> {
    let mut rows = Vec::new();
    for conversion in conversions.iter() {
        for (id, booking) in conversion.bookings() {
            let payable_on = conversions.payable_on(conversion, &booking.account)?;
            let status = conversion.commission_status(booking, payable_on, as_of);
            rows.push(Row { id, conversion, booking, payable_on, status });
        }
    }
    rows.sort_by_key(|row| row.booking.booked_at);
    Ok(rows)
}

impl DerivedRow for Row<'_> {
    fn day_of(&self) -> Timestamp {
        self.booking.booked_at
    }
}
