//! Orders in our own form: what a shop's server sends to the server API, and what an agency imports
//! as CSV.
//!
//! Their authors can read our documentation and our answers. So an order with an invalid id or
//! amount is refused, with the reason. An invalid value that only helps (a code, a click, a time)
//! is noted, and the order is kept without it. An e-mail address is hashed at once and never kept.

use serde_json::{Map, Value};
use shared::event::is_order_id;
use shared::id::{ClickId, CustomerId, FactId, ProofId};
use shared::json::repaired;
use shared::money::{Currency, Decimal};
use shared::order::{
    Alias, AliasKind, FactKind, Line, OrderFact, Refund, RefundList, RefundedLine, Source, Status,
    Touch, normal_order_id,
};
use shared::platform::Platform;
use shared::time::Timestamp;

use crate::amounts::{bounded, brief, decimal};
use crate::arrival::Arrival;
use crate::fields::{self, click_id, first_notes, list, status_of, text_of};

/// The topic under which orders of the server API that were not understood are kept.
pub const ORDERS_TOPIC: &str = "orders";
/// Orders that one call may bring.
pub const ORDERS_MAX: usize = 100;
/// All fields that are understood. Others are noted.
const FIELDS: [&str; 27] = [
    "order_id",
    "status",
    "currency",
    "goods",
    "tax",
    "shipping",
    "total",
    "items",
    "refunds",
    "refund_list",
    "refund_id",
    "refund_amount",
    "refund_goods",
    "coupon",
    "coupons",
    "click_id",
    "ac",
    "_ac",
    "ordered_at",
    "checkout_at",
    "updated_at",
    "customer_email",
    "new_customer",
    "renewal",
    "test",
    "aliases",
    "key",
];
/// Bytes of a key that nobody can guess.
pub(crate) const KEY_BYTES_MIN: usize = 16;

/// Returns the orders of a call: one object, or a list of objects.
///
/// # Errors
/// When the body is neither, or the list is empty or too long.
pub fn orders(body: &[u8]) -> Result<Vec<Map<String, Value>>, String> {
    let body: Value =
        serde_json::from_slice(&repaired(body)).map_err(|error| format!("body: {error}"))?;
    let object = |value: &Value| {
        value.as_object().cloned().ok_or("orders: expected JSON objects".to_owned())
    };
    match body.get("orders") {
        Some(Value::Array(orders)) if (1..=ORDERS_MAX).contains(&orders.len()) => {
            orders.iter().map(object).collect()
        }
        Some(_) => Err(format!("orders: expected a list of 1 to {ORDERS_MAX}")),
        None => object(&body).map(|order| vec![order]),
    }
}

/// Reads one order.
///
/// # Errors
/// Names the field that is missing or wrong, with its value.
pub fn read(
    arrival: &Arrival<'_>,
    platform: Platform,
    order: &Map<String, Value>,
) -> Result<OrderFact, String> {
    Reader { arrival, order, notes: vec![] }.fact(platform)
}

struct Reader<'a> {
    arrival: &'a Arrival<'a>,
    order: &'a Map<String, Value>,
    notes: Vec<String>,
}

