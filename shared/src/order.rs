//! Orders: everything that was reported about one, folded into what it is now.
//!
//! Facts arrive late, twice and in any order; the fold is a function of their set alone. Trust order: signed webhook,
//! then authenticated server report, then pixel, then data-layer pickup. A higher source replaces amounts and status,
//! a lower one only fills blanks, and never with an amount of another currency.

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

impl Touch {
    /// Whether `time` lies in the half-open window `[clicked_at, clicked_at + window)`.
    pub fn covers(&self, time: Timestamp) -> bool {
        self.clicked_at <= time && time < self.clicked_at.plus(Span::minutes(i64::from(self.window_minutes)))
    }
}

/// Money given back on an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Refund {
    /// The shop's id of the refund.
    pub id: String,
    /// How much, tax and shipping included; positive.
    pub total_minor: i64,
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
    /// Every refund so far; empty also when the channel does not tell.
    #[serde(default)]
    pub refunds: Vec<Refund>,
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
    /// When it was placed; see [`placed_at`].
    pub placed_at: Timestamp,
    /// When its server first confirmed it.
    pub confirmed_at: Option<Timestamp>,
    /// Currency of every amount here.
    pub currency: Option<Currency>,
    /// Goods after discounts, without tax and shipping.
    pub goods_minor: Option<i64>,
    /// What the customer pays.
    pub total_minor: Option<i64>,
    /// What was given back so far.
    pub refunded_minor: i64,
    /// Discount codes used, as the most trusted source lists them.
    pub coupons: Vec<String>,
    /// Every click that a report brought along, by time.
    pub touches: Vec<Touch>,
}

impl Order {
    /// The part of the order that was not given back, as a fraction; `(1, 1)` when there is no total.
    pub fn kept_fraction(&self) -> (i128, i128) {
        match self.total_minor {
            Some(total) if total > 0 => {
                (i128::from((total - self.refunded_minor).clamp(0, total)), i128::from(total))
            }
            _ if self.refunded_minor > 0 => (0, 1),
            _ => (1, 1),
        }
    }

    /// Goods less the refunded share, rounded.
    pub fn net_goods_minor(&self) -> i64 {
        let (kept, whole) = self.kept_fraction();
        let net = round_half_away(i128::from(self.goods_minor.unwrap_or(0)) * kept, whole);
        i64::try_from(net).unwrap_or(i64::MAX)
    }
}

/// Removes repeated deliveries: one fact an id, as it was first received.
pub fn distinct(facts: &[OrderFact]) -> Vec<&OrderFact> {
    let mut by_id: BTreeMap<FactId, &OrderFact> = BTreeMap::new();
    for fact in facts {
        let first = by_id.entry(fact.id).or_insert(fact);
        if fact.received_at < first.received_at {
            *first = fact;
        }
    }
    by_id.into_values().collect()
}

/// Folds an order's facts. The result depends on their set alone, not on order or repetition.
///
/// `None` when there are no facts.
pub fn fold(facts: &[OrderFact]) -> Option<Order> {
    let mut facts = distinct(facts);
    // Least telling first: what is applied later replaces what was applied before.
    facts.sort_by_key(|f| (f.source, f.occurred_at, f.received_at, f.id));
    let last = facts.last()?;
    let money = facts.iter().rev().find(|f| f.currency.is_some());
    let currency = money.and_then(|f| f.currency);
    let latest = |pick: &dyn Fn(&OrderFact) -> Option<i64>| {
        facts.iter().rev().filter(|f| f.currency == currency).find_map(|f| pick(f))
    };
    Some(Order {
        merchant: last.merchant,
        order_id: last.order_id.clone(),
        status: facts.iter().rev().find_map(|f| f.status).unwrap_or(Status::Draft),
        confirmed: last.source.confirms(),
        test: facts.iter().any(|f| f.test && f.source == last.source),
        placed_at: placed_at(&facts),
        confirmed_at: facts.iter().filter(|f| f.source.confirms()).map(|f| f.received_at).min(),
        currency,
        goods_minor: latest(&|f| f.goods_minor),
        total_minor: latest(&|f| f.total_minor),
        refunded_minor: money.map_or(0, |f| f.refunds.iter().map(|r| r.total_minor).sum()),
        coupons: facts.iter().rev().find(|f| !f.coupons.is_empty()).map_or_else(Vec::new, |f| f.coupons.clone()),
        touches: touches(&facts),
    })
}

fn touches(facts: &[&OrderFact]) -> Vec<Touch> {
    let mut touches: Vec<_> = facts.iter().flat_map(|f| f.touches.iter().copied()).collect();
    touches.sort_unstable();
    touches.dedup_by_key(|touch| touch.click);
    touches
}

/// When the order was placed: what the most trusted source says, unless that cannot be.
///
/// A shop's clock may be off. An order cannot have been placed after we first heard of it, nor before the click whose
/// token it brought back; in both cases the time we first heard of it stands in.
fn placed_at(facts: &[&OrderFact]) -> Timestamp {
    let skew = Span::minutes(2);
    let heard_at = facts.iter().map(|f| f.received_at).min().unwrap_or_default();
    let Some(stated) = facts.iter().rev().find_map(|f| f.ordered_at) else { return heard_at };
    let latest_touch = facts.iter().flat_map(|f| &f.touches).map(|t| t.clicked_at).max();
    let before_its_click = latest_touch.is_some_and(|clicked_at| stated.plus(skew) < clicked_at);
    if stated > heard_at.plus(skew) || before_its_click { heard_at } else { stated }
}
