//! Postbacks: one fact about an order as URL parameters, from a shop or a tracking system, in our
//! own form or in that of a network.
//!
//! Our own: `click_id` (the click token, or the click's id), `txid` (the shop's order id), `key` (what
//! only the shop and the buyer's page know), `amount`, `currency`, `status`, `event`, `ts`, `sig`. `sig` is the hex HMAC-SHA256, with the
//! merchant's secret, of the other parameters sorted by name and joined by `&`, percent-encoded as
//! they were sent. A sender that cannot sign sends the merchant's postback token instead.
//!
//! SECURITY: the address is not signed. Of one signed postback there is one fact about one order, in
//! whichever dialect it is read.
//!
//! Without an order id, each click has one order. The same order with a new status is a transition;
//! the same postback twice is one fact. The address of a postback names its dialect. The dialect is
//! never guessed: `transaction_id` is the order in some dialects and the click in others.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Map;
use shared::event::is_order_id;
use shared::id::{ClickId, FactId, ProofId};
use shared::lead::LeadFact;
use shared::money::{Currency, Decimal};
use shared::order::{FactKind, OrderFact, Source, Status, Touch, normal_order_id};
use shared::platform::Platform;
use shared::time::Timestamp;
use shared::token::TOKEN_CHARS;
use subtle::ConstantTimeEq;
use url::form_urlencoded;

use crate::amounts::bounded;
use crate::arrival::Arrival;
use crate::fields::{click_id, status_of};
use crate::hex::from_hex;
use crate::{lead, mac, plain};

/// What stands around the name of a placeholder in one tracker's templates or another's.
const MARKS: [(&str, &str); 8] = [
    ("[", "]"),
    ("<", ">"),
    ("%%", "%%"),
    ("%", "%"),
    ("#", "#"),
    ("$", "$"),
    ("!!!", "!!!"),
    ("__", "__"),
];
/// Whole values that stay in a template when nobody has filled it in. Other placeholders stand in
/// braces.
const PLACEHOLDERS: [&str; 4] = ["REPLACE", "REPLACE_ME", "REPLACEME", "OPTIONAL"];
/// Seconds since 1970 that no clock shows: somebody sent milliseconds.
const SECONDS_MAX: i64 = 100_000_000_000;
/// Parameters that authenticate the sender and say nothing about the order.
const CREDENTIALS: [&str; 3] = ["sig", "token", "security_token"];
/// What our own postbacks say of an order, beside the click and the order's id.
const OWN: [&str; 6] = ["amount", "currency", "event", "key", "status", "ts"];
/// Characters of an answer that a sender may choose.
const REPLY_CHARS_MAX: usize = 64;

/// The form of a postback: our own, or a network's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Own,
    Voluum,
    Keitaro,
    Tune,
    Everflow,
}

/// The names of parameters in a dialect. Of several names, the first that is present counts.
struct Names {
    click: &'static [&'static str],
    order: &'static [&'static str],
    amount: &'static [&'static str],
}

impl Dialect {
    const ALL: [Self; 5] = [Self::Own, Self::Voluum, Self::Keitaro, Self::Tune, Self::Everflow];

    /// The dialect that a path names.
    pub fn of_path(name: &str) -> Option<Self> {
        match name {
            "voluum" => Some(Self::Voluum),
            "keitaro" => Some(Self::Keitaro),
            "tune" => Some(Self::Tune),
            "everflow" => Some(Self::Everflow),
            _ => None,
        }
    }

    /// Returns the topic under which postbacks that were not understood are kept.
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Own => "postback",
            Self::Voluum => "postback/voluum",
            Self::Keitaro => "postback/keitaro",
            Self::Tune => "postback/tune",
            Self::Everflow => "postback/everflow",
        }
    }

    /// Returns the dialect of a topic under which a postback was kept.
    pub fn of_topic(topic: &str) -> Option<Self> {
        if topic == "postback" {
            Some(Self::Own)
        } else {
            Self::of_path(topic.strip_prefix("postback/")?)
        }
    }

    const fn names(self) -> Names {
        match self {
            Self::Own => {
                Names { click: &["click_id", "ac", "_ac"], order: &["txid"], amount: &["amount"] }
            }
            Self::Voluum => {
                Names { click: &["cid"], order: &["txid"], amount: &["payout", "amount"] }
            }
            Self::Keitaro => {
                Names { click: &["subid"], order: &["tid"], amount: &["revenue", "payout"] }
            }
            Self::Tune => {
                Names { click: &["transaction_id"], order: &["adv_sub"], amount: &["amount"] }
            }
            Self::Everflow => Names {
                click: &["transaction_id"],
                order: &["order_id", "adv1"],
                amount: &["amount"],
            },
        }
    }

    /// Returns the answer to a postback that was recorded.
    pub fn accepted(self, parameters: &str) -> String {
        let reply = || {
            let mut pairs = form_urlencoded::parse(parameters.as_bytes());
            let (_, reply) = pairs.find(|(name, _)| name == "return")?;
            let is_plain = |c: char| c.is_ascii_alphanumeric() || " ._-".contains(c);
            (reply.chars().count() <= REPLY_CHARS_MAX && reply.chars().all(is_plain))
                .then(|| reply.into_owned())
        };
        match self {
            Self::Tune => "success=true;".to_owned(),
            Self::Keitaro => reply().unwrap_or_else(|| "ok\n".to_owned()),
            Self::Own | Self::Voluum | Self::Everflow => "ok\n".to_owned(),
        }
    }

    /// Returns the answer to a postback that was not understood.
    pub fn refused(self, reason: &str) -> String {
        match self {
            Self::Tune => format!("success=false; err_msg={reason}"),
            _ => format!("{reason}\nkept as unparsed\n"),
        }
    }
}

