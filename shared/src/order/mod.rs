//! Orders: everything that was reported about one, folded into what it is now.
//!
//! Facts arrive late, twice and in any order; the fold is a function of their set alone. Trust
//! order: signed webhook, then authenticated server report, then pixel, then data-layer pickup.
//! What only browsers said never changes what the shop's server said.

mod fact;
mod names;
mod touch;

pub use fact::{
    Alias, AliasKind, FactKind, Line, OrderFact, Refund, RefundList, RefundedLine, Source, Status,
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
    /// Whose.
    pub merchant: MerchantId,
    /// The shop's own order id.
    pub order_id: String,
    /// Where it stands.
    pub status: Status,
    /// Whether the shop's server has confirmed it.
    pub confirmed: bool,
    /// Whether it is a test.
    pub test: bool,
    /// When it was placed, by the shop's clock unless that cannot be right.
    pub placed_at: Timestamp,
    /// When the customer went to the checkout, where that is known.
    pub checkout_at: Option<Timestamp>,
    /// When it was first reported paid, by the most trusted who report: the hold begins here.
    pub paid_at: Option<Timestamp>,
    /// Currency of every amount here.
    pub currency: Option<Currency>,
    /// Goods after discounts, without tax and shipping.
    pub goods_minor: Option<i64>,
    /// What the goods consist of; empty where nobody said it.
    pub lines: Vec<Line>,
    /// What the customer pays.
    pub total_minor: Option<i64>,
    /// What was given back so far, tax and shipping included.
    pub refunded_minor: i64,
    /// The goods in the refunds that say which lines were given back.
    pub refunded_goods_minor: i64,
    /// Those of them that belong to a line, by the line's id.
    pub refunded_lines: BTreeMap<String, i64>,
    /// The total of the refunds that do not say it.
    pub refunded_pro_rata_minor: i64,
    /// Discount codes used, as the most trusted source lists them.
    pub coupons: Vec<String>,
    /// Who bought, where that is known.
    pub customer: Option<CustomerId>,
    /// Whether it is the customer's first order, where that is known.
    pub new_customer: Option<bool>,
    /// Made by a subscription.
    pub renewal: bool,
    /// The clicks that may be credited, by time: those that the shop's reports brought along; only
    /// where these brought none, those that a browser brought.
    pub touches: Vec<Touch>,
    /// Clicks that only a browser brought along, while the shop's reports brought others.
    pub claimed_touches: Vec<Touch>,
}

impl Order {
    /// The goods that were kept, exactly, as a fraction of minor units: goods less the lines given
    /// back, of which refunds without lines take their share of the total. `None` when the goods
    /// are not known.
    pub fn kept_goods(&self) -> Option<(i128, i128)> {
        let goods = (self.goods_minor? - self.refunded_goods_minor).max(0);
        let (kept, whole) = match self.total_minor {
            Some(total) if total > 0 => {
                ((total - self.refunded_pro_rata_minor).clamp(0, total), total)
            }
            _ if self.refunded_pro_rata_minor > 0 => (0, 1),
            _ => (1, 1),
        };
        Some((i128::from(goods) * i128::from(kept), i128::from(whole)))
    }

    /// Whether all of it was given back.
    pub fn is_given_back(&self) -> bool {
        let nothing_kept =
            self.kept_goods().is_some_and(|(kept, _)| kept == 0) && self.goods_minor > Some(0);
        nothing_kept
            || self.total_minor.is_some_and(|total| total > 0 && self.refunded_minor >= total)
    }

    /// Goods less what was given back of them, rounded.
    pub fn net_goods_minor(&self) -> i64 {
        let net = self.kept_goods().map_or(0, |(kept, whole)| round_half_away(kept, whole));
        i64::try_from(net).unwrap_or(i64::MAX)
    }
}

/// What browsers alone report about an order is kept up to this many facts: anybody can send more.
pub const BROWSER_FACTS_MAX: usize = 20;

