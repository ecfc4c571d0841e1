//! Pixel events: the body a shop's page sends, as the server reads it. `pixel-wasm/web/shell.js`
//! writes it.
//!
//! The shape is `{"v":1,"k":merchant key,"t":click token,"c":consent,"e":[events]}`; amounts are
//! decimal strings. Reading is strict about fields on which money or identity depend, and names
//! the field that is wrong. Unknown fields are ignored, so that an older server understands a newer
//! pixel.

use serde::{Deserialize, Serialize};

use crate::consent::Consent;
use crate::json::repaired;
use crate::money::{Currency, Decimal};
use crate::order::normal_order_id;
use crate::wire;

/// The number of events that a body may have.
pub const EVENTS_MAX: usize = 50;
/// The number of bytes that the collector reads of a body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// The kind of a pixel event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventName {
    /// A visit that began with a click.
    Session,
    /// Another page of such a visit.
    Page,
    /// A sign-up, a form, a trial.
    Lead,
    /// An order as the browser reports it: a claim until the shop's server confirms it.
    Purchase,
}

impl EventName {
    /// Returns the word that pixel events use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Page => "page",
            Self::Lead => "lead",
            Self::Purchase => "purchase",
        }
    }
}

/// A body as sent to `POST /_ac/e`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Batch {
    /// The version of this shape: 1.
    #[serde(rename = "v")]
    pub version: u8,
    /// The merchant's public key.
    #[serde(rename = "k")]
    pub merchant_key: String,
    /// The click token that the page knows; empty when only the cookie has it.
    #[serde(rename = "t", default)]
    pub token: String,
    /// The visitor's consent.
    #[serde(rename = "c", default)]
    pub consent: Consent,
    /// The events, oldest first.
    #[serde(rename = "e")]
    pub events: Vec<Event>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Event {
    /// A UUID of version 7. The page chooses it and keeps it for every retry.
    pub id: String,
    /// The kind of event.
    #[serde(rename = "n")]
    pub name: EventName,
    /// The time by the visitor's clock, in milliseconds since the Unix epoch.
    pub ts: i64,
    /// The page's address.
    #[serde(rename = "u", default)]
    pub url: String,
    /// The address from which the visitor came.
    #[serde(rename = "r", default)]
    pub referrer: String,
    /// The order: required for a purchase, optional for a lead.
    #[serde(rename = "o", default)]
    pub order: Option<Order>,
}

/// An order as the page knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Order {
    /// The shop's own order id.
    pub id: String,
    /// The amount that the customer pays, or the value of the goods: shops differ.
    pub value: Option<Decimal>,
    /// The currency of all amounts of the order.
    pub currency: Option<Currency>,
    /// The tax, contained or added.
    pub tax: Option<Decimal>,
    /// The shipping costs.
    pub shipping: Option<Decimal>,
    /// The discount code that was used.
    pub coupon: Option<String>,
    /// True for the customer's first order, false for a later one.
    pub new_customer: Option<bool>,
    /// The order's key: what only the buyer's page and the shop know. It proves that the page is the
    /// buyer's.
    pub key: Option<String>,
    /// The shop's MAC over id, amounts and currency, in hex. The page only passes it on.
    pub sig: Option<String>,
    /// The place on the page where the pixel found it; absent when the page reported it by a call.
    pub source: Option<PageSource>,
    /// The lines.
    #[serde(default)]
    pub items: Vec<Item>,
}

/// The place on a page where the pixel found an order that no call reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PageSource {
    /// Google's data layer.
    Ga4,
    /// A place unknown to this version.
    #[serde(other)]
    Other,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Item {
    /// The shop's article number.
    pub sku: Option<String>,
    /// The name of the article.
    pub name: Option<String>,
    /// Its category.
    pub category: Option<String>,
    /// The number of pieces.
    pub qty: Option<Decimal>,
    /// The price of one piece.
    pub price: Option<Decimal>,
}

impl Batch {
    /// Reads and checks a body.
    ///
    /// # Errors
    /// Names the field that is wrong and what was expected. The sender is at fault.
    pub fn decode(body: &[u8]) -> Result<Self, EventError> {
        let batch: Self = serde_json::from_slice(&repaired(body))
            .map_err(|e| EventError::Malformed(e.to_string()))?;
        if batch.version != 1 {
            return Err(EventError::field("v", "expected 1"));
        }
        if batch.events.is_empty() || batch.events.len() > EVENTS_MAX {
            return Err(EventError::field("e", format!("expected 1 to {EVENTS_MAX} events")));
        }
        for (index, event) in batch.events.iter().enumerate() {
            event.check(index)?;
        }
        Ok(batch)
    }
}

