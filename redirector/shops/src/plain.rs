//! Orders in our own form: what a shop's server sends to the server API, and what an agency imports
//! as CSV.
//!
//! Their authors can read our documentation and our answers. So an order with an invalid id, amount
//! or time is refused, with the reason, and so is one with a field that nobody reads: who sends it
//! believes that it counts. A click token or an e-mail address that is invalid is noted, and the
//! order is kept without it. An e-mail address is hashed at once and never kept.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};
use shared::event::is_order_id;
use shared::id::{ClickId, CustomerId, FactId, ProofId};
use shared::json::repaired;
use shared::money::{Currency, Decimal};
use shared::order::{
    Alias, AliasKind, FactKind, Line, OrderFact, Refund, RefundList, RefundedLine, Source, Status,
    Touch, fold_name, normal_order_id,
};
use shared::platform::Platform;
use shared::time::{Span, Timestamp};

use crate::amounts::{bounded, brief, brief_of, decimal};
use crate::arrival::Arrival;
use crate::fields::{self, click_id, first_notes, list, status_of, text_of};

/// The topic under which orders of the server API that were not understood are kept.
pub const ORDERS_TOPIC: &str = "orders";
/// Orders that one call may bring.
pub const ORDERS_MAX: usize = 100;
/// What a field may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A text or a number.
    Text,
    /// `true` or `false`, also as a text.
    Flag,
    List,
    /// A text, or a list of texts.
    TextOrList,
    Object,
}

impl Shape {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string() || value.is_number(),
            Self::Flag => value.is_string() || value.is_boolean(),
            Self::List => value.is_array(),
            Self::TextOrList => match value {
                Value::Array(entries) => entries.iter().all(|entry| Self::Text.fits(entry)),
                value => Self::Text.fits(value),
            },
            Self::Object => value.is_object(),
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Flag => "true or false",
            Self::List => "a list",
            Self::TextOrList => "a text or a list of texts",
            Self::Object => "an object",
        }
    }
}

/// All fields of an order.
const FIELDS: &[(&str, Shape)] = &[
    ("order_id", Shape::Text),
    ("status", Shape::Text),
    ("currency", Shape::Text),
    ("goods", Shape::Text),
    ("tax", Shape::Text),
    ("shipping", Shape::Text),
    ("total", Shape::Text),
    ("items", Shape::List),
    ("refunds", Shape::List),
    ("refund_list", Shape::Text),
    ("refund_id", Shape::Text),
    ("refund_amount", Shape::Text),
    ("refund_goods", Shape::Text),
    ("coupon", Shape::TextOrList),
    ("coupons", Shape::TextOrList),
    ("click_id", Shape::Text),
    ("ac", Shape::Text),
    ("_ac", Shape::Text),
    ("ordered_at", Shape::Text),
    ("checkout_at", Shape::Text),
    ("updated_at", Shape::Text),
    ("customer_email", Shape::Text),
    ("new_customer", Shape::Flag),
    ("renewal", Shape::Flag),
    ("test", Shape::Flag),
    ("aliases", Shape::Object),
    ("key", Shape::Text),
];
/// All fields of a line, of a refund, and of a refunded line.
const ITEM_FIELDS: &[(&str, Shape)] = &[
    ("id", Shape::Text),
    ("sku", Shape::Text),
    ("product", Shape::Text),
    ("category", Shape::Text),
    ("goods", Shape::Text),
];
const REFUND_FIELDS: &[(&str, Shape)] =
    &[("id", Shape::Text), ("amount", Shape::Text), ("goods", Shape::Text), ("items", Shape::List)];
