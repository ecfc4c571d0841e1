//! The ledger of all campaigns: every amount booked for orders, leads and clicks, and what volume
//! bonuses add and caps take away. It never rewrites an amount: it books the difference as an entry
//! of its own.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use settlement::ledger::{Booking, Reason};
use shared::catalog::{Campaign, Catalog, Merchant};
use shared::commission::bound_minor;
use shared::id::{CampaignId, FactId, InfluencerId};
use shared::money::{Currency, Fraction};
use shared::order::Status;

use crate::error::Error;
use crate::read::dataset::Dataset;
use crate::settle::activity::{Earning, earned_by_clicks, earned_by_leads};
use crate::settle::conversion::is_payable;
use crate::settle::conversion::{Conversion, Conversions};
use crate::settle::period::Month;
use crate::settle::zones::{days_later, local_date, start_of, zone_of};

/// One amount booked.
#[derive(Debug, Clone)]
pub struct LedgerEntry<'a> {
    /// The entry's id; the same in every export.
    pub id: FactId,
    /// The conversion that it belongs to; for clicks, an id of the day's clicks.
    pub conversion_id: FactId,
    /// The order; `None` for leads and clicks.
    pub conversion: Option<&'a Conversion>,
    /// The amount, and whom it is booked for.
    pub booking: Booking,
    /// The day on which it becomes payable; `None` when there is no such day so far.
    pub payable_on: Option<Date>,
    /// `pending`, `approved`, `held` or `reversed`.
    pub status: &'static str,
    /// Why it is held, in one line; `None` when it is not.
    pub held: Option<String>,
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

/// Returns every amount booked, by time.
///
/// # Errors
/// When a day is outside the range of the calendar, or a merchant's time zone is invalid.
pub fn ledger_entries<'a>(
    dataset: &Dataset,
    conversions: &'a Conversions,
    as_of: Date,
) -> Result<Vec<LedgerEntry<'a>>, Error> {
    let mut entries = entries_of_orders(conversions, as_of)?;
    for earned in earned_by_leads(dataset)?.into_iter().chain(earned_by_clicks(dataset)?) {
        entries.push(entry_of_activity(earned, &dataset.catalog, as_of)?);
    }
    // The sort is stable: bookings of the same instant keep the order of their order's ledger.
    entries.sort_by_key(|entry| entry.booking.booked_at);
    let mut bounded = Vec::with_capacity(entries.len());
    let mut terms = VolumeAndCaps::new(&dataset.catalog)?;
    for entry in entries {
        let volume = terms.volume(&entry, as_of)?;
        for entry in [Some(entry), volume].into_iter().flatten() {
            let capped = terms.cap(&entry, as_of)?;
            bounded.push(entry);
            bounded.extend(capped);
        }
    }
    Ok(bounded)
}

fn entries_of_orders(
    conversions: &Conversions,
    as_of: Date,
) -> Result<Vec<LedgerEntry<'_>>, Error> {
    let mut entries = Vec::new();
    for conversion in conversions.iter() {
        for (id, booking) in conversion.bookings() {
            let payable_on = conversions.payable_on(conversion, &booking.account)?;
            let status = conversion.commission_status(booking, payable_on, as_of);
            let (conversion_id, conversion) = (conversion.id, Some(conversion));
            entries.push(LedgerEntry {
                id,
                conversion_id,
                conversion,
                booking: booking.clone(),
                payable_on,
                status,
                held: conversion.and_then(Conversion::held),
            });
        }
    }
    Ok(entries)
}

