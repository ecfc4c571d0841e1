//! `POST /_ac/e`: pixel events. Parse, decide what each is worth, record, answer.
//!
//! What a browser says is a claim: nothing here pays. A 2xx means recorded or deliberately dropped,
//! and the reason of a drop is in a header. Never sets a cookie: Safari would shorten the one that
//! the redirect set.

use std::rc::Rc;

use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use hyper::{Request, StatusCode};
use journal::Durability;
use shared::consent::Consent;
use shared::event::{BODY_BYTES_MAX, Batch, Event, EventName, Order, PageSource};
use shared::id::{EventId, FactId};
use shared::money::{AMOUNT_MAX, Currency, Decimal};
use shared::order::{OrderFact, Source, Status, Touch, normal_order_id};
use shared::platform::Platform;
use shared::record::{EventFact, Record};
use shared::time::{Span, Timestamp};
use shared::token::Claims;

use crate::catalog::{HotMerchant, Snapshot};
use crate::clock;
use crate::edge::answer::{self, Answer, DROPPED};
use crate::edge::core::Core;
use crate::edge::request;
use crate::edge::route::read_body;
use crate::hooks::signed_order;

/// How long a browser may hold an event back before its own time is no longer believed.
const EVENT_AGE_MAX: Span = Span::days(30);
const CLOCK_SKEW: Span = Span::minutes(2);

/// Who may read our answer, and with which credentials.
pub(crate) enum Caller {
    /// No `Origin`: a server, or a page of our own origin.
    SameOrigin,
    /// `Origin: null`: a sandboxed pixel.
    Opaque,
    /// A page of a merchant's shop.
    Shop(HeaderValue),
    /// A page of nobody we know.
    Foreign,
}

impl Caller {
    fn of(headers: &HeaderMap, snapshot: &Snapshot) -> Self {
        let Some(origin) = headers.get(ORIGIN) else { return Self::SameOrigin };
        let text = origin.to_str().unwrap_or_default();
        if text == "null" {
            return Self::Opaque;
        }
        let host =
            text.split_once("://").map_or("", |(_, authority)| request::without_port(authority));
        if request::plain_host(host).is_some_and(|host| snapshot.is_merchant_host(&host)) {
            Self::Shop(origin.clone())
        } else {
            Self::Foreign
        }
    }

    /// An image names no origin, only the page around it.
    pub(crate) fn of_image(headers: &HeaderMap, snapshot: &Snapshot) -> Self {
        let host = request::Headers::read(headers).referrer_host();
        if host.is_empty() || snapshot.is_merchant_host(&host) {
            Self::SameOrigin
        } else {
            Self::Foreign
        }
    }

    /// Lets the page read the answer.
    fn allow(&self, mut answer: Answer) -> Answer {
        let headers = answer.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("origin"));
        match self {
            Self::SameOrigin | Self::Foreign => {}
            Self::Opaque => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("null"));
            }
            Self::Shop(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        }
        answer
    }
}

/// `OPTIONS /_ac/e`.
pub(crate) fn preflight<B>(core: &Core, request: &Request<B>) -> Answer {
    let mut answer = answer::empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    Caller::of(request.headers(), &core.snapshot.load()).allow(answer)
}

/// `POST /_ac/e`.
pub(crate) async fn events(core: Rc<Core>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let caller = Caller::of(&head.headers, &core.snapshot.load());
    let answer = match read_body(body, BODY_BYTES_MAX).await {
        Ok(body) => take(&core, &head.headers, &caller, &body).await,
        Err(answer) => answer,
    };
    caller.allow(answer)
}

pub(crate) async fn take(core: &Core, headers: &HeaderMap, caller: &Caller, body: &[u8]) -> Answer {
    let batch = match Batch::decode(body) {
        Ok(batch) => batch,
        Err(error) => return answer::text(StatusCode::BAD_REQUEST, format!("{error}\n")),
    };
    let verdicts = {
        let snapshot = core.snapshot.load();
        let Some(merchant) = snapshot.merchant_by_key(&batch.merchant_key) else {
            return answer::text(StatusCode::BAD_REQUEST, "k: no merchant has this key\n");
        };
        judge_all(&batch, merchant, caller, &|now| {
            token_of(&batch, headers, &snapshot, merchant, now)
        })
    };
    record(core, verdicts).await
}

/// What an event is worth: something to record, or a reason to drop it.
type Verdict = Result<Record<'static>, &'static str>;

fn judge_all(
    batch: &Batch,
    merchant: &HotMerchant,
    caller: &Caller,
    token: &dyn Fn(Timestamp) -> Option<Claims>,
) -> Vec<Verdict> {
    let now = clock::now();
    let touch = token(now).as_ref().map(Touch::from);
    batch
        .events
        .iter()
        .map(|event| judge(event, batch.consent, merchant, caller, touch, now))
        .collect()
}

fn judge(
    event: &Event,
    consent: Consent,
    merchant: &HotMerchant,
    caller: &Caller,
    touch: Option<Touch>,
    now: Timestamp,
) -> Verdict {
    if matches!(caller, Caller::Foreign) {
        return Err("foreign_origin");
    }
    if consent == Consent::Denied {
        return Err("consent_denied");
    }
    let at = believable(Timestamp::from_ms(event.ts), now);
    match (event.name, &event.order) {
        (EventName::Purchase, Some(order)) => {
            Ok(Record::Order(Box::new(claim(event, order, consent, merchant, touch, (at, now)))))
        }
        _ if touch.is_none() => Err("no_click"),
        _ => Ok(Record::Event(EventFact {
            id: event_id(event, merchant),
            name: event.name,
            at,
            received_at: now,
            merchant: merchant.id,
            touch,
            consent,
        })),
    }
}

