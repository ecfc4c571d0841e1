//! Orders: all facts about an order, folded into its present state.
//!
//! Facts arrive late, twice and in any order; the fold is a function of their set alone. Sources
//! are trusted in this order: signed webhook, authenticated postback or import, pixel, data
//! layer. What a browser said never changes what the shop's server said.

mod fact;
mod names;
mod touch;

pub use fact::{
    Alias, AliasKind, AmountPart, FactKind, Line, OrderFact, Refund, RefundList, RefundedLine,
    Source, Status, Unreadable,
};
pub use names::{Anchor, OrderKey, by_order, fold_name, normal_order_id};
pub use touch::{PATH_TOUCHES_MAX, Touch, Visit, path_before};

use std::collections::BTreeMap;

use crate::id::{CustomerId, FactId, MerchantId};
use crate::money::{Currency, round_half_away};
use crate::platform::Platform;
use crate::time::{Span, Timestamp};

/// An order, folded from its facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The merchant in whose shop it was placed.
    pub merchant: MerchantId,
    /// The shop's own order id.
    pub order_id: String,
    /// Its state.
    pub status: Status,
    /// True once the shop's server has confirmed it.
    pub confirmed: bool,
    /// True for a test order, which never earns.
    pub test: bool,
    /// The time at which it was placed, by the shop's clock unless that is impossible.
    pub placed_at: Timestamp,
    /// The time at which the customer went to the checkout, if it is known.
    pub checkout_at: Option<Timestamp>,
    /// The time at which it was first said to be paid, by the most trusted source that said so.
    /// The hold begins here.
    pub paid_at: Option<Timestamp>,
    /// Currency of every amount here.
    pub currency: Option<Currency>,
    /// Goods after discounts, without tax and shipping.
    pub goods_minor: Option<i64>,
    /// The lines of the goods; empty when no fact has them.
    pub lines: Vec<Line>,
    /// The amount that the customer pays.
    pub total_minor: Option<i64>,
    /// The sum of all refunds, tax and shipping included.
    pub refunded_minor: i64,
    /// The goods in refunds that name the lines.
    pub refunded_goods_minor: i64,
    /// The same goods as far as they belong to a line, by the line's id.
    pub refunded_lines: BTreeMap<String, i64>,
    /// The total of refunds that do not name the lines.
    pub refunded_pro_rata_minor: i64,
    /// The discount codes that were used, as the most trusted source lists them.
    pub coupons: Vec<String>,
    /// The customer, if they are known.
    pub customer: Option<CustomerId>,
    /// True for the customer's first order, false for a later one, if it is known.
    pub new_customer: Option<bool>,
    /// True for an order that a subscription made without the customer.
    pub renewal: bool,
    /// The clicks that may be credited, by time: those in the shop's facts, or those in facts from
    /// browsers when the shop's facts have none.
    pub touches: Vec<Touch>,
    /// Clicks that only browsers named although the shop's facts have others.
    pub claimed_touches: Vec<Touch>,
    /// The amounts that were stated and could not be read, and that no later fact states readably.
    /// While there are any, nobody knows what the order is worth.
    pub unreadable: Vec<Unreadable>,
    /// The time up to which decisions of people about it are known: [`Timestamp::MAX`] unless the
    /// order is looked at as it was earlier.
    pub known_at: Timestamp,
}

impl Order {
    /// Returns the goods that were kept, as an exact fraction of minor units: numerator and
    /// denominator. Refunds that name lines reduce the goods by these lines; refunds without lines
    /// then reduce the rest pro rata, by their share of the total. `None` when the goods are not
    /// known.
    pub fn kept_goods(&self) -> Option<(i128, i128)> {
        let goods = (self.goods_minor? - self.refunded_goods_minor).max(0);
        let (kept, whole) = match self.total_minor {
            Some(total) if total > 0 => {
                ((total - self.refunded_pro_rata_minor).clamp(0, total), total)
            }
            _ if self.refunded_pro_rata_minor > 0 => (0, 1),
            _ => (1, 1),
        };
        debug_assert!(0 <= kept && kept <= whole, "nobody keeps more than the order had");
        Some((i128::from(goods) * i128::from(kept), i128::from(whole)))
    }