/// Removes repeated deliveries: one fact an id, as it was first received. Of what browsers reported
/// only the first [`BROWSER_FACTS_MAX`] facts count.
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
/// Once the shop's server has said anything, it alone says what the order is, what it is worth,
/// which codes were used and when it was placed; browsers then only add a click that the shop's
/// report did not bring itself.
///
/// `None` when there are no facts.
pub fn fold(facts: &[OrderFact]) -> Option<Order> {
    let mut facts = distinct(facts);
    // Least telling first: what is applied later replaces what was applied before.
    facts.sort_by_key(|f| (voice(f), f.occurred_at, f.received_at, f.id));
    let last = *facts.last()?;
    let confirmed = last.source.confirms();
    let (base, claims): (Vec<_>, Vec<_>) =
        facts.into_iter().partition(|f| f.source.confirms() == confirmed);
    let content: Vec<_> =
        base.iter().rev().filter(|f| f.currency.is_some() && !f.partial).collect();
    let currency = content.first().and_then(|f| f.currency);
    let same_currency = || content.iter().filter(|f| f.currency == currency);
    let goods = same_currency().find(|f| f.goods_minor.is_some());
    let refunds = refunds(&base, currency);
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
        total_minor: same_currency().find_map(|f| f.total_minor),
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
    })
}

/// Where the order stands, as the last to say so, unless the money was taken back by the customer's
/// bank: shops do not hear of that, and the payment provider is believed alone.
fn status(facts: &[&OrderFact]) -> Status {
    let is_of_dispute =
        |f: &&&OrderFact| f.platform == Platform::Stripe && f.kind == FactKind::Cancel && f.partial;
    let of_dispute = facts.iter().filter(is_of_dispute).filter(|f| f.status.is_some());
    let last = of_dispute.max_by_key(|f| (f.occurred_at, f.received_at, f.id));
    if last.is_some_and(|f| f.status == Some(Status::Void)) {
        return Status::Void;
    }
    facts.iter().rev().find_map(|f| f.status).unwrap_or(Status::Draft)
}

/// Who is heard first: by trust, and of platforms the shop before its payment provider, who knows
/// what was paid but not what for.
fn voice(fact: &OrderFact) -> (Source, bool) {
    (fact.source, fact.platform != Platform::Stripe)
}

/// The refunds that stand, by id, from facts in the order in which they tell.
///
/// One voice counts the refunds: where shop and payment provider both report them, they are the
/// same money.
fn refunds<'f>(
    facts: &[&'f OrderFact],
    currency: Option<Currency>,
) -> BTreeMap<&'f str, &'f Refund> {
    let knows = |f: &&&OrderFact| {
        !f.refunds.is_empty() || (f.refund_list == RefundList::Whole && !f.partial)
    };
    let Some(teller) = facts.iter().rev().find(knows).map(|f| voice(f)) else {
        return BTreeMap::new();
    };
    let mut refunds = BTreeMap::new();
    let told = facts.iter().filter(|f| voice(f) == teller);
    for fact in told.filter(|f| f.currency == currency || f.currency.is_none()) {
        if fact.refund_list == RefundList::Whole && !fact.partial {
            refunds.clear();
        }
        refunds.extend(fact.refunds.iter().map(|refund| (refund.id.as_str(), refund)));
    }
    refunds
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
    touches.dedup_by_key(|touch| touch.click);
    touches
}

/// A shop's clock that is this far behind says nothing about when an order was placed.
const CLOCK_ABSURD: Span = Span::days(365);

/// When the order was placed, as `facts` of one trust say it, unless that cannot be.
///
/// Some shops count whole seconds only, and a shop's clock may be off: an order cannot have been
/// placed after we first heard of it, nor before the click whose token it brought back. Where the
/// click is a moment later its own time stands in; where it is a year later the clock is wrong, and
/// the time we first heard of the order stands in. In between the shop is believed: the order came
/// before the click.
fn placed_at(facts: &[&OrderFact], touches: &[Touch]) -> Timestamp {
    let skew = Span::minutes(2);
    let heard_at = facts.iter().map(|f| f.received_at).min().unwrap_or_default();
    let Some(stated) = facts.iter().rev().find_map(|f| f.ordered_at) else { return heard_at };
    if stated > heard_at.plus(skew) {
        return heard_at;
    }
    let known =
        touches.iter().map(|touch| touch.clicked_at).filter(|&clicked_at| clicked_at <= heard_at);
    match known.max() {
        Some(clicked_at) if clicked_at <= stated.plus(skew) => stated.max(clicked_at),
        Some(clicked_at) if clicked_at > stated.plus(CLOCK_ABSURD) => heard_at,
        _ => stated,
    }
}
