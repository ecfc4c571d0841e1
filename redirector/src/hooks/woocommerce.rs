//! WooCommerce webhooks (REST v3 order resources).
//!
//! Each delivery is the whole order as it stands, so it replaces what an older one said, its set of refunds included: a
//! deleted refund vanishes. One strange field fails that field, not the order. Where the facts come from:
//! `class-wc-webhook.php` and the REST API documentation, WooCommerce 11.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderMap;
use serde_json::{Map, Value};
use sha2::Sha256;
use shared::catalog::Platform;
use shared::commission::AMOUNT_MAX;
use shared::id::FactId;
use shared::money::{Currency, Decimal};
use shared::order::{FactKind, OrderFact, Refund, Source, Status, Touch, normal_order_id};
use shared::time::Timestamp;

use crate::hooks::{Context, Report};

/// Notes that a fact keeps about fields that were not understood.
const NOTES_MAX: usize = 20;

/// The topic a delivery's header names.
pub(crate) fn topic(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-wc-webhook-topic").and_then(|topic| topic.to_str().ok())
}

/// Whether it is the unsigned form that WooCommerce posts when a webhook is saved; it wants exactly 200.
pub(crate) fn is_ping(headers: &HeaderMap, body: &[u8]) -> bool {
    let number = body.strip_prefix(b"webhook_id=").unwrap_or_default();
    topic(headers).is_none() && !number.is_empty() && number.iter().all(u8::is_ascii_digit)
}

/// Whether the body is signed: `X-WC-Webhook-Signature` is base64(HMAC-SHA256(secret, body)). In constant time.
pub(crate) fn is_signed(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let signature =
        headers.get("x-wc-webhook-signature").and_then(|value| STANDARD.decode(value.as_bytes()).ok());
    let (Some(signature), Ok(mac)) = (signature, Hmac::<Sha256>::new_from_slice(secret.as_bytes())) else {
        return false;
    };
    mac.chain_update(body).verify_slice(&signature).is_ok()
}

/// Reads a signed delivery.
pub(crate) fn read(context: &Context<'_>, headers: &HeaderMap, body: &[u8]) -> Report {
    let topic = topic(headers).unwrap_or("order.updated");
    if !topic.starts_with("order.") {
        return Report::Ignored("only order topics are recorded");
    }
    let order = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(order)) => order,
        Ok(_) => return Report::Unparsed("body: expected a JSON object".to_owned()),
        Err(error) => return Report::Unparsed(format!("body: {error}")),
    };
    let Some(id) = order.get("id").and_then(order_id) else {
        return Report::Unparsed("id: expected the order's number".to_owned());
    };
    // SECURITY: the topic is not signed. Only a body that says nothing but the id is a deletion.
    if topic == "order.deleted" && order.len() == 1 {
        return Report::Fact(Box::new(deleted(context, id)));
    }
    match order.get("status").and_then(Value::as_str) {
        None => Report::Unparsed("status: expected a word such as processing".to_owned()),
        Some("auto-draft" | "checkout-draft" | "draft") => Report::Ignored("a draft is no order yet"),
        Some(status) => {
            let fact = Reader { context, order: &order, notes: vec![] }.fact(id, status, body);
            Report::Fact(Box::new(if topic == "order.restored" { restored(context, fact) } else { fact }))
        }
    }
}

/// The first notes of many: a strange body must not make a large record.
fn few(mut notes: Vec<String>) -> Vec<String> {
    let more = notes.len().saturating_sub(NOTES_MAX);
    notes.truncate(NOTES_MAX);
    if more > 0 {
        notes.push(format!("and {more} more"));
    }
    notes
}

fn order_id(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) if number.is_u64() => number.to_string(),
        Value::String(text) => normal_order_id(text),
        _ => return None,
    };
    (!text.is_empty() && text.len() <= 128).then_some(text)
}

