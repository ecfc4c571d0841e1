//! WooCommerce webhooks (REST v3 order resources).
//!
//! Each delivery contains the whole order in its current state. It replaces older deliveries,
//! including their refunds: a deleted refund disappears. A field that cannot be read is noted and
//! left out; the rest of the order still counts.
//!
//! SECURITY: the topic is a header, and headers are not signed. So the body alone decides what is
//! said of the order, and when: a delivery is no newer than its `date_modified_gmt`. A header can
//! only keep a delivery from being read. The restore of an order has a body like any other state,
//! dated by the shop when it restored the order.
//!
//! Sources: `class-wc-webhook.php` and the REST API documentation, WooCommerce 11.

use http::header::HeaderMap;
use serde_json::{Map, Value};
use shared::id::FactId;
use shared::money::{Currency, Decimal};
use shared::order::{
    Alias, AliasKind, FactKind, Line, OrderFact, Refund, Status, Touch, normal_order_id,
};
use shared::platform::Platform;
use shared::time::Timestamp;

use crate::amounts::{self, bounded, decimal, minor};
use crate::arrival::{Arrival, Reading};
use crate::fields::{self, first_notes, list, query_token};
use crate::mac::Begun;

/// Fields of WooCommerce's other resources that have an id and a state: subscriptions, coupons,
/// products, customers. Their webhooks are signed with the same secret.
const FOREIGN_FIELDS: [&str; 4] = ["billing_period", "discount_type", "regular_price", "username"];

/// Returns the topic that a delivery's header names.
pub(crate) fn topic(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-wc-webhook-topic").and_then(|topic| topic.to_str().ok())
}

/// Begins to check a delivery: `X-WC-Webhook-Signature` is base64(HMAC-SHA256(secret, body)). The
/// ping has no signature and no topic.
pub(crate) fn begin(headers: &HeaderMap, secrets: &[&str]) -> Begun {
    match fields::begin_signed("X-WC-Webhook-Signature", headers, secrets) {
        Begun::Refused(refusal) if topic(headers).is_none() => Begun::PingOrRefused(refusal),
        begun => begun,
    }
}

/// Returns whether a delivery is the unsigned form that WooCommerce posts when a webhook is saved.
/// WooCommerce expects exactly 200.
pub(crate) fn is_ping(headers: &HeaderMap, body: &[u8]) -> bool {
    let number = body.strip_prefix(b"webhook_id=").unwrap_or_default();
    topic(headers).is_none() && !number.is_empty() && number.iter().all(u8::is_ascii_digit)
}

/// Reads a signed arrival.
pub(crate) fn read(arrival: &Arrival<'_>) -> Reading {
    let topic = topic(arrival.headers).unwrap_or("order.updated");
    if !topic.starts_with("order.") {
        return Reading::Ignored("only order topics are recorded");
    }
    let order = match fields::object(arrival.body) {
        Ok(order) => order,
        Err(reason) => return Reading::Unparsed(reason),
    };
    let Some(id) = order.get("id").and_then(order_id) else {
        return Reading::Unparsed("id: expected the order's number".to_owned());
    };
    // A deletion contains nothing but the id, as do deletions of customers and products.
    if topic == "order.deleted" && order.len() == 1 {
        return Reading::Fact(Box::new(deleted(arrival, id)));
    }
    if let Some(field) = FOREIGN_FIELDS.iter().find(|field| order.contains_key(**field)) {
        return Reading::Unparsed(format!("{field}: no order has this field; set the topic"));
    }
    match order.get("status").and_then(Value::as_str) {
        None => Reading::Unparsed("status: expected a word such as processing".to_owned()),
        Some("auto-draft" | "checkout-draft" | "draft") => {
            Reading::Ignored("a draft is no order yet")
        }
        Some(status) => {
            let reader = Reader { arrival, order: &order, lines: vec![], notes: vec![] };
            Reading::Fact(Box::new(reader.fact(id, status)))
        }
    }
}

fn order_id(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) if number.is_u64() => number.to_string(),
        Value::String(text) => normal_order_id(text),
        _ => return None,
    };
    (!text.is_empty() && text.len() <= 128).then_some(text)
}