/// Returns whether a postback is authentic: by `sig` over the other parameters, or by the postback
/// token. Both are compared in constant time.
pub fn is_authentic(arrival: &Arrival<'_>) -> bool {
    let parameters = parameters_of(arrival);
    is_signed(arrival.secrets, parameters) || has_token(arrival.secrets, parameters)
}

fn parameters_of<'a>(arrival: &Arrival<'a>) -> &'a str {
    str::from_utf8(arrival.body).unwrap_or_default()
}

/// Returns whether `sig` fits the other parameters, by any of the secrets.
fn is_signed(secrets: &[&str], parameters: &str) -> bool {
    let pairs = || parameters.split('&').filter(|pair| !pair.is_empty());
    let Some(code) = pairs().find_map(|pair| pair.strip_prefix("sig=")).and_then(from_hex) else {
        return false;
    };
    let mut signed: Vec<_> = pairs().filter(|pair| !pair.starts_with("sig=")).collect();
    signed.sort_by_key(|pair| pair.split('=').next());
    mac::is_valid(secrets, &[signed.join("&").as_bytes()], &code)
}

/// Returns the token for senders that cannot sign. It follows from the secret and does not reveal
/// it: the token is part of addresses, which are logged in many places.
pub fn token(secret: &str) -> Option<String> {
    Some(URL_SAFE_NO_PAD.encode(mac::code(secret, &[b"afterclick postback token v1"])?))
}

fn has_token(secrets: &[&str], parameters: &str) -> bool {
    let sent = form_urlencoded::parse(parameters.as_bytes())
        .find(|(name, _)| name == "token" || name == "security_token");
    let Some((_, sent)) = sent else { return false };
    let expected = secrets.iter().filter_map(|secret| token(secret));
    expected.fold(false, |found, token| found | bool::from(token.as_bytes().ct_eq(sent.as_bytes())))
}

/// What is known about the sender of a postback.
#[derive(Clone, Copy)]
pub struct Sender {
    pub platform: Platform,
    pub dialect: Dialect,
    /// The currency of the amounts when a network's postback names none.
    pub currency: Currency,
}

/// Reads an authentic postback. Returns `None` if its sender wants it to be ignored.
///
/// # Errors
/// Names the parameter that is missing or wrong, with its value.
pub fn read(arrival: &Arrival<'_>, sender: Sender) -> Result<Option<OrderFact>, String> {
    let fields = Fields::of(arrival, sender);
    let is_signed = fields.check(arrival)?;
    if sender.dialect == Dialect::Own {
        let event = fields.text("event").unwrap_or("purchase");
        if !["purchase", "sale"].iter().any(|known| event.eq_ignore_ascii_case(known)) {
            return Err(format!("event: `{event}` is not known; send purchase, sale or lead"));
        }
    }
    let Some(outcome) = fields.outcome()? else { return Ok(None) };
    let click = fields.click(arrival)?;
    let order_id = fields.order_id(click.as_ref())?;
    let mut notes = vec![];
    let (amount_minor, currency) = match fields.amount() {
        // A void order is worth nothing, whatever its amount: it must not be paid because of it.
        Err(reason) if outcome.status == Status::Void => {
            notes.push(reason);
            (None, None)
        }
        amount => amount?,
    };
    let key = fields.text("key").filter(|_| sender.dialect == Dialect::Own);
    key.map(|key| plain::check_key("key", key)).transpose()?;
    let stated = fields.time()?;
    let occurred_at = stated.map_or(arrival.received_at, |stated| stated.min(arrival.received_at));
    let merchant = arrival.merchant.bits().to_be_bytes();
    let of = if is_signed { Dialect::Own } else { sender.dialect };
    let id = FactId::of_content(&[of.topic().as_bytes(), &merchant, &fields.canonical()]);
    let name = (sender.platform, order_id);
    let blank = OrderFact::blank(id, arrival.merchant, name, Source::Postback, arrival.received_at);
    let (touches, clicks) = match click {
        Some(Click::Token(touch)) => (vec![touch], vec![]),
        Some(Click::Id(click)) => (vec![], vec![click]),
        None => (vec![], vec![]),
    };
    Ok(Some(OrderFact {
        kind: if outcome.status == Status::Void { FactKind::Cancel } else { FactKind::Order },
        occurred_at,
        // SECURITY: an address with a signature may be read in a log and sent again, which must not
        // bring back what it said. Who has the postback token can say anything anyway.
        restates: !is_signed && stated.is_none_or(|stated| stated <= arrival.received_at),
        status: Some(outcome.status),
        currency,
        goods_minor: amount_minor,
        total_minor: amount_minor,
        // A postback that only changes the status says nothing about the amounts of earlier facts.
        partial: amount_minor.is_none(),
        touches,
        clicks,
        proofs: key.and_then(|key| ProofId::of_key(arrival.merchant, key)).into_iter().collect(),
        renewal: outcome.renewal,
        notes,
        ..blank
    }))
}

