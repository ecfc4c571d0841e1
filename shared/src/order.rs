//! Orders: everything that was reported about one, folded into what it is now.
//!
//! Facts arrive late, twice and in any order; the fold is a function of their set alone. Trust order: signed webhook,
//! then authenticated server report, then pixel, then data-layer pickup. What only browsers said never changes what the
//! shop's server said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::Platform;
use crate::event::Consent;
use crate::id::{ClickId, FactId, LinkId, MerchantId};
use crate::money::{Currency, round_half_away};
use crate::time::{Span, Timestamp};
use crate::token::Claims;

/// Who reported a fact, least trusted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Picked up from a page's data layer.
    DataLayer,
    /// The pixel on the shop's page.
    Pixel,
    /// An authenticated postback, server call or import.
    Postback,
    /// A webhook signed by the shop's platform.
    Webhook,
}

impl Source {
    /// The word in exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DataLayer => "data_layer",
            Self::Pixel => "pixel",
            Self::Postback => "postback",
            Self::Webhook => "webhook",
        }
    }

    /// Whether the shop's server stands behind it. What only a browser said is a claim.
    pub const fn confirms(self) -> bool {
        matches!(self, Self::Postback | Self::Webhook)
    }
}

/// What a fact reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// The order as it stands.
    Order,
    /// The order as it stands, with money given back.
    Refund,
    /// The order is void.
    Cancel,
}

impl FactKind {
    /// The word in exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Refund => "refund",
            Self::Cancel => "cancel",
        }
    }
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not placed yet: a cart, an abandoned payment. Earns nothing.
    Draft,
    /// Placed, not paid. Accrues, is never approved.
    Unpaid,
    /// Paid.
    Paid,
    /// Cancelled, failed, refunded whole or deleted. Earns nothing.
    Void,
}

impl Status {
    /// The word in exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Unpaid => "unpaid",
            Self::Paid => "paid",
            Self::Void => "void",
        }
    }
}

/// A click eligible for credit, as its token said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Touch {
    /// When it was clicked. First, so that touches sort by time.
    pub clicked_at: Timestamp,
    /// Which click.
    pub click: ClickId,
    /// Through which link.
    pub link: LinkId,
    /// How long it may earn.
    pub window_minutes: u32,
}

impl From<&Claims> for Touch {
    fn from(claims: &Claims) -> Self {
        Self {
            clicked_at: claims.issued_at,
            click: claims.click,
            link: claims.link,
            window_minutes: claims.window_minutes,
        }
    }
}

/// An order id in the one spelling that is compared: without outer blanks and leading `#`.
pub fn normal_order_id(id: &str) -> String {
    id.trim_start_matches(|c: char| c.is_whitespace() || c == '#').trim_end().to_owned()
}

impl Touch {
    /// Whether `time` lies in the half-open window `[clicked_at, clicked_at + window)`.
    pub fn covers(&self, time: Timestamp) -> bool {
        self.clicked_at <= time && time < self.clicked_at.plus(Span::minutes(i64::from(self.window_minutes)))
    }
}

/// Touches that a window holds: the click itself and those that led to it.
pub const PATH_TOUCHES_MAX: usize = 8;

/// A click that may earn, as it is remembered: the touch, and the click whose token the visitor brought along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// The touch.
    pub touch: Touch,
    /// The click before it.
    pub previous: Option<ClickId>,
}

