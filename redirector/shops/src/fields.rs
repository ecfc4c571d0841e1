//! What the readers of several platforms share: signatures, click tokens, names and lines of an
//! order, and a blank fact.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::{Map, Value};
use shared::event::is_order_id;
use shared::id::{ClickId, CustomerId, FactId, ProofId};
use shared::json::repaired;
use shared::money::{Currency, Decimal};
use shared::order::{
    Alias, AliasKind, Line, OrderFact, RefundList, Source, Status, Touch, normal_order_id,
};
use shared::platform::Platform;
use url::form_urlencoded;

use crate::amounts::bounded;
use crate::arrival::{Arrival, Cause, Refusal};
use crate::hex::from_hex;
use crate::mac::{Begun, Check};

/// Notes that a fact may keep about fields that were not understood.
const NOTES_MAX: usize = 20;
/// Lines of an order that are kept, and bytes of an article number.
const LINES_MAX: usize = 500;
/// Values of one address that are looked at for a click token.
const TOKENS_MAX: usize = 10;
const NAME_BYTES_MAX: usize = 128;

/// Returns the first notes, and how many more there were: an unusual body must not make a large
/// record.
pub(crate) fn first_notes(mut notes: Vec<String>) -> Vec<String> {
    let more = notes.len().saturating_sub(NOTES_MAX);
    notes.truncate(NOTES_MAX);
    if more > 0 {
        notes.push(format!("and {more} more"));
    }
    notes
}

/// Begins to check a header that holds base64(HMAC-SHA256(secret, body)) with any of the secrets.
pub(crate) fn begin_signed(
    header_name: &'static str,
    headers: &HeaderMap,
    secrets: &[&str],
) -> Begun {
    let code = headers.get(header_name).and_then(|value| STANDARD.decode(value).ok());
    let text = format!("{header_name} does not fit the body and the merchant's `webhook_secret`");
    let unsigned = Refusal { cause: Cause::Unsigned, text: text.clone() };
    Check::begin(secrets, code, text).map_or(Begun::Refused(unsigned), Begun::Check)
}

/// Returns a signed webhook's fact about an order, still without any values.
pub(crate) fn blank(
    platform: Platform,
    arrival: &Arrival<'_>,
    order_id: String,
    id: FactId,
) -> OrderFact {
    let fact = OrderFact::blank(
        id,
        arrival.merchant,
        (platform, order_id),
        Source::Webhook,
        arrival.received_at,
    );
    OrderFact { refund_list: RefundList::Whole, ..fact }
}

/// Returns the clicks of the valid tokens. Each token comes with the name of its field, so that an
/// invalid one can be noted.
pub(crate) fn touches<'t>(
    arrival: &Arrival<'_>,
    tokens: impl Iterator<Item = (&'t str, impl AsRef<str>)>,
    notes: &mut Vec<String>,
) -> Vec<Touch> {
    let mut touches = Vec::new();
    for (field, token) in tokens {
        match (arrival.token)(token.as_ref().trim()) {
            Ok(claims) if claims.merchant == arrival.merchant => touches.push(Touch::from(&claims)),
            Ok(_) => notes.push(format!("{field}: the token is another merchant's")),
            Err(error) => notes.push(format!("{field}: {error}")),
        }
    }
    touches.sort_unstable();
    touches.dedup();
    touches
}

/// Returns what may be a click token in an address's query: every value of the parameters `ac` and
/// `_ac` that is not empty, decoded. Shops that write an address into a page may spell `&` as
/// `&amp;` or by its number.
pub(crate) fn query_tokens(address: &str) -> Vec<String> {
    let spelled = ["&#038;", "&#38;", "&#x26;", "&#X26;"];
    let address = spelled.iter().fold(address.to_owned(), |text, and| text.replace(and, "&"));
    let address = address.split('#').next().unwrap_or_default();
    let query = address.split_once('?').map_or("", |(_, query)| query);
    let named = form_urlencoded::parse(query.as_bytes()).filter(|(name, value)| {
        let name = name.trim_start_matches("amp;");
        (name == "ac" || name == "_ac") && !value.trim().is_empty()
    });
    named.map(|(_, value)| value.into_owned()).take(TOKENS_MAX).collect()
}

/// Reads a body that must be a JSON object.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(&repaired(body)) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("body: expected a JSON object".to_owned()),
        Err(error) => Err(format!("body: {error}")),
    }
}

/// Returns a field that should be a list. Anything else counts as an empty list.
pub(crate) fn list<'v>(object: &'v Map<String, Value>, field: &str) -> &'v [Value] {
    object.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns the codes of a list of `{"code": …}`.
pub(crate) fn codes(entries: &[Value]) -> Vec<String> {
    let codes = entries.iter().filter_map(|entry| entry.get("code").and_then(Value::as_str));
    codes.filter(|code| !code.trim().is_empty()).map(str::to_owned).collect()
}

/// Returns a text, or the literal digits of a number.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Returns another name of an order, or `None` if the value cannot tell orders apart.
pub(crate) fn alias(kind: AliasKind, value: Option<&Value>) -> Option<Alias> {
    let text = text_of(value?)?;
    is_order_id(&text).then(|| Alias { kind, value: normal_order_id(&text) })
}

