//! The ledger of an order: all bookings, as a pure function of the order's facts.
//!
//! After each fact the commission is computed anew, and the difference to the earlier bookings is
//! booked. So replays, repeated deliveries and deleted refunds end in the same balance, and a
//! balance never falls below zero.

use std::collections::BTreeMap;

use crate::attribution::{Decision, Method, decide, suspended};
use crate::catalog::Catalog;
use crate::commission::{Due, bound_minor};
use crate::held::{self, Holding};
use crate::id::{CampaignId, ClickId, FactId, InfluencerId};
use crate::money::{Currency, Money};
use crate::order::{Order, OrderFact, Status, Visit, distinct, fold};
use crate::rates::Conversion;
use crate::time::Timestamp;

/// The reason for a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The first amount for this order and influencer.
    Accrued,
    /// The customer got a refund.
    Refunded,
    /// The order became void.
    Voided,
    /// Someone else is credited now.
    Recredited,
    /// The influencer, the link or the coupon was suspended from an earlier moment on.
    Suspended,
    /// An exchange rate became known.
    Converted,
    /// A bonus for the volume of a month.
    Volume,
    /// A bound of the campaign was reached, or is no longer reached.
    Capped,
    /// The order changed in another way.
    Adjusted,
}

impl Reason {
    /// Returns the word that exports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accrued => "accrued",
            Self::Refunded => "refunded",
            Self::Voided => "voided",
            Self::Recredited => "recredited",
            Self::Suspended => "suspended",
            Self::Converted => "converted",
            Self::Volume => "volume",
            Self::Capped => "capped",
            Self::Adjusted => "adjusted",
        }
    }
}

/// An account: the place where amounts of one campaign, influencer and currency add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    /// The campaign that pays.
    pub campaign: CampaignId,
    /// The influencer who earns.
    pub influencer: InfluencerId,
    /// The currency of all its amounts.
    pub currency: Currency,
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// The fact that caused it.
    pub fact: FactId,
    /// The time at which that fact reached us, or the exchange rate was imported.
    pub booked_at: Timestamp,
    /// The reason for it.
    pub reason: Reason,
    /// The account on which it is booked.
    pub account: Account,
    /// The amount of which the rate was taken, after the fact.
    pub base_minor: i64,
    /// The currency of the base.
    pub base_currency: Currency,
    /// The rate as text, as the campaign's rules spell it.
    pub rate: String,
    /// The difference to the earlier bookings; negative for a reversal.
    pub amount_minor: i64,
}

/// An order with its decision and its ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The present state of the order.
    pub order: Order,
    /// The decision about who is credited.
    pub decision: Decision,
    /// All bookings, oldest first.
    pub bookings: Vec<Booking>,
    /// True when the order is more than a claim: the shop confirmed it, or the merchant trusts the
    /// pixel.
    pub accepted: bool,
    /// The conversion of the order's currency into the merchant's, if they differ and a rate is
    /// known.
    pub conversion: Option<Conversion>,
    /// True while commission waits for an exchange rate.
    pub unconverted: bool,
    /// Why its commission is held. What is held stays booked, and may not be paid.
    pub holding: Holding,
    /// When the suspension was decided because of which nobody is credited.
    pub suspended_at: Option<Timestamp>,
}

impl Settled {
    /// Returns the balance of an account.
    pub fn balance(&self, account: &Account) -> i64 {
        self.bookings.iter().filter(|b| b.account == *account).map(|b| b.amount_minor).sum()
    }

    /// Returns whether commission for the order may be approved: the order is accepted, paid,
    /// credited and not a test. Bookings in another currency than the merchant's are not approved
    /// even then.
    pub fn approvable(&self) -> bool {
        self.accepted
            && self.order.status == Status::Paid
            && !self.order.test
            && self.decision.method != Method::None
    }
}