const REFUNDED_FIELDS: &[(&str, Shape)] = &[("id", Shape::Text), ("goods", Shape::Text)];
/// All other names of an order.
const ALIAS_FIELDS: &[(&str, Shape)] = &[
    ("order_number", Shape::Text),
    ("order_name", Shape::Text),
    ("order_key", Shape::Text),
    ("checkout_token", Shape::Text),
    ("cart_token", Shape::Text),
    ("payment_intent", Shape::Text),
];
/// What separates the codes of a text.
const CODE_SEPARATORS: [char; 3] = [',', ';', '|'];
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
    let beside = body.as_object().filter(|body| body.contains_key("orders"));
    if let Some(other) = beside.and_then(|body| body.keys().find(|key| *key != "orders")) {
        return Err(format!("{}: no such field beside `orders`", brief(other)));
    }
    match body.get("orders") {
        Some(Value::Array(orders)) if (1..=ORDERS_MAX).contains(&orders.len()) => {
            orders.iter().map(object).collect()
        }
        Some(_) => Err(format!("orders: expected a list of 1 to {ORDERS_MAX}")),
        None => object(&body).map(|order| vec![order]),
    }
}

/// Returns whether an order may have a field of this name.
pub(crate) fn is_field(name: &str) -> bool {
    FIELDS.iter().any(|(known, _)| *known == name)
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
        self.check_fields()?;
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
        let updated_at = self.time("updated_at")?;
        let fact = OrderFact {
            kind,
            aliases: self.aliases(),
            proofs: self.proofs()?,
            occurred_at: updated_at.unwrap_or(blank.received_at).min(blank.received_at),
            restates: updated_at.is_none_or(|stated| stated <= blank.received_at),
            ordered_at: self.time("ordered_at")?,
            checkout_at: self.time("checkout_at")?,
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
            mailbox: self
                .text("customer_email")
                .and_then(|email| CustomerId::of_mailbox(self.arrival.merchant, &email)),
            new_customer: self.flag("new_customer")?,
            renewal: self.flag("renewal")?.unwrap_or(false),
            test: self.flag("test")?.unwrap_or(false),
            ..blank
        };
        Ok(OrderFact { notes: first_notes(self.notes), ..fact })
    }

    /// Returns the id of the fact. The same order sent again is the same fact, in whatever sequence
    /// its fields are.
    fn id(&self) -> FactId {
        let content = serde_json::to_vec(self.order).unwrap_or_default();
        FactId::of_content(&[b"plain", &self.arrival.merchant.bits().to_be_bytes(), &content])
    }

    /// Checks that every field is one that is read, and holds what is read of it.
    fn check_fields(&self) -> Result<(), String> {
        check("", self.order, FIELDS)?;
        for (index, item) in list(self.order, "items").iter().enumerate() {
            check_entry(&format!("items[{index}]"), item, ITEM_FIELDS)?;
        }
        for (index, refund) in list(self.order, "refunds").iter().enumerate() {
            let at = format!("refunds[{index}]");
            let refund = check_entry(&at, refund, REFUND_FIELDS)?;
            for (index, item) in list(refund, "items").iter().enumerate() {
                check_entry(&format!("{at}.items[{index}]"), item, REFUNDED_FIELDS)?;
            }
        }
        let aliases = self.order.get("aliases").and_then(Value::as_object);
        aliases.map_or(Ok(()), |aliases| check("aliases.", aliases, ALIAS_FIELDS))
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
            Some(word) if word.eq_ignore_ascii_case("draft") => Ok(Some(Status::Draft)),
            Some(word) => status_of(word).map(Some),
            None if partial => Ok(None),
            None => Ok(Some(Status::Paid)),
        }
    }

    fn lines(&self, currency: Option<Currency>) -> Result<Vec<Line>, String> {
        let line = |(index, item): (usize, &Value)| -> Result<Line, String> {
            let at = |reason: String| format!("items[{index}].{reason}");
            let item = item.as_object().ok_or_else(|| at(NO_OBJECT.to_owned()))?;
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
            let entry = entry.as_object().ok_or_else(|| format!("refunds[{index}].{NO_OBJECT}"))?;
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
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            other => {
                let value = other.map(str::to_owned).or_else(|| self.value(field).map(brief_of));
                Err(format!("{field}: expected true or false, not `{}`", value.unwrap_or_default()))
            }
        }
    }

    /// Reads a time. Without its zone it could be hours off, and taken for now it could be days off:
    /// that decides who is credited.
    fn time(&self, field: &str) -> Result<Option<Timestamp>, String> {
        let Some(text) = self.text(field) else { return Ok(None) };
        text.parse().map(Some).map_err(|error| format!("{field}: {error}"))
    }

    /// Returns the codes. A text may name several.
    fn coupons(&self) -> Vec<String> {
        let of = |value: &Value| match value {
            Value::Array(entries) => entries.iter().filter_map(text_of).collect(),
            value => text_of(value).map_or_else(Vec::new, |text| {
                let codes = text.split(CODE_SEPARATORS).map(str::trim);
                codes.filter(|code| !code.is_empty()).map(str::to_owned).collect()
            }),
        };
        let named = ["coupon", "coupons"].into_iter().filter_map(|field| self.value(field));
        let mut codes: Vec<String> = named.flat_map(of).collect();
        let mut seen = HashSet::new();
        codes.retain(|code| seen.insert(code.clone()));
        codes
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

const NO_OBJECT: &str = "(itself): expected an object";

/// Checks the fields of an entry of a list, and returns it.
fn check_entry<'v>(
    at: &str,
    entry: &'v Value,
    fields: &[(&str, Shape)],
) -> Result<&'v Map<String, Value>, String> {
    let entry = entry.as_object().ok_or_else(|| format!("{at}.{NO_OBJECT}"))?;
    check(&format!("{at}."), entry, fields)?;
    Ok(entry)
}

