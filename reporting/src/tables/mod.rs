//! The exported tables, cut into parts of one day each.
//!
//! Clicks, sessions and order facts have one row for each record. Their parts are named by stream
//! and sequence, and later exports only add parts. Conversions, commissions and leads follow
//! from all facts, so every export computes them again; so are the names of influencers, campaigns and
//! links.

mod clicks;
pub(crate) mod columns;
mod commissions;
mod conversions;
mod leads;
mod names;
mod order_facts;
pub(crate) mod part;
mod sessions;

use bookings::{Conversions, Cursor, Dataset};
use jiff::civil::Date;

use crate::error::Error;
use crate::tables::part::{Part, cut_derived, cut_recorded};

/// Tables with one row for each record. An export with a cursor adds to them.
pub(crate) const RECORDED: [&str; 3] = [clicks::NAME, sessions::NAME, order_facts::NAME];
/// Tables that every export writes as a whole.
pub(crate) const DERIVED: [&str; 6] = [
    conversions::NAME,
    commissions::NAME,
    leads::NAME,
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
        conversions::rows(dataset, conversions)?,
        put,
    )?;
    cut_derived(
        commissions::NAME,
        &commissions::columns(),
        commissions::rows(dataset, conversions, as_of)?,
        put,
    )?;
    cut_derived(leads::NAME, &leads::columns(), leads::rows(dataset), put)?;
    let catalog = &dataset.catalog;
    let influencers = names::influencers(catalog);
    cut_derived(names::INFLUENCERS, &names::influencer_columns(), influencers, put)?;
    cut_derived(names::CAMPAIGNS, &names::campaign_columns(), names::campaigns(catalog), put)?;
    cut_derived(names::LINKS, &names::link_columns(), names::links(catalog), put)
}
