//! `POST /_ac/hooks/{platform}/{merchant key}`: a shop's signed webhooks. `/_ac/pb/{merchant key}`: signed postbacks.
//!
//! The signature is checked over the raw bytes before anything is read. 200 means the fact is on disk; what cannot be
//! understood is kept as `unparsed`. Never redirects: a shop would take that for success and lose the order.

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use journal::Durability;
use shared::catalog::Platform;
use shared::record::{Record, Unparsed};
use shared::time::Timestamp;

use crate::catalog::HotMerchant;
use crate::clock;
use crate::edge::answer::{self, Answer};
use crate::edge::core::Core;
use crate::edge::route::read_body;
use crate::hooks::{self, Authenticity, Context, Delivery, Report, postback};

/// Bytes of a webhook's body.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a postback's form.
const POSTBACK_BYTES_MAX: usize = 8 * 1024;

/// Takes a webhook.
pub(crate) async fn receive(
    core: Rc<Core>,
    platform: Platform,
    merchant_key: String,
    request: Request<Incoming>,
) -> Answer {
    let merchant = core.snapshot.load().merchant_by_key(&merchant_key).cloned();
    let Some(merchant) = merchant else { return answer::not_found() };
    let (head, body) = request.into_parts();
    let body = match read_body(body, BODY_BYTES_MAX).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let delivery = Delivery { headers: &head.headers, body: &body, received_at: clock::now() };
    let secrets = merchant.webhook_secrets(delivery.received_at);
    if secrets.is_empty() {
        return refused(&merchant, "the merchant has no `webhook_secret`: set one, and the same in the shop");
    }
    match hooks::authenticate(platform, &secrets, delivery) {
        Authenticity::Ping => answer::text(StatusCode::OK, "ok\n"),
        Authenticity::Refused(reason) => refused(&merchant, &reason),
        Authenticity::Signed => {
            let report = read(&core, platform, &merchant, delivery);
            keep(&core, platform, &merchant, delivery, report).await
        }
    }
}

fn refused(merchant: &HotMerchant, reason: &str) -> Answer {
    tracing::warn!(merchant = %merchant.id, "a webhook was refused: {reason}");
    answer::text(StatusCode::UNAUTHORIZED, format!("{reason}\n"))
}

fn read(core: &Core, platform: Platform, merchant: &HotMerchant, delivery: Delivery<'_>) -> Report {
    let snapshot = core.snapshot.load();
    let context = Context {
        merchant: merchant.id,
        received_at: delivery.received_at,
        token: &|text| snapshot.verify_token(text.as_bytes(), delivery.received_at),
    };
    hooks::read(platform, &context, delivery)
}

async fn keep(
    core: &Core,
    platform: Platform,
    merchant: &HotMerchant,
    delivery: Delivery<'_>,
    report: Report,
) -> Answer {
    let (record, answer) = match report {
        Report::Ignored(reason) => return answer::text(StatusCode::OK, format!("ignored: {reason}\n")),
        Report::Fact(fact) => (Record::Order(fact), answer::text(StatusCode::OK, "ok\n")),
        Report::Unparsed(reason) => {
            let answer = answer::text(StatusCode::BAD_REQUEST, format!("{reason}\nkept as unparsed\n"));
            let unparsed = Unparsed {
                merchant: merchant.id,
                platform,
                received_at: delivery.received_at,
                topic: hooks::topic(platform, delivery),
                reason,
                body: STANDARD.encode(delivery.body),
            };
            (Record::Unparsed(unparsed), answer)
        }
    };
    record_on_disk(core, merchant, &record, answer).await
}

/// Gives the answer once the record is on disk.
async fn record_on_disk(core: &Core, merchant: &HotMerchant, record: &Record<'_>, answer: Answer) -> Answer {
    match core.facts.append(record.encode(), Durability::Disk).await {
        Ok(_) => answer,
        Err(error) => {
            tracing::error!(merchant = %merchant.id, "a report could not be recorded: {error}");
            answer::unavailable()
        }
    }
}

/// Takes a postback: its parameters stand in the address, or in the body of a form.
pub(crate) async fn receive_postback(
    core: Rc<Core>,
    merchant_key: String,
    request: Request<Incoming>,
) -> Answer {
    let merchant = core.snapshot.load().merchant_by_key(&merchant_key).cloned();
    let Some(merchant) = merchant else { return answer::not_found() };
    let (head, body) = request.into_parts();
    let body = match read_body(body, POSTBACK_BYTES_MAX).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let in_body = str::from_utf8(&body).unwrap_or_default();
    let parameters = if body.is_empty() { head.uri.query().unwrap_or_default() } else { in_body.trim() };
    let received_at = clock::now();
    if !postback::is_signed(&merchant.webhook_secrets(received_at), parameters) {
        return refused(&merchant, "sig does not fit the parameters and the merchant's `webhook_secret`");
    }
    let (record, answer) = read_postback(&core, &merchant, parameters, received_at);
    record_on_disk(&core, &merchant, &record, answer).await
}

fn read_postback(
    core: &Core,
    merchant: &HotMerchant,
    parameters: &str,
    received_at: Timestamp,
) -> (Record<'static>, Answer) {
    let snapshot = core.snapshot.load();
    let token = |text: &str| snapshot.verify_token(text.as_bytes(), received_at);
    let context = Context { merchant: merchant.id, received_at, token: &token };
    let platform = merchant.platform.unwrap_or(Platform::Other);
    match postback::read(&context, platform, parameters) {
        Ok(fact) => (Record::Order(Box::new(fact)), answer::text(StatusCode::OK, "ok\n")),
        Err(reason) => {
            let answer = answer::text(StatusCode::BAD_REQUEST, format!("{reason}\nkept as unparsed\n"));
            let unparsed = Unparsed {
                merchant: merchant.id,
                platform,
                received_at,
                topic: Some("postback".to_owned()),
                reason,
                body: STANDARD.encode(parameters),
            };
            (Record::Unparsed(unparsed), answer)
        }
    }
}