    /// Returns whether the whole order was given back.
    pub fn is_given_back(&self) -> bool {
        let nothing_kept =
            self.kept_goods().is_some_and(|(kept, _)| kept == 0) && self.goods_minor > Some(0);
        nothing_kept
            || self.total_minor.is_some_and(|total| total > 0 && self.refunded_minor >= total)
    }

    /// Returns the goods that were kept, rounded to minor units; `None` when an amount that was
    /// stated could not be read. Zero when no amount was ever stated.
    pub fn net_goods_minor(&self) -> Option<i64> {
        if !self.unreadable.is_empty() {
            return None;
        }
        let net = self.kept_goods().map_or(0, |(kept, whole)| round_half_away(kept, whole));
        Some(i64::try_from(net).unwrap_or(i64::MAX))
    }

    /// Returns whether it could earn, if it is credited: it is neither void, nor a draft, nor a
    /// test.
    pub fn is_earning(&self) -> bool {
        self.status != Status::Void && self.status != Status::Draft && !self.test
    }
}

/// The number of facts from browsers that an order keeps. It is bounded because anybody can send
/// such facts.
pub const BROWSER_FACTS_MAX: usize = 20;

/// Removes repeated deliveries: of the facts with one id, the one that was received first stays. Of
/// facts from browsers only the first [`BROWSER_FACTS_MAX`] count.
pub fn distinct(facts: &[OrderFact]) -> Vec<&OrderFact> {
    let mut by_id: BTreeMap<FactId, &OrderFact> = BTreeMap::new();
    for fact in facts {
        let first = by_id.entry(fact.id).or_insert(fact);
        if fact.received_at < first.received_at {
            *first = fact;
        }
    }
    let (mut distinct, mut browsers): (Vec<_>, Vec<_>) =
        by_id.into_values().partition(|f| f.source.confirms());
    browsers.sort_unstable_by_key(|f| (f.received_at, f.id));
    distinct.extend(browsers.into_iter().take(BROWSER_FACTS_MAX));
    distinct
}

/// Folds an order's facts. The result depends on their set alone, not on order or repetition.
///
/// Once the shop's server has said anything of the order, only its facts decide the state, the
/// amounts, the codes and the time of the order. Browsers then only add a click, when the shop's
/// facts have none.
///
/// `None` when there are no facts.
pub fn fold(facts: &[OrderFact]) -> Option<Order> {
    let mut facts = distinct(facts);
    // The least trusted facts first: a later fact replaces an earlier one.
    facts.sort_by_key(|f| (rank(f), f.occurred_at, f.received_at, f.id));
    let last = *facts.last()?;
    let confirmed = last.source.confirms();
    let (base, claims): (Vec<_>, Vec<_>) =
        facts.into_iter().partition(|f| f.source.confirms() == confirmed);
    let states_amounts = |f: &&OrderFact| {
        !f.partial && (f.currency.is_some() || f.unreadable_part(&AmountPart::Currency).is_some())
    };
    let content: Vec<&OrderFact> = base.iter().rev().copied().filter(states_amounts).collect();
    let (in_currency, no_currency) =
        told(&content, &AmountPart::Currency, &|f| f.currency.is_some());
    let currency = in_currency.and_then(|f| f.currency);
    let same_currency: Vec<&OrderFact> =
        content.iter().copied().filter(|f| f.currency == currency).collect();
    let (goods, no_goods) = told(&same_currency, &AmountPart::Goods, &|f| f.goods_minor.is_some());
    let (total, no_total) = told(&same_currency, &AmountPart::Total, &|f| f.total_minor.is_some());
    let (refunds, no_refunds) = refunds(&base, currency);
    let unreadable = [no_currency, no_goods, no_total].into_iter().flatten().chain(no_refunds);
    let sum = |pick: &dyn Fn(&Refund) -> i64| refunds.values().map(|refund| pick(refund)).sum();
    let own = touches(&base);
    let claimed = touches(&claims);
    let (touches, claimed_touches) = if own.is_empty() { (claimed, own) } else { (own, claimed) };
    Some(Order {
        merchant: last.merchant,
        order_id: last.order_id.clone(),
        status: status(&base),
        confirmed,
        test: base.iter().any(|f| f.test),
        placed_at: placed_at(&base, &touches),
        checkout_at: base.iter().rev().find_map(|f| f.checkout_at),
        paid_at: base
            .iter()
            .filter(|f| f.status == Some(Status::Paid))
            .map(|f| f.received_at)
            .min(),
        currency,
        goods_minor: goods.and_then(|f| f.goods_minor),
        lines: goods.map_or_else(Vec::new, |f| f.lines.clone()),
        total_minor: total.and_then(|f| f.total_minor),
        refunded_minor: sum(&|refund| refund.total_minor),
        refunded_goods_minor: sum(&|refund| refund.goods_minor.unwrap_or(0)),
        refunded_lines: refunded_lines(&refunds),
        refunded_pro_rata_minor: sum(&|r| if r.goods_minor.is_none() { r.total_minor } else { 0 }),
        coupons: content.first().map_or_else(Vec::new, |f| f.coupons.clone()),
        customer: base.iter().rev().find_map(|f| f.customer),
        new_customer: base.iter().rev().find_map(|f| f.new_customer),
        renewal: base.iter().any(|f| f.renewal),
        touches,
        claimed_touches,
        unreadable: unreadable.cloned().collect(),
        known_at: Timestamp::MAX,
    })
}

