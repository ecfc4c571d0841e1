//! Orders settled: every order that is credited, or labelled as nearly so, with what was booked and
//! from when it may be paid; it never decides anything that `shared` has not decided.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use shared::attribution::{Candidate, Method};
use shared::catalog::Merchant;
use shared::id::{CampaignId, FactId, MerchantId};
use shared::ledger::{Account, Booking, Settled, settle};
use shared::money::Currency;
use shared::order::{Order, OrderFact, Status, by_order, distinct};
use shared::time::Timestamp;

use crate::error::Error;
use crate::read::dataset::Dataset;
use crate::settle::click_index::Paths;
use crate::settle::zones::{days_later, local_date, zone_of};

/// An order that is credited to a touch or a coupon, was once, or came too late to be.
#[derive(Debug)]
pub(crate) struct Conversion {
    /// Its id; the same in every export.
    pub(crate) id: FactId,
    /// The order, the decision and the bookings.
    pub(crate) settled: Settled,
    hold: Hold,
}

/// Whether and from when the days of waiting count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// The order is not approvable.
    Never,
    /// It is, and was confirmed then.
    Since(Timestamp),
    /// It was, and then became void, or lost its credit.
    Until { paid_at: Timestamp, lapsed_at: Timestamp },
}

/// How a merchant pays.
#[derive(Debug)]
struct Payer {
    zone: TimeZone,
    currency: Currency,
}

/// All conversions by merchant and order id, with what is needed to say when they may be paid.
#[derive(Debug)]
pub(crate) struct Conversions {
    list: Vec<Conversion>,
    payers: HashMap<MerchantId, Payer>,
    hold_days: HashMap<CampaignId, u32>,
}

impl Conversions {
    /// Settles every order of the dataset.
    ///
    /// # Errors
    /// [`Error::TimeZone`] when a merchant with conversions has a time zone nobody knows.
    pub(crate) fn of(dataset: &Dataset) -> Result<Self, Error> {
        let paths = Paths::new(&dataset.clicks);
        let settle =
            |facts: &[OrderFact]| settle(facts, &dataset.catalog, &|click| paths.visit(click));
        let catalog = &dataset.catalog;
        let mut found =
            Self { list: Vec::new(), payers: HashMap::new(), hold_days: HashMap::new() };
        found
            .hold_days
            .extend(catalog.campaigns.values().map(|campaign| (campaign.id, campaign.hold_days)));
        for (key, facts) in by_order(dataset.orders.iter().map(|recorded| &recorded.fact)) {
            let facts: Vec<OrderFact> = facts.into_iter().cloned().collect();
            let Some(settled) = settle(&facts) else { continue };
            if settled.decision.method == Method::None
                && settled.decision.label.is_empty()
                && settled.bookings.is_empty()
            {
                continue;
            }
            let merchant =
                catalog.merchants.get(&key.merchant).ok_or(Error::UnknownMerchant(key.merchant))?;
            found.learn_payer(merchant)?;
            let id = FactId::of_content(&[b"conversion", key.to_text().as_bytes()]);
            let hold = hold(&settled, &facts, &settle);
            found.list.push(Conversion { id, settled, hold });
        }
        Ok(found)
    }

    fn learn_payer(&mut self, merchant: &Merchant) -> Result<(), Error> {
        if let Entry::Vacant(unknown) = self.payers.entry(merchant.id) {
            unknown.insert(Payer { zone: zone_of(merchant)?, currency: merchant.currency });
        }
        Ok(())
    }

    /// Returns the conversions by merchant and order id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Conversion> {
        self.list.iter()
    }

    /// Returns the day on which a conversion's commission becomes payable; `None` when it never
    /// does as things stand, or is booked in a currency that its merchant does not pay in.
    ///
    /// An order that became void, or lost its credit, after that day keeps it: what was payable
    /// then may have been paid, and the reversal has to reach the next statement. Before that day,
    /// it was never payable.
    ///
    /// # Errors
    /// [`Error::Calendar`] when the day is beyond the calendar.
    pub(crate) fn payable_on(
        &self,
        conversion: &Conversion,
        account: &Account,
    ) -> Result<Option<Date>, Error> {
        let payer = self.payers.get(&conversion.settled.order.merchant);
        let Some(payer) = payer.filter(|payer| payer.currency == account.currency) else {
            return Ok(None);
        };
        let zone = &payer.zone;
        let hold_days = self.hold_days.get(&account.campaign).copied().unwrap_or(0);
        let due = |paid_at| days_later(local_date(paid_at, zone)?, hold_days);
        match conversion.hold {
            Hold::Never => Ok(None),
            Hold::Since(paid_at) => due(paid_at).map(Some),
            Hold::Until { paid_at, lapsed_at } => {
                let due = due(paid_at)?;
                Ok((due <= local_date(lapsed_at, zone)?).then_some(due))
            }
        }
    }
}

