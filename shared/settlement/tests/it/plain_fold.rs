//! The fold as its rules say it: all facts at once, sorted, read from the first to the last. It is
//! slow, and the measure of the fold that takes fact by fact.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use shared::money::Currency;
use shared::order::{
    AmountPart, Backing, Claim, CodeClaim, CodeVisit, FactKind, Line, NewCustomer, Order,
    OrderFact, Refund, RefundList, Source, Status, Touch, Unreadable, Witness, distinct,
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
    let sum = |pick: &dyn Fn(&Refund) -> i64| refunds.values().map(pick).sum();
    let (reports, claimants) = if confirmed { (&base[..], &claims) } else { (&[][..], &base) };
    let touches = touches(reports);
    let (claims, code_claims) = claims_of(reports, claimants);
    let visits = reports.iter().filter_map(|report| report.code_visit);
    let code_visits: BTreeSet<CodeVisit> = visits.collect();
    let counts =
        |claim: &&Claim| touches.is_empty() && (!confirmed || claim.backing >= Backing::Earlier);
    let claimed = claims.iter().filter(counts).map(|claim| claim.touch);
    let clicks: Vec<Touch> = touches.iter().copied().chain(claimed).collect();
    // A click that is later than what brought its token, by a clock that was set back.
    let of_shop = reports.iter().flat_map(|f| f.touches.iter().map(|t| (*t, f.received_at)));
    let of_claims = claims.iter().filter(counts).map(|claim| (claim.touch, claim.received_at));
    let ahead = of_shop.chain(of_claims).filter(|(touch, at)| touch.is_ahead_of(*at));
    let ahead = ahead.map(|(touch, _)| touch).filter(|touch| clicks.contains(touch));
    let not_before = ahead.map(|touch| touch.clicked_at).max();
    Some(Order {
        merchant: last.merchant,
        order_id: last.order_id.clone(),
        status: status(&base),
        confirmed,
        test: base.iter().any(|f| f.test),
        placed_at: placed_at(&base, &clicks).max(not_before.unwrap_or_default()),
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
        mailbox: base.iter().rev().find(|f| f.customer.is_some()).and_then(|f| f.mailbox),
        new_customer: base.iter().rev().find_map(|f| f.new_customer).map(|is_new| NewCustomer {
            is_new,
            by: if confirmed { Witness::Shop } else { Witness::Page },
        }),
        renewal: base.iter().any(|f| f.renewal),
        touches,
        claims,
        code_visits: code_visits.into_iter().collect(),
        code_claims,
        has_many_claims: false,
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
    let said = facts.iter().filter(|f| f.status.is_some());
    let last = said.max_by_key(|f| {
        (rank(f), moment(f, facts), f.received_at, is_woocommerces_deletion(f), f.id)
    });
    last.and_then(|f| f.status).unwrap_or(Status::Draft)
}

/// Returns when a fact happened. WooCommerce's deletion names no time: it came after every state of
/// the order that was known when it arrived, or else when it arrived.
fn moment(fact: &OrderFact, facts: &[&OrderFact]) -> Timestamp {
    if !is_woocommerces_deletion(fact) {
        return fact.occurred_at;
    }
    let is_state = |f: &&&OrderFact| {
        rank(f) == rank(fact) && f.status.is_some() && !is_woocommerces_deletion(f)
    };
    let known = facts.iter().filter(is_state).filter(|f| f.received_at <= fact.received_at);
    known.map(|f| f.occurred_at).max().unwrap_or(fact.received_at)
}

fn is_woocommerces_deletion(fact: &OrderFact) -> bool {
    rank(fact) == (Source::Webhook, true, true)
        && fact.platform == Platform::Woocommerce
        && fact.kind == FactKind::Cancel
        && fact.partial
        && fact.status == Some(Status::Void)
}

/// Ranks a fact: first by its source, then the shop's server before its page, then the shop before
/// its payment provider, which knows the amount that was paid but not the goods.
fn rank(fact: &OrderFact) -> (Source, bool, bool) {
    let is_page = fact.source.confirms() && fact.consent.is_some();
    (fact.source, !is_page, fact.platform != Platform::Stripe)
}

/// Returns the refunds that are valid, by id. `facts` are in order of rank, the highest last.
///
/// Only the source of the highest rank counts: when shop and payment provider both name refunds,
/// they mean the same money.
fn refunds<'f>(
    facts: &[&'f OrderFact],
    currency: Option<Currency>,
) -> (BTreeMap<&'f str, Refund>, Vec<&'f Unreadable>) {
    let lists_refunds = |f: &&&OrderFact| {
        !f.refunds.is_empty()
            || !f.failed_refunds.is_empty()
            || unread_refunds(f).next().is_some()
            || (f.refund_list == RefundList::Whole && !f.partial)
    };
    let Some(highest) = facts.iter().rev().find(lists_refunds).map(|f| rank(f)) else {
        return (BTreeMap::new(), vec![]);
    };
    let (mut refunds, mut unread) = (BTreeMap::new(), BTreeMap::new());
    let mut failed: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let counted = facts.iter().filter(|f| rank(f) == highest);
    for fact in counted.filter(|f| f.currency == currency || f.currency.is_none()) {
        if fact.refund_list == RefundList::Whole && !fact.partial {
            refunds.clear();
            unread.clear();
        }
        for refund in &fact.refunds {
            refunds.insert(refund.id.as_str(), refund.clone());
            unread.remove(refund.id.as_str());
            failed.retain(|(of, _), _| *of != refund.id);
        }
        for (id, unreadable) in unread_refunds(fact) {
            refunds.remove(id);
            unread.insert(id, unreadable);
            failed.retain(|(of, _), _| *of != id);
        }
        for refund in &fact.failed_refunds {
            failed.insert((refund.of.as_str(), refund.id.as_str()), refund.total_minor);
        }
    }
    for ((of, _), total) in failed {
        if let Some(refund) = refunds.get_mut(of) {
            refund.total_minor = (refund.total_minor - total).max(0);
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

fn refunded_lines(refunds: &BTreeMap<&str, Refund>, of: &[Line]) -> BTreeMap<String, i64> {
    let mut lines: BTreeMap<String, i64> = BTreeMap::new();
    for refunded in refunds.values().filter(|r| r.goods_minor.is_some()).flat_map(|r| &r.lines) {
        *lines.entry(refunded.line.clone()).or_default() += refunded.goods_minor;
    }
    lines.retain(|id, goods| *goods != 0 && of.iter().any(|line| line.id == *id));
    lines
}

/// Returns the clicks that browsers claim, each with the best that backs it.
fn claims_of(reports: &[&OrderFact], facts: &[&OrderFact]) -> (Vec<Claim>, Vec<CodeClaim>) {
    let proofs: Vec<_> = reports.iter().flat_map(|report| &report.proofs).collect();
    let backing = |fact: &OrderFact| {
        let own = fact.proofs.iter().copied().chain(fact.id_as_proof());
        if own.into_iter().any(|proof| proofs.contains(&&proof)) {
            Backing::Proven
        } else if !fact.asks_proof && reports.iter().any(|report| !report.asks_proof) {
            Backing::Earlier
        } else if reports.is_empty() && !fact.proofs.is_empty() {
            Backing::Unchecked
        } else {
            Backing::Number
        }
    };
    let (mut claims, mut of_codes) = (Vec::new(), Vec::new());
    for fact in facts {
        let (backing, received_at) = (backing(fact), fact.received_at);
        claims.extend(fact.touches.iter().map(|&touch| Claim { touch, backing, received_at }));
        of_codes.extend(fact.code_visit.map(|visit| CodeClaim { visit, backing, received_at }));
    }
    claims.sort_by_key(|claim: &Claim| (claim.touch, Reverse(claim.backing), claim.received_at));
    claims.dedup_by_key(|claim| claim.touch.click);
    of_codes
        .sort_by_key(|claim: &CodeClaim| (claim.visit, Reverse(claim.backing), claim.received_at));
    of_codes.dedup_by_key(|claim| claim.visit);
    (claims, of_codes)
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
