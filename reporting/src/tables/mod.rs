//! The exported tables, cut into parts of one day each.
//!
//! Clicks, sessions and order facts have one row for each record. Their parts are named by stream
//! and sequence, and later exports only add parts. The others follow from all facts, so every export
//! computes them again.

mod clicks;
pub(crate) mod columns;
mod commissions;
mod conversions;
mod leads;
mod moves;
mod names;
mod order_facts;
pub(crate) mod part;
mod payouts;
mod sessions;

use bookings::{Conversions, Cursor, Dataset, Owed, ledger_entries};
use jiff::civil::Date;
use shared::catalog::Catalog;

use crate::error::Error;
use crate::tables::part::{Part, cut_derived, cut_recorded};

/// Tables with one row for each record. An export with a cursor adds to them.
pub(crate) const RECORDED: [&str; 3] = [clicks::NAME, sessions::NAME, order_facts::NAME];
/// Tables that every export writes as a whole.
pub(crate) const DERIVED: [&str; 10] = [
    conversions::NAME,
    commissions::NAME,
    leads::NAME,
    moves::NAME,
    payouts::PAYOUTS,
    payouts::BOOKINGS,
    names::MERCHANTS,
    names::INFLUENCERS,
    names::CAMPAIGNS,
    names::LINKS,
];

/// Calls `put` with every part of every table, table by table. The order depends on the dataset
/// alone.
///
/// # Errors
/// What `put` returns; [`Error::Calendar`] when a commission becomes payable outside the range of
/// the calendar; [`Error::TimeZone`] when a merchant's time zone is invalid.
pub(crate) fn parts(
    dataset: &Dataset,
    conversions: &Conversions<'_>,
    since: &Cursor,
    as_of: Date,
    put: &mut dyn FnMut(Part) -> Result<(), Error>,
) -> Result<(), Error> {
    put_recorded(dataset, since, put)?;
    put_earned(dataset, conversions, as_of, put)?;
    put_catalog(&dataset.catalog, put)
}

type Put<'p> = dyn FnMut(Part) -> Result<(), Error> + 'p;

fn put_recorded(dataset: &Dataset, since: &Cursor, put: &mut Put<'_>) -> Result<(), Error> {
    cut_recorded(clicks::NAME, &clicks::columns(), clicks::rows(dataset), since, put)?;
    cut_recorded(sessions::NAME, &sessions::columns(), sessions::rows(dataset), since, put)?;
    let facts = order_facts::rows(dataset);
    cut_recorded(order_facts::NAME, &order_facts::columns(), facts, since, put)
}

fn put_earned(
    dataset: &Dataset,
    conversions: &Conversions<'_>,
    as_of: Date,
    put: &mut Put<'_>,
) -> Result<(), Error> {
    let rows = conversions::rows(dataset, conversions)?;
    cut_derived(conversions::NAME, &conversions::columns(), rows, put)?;
    let entries = ledger_entries(dataset, conversions, as_of)?;
    let owed = Owed::of_entries(&entries, &dataset.catalog);
    let rows = commissions::rows(dataset, entries);
    cut_derived(commissions::NAME, &commissions::columns(), rows, put)?;
    cut_derived(leads::NAME, &leads::columns(), leads::rows(dataset), put)?;
    let rows = moves::rows(owed, &dataset.catalog, as_of);
    cut_derived(moves::NAME, &moves::columns(), rows, put)
}

fn put_catalog(catalog: &Catalog, put: &mut Put<'_>) -> Result<(), Error> {
    cut_derived(payouts::PAYOUTS, &payouts::payout_columns(), payouts::lines(catalog), put)?;
    cut_derived(payouts::BOOKINGS, &payouts::booking_columns(), payouts::bookings(catalog), put)?;
    cut_derived(names::MERCHANTS, &names::merchant_columns(), names::merchants(catalog), put)?;
    let influencers = names::influencers(catalog);
    cut_derived(names::INFLUENCERS, &names::influencer_columns(), influencers, put)?;
    cut_derived(names::CAMPAIGNS, &names::campaign_columns(), names::campaigns(catalog), put)?;
    cut_derived(names::LINKS, &names::link_columns(), names::links(catalog), put)
}
