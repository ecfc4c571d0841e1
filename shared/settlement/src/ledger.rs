//! The ledger of an order: all bookings, as a pure function of the order's facts.
//!
//! After each fact the commission is computed anew, and the difference to the earlier bookings is
//! booked. So replays, repeated deliveries and deleted refunds end in the same balance, and a
//! balance never falls below zero.

use std::collections::BTreeMap;

use crate::arrival::by_arrival;
use crate::attribution::{Decision, Method, decide, suspended};
use crate::held::{self, HeldPeriod, Holding};
use crate::history::Newness;
use shared::catalog::Catalog;
use shared::commission::{Due, bound_minor};
use shared::id::{CampaignId, ClickId, FactId, InfluencerId};
use shared::money::{Currency, Money};
use shared::order::{Folding, Order, OrderFact, Status, Visit};
use shared::rates::Conversion;
use shared::time::Timestamp;

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
    /// Other orders of the customer became known, or no longer count: the customer was new and is
    /// not, or the other way round.
    History,
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
            Self::History => "history",
            Self::Converted => "converted",
            Self::Volume => "volume",
            Self::Capped => "capped",
            Self::Adjusted => "adjusted",
        }
    }
}

/// An account: the place where amounts of one campaign, influencer and currency add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CampaignAccount {
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
    /// The time at which that fact or one of another order reached us, or the exchange rate was
    /// imported.
    pub booked_at: Timestamp,
    /// The reason for it.
    pub reason: Reason,
    /// The account on which it is booked.
    pub account: CampaignAccount,
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
    /// The time at which commission for the order was approvable for the last time; `None` if it
    /// still is, or never was.
    pub lapsed_at: Option<Timestamp>,
    /// Why its commission is held. What is held stays booked, and may not be paid.
    pub holding: Holding,
    balances: BTreeMap<CampaignAccount, i64>,
}

impl Settled {
    /// Returns the balance of an account.
    pub fn balance(&self, account: &CampaignAccount) -> i64 {
        self.balances.get(account).copied().unwrap_or(0)
    }

    /// Returns whether commission for the order may be approved: the order is accepted, paid,
    /// credited and not a test. Bookings in another currency than the merchant's are not approved
    /// even then.
    pub fn approvable(&self) -> bool {
        is_approvable(self.accepted, &self.order, &self.decision)
    }
}

/// Folds an order from its facts, decides who is credited, and books.
///
/// `visit` looks up a click that may earn; `newness` is what recorded orders say of the customer.
/// Returns `None` when there are no facts. The result depends only on the set of facts, the clicks
/// to which they lead, the other orders of the customer, and the catalog.
pub fn settle(
    facts: &[OrderFact],
    catalog: &Catalog,
    visit: &dyn Fn(&ClickId) -> Option<Visit>,
    newness: &Newness,
) -> Option<Settled> {
    let by_arrival = by_arrival(facts, visit);
    let order = whole_order(&by_arrival)?;
    let mut ledger = Ledger::default();
    let (mut folding, mut added) = (Folding::default(), 0);
    let mut state: Option<State> = None;
    let suspensions = suspensions(&order, catalog, visit);
    let rate = conversion_of(&order, catalog).map(|conversion| conversion.known_at);
    let others = rate.map(|at| (at, Cause::Rate)).into_iter();
    let others = others.chain(suspensions.into_iter().map(|at| (at, Cause::Suspension)));
    let others = others.chain(newness.changes().map(|at| (at, Cause::History)));
    for step in steps(&by_arrival, others) {
        by_arrival[added..step.facts].iter().for_each(|fact| folding.add(fact));
        added = step.facts;
        let Some(order) = folding.order() else { continue };
        let order = newness.told_to(order, step.at);
        let conversion =
            conversion_of(&order, catalog).filter(|conversion| conversion.known_at <= step.at);
        // Most facts say what is known already. What follows from an order is computed only when
        // the order changes.
        let is_known = |held: &State| held.order == order && held.conversion == conversion;
        if step.cause != Cause::Suspension && state.as_ref().is_some_and(is_known) {
            continue;
        }
        let now = State::of(Order { known_at: step.at, ..order }, conversion, catalog, visit);
        // Nobody knows what is due while an amount is unknown: what was booked stays.
        if !now.order.is_unknown() {
            ledger.book(&step, by_arrival[step.facts - 1].id, &now);
        }
        ledger.heed_unknown(step.at, now.order.is_unknown());
        ledger.heed_lapse(&step, &now);
        state = Some(now);
    }
    let State { order, decision, accepted, .. } = state?;
    debug_assert!(
        ledger.balances.values().all(|balance| *balance >= 0),
        "no balance is below zero"
    );
    let conversion = conversion_of(&order, catalog);
    let due = due(&order, &decision, catalog, conversion.as_ref());
    let unconverted = due.iter().any(|(_, due)| due.unconverted);
    let held = || held::of_order(&by_arrival, &order, &decision, catalog);
    let mut holding = if accepted { held() } else { Holding::default() };
    let Ledger { bookings, balances, lapsed_at, unknown, .. } = ledger;
    holding.periods.extend(unknown);
    Some(Settled {
        order,
        decision,
        bookings,
        accepted,
        conversion,
        unconverted,
        lapsed_at,
        holding,
        balances,
    })
}

