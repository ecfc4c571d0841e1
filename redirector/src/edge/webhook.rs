//! `POST /_ac/hooks/{platform}/{merchant key}`: a shop's signed webhooks. `/_ac/pb/…/{merchant
//! key}`: postbacks. `POST /_ac/orders/{merchant key}`: the server API.
//!
//! The signature is checked over the raw bytes before anything is read. 200 means the fact is on
//! disk; what cannot be understood is kept as `unparsed`. Never redirects: a shop would take that
//! for success and lose the order.

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use journal::Durability;
use serde_json::{Map, Value, json};
use shared::order::OrderFact;
use shared::platform::Platform;
use shared::record::{Record, Unparsed};
use shared::time::Timestamp;

use crate::catalog::HotMerchant;
use crate::clock;
use crate::edge::answer::{self, Answer};
use crate::edge::core::Core;
use crate::edge::route::read_body;
use crate::hooks::postback::{self, Dialect, Sender};
use crate::hooks::{self, Authenticity, Context, Delivery, ORDERS_TOPIC, Report, plain, signature};

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
        return refused(
            &core,
            &merchant,
            "the merchant has no `webhook_secret`: set one, and the same in the shop",
        );
    }
    match hooks::authenticate(platform, &secrets, delivery) {
        Authenticity::Ping => answer::text(StatusCode::OK, "ok\n"),
        Authenticity::Refused(reason) => refused(&core, &merchant, &reason),
        Authenticity::Signed => {
            let report = read(&core, platform, &merchant, delivery);
            keep(&core, platform, &merchant, delivery, report).await
        }
    }
}

/// Answers somebody who is not believed, and counts it: a shop whose secret went wrong must be
/// seen.
fn refused(core: &Core, merchant: &HotMerchant, reason: &str) -> Answer {
    core.counters.refused_report();
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
        Report::Ignored(reason) => {
            return answer::text(StatusCode::OK, format!("ignored: {reason}\n"));
        }
        Report::Fact(fact) => (Record::Order(fact), answer::text(StatusCode::OK, "ok\n")),
        Report::Unparsed(reason) => {
            let answer =
                answer::text(StatusCode::BAD_REQUEST, format!("{reason}\nkept as unparsed\n"));
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
    record_on_disk(core, merchant, &[record], answer).await
}

/// Gives the answer once the records are on disk.
async fn record_on_disk(
    core: &Core,
    merchant: &HotMerchant,
    records: &[Record<'_>],
    answer: Answer,
) -> Answer {
    match core.facts.append_all(records.iter().map(Record::encode), Durability::Disk).await {
        Ok(()) => answer,
        Err(error) => {
            tracing::error!(merchant = %merchant.id, "a report could not be recorded: {error}");
            answer::unavailable()
        }
    }
}

/// Takes a postback: its parameters stand in the address, or in the body of a form.
pub(crate) async fn receive_postback(
    core: Rc<Core>,
    dialect: Dialect,
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
    let parameters =
        if body.is_empty() { head.uri.query().unwrap_or_default() } else { in_body.trim() };
    let received_at = clock::now();
    if !postback::is_authentic(&merchant.webhook_secrets(received_at), parameters) {
        return refused(
            &core,
            &merchant,
            "neither sig nor token fits the parameters and the merchant's `webhook_secret`",
        );
    }
    let read = {
        let snapshot = core.snapshot.load();
        let token = |text: &str| snapshot.verify_token(text.as_bytes(), received_at);
        let context = Context { merchant: merchant.id, received_at, token: &token };
        let platform = merchant.platform.unwrap_or(Platform::Other);
        let sender = Sender { platform, dialect, currency: merchant.currency };
        postback::read(&context, sender, parameters)
    };
    match read {
        Ok(None) => answer::text(StatusCode::OK, dialect.accepted(parameters)),
        Ok(Some(fact)) => {
            let accepted = answer::text(StatusCode::OK, dialect.accepted(parameters));
            record_on_disk(&core, &merchant, &[Record::Order(Box::new(fact))], accepted).await
        }
        Err(reason) => {
            let answer = answer::text(StatusCode::BAD_REQUEST, dialect.refused(&reason));
            let report = (dialect.topic(), reason, parameters.as_bytes());
            record_on_disk(&core, &merchant, &[unparsed(&merchant, received_at, report)], answer)
                .await
        }
    }
}

/// What a shop's own server sent and could not be understood.
fn unparsed(
    merchant: &HotMerchant,
    received_at: Timestamp,
    (topic, reason, body): (&str, String, &[u8]),
) -> Record<'static> {
    Record::Unparsed(Unparsed {
        merchant: merchant.id,
        platform: merchant.platform.unwrap_or(Platform::Other),
        received_at,
        topic: Some(topic.to_owned()),
        reason,
        body: STANDARD.encode(body),
    })
}

/// Takes orders from a shop's own server: the server API.
pub(crate) async fn receive_orders(
    core: Rc<Core>,
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
    if let Authenticity::Refused(reason) =
        signature::timed(signature::OWN_HEADER, &secrets, delivery)
    {
        return refused(&core, &merchant, &reason);
    }
    let records = match plain::orders(&body) {
        Ok(orders) => read_orders(&core, &merchant, delivery.received_at, &orders),
        Err(reason) => vec![Err((reason, body.to_vec()))],
    };
    record_orders(&core, &merchant, delivery.received_at, records).await
}

/// An order's fact, or why there is none and what was sent.
type ReadOrder = Result<Box<OrderFact>, (String, Vec<u8>)>;

fn read_orders(
    core: &Core,
    merchant: &HotMerchant,
    received_at: Timestamp,
    orders: &[Map<String, Value>],
) -> Vec<ReadOrder> {
    let snapshot = core.snapshot.load();
    let token = |text: &str| snapshot.verify_token(text.as_bytes(), received_at);
    let context = Context { merchant: merchant.id, received_at, token: &token };
    let platform = merchant.platform.unwrap_or(Platform::Other);
    let read = |order: &Map<String, Value>| {
        let sent = || serde_json::to_vec(order).unwrap_or_default();
        plain::read(&context, platform, order).map(Box::new).map_err(|reason| (reason, sent()))
    };
    orders.iter().map(read).collect()
}

/// Records what was read and keeps what was not; the answer says which is which.
async fn record_orders(
    core: &Core,
    merchant: &HotMerchant,
    received_at: Timestamp,
    orders: Vec<ReadOrder>,
) -> Answer {
    let (mut recorded, mut refused, mut records) = (0, Vec::new(), Vec::new());
    for (index, order) in orders.into_iter().enumerate() {
        records.push(match order {
            Ok(fact) => {
                recorded += 1;
                Record::Order(fact)
            }
            Err((reason, sent)) => {
                refused.push(json!({ "index": index, "reason": reason }));
                unparsed(merchant, received_at, (ORDERS_TOPIC, reason, &sent))
            }
        });
    }
    let status = if recorded > 0 { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let answer = answer::json(status, &json!({ "recorded": recorded, "refused": refused }));
    record_on_disk(core, merchant, &records, answer).await
}