/// The touches that led to `touch`, by time, at most seven; `visit` looks a click up.
///
/// The path goes back as long as each earlier touch was inside its own window when `touch` was made. It is followed
/// when it is needed and not copied when a click is recorded: so it does not matter in which order the clicks of
/// several cores become known.
pub fn path_before(touch: &Touch, visit: &dyn Fn(&ClickId) -> Option<Visit>) -> Vec<Touch> {
    let mut earlier: Vec<Touch> = Vec::new();
    let mut previous = visit(&touch.click).and_then(|visit| visit.previous);
    while earlier.len() < PATH_TOUCHES_MAX - 1 {
        let Some(reached) = previous.and_then(|id| visit(&id)) else { break };
        // Each touch must lie before the one it led to; this also ends a chain that bites its own tail.
        let after = earlier.last().unwrap_or(touch);
        let leads_on = reached.touch.clicked_at <= after.clicked_at
            && reached.touch.click != touch.click
            && earlier.iter().all(|t| t.click != reached.touch.click);
        if !leads_on || !reached.touch.covers(touch.clicked_at) {
            break;
        }
        earlier.push(reached.touch);
        previous = reached.previous;
    }
    earlier.reverse();
    earlier
}

/// Money given back on an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Refund {
    /// The shop's id of the refund.
    pub id: String,
    /// How much, tax and shipping included; positive.
    pub total_minor: i64,
    /// The goods in it, without tax and shipping, where the report says which lines were given back: zero for a refund
    /// of shipping alone. Without it the refund takes its share of the goods pro rata.
    #[serde(default)]
    pub goods_minor: Option<i64>,
}

/// What a report's list of refunds is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundList {
    /// Every refund as of the report: one that is missing was taken back.
    #[default]
    Whole,
    /// Some refunds; those known from other reports stand.
    Some,
}

/// One report about an order from one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderFact {
    /// A hash of what was reported: the same delivery twice is one fact.
    pub id: FactId,
    /// Whose order.
    pub merchant: MerchantId,
    /// The shop software that reported.
    pub platform: Platform,
    /// The shop's own order id, normalised.
    pub order_id: String,
    /// The channel.
    pub source: Source,
    /// What it reports.
    pub kind: FactKind,
    /// As of when, by the shop's clock.
    pub occurred_at: Timestamp,
    /// When it reached us.
    pub received_at: Timestamp,
    /// When the order was placed, by the shop's clock.
    pub ordered_at: Option<Timestamp>,
    /// Where the order stands.
    pub status: Option<Status>,
    /// Currency of every amount here.
    pub currency: Option<Currency>,
    /// Goods after discounts, without tax and shipping.
    pub goods_minor: Option<i64>,
    /// Tax.
    pub tax_minor: Option<i64>,
    /// Shipping.
    pub shipping_minor: Option<i64>,
    /// What the customer pays.
    pub total_minor: Option<i64>,
    /// Money given back.
    #[serde(default)]
    pub refunds: Vec<Refund>,
    /// Whether these are all refunds.
    #[serde(default)]
    pub refund_list: RefundList,
    /// Says one thing about the order (a refund, a deletion, a dispute) and nothing of what is in it.
    #[serde(default)]
    pub partial: bool,
    /// Discount codes used.
    #[serde(default)]
    pub coupons: Vec<String>,
    /// Clicks whose valid tokens came with the report.
    #[serde(default)]
    pub touches: Vec<Touch>,
    /// What the visitor allowed, where the channel knows.
    pub consent: Option<Consent>,
    /// A test order: shown, never earns.
    #[serde(default)]
    pub test: bool,
    /// Fields that could not be understood and were left out, each with the reason.
    #[serde(default)]
    pub notes: Vec<String>,
}

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
    /// When it was first reported paid, by the most trusted who report: the hold begins here.
    pub paid_at: Option<Timestamp>,
    /// Currency of every amount here.
    pub currency: Option<Currency>,
    /// Goods after discounts, without tax and shipping.
    pub goods_minor: Option<i64>,
    /// What the customer pays.
    pub total_minor: Option<i64>,
    /// What was given back so far, tax and shipping included.
    pub refunded_minor: i64,
    /// The goods in the refunds that say which lines were given back.
    pub refunded_goods_minor: i64,
    /// The total of the refunds that do not say it.
    pub refunded_pro_rata_minor: i64,
    /// Discount codes used, as the most trusted source lists them.
    pub coupons: Vec<String>,
    /// The clicks that may be credited, by time: those that the shop's reports brought along; only where these brought
    /// none, those that a browser brought.
    pub touches: Vec<Touch>,
    /// Clicks that only a browser brought along, while the shop's reports brought others.
    pub claimed_touches: Vec<Touch>,
}