/// Folds an order from its facts, decides who is credited, and books.
///
/// `visit` looks up a click that may earn. Returns `None` when there are no facts. The result
/// depends only on the set of facts, the clicks to which they lead, and the catalog.
pub fn settle(
    facts: &[OrderFact],
    catalog: &Catalog,
    visit: &dyn Fn(&ClickId) -> Option<Visit>,
) -> Option<Settled> {
    let mut by_arrival: Vec<OrderFact> = distinct(facts).into_iter().cloned().collect();
    by_arrival.iter_mut().for_each(|fact| fact.look_up_clicks(visit));
    by_arrival.sort_by_key(|fact| (fact.received_at, fact.id));
    let order = fold(&by_arrival)?;
    let decision = decide(&order, catalog, visit);
    let conversion = conversion_of(&order, catalog);
    let suspensions = suspensions(&order, &decision, catalog);
    let mut bookings: Vec<Booking> = Vec::new();
    for step in steps(&by_arrival, conversion.as_ref(), &suspensions) {
        let known = &by_arrival[..step.facts];
        let Some(order) = fold(known) else { continue };
        let order = Order { known_at: step.at, ..order };
        // Nobody knows what is due while an amount is unknown: what was booked stays.
        if !order.unreadable.is_empty() && order.is_earning() {
            continue;
        }
        let conversion =
            conversion_of(&order, catalog).filter(|conversion| conversion.known_at <= step.at);
        let due = due(&order, &decide(&order, catalog, visit), catalog, conversion.as_ref());
        book(&mut bookings, &step, known[step.facts - 1].id, &order, &due);
    }
    debug_assert!(are_balances_positive(&bookings), "no balance is below zero");
    let accepted = is_accepted(&order, catalog);
    let due = due(&order, &decision, catalog, conversion.as_ref());
    let unconverted = due.iter().any(|(_, due)| due.unconverted);
    let holding = if accepted {
        held::of_order(&by_arrival, &order, &decision, catalog)
    } else {
        Holding::default()
    };
    let subject = decision.subject().filter(|_| decision.method == Method::None);
    let suspended_at =
        subject.and_then(|subject| suspended(subject, &order, catalog)).map(|of| of.made_at);
    Some(Settled {
        order,
        decision,
        bookings,
        accepted,
        conversion,
        unconverted,
        holding,
        suspended_at,
    })
}

/// A moment at which something became known.
struct Step {
    at: Timestamp,
    /// The number of facts, by arrival, that were known then.
    facts: usize,
    cause: Cause,
}

/// What became known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Fact,
    Rate,
    Suspension,
}

/// Returns a step for each fact, one for the exchange rate, and one for each suspension.
fn steps(
    by_arrival: &[OrderFact],
    conversion: Option<&Conversion>,
    suspensions: &[Timestamp],
) -> Vec<Step> {
    let arrivals = by_arrival.iter().enumerate();
    let mut steps: Vec<Step> = arrivals
        .map(|(index, fact)| Step { at: fact.received_at, facts: index + 1, cause: Cause::Fact })
        .collect();
    let rate = conversion.map(|conversion| (conversion.known_at, Cause::Rate));
    let suspensions = suspensions.iter().map(|at| (*at, Cause::Suspension));
    for (at, cause) in rate.into_iter().chain(suspensions) {
        let before = steps.partition_point(|step| step.at <= at);
        if let Some(facts) = before.checked_sub(1).map(|last| steps[last].facts) {
            steps.insert(before, Step { at, facts, cause });
        }
    }
    steps
}

/// Returns when the suspensions were decided that concern a candidate.
fn suspensions(order: &Order, decision: &Decision, catalog: &Catalog) -> Vec<Timestamp> {
    let of_candidates =
        decision.candidates.iter().filter_map(|candidate| suspended(candidate, order, catalog));
    let mut times: Vec<_> = of_candidates.map(|period| period.made_at).collect();
    times.sort_unstable();
    times.dedup();
    times
}

/// Returns the conversion of the order's currency into that in which the merchant pays.
fn conversion_of(order: &Order, catalog: &Catalog) -> Option<Conversion> {
    let (from, to) = (order.currency?, catalog.merchants.get(&order.merchant)?.currency);
    if from == to { None } else { catalog.rates.conversion(from, to, order.placed_at) }
}

