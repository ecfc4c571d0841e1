//! Pixel events: the body a shop's page sends, written by the pixel and read by the server with the same types.
//!
//! The shape is `{"v":1,"k":merchant key,"t":click token,"c":consent,"e":[events]}`; amounts are decimal strings.
//! Reading is strict about what money or identity depends on and names the field that is wrong; unknown fields are
//! ignored, so that an older server understands a newer pixel.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::money::{Currency, Decimal};
use crate::order::normal_order_id;

/// Events one body may carry.
pub const EVENTS_MAX: usize = 50;
/// Bytes of a body the collector reads.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Characters kept of a page or referrer address.
pub const URL_CHARS_MAX: usize = 2048;

/// What the visitor allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// The page has not said.
    #[default]
    Unknown,
    /// Storage and measurement allowed.
    Granted,
    /// Refused: nothing is stored and nothing is sent but what the law exempts.
    Denied,
}

impl Consent {
    /// The word used on the wire and in exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Granted => "granted",
            Self::Denied => "denied",
        }
    }
}

/// What happened on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventName {
    /// A visit that began with a click.
    Session,
    /// Another page of such a visit.
    Page,
    /// A sign-up, a form, a trial.
    Lead,
    /// An order as the browser saw it: a claim until the shop's server confirms it.
    Purchase,
}

impl EventName {
    /// The word used on the wire.
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
    /// Version of this shape; 1.
    #[serde(rename = "v")]
    pub version: u8,
    /// The merchant's public key.
    #[serde(rename = "k")]
    pub merchant_key: String,
    /// The click token as the page knows it; empty when only the cookie has it.
    #[serde(rename = "t", default)]
    pub token: String,
    /// What the visitor allowed.
    #[serde(rename = "c", default)]
    pub consent: Consent,
    /// The events, oldest first.
    #[serde(rename = "e")]
    pub events: Vec<Event>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Event {
    /// A UUID chosen by the page (version 7), the same on every try.
    pub id: String,
    /// What happened.
    #[serde(rename = "n")]
    pub name: EventName,
    /// When, by the visitor's clock, in milliseconds since the Unix epoch.
    pub ts: i64,
    /// The page's address.
    #[serde(rename = "u", default)]
    pub url: String,
    /// The address the visitor came from.
    #[serde(rename = "r", default)]
    pub referrer: String,
    /// The order, for a purchase (optional for a lead).
    #[serde(rename = "o", default)]
    pub order: Option<Order>,
}

/// An order as the page knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Order {
    /// The shop's own order id.
    pub id: String,
    /// What the customer pays, or the goods' value: shops differ.
    pub value: Option<Decimal>,
    /// Currency of every amount here.
    pub currency: Option<Currency>,
    /// Tax contained or added.
    pub tax: Option<Decimal>,
    /// Shipping.
    pub shipping: Option<Decimal>,
    /// The discount code used.
    pub coupon: Option<String>,
    /// Whether it is the customer's first order.
    pub new_customer: Option<bool>,
    /// The shop's own MAC over id, amounts and currency, in hex: the page only carries it.
    pub sig: Option<String>,
    /// The lines.
    #[serde(default)]
    pub items: Vec<Item>,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Item {
    /// The shop's article number.
    pub sku: Option<String>,
    /// What it is called.
    pub name: Option<String>,
    /// Its category.
    pub category: Option<String>,
    /// How many.
    pub qty: Option<Decimal>,
    /// Price of one.
    pub price: Option<Decimal>,
}

impl Batch {
    /// Reads and checks a body.
    ///
    /// # Errors
    /// Names the field that is wrong and what was expected; the sender is at fault.
    pub fn decode(body: &[u8]) -> Result<Self, EventError> {
        let batch: Self = serde_json::from_slice(body).map_err(|e| EventError::Malformed(e.to_string()))?;
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

    /// Writes the body. Written by hand: the pixel cannot afford serde's code size.
    pub fn encode(&self) -> String {
        let mut json = JsonWriter::default();
        json.raw("{\"v\":1").string(",\"k\":", &self.merchant_key).string(",\"t\":", &self.token);
        json.string(",\"c\":", self.consent.as_str()).raw(",\"e\":[");
        for (index, event) in self.events.iter().enumerate() {
            json.raw(if index == 0 { "" } else { "," });
            event.encode(&mut json);
        }
        json.raw("]}");
        json.text
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
            return Err(EventError::field(format!("e[{index}].o.currency"), "an amount needs its currency"));
        }
        Ok(())
    }