impl Order {
    /// The goods that were kept, exactly, as a fraction of minor units: goods less the lines given back, of which
    /// refunds without lines take their share of the total. `None` when the goods are not known.
    pub fn kept_goods(&self) -> Option<(i128, i128)> {
        let goods = (self.goods_minor? - self.refunded_goods_minor).max(0);
        let (kept, whole) = match self.total_minor {
            Some(total) if total > 0 => ((total - self.refunded_pro_rata_minor).clamp(0, total), total),
            _ if self.refunded_pro_rata_minor > 0 => (0, 1),
            _ => (1, 1),
        };
        Some((i128::from(goods) * i128::from(kept), i128::from(whole)))
    }

    /// Whether all of it was given back.
    pub fn is_given_back(&self) -> bool {
        let nothing_kept = self.kept_goods().is_some_and(|(kept, _)| kept == 0) && self.goods_minor > Some(0);
        nothing_kept || self.total_minor.is_some_and(|total| total > 0 && self.refunded_minor >= total)
    }

    /// Goods less what was given back of them, rounded.
    pub fn net_goods_minor(&self) -> i64 {
        let net = self.kept_goods().map_or(0, |(kept, whole)| round_half_away(kept, whole));
        i64::try_from(net).unwrap_or(i64::MAX)
    }
}

/// What browsers alone report about an order is kept up to this many facts: anybody can send more.
pub const BROWSER_FACTS_MAX: usize = 20;

/// Removes repeated deliveries: one fact an id, as it was first received. Of what browsers reported only the first
/// [`BROWSER_FACTS_MAX`] facts count.
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
/// Once the shop's server has said anything, it alone says what the order is, what it is worth, which codes were used
/// and when it was placed; browsers then only add a click that the shop's report did not bring itself.
///
/// `None` when there are no facts.
pub fn fold(facts: &[OrderFact]) -> Option<Order> {
    let mut facts = distinct(facts);
    // Least telling first: what is applied later replaces what was applied before.
    facts.sort_by_key(|f| (f.source, f.occurred_at, f.received_at, f.id));
    let last = *facts.last()?;
    let confirmed = last.source.confirms();
    let (base, claims): (Vec<_>, Vec<_>) = facts.into_iter().partition(|f| f.source.confirms() == confirmed);
    let content: Vec<_> = base.iter().rev().filter(|f| f.currency.is_some() && !f.partial).collect();
    let currency = content.first().and_then(|f| f.currency);
    let latest = |pick: &dyn Fn(&OrderFact) -> Option<i64>| {
        content.iter().filter(|f| f.currency == currency).find_map(|f| pick(f))
    };
    let refunds = refunds(&base, currency);
    let sum = |pick: &dyn Fn(&Refund) -> i64| refunds.values().map(|refund| pick(refund)).sum();
    let own = touches(&base);
    let claimed = touches(&claims);
    let (touches, claimed_touches) = if own.is_empty() { (claimed, own) } else { (own, claimed) };
    Some(Order {
        merchant: last.merchant,
        order_id: last.order_id.clone(),
        status: base.iter().rev().find_map(|f| f.status).unwrap_or(Status::Draft),
        confirmed,
        test: base.iter().any(|f| f.test),
        placed_at: placed_at(&base, &touches),
        paid_at: base.iter().filter(|f| f.status == Some(Status::Paid)).map(|f| f.received_at).min(),
        currency,
        goods_minor: latest(&|f| f.goods_minor),
        total_minor: latest(&|f| f.total_minor),
        refunded_minor: sum(&|refund| refund.total_minor),
        refunded_goods_minor: sum(&|refund| refund.goods_minor.unwrap_or(0)),
        refunded_pro_rata_minor: sum(&|r| if r.goods_minor.is_none() { r.total_minor } else { 0 }),
        coupons: content.first().map_or_else(Vec::new, |f| f.coupons.clone()),
        touches,
        claimed_touches,
    })
}

