//! What the readers of several platforms share: signatures, decimal texts, click tokens, and a fact
//! with nothing in it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderValue;
use serde_json::{Map, Value};
use sha2::Sha256;
use shared::event::is_order_id;
use shared::id::{CustomerId, FactId};
use shared::money::{AMOUNT_MAX, Currency, Decimal};
use shared::order::{
    Alias, AliasKind, Line, OrderFact, RefundList, Source, Touch, normal_order_id,
};
use shared::platform::Platform;

use crate::hooks::Context;

/// Notes that a fact keeps about fields that were not understood.
const NOTES_MAX: usize = 20;
/// Lines of an order that are kept, and bytes of an article number.
const LINES_MAX: usize = 500;
const NAME_BYTES_MAX: usize = 128;

/// The first notes of many: a strange body must not make a large record.
pub(super) fn few(mut notes: Vec<String>) -> Vec<String> {
    let more = notes.len().saturating_sub(NOTES_MAX);
    notes.truncate(NOTES_MAX);
    if more > 0 {
        notes.push(format!("and {more} more"));
    }
    notes
}

/// Whether a header holds base64(HMAC-SHA256(secret, body)) with any of the secrets. In constant
/// time.
pub(super) fn is_signed(secrets: &[&str], signature: Option<&HeaderValue>, body: &[u8]) -> bool {
    let signature = signature.and_then(|value| STANDARD.decode(value.as_bytes()).ok());
    let Some(signature) = signature else { return false };
    secrets.iter().any(|secret| {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
        mac.is_ok_and(|mac| mac.chain_update(body).verify_slice(&signature).is_ok())
    })
}

/// A signed webhook's fact about an order that says nothing yet.
pub(super) fn blank(
    platform: Platform,
    context: &Context<'_>,
    order_id: String,
    id: FactId,
) -> OrderFact {
    let fact = OrderFact::blank(
        id,
        context.merchant,
        (platform, order_id),
        Source::Webhook,
        context.received_at,
    );
    OrderFact { refund_list: RefundList::Whole, ..fact }
}

/// The clicks of the tokens that were found, each with the field it was found in; those refused are
/// noted.
pub(super) fn touches<'t>(
    context: &Context<'_>,
    tokens: impl Iterator<Item = (&'t str, &'t str)>,
    notes: &mut Vec<String>,
) -> Vec<Touch> {
    let mut touches = Vec::new();
    for (field, token) in tokens {
        match (context.token)(token.trim()) {
            Ok(claims) if claims.merchant == context.merchant => touches.push(Touch::from(&claims)),
            Ok(_) => notes.push(format!("{field}: the token is another merchant's")),
            Err(error) => notes.push(format!("{field}: {error}")),
        }
    }
    touches.sort_unstable();
    touches.dedup();
    touches
}

/// The click token in an address's query, in either spelling.
pub(super) fn query_token(address: &str) -> Option<&str> {
    let query = address.split('#').next()?.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix("ac=").or_else(|| pair.strip_prefix("_ac=")))
}

/// A field that should be a list; anything else is an empty one.
pub(super) fn list<'v>(object: &'v Map<String, Value>, field: &str) -> &'v [Value] {
    object.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The codes of a list of `{"code": …}`.
pub(super) fn codes(entries: &[Value]) -> Vec<String> {
    let codes = entries.iter().filter_map(|entry| entry.get("code").and_then(Value::as_str));
    codes.filter(|code| !code.trim().is_empty()).map(str::to_owned).collect()
}

/// The text of a field, or the literal digits of a number.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Another name of an order, unless the field holds none that could tell orders apart.
pub(super) fn alias(kind: AliasKind, value: Option<&Value>) -> Option<Alias> {
    let text = text_of(value?)?;
    is_order_id(&text).then(|| Alias { kind, value: normal_order_id(&text) })
}

/// Who bought, from the first of the fields that holds an e-mail address. The address itself is not
/// kept.
pub(super) fn customer<'v>(
    context: &Context<'_>,
    emails: impl IntoIterator<Item = Option<&'v Value>>,
) -> Option<CustomerId> {
    let addresses = emails.into_iter().flatten().filter_map(Value::as_str);
    addresses.filter_map(|address| CustomerId::of_email(context.merchant, address)).next()
}

/// A line of an order. One without an id or worth less than nothing is none.
pub(super) fn line(entry: &Map<String, Value>, goods: Decimal, currency: Currency) -> Option<Line> {
    let named =
        |field| entry.get(field).and_then(text_of).filter(|text| text.len() <= NAME_BYTES_MAX);
    let goods_minor = bounded(goods, currency).ok()?;
    let id = named("id").or_else(|| named("item_id"))?;
    Some(Line { id, sku: named("sku"), product: named("product_id"), category: None, goods_minor })
}

/// The lines that are kept: all, or none of too many.
pub(super) fn lines(lines: Vec<Line>, notes: &mut Vec<String>) -> Vec<Line> {
    if lines.len() <= LINES_MAX {
        return lines;
    }
    notes.push(format!(
        "line_items: {} lines, more than {LINES_MAX}; kept without them",
        lines.len()
    ));
    vec![]
}

/// A decimal, as a text or as the literal digits of a JSON number.
pub(super) fn decimal(value: &Value) -> Result<Decimal, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => return Err(format!("`{}` is not a decimal number", brief(&other.to_string()))),
    };
    text.parse().map_err(|error| format!("{error}"))
}

/// The start of a value that is quoted in a note.
fn brief(text: &str) -> String {
    text.chars().take(40).collect()
}

/// A decimal in minor units of its currency.
pub(super) fn minor(value: &Value, currency: Currency) -> Result<i64, String> {
    decimal(value).and_then(|amount| bounded(amount, currency))
}

/// An amount in minor units, unless no order can be about it.
pub(super) fn bounded(amount: Decimal, currency: Currency) -> Result<i64, String> {
    match amount.to_minor(currency) {
        Ok(minor @ 0..=AMOUNT_MAX) => Ok(minor),
        _ => Err(format!("`{amount}` is no amount of an order")),
    }
}

/// The sum of an order's lines in minor units. One below zero counts as nothing.
pub(super) fn goods(sum: Decimal, currency: Currency, notes: &mut Vec<String>) -> Option<i64> {
    if sum.is_negative() {
        notes.push(format!("line_items: their sum `{sum}` is below zero; read as 0"));
        return Some(0);
    }
    bounded(sum, currency).map_err(|reason| notes.push(format!("line_items: {reason}"))).ok()
}