fn hold(
    settled: &Settled,
    facts: &[OrderFact],
    settle: &dyn Fn(&[OrderFact]) -> Option<Settled>,
) -> Hold {
    let paid_at = settled.order.paid_at.filter(|_| settled.accepted);
    let Some(paid_at) = paid_at else { return Hold::Never };
    if settled.approvable() {
        return Hold::Since(paid_at);
    }
    match lapsed_at(facts, settle) {
        Some(lapsed_at) => Hold::Until { paid_at, lapsed_at },
        None => Hold::Never,
    }
}

/// When the report reached us that made an approvable order something else; `None` when it never
/// was one.
fn lapsed_at(
    facts: &[OrderFact],
    settle: &dyn Fn(&[OrderFact]) -> Option<Settled>,
) -> Option<Timestamp> {
    let mut by_arrival: Vec<OrderFact> = distinct(facts).into_iter().cloned().collect();
    by_arrival.sort_by_key(|fact| (fact.received_at, fact.id));
    while let Some(last) = by_arrival.pop() {
        if settle(&by_arrival)?.approvable() {
            return Some(last.received_at);
        }
    }
    None
}

/// How far a conversion is confirmed, in the word of exports.
fn status_of(order: &Order) -> &'static str {
    match order.status {
        Status::Void => "cancelled",
        Status::Draft => "claimed",
        Status::Unpaid | Status::Paid if order.confirmed => "confirmed",
        Status::Unpaid | Status::Paid => "claimed",
    }
}

impl Conversion {
    /// Returns `claimed`, `confirmed` or `cancelled`.
    pub(crate) fn status(&self) -> &'static str {
        status_of(&self.settled.order)
    }

    /// Returns what is remarkable about it: the decision's label, or why the order does not count.
    pub(crate) fn label(&self) -> &str {
        let order = &self.settled.order;
        match self.settled.decision.label.as_str() {
            "" if order.test => "test",
            "" if order.status == Status::Draft => "draft",
            label => label,
        }
    }

    /// Returns who is credited, or who would have been.
    pub(crate) fn subject(&self) -> Option<&Candidate> {
        self.settled.decision.subject()
    }

    /// Whether the order counts as one in statements: more than a claim, credited, placed, and no
    /// test.
    pub(crate) fn counts(&self) -> bool {
        let order = &self.settled.order;
        let placed = order.status != Status::Draft && !order.test;
        self.settled.accepted && self.settled.decision.method != Method::None && placed
    }

    /// Returns the bookings, each with its id.
    pub(crate) fn bookings(&self) -> impl Iterator<Item = (FactId, &Booking)> {
        let bookings = &self.settled.bookings;
        bookings.iter().enumerate().map(|(at, booking)| {
            // Counted among the bookings of one fact, so that an earlier fact that arrives late
            // renames nothing.
            let index =
                bookings[..at].iter().filter(|earlier| earlier.fact == booking.fact).count();
            (booking_id(self.id, booking, index), booking)
        })
    }

    /// Returns `approved`, `pending` or `reversed` for a booking.
    pub(crate) fn commission_status(
        &self,
        booking: &Booking,
        payable_on: Option<Date>,
        as_of: Date,
    ) -> &'static str {
        let gone = self.settled.order.status == Status::Void
            || self.settled.balance(&booking.account) == 0;
        if booking.amount_minor < 0 || gone {
            "reversed"
        } else if is_payable(payable_on, as_of) {
            "approved"
        } else {
            "pending"
        }
    }
}

/// Whether the days of waiting are over.
pub(crate) fn is_payable(payable_on: Option<Date>, as_of: Date) -> bool {
    payable_on.is_some_and(|day| day <= as_of)
}

fn booking_id(conversion: FactId, booking: &Booking, index: usize) -> FactId {
    let Account { campaign, influencer, .. } = booking.account;
    let parts = [
        conversion.to_string(),
        booking.fact.to_string(),
        campaign.to_string(),
        influencer.to_string(),
        index.to_string(),
    ];
    FactId::of_content(&parts.each_ref().map(|part| part.as_bytes()))
}
