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
use shared::money::{AMOUNT_MAX, Currency, Decimal};
use shared::order::{
    Alias, AliasKind, AmountPart, FactKind, Line, OrderFact, Refund, Status, Touch, Unreadable,
    normal_order_id,
};
use shared::platform::Platform;
use shared::time::Timestamp;

use crate::amounts::{self, bounded, decimal, minor, unreadable};
use crate::arrival::{Arrival, Reading};
use crate::fields::{self, first_notes, list, query_tokens};
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
            let reader =
                Reader { arrival, order: &order, lines: vec![], notes: vec![], unreadable: vec![] };
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
    unreadable: Vec<Unreadable>,
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
            // WooCommerce does not date an order anew when its items change. So an edit that is
            // taken back has the body of a delivery before it, and its arrival tells it apart.
            restates: occurred_at.is_some_and(|stated| stated <= self.arrival.received_at),
            status: Some(status),
            currency,
            goods_minor,
            lines: fields::lines(std::mem::take(&mut self.lines), &mut self.notes),
            tax_minor: self.amount("total_tax", currency),
            shipping_minor: self.amount("shipping_total", currency),
            total_minor: self.total(currency),
            refunds,
            coupons: fields::codes(list(self.order, "coupon_lines")),
            touches: self.touches(),
            customer: fields::customer(self.arrival, [self.email()]),
            mailbox: fields::mailbox(self.arrival, [self.email()]),
            renewal: self.has_meta("_subscription_renewal"),
            test: self.is_test(),
            ..blank(self.arrival, order_id, id)
        };
        OrderFact { notes: first_notes(self.notes), unreadable: self.unreadable, ..fact }
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
        let value = self.order.get("currency").filter(|value| !value.is_null());
        let text = value.and_then(Value::as_str).unwrap_or_default();
        let currency = text.parse().map_err(|error| self.notes.push(format!("currency: {error}")));
        let has_amounts = ["total", "line_items"].iter().any(|name| self.order.contains_key(*name));
        if currency.is_err() && (value.is_some() || has_amounts) {
            self.unreadable.push(unreadable(AmountPart::Currency, "currency", value));
        }
        currency.ok()
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

    /// Returns what the customer paid with gift cards. WooCommerce's total is without it, and refunds
    /// without lines take back the goods by their share of what was paid in all.
    fn gift_cards(&mut self, currency: Option<Currency>) -> i64 {
        let mut paid: i64 = 0;
        for (index, card) in list(self.order, "gift_cards").iter().enumerate() {
            let amount = card.get("amount").zip(currency);
            match amount.map(|(amount, currency)| minor(amount, currency)) {
                Some(Ok(amount)) if paid + amount <= AMOUNT_MAX => paid += amount,
                Some(Err(reason)) => {
                    self.notes.push(format!("gift_cards[{index}].amount: {reason}"));
                }
                _ => {}
            }
        }
        paid
    }

    fn total(&mut self, currency: Option<Currency>) -> Option<i64> {
        let value = self.order.get("total").filter(|value| !value.is_null());
        let total = self.amount("total", currency);
        let total = total.map(|total| (total + self.gift_cards(currency)).min(AMOUNT_MAX));
        if total.is_none() && value.is_some() && currency.is_some() {
            self.unreadable.push(unreadable(AmountPart::Total, "total", value));
        }
        total
    }

    /// Returns the sum of the lines' totals: after coupons, without tax, shipping and fees. `total`
    /// cannot be used, because gift cards reduce it. If one line cannot be read, the sum is unknown.
    fn goods(&mut self, currency: Option<Currency>) -> Option<i64> {
        let listed = self.order.get("line_items").filter(|value| !value.is_null());
        let Some(lines) = listed.and_then(Value::as_array) else {
            // A body without any amount says nothing of the goods.
            if currency.is_some() && (listed.is_some() || self.order.contains_key("total")) {
                self.notes.push("line_items: expected a list".to_owned());
                self.unreadable.push(unreadable(AmountPart::Goods, "line_items", listed));
            }
            return None;
        };
        let mut sum = Decimal::ZERO;
        let mut unread = None;
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
                Err(reason) => {
                    let field = format!("line_items[{index}].total");
                    self.notes.push(format!("{field}: {reason}"));
                    unread = unread.or(Some((field, line.get("total"))));
                }
            }
        }
        match self.discounts_as_fees() {
            Ok(discounts) => sum = sum.checked_add(discounts).unwrap_or(sum),
            Err((index, reason)) => {
                let fee = list(self.order, "fee_lines").get(index);
                let field = format!("fee_lines[{index}].total");
                self.notes.push(format!("{field}: {reason}"));
                unread = unread.or(Some((field, fee.and_then(|fee| fee.get("total")))));
            }
        }
        let currency = currency?;
        let goods =
            unread.is_none().then(|| amounts::goods(sum, currency, &mut self.notes)).flatten();
        if goods.is_none() {
            let sum = Value::from(sum.to_string());
            let (field, value) = unread.unwrap_or(("line_items".to_owned(), Some(&sum)));
            self.unreadable.push(unreadable(AmountPart::Goods, field, value));
            self.lines.clear();
        }
        goods
    }

    /// Returns the sum of the fees below zero: some plug-ins for discounts write them instead of
    /// coupons. Fees that the customer pays are no goods.
    ///
    /// # Errors
    /// The index of a fee that cannot be read, and why: it may be a discount.
    fn discounts_as_fees(&self) -> Result<Decimal, (usize, String)> {
        let mut fees = list(self.order, "fee_lines").iter().enumerate();
        fees.try_fold(Decimal::ZERO, |sum, (index, fee)| {
            let total = fee.get("total").map_or(Ok(Decimal::ZERO), decimal);
            let less = total.map(|total| if total.is_negative() { total } else { Decimal::ZERO });
            let sum = less.and_then(|less| sum.checked_add(less).ok_or("too large".to_owned()));
            sum.map_err(|reason| (index, reason))
        })
    }

    /// Returns the refunds so far, including tax and shipping. WooCommerce sends them as negative
    /// texts.
    fn refunds(&mut self, currency: Option<Currency>) -> Vec<Refund> {
        let listed = self.order.get("refunds").filter(|value| !value.is_null());
        let (Some(listed), Some(currency)) = (listed, currency) else { return vec![] };
        let Some(entries) = listed.as_array() else {
            self.notes.push("refunds: expected a list".to_owned());
            let part = AmountPart::Refund(String::new());
            self.unreadable.push(unreadable(part, "refunds", Some(listed)));
            return vec![];
        };
        let mut refunds = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let total = entry.get("total").ok_or_else(|| "missing".to_owned()).and_then(decimal);
            let id = entry.get("id").and_then(order_id).unwrap_or_else(|| format!("#{index}"));
            match total.and_then(|total| bounded(total.abs(), currency)) {
                Ok(total_minor) => refunds.push(Refund::new(id, total_minor, None)),
                Err(reason) => {
                    let field = format!("refunds[{index}].total");
                    self.notes.push(format!("{field}: {reason}"));
                    let part = AmountPart::Refund(id);
                    self.unreadable.push(unreadable(part, field, entry.get("total")));
                }
            }
        }
        refunds
    }

    fn meta(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = list(self.order, "meta_data").iter();
        entries
            .filter_map(|entry| Some((entry.get("key")?.as_str()?, entry.get("value")?.as_str()?)))
    }

    fn email(&self) -> Option<&Value> {
        self.order.get("billing").and_then(|billing| billing.get("email"))
    }

    /// Returns the clicks of the tokens in the order's meta data: `ac`, `_ac`, or in the address of
    /// the visit's first page.
    fn touches(&mut self) -> Vec<Touch> {
        let mut refused = Vec::new();
        let tokens = self.meta().flat_map(|(key, value)| {
            let (field, tokens) = match key {
                "ac" => ("meta_data.ac", vec![value.to_owned()]),
                "_ac" => ("meta_data._ac", vec![value.to_owned()]),
                "_wc_order_attribution_session_entry" => {
                    ("meta_data._wc_order_attribution_session_entry", query_tokens(value))
                }
                _ => ("", vec![]),
            };
            tokens.into_iter().map(move |token| (field, token))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fact(changes: Value) -> OrderFact {
        let mut order = json!({
            "id": 7, "status": "processing", "currency": "EUR", "total": "110.00",
            "line_items": [{ "id": 1, "total": "60.00" }, { "id": 2, "total": "40.00" }],
            "refunds": [{ "id": 5, "total": "-10.00" }],
        });
        order.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let (headers, body) = (HeaderMap::new(), order.to_string());
        let received_at = Timestamp::from_ms(1_780_000_000_000);
        match read(&Arrival::of_test(&headers, body.as_bytes(), received_at)) {
            Reading::Fact(fact) => *fact,
            other => panic!("{other:?}"),
        }
    }

    fn unread(fact: &OrderFact) -> Vec<(AmountPart, &str, &str)> {
        let parts = fact.unreadable.iter();
        parts.map(|u| (u.part.clone(), u.field.as_str(), u.shape.as_str())).collect()
    }

    #[test]
    fn an_amount_that_cannot_be_read_makes_its_part_unknown_and_keeps_the_order() {
        use AmountPart::{Currency, Goods, Refund, Total};
        let digits = "9".repeat(31);
        let many = format!("{}… (31 characters)", "9".repeat(24));
        let lines = |total: &str| json!({ "line_items": [{ "id": 1, "total": "60.00" }, { "id": 2, "total": total }] });
        for (changes, part, field, shape) in [
            (lines("1,000.00"), Goods, "line_items[1].total", "9,999.99"),
            (lines(&digits), Goods, "line_items[1].total", many.as_str()),
            (json!({ "line_items": [{ "id": 1 }] }), Goods, "line_items[0].total", "missing"),
            (json!({ "line_items": "many" }), Goods, "line_items", "aaaa"),
            (json!({ "line_items": null }), Goods, "line_items", "missing"),
            (lines("99999999999999"), Goods, "line_items", "999999999999999.99"),
            (json!({ "total": "1,000.00" }), Total, "total", "9,999.99"),
            (json!({ "currency": "Euro" }), Currency, "currency", "aaaa"),
            (
                json!({ "refunds": [{ "id": 5, "total": "-10,00" }] }),
                Refund("5".into()),
                "refunds[0].total",
                "-99,99",
            ),
            (json!({ "refunds": {} }), Refund(String::new()), "refunds", "an object"),
        ] {
            let fact = fact(changes.clone());
            assert_eq!(unread(&fact), [(part.clone(), field, shape)], "{changes}");
            let known = (fact.goods_minor.is_some(), fact.lines.len(), fact.refunds.len());
            match part {
                Goods => assert_eq!(known, (false, 0, 1), "one bad line makes the sum unknown"),
                Total => assert_eq!(fact.total_minor, None),
                Currency => assert_eq!(fact.currency, None),
                Refund(_) => assert_eq!(known, (true, 2, 0)),
            }
            assert!(!fact.notes.is_empty(), "the note quotes the value: {changes}");
        }
        let fine = fact(json!({}));
        assert_eq!((unread(&fine), fine.goods_minor), (vec![], Some(10_000)));
        let tax = fact(json!({ "total_tax": "1,00" }));
        assert_eq!(unread(&tax), [], "no commission depends on it");
    }

    #[test]
    fn fees_below_zero_are_discounts_and_other_fees_no_goods() {
        let goods = |fees: Value| fact(json!({ "fee_lines": fees })).goods_minor;
        let fee = |total: &str| json!({ "id": 9, "name": "Bulk discount", "total": total });
        assert_eq!(goods(json!([fee("-15.00"), fee("5.00")])), Some(8500));
        assert_eq!(goods(json!([{ "id": 9 }])), Some(10_000));
        assert_eq!(goods(json!([fee("-150.00")])), Some(0));
        let odd = fact(json!({ "fee_lines": [fee("5.00"), fee("-15,00")] }));
        let expected = [(AmountPart::Goods, "fee_lines[1].total", "-99,99")];
        assert_eq!((unread(&odd).as_slice(), odd.goods_minor), (&expected[..], None));
    }

    #[test]
    fn what_was_paid_with_gift_cards_belongs_to_the_total() {
        // Of 100.00 the customer paid 60.00 with a card, and got 20.00 back.
        let order = fact(json!({
            "total": "40.00", "gift_cards": [{ "id": 1, "code": "X", "amount": 60 }, { "id": 2 }],
            "refunds": [{ "id": 5, "total": "-20.00" }],
        }));
        assert_eq!((order.total_minor, order.notes.len()), (Some(10_000), 0));
        assert_eq!(shared::order::fold(&[order]).unwrap().net_goods_minor(), Some(8000));
        let odd = fact(json!({ "gift_cards": [{ "amount": "1,0" }] }));
        assert_eq!((odd.total_minor, odd.notes.len()), (Some(11_000), 1));
    }

    #[test]
    fn a_body_without_any_amount_says_nothing_of_them() {
        let fact = fact(json!({ "currency": null, "total": null, "line_items": null }));
        let mut bare = Map::new();
        bare.insert("id".into(), 7.into());
        bare.insert("status".into(), "cancelled".into());
        assert_eq!(fact.unreadable.len(), 1, "the fields are there and empty");
        let (headers, body) = (HeaderMap::new(), serde_json::to_vec(&bare).unwrap());
        let arrival = Arrival::of_test(&headers, &body, Timestamp::from_ms(1));
        let Reading::Fact(bare) = read(&arrival) else { panic!("it is a fact") };
        assert_eq!((bare.unreadable.len(), bare.status), (0, Some(Status::Void)));
    }
}