/// Returns the id of a fact. The same state of an order, delivered twice, is one fact. `of`
/// separates facts whose bodies may be equal.
fn fact_id(arrival: &Arrival<'_>, of: &str, body: &[u8]) -> FactId {
    FactId::of_content(&[
        b"woocommerce",
        &arrival.merchant.bits().to_be_bytes(),
        of.as_bytes(),
        body,
    ])
}

/// `order.deleted` contains only the id, and an order may be deleted, restored and deleted again.
/// So the second of its arrival is part of the fact's id.
fn deleted(arrival: &Arrival<'_>, order_id: String) -> OrderFact {
    let second = arrival.received_at.as_ms().div_euclid(1000).to_be_bytes();
    let id = fact_id(arrival, "deleted", &[order_id.as_bytes(), &second].concat());
    OrderFact {
        kind: FactKind::Cancel,
        status: Some(Status::Void),
        partial: true,
        ..blank(arrival, order_id, id)
    }
}

fn blank(arrival: &Arrival<'_>, order_id: String, id: FactId) -> OrderFact {
    fields::blank(Platform::Woocommerce, arrival, order_id, id)
}

/// Reads the fields of one order, and notes those that it cannot read.
struct Reader<'a> {
    arrival: &'a Arrival<'a>,
    order: &'a Map<String, Value>,
    lines: Vec<Line>,
    notes: Vec<String>,
}

