//! Table `commissions`: one row for every amount booked. It never rewrites a booking: a reversal is
//! a row of its own with a negative amount.

use bookings::{Dataset, LedgerEntry, Openings};
use shared::consent::Consent;
use shared::id::MerchantId;
use shared::time::Timestamp;

use crate::tables::columns::{Column, required};
use crate::tables::part::DerivedRow;

pub(super) const NAME: &str = "commissions";

pub(super) struct Row<'a> {
    entry: LedgerEntry<'a>,
    merchant: Option<MerchantId>,
    sub_id: Option<&'a str>,
    consent: Consent,
}

pub(super) fn columns<'a>() -> Vec<Column<Row<'a>>> {
    vec![
        required(Column::id("commission_id", |row| Some(row.entry.id.to_string()))),
        required(Column::id("conversion_id", |row| Some(row.entry.conversion_id.to_string()))),
        required(Column::id("merchant_id", |row| row.merchant.map(|id| id.to_string()))),
        required(Column::id("campaign_id", |row| {
            Some(row.entry.booking.account.campaign.to_string())
        })),
        required(Column::id("influencer_id", |row| {
            Some(row.entry.booking.account.influencer.to_string())
        })),
        required(Column::text("order_id", |row| Some(row.entry.order_id().into()))),
        required(Column::time("booked_at", |row| Some(row.entry.booking.booked_at))),
        required(Column::id("reason", |row| Some(row.entry.booking.reason.as_str().into()))),
        required(Column::integer("base_minor", |row| Some(row.entry.booking.base_minor))),
        Column::id("rate", |row| {
            Some(row.entry.booking.rate.clone()).filter(|rate| !rate.is_empty())
        }),
        required(Column::integer("amount_minor", |row| Some(row.entry.booking.amount_minor))),
        required(Column::id("currency", |row| {
            Some(row.entry.booking.account.currency.to_string())
        })),
        required(Column::id("status", |row| Some(row.entry.status.into()))),
        Column::id("payable_on", |row| row.entry.payable_on.map(|day| day.to_string())),
        Column::text("held", |row| row.entry.held.clone().map(Into::into)),
        required(Column::id("consent", |row| Some(row.consent.as_str().into()))),
        Column::text("sub_id", |row| row.sub_id.map(Into::into)),
        Column::id("due_on", |row| row.entry.due_on.map(|day| day.to_string())),
        Column::id("link_id", |row| row.entry.link.map(|id| id.to_string())),
        required(Column::flag("is_reversal", |row| Some(row.entry.booking.amount_minor < 0))),
    ]
}

/// Returns every booking, by time and then by merchant, order id and place in the order's ledger.
pub(super) fn rows<'a>(dataset: &'a Dataset, entries: Vec<LedgerEntry<'a>>) -> Vec<Row<'a>> {
    let campaigns = &dataset.catalog.campaigns;
    let openings = Openings::of(dataset);
    let row = |entry: LedgerEntry<'a>| {
        let opening = openings.of_entry(&entry);
        let (sub_id, consent) = (openings.sub_id(opening), openings.consent(opening));
        let merchant =
            campaigns.get(&entry.booking.account.campaign).map(|campaign| campaign.merchant);
        Row { entry, merchant, sub_id, consent }
    };
    entries.into_iter().map(row).collect()
}

impl DerivedRow for Row<'_> {
    fn day_of(&self) -> Timestamp {
        self.entry.booking.booked_at
    }
}