fn whole_order(facts: &[OrderFact]) -> Option<Order> {
    let mut folding = Folding::default();
    facts.iter().for_each(|fact| folding.add(fact));
    folding.order()
}

/// What is known of an order at a moment, and what follows from it.
struct State {
    order: Order,
    conversion: Option<Conversion>,
    decision: Decision,
    accepted: bool,
    due: Vec<(CampaignAccount, Due)>,
}

impl State {
    fn of(
        order: Order,
        conversion: Option<Conversion>,
        catalog: &Catalog,
        visit: &dyn Fn(&ClickId) -> Option<Visit>,
    ) -> Self {
        let decision = decide(&order, catalog, visit);
        let due = due(&order, &decision, catalog, conversion.as_ref());
        let accepted = is_accepted(&order, catalog);
        let order = Order { known_at: Timestamp::MAX, ..order };
        Self { order, conversion, decision, accepted, due }
    }
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
    /// Something of the customer's other orders.
    History,
}

/// Returns a step for each fact, and one for each other moment at which something became known,
/// which comes after the facts of the same moment. Before the first fact there is nothing to settle.
fn steps(
    by_arrival: &[OrderFact],
    others: impl Iterator<Item = (Timestamp, Cause)>,
) -> impl Iterator<Item = Step> {
    let arrivals = by_arrival.iter().map(|fact| (fact.received_at, Cause::Fact));
    let mut moments: Vec<(Timestamp, Cause)> = arrivals.chain(others).collect();
    moments.sort_by_key(|(at, cause)| (*at, *cause != Cause::Fact));
    let mut facts = 0;
    let steps = moments.into_iter().map(move |(at, cause)| {
        facts += usize::from(cause == Cause::Fact);
        Step { at, facts, cause }
    });
    steps.filter(|step| step.facts > 0)
}