/// Returns the status that a network's word or Affise's number means. Elsewhere a number may mean
/// anything.
fn network_status(word: &str) -> Result<Status, String> {
    match word {
        "1" => Ok(Status::Paid),
        "2" | "5" => Ok(Status::Unpaid),
        "3" | "4" => Ok(Status::Void),
        word => status_of(word),
    }
}

/// Reads an authentic postback of our own about a lead. Returns `None` if it is about an order.
pub fn lead(arrival: &Arrival<'_>, sender: Sender) -> Option<Result<LeadFact, String>> {
    let fields = Fields::of(arrival, sender);
    fields.is_lead().then(|| fields.lead(arrival))
}

/// Refuses parameters that stand twice, spelled in two ways: the signature covers both, but not which
/// of them is the last.
fn check_not_repeated(parameters: &[u8]) -> Result<(), String> {
    let mut names = HashSet::new();
    let said = form_urlencoded::parse(parameters).map(|(name, _)| bare(name));
    let mut said = said.filter(|name| !CREDENTIALS.contains(&name.as_ref()));
    let twice = said.find(|name| !names.insert(name.clone()));
    twice.map_or(Ok(()), |name| Err(format!("{name}: stands twice; send it once")))
}

/// Returns a parameter's name. Addresses that were copied from a page spell `&` as `&amp;`.
fn bare(name: Cow<'_, str>) -> Cow<'_, str> {
    match name.strip_prefix("amp;") {
        Some(bare) => bare.to_owned().into(),
        None => name,
    }
}

/// A click as a postback names it.
enum Click {
    /// By its token, which contains the whole touch.
    Token(Touch),
    /// By its id, which is looked up later.
    Id(ClickId),
}

/// What a postback says about the state of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outcome {
    status: Status,
    renewal: bool,
}