fn entry_of_activity<'a>(
    earned: Earning,
    catalog: &Catalog,
    as_of: Date,
) -> Result<LedgerEntry<'a>, Error> {
    let Earning { id, conversion, booking, earned_on, held, released_on } = earned;
    let hold_days =
        catalog.campaigns.get(&booking.account.campaign).map_or(0, |campaign| campaign.hold_days);
    let due = days_later(earned_on, hold_days)?;
    let due = released_on.map_or(due, |released_on| released_on.max(due));
    let payable_on = Some(due).filter(|_| held.is_none());
    let id = id.unwrap_or_else(|| FactId::of_content(&[b"commission", conversion.as_bytes()]));
    let status = status(booking.amount_minor, held.is_some(), payable_on, as_of);
    let (conversion_id, conversion) = (conversion, None);
    Ok(LedgerEntry { id, conversion_id, conversion, booking, payable_on, status, held })
}

fn status(amount_minor: i64, is_held: bool, payable_on: Option<Date>, as_of: Date) -> &'static str {
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

/// The terms that look at more than one order, volume and caps, with their sums so far.
struct VolumeAndCaps<'c> {
    campaigns: HashMap<CampaignId, CampaignRules<'c>>,
    months: BTreeMap<(CampaignId, InfluencerId, Month), MonthSales>,
    capped_month: BTreeMap<(CampaignId, InfluencerId, Month), CapUse>,
    capped_total: BTreeMap<CampaignId, CapUse>,
}

/// A campaign with its merchant's currency and time zone.
struct CampaignRules<'c> {
    campaign: &'c Campaign,
    currency: Currency,
    zone: TimeZone,
}

/// What an influencer sold for a campaign in a month.
#[derive(Default)]
struct MonthSales {
    /// The goods of each order that counts, in minor units, by conversion.
    goods: HashMap<FactId, i64>,
    /// Their sum. It is kept, since a month has many bookings.
    goods_minor: i128,
    bonus_minor: i64,
}

impl MonthSales {
    /// Sets what an order's goods are now; `None` where it counts no longer.
    fn set(&mut self, order: FactId, goods_minor: Option<i64>) {
        let before = match goods_minor {
            Some(goods) => self.goods.insert(order, goods),
            None => self.goods.remove(&order),
        };
        let change = |goods: Option<i64>| i128::from(goods.unwrap_or(0));
        self.goods_minor += change(goods_minor) - change(before);
    }
}

/// The sum booked before a cap, and the part of it that the cap granted.
#[derive(Default, Clone, Copy)]
struct CapUse {
    asked_minor: i64,
    granted_minor: i64,
}

impl CapUse {
    /// Adds an amount and returns the change of the granted sum; negative when it shrinks.
    fn grant(&mut self, amount_minor: i64, most: Option<i64>) -> i64 {
        self.asked_minor += amount_minor;
        let granted = most.map_or(self.asked_minor, |most| self.asked_minor.min(most));
        let change = granted - self.granted_minor;
        self.granted_minor = granted;
        change
    }
}

impl<'c> VolumeAndCaps<'c> {
    fn new(catalog: &'c Catalog) -> Result<Self, Error> {
        let mut campaigns = HashMap::new();
        for campaign in catalog.campaigns.values() {
            let merchant: Option<&Merchant> =
                catalog.merchants.get(&campaign.merchant).map(AsRef::as_ref);
            if let Some(merchant) = merchant {
                let (currency, zone) = (merchant.currency, zone_of(merchant)?);
                campaigns.insert(
                    campaign.id,
                    CampaignRules { campaign: campaign.as_ref(), currency, zone },
                );
            }
        }
        let (months, capped_month, capped_total) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Ok(Self { campaigns, months, capped_month, capped_total })
    }

