//! Deliveries of shops and networks. `POST /_ac/hooks/{platform}/{merchant key}` takes signed
//! webhooks, `/_ac/pb/…/{merchant key}` takes postbacks, and `POST /_ac/orders/{merchant key}` is
//! the server API.
//!
//! The signature is checked over the raw bytes before anything is read from them. The answer 200
//! means that the fact is on disk. A delivery that cannot be understood is kept as `unparsed`.
//! Never redirects: a shop would take a redirect for success, and the order would be lost.

use std::rc::Rc;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, StatusCode};
use journal::Durability;
use live::{HotMerchant, clock};
use serde_json::{Map, Value, json};
use shared::order::OrderFact;
use shared::platform::Platform;
use shared::record::{Record, Unparsed};
use shared::time::Timestamp;
use shops::postback::{self, Dialect, Sender};
use shops::{Arrival, Authenticity, Reading, plain, signature};

use crate::answer::{self, Answer};
use crate::body::read_body;
use crate::context::WorkerContext;

/// Bytes of a webhook's body.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a postback's form.
const POSTBACK_BYTES_MAX: usize = 8 * 1024;

/// A complete request, and the merchant that it is for.
struct Received {
    merchant: Arc<HotMerchant>,
    head: Parts,
    body: bytes::Bytes,
    at: Timestamp,
}

impl Received {
    /// Reads a request for the merchant with this key.
    ///
    /// # Errors
    /// The answer to send when there is no such merchant or no complete body.
    async fn read(
        worker: &WorkerContext,
        merchant_key: &str,
        request: Request<Incoming>,
        bytes_max: usize,
    ) -> Result<Self, Answer> {
        let merchant = worker.snapshot.load().merchant_by_key(merchant_key).cloned();
        let merchant = merchant.ok_or_else(answer::not_found)?;
        let (head, body) = request.into_parts();
        let body = read_body(body, bytes_max).await?;
        Ok(Self { merchant, head, body, at: clock::now() })
    }

    /// Passes the request to a reader as an arrival. `body` is the part that is read.
    fn hand_on<T>(
        &self,
        worker: &WorkerContext,
        body: &[u8],
        read: impl FnOnce(&Arrival<'_>) -> T,
    ) -> T {
        let snapshot = worker.snapshot.load();
        let secrets = self.merchant.webhook_secrets(self.at);
        let headers: &HeaderMap = &self.head.headers;
        read(&Arrival {
            merchant: self.merchant.id,
            headers,
            body,
            received_at: self.at,
            secrets: &secrets,
            token: &|text| snapshot.verify_token(text.as_bytes(), self.at),
        })
    }

    /// Returns the record that keeps a delivery that could not be understood.
    fn unparsed(
        &self,
        platform: Platform,
        topic: Option<String>,
        reason: String,
        body: &[u8],
    ) -> Record<'static> {
        Record::Unparsed(Unparsed {
            merchant: self.merchant.id,
            platform,
            received_at: self.at,
            topic,
            reason,
            body: STANDARD.encode(body),
        })
    }

    fn platform(&self) -> Platform {
        self.merchant.platform.unwrap_or(Platform::Other)
    }

    /// Refuses a delivery that is not authentic, and counts it: the operator must notice a shop
    /// with a wrong secret.
    fn refused(&self, worker: &WorkerContext, reason: &str) -> Answer {
        worker.counters.refused_delivery();
        tracing::warn!(merchant = %self.merchant.id, "a delivery was refused: {reason}");
        answer::text(StatusCode::UNAUTHORIZED, format!("{reason}\n"))
    }

    /// Returns `answer` when the records are on disk, and 503 if they cannot be recorded.
    async fn record(
        &self,
        worker: &WorkerContext,
        records: impl IntoIterator<Item = Record<'static>>,
        answer: Answer,
    ) -> Answer {
        let records = records.into_iter().map(|record| record.encode());
        match worker.facts.append_all(records, Durability::Disk).await {
            Ok(()) => answer,
            Err(error) => {
                let merchant = self.merchant.id;
                tracing::error!(%merchant, "a delivery could not be recorded: {error}");
                answer::unavailable()
            }
        }
    }
}