impl Reader<'_> {
    fn fact(mut self, platform: Platform) -> Result<OrderFact, String> {
        let order_id = self.text("order_id").ok_or("order_id: is required")?;
        if !is_order_id(&order_id) {
            return Err(format!("order_id: `{order_id}` is not a valid order id"));
        }
        let currency = self.currency()?;
        let [goods, tax, shipping, total] =
            ["goods", "tax", "shipping", "total"].map(|field| self.amount(field, currency));
        let (tax_minor, shipping_minor, total_minor) = (tax?, shipping?, total?);
        let rest = || {
            total_minor.map(|t| (t - tax_minor.unwrap_or(0) - shipping_minor.unwrap_or(0)).max(0))
        };
        let goods_minor = goods?.or_else(rest);
        for field in ["items", "refunds"] {
            if self.value(field).is_some_and(|value| !value.is_array()) {
                return Err(format!("{field}: expected a list"));
            }
        }
        let lines = self.lines(currency)?;
        let goods_minor = goods_minor
            .or_else(|| (!lines.is_empty()).then(|| lines.iter().map(|l| l.goods_minor).sum()));
        let refunds = self.refunds(currency)?;
        let partial = goods_minor.is_none();
        let status = self.status(partial)?;
        if partial && status.is_none() && refunds.is_empty() {
            return Err("goods: an order needs an amount, a status or a refund".to_owned());
        }
        let kind = match status {
            Some(Status::Void) => FactKind::Cancel,
            _ if !refunds.is_empty() => FactKind::Refund,
            _ => FactKind::Order,
        };
        let (touches, clicks) = self.clicks();
        let id = self.id();
        let blank = OrderFact::blank(
            id,
            self.arrival.merchant,
            (platform, normal_order_id(&order_id)),
            Source::Postback,
            self.arrival.received_at,
        );
        let updated_at = self.time("updated_at");
        let fact = OrderFact {
            kind,
            aliases: self.aliases(),
            proofs: self.proofs()?,
            occurred_at: updated_at.unwrap_or(blank.received_at).min(blank.received_at),
            restates: updated_at.is_none_or(|stated| stated <= blank.received_at),
            ordered_at: self.time("ordered_at"),
            checkout_at: self.time("checkout_at"),
            status,
            currency,
            goods_minor,
            lines: fields::lines(lines, &mut self.notes),
            tax_minor,
            shipping_minor,
            total_minor: total_minor.or(goods_minor),
            refunds,
            refund_list: self.refund_list()?,
            partial,
            coupons: self.coupons(),
            touches,
            clicks,
            customer: self.customer(),
            new_customer: self.flag("new_customer")?,
            renewal: self.flag("renewal")?.unwrap_or(false),
            test: self.flag("test")?.unwrap_or(false),
            ..blank
        };
        let unknown = self.order.keys().filter(|key| !FIELDS.contains(&key.as_str()));
        self.notes.extend(unknown.map(|key| format!("{}: no such field", brief(key))));
        Ok(OrderFact { notes: first_notes(self.notes), ..fact })
    }

    /// Returns the id of the fact. The same order sent again is the same fact, in whatever sequence
    /// its fields are.
    fn id(&self) -> FactId {
        let content = serde_json::to_vec(self.order).unwrap_or_default();
        FactId::of_content(&[b"plain", &self.arrival.merchant.bits().to_be_bytes(), &content])
    }

    fn value(&self, field: &str) -> Option<&Value> {
        self.order.get(field).filter(|value| !value.is_null() && *value != "")
    }

    fn text(&self, field: &str) -> Option<String> {
        self.value(field).and_then(text_of)
    }

    fn currency(&self) -> Result<Option<Currency>, String> {
        let code = self.text("currency");
        code.map(|code| code.parse().map_err(|error| format!("currency: {error}"))).transpose()
    }

    fn amount(&self, field: &str, currency: Option<Currency>) -> Result<Option<i64>, String> {
        self.value(field)
            .map(|value| amount(value, currency).map_err(|reason| format!("{field}: {reason}")))
            .transpose()
    }

    fn status(&self, partial: bool) -> Result<Option<Status>, String> {
        match self.text("status").as_deref() {
            Some("draft") => Ok(Some(Status::Draft)),
            Some(word) => status_of(word).map(Some),
            None if partial => Ok(None),
            None => Ok(Some(Status::Paid)),
        }
    }

    fn lines(&self, currency: Option<Currency>) -> Result<Vec<Line>, String> {
        let line = |(index, item): (usize, &Value)| -> Result<Line, String> {
            let at = |reason: String| format!("items[{index}].{reason}");
            let item =
                item.as_object().ok_or_else(|| at("(itself): expected an object".to_owned()))?;
            let goods = item.get("goods").ok_or_else(|| at("goods: is required".to_owned()))?;
            let named = |field: &str| item.get(field).and_then(text_of);
            Ok(Line {
                id: named("id").unwrap_or_else(|| (index + 1).to_string()),
                sku: named("sku"),
                product: named("product"),
                category: named("category"),
                goods_minor: amount(goods, currency)
                    .map_err(|reason| at(format!("goods: {reason}")))?,
            })
        };
        list(self.order, "items").iter().enumerate().map(line).collect()
    }

    /// Returns the refunds of the list, and the one that a row of a table names.
    fn refunds(&self, currency: Option<Currency>) -> Result<Vec<Refund>, String> {
        let mut refunds = Vec::new();
        for (index, entry) in list(self.order, "refunds").iter().enumerate() {
            let entry =
                entry.as_object().ok_or_else(|| format!("refunds[{index}]: expected an object"))?;
            refunds.push(
                refund(entry, ["id", "amount", "goods"], currency)
                    .map_err(|r| format!("refunds[{index}].{r}"))?,
            );
        }
        if self.value("refund_id").is_some() || self.value("refund_amount").is_some() {
            refunds.push(refund(
                self.order,
                ["refund_id", "refund_amount", "refund_goods"],
                currency,
            )?);
        }
        Ok(refunds)
    }

    fn refund_list(&self) -> Result<RefundList, String> {
        match self.text("refund_list").as_deref() {
            None | Some("some") => Ok(RefundList::Some),
            Some("whole") => Ok(RefundList::Whole),
            Some(other) => Err(format!("refund_list: `{other}` is neither whole nor some")),
        }
    }

    fn flag(&self, field: &str) -> Result<Option<bool>, String> {
        match self
            .text(field)
            .as_deref()
            .or_else(|| self.value(field)?.as_bool().map(|b| if b { "true" } else { "false" }))
        {
            None if self.value(field).is_none() => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            _ => Err(format!("{field}: expected true or false")),
        }
    }

    fn time(&mut self, field: &str) -> Option<Timestamp> {
        let text = self.text(field)?;
        text.parse().map_err(|error| self.notes.push(format!("{field}: {error}"))).ok()
    }

    fn coupons(&self) -> Vec<String> {
        let listed = list(self.order, "coupons").iter().filter_map(text_of);
        self.text("coupon").into_iter().chain(listed).collect()
    }

    /// Returns the clicks that are named by token or by id. Invalid tokens are noted.
    fn clicks(&mut self) -> (Vec<Touch>, Vec<ClickId>) {
        let named: Vec<(&str, String)> = ["click_id", "ac", "_ac"]
            .into_iter()
            .filter_map(|field| Some((field, self.text(field)?)))
            .collect();
        let (ids, tokens): (Vec<_>, Vec<_>) =
            named.into_iter().partition(|(_, text)| click_id(text).is_some());
        let tokens = tokens.iter().map(|(field, text)| (*field, text.as_str()));
        let touches = fields::touches(self.arrival, tokens, &mut self.notes);
        (touches, ids.iter().filter_map(|(_, text)| click_id(text)).collect())
    }

    fn customer(&mut self) -> Option<CustomerId> {
        let email = self.text("customer_email")?;
        let customer = CustomerId::of_email(self.arrival.merchant, &email);
        if customer.is_none() {
            self.notes.push("customer_email: is not a valid e-mail address".to_owned());
        }
        customer
    }

    /// Returns the proofs of the order's key, and of the keys that other platforms gave it.
    fn proofs(&self) -> Result<Vec<ProofId>, String> {
        let key = self.value("key");
        if let Some(key) = key {
            check_key("key", key.as_str().unwrap_or_default())?;
        }
        let named = self.order.get("aliases").and_then(Value::as_object);
        let others = ["order_key", "checkout_token"].map(|field| named?.get(field));
        Ok(fields::proofs(self.arrival, [key].into_iter().chain(others)))
    }

    fn aliases(&self) -> Vec<Alias> {
        let named = self.order.get("aliases").and_then(Value::as_object);
        let kinds = [
            (AliasKind::OrderNumber, "order_number"),
            (AliasKind::OrderName, "order_name"),
            (AliasKind::CartToken, "cart_token"),
            (AliasKind::PaymentIntent, "payment_intent"),
        ];
        kinds
            .into_iter()
            .filter_map(|(kind, field)| fields::alias(kind, named?.get(field)))
            .collect()
    }
}

