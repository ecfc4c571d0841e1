//! Conversions: every order that is credited, or has a label that says why it is not, with its
//! bookings and the day from which they may be paid. Credit and amounts are decided by
//! `settlement::ledger::settle`, and who is a new customer by `settlement::history`; never here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use settlement::attribution::{Candidate, Method};
use settlement::customers::{Customers, MANY_CUSTOMERS, bringing_click};
use settlement::history::newness;
use settlement::ledger::{Booking, CampaignAccount, Settled, settle};
use settlement::own_mailbox::{OWN_MAILBOX, is_own_mailbox};
use shared::catalog::Merchant;
use shared::id::{ClickId, FactId, MerchantId};
use shared::money::Currency;
use shared::order::{AliasKind, Order, OrderFact, Source, Status, by_order};
use shared::time::Timestamp;

use crate::error::Error;
use crate::read::dataset::Dataset;
use crate::settle::click_index::ClickIndex;
use crate::settle::zones::{days_later, local_date, zone_of};

/// An order that is credited to a touch or a coupon, was credited once, or came too late for it.
#[derive(Debug)]
pub struct Conversion {
    /// The conversion's id; the same in every export.
    pub id: FactId,
    /// The order, the decision and the bookings.
    pub settled: Settled,
    hold: Hold,
    /// Its click brought orders of more customers than one click does.
    has_many_customers: bool,
    /// Its customer has the mailbox of the influencer who is credited.
    is_own_mailbox: bool,
    /// The number by which customers and the shop call the order, where it is not the id.
    number: Option<String>,
    /// The click that is credited was named by a postback before anybody else named it.
    is_by_postback: bool,
}

/// The state of the hold: the days that a commission waits before it may be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// The order was never approvable; the hold never begins.
    Never,
    /// The order is approvable; the hold began when it was paid.
    Since(Timestamp),
    /// The order was approvable until it became void or lost its credit.
    Until { paid_at: Timestamp, lapsed_at: Timestamp },
}

/// The merchant's settings that decide when and in which currency it pays.
#[derive(Debug)]
struct Payer {
    zone: TimeZone,
    currency: Currency,
}

/// All conversions by merchant and order id, with the settings that decide when they may be paid.
#[derive(Debug)]
pub struct Conversions<'d> {
    list: Vec<Conversion>,
    payers: HashMap<MerchantId, Payer>,
    dataset: &'d Dataset,
}

impl<'d> Conversions<'d> {
    /// Settles every order of the dataset.
    ///
    /// # Errors
    /// [`Error::TimeZone`] when the time zone of a merchant with conversions is invalid.
    pub fn of(dataset: &'d Dataset) -> Result<Self, Error> {
        let clicks = ClickIndex::new(&dataset.clicks);
        let catalog = &dataset.catalog;
        let mut found = Self { list: Vec::new(), payers: HashMap::new(), dataset };
        let orders = by_order(dataset.order_facts.iter().map(|recorded| &recorded.fact));
        let (keys, orders): (Vec<_>, Vec<Vec<&OrderFact>>) = orders.into_iter().unzip();
        let newness = newness(&orders, &|click| clicks.visit(click));
        for ((key, facts), newness) in keys.into_iter().zip(orders).zip(&newness) {
            let facts: Vec<OrderFact> = facts.into_iter().cloned().collect();
            let settled = settle(&facts, catalog, &|click| clicks.visit(click), newness);
            let Some(settled) = settled else { continue };
            if settled.decision.method == Method::None
                && settled.decision.label.is_empty()
                && settled.bookings.is_empty()
            {
                continue;
            }
            let merchant =
                catalog.merchants.get(&key.merchant).ok_or(Error::UnknownMerchant(key.merchant))?;
            found.add_payer(merchant)?;
            let id = FactId::of_content(&[b"conversion", key.to_text().as_bytes()]);
            let hold = hold(&settled);
            let is_own_mailbox = is_own_mailbox(&settled, catalog);
            let (has_many_customers, number) = (false, visible_number(&facts));
            let is_by_postback = is_by_postback(&settled, &facts);
            found.list.push(Conversion {
                id,
                settled,
                hold,
                has_many_customers,
                is_own_mailbox,
                number,
                is_by_postback,
            });
        }
        found.note_many_customers();
        Ok(found)
    }

    fn note_many_customers(&mut self) {
        let mut of_click: HashMap<ClickId, Customers> = HashMap::new();
        for settled in self.list.iter().map(|conversion| &conversion.settled) {
            if let Some(click) = bringing_click(settled) {
                of_click.entry(click).or_default().add(settled);
            }
        }
        for conversion in &mut self.list {
            let click = bringing_click(&conversion.settled);
            let customers = click.and_then(|click| of_click.get(&click));
            conversion.has_many_customers = customers.is_some_and(Customers::are_many);
        }
    }