/// The same order state delivered twice is one fact; `of` keeps apart what the body alone does not.
fn fact_id(context: &Context<'_>, of: &str, body: &[u8]) -> FactId {
    FactId::of_content(&[b"woocommerce", &context.merchant.bits().to_be_bytes(), of.as_bytes(), body])
}

/// `order.deleted` says no more than the id, and an order may be deleted, restored and deleted again: the second in
/// which it reached us is part of what was reported.
fn deleted(context: &Context<'_>, order_id: String) -> OrderFact {
    let second = context.received_at.as_ms().div_euclid(1000).to_be_bytes();
    let id = fact_id(context, "deleted", &[order_id.as_bytes(), &second].concat());
    OrderFact { kind: FactKind::Cancel, status: Some(Status::Void), ..blank(context, order_id, id) }
}

/// A deletion is dated by our clock; what takes it back must not be dated before it by the shop's.
fn restored(context: &Context<'_>, fact: OrderFact) -> OrderFact {
    let second = context.received_at.as_ms().div_euclid(1000).to_be_bytes();
    let id = fact_id(context, "restored", &[fact.id.as_bytes().as_slice(), &second].concat());
    OrderFact { id, occurred_at: fact.occurred_at.max(context.received_at), ..fact }
}

fn blank(context: &Context<'_>, order_id: String, id: FactId) -> OrderFact {
    OrderFact {
        id,
        merchant: context.merchant,
        platform: Platform::Woocommerce,
        order_id,
        source: Source::Webhook,
        kind: FactKind::Order,
        occurred_at: context.received_at,
        received_at: context.received_at,
        ordered_at: None,
        status: None,
        currency: None,
        goods_minor: None,
        tax_minor: None,
        shipping_minor: None,
        total_minor: None,
        refunds: vec![],
        coupons: vec![],
        touches: vec![],
        consent: None,
        test: false,
        notes: vec![],
    }
}

/// Reads the fields of one order, noting those it cannot.
struct Reader<'a> {
    context: &'a Context<'a>,
    order: &'a Map<String, Value>,
    notes: Vec<String>,
}

