//! Leads in our own form: what a shop's server sends to the server API, and what an agency imports
//! as CSV. A network's postback may hand the same fields on.
//!
//! Their authors can read our answers, and nobody sees a note. So every field that is unknown or
//! cannot be read refuses the lead, with the reason. Nothing here tells who the person is.

use serde_json::{Map, Value};
use shared::event::is_order_id;
use shared::id::{ClickId, FactId};
use shared::lead::{LeadFact, LeadStatus};
use shared::order::{Touch, normal_order_id};
use shared::time::Timestamp;
use url::form_urlencoded;

use crate::amounts::brief;
use crate::arrival::Arrival;
use crate::fields::{self, click_id, text_of};

/// The topic under which leads of the server API that were not understood are kept.
pub const LEADS_TOPIC: &str = "leads";
/// Leads that one call may bring.
pub const LEADS_MAX: usize = 100;
/// All fields that are understood.
const FIELDS: [&str; 9] =
    ["lead_id", "status", "click_id", "ac", "_ac", "made_at", "updated_at", "order_id", "test"];

/// Returns the leads of a call: one object, or a list of objects under `leads`.
///
/// # Errors
/// When the body is neither, or the list is empty or too long.
pub fn leads(body: &[u8]) -> Result<Vec<Map<String, Value>>, String> {
    let body: Value = serde_json::from_slice(body).map_err(|error| format!("body: {error}"))?;
    let object =
        |value: &Value| value.as_object().cloned().ok_or("leads: expected JSON objects".to_owned());
    match body.get("leads") {
        Some(Value::Array(leads)) if (1..=LEADS_MAX).contains(&leads.len()) => {
            leads.iter().map(object).collect()
        }
        Some(_) => Err(format!("leads: expected a list of 1 to {LEADS_MAX}")),
        None => object(&body).map(|lead| vec![lead]),
    }
}

/// Reads one lead. `place` is its number in the delivery, from 0: of two reports that come at once
/// the later one stands.
///
/// # Errors
/// Names the field that is missing, unknown or wrong, with its value.
pub fn read(
    arrival: &Arrival<'_>,
    place: usize,
    lead: &Map<String, Value>,
) -> Result<LeadFact, String> {
    if let Some(unknown) = lead.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        let known = FIELDS.join(", ");
        return Err(format!("{}: no such field; a lead has {known}", brief(unknown)));
    }
    let reader = Reader { arrival, lead };
    let updated_at = reader.time("updated_at")?;
    let (touches, clicks) = reader.clicks()?;
    Ok(LeadFact {
        id: reader.id(updated_at, place),
        merchant: arrival.merchant,
        lead_id: reader.name("lead_id")?.ok_or("lead_id: is required")?,
        status: reader.status()?,
        occurred_at: updated_at.unwrap_or(arrival.received_at).min(arrival.received_at),
        received_at: arrival.received_at,
        place: u32::try_from(place).unwrap_or(u32::MAX),
        made_at: reader.time("made_at")?,
        touches,
        clicks,
        order_id: reader.name("order_id")?,
        test: reader.flag("test")?,
        reread: None,
    })
}

/// Returns the lead of a postback in our own form with `event=lead`, which was authenticated
/// before; `None` for any other event. `txid` is the lead's id, `ts` the time of the status.
///
/// SECURITY: a postback is an address, which others may have seen. So `ts` is required: an old one
/// that is sent again changes nothing.
///
/// # Errors
/// As [`read`].
pub fn of_postback(arrival: &Arrival<'_>) -> Option<Result<LeadFact, String>> {
    let parameters = || form_urlencoded::parse(arrival.body);
    let is_lead =
        parameters().any(|(name, value)| name == "event" && value.eq_ignore_ascii_case("lead"));
    is_lead.then(|| {
        let mut lead = Map::new();
        for (name, value) in parameters() {
            let field = match name.as_ref() {
                "event" | "sig" | "token" => continue,
                "txid" => "lead_id",
                "ts" => "updated_at",
                other => other,
            };
            let value = if name == "ts" { time_of(&value) } else { value.into_owned() };
            if lead.insert(field.to_owned(), value.into()).is_some() {
                return Err(format!("{}: stands twice", brief(&name)));
            }
        }
        if !lead.contains_key("updated_at") {
            return Err("ts: is required for a lead".to_owned());
        }
        read(arrival, 0, &lead).map_err(|reason| {
            let named =
                |from: &str, to: &str| reason.strip_prefix(from).map(|r| format!("{to}{r}"));
            named("lead_id:", "txid:").or_else(|| named("updated_at:", "ts:")).unwrap_or(reason)
        })
    })
}

/// Returns a postback's time as [`read`] takes it: it may come in seconds since 1970.
fn time_of(text: &str) -> String {
    let seconds: Option<i64> = text.parse().ok();
    let at = seconds.map(|seconds| Timestamp::from_ms(seconds.saturating_mul(1000)));
    at.map_or_else(|| text.to_owned(), |at| at.to_string())
}