    /// Returns how a booking changes the month's volume bonus: a percentage of all goods of the
    /// month, once the month has enough orders.
    ///
    /// The terms at the beginning of the month apply to the whole month.
    fn volume<'a>(
        &mut self,
        entry: &LedgerEntry<'a>,
        as_of: Date,
    ) -> Result<Option<LedgerEntry<'a>>, Error> {
        let account = entry.booking.account;
        let Some(rules) = self.campaigns.get(&account.campaign) else { return Ok(None) };
        // What is held reaches no number of orders, and counts once it is released.
        let counts = account.currency == rules.currency && entry.held.is_none();
        let Some(conversion) = entry.conversion.filter(|_| counts) else {
            return Ok(None);
        };
        let placed_on = local_date(conversion.settled.order.placed_at, &rules.zone)?;
        let month = (placed_on.year(), placed_on.month());
        let begins = start_of(placed_on.first_of_month(), &rules.zone)?;
        let (_, terms) = rules.campaign.terms_at(begins);
        let sold = self.months.entry((account.campaign, account.influencer, month)).or_default();
        let is_reversed =
            entry.booking.base_currency != rules.currency || entry.booking.base_minor == 0;
        sold.set(conversion.id, Some(entry.booking.base_minor).filter(|_| !is_reversed));
        let goods = sold.goods_minor;
        let reached = terms.volume(u32::try_from(sold.goods.len()).unwrap_or(u32::MAX));
        let bonus = reached.and_then(|(_, rate)| {
            let (units, scale) = rate.fraction();
            Fraction::new(goods, 100).times(units, scale)?.rounded()
        });
        let change = bonus.unwrap_or(0) - sold.bonus_minor;
        sold.bonus_minor += change;
        let rate = reached.map_or_else(String::new, |(_, rate)| rate.to_string());
        let base = i64::try_from(goods).unwrap_or(i64::MAX);
        adjustment(entry, Reason::Volume, change, (base, rate), (rules, as_of))
    }

    /// Returns how the campaign's caps change a booking: they take off what exceeds a cap, and give
    /// it back when a later reversal makes room.
    fn cap<'a>(
        &mut self,
        entry: &LedgerEntry<'a>,
        as_of: Date,
    ) -> Result<Option<LedgerEntry<'a>>, Error> {
        let (account, amount) = (entry.booking.account, entry.booking.amount_minor);
        let Some(rules) = self.campaigns.get(&account.campaign) else { return Ok(None) };
        if account.currency != rules.currency {
            return Ok(None);
        }
        let caps = &rules.campaign.caps;
        let booked_on = local_date(entry.booking.booked_at, &rules.zone)?;
        let month = (account.campaign, account.influencer, (booked_on.year(), booked_on.month()));
        let most = bound_minor(caps.commission_per_influencer_month, rules.currency);
        let granted = self.capped_month.entry(month).or_default().grant(amount, most);
        let most = bound_minor(caps.commission_total, rules.currency);
        let granted = self.capped_total.entry(account.campaign).or_default().grant(granted, most);
        let (base, rate) = (entry.booking.base_minor, String::new());
        adjustment(entry, Reason::Capped, granted - amount, (base, rate), (rules, as_of))
    }
}

/// Books an amount that follows another entry, payable on the same day. An entry of a void order
/// may have no such day, so what follows it waits the hold from its own booking.
fn adjustment<'a>(
    entry: &LedgerEntry<'a>,
    reason: Reason,
    amount_minor: i64,
    (base_minor, rate): (i64, String),
    (rules, as_of): (&CampaignRules<'_>, Date),
) -> Result<Option<LedgerEntry<'a>>, Error> {
    if amount_minor == 0 {
        return Ok(None);
    }
    let (account, booked_at) = (entry.booking.account, entry.booking.booked_at);
    let (fact, base_currency) = (entry.booking.fact, account.currency);
    let booking =
        Booking { fact, booked_at, reason, account, base_minor, base_currency, rate, amount_minor };
    let id = FactId::of_content(&[reason.as_str().as_bytes(), entry.id.as_bytes()]);
    let is_void = entry.conversion.is_some_and(|c| c.settled.order.status == Status::Void);
    let payable_on = if is_void {
        Some(days_later(local_date(booked_at, &rules.zone)?, rules.campaign.hold_days)?)
    } else {
        entry.payable_on
    };
    let status = status(amount_minor, entry.held.is_some(), payable_on, as_of);
    Ok(Some(LedgerEntry { id, booking, payable_on, status, ..entry.clone() }))
}