impl Reader<'_> {
    fn fact(mut self, order_id: String, status: &str, body: &[u8]) -> OrderFact {
        let status = self.status(status);
        let currency = self.currency();
        let refunds = self.refunds(currency);
        let kind = match status {
            Status::Void => FactKind::Cancel,
            _ if !refunds.is_empty() => FactKind::Refund,
            _ => FactKind::Order,
        };
        let id = fact_id(self.context, "order", body);
        let occurred_at = self.time("date_modified_gmt").or_else(|| self.time("date_created_gmt"));
        let fact = OrderFact {
            kind,
            occurred_at: occurred_at.unwrap_or(self.context.received_at).min(self.context.received_at),
            ordered_at: self.time("date_created_gmt"),
            status: Some(status),
            currency,
            goods_minor: self.goods(currency),
            tax_minor: self.amount("total_tax", currency),
            shipping_minor: self.amount("shipping_total", currency),
            total_minor: self.amount("total", currency),
            refunds,
            coupons: self.coupons(),
            touches: self.touches(),
            test: self.is_test(),
            ..blank(self.context, order_id, id)
        };
        OrderFact { notes: few(self.notes), ..fact }
    }

    /// WooCommerce's states; plugins add others, for which the payment date tells whether it is paid.
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
        Timestamp::parse_gmt(text).map_err(|error| self.notes.push(format!("{field}: {error}"))).ok()
    }

    fn amount(&mut self, field: &str, currency: Option<Currency>) -> Option<i64> {
        let value = self.order.get(field)?;
        minor(value, currency?).map_err(|reason| self.notes.push(format!("{field}: {reason}"))).ok()
    }

    /// Σ of the lines' totals: after coupons, without tax, shipping and fees. `total` is no base: gift cards lower it.
    fn goods(&mut self, currency: Option<Currency>) -> Option<i64> {
        let lines = self.order.get("line_items")?.as_array()?;
        let mut sum = Decimal::ZERO;
        for (index, line) in lines.iter().enumerate() {
            let total = line.get("total").map(decimal).unwrap_or_else(|| Err("missing".to_owned()));
            match total.and_then(|total| sum.checked_add(total).ok_or_else(|| "too large".to_owned())) {
                Ok(more) => sum = more,
                Err(reason) => self.notes.push(format!("line_items[{index}].total: {reason}")),
            }
        }
        if sum.is_negative() {
            self.notes.push(format!("line_items: their sum `{sum}` is below zero; read as 0"));
            return Some(0);
        }
        bounded(sum, currency?).map_err(|reason| self.notes.push(format!("line_items: {reason}"))).ok()
    }

    /// The refunds so far, tax and shipping included, as negative texts.
    fn refunds(&mut self, currency: Option<Currency>) -> Vec<Refund> {
        let (Some(entries), Some(currency)) = (self.order.get("refunds").and_then(Value::as_array), currency)
        else {
            return vec![];
        };
        let mut refunds = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let total = entry.get("total").ok_or_else(|| "missing".to_owned()).and_then(decimal);
            let id = entry.get("id").and_then(order_id).unwrap_or_else(|| format!("#{index}"));
            match total.and_then(|total| bounded(total.abs(), currency)) {
                Ok(total_minor) => refunds.push(Refund { id, total_minor }),
                Err(reason) => self.notes.push(format!("refunds[{index}].total: {reason}")),
            }
        }
        refunds
    }

    fn coupons(&self) -> Vec<String> {
        let lines = self.order.get("coupon_lines").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let codes = lines.iter().filter_map(|line| line.get("code").and_then(Value::as_str));
        codes.filter(|code| !code.trim().is_empty()).map(str::to_owned).collect()
    }

    fn meta(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.order.get("meta_data").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        entries.iter().filter_map(|entry| Some((entry.get("key")?.as_str()?, entry.get("value")?.as_str()?)))
    }

    /// Click tokens in the order's meta data: `ac`, `_ac`, or in the address of the visit's first page.
    fn touches(&mut self) -> Vec<Touch> {
        let (mut touches, mut refused) = (Vec::new(), Vec::new());
        for (key, value) in self.meta() {
            let token = match key {
                "ac" | "_ac" => value,
                "_wc_order_attribution_session_entry" => match query_token(value) {
                    Some(token) => token,
                    None => continue,
                },
                _ => continue,
            };
            match (self.context.token)(token.trim()) {
                Ok(claims) if claims.merchant == self.context.merchant => touches.push(Touch::from(&claims)),
                Ok(_) => refused.push(format!("meta_data.{key}: the token is another merchant's")),
                Err(error) => refused.push(format!("meta_data.{key}: {error}")),
            }
        }
        self.notes.append(&mut refused);
        touches.sort_unstable();
        touches.dedup();
        touches
    }

    fn is_test(&self) -> bool {
        self.meta().any(|(key, value)| key == "_wcpay_mode" && value == "test")
    }
}

fn query_token(address: &str) -> Option<&str> {
    let query = address.split('#').next()?.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix("ac=").or_else(|| pair.strip_prefix("_ac=")))
}

fn decimal(value: &Value) -> Result<Decimal, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => return Err(format!("`{other}` is not a decimal number")),
    };
    text.parse().map_err(|error| format!("{error}"))
}

fn minor(value: &Value, currency: Currency) -> Result<i64, String> {
    decimal(value).and_then(|amount| bounded(amount, currency))
}

fn bounded(amount: Decimal, currency: Currency) -> Result<i64, String> {
    match amount.to_minor(currency) {
        Ok(minor @ 0..=AMOUNT_MAX) => Ok(minor),
        _ => Err(format!("`{amount}` is no amount of an order")),
    }
}