    fn add_payer(&mut self, merchant: &Merchant) -> Result<(), Error> {
        if let Entry::Vacant(unknown) = self.payers.entry(merchant.id) {
            unknown.insert(Payer { zone: zone_of(merchant)?, currency: merchant.currency });
        }
        Ok(())
    }

    /// Returns the conversions by merchant and order id.
    pub fn iter(&self) -> impl Iterator<Item = &Conversion> {
        self.list.iter()
    }

    /// Returns the day on which a conversion's commission becomes payable. Returns `None` when
    /// there is no such day so far, when it is held, or when the commission is booked in a currency that its
    /// merchant does not pay in.
    ///
    /// An order that became void or lost its credit after that day keeps the day: the commission
    /// may have been paid, so the reversal has to reach the next statement. An order that became
    /// void or lost its credit before that day was never payable.
    ///
    /// # Errors
    /// [`Error::Calendar`] when the day is outside the range of the calendar.
    pub fn payable_on(
        &self,
        conversion: &Conversion,
        account: &CampaignAccount,
    ) -> Result<Option<Date>, Error> {
        if conversion.is_held() {
            return Ok(None);
        }
        self.hold_ends_on(conversion, account, conversion.settled.holding.released_at)
    }

    /// Returns the day from which a booking may be paid by the calendar, whoever holds it: the day on
    /// which the hold is over, but not before the day of the booking itself. So what is booked later
    /// never reaches into a past day.
    ///
    /// # Errors
    /// [`Error::Calendar`] when the day is outside the range of the calendar.
    pub fn due_on(
        &self,
        conversion: &Conversion,
        booking: &Booking,
    ) -> Result<Option<Date>, Error> {
        let Some(ends_on) = self.hold_ends_on(conversion, &booking.account, None)? else {
            return Ok(None);
        };
        let payer = self.payers.get(&conversion.settled.order.merchant);
        let booked_on =
            payer.map(|payer| local_date(booking.booked_at, &payer.zone)).transpose()?;
        Ok(booked_on.map(|booked_on| booked_on.max(ends_on)))
    }

    /// Returns the day on which the hold is over, not before a release.
    fn hold_ends_on(
        &self,
        conversion: &Conversion,
        account: &CampaignAccount,
        released_at: Option<Timestamp>,
    ) -> Result<Option<Date>, Error> {
        let payer = self.payers.get(&conversion.settled.order.merchant);
        let Some(payer) = payer.filter(|payer| payer.currency == account.currency) else {
            return Ok(None);
        };
        let zone = &payer.zone;
        let released_on = released_at.map(|at| local_date(at, zone)).transpose()?;
        // What was held cannot have been paid before it was released.
        let due = |paid_at| -> Result<Date, Error> {
            // Who changes the days of the hold changes them for what is paid from then on.
            let campaign = self.dataset.campaign_at(account.campaign, paid_at);
            let hold_days = campaign.map_or(0, |campaign| campaign.hold_days);
            let due = days_later(local_date(paid_at, zone)?, hold_days)?;
            Ok(released_on.map_or(due, |released_on| released_on.max(due)))
        };
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

/// Returns whether a postback was the first to name the click that is credited.
fn is_by_postback(settled: &Settled, facts: &[OrderFact]) -> bool {
    let credited = settled.decision.subject().filter(|_| settled.decision.method == Method::Click);
    let Some(click) = credited.and_then(|credited| credited.click) else { return false };
    let names = |fact: &&OrderFact| {
        fact.clicks.contains(&click) || fact.touches.iter().any(|touch| touch.click == click)
    };
    let first = facts.iter().filter(names).min_by_key(|fact| (fact.received_at, fact.id));
    first.is_some_and(|fact| fact.source == Source::Postback)
}

/// Returns the number that customers see, as the shop's server said it last; as a browser said it where
/// no server did.
fn visible_number(facts: &[OrderFact]) -> Option<String> {
    let rank = |kind: AliasKind| match kind {
        AliasKind::OrderName => Some(3),
        AliasKind::IncrementId => Some(2),
        AliasKind::OrderNumber => Some(1),
        AliasKind::OrderKey
        | AliasKind::CheckoutToken
        | AliasKind::CartToken
        | AliasKind::PaymentIntent => None,
    };
    let named = facts.iter().flat_map(|fact| {
        let said = (fact.source.confirms(), fact.received_at);
        let names = fact.aliases.iter().filter_map(move |alias| Some((rank(alias.kind)?, alias)));
        names.map(move |(rank, alias)| (said.0, rank, said.1, alias.value.as_str()))
    });
    named.max().map(|(_, _, _, value)| value.to_owned())
}

fn hold(settled: &Settled) -> Hold {
    let paid_at = settled.order.paid_at.filter(|_| settled.accepted);
    let Some(paid_at) = paid_at else { return Hold::Never };
    if settled.approvable() {
        return Hold::Since(paid_at);
    }
    settled.lapsed_at.map_or(Hold::Never, |lapsed_at| Hold::Until { paid_at, lapsed_at })
}

/// Returns the order's status in the word that exports use.
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
    pub fn status(&self) -> &'static str {
        status_of(&self.settled.order)
    }