/// The refunds that stand, by id, from facts in the order in which they tell.
fn refunds<'f>(facts: &[&'f OrderFact], currency: Option<Currency>) -> BTreeMap<&'f str, &'f Refund> {
    let mut refunds = BTreeMap::new();
    for fact in facts.iter().filter(|f| f.currency == currency || f.currency.is_none()) {
        if fact.refund_list == RefundList::Whole && !fact.partial {
            refunds.clear();
        }
        refunds.extend(fact.refunds.iter().map(|refund| (refund.id.as_str(), refund)));
    }
    refunds
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
/// Some shops count whole seconds only, and a shop's clock may be off: an order cannot have been placed after we first
/// heard of it, nor before the click whose token it brought back. Where the click is a moment later its own time stands
/// in; where it is a year later the clock is wrong, and the time we first heard of the order stands in. In between the
/// shop is believed: the order came before the click.
fn placed_at(facts: &[&OrderFact], touches: &[Touch]) -> Timestamp {
    let skew = Span::minutes(2);
    let heard_at = facts.iter().map(|f| f.received_at).min().unwrap_or_default();
    let Some(stated) = facts.iter().rev().find_map(|f| f.ordered_at) else { return heard_at };
    if stated > heard_at.plus(skew) {
        return heard_at;
    }
    let known = touches.iter().map(|touch| touch.clicked_at).filter(|&clicked_at| clicked_at <= heard_at);
    match known.max() {
        Some(clicked_at) if clicked_at <= stated.plus(skew) => stated.max(clicked_at),
        Some(clicked_at) if clicked_at > stated.plus(CLOCK_ABSURD) => heard_at,
        _ => stated,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Click `number`, made on day `day` with a window of 30 days, that names the click before it.
    fn visit(number: u8, day: i64, previous: Option<u8>) -> Visit {
        let id = |number| ClickId::from_bytes([number; 16]);
        let clicked_at = Timestamp::from_ms(0).plus(Span::days(day));
        let touch =
            Touch { clicked_at, click: id(number), link: LinkId::from_bits(1), window_minutes: 30 * 24 * 60 };
        Visit { touch, previous: previous.map(id) }
    }

    fn check(visits: &[Visit], of: u8, expected: &[u8]) {
        let known: HashMap<_, _> = visits.iter().map(|visit| (visit.touch.click, *visit)).collect();
        let touch = known[&ClickId::from_bytes([of; 16])].touch;
        let found = path_before(&touch, &|click| known.get(click).copied());
        assert_eq!(found.iter().map(|t| t.click.as_bytes()[0]).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_path_follows_previous_clicks_within_their_windows() {
        let visits = [visit(1, 0, None), visit(2, 20, Some(1)), visit(3, 29, Some(2)), visit(4, 30, Some(2))];
        check(&visits, 3, &[1, 2]);
        check(&visits, 4, &[2]);
        check(&visits, 1, &[]);
    }

    #[test]
    fn the_path_has_at_most_seven_touches_before_the_click_and_no_loops() {
        let chain: Vec<_> = (1..=12).map(|n| visit(n, i64::from(n), (n > 1).then(|| n - 1))).collect();
        check(&chain, 12, &[5, 6, 7, 8, 9, 10, 11]);
        check(&[visit(1, 0, Some(2)), visit(2, 0, Some(1))], 1, &[2]);
        check(&[visit(1, 0, Some(1))], 1, &[]);
        check(&[visit(1, 0, Some(2)), visit(2, 0, Some(3)), visit(3, 0, Some(2))], 1, &[3, 2]);
    }
}