impl Reader<'_> {
    fn fact(mut self, order_id: String, status: &str) -> OrderFact {
        let status = self.status(status);
        let currency = self.currency();
        let refunds = self.refunds(currency);
        let kind = match status {
            Status::Void => FactKind::Cancel,
            _ if !refunds.is_empty() => FactKind::Refund,
            _ => FactKind::Order,
        };
        let id = fact_id(self.arrival, "order", self.arrival.body);
        let occurred_at = self.time("date_modified_gmt").or_else(|| self.time("date_created_gmt"));
        let goods_minor = self.goods(currency);
        let fact = OrderFact {
            kind,
            aliases: self.aliases(&order_id),
            // It stands in the address of the thank-you page.
            proofs: fields::proofs(self.arrival, [self.order.get("order_key")]),
            occurred_at: occurred_at
                .unwrap_or(self.arrival.received_at)
                .min(self.arrival.received_at),
            ordered_at: self.time("date_created_gmt"),
            status: Some(status),
            currency,
            goods_minor,
            lines: fields::lines(std::mem::take(&mut self.lines), &mut self.notes),
            tax_minor: self.amount("total_tax", currency),
            shipping_minor: self.amount("shipping_total", currency),
            total_minor: self.amount("total", currency),
            refunds,
            coupons: fields::codes(list(self.order, "coupon_lines")),
            touches: self.touches(),
            customer: fields::customer(
                self.arrival,
                [self.order.get("billing").and_then(|b| b.get("email"))],
            ),
            renewal: self.has_meta("_subscription_renewal"),
            test: self.is_test(),
            ..blank(self.arrival, order_id, id)
        };
        OrderFact { notes: first_notes(self.notes), ..fact }
    }

    /// Returns the order's number if it is not the id, and the payment if it is Stripe's.
    fn aliases(&self, order_id: &str) -> Vec<Alias> {
        let meta = self.order.get("meta_data").and_then(Value::as_array).into_iter().flatten();
        let intent =
            meta.filter(|entry| entry.get("key").is_some_and(|key| key == "_stripe_intent_id"));
        let payments =
            intent.filter_map(|entry| entry.get("value")).chain(self.order.get("transaction_id"));
        let is_intent = |value: &&Value| value.as_str().is_some_and(|text| text.starts_with("pi_"));
        let payment = payments
            .filter(is_intent)
            .find_map(|v| fields::alias(AliasKind::PaymentIntent, Some(v)));
        let number = fields::alias(AliasKind::OrderNumber, self.order.get("number"));
        number.filter(|number| number.value != order_id).into_iter().chain(payment).collect()
    }

    /// Reads WooCommerce's states. Plugins add others; for these, the payment date decides whether
    /// the order is paid.
    fn status(&mut self, status: &str) -> Status {
        match status.strip_prefix("wc-").unwrap_or(status) {
            "processing" | "completed" => Status::Paid,
            "on-hold" => Status::Unpaid,
            "pending" => Status::Draft,
            "cancelled" | "refunded" | "failed" | "trash" => Status::Void,
            other => {
                let paid = self.time("date_paid_gmt").is_some();
                self.notes.push(format!(
                    "status: `{other}` is not known; read as {}",
                    if paid { "paid" } else { "unpaid" }
                ));
                if paid { Status::Paid } else { Status::Unpaid }
            }
        }
    }

    fn currency(&mut self) -> Option<Currency> {
        let text = self.order.get("currency").and_then(Value::as_str).unwrap_or_default();
        text.parse().map_err(|error| self.notes.push(format!("currency: {error}"))).ok()
    }

    fn time(&mut self, field: &str) -> Option<Timestamp> {
        let text = self.order.get(field).and_then(Value::as_str)?;
        Timestamp::parse_gmt(text)
            .map_err(|error| self.notes.push(format!("{field}: {error}")))
            .ok()
    }

    fn amount(&mut self, field: &str, currency: Option<Currency>) -> Option<i64> {
        let value = self.order.get(field)?;
        minor(value, currency?).map_err(|reason| self.notes.push(format!("{field}: {reason}"))).ok()
    }

    /// Returns the sum of the lines' totals: after coupons, without tax, shipping and fees. `total`
    /// cannot be used, because gift cards reduce it.
    fn goods(&mut self, currency: Option<Currency>) -> Option<i64> {
        let lines = self.order.get("line_items")?.as_array()?;
        let mut sum = Decimal::ZERO;
        for (index, line) in lines.iter().enumerate() {
            let total = line.get("total").map(decimal).unwrap_or_else(|| Err("missing".to_owned()));
            match total
                .and_then(|total| sum.checked_add(total).ok_or_else(|| "too large".to_owned()))
            {
                Ok(more) => {
                    let own = more.checked_sub(sum).zip(line.as_object());
                    self.lines.extend(
                        own.and_then(|(goods, entry)| fields::line(entry, goods, currency?)),
                    );
                    sum = more;
                }
                Err(reason) => self.notes.push(format!("line_items[{index}].total: {reason}")),
            }
        }
        amounts::goods(sum, currency?, &mut self.notes)
    }

    /// Returns the refunds so far, including tax and shipping. WooCommerce sends them as negative
    /// texts.
    fn refunds(&mut self, currency: Option<Currency>) -> Vec<Refund> {
        let (Some(entries), Some(currency)) =
            (self.order.get("refunds").and_then(Value::as_array), currency)
        else {
            return vec![];
        };
        let mut refunds = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let total = entry.get("total").ok_or_else(|| "missing".to_owned()).and_then(decimal);
            let id = entry.get("id").and_then(order_id).unwrap_or_else(|| format!("#{index}"));
            match total.and_then(|total| bounded(total.abs(), currency)) {
                Ok(total_minor) => refunds.push(Refund::new(id, total_minor, None)),
                Err(reason) => self.notes.push(format!("refunds[{index}].total: {reason}")),
            }
        }
        refunds
    }

    fn meta(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = list(self.order, "meta_data").iter();
        entries
            .filter_map(|entry| Some((entry.get("key")?.as_str()?, entry.get("value")?.as_str()?)))
    }

    /// Returns the clicks of the tokens in the order's meta data: `ac`, `_ac`, or in the address of
    /// the visit's first page.
    fn touches(&mut self) -> Vec<Touch> {
        let mut refused = Vec::new();
        let tokens = self.meta().filter_map(|(key, value)| match key {
            "ac" => Some(("meta_data.ac", value)),
            "_ac" => Some(("meta_data._ac", value)),
            "_wc_order_attribution_session_entry" => {
                Some(("meta_data._wc_order_attribution_session_entry", query_token(value)?))
            }
            _ => None,
        });
        let touches = fields::touches(self.arrival, tokens, &mut refused);
        self.notes.append(&mut refused);
        touches
    }

    /// Returns whether a key is present, with any value.
    fn has_meta(&self, key: &str) -> bool {
        let mut keys =
            list(self.order, "meta_data").iter().filter_map(|entry| entry.get("key")?.as_str());
        keys.any(|found| found == key)
    }

    fn is_test(&self) -> bool {
        self.meta().any(|(key, value)| key == "_wcpay_mode" && value == "test")
    }
}