    fn encode(&self, json: &mut JsonWriter) {
        json.string("{\"id\":", &self.id)
            .string(",\"n\":", self.name.as_str())
            .raw(",\"ts\":")
            .number(self.ts);
        json.string(",\"u\":", &self.url).string(",\"r\":", &self.referrer);
        if let Some(order) = &self.order {
            order.encode(json);
        }
        json.raw("}");
    }
}

impl Order {
    fn encode(&self, json: &mut JsonWriter) {
        json.string(",\"o\":{\"id\":", &self.id).decimal(",\"value\":", self.value);
        if let Some(currency) = self.currency {
            json.string(",\"currency\":", currency.code());
        }
        json.decimal(",\"tax\":", self.tax).decimal(",\"shipping\":", self.shipping);
        json.optional(",\"coupon\":", self.coupon.as_deref());
        if let Some(new) = self.new_customer {
            json.raw(if new { ",\"new_customer\":true" } else { ",\"new_customer\":false" });
        }
        json.optional(",\"sig\":", self.sig.as_deref());
        json.raw(",\"items\":[");
        for (index, item) in self.items.iter().enumerate() {
            json.raw(if index == 0 { "{" } else { ",{" });
            item.encode(json);
        }
        json.raw("]}");
    }
}

impl Item {
    fn encode(&self, json: &mut JsonWriter) {
        json.string("\"sku\":", self.sku.as_deref().unwrap_or_default());
        json.optional(",\"name\":", self.name.as_deref())
            .optional(",\"category\":", self.category.as_deref());
        json.decimal(",\"qty\":", self.qty).decimal(",\"price\":", self.price).raw("}");
    }
}

/// Whether a text can be an order id: not empty, not a placeholder that a broken template left behind.
///
/// Google merges all purchases with an empty transaction id; such ids would do the same here.
pub fn is_order_id(text: &str) -> bool {
    let id = normal_order_id(text);
    let placeholder = ["undefined", "null", "nan", "none", "0", "(not set)"];
    !id.is_empty()
        && id.len() <= 128
        && !placeholder.contains(&id.to_ascii_lowercase().as_str())
        && !id.contains(['{', '}', '<', '>', '[', ']'])
        && !id.chars().any(char::is_control)
}

/// What is wrong with a body. The sender is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not the JSON that was expected.
    #[error("body: {0}")]
    Malformed(String),
    /// A field that is there but wrong, or missing.
    #[error("{field}: {reason}")]
    Field {
        /// Path of the field, e.g. `e[0].o.id`.
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

/// Just enough JSON for one body.
#[derive(Default)]
struct JsonWriter {
    text: String,
}

impl JsonWriter {
    fn raw(&mut self, json: &str) -> &mut Self {
        self.text.push_str(json);
        self
    }

    fn number(&mut self, value: i64) -> &mut Self {
        // Writing to a String cannot fail.
        _ = write!(self.text, "{value}");
        self
    }

    fn decimal(&mut self, key: &str, value: Option<Decimal>) -> &mut Self {
        if let Some(value) = value {
            _ = write!(self.text, "{key}\"{value}\"");
        }
        self
    }

    fn optional(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        value.map_or_else(|| (), |value| _ = self.string(key, value));
        self
    }

    fn string(&mut self, key: &str, value: &str) -> &mut Self {
        self.text.push_str(key);
        self.text.push('"');
        for character in value.chars() {
            match character {
                '"' | '\\' => self.text.extend(['\\', character]),
                control if control < ' ' => _ = write!(self.text, "\\u{:04x}", u32::from(control)),
                other => self.text.push(other),
            }
        }
        self.text.push('"');
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purchase(id: &str) -> Batch {
        let item = Item {
            sku: Some("A1".into()),
            qty: "2".parse().ok(),
            price: "64.95".parse().ok(),
            ..Item::default()
        };
        let order = Order {
            id: id.into(),
            value: "129.90".parse().ok(),
            currency: "EUR".parse().ok(),
            coupon: Some("ANNA\"15\\\n\u{1}é".into()),
            new_customer: Some(true),
            sig: Some("00ff".into()),
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
        Batch {
            version: 1,
            merchant_key: "k1".into(),
            token: String::new(),
            consent: Consent::Granted,
            events: vec![event],
        }
    }

    #[test]
    fn what_the_pixel_writes_the_server_reads() {
        let batch = purchase("1001");
        assert_eq!(Batch::decode(batch.encode().as_bytes()), Ok(batch));
    }

    #[test]
    fn errors_name_the_field() {
        for (body, field) in [
            (purchase("undefined").encode(), "e[0].o.id"),
            (purchase("{{order_id}}").encode(), "e[0].o.id"),
            (purchase("# #").encode(), "e[0].o.id"),
            (purchase(" #undefined ").encode(), "e[0].o.id"),
            (purchase("1").encode().replace("\"v\":1", "\"v\":2"), "v: expected 1"),
            (purchase("1").encode().replace("129.90", "12,90"), "12,90"),
            (purchase("1").encode().replace("\"EUR\"", "\"EURO\""), "EURO"),
            (purchase("1").encode().replace(",\"currency\":\"EUR\"", ""), "e[0].o.currency"),
            (purchase("1").encode().replace("0193a0c4", "x"), "e[0].id"),
            ("{\"v\":1,\"k\":\"k\",\"e\":[]}".into(), "e: expected 1 to 50"),
            ("{\"v\":1,\"e\":[]}".into(), "missing field `k`"),
            ("[]".into(), "body"),
        ] {
            let error = Batch::decode(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(field), "{error} should name {field}");
        }
    }
}