/// Checks that an object has no field but these, and that each holds what is read of it.
fn check(at: &str, object: &Map<String, Value>, fields: &[(&str, Shape)]) -> Result<(), String> {
    for (name, value) in object {
        let Some((_, shape)) = fields.iter().find(|(known, _)| known == name) else {
            let known: Vec<_> = fields.iter().map(|(known, _)| *known).collect();
            let (name, known) = (brief(name), known.join(", "));
            return Err(format!("{at}{name}: no such field; there are {known}"));
        };
        if !value.is_null() && *value != "" && !shape.fits(value) {
            return Err(format!("{at}{name}: expected {}", shape.expected()));
        }
        if is_name(name) {
            check_exact(value).map_err(|reason| format!("{at}{name}: {reason}"))?;
        }
    }
    Ok(())
}

/// Returns whether a field names something, so that two values must not become one.
fn is_name(field: &str) -> bool {
    !matches!(field, "goods" | "tax" | "shipping" | "total" | "amount")
        && !matches!(field, "refund_amount" | "refund_goods")
}

/// Refuses a name that was a number to somebody's program, and lost its last digits there: several
/// orders would become one.
fn check_exact(value: &Value) -> Result<(), String> {
    let is_rounded = match value {
        Value::Number(number) => number.to_string().contains(['.', 'e', 'E']),
        Value::String(text) => is_scientific(text.trim()),
        _ => false,
    };
    if is_rounded { Err(rounded(&brief_of(value))) } else { Ok(()) }
}

/// Lets what one request says of an order come one after the other, as it stands there: of several
/// entries about the same order the last one counts.
pub fn put_in_sequence<'f>(facts: impl Iterator<Item = &'f mut OrderFact>) {
    let mut earlier: HashMap<String, i64> = HashMap::new();
    for fact in facts {
        let count = earlier.entry(fold_name(&fact.order_id)).or_default();
        let received_at = fact.received_at.plus(Span::ms(*count));
        if fact.occurred_at == fact.received_at {
            fact.occurred_at = received_at;
        }
        fact.received_at = received_at;
        *count += 1;
    }
}

