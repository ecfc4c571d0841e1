//! Pixel events: the body a shop's page sends, as the server reads it. `pixel-wasm`'s `report` writes
//! it.
//!
//! The shape is `{"v":1,"k":merchant key,"t":click token,"c":consent,"e":[events]}`; amounts are
//! decimal strings. Reading is strict about fields on which money or identity depend, and names
//! the field that is wrong. Of an order that the pixel found in a data layer only the id must be
//! right (`basics::page_order`). What opened the visit only decorates an event, so a code that
//! cannot be one is left out. Unknown fields are ignored, so that an older server understands a
//! newer pixel.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::code::CODE_BYTES_MAX;
use crate::consent::Consent;
use crate::json::repaired;
use crate::order::normal_order_id;
use crate::wire;

pub use basics::page_order::{Item, Order, PageSource, Unread};

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
    /// The discount code that opened the visit, as the address or the page spelled it: at most
    /// [`CODE_BYTES_MAX`] bytes; empty when there is none.
    #[serde(default, deserialize_with = "code")]
    pub code: String,
    /// When that was by the visitor's clock, in milliseconds since the Unix epoch.
    #[serde(default, deserialize_with = "moment")]
    pub code_at: Option<i64>,
}

/// Reads a code; nothing of what cannot be one.
fn code<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let value = Value::deserialize(from)?;
    let code = value.as_str().map(str::trim).filter(|code| code.len() <= CODE_BYTES_MAX);
    Ok(code.unwrap_or_default().to_owned())
}

/// Reads a moment; nothing of what is no whole number.
fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Ok(Value::deserialize(from)?.as_i64())
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
        if order.value.is_some() && order.currency.is_none() && order.source.is_none() {
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
        "value":"129.90","currency":"EUR","coupon":"ANNA\"15\\\n\u0001é","new_customer":true,"key":"wc_order_1","sig":"00ff",
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
            coupons: vec!["ANNA\"15\\\n\u{1}é".into()],
            new_customer: Some(true),
            key: Some("wc_order_1".into()),
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
            code: String::new(),
            code_at: None,
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
    fn a_code_that_cannot_be_one_is_left_out_and_loses_no_purchase() {
        let read = |fields: &str| {
            let body = PURCHASE.replace("\"r\":\"\"", &format!("\"r\":\"\",{fields}"));
            let event = Batch::decode(body.as_bytes()).unwrap().events.remove(0);
            (event.code, event.code_at)
        };
        let long = format!("\"code\":\"{}\",\"code_at\":\"x\"", "A".repeat(CODE_BYTES_MAX + 1));
        let code = |code: &str, at| (code.to_owned(), at);
        assert_eq!(read("\"code\":\" ANNA15 \",\"code_at\":5"), code("ANNA15", Some(5)));
        assert_eq!(read("\"code\":\"ANNA15\""), code("ANNA15", None));
        for fields in [&long, "\"code\":7,\"code_at\":1.5", "\"code\":null,\"code_at\":null"] {
            assert_eq!(read(fields), code("", None), "{fields}");
        }
    }

    /// Decodes the order with fields replaced, as the pixel finds it in the data layer.
    fn found(changes: &[(&str, &str)]) -> Order {
        let body = PURCHASE.replace("\"sig\":\"00ff\"", "\"source\":\"ga4\"");
        let body = changes.iter().fold(body, |body, (from, to)| body.replace(from, to));
        let batch = Batch::decode(body.as_bytes()).unwrap();
        batch.events[0].order.clone().unwrap()
    }

    #[test]
    fn what_decorates_a_found_order_does_not_refuse_it() {
        for (from, to, field, text) in [
            ("\"129.90\"", "\"1,234.50\"", "value", "1,234.50"),
            ("\"129.90\"", "\"10,50\"", "value", "10,50"),
            ("\"129.90\"", "{\"a\":1}", "value", "{\"a\":1}"),
            ("\"EUR\"", "\"EURO\"", "currency", "EURO"),
            ("\"64.95\"", "\"64.95 €\"", "items[0].price", "64.95 €"),
            ("true", "\"yes\"", "new_customer", "yes"),
            ("\"currency\":\"EUR\",", "", "currency", ""),
        ] {
            let order = found(&[(from, to)]);
            assert_eq!(order.id, "1001");
            assert_eq!(order.source, Some(PageSource::Ga4));
            let unread = Unread { field: field.into(), text: text.into() };
            assert_eq!(order.unread, [unread], "{to}");
        }
        assert_eq!(found(&[]).unread, []);
        let empty = found(&[("\"129.90\"", "\"\""), ("\"EUR\"", "\" \"")]);
        assert_eq!((empty.value, empty.currency, empty.unread), (None, None, vec![]));
        let lines = found(&[("[{\"sku\"", "[null,{\"sku\"")]);
        assert_eq!((lines.items.len(), lines.unread), (1, vec![]));
    }

    #[test]
    fn a_found_order_has_all_its_codes() {
        let code = r#""ANNA\"15\\\n\u0001é""#;
        for list in ["\"A1, B2\"", "[\"A1\",\"B2\"]", "[\"A1,B2\",\"\"]"] {
            assert_eq!(found(&[(code, list)]).coupons, ["A1", "B2"], "{list}");
        }
        let call = PURCHASE.replace(code, "\"A1, B2\"");
        let order = Batch::decode(call.as_bytes()).unwrap().events[0].order.clone().unwrap();
        assert_eq!(order.coupons, ["A1, B2"], "a call names one code");
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
            (with("129.90", "12,90"), "value: `12,90`"),
            (with("64.95", "x"), "items[0].price: `x`"),
            (with("\"2\"", "[]"), "items[0].qty"),
            (with("true", "\"yes\""), "new_customer"),
            (with("\"wc_order_1\"", "7"), "key"),
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