/// Returns the status that a word means, in any case.
///
/// # Errors
/// Names the word and those that are known.
pub fn status_of(word: &str) -> Result<LeadStatus, String> {
    match word.to_ascii_lowercase().replace([' ', '-'], "_").as_str() {
        "open" | "new" | "pending" => Ok(LeadStatus::Open),
        "qualified" | "approved" => Ok(LeadStatus::Qualified),
        "not_qualified" | "unqualified" | "disqualified" | "rejected" => {
            Ok(LeadStatus::NotQualified)
        }
        "won" => Ok(LeadStatus::Won),
        "lost" => Ok(LeadStatus::Lost),
        _ => Err(format!(
            "status: `{}` is not known; send open, qualified, not_qualified, won or lost",
            brief(word)
        )),
    }
}

struct Reader<'a> {
    arrival: &'a Arrival<'a>,
    lead: &'a Map<String, Value>,
}

impl Reader<'_> {
    /// Returns the id of the fact. Without a time of its own, each delivery is a fact: otherwise a
    /// status that is taken back by the very same words would be taken for a repetition.
    fn id(&self, updated_at: Option<Timestamp>, place: usize) -> FactId {
        let content = serde_json::to_vec(self.lead).unwrap_or_default();
        let merchant = self.arrival.merchant.bits().to_be_bytes();
        let arrived = format!("{} {place}", self.arrival.received_at.as_ms());
        let arrived = if updated_at.is_some() { "" } else { &arrived };
        FactId::of_content(&[b"lead", &merchant, &content, arrived.as_bytes()])
    }

    fn value(&self, field: &str) -> Option<&Value> {
        self.lead.get(field).filter(|value| !value.is_null() && *value != "")
    }

    fn text(&self, field: &str) -> Result<Option<String>, String> {
        let text = |value| text_of(value).ok_or_else(|| format!("{field}: expected a text"));
        self.value(field).map(text).transpose()
    }

    /// Returns a name that the shop gave to a lead or to an order.
    fn name(&self, field: &str) -> Result<Option<String>, String> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        if is_order_id(&text) {
            Ok(Some(normal_order_id(&text)))
        } else {
            Err(format!("{field}: `{}` is not a valid id", brief(&text)))
        }
    }

    fn status(&self) -> Result<LeadStatus, String> {
        let missing = "status: is required; send open, qualified, not_qualified, won or lost";
        status_of(&self.text("status")?.ok_or(missing)?)
    }

    fn time(&self, field: &str) -> Result<Option<Timestamp>, String> {
        let parse = |text: String| text.parse().map_err(|error| format!("{field}: {error}"));
        self.text(field)?.map(parse).transpose()
    }

    fn flag(&self, field: &str) -> Result<bool, String> {
        match self.value(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if text == "true" || text == "false" => Ok(text == "true"),
            Some(_) => Err(format!("{field}: expected true or false")),
        }
    }

    /// Returns the clicks that are named by token or by id.
    fn clicks(&self) -> Result<(Vec<Touch>, Vec<ClickId>), String> {
        let (mut tokens, mut ids) = (Vec::new(), Vec::new());
        for field in ["click_id", "ac", "_ac"] {
            if let Some(text) = self.text(field)? {
                match click_id(&text) {
                    Some(id) => ids.push(id),
                    None => tokens.push((field, text)),
                }
            }
        }
        let mut wrong = Vec::new();
        let tokens = tokens.iter().map(|(field, text)| (*field, text.as_str()));
        let touches = fields::touches(self.arrival, tokens, &mut wrong);
        if wrong.is_empty() { Ok((touches, ids)) } else { Err(wrong.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::json;
    use shared::id::{LinkId, MerchantId};
    use shared::token::{Claims, Kind, TokenError};

    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_780_000_000_000);

    fn claims() -> Claims {
        Claims {
            key_id: 1,
            kind: Kind::Click,
            consent: shared::consent::Consent::Unknown,
            issued_at: NOW,
            window_minutes: 60,
            merchant: MerchantId::from_bits(1),
            link: LinkId::from_bits(2),
            click: ClickId::from_bytes([3; 16]),
        }
    }

    /// Reads a lead that arrives so many milliseconds later.
    fn read_at(ms: i64, lead: &Value) -> Result<LeadFact, String> {
        let headers = HeaderMap::new();
        let token = &|text: &str| {
            if text == "valid" { Ok(claims()) } else { Err(TokenError::Tag) }
        };
        let received_at = Timestamp::from_ms(NOW.as_ms() + ms);
        let arrival = Arrival { token, ..Arrival::of_test(&headers, b"", received_at) };
        read(&arrival, 0, lead.as_object().unwrap())
    }

    #[test]
    fn a_lead_is_read_field_by_field() {
        let fact = read_at(
            5,
            &json!({
                "lead_id": "#L-1", "status": "Not qualified", "ac": "valid",
                "click_id": "03030303030303030303030303030303", "order_id": 1001,
                "made_at": "2026-05-01T10:00:00+02:00", "updated_at": "2026-05-02T10:00:00Z",
                "test": "true",
            }),
        )
        .unwrap();
        assert_eq!((fact.lead_id.as_str(), fact.status), ("L-1", LeadStatus::NotQualified));
        assert_eq!(fact.touches, [Touch::from(&claims())]);
        assert_eq!(fact.clicks, [ClickId::from_bytes([3; 16])]);
        assert_eq!(fact.order_id.as_deref(), Some("1001"));
        assert_eq!(fact.made_at, "2026-05-01T08:00:00Z".parse().ok());
        assert_eq!(Some(fact.occurred_at), "2026-05-02T10:00:00Z".parse().ok());
        assert!(fact.test);
    }

    #[test]
    fn whatever_cannot_be_read_refuses_the_lead_and_is_named() {
        for (lead, named) in [
            (json!({ "status": "won" }), "lead_id: is required"),
            (json!({ "lead_id": "undefined", "status": "won" }), "lead_id: `undefined`"),
            (json!({ "lead_id": "1" }), "status: is required"),
            (json!({ "lead_id": "1", "status": "warm" }), "status: `warm`"),
            (json!({ "lead_id": "1", "status": ["won"] }), "status: expected a text"),
            (json!({ "lead_id": "1", "status": "won", "ac": "forged" }), "ac: "),
            (json!({ "lead_id": "1", "status": "won", "made_at": "yesterday" }), "made_at: "),
            (json!({ "lead_id": "1", "status": "won", "updated_at": "2026-05-02" }), "updated_at"),
            (json!({ "lead_id": "1", "status": "won", "test": "maybe" }), "test: expected"),
            (json!({ "lead_id": "1", "status": "won", "order_id": "null" }), "order_id: `null`"),
            (json!({ "lead_id": "1", "status": "won", "email": "a@b.example" }), "email: no such"),
        ] {
            let error = read_at(0, &lead).unwrap_err();
            assert!(error.contains(named), "{error} should name {named}");
        }
    }

    #[test]
    fn a_repetition_is_the_same_fact_if_it_says_when_it_changed() {
        let timed =
            json!({ "lead_id": "1", "status": "won", "updated_at": "2026-05-02T10:00:00Z" });
        let untimed = json!({ "lead_id": "1", "status": "won" });
        let id = |ms, lead: &Value| read_at(ms, lead).unwrap().id;
        assert_eq!(id(0, &timed), id(9, &timed));
        assert_ne!(id(0, &untimed), id(9, &untimed), "a status that is taken back is a new fact");
    }

    #[test]
    fn a_postback_tells_of_a_lead() {
        let read = |parameters: &str| {
            let headers = HeaderMap::new();
            of_postback(&Arrival::of_test(&headers, parameters.as_bytes(), NOW))
        };
        let ts = "2026-05-02T10%3A00%3A00Z";
        let click = "03030303030303030303030303030303";
        let told = format!(
            "event=Lead&txid=L-1&status=approved&click_id={click}&ts={ts}&sig=00ff&order_id=7"
        );
        let fact = read(&told).unwrap().unwrap();
        assert_eq!((fact.lead_id.as_str(), fact.status), ("L-1", LeadStatus::Qualified));
        assert_eq!(fact.clicks, [ClickId::from_bytes([3; 16])]);
        assert_eq!(Some(fact.occurred_at), "2026-05-02T10:00:00Z".parse().ok());
        let in_seconds = read(&told.replace(ts, "1777716000")).unwrap().unwrap();
        assert_eq!(in_seconds.occurred_at, fact.occurred_at);
        assert_eq!((fact.order_id.as_deref(), &fact), (Some("7"), &read(&told).unwrap().unwrap()));
        assert!(read("event=sale&txid=1").is_none() && read("txid=1").is_none());
        for (parameters, named) in [
            ("event=lead&txid=L-1&status=won".to_owned(), "ts: is required"),
            (format!("event=lead&status=won&ts={ts}"), "txid: is required"),
            (format!("event=lead&txid=%7Bid%7D&status=won&ts={ts}"), "txid: `{id}`"),
            (format!("event=lead&txid=1&txid=2&status=won&ts={ts}"), "txid: stands twice"),
            (format!("event=lead&txid=1&status=won&ts={ts}&amount=5"), "amount: no such field"),
            ("event=lead&txid=1&status=won&ts=now".to_owned(), "ts: "),
        ] {
            let error = read(&parameters).unwrap().unwrap_err();
            assert!(error.starts_with(named), "{error} should name {named}");
        }
    }

    #[test]
    fn a_call_brings_one_lead_or_a_list() {
        assert_eq!(leads(br#"{"lead_id":"1"}"#).unwrap().len(), 1);
        assert_eq!(leads(br#"{"leads":[{},{}]}"#).unwrap().len(), 2);
        for wrong in ["[]", "{", r#"{"leads":[]}"#, r#"{"leads":[1]}"#, r#"{"leads":{}}"#] {
            assert!(leads(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
