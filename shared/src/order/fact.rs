//! Order facts: one report about an order from one channel, as it is kept in the journal.
//!
//! A fact says what a channel said and nothing more: fields it could not be asked for are empty,
//! and fields that could not be understood are noted. Facts are never changed; what they mean
//! together is the fold's business.

use serde::{Deserialize, Serialize};

use super::touch::{Touch, Visit};
use crate::consent::Consent;
use crate::id::{ClickId, CustomerId, FactId, MerchantId, UnparsedId};
use crate::money::Currency;
use crate::platform::Platform;
use crate::time::Timestamp;

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

/// Money given back on an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Refund {
    /// The shop's id of the refund.
    pub id: String,
    /// How much, tax and shipping included; positive.
    pub total_minor: i64,
    /// The goods in it, without tax and shipping, where the report says which lines were given
    /// back: zero for a refund of shipping alone. Without it the refund takes its share of the
    /// goods pro rata.
    #[serde(default)]
    pub goods_minor: Option<i64>,
    /// How the goods spread over the order's lines, where the report says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<RefundedLine>,
}

impl Refund {
    /// A refund that does not say which lines were given back.
    pub const fn new(id: String, total_minor: i64, goods_minor: Option<i64>) -> Self {
        Self { id, total_minor, goods_minor, lines: vec![] }
    }
}

/// The part of a refund that belongs to one line of the order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RefundedLine {
    /// The line's id, as in [`Line::id`].
    pub line: String,
    /// The goods given back of it.
    pub goods_minor: i64,
}

/// A line of an order: what was sold, as far as commission rules may ask for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Line {
    /// The shop's id of the line, unique in the order.
    pub id: String,
    /// Article number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// The shop's id of the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The shop's category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// What it is worth after discounts, without tax.
    pub goods_minor: i64,
}

/// What kind of name an order has beside its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AliasKind {
    /// The number that the shop counts orders with and customers see.
    OrderNumber,
    /// The same with the shop's prefix or suffix.
    OrderName,
    /// The unguessable key in the address of WooCommerce's thank-you page.
    OrderKey,
    /// Magento's number.
    IncrementId,
    /// The checkout it came from.
    CheckoutToken,
    /// The cart it came from.
    CartToken,
    /// The payment, by Stripe's name. Two platforms that name one payment speak of one order.
    PaymentIntent,
}

/// Another name of an order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Alias {
    /// Its kind.
    pub kind: AliasKind,
    /// The name, normalised.
    pub value: String,
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
    /// Other names of the order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Alias>,
    /// What it reports.
    pub kind: FactKind,
    /// As of when, by the shop's clock.
    pub occurred_at: Timestamp,
    /// When it reached us.
    pub received_at: Timestamp,
    /// When the order was placed, by the shop's clock.
    pub ordered_at: Option<Timestamp>,
    /// When the customer went to the checkout, where the channel knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout_at: Option<Timestamp>,
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
    /// What was sold, where the report says it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// Money given back.
    #[serde(default)]
    pub refunds: Vec<Refund>,
    /// Whether these are all refunds.
    #[serde(default)]
    pub refund_list: RefundList,
    /// Says one thing about the order (a refund, a deletion, a dispute) and nothing of what is in
    /// it.
    #[serde(default)]
    pub partial: bool,
    /// Discount codes used.
    #[serde(default)]
    pub coupons: Vec<String>,
    /// Clicks whose valid tokens came with the report.
    #[serde(default)]
    pub touches: Vec<Touch>,
    /// Clicks that the report names by id alone: what is known of them is looked up when the order
    /// is settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clicks: Vec<ClickId>,
    /// Who bought, as a hash of the e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
    /// Whether it is the customer's first order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_customer: Option<bool>,
    /// An order that a subscription made by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renewal: bool,
    /// What the visitor allowed, where the channel knows.
    pub consent: Option<Consent>,
    /// A test order: shown, never earns.
    #[serde(default)]
    pub test: bool,
    /// Fields that could not be understood and were left out, each with the reason.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The report that nobody could read when it came, and that this fact was read from after a
    /// fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reread: Option<UnparsedId>,
}

impl OrderFact {
    /// Turns clicks that came by id into touches, for as much as is known of them.
    pub fn look_up_clicks(&mut self, visit: &dyn Fn(&ClickId) -> Option<Visit>) {
        self.touches.extend(
            self.clicks.drain(..).filter_map(|click| visit(&click)).map(|visit| visit.touch),
        );
    }

    /// A fact that says nothing yet but whose order it is about, who reports, and when it reached
    /// us.
    pub fn blank(
        id: FactId,
        merchant: MerchantId,
        (platform, order_id): (Platform, String),
        source: Source,
        received_at: Timestamp,
    ) -> Self {
        Self {
            id,
            merchant,
            platform,
            order_id,
            source,
            aliases: vec![],
            kind: FactKind::Order,
            occurred_at: received_at,
            received_at,
            ordered_at: None,
            checkout_at: None,
            status: None,
            currency: None,
            goods_minor: None,
            tax_minor: None,
            shipping_minor: None,
            total_minor: None,
            lines: vec![],
            refunds: vec![],
            refund_list: RefundList::Some,
            partial: false,
            coupons: vec![],
            touches: vec![],
            clicks: vec![],
            customer: None,
            new_customer: None,
            renewal: false,
            consent: None,
            test: false,
            notes: vec![],
            reread: None,
        }
    }
}
