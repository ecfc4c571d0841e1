//! The ledger of an order: what was booked when, as a pure function of the order's facts.
//!
//! After each fact the commission is computed anew; what is booked is the difference to what was
//! booked before. So replays, repeated deliveries and deleted refunds converge by construction, and
//! a balance never falls below zero.

use crate::attribution::{Decision, Method, decide};
use crate::catalog::Catalog;
use crate::commission::{Due, bound_minor};
use crate::id::{CampaignId, ClickId, FactId, InfluencerId};
use crate::money::{Currency, Money};
use crate::order::{Order, OrderFact, Status, Visit, distinct, fold};
use crate::rates::Conversion;
use crate::time::Timestamp;

/// Why an amount was booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The first amount for this order and influencer.
    Accrued,
    /// Money was given back.
    Refunded,
    /// The order became void.
    Voided,
    /// The credit went to someone else.
    Recredited,
    /// An exchange rate became known.
    Converted,
    /// A percentage on top for the month's orders.
    Volume,
    /// A bound of the campaign was reached, or left again.
    Capped,
    /// Anything else about the order changed.
    Adjusted,
}

impl Reason {
    /// The word in exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accrued => "accrued",
            Self::Refunded => "refunded",
            Self::Voided => "voided",
            Self::Recredited => "recredited",
            Self::Converted => "converted",
            Self::Volume => "volume",
            Self::Capped => "capped",
            Self::Adjusted => "adjusted",
        }
    }
}

/// Whose balance an amount is booked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    /// The campaign that pays.
    pub campaign: CampaignId,
    /// The influencer who earns.
    pub influencer: InfluencerId,
    /// In which currency.
    pub currency: Currency,
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// The fact that caused it.
    pub fact: FactId,
    /// When that fact reached us.
    pub booked_at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// Whose.
    pub account: Account,
    /// What the rate was taken of, after the fact.
    pub base_minor: i64,
    /// The currency of the base.
    pub base_currency: Currency,
    /// The rate, as the campaign's rule spells it.
    pub rate: String,
    /// The difference to what was booked before; negative for a reversal.
    pub amount_minor: i64,
}

/// An order with its decision and its ledger: all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The order as it stands.
    pub order: Order,
    /// Who is credited and why.
    pub decision: Decision,
    /// Every amount booked, oldest first.
    pub bookings: Vec<Booking>,
    /// Whether the order is more than a claim: its shop confirmed it, or the merchant trusts its
    /// pixel.
    pub accepted: bool,
    /// How the order's currency is turned into the merchant's, where it is another and a rate is
    /// known.
    pub conversion: Option<Conversion>,
    /// Whether commission waits for an exchange rate.
    pub unconverted: bool,
}

impl Settled {
    /// What is booked on an account in all.
    pub fn balance(&self, account: &Account) -> i64 {
        self.bookings.iter().filter(|b| b.account == *account).map(|b| b.amount_minor).sum()
    }

    /// Whether the order as it stands may be paid for: accepted, paid, credited and no test. What
    /// is booked in another currency than the merchant's is not paid all the same.
    pub fn approvable(&self) -> bool {
        self.accepted
            && self.order.status == Status::Paid
            && !self.order.test
            && self.decision.method != Method::None
    }
}

/// Folds, decides and books an order from its facts.
///
/// `visit` looks up a click that may earn. `None` when there are no facts. The result depends on
/// the set of facts, the clicks they lead to, and the catalog alone.
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
    let mut bookings: Vec<Booking> = Vec::new();
    for step in steps(&by_arrival, conversion.as_ref()) {
        let known = &by_arrival[..step.facts];
        let Some(order) = fold(known) else { continue };
        let conversion =
            conversion_of(&order, catalog).filter(|conversion| conversion.known_at <= step.at);
        let due = due(&order, &decide(&order, catalog, visit), catalog, conversion.as_ref());
        book(&mut bookings, &step, known[step.facts - 1].id, &order, &due);
    }
    let accepted = is_accepted(&order, catalog);
    let due = due(&order, &decision, catalog, conversion.as_ref());
    let unconverted = due.iter().any(|(_, due)| due.unconverted);
    Some(Settled { order, decision, bookings, accepted, conversion, unconverted })
}

/// A moment at which something became known about an order.
struct Step {
    at: Timestamp,
    /// How many of the facts, by arrival, were known then.
    facts: usize,
    /// Whether it was the exchange rate that became known.
    is_rate: bool,
}

/// Each fact as it arrived, and the exchange rate when it became known.
fn steps(by_arrival: &[OrderFact], conversion: Option<&Conversion>) -> Vec<Step> {
    let arrivals = by_arrival.iter().enumerate();
    let mut steps: Vec<Step> = arrivals
        .map(|(index, fact)| Step { at: fact.received_at, facts: index + 1, is_rate: false })
        .collect();
    if let Some(at) = conversion.map(|conversion| conversion.known_at) {
        let before = steps.partition_point(|step| step.at <= at);
        if before > 0 {
            steps.insert(before, Step { at, facts: before, is_rate: true });
        }
    }
    steps
}

/// How the order's currency is turned into the one its merchant pays in.
fn conversion_of(order: &Order, catalog: &Catalog) -> Option<Conversion> {
    let (from, to) = (order.currency?, catalog.merchants.get(&order.merchant)?.currency);
    if from == to { None } else { catalog.rates.conversion(from, to, order.placed_at) }
}

fn is_accepted(order: &Order, catalog: &Catalog) -> bool {
    order.confirmed
        || catalog.merchants.get(&order.merchant).is_some_and(|merchant| merchant.trust_pixel)
}

/// The accounts and amounts the order earns as it stands, one a currency; none when it earns
/// nothing for anybody.
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

/// Books the difference between what is due now and what was booked before, on every account of the
/// order.
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
        let reason = if step.is_rate {
            Reason::Converted
        } else {
            reason(bookings, account, order, current.is_some(), amount)
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
    /// The amount in the account's currency.
    pub const fn amount(&self) -> Money {
        Money { minor: self.amount_minor, currency: self.account.currency }
    }
}