/// The decision about a delivery: an answer, or a record that must be on disk before the answer is
/// sent.
enum Outcome {
    Answered(Answer),
    Recorded(Record<'static>, Answer),
}

/// Handles a webhook.
pub(crate) async fn receive(
    worker: Rc<WorkerContext>,
    platform: Platform,
    merchant_key: String,
    request: Request<Incoming>,
) -> Answer {
    let received = Received::read(&worker, &merchant_key, request, BODY_BYTES_MAX).await;
    let received = match received {
        Ok(received) => received,
        Err(answer) => return answer,
    };
    let outcome = received.hand_on(&worker, &received.body, |arrival| {
        decide_webhook(&worker, &received, platform, arrival)
    });
    match outcome {
        Outcome::Answered(answer) => answer,
        Outcome::Recorded(record, answer) => received.record(&worker, [record], answer).await,
    }
}

fn decide_webhook(
    worker: &WorkerContext,
    received: &Received,
    platform: Platform,
    arrival: &Arrival<'_>,
) -> Outcome {
    if arrival.secrets.is_empty() {
        let reason = "the merchant has no `webhook_secret`: set one, and the same in the shop";
        return Outcome::Answered(received.refused(worker, reason));
    }
    match shops::authenticate(platform, arrival) {
        Authenticity::Ping => return Outcome::Answered(answer::text(StatusCode::OK, "ok\n")),
        Authenticity::Refused(reason) => {
            return Outcome::Answered(received.refused(worker, &reason));
        }
        Authenticity::Signed => {}
    }
    match shops::read(platform, arrival) {
        Reading::Ignored(reason) => {
            Outcome::Answered(answer::text(StatusCode::OK, format!("ignored: {reason}\n")))
        }
        Reading::Fact(fact) => {
            Outcome::Recorded(Record::Order(fact), answer::text(StatusCode::OK, "ok\n"))
        }
        Reading::Unparsed(reason) => {
            let text = format!("{reason}\nkept as unparsed\n");
            let topic = shops::topic(platform, arrival);
            let record = received.unparsed(platform, topic, reason, arrival.body);
            Outcome::Recorded(record, answer::text(StatusCode::BAD_REQUEST, text))
        }
    }
}

/// Handles a postback. Its parameters are in the address, or in the body of a form.
pub(crate) async fn receive_postback(
    worker: Rc<WorkerContext>,
    dialect: Dialect,
    merchant_key: String,
    request: Request<Incoming>,
) -> Answer {
    let received = Received::read(&worker, &merchant_key, request, POSTBACK_BYTES_MAX).await;
    let received = match received {
        Ok(received) => received,
        Err(answer) => return answer,
    };
    let in_body = str::from_utf8(&received.body).unwrap_or_default();
    let in_address = received.head.uri.query().unwrap_or_default();
    let parameters = if received.body.is_empty() { in_address } else { in_body.trim() };
    let outcome = received.hand_on(&worker, parameters.as_bytes(), |arrival| {
        decide_postback(&worker, &received, dialect, parameters, arrival)
    });
    match outcome {
        Outcome::Answered(answer) => answer,
        Outcome::Recorded(record, answer) => received.record(&worker, [record], answer).await,
    }
}

fn decide_postback(
    worker: &WorkerContext,
    received: &Received,
    dialect: Dialect,
    parameters: &str,
    arrival: &Arrival<'_>,
) -> Outcome {
    if !postback::is_authentic(arrival) {
        let reason =
            "neither sig nor token fits the parameters and the merchant's `webhook_secret`";
        return Outcome::Answered(received.refused(worker, reason));
    }
    let platform = received.platform();
    let sender = Sender { platform, dialect, currency: received.merchant.currency };
    let accepted = || answer::text(StatusCode::OK, dialect.accepted(parameters));
    match postback::read(arrival, sender) {
        Ok(None) => Outcome::Answered(accepted()),
        Ok(Some(fact)) => Outcome::Recorded(Record::Order(Box::new(fact)), accepted()),
        Err(reason) => {
            let answer = answer::text(StatusCode::BAD_REQUEST, dialect.refused(&reason));
            let topic = Some(dialect.topic().to_owned());
            Outcome::Recorded(received.unparsed(platform, topic, reason, arrival.body), answer)
        }
    }
}

/// Handles a call of the server API: orders from a shop's own server.
pub(crate) async fn receive_orders(
    worker: Rc<WorkerContext>,
    merchant_key: String,
    request: Request<Incoming>,
) -> Answer {
    let received = Received::read(&worker, &merchant_key, request, BODY_BYTES_MAX).await;
    let received = match received {
        Ok(received) => received,
        Err(answer) => return answer,
    };
    let read = received.hand_on(&worker, &received.body, |arrival| {
        match signature::timed(signature::OWN_HEADER, arrival) {
            Authenticity::Refused(reason) => Err(reason),
            Authenticity::Signed | Authenticity::Ping => {
                Ok(read_orders(arrival, received.platform()))
            }
        }
    });
    match read {
        Ok(orders) => record_orders(&worker, &received, orders).await,
        Err(reason) => received.refused(&worker, &reason),
    }
}

/// An order's fact. Or the reason why the order could not be read, and the bytes of the order.
type ReadOrder = Result<Box<OrderFact>, (String, Vec<u8>)>;

fn read_orders(arrival: &Arrival<'_>, platform: Platform) -> Vec<ReadOrder> {
    let read = |order: &Map<String, Value>| {
        let sent = || serde_json::to_vec(order).unwrap_or_default();
        plain::read(arrival, platform, order).map(Box::new).map_err(|reason| (reason, sent()))
    };
    match plain::orders(arrival.body) {
        Ok(orders) => orders.iter().map(read).collect(),
        Err(reason) => vec![Err((reason, arrival.body.to_vec()))],
    }
}

/// Records the orders that could be read, and keeps the others as `unparsed`. The answer names
/// both.
async fn record_orders(
    worker: &WorkerContext,
    received: &Received,
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
                let topic = Some(plain::ORDERS_TOPIC.to_owned());
                received.unparsed(received.platform(), topic, reason, &sent)
            }
        });
    }
    let status = if recorded > 0 { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let answer = answer::json(status, &json!({ "recorded": recorded, "refused": refused }));
    received.record(worker, records, answer).await
}