/// Returns when the suspensions were decided that concern a candidate, the earliest first.
fn suspensions(
    order: &Order,
    catalog: &Catalog,
    visit: &dyn Fn(&ClickId) -> Option<Visit>,
) -> Vec<Timestamp> {
    if catalog.suspensions.is_empty() {
        return vec![];
    }
    let candidates = decide(order, catalog, visit).candidates;
    let periods = candidates.iter().filter_map(|candidate| suspended(candidate, order, catalog));
    let mut times: Vec<_> = periods.map(|period| period.made_at).collect();
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

fn is_approvable(accepted: bool, order: &Order, decision: &Decision) -> bool {
    accepted && order.status == Status::Paid && !order.test && decision.method != Method::None
}

/// Returns the amounts that are due for the order, with their accounts, one for each currency.
/// Empty when nobody earns anything.
fn due(
    order: &Order,
    decision: &Decision,
    catalog: &Catalog,
    conversion: Option<&Conversion>,
) -> Vec<(CampaignAccount, Due)> {
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
    let account = |due: &Due| CampaignAccount {
        campaign: campaign.id,
        influencer,
        currency: due.amount.currency,
    };
    let mut dues = terms.due(order, merchant.currency, conversion);
    if let Some(most) = bound_minor(campaign.caps.commission_per_order, merchant.currency) {
        let in_currency = dues.iter_mut().filter(|due| due.amount.currency == merchant.currency);
        in_currency.for_each(|due| due.amount.minor = due.amount.minor.min(most));
    }
    dues.into_iter().map(|due| (account(&due), due)).collect()
}

/// The bookings of an order while they are made.
#[derive(Default)]
struct Ledger {
    bookings: Vec<Booking>,
    /// What is booked on every account that was ever booked on.
    balances: BTreeMap<CampaignAccount, i64>,
    /// The accounts that have a balance.
    open: Vec<CampaignAccount>,
    approvable: bool,
    lapsed_at: Option<Timestamp>,
    /// The times in which an amount was unknown.
    unknown: Vec<HeldPeriod>,
}

impl Ledger {
    /// Books the difference between the amount that is due now and the earlier bookings, on every
    /// account of the order. `fact` is the last one that is known.
    fn book(&mut self, step: &Step, fact: FactId, state: &State) {
        let State { order, due, .. } = state;
        let mut accounts = std::mem::take(&mut self.open);
        accounts.extend(due.iter().map(|(account, _)| *account));
        accounts.sort_unstable();
        accounts.dedup();
        for &account in &accounts {
            let booked = self.balances.get(&account).copied().unwrap_or(0);
            let current = due.iter().find(|(to, _)| *to == account).map(|(_, due)| due);
            let amount = current.map_or(0, |due| due.amount.minor) - booked;
            if amount == 0 {
                continue;
            }
            let reason = match step.cause {
                Cause::Rate => Reason::Converted,
                Cause::History => Reason::History,
                Cause::Suspension if amount < 0 => Reason::Suspended,
                Cause::Suspension | Cause::Fact => {
                    self.reason(account, order, current.is_some(), amount)
                }
            };
            *self.balances.entry(account).or_default() += amount;
            self.bookings.push(Booking {
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
        accounts.retain(|account| self.balances.get(account).is_some_and(|balance| *balance != 0));
        self.open = accounts;
    }

    /// Keeps the time of the last change after which the commission is no longer approvable.
    fn heed_lapse(&mut self, step: &Step, state: &State) {
        let approvable = is_approvable(state.accepted, &state.order, &state.decision);
        if approvable {
            self.lapsed_at = None;
        } else if self.approvable {
            self.lapsed_at = Some(step.at);
        }
        self.approvable = approvable;
    }

    /// Keeps the times in which an amount of the order was unknown.
    fn heed_unknown(&mut self, at: Timestamp, is_unknown: bool) {
        let open = self.unknown.last_mut().filter(|period| period.until.is_none());
        match open {
            Some(period) if !is_unknown => period.until = Some(at),
            None if is_unknown => self.unknown.push(HeldPeriod { from: at, until: None }),
            _ => {}
        }
    }

    fn reason(
        &self,
        account: CampaignAccount,
        order: &Order,
        credited: bool,
        amount: i64,
    ) -> Reason {
        if order.status == Status::Void || order.status == Status::Draft {
            Reason::Voided
        } else if !credited {
            Reason::Recredited
        } else if !self.balances.contains_key(&account) {
            Reason::Accrued
        } else if amount < 0 && order.refunded_minor > 0 {
            Reason::Refunded
        } else {
            Reason::Adjusted
        }
    }
}

impl Booking {
    /// Returns the amount in the account's currency.
    pub const fn amount(&self) -> Money {
        Money { minor: self.amount_minor, currency: self.account.currency }
    }
}
