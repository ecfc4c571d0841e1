//! Order facts: what one channel said of an order at one time, as it is kept in the journal.
//!
//! A fact holds what the channel said and nothing else: a field that the channel left out is empty,
//! and a field that could not be read is noted. Facts are never changed. The fold decides what they
//! mean together.

use serde::{Deserialize, Serialize};

use super::code_visit::CodeVisit;
use super::touch::{Touch, Visit};
use crate::consent::Consent;
use crate::id::{ClickId, CustomerId, FactId, MerchantId, ProofId, UnparsedId};
use crate::money::Currency;
use crate::platform::Platform;
use crate::time::Timestamp;

/// The source of a fact, least trusted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The pixel found it in the page's data layer.
    DataLayer,
    /// The shop's page told the pixel.
    Pixel,
    /// An authenticated postback, server call or import.
    Postback,
    /// A webhook signed by the shop's platform.
    Webhook,
}

impl Source {
    /// Returns the word that exports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DataLayer => "data_layer",
            Self::Pixel => "pixel",
            Self::Postback => "postback",
            Self::Webhook => "webhook",
        }
    }

    /// Returns whether the shop's server confirms the fact. What only a browser said is a claim.
    pub const fn confirms(self) -> bool {
        matches!(self, Self::Postback | Self::Webhook)
    }
}

/// The kind of event that a fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// The present state of the order.
    Order,
    /// The present state of the order, with a refund.
    Refund,
    /// The order is void.
    Cancel,
}

impl FactKind {
    /// Returns the word that exports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Refund => "refund",
            Self::Cancel => "cancel",
        }
    }
}

/// The state of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not placed yet, such as a cart or an abandoned payment. Earns nothing.
    Draft,
    /// Placed but not paid. Accrues commission, which is not approved yet.
    Unpaid,
    /// Paid: its commission may be approved.
    Paid,
    /// Cancelled, failed, refunded whole or deleted. Earns nothing.
    Void,
}

impl Status {
    /// Returns the word that exports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Unpaid => "unpaid",
            Self::Paid => "paid",
            Self::Void => "void",
        }
    }
}

/// A refund of an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Refund {
    /// The shop's id of the refund.
    pub id: String,
    /// The amount, tax and shipping included; positive.
    pub total_minor: i64,
    /// The goods in it, without tax and shipping, if the shop named the lines: zero for a refund of
    /// shipping only. `None` reduces the goods pro rata.
    #[serde(default)]
    pub goods_minor: Option<i64>,
    /// The goods by line, if the shop named the lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<RefundedLine>,
}

impl Refund {
    /// Makes a refund that does not name the lines.
    pub const fn new(id: String, total_minor: i64, goods_minor: Option<i64>) -> Self {
        Self { id, total_minor, goods_minor, lines: vec![] }
    }
}

/// The part of a refund that belongs to one line of the order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RefundedLine {
    /// The line's id, as in [`Line::id`].
    pub line: String,
    /// The goods of this line that were given back.
    pub goods_minor: i64,
}

/// A refund that was reported and did not reach the customer: the shop has the money again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FailedRefund {
    /// The provider's id of the refund that failed.
    pub id: String,
    /// The [`Refund::id`] under which the sum was reported that has it in.
    pub of: String,
    /// Its amount; positive.
    pub total_minor: i64,
}

/// A line of an order, with the fields that commission rules use.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Line {
    /// The shop's id of the line, unique in the order.
    pub id: String,
    /// The article number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// The shop's id of the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The shop's category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The worth after discounts, without tax.
    pub goods_minor: i64,
}

/// The kind of a name that an order has beside its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AliasKind {
    /// The number by which the shop counts its orders, which customers see.
    OrderNumber,
    /// The order number with the shop's prefix or suffix.
    OrderName,
    /// The unguessable key in the address of WooCommerce's thank-you page. Only facts of record
    /// version 1 name it here; [`OrderFact::seal`] makes a proof of it.
    OrderKey,
    /// The number that Magento's customers see.
    IncrementId,
    /// The checkout from which it came. As [`AliasKind::OrderKey`].
    CheckoutToken,
    /// The cart from which it came.
    CartToken,
    /// Stripe's id of the payment. Two platforms that name the same payment mean the same order.
    PaymentIntent,
}

/// Another name of an order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Alias {
    /// The kind of this name.
    pub kind: AliasKind,
    /// The name, normalised.
    pub value: String,
}

/// The meaning of a fact's list of refunds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundList {
    /// All refunds at the time of the fact: one that is missing was taken back.
    #[default]
    Whole,
    /// Some refunds: those known from other facts stay valid.
    Some,
}

/// A part of what an order is worth, without which its commission cannot be known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmountPart {
    /// The currency, and with it every amount.
    Currency,
    /// The goods, or the worth of one line of them.
    Goods,
    /// The amount that the customer pays.
    Total,
    /// The refund with this id.
    Refund(String),
}

/// An amount that a channel stated and that could not be read. It is unknown, never zero.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unreadable {
    /// What is unknown because of it.
    pub part: AmountPart,
    /// The field as the channel names it, such as `line_items[1].total`.
    pub field: String,
    /// The shape of its value, such as `9,999.99`: digits as 9, letters as a.
    pub shape: String,
}

