//! What is owed: every amount of the ledger, and every amount that a person booked, as entries of
//! influencers' accounts. It never says how things stand today: an entry tells from when it may be paid
//! and when it was held, so a past day comes out the same whatever happens later.

use std::collections::BTreeMap;

use accounts::{Account, Books, Entry, HeldTime, Ledger};
use jiff::civil::Date;
use settlement::held::{self, HeldPeriod};
use shared::booking::ManualBooking;
use shared::catalog::Catalog;
use shared::commission::bound_minor;
use shared::day::Day;
use shared::id::FactId;

use crate::error::Error;
use crate::read::dataset::Dataset;
use crate::settle::conversion::Conversions;
use crate::settle::entry::LedgerEntry;
use crate::settle::ledger::ledger_entries;

/// All amounts that were ever booked for influencers.
#[derive(Debug, Clone)]
pub struct Owed {
    /// Every amount, in no order that means anything.
    pub entries: Vec<Entry>,
}

impl Owed {
    /// Computes what is owed by everything that was recorded.
    ///
    /// # Errors
    /// When a day is outside the range of the calendar, or a merchant's time zone is invalid.
    pub fn of(dataset: &Dataset) -> Result<Self, Error> {
        let conversions = Conversions::of(dataset)?;
        let entries = ledger_entries(dataset, &conversions, Date::MAX)?;
        Ok(Self::of_entries(&entries, &dataset.catalog))
    }

    /// Gathers entries of the ledger and what people booked.
    pub fn of_entries(entries: &[LedgerEntry<'_>], catalog: &Catalog) -> Self {
        let earned = entries.iter().filter_map(|entry| entry_of(entry, catalog));
        let by_hand = catalog.bookings.values().map(|booking| entry_of_booking(booking, catalog));
        Self { entries: earned.chain(by_hand).collect() }
    }

    /// Returns the minimum payout of every account, in minor units: the least one of the campaigns that
    /// it has amounts of, and 0 for none. An amount that belongs to no campaign waits for no minimum,
    /// and nobody waits for one that only another campaign asks for.
    pub fn minimums(&self, catalog: &Catalog) -> BTreeMap<Account, i64> {
        let mut minimums: BTreeMap<Account, i64> = BTreeMap::new();
        for entry in &self.entries {
            let minimum = minimum_minor(entry, catalog).unwrap_or(0);
            let least = minimums.entry(entry.account).or_insert(minimum);
            *least = minimum.min(*least);
        }
        minimums
    }

    /// Returns the accounts with their entries and the payouts that the catalog holds.
    pub fn into_ledger(self, catalog: &Catalog) -> Ledger {
        Ledger::of(self.entries, Books::of(catalog.payouts.values()))
    }

    /// Returns the id that the entry of an amount has which a person booked.
    pub fn id_of_booking(booking: &ManualBooking) -> FactId {
        FactId::of_content(&[b"booking", booking.id.to_string().as_bytes()])
    }
}

/// Returns the minimum payout of an amount's campaign. It is an amount in the merchant's currency.
fn minimum_minor(entry: &Entry, catalog: &Catalog) -> Option<i64> {
    let campaign = catalog.campaigns.get(&entry.campaign?)?;
    let merchant = catalog.merchants.get(&campaign.merchant)?;
    let is_of_merchant = merchant.currency == entry.account.currency;
    bound_minor(campaign.minimum_payout.filter(|_| is_of_merchant), entry.account.currency)
}

/// Returns an amount of the ledger; `None` where the catalog does not know whose campaign it is.
fn entry_of(entry: &LedgerEntry<'_>, catalog: &Catalog) -> Option<Entry> {
    let of = entry.booking.account;
    let merchant = catalog.campaigns.get(&of.campaign)?.merchant;
    Some(Entry {
        id: entry.id,
        account: Account { merchant, influencer: of.influencer, currency: of.currency },
        campaign: Some(of.campaign),
        amount_minor: entry.booking.amount_minor,
        booked_at: entry.booking.booked_at,
        due_on: entry.due_on.map(Day::of),
        held: held_times(&entry.held_times),
    })
}

fn held_times(periods: &[HeldPeriod]) -> Vec<HeldTime> {
    periods.iter().map(|held| HeldTime { from: held.from, until: held.until }).collect()
}

/// Returns the entry of an amount that a person booked. It may be paid from its day on, unless the
/// influencer is held.
fn entry_of_booking(booking: &ManualBooking, catalog: &Catalog) -> Entry {
    let ManualBooking { merchant, influencer, currency, .. } = *booking;
    Entry {
        id: Owed::id_of_booking(booking),
        account: Account { merchant, influencer, currency },
        campaign: booking.campaign,
        amount_minor: booking.amount_minor,
        booked_at: booking.created_at,
        due_on: Some(booking.booked_on),
        held: held_times(&held::periods_of(influencer, catalog)),
    }
}