impl Event {
    fn check(&self, index: usize) -> Result<(), EventError> {
        if self.id.len() != 36 || !self.id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
            return Err(EventError::field(format!("e[{index}].id"), "expected a UUID"));
        }
        if self.name != EventName::Purchase {
            return Ok(());
        }
        let Some(order) = &self.order else {
            return Err(EventError::field(format!("e[{index}].o"), "a purchase needs its order"));
        };
        if !is_order_id(&order.id) {
            let why = "expected the shop's order id, not an empty or placeholder text";
            return Err(EventError::field(format!("e[{index}].o.id"), why));
        }
        if order.value.is_some() && order.currency.is_none() {
            return Err(EventError::field(
                format!("e[{index}].o.currency"),
                "an amount needs its currency",
            ));
        }
        Ok(())
    }
}

/// Returns whether a text can be an order id: see [`wire::is_order_id`].
pub fn is_order_id(text: &str) -> bool {
    wire::is_order_id(normal_order_id(text).as_bytes())
}

/// The reason why a body is invalid. The sender is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The body is not JSON of the expected shape.
    #[error("body: {0}")]
    Malformed(String),
    /// A field is missing or invalid.
    #[error("{field}: {reason}")]
    Field {
        /// The path of the field, such as `e[0].o.id`.
        field: String,
        /// What was expected.
        reason: String,
    },
}

impl EventError {
    fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Field { field: field.into(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURCHASE: &str = r#"{"v":1,"k":"k1","t":"","c":"granted","e":[{"id":"0193a0c4-8f9e-7d3a-9b1c-2f4e6a8c0d1e",
        "n":"purchase","ts":1763800000000,"u":"https://shop.example/thanks?order=1001","r":"","o":{"id":"1001",
        "value":"129.90","currency":"EUR","coupon":"ANNA\"15\\\n\u0001é","new_customer":true,"key":"wc_order_1","sig":"00ff","source":"ga4",
        "items":[{"sku":"A1","qty":"2","price":"64.95"}]}}]}"#;

    #[test]
    fn a_body_is_read_field_by_field() {
        let item = Item {
            sku: Some("A1".into()),
            qty: "2".parse().ok(),
            price: "64.95".parse().ok(),
            ..Item::default()
        };
        let order = Order {
            id: "1001".into(),
            value: "129.90".parse().ok(),
            currency: "EUR".parse().ok(),
            coupon: Some("ANNA\"15\\\n\u{1}é".into()),
            new_customer: Some(true),
            key: Some("wc_order_1".into()),
            sig: Some("00ff".into()),
            source: Some(PageSource::Ga4),
            items: vec![item],
            ..Order::default()
        };
        let event = Event {
            id: "0193a0c4-8f9e-7d3a-9b1c-2f4e6a8c0d1e".into(),
            name: EventName::Purchase,
            ts: 1_763_800_000_000,
            url: "https://shop.example/thanks?order=1001".into(),
            referrer: String::new(),
            order: Some(order),
        };
        let batch = Batch {
            version: 1,
            merchant_key: "k1".into(),
            token: String::new(),
            consent: Consent::Granted,
            events: vec![event],
        };
        assert_eq!(Batch::decode(PURCHASE.as_bytes()), Ok(batch));
    }

    #[test]
    fn errors_name_the_field() {
        let with = |from: &str, to: &str| PURCHASE.replace(from, to);
        let order_id = |id: &str| with("\"id\":\"1001\"", &format!("\"id\":\"{id}\""));
        for (body, field) in [
            (order_id("undefined"), "e[0].o.id"),
            (order_id("{{order_id}}"), "e[0].o.id"),
            (order_id("# #"), "e[0].o.id"),
            (order_id(" #undefined "), "e[0].o.id"),
            (with("\"v\":1", "\"v\":2"), "v: expected 1"),
            (with("129.90", "12,90"), "12,90"),
            (with("\"EUR\"", "\"EURO\""), "EURO"),
            (with("\"currency\":\"EUR\",", ""), "e[0].o.currency"),
            (with("0193a0c4", "x"), "e[0].id"),
            ("{\"v\":1,\"k\":\"k\",\"e\":[]}".into(), "e: expected 1 to 50"),
            ("{\"v\":1,\"e\":[]}".into(), "missing field `k`"),
            ("[]".into(), "body"),
        ] {
            let error = Batch::decode(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(field), "{error} should name {field}");
        }
    }
}