/// What one channel said of an order at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderFact {
    /// A hash of what was sent, so that a repeated delivery is the same fact.
    pub id: FactId,
    /// The merchant in whose shop the order was placed.
    pub merchant: MerchantId,
    /// The platform that said it.
    pub platform: Platform,
    /// The shop's own order id, normalised.
    pub order_id: String,
    /// The channel, which decides how far the fact is trusted.
    pub source: Source,
    /// Other names of the order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Alias>,
    /// In a fact of the shop: the keys that only the shop and the buyer's page have, hashed. In a
    /// browser's claim: the key that the page brought, hashed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proofs: Vec<ProofId>,
    /// False for a fact that was recorded before claims needed a proof: in record version 1.
    #[serde(default)]
    pub asks_proof: bool,
    /// The kind of event that it is about.
    pub kind: FactKind,
    /// The time of the event, by the shop's clock.
    pub occurred_at: Timestamp,
    /// The time at which it reached us, by our clock.
    pub received_at: Timestamp,
    /// The time at which the order was placed, by the shop's clock.
    pub ordered_at: Option<Timestamp>,
    /// The time at which the customer went to the checkout, if the channel knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout_at: Option<Timestamp>,
    /// The state of the order.
    pub status: Option<Status>,
    /// Currency of every amount here.
    pub currency: Option<Currency>,
    /// Goods after discounts, without tax and shipping.
    pub goods_minor: Option<i64>,
    /// Tax.
    pub tax_minor: Option<i64>,
    /// Shipping costs.
    pub shipping_minor: Option<i64>,
    /// The amount that the customer pays.
    pub total_minor: Option<i64>,
    /// The lines of the order, if the channel named them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// The refunds that the channel named.
    #[serde(default)]
    pub refunds: Vec<Refund>,
    /// The refunds that failed. Each reduces the sum that was reported before, until a later fact
    /// reports the sum anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_refunds: Vec<FailedRefund>,
    /// The meaning of this list: all refunds, or some.
    #[serde(default)]
    pub refund_list: RefundList,
    /// True when the fact is only about one event (a refund, a deletion, a dispute) and does not
    /// have the contents of the order.
    #[serde(default)]
    pub partial: bool,
    /// The discount codes that were used.
    #[serde(default)]
    pub coupons: Vec<String>,
    /// The clicks whose valid tokens came with the fact.
    #[serde(default)]
    pub touches: Vec<Touch>,
    /// Clicks that the fact names by id only. They are looked up when the order is settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clicks: Vec<ClickId>,
    /// The visit by a discount code in which the page reports the order. Only pages tell of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_visit: Option<CodeVisit>,
    /// The customer, as a hash of the e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
    /// The mailbox of that address, as a hash too: [`CustomerId::of_mailbox`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<CustomerId>,
    /// True for the customer's first order, false for a later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_customer: Option<bool>,
    /// True for an order that a subscription made without the customer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renewal: bool,
    /// The visitor's consent, if the channel knows it.
    pub consent: Option<Consent>,
    /// True for a test order, which is shown and never earns.
    #[serde(default)]
    pub test: bool,
    /// The fields that could not be read and were left out, each with the reason.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The amounts that could not be read. The order's commission is held while they are unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<Unreadable>,
    /// True where the same content, delivered again, says anew that the order is so: the channel
    /// has no better word for when it was so than the arrival. False where the first delivery
    /// counts alone, however often the content is sent again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restates: bool,
    /// The unparsed delivery from which this fact was read after a fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reread: Option<UnparsedId>,
}

impl OrderFact {
    /// Turns names that are keys into proofs. Facts of record version 1 hold such names in plain.
    pub fn seal(&mut self) {
        let is_key =
            |alias: &Alias| matches!(alias.kind, AliasKind::OrderKey | AliasKind::CheckoutToken);
        let keys = self.aliases.extract_if(.., |alias| is_key(alias));
        let proofs = keys.filter_map(|key| ProofId::of_key(self.merchant, &key.value));
        self.proofs.extend(proofs.collect::<Vec<_>>());
        self.proofs.sort_unstable();
        self.proofs.dedup();
    }

    /// Returns whether a browser brought the fact, with the signature of the shop's page. Only
    /// browsers state the visitor's consent.
    pub const fn is_signed_page(&self) -> bool {
        self.source.confirms() && self.consent.is_some()
    }

    /// Returns why a part of the amounts is unknown, if the channel stated it and it could not be
    /// read.
    pub fn unreadable_part(&self, part: &AmountPart) -> Option<&Unreadable> {
        self.unreadable.iter().find(|unreadable| unreadable.part == *part)
    }

    /// Turns clicks that came by id into touches. Clicks that `visit` does not know are left out.
    pub fn look_up_clicks(&mut self, visit: &dyn Fn(&ClickId) -> Option<Visit>) {
        self.touches.extend(
            self.clicks.drain(..).filter_map(|click| visit(&click)).map(|visit| visit.touch),
        );
    }

    /// Makes a fact that only has the order, the source and the time of arrival.
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
            proofs: vec![],
            asks_proof: true,
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
            failed_refunds: vec![],
            refund_list: RefundList::Some,
            partial: false,
            coupons: vec![],
            touches: vec![],
            clicks: vec![],
            code_visit: None,
            customer: None,
            mailbox: None,
            new_customer: None,
            renewal: false,
            consent: None,
            test: false,
            notes: vec![],
            unreadable: vec![],
            restates: false,
            reread: None,
        }
    }
}