/// Decoded parameters by name. Of several with the same name, the last one counts.
struct Fields<'a> {
    sender: Sender,
    pairs: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    fn of(arrival: &Arrival<'a>, sender: Sender) -> Self {
        let parameters = parameters_of(arrival).as_bytes();
        let pairs = form_urlencoded::parse(parameters).map(|(name, value)| (bare(name), value));
        Self { sender, pairs: pairs.collect() }
    }

    /// Checks what every postback must be. Returns whether it is signed.
    fn check(&self, arrival: &Arrival<'_>) -> Result<bool, String> {
        self.check_filled_in()?;
        self.check_read()?;
        let is_signed = self.text("sig").is_some();
        if is_signed {
            check_not_repeated(parameters_of(arrival).as_bytes())?;
            self.check_dialect()?;
        }
        Ok(is_signed)
    }

    fn is_lead(&self) -> bool {
        self.sender.dialect == Dialect::Own
            && self.text("event").is_some_and(|event| event.eq_ignore_ascii_case("lead"))
    }

    /// Reads a lead. Its amount is not the sender's to say: the campaign pays for it.
    fn lead(&self, arrival: &Arrival<'_>) -> Result<LeadFact, String> {
        let is_signed = self.check(arrival)?;
        if let Some((name, _)) = self.first(&["amount", "currency", "key"]) {
            return Err(format!("{name}: a lead has none; it has txid, click_id, status, ts"));
        }
        let click = self.click(arrival)?;
        let word = self.text("status").unwrap_or("approved");
        let status = match network_status(word) {
            Ok(Status::Paid) => "qualified",
            Ok(Status::Unpaid | Status::Draft) => "open",
            Ok(Status::Void) => "not_qualified",
            Err(_) => word,
        };
        let mut sent = Map::new();
        let mut put = |name: &str, text: String| sent.insert(name.to_owned(), text.into());
        put("lead_id", self.order_id(click.as_ref())?);
        put("status", status.to_owned());
        if let Some((_, click)) = self.first(self.sender.dialect.names().click) {
            put("click_id", click.to_owned());
        }
        if let Some(time) = self.time()? {
            put("updated_at", time.to_string());
        }
        let fact = lead::read(arrival, 0, &sent)?;
        if !is_signed {
            return Ok(fact);
        }
        // SECURITY: an address with a signature may be read in a log and sent again, which must not
        // bring back what it said.
        let merchant = arrival.merchant.bits().to_be_bytes();
        let id = FactId::of_content(&[b"postback lead", &merchant, &self.canonical()]);
        Ok(LeadFact { id, ..fact })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.pairs.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn first(&self, names: &[&'static str]) -> Option<(&'static str, &str)> {
        names.iter().find_map(|name| Some((*name, self.text(name)?)))
    }

    fn check_filled_in(&self) -> Result<(), String> {
        let said = self.pairs.iter().filter(|(name, _)| !CREDENTIALS.contains(&name.as_ref()));
        let unfilled = said.into_iter().find(|(_, value)| is_placeholder(value.trim()));
        unfilled
            .map_or(Ok(()), |(name, value)| Err(format!("{name}: `{value}` was never filled in")))
    }

    /// Refuses a postback of our own with a field that only the server API reads: its sender believes
    /// that it counts. Parameters of trackers, which nobody can remove there, are left alone.
    fn check_read(&self) -> Result<(), String> {
        let Names { click, order, .. } = Dialect::Own.names();
        let is_read =
            |name: &str| OWN.contains(&name) || click.contains(&name) || order.contains(&name);
        let mut names = self.pairs.keys().filter(|_| self.sender.dialect == Dialect::Own);
        match names.find(|name| plain::is_field(name) && !is_read(name)) {
            Some(name) => Err(format!(
                "{name}: a postback has no such parameter; it has txid, click_id, {}",
                OWN.join(", ")
            )),
            None => Ok(()),
        }
    }

    /// Refuses a network's postback that names a click or an order as another dialect does: read in
    /// that dialect, it would be about another order.
    fn check_dialect(&self) -> Result<(), String> {
        let own = self.sender.dialect.names();
        let is_own = |name: &str| own.click.contains(&name) || own.order.contains(&name);
        if self.sender.dialect == Dialect::Own {
            return Ok(());
        }
        let others = Dialect::ALL.into_iter().map(Dialect::names);
        let mut others = others.flat_map(|names| [names.click, names.order].concat());
        match others.find(|name| !is_own(name) && self.pairs.contains_key(*name)) {
            Some(name) => Err(format!("{name}: belongs to another dialect; check the address")),
            None => Ok(()),
        }
    }

    /// Returns the state of the order, or `None` if the sender wants the postback to be ignored.
    fn outcome(&self) -> Result<Option<Outcome>, String> {
        if self.sender.dialect == Dialect::Keitaro {
            return self.keitaro();
        }
        let status = network_status(self.text("status").unwrap_or("approved"))?;
        Ok(Some(Outcome { status, renewal: false }))
    }

    /// Reads Keitaro's words. The sender may list its own words for each of them, such as
    /// `sale_status=confirmed,approved`.
    fn keitaro(&self) -> Result<Option<Outcome>, String> {
        let word = self.text("status").unwrap_or("sale");
        let listed = |list: &str| {
            let is_word = |listed: &str| listed.trim().eq_ignore_ascii_case(word);
            self.text(list).is_some_and(|words| words.split(',').any(is_word))
        };
        if listed("ignore_status") {
            return Ok(None);
        }
        let known = ["lead", "sale", "rejected", "rebill"];
        let remapped = known.into_iter().find(|known| listed(&format!("{known}_status")));
        let (status, renewal) = match remapped.unwrap_or(word).to_ascii_lowercase().as_str() {
            "lead" => (Status::Unpaid, false),
            "rebill" => (Status::Paid, true),
            other => {
                let status = network_status(other).map_err(|_| {
                    format!(
                        "status: `{word}` is not known; send lead, sale, rejected or rebill, or name it in sale_status"
                    )
                })?;
                (status, false)
            }
        };
        Ok(Some(Outcome { status, renewal }))
    }

    fn click(&self, arrival: &Arrival<'_>) -> Result<Option<Click>, String> {
        let Some((name, text)) = self.first(self.sender.dialect.names().click) else {
            return Ok(None);
        };
        if text.len() != TOKEN_CHARS
            && let Some(id) = click_id(text)
        {
            return Ok(Some(Click::Id(id)));
        }
        match (arrival.token)(text) {
            Ok(claims) if claims.merchant == arrival.merchant => {
                Ok(Some(Click::Token(Touch::from(&claims))))
            }
            Ok(_) => Err(format!("{name}: the token is another merchant's")),
            Err(error) => Err(format!("{name}: {error}")),
        }
    }

    fn order_id(&self, click: Option<&Click>) -> Result<String, String> {
        let names = self.sender.dialect.names();
        match (self.first(names.order), click) {
            (Some((_, id)), _) if is_order_id(id) => Ok(normal_order_id(id)),
            (Some((name, id)), _) => Err(format!("{name}: `{id}` is not a valid order id")),
            (None, Some(Click::Token(touch))) => Ok(format!("click:{}", touch.click)),
            (None, Some(Click::Id(id))) => Ok(format!("click:{id}")),
            (None, None) => {
                Err(format!("{}: is required where there is no {}", names.order[0], names.click[0]))
            }
        }
    }

    fn amount(&self) -> Result<(Option<i64>, Option<Currency>), String> {
        let Some((name, text)) = self.first(self.sender.dialect.names().amount) else {
            return Ok((None, None));
        };
        // In Everflow's dialect 12,34 means 12.34. In all other dialects it is a mistake, and so are
        // three digits behind the comma: nobody knows whether these are thousands.
        let is_decimal = |text: &str| text.split_once(',').is_some_and(|(_, part)| part.len() != 3);
        let decimal = match self.sender.dialect {
            Dialect::Everflow if !text.contains('.') && is_decimal(text) => {
                text.replacen(',', ".", 1)
            }
            _ => text.to_owned(),
        };
        let amount: Decimal = decimal.parse().map_err(|error| format!("{name}: {error}"))?;
        let currency = match (self.text("currency"), self.sender.dialect) {
            (Some(code), _) => code.parse().map_err(|error| format!("currency: {error}"))?,
            (None, Dialect::Own) => return Err("currency: is required with an amount".to_owned()),
            (None, _) => self.sender.currency,
        };
        let minor = bounded(amount, currency).map_err(|reason| format!("{name}: {reason}"))?;
        Ok((Some(minor), Some(currency)))
    }

    /// Reads `ts`, in seconds since 1970.
    fn time(&self) -> Result<Option<Timestamp>, String> {
        let Some(text) = self.text("ts") else { return Ok(None) };
        let seconds: i64 = text
            .parse()
            .map_err(|_| format!("ts: `{text}` is not a number of seconds since 1970"))?;
        if !(0..SECONDS_MAX).contains(&seconds) {
            return Err(format!("ts: `{text}` is no time in seconds since 1970"));
        }
        Ok(Some(Timestamp::from_ms(seconds * 1000)))
    }

    /// Returns all parameters but the credentials, in one canonical form.
    fn canonical(&self) -> Vec<u8> {
        let mut canonical = form_urlencoded::Serializer::new(String::new());
        canonical.extend_pairs(
            self.pairs.iter().filter(|(name, _)| !CREDENTIALS.contains(&name.as_ref())),
        );
        canonical.finish().into_bytes()
    }
}

/// Returns whether a value is a placeholder that nobody filled in.
fn is_placeholder(value: &str) -> bool {
    let is_name = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'-'))
    };
    let is_marked = |(before, after): &(&str, &str)| {
        value.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).is_some_and(is_name)
    };
    value.contains(['{', '}'])
        || PLACEHOLDERS.iter().any(|mark| value.eq_ignore_ascii_case(mark))
        || MARKS.iter().any(is_marked)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use shared::lead::LeadStatus;

    use super::*;

    fn signed(parameters: &str) -> String {
        let code = mac::code("secret", &[parameters.as_bytes()]).unwrap();
        format!("{parameters}&sig={}", crate::hex::to_hex(&code))
    }

    fn is_believed(secrets: &[&str], parameters: &str) -> bool {
        let headers = HeaderMap::new();
        let now = Timestamp::from_ms(1_763_800_000_000);
        let arrival = Arrival::of_test(&headers, parameters.as_bytes(), now);
        is_authentic(&Arrival { secrets, ..arrival })
    }

    fn read_one(parameters: &str) -> Result<OrderFact, String> {
        read_as(Dialect::Own, parameters).map(Option::unwrap)
    }

    fn read_as(dialect: Dialect, parameters: &str) -> Result<Option<OrderFact>, String> {
        let headers = HeaderMap::new();
        let received_at = Timestamp::from_ms(1_763_800_000_000);
        let arrival = Arrival::of_test(&headers, parameters.as_bytes(), received_at);
        let sender =
            Sender { platform: Platform::Other, dialect, currency: "EUR".parse().unwrap() };
        read(&arrival, sender)
    }

    #[test]
    fn the_signature_covers_the_parameters_by_name_as_they_were_sent() {
        let sent = signed("amount=12%2E50&currency=EUR&txid=A%201");
        assert!(is_signed(&["other", "secret"], &sent));
        let reordered =
            sent.replace("amount=12%2E50&currency=EUR&", "currency=EUR&amount=12%2E50&");
        assert!(is_signed(&["secret"], &reordered), "the order of parameters does not matter");
        for forged in [
            sent.replace("12%2E50", "99"),
            sent.replace("%2E", "."),
            sent.replace("sig=", "sig=00"),
            "txid=1".into(),
        ] {
            assert!(!is_signed(&["secret"], &forged), "{forged}");
        }
        assert!(!is_signed(&[], &sent));
    }

    #[test]
    fn mistakes_are_named_with_their_value() {
        for (parameters, named) in [
            ("amount=1&currency=EUR", "txid: is required"),
            ("txid={order_id}", "txid: `{order_id}` was never filled in"),
            ("txid=%7Border%7D", "was never filled in"),
            ("txid=null", "txid: `null`"),
            ("txid=1&amount=12,50&currency=EUR", "amount: `12,50`"),
            ("txid=1&amount=12.50", "currency: is required"),
            ("txid=1&amount=-1&currency=EUR", "amount: `-1`"),
            ("txid=1&status=maybe", "status: `maybe`"),
            ("txid=1&event=visit", "event: `visit`"),
            ("txid=1&ts=yesterday", "ts: `yesterday`"),
            ("txid=1&ts=1763800000000", "ts: `1763800000000`"),
            ("txid=1&ts=-1", "ts: `-1`"),
            ("txid=1&ts=2026-11-20T10:00:00", "ts: `2026-11-20T10:00:00`"),
            ("txid=REPLACE", "txid: `REPLACE` was never filled in"),
            ("txid=optional", "txid: `optional` was never filled in"),
            ("txid=1&ref=order-{id}", "ref: `order-{id}` was never filled in"),
            ("txid=1&status=6", "status: `6`"),
            ("txid=1&coupon=AAA", "coupon: a postback has no such parameter"),
            ("order_id=1&click_id=0102", "order_id: a postback has no such parameter"),
            ("txid=1&ac=abc", "ac: token"),
            ("txid=1&click_id=abc", "click_id: token"),
            ("txid=1&key=1001", "key: expected at least 16"),
        ] {
            let error = read_one(parameters).unwrap_err();
            assert!(error.contains(named), "{error} should name {named}");
        }
    }

    #[test]
    fn a_postback_is_a_fact_and_the_same_postback_the_same_fact() {
        let fact =
            read_one("txid=%231001&amount=129.90&currency=eur&status=pending&sig=1").unwrap();
        assert_eq!(
            (fact.order_id.as_str(), fact.goods_minor, fact.status),
            ("1001", Some(12990), Some(Status::Unpaid))
        );
        let keyed = read_one("txid=1001&key=k-0123456789abcdef").unwrap();
        let proof = ProofId::of_key(keyed.merchant, "k-0123456789abcdef");
        assert_eq!(keyed.proofs, Vec::from_iter(proof));
        let again =
            read_one("currency=eur&amount=129.90&txid=%231001&status=pending&sig=2").unwrap();
        assert_eq!(again.id, fact.id);
        assert!(
            read_one("txid=1001&status=rejected").unwrap().partial,
            "changes the status and nothing else"
        );
    }

    #[test]
    fn a_placeholder_is_a_whole_value_or_stands_in_braces() {
        for id in ["REPLACEMENT-12", "OPTIONAL-3", "12-REPLACE", "replacement", "__12__"] {
            assert_eq!(read_one(&format!("txid={id}")).unwrap().order_id, normal_order_id(id));
        }
        for unfilled in [
            "Replace",
            "x{id}",
            "[TXID]",
            "<order-id>",
            "%ORDER%",
            "%%order_id%%",
            "#order#",
            "$id$",
        ] {
            let encoded: String = form_urlencoded::byte_serialize(unfilled.as_bytes()).collect();
            let error = read_one(&format!("txid={encoded}")).unwrap_err();
            assert!(error.contains("never filled in"), "{unfilled}: {error}");
        }
        assert!(read_one("txid=1&sub1=x&nid=3").is_ok(), "what trackers always send is left alone");
    }

    #[test]
    fn a_lead_comes_as_a_postback_with_what_became_of_it() {
        let read = |parameters: &str| {
            let headers = HeaderMap::new();
            let received_at = Timestamp::from_ms(1_763_800_000_000);
            let arrival = Arrival::of_test(&headers, parameters.as_bytes(), received_at);
            let (platform, currency) = (Platform::Other, "EUR".parse().unwrap());
            lead(&arrival, Sender { platform, dialect: Dialect::Own, currency })
        };
        for (status, expected) in [
            ("", LeadStatus::Qualified),
            ("&status=Approved", LeadStatus::Qualified),
            ("&status=hold", LeadStatus::Open),
            ("&status=3", LeadStatus::NotQualified),
            ("&status=won", LeadStatus::Won),
            ("&status=Lost", LeadStatus::Lost),
        ] {
            let sent = format!("event=Lead&txid=L-1&click_id={CLICK}{status}&ts=1763700000");
            let fact = read(&sent).unwrap().unwrap();
            assert_eq!((fact.lead_id.as_str(), fact.status), ("L-1", expected), "{status}");
            assert_eq!(fact.clicks, [CLICK.parse().unwrap()]);
            assert_eq!(fact.occurred_at, Timestamp::from_ms(1_763_700_000_000));
        }
        let without_id = read(&format!("event=lead&click_id={CLICK}")).unwrap().unwrap();
        assert_eq!(without_id.lead_id, format!("click:{CLICK}"));
        for (parameters, named) in [
            ("event=lead&txid=1&amount=5", "amount: a lead has none"),
            ("event=lead&txid=1&status=maybe", "status: `maybe`"),
            ("event=lead&txid=1&ts=soon", "ts: `soon`"),
            ("event=lead", "txid: is required"),
        ] {
            let error = read(parameters).unwrap().unwrap_err();
            assert!(error.contains(named), "{error} should name {named}");
        }
        assert!(read("event=Purchase&txid=1").is_none() && read("txid=1").is_none());
        assert!(read_one("txid=1&event=SALE").is_ok());
        let (sent, changed) =
            (signed("event=lead&txid=1"), signed("event=lead&status=lost&txid=1"));
        let id = |sent: &str| read(sent).unwrap().unwrap().id;
        assert_eq!(id(&sent), id(&sent), "sent again, it is the same fact");
        assert_ne!(id(&sent), id(&changed));
    }

    #[test]
    fn statuses_come_in_any_case_and_in_the_words_of_networks() {
        for (words, status) in [
            (&["Approved", "CONFIRMED", "confirmed", "accepted", "1", "Paid"][..], Status::Paid),
            (&["Pending", "hold", "On Hold", "on-hold", "2", "5"], Status::Unpaid),
            (&["Declined", "trash", "VOID", "Rejected", "3", "4", "Canceled"], Status::Void),
        ] {
            for (word, dialect) in words.iter().flat_map(|w| Dialect::ALL.map(|d| (w, d))) {
                let word = word.replace(' ', "%20");
                let order = dialect.names().order[0];
                let fact = read_as(dialect, &format!("{order}=7&status={word}")).unwrap().unwrap();
                assert_eq!(fact.status, Some(status), "{word} as {dialect:?}");
            }
        }
        let lead = read_as(Dialect::Keitaro, "tid=7&status=Lead").unwrap().unwrap();
        assert_eq!(lead.status, Some(Status::Unpaid));
    }

    #[test]
    fn a_signed_postback_is_one_fact_of_one_order_in_every_dialect() {
        let mut read_elsewhere = 0;
        for (dialect, parameters) in [
            (
                Dialect::Own,
                format!("click_id={CLICK}&txid=7&amount=5&currency=EUR&status=approved"),
            ),
            (Dialect::Own, "txid=7&amount=5&currency=EUR&status=approved".to_owned()),
            (Dialect::Own, "txid=7&status=rejected".to_owned()),
            (Dialect::Voluum, format!("cid={CLICK}&txid=7&payout=5&currency=EUR")),
            (Dialect::Keitaro, format!("subid={CLICK}&tid=7&revenue=5&currency=EUR&status=sale")),
            (Dialect::Tune, format!("transaction_id={CLICK}&adv_sub=7&amount=5&currency=EUR")),
            (Dialect::Tune, format!("transaction_id={CLICK}&amount=5&currency=EUR")),
            (Dialect::Everflow, format!("transaction_id={CLICK}&order_id=7&amount=5&currency=EUR")),
            (Dialect::Everflow, format!("transaction_id={CLICK}&adv1=7&amount=5&currency=EUR")),
        ] {
            let sent = signed(&parameters);
            let genuine = read_as(dialect, &sent).unwrap().unwrap();
            for other in Dialect::ALL {
                // Elsewhere it is refused, or it is the same fact: then the first that came counts.
                let Ok(Some(read)) = read_as(other, &sent) else { continue };
                read_elsewhere += usize::from(other != dialect);
                assert_eq!(
                    (read.id, &read.order_id),
                    (genuine.id, &genuine.order_id),
                    "{parameters} as {other:?}"
                );
            }
        }
        assert!(read_elsewhere > 0, "some are understood in another dialect");
    }

    #[test]
    fn a_signed_parameter_stands_once_however_it_is_spelled() {
        let twice = signed("%73tatus=rejected&amount=5&currency=EUR&status=approved&txid=7");
        assert!(read_one(&twice).unwrap_err().contains("status: stands twice"));
        assert!(read_one(&signed("txid=7&status=rejected")).is_ok());
    }

    #[test]
    fn the_id_follows_from_what_is_signed_and_not_from_the_signature() {
        let sent = signed("amount=5&currency=EUR&status=approved&txid=7");
        let (said, sig) = sent.split_once("&sig=").unwrap();
        let id = read_one(&sent).unwrap().id;
        for same in [
            format!("{said}&sig={}", sig.to_ascii_uppercase()),
            format!("sig={sig}&{said}"),
            format!("{said}&sig={sig}&sig=00"),
            format!("&{said}&&sig={sig}"),
        ] {
            assert!(is_believed(&["secret"], &same), "{same}");
            assert_eq!(read_one(&same).unwrap().id, id, "{same}");
        }
        for other in [
            format!("{said}&sig={sig}&return=x"),
            format!("{said}&SIG={sig}"),
            format!("{said}&%73ig={sig}"),
            sent.replace("approved", "APPROVED"),
            sent.replace("txid", "TXID"),
            sent.replace("status", "%73tatus"),
        ] {
            assert!(!is_believed(&["secret"], &other), "{other}");
        }
    }

    #[test]
    fn an_order_is_void_also_when_its_amount_cannot_be_read() {
        for amount in ["amount=1,000.00&currency=EUR", "amount=5", "amount=5&currency=Euro"] {
            let fact = read_one(&format!("txid=1&status=rejected&{amount}")).unwrap();
            assert_eq!((fact.status, fact.partial), (Some(Status::Void), true), "{amount}");
            assert_eq!((fact.goods_minor, fact.notes.len()), (None, 1), "{amount}");
        }
    }

    const CLICK: &str = "AQIDBAUGBwgJCgsMDQ4PEA";

    #[test]
    fn each_dialect_has_its_own_names_and_words() {
        for (dialect, parameters, order, minor, status) in [
            (
                Dialect::Voluum,
                format!("cid={CLICK}&txid=7&payout=12.50&currency=USD&et=x"),
                "7",
                1250,
                Status::Paid,
            ),
            (
                Dialect::Keitaro,
                format!("subid={CLICK}&tid=7&revenue=12.5&status=lead"),
                "7",
                1250,
                Status::Unpaid,
            ),
            (
                Dialect::Keitaro,
                format!("subid={CLICK}&tid=7&payout=1&status=rejected"),
                "7",
                100,
                Status::Void,
            ),
            (
                Dialect::Tune,
                format!("transaction_id={CLICK}&adv_sub=7&amount=3"),
                "7",
                300,
                Status::Paid,
            ),
            (
                Dialect::Everflow,
                format!("transaction_id={CLICK}&order_id=7&amount=12,34"),
                "7",
                1234,
                Status::Paid,
            ),
            (
                Dialect::Everflow,
                format!("transaction_id={CLICK}&amount=5&nid=3"),
                "click:AQIDBAUGBwgJCgsMDQ4PEA",
                500,
                Status::Paid,
            ),
        ] {
            let fact = read_as(dialect, &parameters).unwrap().unwrap();
            let found = (fact.order_id.as_str(), fact.goods_minor, fact.status);
            assert_eq!(found, (order, Some(minor), Some(status)), "{parameters}");
            assert_eq!(fact.clicks, [CLICK.parse().unwrap()], "{parameters}");
        }
        assert!(
            read_as(Dialect::Voluum, "txid=7&payout=12,34")
                .unwrap_err()
                .contains("payout: `12,34`")
        );
    }

    #[test]
    fn keitaros_words_are_remapped_ignored_and_renewed() {
        let outcome = |parameters: &str| {
            let fact = read_as(Dialect::Keitaro, &format!("tid=7&{parameters}")).unwrap();
            fact.map(|fact| (fact.status.unwrap(), fact.renewal))
        };
        assert_eq!(
            outcome("status=confirmed&sale_status=ok,confirmed"),
            Some((Status::Paid, false))
        );
        assert_eq!(outcome("status=trash&rejected_status=trash"), Some((Status::Void, false)));
        assert_eq!(outcome("status=rebill"), Some((Status::Paid, true)));
        assert_eq!(outcome("status=trash&ignore_status=trash"), None);
        assert!(
            read_as(Dialect::Keitaro, "tid=7&status=odd").unwrap_err().contains("status: `odd`")
        );
    }

    #[test]
    fn a_click_id_has_three_spellings() {
        let expected = CLICK.parse().unwrap();
        for text in
            [CLICK, "0102030405060708090a0b0c0d0e0f10", "01020304-0506-0708-090a-0b0c0d0e0f10"]
        {
            assert_eq!(click_id(text), Some(expected), "{text}");
        }
        assert_eq!(click_id("0102"), None);
    }

    #[test]
    fn the_postback_token_follows_from_the_secret_and_is_not_it() {
        let token = token("secret").unwrap();
        assert_eq!(token.len(), 43);
        for (parameters, expected) in [
            (format!("txid=1&token={token}"), true),
            (format!("txid=1&security_token={token}"), true),
            ("txid=1&token=secret".to_owned(), false),
            ("txid=1&token=".to_owned(), false),
        ] {
            assert_eq!(is_believed(&["other", "secret"], &parameters), expected, "{parameters}");
        }
        assert!(!is_believed(&[], &format!("token={token}")));
    }

    #[test]
    fn a_reply_is_plain_or_ours() {
        assert_eq!(Dialect::Keitaro.accepted("tid=1&return=OK%20thanks"), "OK thanks");
        assert_eq!(Dialect::Keitaro.accepted("tid=1&return=%3Cscript%3E"), "ok\n");
        assert_eq!(Dialect::Tune.accepted(""), "success=true;");
        assert_eq!(Dialect::Tune.refused("amount: x"), "success=false; err_msg=amount: x");
        for dialect in Dialect::ALL {
            assert_eq!(Dialect::of_topic(dialect.topic()), Some(dialect));
        }
    }
}