fn is_accepted(order: &Order, catalog: &Catalog) -> bool {
    order.confirmed
        || catalog.merchants.get(&order.merchant).is_some_and(|merchant| merchant.trust_pixel)
}

/// Returns the amounts that are due for the order, with their accounts, one for each currency.
/// Empty when nobody earns anything.
fn due(
    order: &Order,
    decision: &Decision,
    catalog: &Catalog,
    conversion: Option<&Conversion>,
) -> Vec<(Account, Due)> {
    let credited = || {
        let subject = decision.subject().filter(|_| decision.method != Method::None)?;
        let campaign = catalog.campaigns.get(&subject.campaign?)?;
        Some((campaign, subject.influencer?, catalog.merchants.get(&order.merchant)?))
    };
    let Some((campaign, influencer, merchant)) = credited().filter(|_| is_accepted(order, catalog))
    else {
        return vec![];
    };
    let (_, terms) = campaign.terms_at(order.placed_at);
    let account =
        |due: &Due| Account { campaign: campaign.id, influencer, currency: due.amount.currency };
    let mut dues = terms.due(order, merchant.currency, conversion);
    if let Some(most) = bound_minor(campaign.caps.commission_per_order, merchant.currency) {
        let in_currency = dues.iter_mut().filter(|due| due.amount.currency == merchant.currency);
        in_currency.for_each(|due| due.amount.minor = due.amount.minor.min(most));
    }
    dues.into_iter().map(|due| (account(&due), due)).collect()
}

/// Books the difference between the amount that is due now and the earlier bookings, on every
/// account of the order.
fn book(
    bookings: &mut Vec<Booking>,
    step: &Step,
    fact: FactId,
    order: &Order,
    due: &[(Account, Due)],
) {
    let mut accounts: Vec<Account> = bookings.iter().map(|b| b.account).collect();
    accounts.extend(due.iter().map(|(account, _)| *account));
    accounts.sort_unstable();
    accounts.dedup();
    for account in accounts {
        let booked: i64 =
            bookings.iter().filter(|b| b.account == account).map(|b| b.amount_minor).sum();
        let current = due.iter().find(|(to, _)| *to == account).map(|(_, due)| due);
        let amount = current.map_or(0, |due| due.amount.minor) - booked;
        if amount == 0 {
            continue;
        }
        let reason = match step.cause {
            Cause::Rate => Reason::Converted,
            Cause::Suspension if amount < 0 => Reason::Suspended,
            Cause::Suspension | Cause::Fact => {
                reason(bookings, account, order, current.is_some(), amount)
            }
        };
        bookings.push(Booking {
            fact,
            booked_at: step.at,
            reason,
            account,
            base_minor: current.map_or(0, |due| due.base.minor),
            base_currency: current.map_or(account.currency, |due| due.base.currency),
            rate: current.map_or_else(String::new, |due| due.rate.clone()),
            amount_minor: amount,
        });
    }
}

fn are_balances_positive(bookings: &[Booking]) -> bool {
    let mut balances: BTreeMap<Account, i64> = BTreeMap::new();
    bookings.iter().for_each(|b| *balances.entry(b.account).or_default() += b.amount_minor);
    balances.values().all(|balance| *balance >= 0)
}

fn reason(
    bookings: &[Booking],
    account: Account,
    order: &Order,
    credited: bool,
    amount: i64,
) -> Reason {
    if order.status == Status::Void || order.status == Status::Draft {
        Reason::Voided
    } else if !credited {
        Reason::Recredited
    } else if !bookings.iter().any(|b| b.account == account) {
        Reason::Accrued
    } else if amount < 0 && order.refunded_minor > 0 {
        Reason::Refunded
    } else {
        Reason::Adjusted
    }
}

impl Booking {
    /// Returns the amount in the account's currency.
    pub const fn amount(&self) -> Money {
        Money { minor: self.amount_minor, currency: self.account.currency }
    }
}