/// Finds the fact that tells a part of the amounts. `facts` are in order of trust, the highest
/// first; `states` says whether a fact states the part readably.
///
/// The first fact that states the part decides. If it could not be read, the part is unknown, and
/// an earlier word does not stand in for it: the amount may have changed. Only a fact about a later
/// moment does, from whatever channel. Returns that fact, or what is unreadable.
fn told<'f>(
    facts: &[&'f OrderFact],
    part: &AmountPart,
    states: &dyn Fn(&OrderFact) -> bool,
) -> (Option<&'f OrderFact>, Option<&'f Unreadable>) {
    let age = |f: &OrderFact| (f.occurred_at, f.received_at, f.id);
    let is_read = |f: &OrderFact| states(f) && f.unreadable_part(part).is_none();
    let mut speaking = facts.iter().filter(|f| states(f) || f.unreadable_part(part).is_some());
    let Some(first) = speaking.next() else { return (None, None) };
    let Some(unread) = first.unreadable_part(part) else { return (Some(first), None) };
    match speaking.find(|f| is_read(f) && age(f) > age(first)) {
        Some(later) => (Some(later), None),
        None => (None, Some(unread)),
    }
}

/// Returns the state of the order by its last fact. A dispute that the customer's bank decided
/// against the shop comes first: only the payment provider sends it, shops do not hear of it.
fn status(facts: &[&OrderFact]) -> Status {
    let is_dispute =
        |f: &&&OrderFact| f.platform == Platform::Stripe && f.kind == FactKind::Cancel && f.partial;
    let disputes = facts.iter().filter(is_dispute).filter(|f| f.status.is_some());
    let last = disputes.max_by_key(|f| (f.occurred_at, f.received_at, f.id));
    if last.is_some_and(|f| f.status == Some(Status::Void)) {
        return Status::Void;
    }
    facts.iter().rev().find_map(|f| f.status).unwrap_or(Status::Draft)
}

/// Ranks a fact: first by its source, then the shop before its payment provider, which knows the
/// amount that was paid but not the goods.
fn rank(fact: &OrderFact) -> (Source, bool) {
    (fact.source, fact.platform != Platform::Stripe)
}