    /// Returns the decision's label, `test` or `draft` for an order that does not count, or
    /// `own_mailbox` or `many_customers` for one that counts and is remarkable.
    pub fn label(&self) -> &str {
        let order = &self.settled.order;
        match self.settled.decision.label.as_str() {
            "" if order.test => "test",
            "" if order.status == Status::Draft => "draft",
            "" if self.is_own_mailbox => OWN_MAILBOX,
            "" if self.has_many_customers => MANY_CUSTOMERS,
            label => label,
        }
    }

    /// Returns the number by which customers and the shop call the order: its own id where no other one
    /// is known.
    pub fn order_number(&self) -> &str {
        self.number.as_deref().unwrap_or(&self.settled.order.order_id)
    }

    /// Returns whether a server named the click that is credited, by a postback or a call of its own,
    /// before a webhook or a page did.
    pub const fn is_by_postback(&self) -> bool {
        self.is_by_postback
    }

    /// Returns whether its click brought orders of more customers than one click does.
    pub const fn has_many_customers(&self) -> bool {
        self.has_many_customers
    }

    /// Returns the candidate who is credited, or would have been.
    pub fn subject(&self) -> Option<&Candidate> {
        self.settled.decision.subject()
    }

    /// Returns whether statements count the order: it is accepted, credited, no draft and no test.
    pub fn counts_as_order(&self) -> bool {
        let order = &self.settled.order;
        let placed = order.status != Status::Draft && !order.test;
        self.settled.accepted && self.settled.decision.method != Method::None && placed
    }

    /// Returns whether its commission is held.
    pub fn is_held(&self) -> bool {
        !self.settled.holding.held.is_empty()
    }

    /// Returns why its commission is held, in one line; `None` when it is not.
    pub fn held(&self) -> Option<String> {
        self.settled.holding.to_text()
    }

    /// Returns when the order became void: when that was booked; `None` when it is not void, or when
    /// nothing was ever booked for it.
    pub fn ended_at(&self) -> Option<Timestamp> {
        let last =
            self.settled.bookings.last().filter(|_| self.settled.order.status == Status::Void);
        last.map(|booking| booking.booked_at)
    }

    /// Returns the bookings, each with its id.
    pub fn bookings(&self) -> impl Iterator<Item = (FactId, &Booking)> {
        let bookings = &self.settled.bookings;
        bookings.iter().enumerate().map(|(at, booking)| {
            // The index counts only the bookings of the same fact. So the ids stay the same when an
            // earlier fact arrives late.
            let index =
                bookings[..at].iter().filter(|earlier| earlier.fact == booking.fact).count();
            (booking_id(self.id, booking, index), booking)
        })
    }

    /// Returns `approved`, `pending`, `held` or `reversed` for a booking.
    pub fn commission_status(
        &self,
        booking: &Booking,
        payable_on: Option<Date>,
        as_of: Date,
    ) -> &'static str {
        let gone = self.settled.order.status == Status::Void
            || self.settled.balance(&booking.account) == 0;
        if booking.amount_minor < 0 || gone {
            "reversed"
        } else if self.is_held() {
            "held"
        } else if is_payable(payable_on, as_of) {
            "approved"
        } else {
            "pending"
        }
    }
}

/// Returns whether the hold has passed.
pub fn is_payable(payable_on: Option<Date>, as_of: Date) -> bool {
    payable_on.is_some_and(|day| day <= as_of)
}

fn booking_id(conversion: FactId, booking: &Booking, index: usize) -> FactId {
    let CampaignAccount { campaign, influencer, .. } = booking.account;
    let parts = [
        conversion.to_string(),
        booking.fact.to_string(),
        campaign.to_string(),
        influencer.to_string(),
        index.to_string(),
    ];
    FactId::of_content(&parts.each_ref().map(|part| part.as_bytes()))
}
