//! The five exported tables, cut into parts of one day each; it never puts a row into two parts.
//!
//! Clicks, sessions and order facts are one row a record: their parts are named by stream and
//! sequence and only grow. Conversions and commissions follow from all facts of an order: they are
//! made anew in every export.

mod clicks;
pub(crate) mod columns;
mod commissions;
mod conversions;
mod order_facts;
pub(crate) mod part;
mod sessions;

use jiff::civil::Date;

use crate::error::Error;
use crate::read::cursor::Cursor;
use crate::read::dataset::Dataset;
use crate::settle::conversion::Conversions;
use crate::tables::part::{Part, cut_derived, cut_recorded};

/// Tables whose rows are records: an export with a cursor adds to them.
pub(crate) const RECORDED: [&str; 3] = [clicks::NAME, sessions::NAME, order_facts::NAME];
/// Tables that every export writes whole.
pub(crate) const DERIVED: [&str; 2] = [conversions::NAME, commissions::NAME];
/// Hands every part of every table to `put`, table by table, in an order that the dataset alone
/// decides.
///
/// # Errors
/// What `put` returns, or [`Error::Calendar`] for a commission that is payable beyond the calendar.
pub(crate) fn parts(
    dataset: &Dataset,
    conversions: &Conversions,
    since: &Cursor,
    as_of: Date,
    put: &mut dyn FnMut(Part) -> Result<(), Error>,
) -> Result<(), Error> {
    cut_recorded(clicks::NAME, &clicks::columns(), clicks::rows(dataset), since, put)?;
    cut_recorded(sessions::NAME, &sessions::columns(), sessions::rows(dataset), since, put)?;
    cut_recorded(
        order_facts::NAME,
        &order_facts::columns(),
        order_facts::rows(dataset),
        since,
        put,
    )?;
    cut_derived(
        conversions::NAME,
        &conversions::columns(),
        conversions::rows(dataset, conversions),
        put,
    )?;
    cut_derived(
        commissions::NAME,
        &commissions::columns(),
        commissions::rows(dataset, conversions, as_of)?,
        put,
    )
}