/// Returns the refunds that are valid, by id. `facts` are in order of rank, the highest last.
///
/// Only the source of the highest rank counts: when shop and payment provider both name refunds,
/// they mean the same money. Also returns the refunds whose amounts could not be read, unless a
/// later fact states them readably or no longer lists them.
fn refunds<'f>(
    facts: &[&'f OrderFact],
    currency: Option<Currency>,
) -> (BTreeMap<&'f str, &'f Refund>, Vec<&'f Unreadable>) {
    let lists_refunds = |f: &&&OrderFact| {
        !f.refunds.is_empty()
            || unread_refunds(f).next().is_some()
            || (f.refund_list == RefundList::Whole && !f.partial)
    };
    let Some(highest) = facts.iter().rev().find(lists_refunds).map(|f| rank(f)) else {
        return (BTreeMap::new(), vec![]);
    };
    let (mut refunds, mut unread) = (BTreeMap::new(), BTreeMap::new());
    let counted = facts.iter().filter(|f| rank(f) == highest);
    for fact in counted.filter(|f| f.currency == currency || f.currency.is_none()) {
        if fact.refund_list == RefundList::Whole && !fact.partial {
            refunds.clear();
            unread.clear();
        }
        for refund in &fact.refunds {
            refunds.insert(refund.id.as_str(), refund);
            unread.remove(refund.id.as_str());
        }
        unread.extend(unread_refunds(fact));
    }
    (refunds, unread.into_values().collect())
}

/// Returns the refunds of a fact whose amounts could not be read, by id.
fn unread_refunds(fact: &OrderFact) -> impl Iterator<Item = (&str, &Unreadable)> {
    fact.unreadable.iter().filter_map(|unreadable| match &unreadable.part {
        AmountPart::Refund(id) => Some((id.as_str(), unreadable)),
        AmountPart::Currency | AmountPart::Goods | AmountPart::Total => None,
    })
}

fn refunded_lines(refunds: &BTreeMap<&str, &Refund>) -> BTreeMap<String, i64> {
    let mut lines = BTreeMap::new();
    for refunded in refunds.values().filter(|r| r.goods_minor.is_some()).flat_map(|r| &r.lines) {
        *lines.entry(refunded.line.clone()).or_default() += refunded.goods_minor;
    }
    lines
}

fn touches(facts: &[&OrderFact]) -> Vec<Touch> {
    let mut touches: Vec<_> = facts.iter().flat_map(|f| f.touches.iter().copied()).collect();
    touches.sort_unstable();
    touches.dedup_by(|later, kept| {
        let is_same = later.click == kept.click;
        if is_same {
            kept.key = kept.key.or(later.key);
        }
        is_same
    });
    touches
}

/// A shop's clock that is behind by more than this is not used.
const CLOCK_ABSURD: Span = Span::days(365);

/// Returns the time at which the order was placed. `facts` state it, unless it is impossible.
///
/// A shop's clock may be wrong, and some shops count whole seconds only. An order cannot have been
/// placed after its first fact reached us: then the time of that fact counts. It cannot have
/// been placed before the click whose token it has either. If the click is up to two minutes later,
/// the time of the click counts; if it is more than a year later, the shop's clock is wrong, and
/// the time of the first fact counts. In between the shop is believed: the order came before the
/// click.
fn placed_at(facts: &[&OrderFact], touches: &[Touch]) -> Timestamp {
    let skew = Span::minutes(2);
    let reported_at = facts.iter().map(|f| f.received_at).min().unwrap_or_default();
    let Some(stated) = facts.iter().rev().find_map(|f| f.ordered_at) else { return reported_at };
    if stated > reported_at.plus(skew) {
        return reported_at;
    }
    let known = touches
        .iter()
        .map(|touch| touch.clicked_at)
        .filter(|&clicked_at| clicked_at <= reported_at);
    match known.max() {
        Some(clicked_at) if clicked_at <= stated.plus(skew) => stated.max(clicked_at),
        Some(clicked_at) if clicked_at > stated.plus(CLOCK_ABSURD) => reported_at,
        _ => stated,
    }
}