/// Returns whether a key is long enough that nobody guesses it.
///
/// # Errors
/// Names the field and the number of characters.
pub(crate) fn check_key(field: &str, key: &str) -> Result<(), String> {
    if key.trim().len() >= KEY_BYTES_MIN {
        return Ok(());
    }
    Err(format!("{field}: expected at least {KEY_BYTES_MIN} characters that nobody can guess"))
}

fn amount(value: &Value, currency: Option<Currency>) -> Result<i64, String> {
    let currency = currency.ok_or("an amount needs the order's `currency`")?;
    let amount: Decimal = decimal(value)?;
    bounded(amount, currency)
}

fn refund(
    entry: &Map<String, Value>,
    [id, total, goods]: [&str; 3],
    currency: Option<Currency>,
) -> Result<Refund, String> {
    let present = |field: &str| entry.get(field).filter(|value| !value.is_null() && *value != "");
    let refund_id = present(id).and_then(text_of).ok_or_else(|| format!("{id}: is required"))?;
    let total_value = present(total).ok_or_else(|| format!("{total}: is required"))?;
    let total_minor =
        amount(total_value, currency).map_err(|reason| format!("{total}: {reason}"))?;
    let of_goods = |value| amount(value, currency).map_err(|reason| format!("{goods}: {reason}"));
    let goods_minor = present(goods).map(of_goods).transpose()?;
    let line = |(index, item): (usize, &Value)| -> Result<Option<RefundedLine>, String> {
        let Some(goods) = item.get("goods") else { return Ok(None) };
        let goods_minor =
            amount(goods, currency).map_err(|reason| format!("items[{index}].goods: {reason}"))?;
        let line = item.get("id").and_then(text_of);
        Ok(line.map(|line| RefundedLine { line, goods_minor }))
    };
    let lines: Result<Vec<_>, String> = list(entry, "items").iter().enumerate().map(line).collect();
    let lines = lines?.into_iter().flatten().collect();
    Ok(Refund { lines, ..Refund::new(refund_id, total_minor, goods_minor) })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::json;

    use super::*;

    fn read_one(order: Value) -> Result<OrderFact, String> {
        let headers = HeaderMap::new();
        let received_at = Timestamp::from_ms(1_780_000_000_000);
        let arrival = Arrival::of_test(&headers, b"", received_at);
        read(&arrival, Platform::Other, order.as_object().unwrap())
    }

    #[test]
    fn an_order_is_read_whole() {
        let fact = read_one(json!({
            "order_id": "#1001", "currency": "EUR", "total": "139.90", "shipping": 10, "tax": "0",
            "items": [{ "id": "1", "sku": "S1", "category": "Shoes", "goods": "129.90" }],
            "refunds": [{ "id": "r1", "amount": "29.90", "goods": "29.90", "items": [{ "id": "1", "goods": "29.90" }] }],
            "coupons": ["ANNA15"], "customer_email": "a@b.example", "new_customer": true, "aliases": { "order_number": "W-1", "checkout_token": "tok-1" },
            "key": "k-0123456789abcdef",
            "click_id": "0102030405060708090a0b0c0d0e0f10", "checkout_at": "2026-05-01T10:00:00Z",
        }))
        .unwrap();
        assert_eq!(
            (fact.order_id.as_str(), fact.goods_minor, fact.status),
            ("1001", Some(12_990), Some(Status::Paid))
        );
        assert_eq!((fact.lines.len(), fact.refunds[0].lines.len(), fact.clicks.len()), (1, 1, 1));
        assert_eq!(
            (fact.new_customer, fact.customer.is_some(), fact.kind),
            (Some(true), true, FactKind::Refund)
        );
        let proof = |key: &str| ProofId::of_key(fact.merchant, key).unwrap();
        assert_eq!(fact.proofs, [proof("k-0123456789abcdef"), proof("tok-1")]);
        assert_eq!((fact.aliases.len(), &fact.notes), (1, &vec![]));
        assert!(!serde_json::to_string(&fact).unwrap().contains("b.example"));
        let texts = read_one(
            json!({ "order_id": 7, "currency": "EUR", "goods": "1", "test": "true", "refund_id": "r", "refund_amount": "1" }),
        );
        let texts = texts.unwrap();
        assert_eq!((texts.test, texts.refunds.len()), (true, 1), "as a row of a table says it");
    }

    #[test]
    fn a_refund_alone_says_nothing_of_the_order() {
        let fact = read_one(
            json!({ "order_id": "1", "currency": "EUR", "refund_id": "r", "refund_amount": "5" }),
        )
        .unwrap();
        assert_eq!((fact.partial, fact.status, fact.goods_minor), (true, None, None));
        assert!(read_one(json!({ "order_id": "1", "status": "cancelled" })).unwrap().partial);
    }

    #[test]
    fn mistakes_are_named_and_hints_are_only_noted() {
        for (order, named) in [
            (json!({}), "order_id: is required"),
            (json!({ "order_id": "null" }), "order_id: `null`"),
            (json!({ "order_id": "1" }), "goods: an order needs"),
            (
                json!({ "order_id": "1", "goods": "5" }),
                "goods: an amount needs the order's `currency`",
            ),
            (json!({ "order_id": "1", "currency": "EURO", "goods": "5" }), "currency"),
            (json!({ "order_id": "1", "currency": "EUR", "goods": "12,50" }), "goods: `12,50`"),
            (json!({ "order_id": "1", "currency": "EUR", "goods": "-5" }), "goods: `-5`"),
            (
                json!({ "order_id": "1", "currency": "EUR", "goods": "5", "status": "odd" }),
                "status: `odd`",
            ),
            (
                json!({ "order_id": "1", "currency": "EUR", "goods": "5", "test": "maybe" }),
                "test: expected",
            ),
            (
                json!({ "order_id": "1", "currency": "EUR", "goods": "5", "key": "1001" }),
                "key: expected at least 16",
            ),
            (
                json!({ "order_id": "1", "currency": "EUR", "goods": "5", "items": "two" }),
                "items: expected a list",
            ),
            (
                json!({ "order_id": "1", "currency": "EUR", "goods": "5", "refunds": { "id": "1" } }),
                "refunds: expected a list",
            ),
            (
                json!({ "order_id": "1", "currency": "EUR", "goods": "5",
                    "refunds": [{ "id": "1", "amount": "5", "items": [{ "id": "1", "goods": "5,00" }] }] }),
                "refunds[0].items[0].goods: `5,00`",
            ),
            (
                json!({ "order_id": "1", "currency": "EUR", "items": [{}] }),
                "items[0].goods: is required",
            ),
            (
                json!({ "order_id": "1", "currency": "EUR", "refunds": [{ "id": "1" }] }),
                "refunds[0].amount: is required",
            ),
        ] {
            let error = read_one(order).unwrap_err();
            assert!(error.contains(named), "{error} should name {named}");
        }
        let hints = json!({ "order_id": "1", "currency": "EUR", "goods": "5", "ac": "x", "ordered_at": "soon", "customer_email": "x", "colour": "red" });
        let notes = read_one(hints).unwrap().notes;
        for named in ["ac: ", "ordered_at", "customer_email", "colour: no such field"] {
            assert!(notes.iter().any(|note| note.starts_with(named)), "{named} in {notes:?}");
        }
    }

    #[test]
    fn a_call_brings_one_order_or_a_list() {
        assert_eq!(orders(br#"{"order_id":"1"}"#).unwrap().len(), 1);
        assert_eq!(orders(br#"{"orders":[{},{}]}"#).unwrap().len(), 2);
        for wrong in ["[]", "{", r#"{"orders":[]}"#, r#"{"orders":[1]}"#, r#"{"orders":{}}"#] {
            assert!(orders(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