/// Returns the proofs that the keys of an order are: values that the shop and the buyer's page have,
/// and nobody else. The keys themselves are not kept.
pub(crate) fn proofs<'v>(
    arrival: &Arrival<'_>,
    keys: impl IntoIterator<Item = Option<&'v Value>>,
) -> Vec<ProofId> {
    let keys = keys.into_iter().flatten().filter_map(Value::as_str);
    let usable = keys.filter(|key| is_order_id(key));
    usable.filter_map(|key| ProofId::of_key(arrival.merchant, key)).collect()
}

/// Returns who bought, from the first field that holds an e-mail address. The address itself is not
/// kept.
pub(crate) fn customer<'v>(
    arrival: &Arrival<'_>,
    emails: impl IntoIterator<Item = Option<&'v Value>>,
) -> Option<CustomerId> {
    let addresses = emails.into_iter().flatten().filter_map(Value::as_str);
    addresses.filter_map(|address| CustomerId::of_email(arrival.merchant, address)).next()
}

/// Returns the mailbox of the same address.
pub(crate) fn mailbox<'v>(
    arrival: &Arrival<'_>,
    emails: impl IntoIterator<Item = Option<&'v Value>>,
) -> Option<CustomerId> {
    let addresses = emails.into_iter().flatten().filter_map(Value::as_str);
    addresses.filter_map(|address| CustomerId::of_mailbox(arrival.merchant, address)).next()
}

/// Returns a line of an order. Returns `None` for a line without an id, and for one with an invalid
/// amount.
pub(crate) fn line(entry: &Map<String, Value>, goods: Decimal, currency: Currency) -> Option<Line> {
    let named =
        |field| entry.get(field).and_then(text_of).filter(|text| text.len() <= NAME_BYTES_MAX);
    let goods_minor = bounded(goods, currency).ok()?;
    let id = named("id").or_else(|| named("item_id"))?;
    Some(Line { id, sku: named("sku"), product: named("product_id"), category: None, goods_minor })
}

/// Returns the lines to keep: all, or none if there are more than `LINES_MAX`.
pub(crate) fn lines(lines: Vec<Line>, notes: &mut Vec<String>) -> Vec<Line> {
    if lines.len() <= LINES_MAX {
        return lines;
    }
    notes.push(format!(
        "line_items: {} lines, more than {LINES_MAX}; kept without them",
        lines.len()
    ));
    vec![]
}

/// Reads a click id in any of its spellings: base64url, 32 hex digits, or a UUID.
pub(crate) fn click_id(text: &str) -> Option<ClickId> {
    let hex: String = text.chars().filter(|c| *c != '-').collect();
    let of_hex = || <[u8; 16]>::try_from(from_hex(&hex)?).ok().map(ClickId::from_bytes);
    text.parse().ok().or_else(of_hex)
}

/// Returns the status that a word means in postbacks and in the server API: our own words and those
/// of networks, in any case.
pub(crate) fn status_of(word: &str) -> Result<Status, String> {
    let plain = word.to_ascii_lowercase().replace(['-', ' '], "_");
    match plain.as_str() {
        "approved" | "accepted" | "confirmed" | "paid" | "payable" | "completed" | "complete"
        | "sale" | "success" | "valid" | "validated" => Ok(Status::Paid),
        "pending" | "on_hold" | "hold" | "unpaid" | "new" | "open" | "waiting" | "processing" => {
            Ok(Status::Unpaid)
        }
        "rejected" | "declined" | "denied" | "cancelled" | "canceled" | "refunded" | "reversed"
        | "void" | "voided" | "invalid" | "trash" | "spam" | "fraud" | "not_found" => {
            Ok(Status::Void)
        }
        _ => Err(format!("status: `{word}` is not known; send approved, pending or rejected")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_tokens_in_an_address_each_is_a_candidate() {
        let check = |address: &str, expected: &[&str]| {
            assert_eq!(query_tokens(address), expected, "{address}");
        };
        check("/p?ac=&utm_source=x&ac=T1", &["T1"]);
        check("https://shop.example/?_ac=T1&ac=T2#?ac=T3", &["T1", "T2"]);
        check("/p?x=1&amp;ac=T1&amp;amp;_ac=T2", &["T1", "T2"]);
        check("/p?x=1&#038;ac=T1&#38;_ac=T2&#x26;ac=T3#&ac=T4", &["T1", "T2", "T3"]);
        check("/p?a%63=T%31", &["T1"]);
        for address in ["/p", "/p?", "/p?back=1", "ac=T1", "/p?ac", "/p?ac=%20"] {
            check(address, &[]);
        }
        let many = format!("/p?{}", "ac=x&".repeat(1000));
        assert_eq!(query_tokens(&many).len(), TOKENS_MAX);
    }

    #[test]
    fn a_body_that_was_cut_inside_an_emoji_or_marked_is_read() {
        for body in [
            &br#"{"id":32,"customer_note":"thanks \ud83d"}"#[..],
            b"\xef\xbb\xbf{\"id\":32}",
            b"{\"id\":\xef\xbb\xbf32,\"customer_note\":\"\xf0\x9f\"}",
        ] {
            assert_eq!(object(body).unwrap()["id"], 32);
        }
        assert!(object(br#"{"id":32"#).is_err());
    }
}
