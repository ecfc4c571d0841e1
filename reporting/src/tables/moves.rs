//! Table `moves`: one row for every change of a sum of an account's balance. The rows up to a day add up
//! to the balance at its end. It holds no figure of its own: the rows come from `bookings`.

use std::collections::HashMap;

use bookings::{Move, Moved, Owed, moves};
use jiff::civil::Date;
use shared::catalog::Catalog;
use shared::day::Day;
use shared::id::{BookingId, FactId};
use shared::time::Timestamp;
use shared::zone::Zone;

use crate::tables::columns::{Column, required};
use crate::tables::part::DerivedRow;

pub(super) const NAME: &str = "moves";

/// A move, and the booking by hand that it is about.
pub(super) struct Row {
    of: Move,
    booking: Option<BookingId>,
}

pub(super) fn columns() -> Vec<Column<Row>> {
    vec![
        required(Column::id("day", |row| Some(row.of.day.to_string()))),
        required(Column::id("merchant_id", |row| Some(row.of.account.merchant.to_string()))),
        required(Column::id("influencer_id", |row| Some(row.of.account.influencer.to_string()))),
        Column::id("campaign_id", |row| row.of.campaign.map(|id| id.to_string())),
        required(Column::id("figure", |row| Some(row.of.figure.as_str().into()))),
        required(Column::integer("amount_minor", |row| Some(row.of.amount_minor))),
        required(Column::id("currency", |row| Some(row.of.account.currency.to_string()))),
        Column::id("commission_id", |row| row.commission().map(|id| id.to_string())),
        Column::id("booking_id", |row| row.booking.map(|id| id.to_string())),
        Column::id("payout_id", |row| match row.of.moved {
            Moved::Line(payout) => Some(payout.to_string()),
            Moved::Entry(_) => None,
        }),
    ]
}

impl Row {
    fn commission(&self) -> Option<FactId> {
        match self.of.moved {
            Moved::Entry(id) if self.booking.is_none() => Some(id),
            Moved::Entry(_) | Moved::Line(_) => None,
        }
    }
}

/// Returns every move up to a day, by day.
pub(super) fn rows(owed: Owed, catalog: &Catalog, as_of: Date) -> Vec<Row> {
    let by_hand = catalog.bookings.values();
    let by_hand: HashMap<FactId, BookingId> =
        by_hand.map(|booking| (Owed::id_of_booking(booking), booking.id)).collect();
    let row = |of: Move| {
        let booking = match of.moved {
            Moved::Entry(id) => by_hand.get(&id).copied(),
            Moved::Line(_) => None,
        };
        Row { of, booking }
    };
    let ledger = owed.into_ledger(catalog);
    moves(&ledger, catalog, Day::of(as_of)).into_iter().map(row).collect()
}

impl DerivedRow for Row {
    fn day_of(&self) -> Timestamp {
        Zone::UTC.start_of(self.of.day)
    }
}
