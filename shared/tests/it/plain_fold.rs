//! The fold as its rules say it: all facts at once, sorted, read from the first to the last. It is
//! slow, and the measure of the fold that takes fact by fact.

use std::collections::BTreeMap;

use shared::money::Currency;
use shared::order::{
    AmountPart, FactKind, Line, Order, OrderFact, Refund, RefundList, Source, Status, Touch,
    Unreadable, distinct,
};
use shared::platform::Platform;
use shared::time::{Span, Timestamp};

/// Folds an order's facts.
pub(crate) fn plain_fold(facts: &[OrderFact]) -> Option<Order> {
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
    let same_currency: Vec<&OrderFact> = match currency {
        Some(_) => content.iter().copied().filter(|f| f.currency == currency).collect(),
        None => vec![],
    };
    let (goods, no_goods) = told(&same_currency, &AmountPart::Goods, &|f| f.goods_minor.is_some());
    let (total, no_total) = told(&same_currency, &AmountPart::Total, &|f| f.total_minor.is_some());
    let lines = goods.map_or_else(Vec::new, |f| f.lines.clone());
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
        lines: lines.clone(),
        total_minor: total.and_then(|f| f.total_minor),
        refunded_minor: sum(&|refund| refund.total_minor),
        refunded_goods_minor: sum(&|refund| refund.goods_minor.unwrap_or(0)),
        refunded_lines: refunded_lines(&refunds, &lines),
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
/// first; `states` says whether a fact states the part.
fn told<'f>(
    facts: &[&'f OrderFact],
    part: &AmountPart,
    states: &dyn Fn(&OrderFact) -> bool,
) -> (Option<&'f OrderFact>, Option<&'f Unreadable>) {
    let age = |f: &OrderFact| (f.occurred_at, f.received_at, f.id);
    let is_read = |f: &&&OrderFact| states(f) && f.unreadable_part(part).is_none();
    let first = facts.iter().find(|f| states(f) || f.unreadable_part(part).is_some());
    let Some(first) = first else { return (None, None) };
    let Some(unread) = first.unreadable_part(part) else { return (Some(first), None) };
    let last = facts.iter().filter(is_read).max_by_key(|f| age(f));
    match last.filter(|last| age(last) > age(first)) {
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
/// they mean the same money.
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
        for (id, unreadable) in unread_refunds(fact) {
            refunds.remove(id);
            unread.insert(id, unreadable);
        }
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

fn refunded_lines(refunds: &BTreeMap<&str, &Refund>, of: &[Line]) -> BTreeMap<String, i64> {
    let mut lines: BTreeMap<String, i64> = BTreeMap::new();
    for refunded in refunds.values().filter(|r| r.goods_minor.is_some()).flat_map(|r| &r.lines) {
        *lines.entry(refunded.line.clone()).or_default() += refunded.goods_minor;
    }
    lines.retain(|id, goods| *goods != 0 && of.iter().any(|line| line.id == *id));
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