/// The visitor's own time where it can be right, else ours.
fn believable(stated: Timestamp, now: Timestamp) -> Timestamp {
    let age = now.since(stated);
    if age > EVENT_AGE_MAX || age < Span::ms(-CLOCK_SKEW.as_ms()) { now } else { stated.min(now) }
}

fn event_id(event: &Event, merchant: &HotMerchant) -> EventId {
    let merchant = merchant.id.bits().to_be_bytes();
    let name = event.name.as_str().as_bytes();
    EventId::of_content(&[b"event", &merchant, name, event.id.to_ascii_lowercase().as_bytes()])
}

/// The latest valid token that came along, in the body or as a cookie.
fn token_of(
    batch: &Batch,
    headers: &HeaderMap,
    snapshot: &Snapshot,
    merchant: &HotMerchant,
    now: Timestamp,
) -> Option<Claims> {
    let of_merchant = |claims: &Claims| claims.merchant == merchant.id;
    let carried = snapshot.verify_token(batch.token.as_bytes(), now).ok().filter(of_merchant);
    let cookie = request::Headers::read(headers).cookie_token(snapshot, now, of_merchant);
    carried.into_iter().chain(cookie).max_by_key(|claims| claims.issued_at)
}

/// A purchase as the browser saw it.
fn claim(
    event: &Event,
    order: &Order,
    consent: Consent,
    merchant: &HotMerchant,
    touch: Option<Touch>,
    (at, now): (Timestamp, Timestamp),
) -> OrderFact {
    let mut notes = Vec::new();
    let currency = order.currency;
    let mut minor =
        |field: &str, amount: Option<Decimal>| minor(field, amount, currency, &mut notes);
    let (total, tax, shipping) =
        (minor("value", order.value), minor("tax", order.tax), minor("shipping", order.shipping));
    let is_signed = signed_order::is_signed(&merchant.webhook_secrets(now), order);
    let goods = if is_signed == Some(true) { goods_of_amounts(order) } else { goods(order) };
    let goods = minor("items", goods);
    let id = FactId::of_content(&[b"pixel", event_id(event, merchant).as_bytes()]);
    let order_name = (merchant.platform.unwrap_or(Platform::Other), normal_order_id(&order.id));
    let source = match order.source {
        Some(PageSource::Ga4) => Source::DataLayer,
        Some(PageSource::Other) | None => Source::Pixel,
    };
    let fact = OrderFact {
        occurred_at: at,
        ordered_at: Some(at),
        status: Some(Status::Paid),
        currency,
        goods_minor: goods,
        tax_minor: tax,
        shipping_minor: shipping,
        total_minor: total,
        touches: touch.into_iter().collect(),
        consent: Some(consent),
        ..OrderFact::blank(id, merchant.id, order_name, source, now)
    };
    if is_signed == Some(true) {
        // SECURITY: codes and whose first order it is are not signed, so they are the browser's
        // word and left out.
        let parts =
            [b"signed", order.id.as_bytes(), order.sig.as_deref().unwrap_or_default().as_bytes()];
        let id =
            FactId::of_content(&[parts[0], &merchant.id.bits().to_be_bytes(), parts[1], parts[2]]);
        return OrderFact { id, source: Source::Postback, notes, ..fact };
    }
    if is_signed == Some(false) {
        notes.push(
            "sig: does not fit the order and the merchant's `webhook_secret`; a claim".to_owned(),
        );
    }
    let coupons = order.coupon.iter().filter(|code| !code.trim().is_empty()).cloned().collect();
    OrderFact { coupons, new_customer: order.new_customer, notes, ..fact }
}

/// Σ price × quantity of the lines; without lines, the value less tax and shipping where these are
/// given.
fn goods(order: &Order) -> Option<Decimal> {
    let one = "1".parse().unwrap_or(Decimal::ZERO);
    let lines = order.items.iter().map(|item| item.price?.checked_mul(item.qty.unwrap_or(one)));
    let sum = lines.reduce(|sum, line| sum?.checked_add(line?)).flatten();
    sum.or_else(|| goods_of_amounts(order))
}

/// The value less tax and shipping, where these are given.
fn goods_of_amounts(order: &Order) -> Option<Decimal> {
    let without_tax = order.value?.checked_sub(order.tax.unwrap_or(Decimal::ZERO))?;
    without_tax.checked_sub(order.shipping.unwrap_or(Decimal::ZERO))
}

fn minor(
    field: &str,
    amount: Option<Decimal>,
    currency: Option<Currency>,
    notes: &mut Vec<String>,
) -> Option<i64> {
    let (amount, currency) = (amount?, currency?);
    match amount.to_minor(currency) {
        Ok(minor @ 0..=AMOUNT_MAX) => Some(minor),
        _ => {
            notes.push(format!("{field}: `{amount}` is no amount of an order"));
            None
        }
    }
}

/// Records what is worth it. Purchases are on disk before the answer, everything else in the
/// system's hands.
async fn record(core: &Core, verdicts: Vec<Verdict>) -> Answer {
    let dropped = verdicts.iter().find_map(|verdict| verdict.as_ref().err().copied());
    for record in verdicts.into_iter().flatten() {
        let durability = match record {
            Record::Order(_) => Durability::Disk,
            _ => Durability::Os,
        };
        if let Err(error) = core.facts.append(record.encode(), durability).await {
            tracing::error!("a pixel event could not be recorded: {error}");
            return answer::unavailable();
        }
    }
    let Some(reason) = dropped else { return answer::empty(StatusCode::NO_CONTENT) };
    let mut answer = answer::empty(StatusCode::ACCEPTED);
    answer.headers_mut().insert(DROPPED, HeaderValue::from_static(reason));
    answer
}
