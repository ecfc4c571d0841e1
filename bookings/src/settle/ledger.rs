//! The ledger of all campaigns: every amount booked for orders, leads and clicks, and what volume
//! bonuses add and caps take away. It never rewrites an amount: it books the difference as an entry
//! of its own.

use jiff::civil::Date;
use settlement::held::{self, HeldPeriod};
use shared::catalog::Catalog;
use shared::id::{FactId, InfluencerId};

use crate::error::Error;
use crate::read::dataset::Dataset;
use crate::settle::clicks::earned_by_clicks;
use crate::settle::conversion::{Conversion, Conversions};
use crate::settle::earning::Earning;
use crate::settle::entry::{LedgerEntry, status};
use crate::settle::page_leads::earned_by_leads;
use crate::settle::volume_and_caps::{Moment, VolumeAndCaps, moments};
use crate::settle::zones::{days_later, local_date, zone_of};

/// Returns every amount booked, by time.
///
/// # Errors
/// When a day is outside the range of the calendar, or a merchant's time zone is invalid.
pub fn ledger_entries<'a>(
    dataset: &Dataset,
    conversions: &'a Conversions<'_>,
    as_of: Date,
) -> Result<Vec<LedgerEntry<'a>>, Error> {
    let mut entries = entries_of_orders(conversions, &dataset.catalog, as_of)?;
    for earned in earned_by_leads(dataset)?.into_iter().chain(earned_by_clicks(dataset)?) {
        entries.push(entry_of_activity(earned, dataset, as_of)?);
    }
    let mut terms = VolumeAndCaps::new(dataset)?;
    let mut bounded = Vec::with_capacity(entries.len());
    for moment in moments(entries, &terms) {
        let volume = terms.volume(&moment, as_of)?;
        let booked = match moment {
            Moment::Booked(entry) => Some(entry),
            Moment::HeldOrReleased(..) => None,
        };
        for entry in [booked, volume].into_iter().flatten() {
            let capped = terms.cap(&entry, as_of)?;
            bounded.push(entry);
            bounded.extend(capped);
        }
    }
    Ok(bounded)
}

fn entries_of_orders<'a>(
    conversions: &'a Conversions<'_>,
    catalog: &Catalog,
    as_of: Date,
) -> Result<Vec<LedgerEntry<'a>>, Error> {
    let mut entries = Vec::new();
    for conversion in conversions.iter() {
        for (id, booking) in conversion.bookings() {
            let payable_on = conversions.payable_on(conversion, &booking.account)?;
            entries.push(LedgerEntry {
                id,
                conversion_id: conversion.id,
                conversion: Some(conversion),
                link: None,
                booking: booking.clone(),
                payable_on,
                due_on: conversions.due_on(conversion, booking)?,
                status: conversion.commission_status(booking, payable_on, as_of),
                held: conversion.held(),
                held_times: held_times(conversion, booking.account.influencer, catalog),
            });
        }
    }
    Ok(entries)
}

/// Returns when an order's amount was held. What somebody earned who has lost the credit is held
/// where that influencer is.
fn held_times(
    conversion: &Conversion,
    influencer: InfluencerId,
    catalog: &Catalog,
) -> Vec<HeldPeriod> {
    let mut times = conversion.settled.holding.periods.clone();
    let credited = conversion.subject().and_then(|subject| subject.influencer);
    if credited != Some(influencer) {
        times.extend(held::periods_of(influencer, catalog));
    }
    times
}

fn entry_of_activity<'a>(
    earned: Earning,
    dataset: &Dataset,
    as_of: Date,
) -> Result<LedgerEntry<'a>, Error> {
    let of = earned.booking.account.campaign;
    let campaign = dataset.campaign_at(of, earned.booking.booked_at);
    let hold_days = campaign.map_or(0, |campaign| campaign.hold_days);
    let merchant = campaign.and_then(|campaign| dataset.catalog.merchants.get(&campaign.merchant));
    let zone = merchant.map(|merchant| zone_of(merchant)).transpose()?;
    let Earning { id, conversion, booking, held, released_on, held_times, link, .. } = earned;
    let hold_ends_on = days_later(earned.earned_on, hold_days)?;
    let booked_on = zone.map(|zone| local_date(booking.booked_at, &zone)).transpose()?;
    let due_on = booked_on.map_or(hold_ends_on, |booked_on| booked_on.max(hold_ends_on));
    let payable_on = released_on.map_or(hold_ends_on, |released_on| released_on.max(hold_ends_on));
    let payable_on = Some(payable_on).filter(|_| held.is_none());
    Ok(LedgerEntry {
        id: id.unwrap_or_else(|| FactId::of_content(&[b"commission", conversion.as_bytes()])),
        conversion_id: conversion,
        conversion: None,
        link,
        status: status(booking.amount_minor, held.is_some(), payable_on, as_of),
        booking,
        payable_on,
        due_on: Some(due_on),
        held,
        held_times,
    })
}
