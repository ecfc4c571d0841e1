//! Tables `payouts` and `bookings`: what stands in batches and what became of it, a row a line; and the
//! amounts that people booked. They show no account number.

use std::sync::Arc;

use accounts::Books;
use accounts::books::{LineBook, Payout};
use shared::booking::ManualBooking;
use shared::catalog::Catalog;
use shared::time::Timestamp;

use crate::tables::columns::{Column, required};
use crate::tables::part::DerivedRow;

pub(super) const PAYOUTS: &str = "payouts";
pub(super) const BOOKINGS: &str = "bookings";

/// A line of a batch.
pub(super) struct LineRow {
    made_at: Timestamp,
    batch: Arc<BatchCells>,
    line: LineBook,
}

/// What the lines of a batch share.
struct BatchCells {
    payout: String,
    number: u32,
    closed_on: String,
    checksum: String,
}

pub(super) fn payout_columns() -> Vec<Column<LineRow>> {
    vec![
        required(Column::id("payout_id", |row| Some(row.batch.payout.clone()))),
        required(Column::id("merchant_id", |row| Some(row.line.account.merchant.to_string()))),
        required(Column::integer("number", |row| Some(row.batch.number.into()))),
        required(Column::id("closed_on", |row| Some(row.batch.closed_on.clone()))),
        required(Column::time("made_at", |row| Some(row.made_at))),
        required(Column::id("influencer_id", |row| Some(row.line.account.influencer.to_string()))),
        required(Column::integer("amount_minor", |row| Some(row.line.amount_minor))),
        required(Column::id("currency", |row| Some(row.line.account.currency.to_string()))),
        required(Column::id("status", |row| Some(row.line.state().as_str().into()))),
        Column::id("paid_on", |row| Some(row.line.payment.as_ref()?.on.to_string())),
        Column::id("recorded_on", |row| Some(row.line.payment.as_ref()?.recorded_on.to_string())),
        Column::text("reference", |row| Some(row.line.payment.as_ref()?.reference.as_str().into())),
        required(Column::id("checksum", |row| Some(row.batch.checksum.clone()))),
    ]
}

pub(super) fn booking_columns() -> Vec<Column<Arc<ManualBooking>>> {
    vec![
        required(Column::id("booking_id", |booking| Some(booking.id.to_string()))),
        required(Column::id("merchant_id", |booking| Some(booking.merchant.to_string()))),
        Column::id("campaign_id", |booking| booking.campaign.map(|id| id.to_string())),
        required(Column::id("influencer_id", |booking| Some(booking.influencer.to_string()))),
        required(Column::id("kind", |booking| Some(booking.kind.as_str().into()))),
        required(Column::integer("amount_minor", |booking| Some(booking.amount_minor))),
        required(Column::id("currency", |booking| Some(booking.currency.to_string()))),
        required(Column::text("note", |booking| Some(booking.note.as_str().into()))),
        required(Column::text("author", |booking| Some(booking.author.as_str().into()))),
        required(Column::id("booked_on", |booking| Some(booking.booked_on.to_string()))),
        required(Column::time("created_at", |booking| Some(booking.created_at))),
    ]
}

/// Returns every line of every batch, by the time of the close.
pub(super) fn lines(catalog: &Catalog) -> Vec<LineRow> {
    let books = Books::of(catalog.payouts.values());
    let of_batch = |payout: &Payout| {
        let batch = Arc::new(BatchCells {
            payout: payout.id().to_string(),
            number: payout.batch.number,
            closed_on: payout.batch.closed_on.to_string(),
            checksum: payout.batch.checksum(),
        });
        let made_at = payout.made.at;
        let row = move |line: &LineBook| LineRow {
            made_at,
            batch: Arc::clone(&batch),
            line: line.clone(),
        };
        payout.lines.values().map(row).collect::<Vec<_>>()
    };
    let mut rows: Vec<_> = books.iter().flat_map(of_batch).collect();
    rows.sort_by_key(|row| row.made_at);
    rows
}

/// Returns every amount that somebody booked, by time.
pub(super) fn bookings(catalog: &Catalog) -> Vec<Arc<ManualBooking>> {
    let mut rows: Vec<_> = catalog.bookings.values().cloned().collect();
    rows.sort_by_key(|booking| (booking.created_at, booking.id));
    rows
}

impl DerivedRow for LineRow {
    fn day_of(&self) -> Timestamp {
        self.made_at
    }
}

impl DerivedRow for Arc<ManualBooking> {
    fn day_of(&self) -> Timestamp {
        self.created_at
    }
}