/// Returns whether a cell holds what a spreadsheet shows in the place of a value: `#N/A`, `#REF!`.
pub fn is_spreadsheet_error(text: &str) -> bool {
    let Some(rest) = text.trim().strip_prefix('#') else { return false };
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_alphabetic() || c == '/' || c == '0')
    };
    ["N/A", "NV"].contains(&rest) || rest.strip_suffix(['!', '?']).is_some_and(is_word)
}

/// Returns whether a text is a number as spreadsheets shorten it: `8.20983E+17`.
pub fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let exponent = exponent.strip_prefix('+');
    let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let is_number = |digits: &str| {
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b',')
    };
    exponent.is_some_and(is_number) && is_number(mantissa)
}

/// Says why a shortened number is no name, and the way out.
pub fn rounded(value: &str) -> String {
    format!(
        "`{value}` is a number whose last digits are lost, as spreadsheets shorten it: make the \
         column text before the file is opened, or export it again without opening it"
    )
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
        let hints = json!({ "order_id": "1", "currency": "EUR", "goods": "5", "ac": "x", "customer_email": "x" });
        let notes = read_one(hints).unwrap().notes;
        for named in ["ac: ", "customer_email"] {
            assert!(notes.iter().any(|note| note.starts_with(named)), "{named} in {notes:?}");
        }
    }

    fn of(changes: Value) -> Value {
        let mut order = json!({ "order_id": "1", "currency": "EUR", "goods": "5" });
        order.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        order
    }

    #[test]
    fn a_time_without_a_zone_is_refused_by_name() {
        for field in ["ordered_at", "checkout_at", "updated_at"] {
            for text in ["2026-11-20 10:00:00", "2026-11-20T10:00:00", "2026-11-20", "soon", "1"] {
                let error = read_one(of(json!({ field: text }))).unwrap_err();
                assert!(error.starts_with(&format!("{field}: `{text}`")), "{error}");
            }
            assert!(read_one(of(json!({ field: "2026-01-20T10:00:00+01:00" }))).is_ok());
        }
    }

    #[test]
    fn a_field_that_nobody_reads_is_refused_wherever_it_stands() {
        for (changes, named) in [
            (json!({ "colour": "red" }), "colour: no such field; there are order_id, "),
            (json!({ "Coupon": "AAA" }), "Coupon: no such field"),
            (json!({ "items": [{ "goods": "5", "price": "5" }] }), "items[0].price: no such field"),
            (
                json!({ "refunds": [{ "id": "1", "amount": "5", "currency": "EUR" }] }),
                "refunds[0].currency: no such field",
            ),
            (
                json!({ "refunds": [{ "id": "1", "amount": "5", "items": [{ "sku": "A" }] }] }),
                "refunds[0].items[0].sku: no such field",
            ),
            (json!({ "aliases": { "number": "W-1" } }), "aliases.number: no such field"),
            (json!({ "aliases": "W-1" }), "aliases: expected an object"),
            (json!({ "ac": ["x"] }), "ac: expected a text"),
            (json!({ "coupons": [{ "code": "AAA" }] }), "coupons: expected a text or a list"),
            (json!({ "ordered_at": {} }), "ordered_at: expected a text"),
        ] {
            let error = read_one(of(changes)).unwrap_err();
            assert!(error.starts_with(named), "{error} should begin with {named}");
        }
        assert!(read_one(of(json!({ "coupon": null, "items": [], "ac": "" }))).is_ok(), "empty");
    }

    #[test]
    fn codes_come_as_a_text_or_a_list_under_either_name() {
        for (changes, codes) in [
            (json!({ "coupons": "AAA" }), vec!["AAA"]),
            (json!({ "coupons": "AAA, BBB;CCC|AAA" }), vec!["AAA", "BBB", "CCC"]),
            (json!({ "coupon": ["AAA", "B,B"] }), vec!["AAA", "B,B"]),
            (json!({ "coupon": "AAA", "coupons": ["BBB", "AAA"] }), vec!["AAA", "BBB"]),
        ] {
            assert_eq!(read_one(of(changes)).unwrap().coupons, codes);
        }
    }

    #[test]
    fn of_several_entries_about_one_order_the_last_one_counts() {
        let fact = |id: &str, minor: i64| {
            let now = Timestamp::from_ms(1_000);
            let name = (Platform::Other, id.to_owned());
            let content = FactId::of_content(&[id.as_bytes(), &minor.to_be_bytes()]);
            let merchant = shared::id::MerchantId::from_bits(1);
            let blank = OrderFact::blank(content, merchant, name, Source::Postback, now);
            OrderFact { occurred_at: now, goods_minor: Some(minor), ..blank }
        };
        let mut facts = [fact("A", 1), fact("B", 2), fact("a", 3), fact("A", 1)];
        facts[2].occurred_at = Timestamp::from_ms(5);
        put_in_sequence(facts.iter_mut());
        let times: Vec<_> =
            facts.iter().map(|f| (f.received_at.as_ms(), f.occurred_at.as_ms())).collect();
        assert_eq!(times, [(1000, 1000), (1000, 1000), (1001, 5), (1002, 1002)]);
    }

    #[test]
    fn what_a_spreadsheet_shows_in_the_place_of_a_value_is_told_from_names() {
        for text in ["#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NV", "#WERT!", " #NULL! "] {
            assert!(is_spreadsheet_error(text), "{text}");
        }
        for text in ["#1001", "#A1!B", "N/A", "#", "#NVX", "#12!", "#!"] {
            assert!(!is_spreadsheet_error(text), "{text}");
        }
    }

    #[test]
    fn a_name_that_a_spreadsheet_shortened_is_refused_with_the_way_out() {
        for (changes, named) in [
            (json!({ "order_id": "8.20983E+17" }), "order_id: "),
            (json!({ "order_id": "8,20983E+17" }), "order_id: "),
            (json!({ "order_id": 1.5 }), "order_id: "),
            (json!({ "refund_id": "1E+12", "refund_amount": "1" }), "refund_id: "),
            (json!({ "coupon": "1.00E+05" }), "coupon: "),
            (json!({ "aliases": { "order_number": "8.2e+17" } }), "aliases.order_number: "),
        ] {
            let error = read_one(of(changes)).unwrap_err();
            assert!(error.starts_with(named) && error.contains("spreadsheets"), "{error}");
        }
        let scientific: Map<String, Value> =
            serde_json::from_str(r#"{"order_id":8.20983e17,"currency":"EUR","goods":5}"#).unwrap();
        assert!(read_one(Value::Object(scientific)).is_err());
        for whole in [json!("820982911946154508"), json!(820_982_911_946_154_508u64), json!("5E12")]
        {
            assert!(read_one(of(json!({ "order_id": whole }))).is_ok(), "{whole}");
        }
        assert!(read_one(of(json!({ "goods": 1e1 }))).is_ok(), "an amount is a number");
    }

    #[test]
    fn a_status_may_be_spelled_in_any_case() {
        for (word, status) in
            [("Draft", Status::Draft), ("Approved", Status::Paid), ("ON-HOLD", Status::Unpaid)]
        {
            assert_eq!(read_one(of(json!({ "status": word }))).unwrap().status, Some(status));
        }
    }

    #[test]
    fn a_call_brings_one_order_or_a_list() {
        assert_eq!(orders(br#"{"order_id":"1"}"#).unwrap().len(), 1);
        assert_eq!(orders(br#"{"orders":[{},{}]}"#).unwrap().len(), 2);
        let beside = orders(br#"{"orders":[{}],"currency":"EUR"}"#).unwrap_err();
        assert!(beside.starts_with("currency: "), "{beside}");
        for wrong in ["[]", "{", r#"{"orders":[]}"#, r#"{"orders":[1]}"#, r#"{"orders":{}}"#] {
            assert!(orders(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
