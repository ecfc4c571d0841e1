//! Deliveries of shops and networks. `POST /_ac/hooks/{platform}/{merchant key}` takes signed
//! webhooks, `/_ac/pb/…/{merchant key}` takes postbacks, and `POST /_ac/orders/{merchant key}` and
//! `POST /_ac/leads/{merchant key}` are the server API.
//!
//! The signature is checked over the raw bytes before anything is read from them. The answer 200
//! means that the fact is on disk. A delivery that cannot be understood is kept as `unparsed`.
//! Never redirects: a shop would take a redirect for success, and the order would be lost.

use std::rc::Rc;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, StatusCode};
use journal::Durability;
use live::status::RefusedDelivery;
use live::{HotMerchant, Snapshot, clock};
use serde_json::{Map, Value, json};
use shared::platform::Platform;
use shared::record::{Record, Unparsed};
use shared::time::Timestamp;
use shops::postback::{self, Dialect, Sender};
use shops::{Arrival, Authenticity, Begun, Cause, Check, Reading, Refusal, lead, plain, signature};
use tokio::sync::Semaphore;
use tokio::task::{spawn_blocking, yield_now};

use crate::answer::{self, Answer};
use crate::body::{SLICE_BYTES, read_body};
use crate::context::WorkerContext;
use crate::held::Held;

/// Bytes of a webhook's body.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a postback's form.
const POSTBACK_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a platform's unsigned test of the address.
const PING_BYTES_MAX: usize = 64;
/// Bytes of a body that is not worth a thread of its own.
const SMALL_BYTES: usize = 64 * 1024;

/// A complete request, and the merchant that it is for.
struct Received {
    merchant: Arc<HotMerchant>,
    head: Parts,
    body: Bytes,
    at: Timestamp,
}

/// Returns the merchant with this key.
fn merchant_of(worker: &WorkerContext, key: &str) -> Option<Arc<HotMerchant>> {
    worker.snapshot.load().merchant_by_key(key).cloned()
}

/// Refuses a delivery that is not authentic, and counts it: the operator must notice a shop with a
/// wrong secret. Anybody can cause it, so the log has a line a minute.
fn refuse(
    worker: &WorkerContext,
    merchant: &HotMerchant,
    cause: RefusedDelivery,
    reason: &str,
) -> Answer {
    worker.counters.refused_delivery(cause);
    if let Some(left_out) = worker.logs.refused_deliveries[cause as usize].permit() {
        tracing::warn!(merchant = %merchant.id, left_out, "a delivery was refused: {reason}");
    }
    answer::text(StatusCode::UNAUTHORIZED, format!("{reason}\n"))
}

/// Reads and authenticates a signed request. What can be checked by its head is checked before its
/// body is read, and its body is hashed in slices, so that redirects of this worker go on.
///
/// # Errors
/// The answer to send when it is not to be read: refused, or only a ping.
async fn authenticated(
    worker: &WorkerContext,
    merchant_key: &str,
    request: Request<Incoming>,
    begin: impl FnOnce(&HeaderMap, &[&str], Timestamp) -> Begun,
    is_ping: impl FnOnce(&HeaderMap, &[u8]) -> bool,
) -> Result<(Received, Held), Answer> {
    let merchant = merchant_of(worker, merchant_key).ok_or_else(answer::not_found)?;
    let (head, body) = request.into_parts();
    let now = clock::now();
    let refused = |Refusal { cause, text }| refuse(worker, &merchant, of_cause(cause), &text);
    let begun = {
        let secrets = merchant.webhook_secrets(now);
        if secrets.is_empty() {
            let reason = "the merchant has no `webhook_secret`: set one, and the same in the shop";
            return Err(refuse(worker, &merchant, RefusedDelivery::NoSecret, reason));
        }
        begin(&head.headers, &secrets, now)
    };
    let check = match begun {
        Begun::Refused(refusal) => return Err(refused(refusal)),
        Begun::PingOrRefused(refusal) => {
            let body = read_body(worker, body, PING_BYTES_MAX).await;
            let is_ping = body.is_ok_and(|(body, _held)| is_ping(&head.headers, &body));
            let ping = || answer::text(StatusCode::OK, "ok\n");
            return Err(if is_ping { ping() } else { refused(refusal) });
        }
        Begun::Check(check) => check,
    };
    let (body, held) = read_body(worker, body, BODY_BYTES_MAX).await?;
    let at = clock::now();
    match hashed(&worker.hashing, check, &body).await {
        Authenticity::Refused(refusal) => Err(refused(refusal)),
        Authenticity::Signed | Authenticity::Ping => {
            Ok((Received { merchant, head, body, at }, held))
        }
    }
}

/// Hashes a body, one slice between two polls of the sockets, whatever number of bodies wait for
/// their turn.
async fn hashed(turns: &Semaphore, mut check: Check, body: &[u8]) -> Authenticity {
    for slice in body.chunks(SLICE_BYTES) {
        let turn = turns.acquire().await;
        check.take(slice);
        if slice.len() == SLICE_BYTES {
            yield_now().await;
        }
        drop(turn);
    }
    check.finish()
}

const fn of_cause(cause: Cause) -> RefusedDelivery {
    match cause {
        Cause::Unsigned => RefusedDelivery::Unsigned,
        Cause::Stale => RefusedDelivery::Stale,
        Cause::Mismatch => RefusedDelivery::WrongSignature,
    }
}

/// Reads what was received; a large body on another thread, one at a time.
async fn read_elsewhere<T: Send + 'static>(
    worker: &WorkerContext,
    received: Received,
    read: impl FnOnce(&Received, &Snapshot) -> T + Send + 'static,
) -> Result<(Received, T), Answer> {
    let snapshot = worker.snapshot.load_full();
    if received.body.len() <= SMALL_BYTES {
        let found = read(&received, &snapshot);
        return Ok((received, found));
    }
    let _turn = worker.large.acquire().await;
    let reading = spawn_blocking(move || {
        let found = read(&received, &snapshot);
        (received, found)
    });
    reading.await.map_err(|_| answer::unavailable())
}

impl Received {
    /// Passes the request to a reader as an arrival. `body` is the part that is read.
    fn hand_on<T>(
        &self,
        snapshot: &Snapshot,
        body: &[u8],
        read: impl FnOnce(&Arrival<'_>) -> T,
    ) -> T {
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

    /// Returns the answer to a delivery, once what it says is on disk.
    async fn finish(&self, worker: &WorkerContext, outcome: Outcome) -> Answer {
        match outcome {
            Outcome::Answered(answer) => answer,
            Outcome::Recorded(record, answer) => {
                if matches!(record, Record::Unparsed(_)) && answer.status() != StatusCode::OK {
                    worker.counters.refused_delivery(RefusedDelivery::Unparsed);
                }
                self.record(worker, [record], answer).await
            }
        }
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
                if let Some(left_out) = worker.logs.unrecorded.permit() {
                    let merchant = self.merchant.id;
                    tracing::error!(%merchant, left_out, "a delivery could not be recorded: {error}");
                }
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
    match receive_signed(&worker, platform, &merchant_key, request).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn receive_signed(
    worker: &WorkerContext,
    platform: Platform,
    merchant_key: &str,
    request: Request<Incoming>,
) -> Result<Answer, Answer> {
    let begin =
        |headers: &HeaderMap, secrets: &[&str], now| shops::begin(platform, headers, secrets, now);
    let is_ping = |headers: &HeaderMap, body: &[u8]| shops::is_ping(platform, headers, body);
    let (received, _held) = authenticated(worker, merchant_key, request, begin, is_ping).await?;
    let read = move |received: &Received, snapshot: &Snapshot| {
        received.hand_on(snapshot, &received.body, |arrival| read(platform, received, arrival))
    };
    let (received, outcome) = read_elsewhere(worker, received, read).await?;
    Ok(received.finish(worker, outcome).await)
}

/// Reads a signed webhook.
fn read(platform: Platform, received: &Received, arrival: &Arrival<'_>) -> Outcome {
    match shops::read(platform, arrival) {
        Reading::Ignored(reason) => {
            Outcome::Answered(answer::text(StatusCode::OK, format!("ignored: {reason}\n")))
        }
        Reading::Fact(fact) => {
            Outcome::Recorded(Record::Order(fact), answer::text(StatusCode::OK, "ok\n"))
        }
        Reading::Asked(what) => {
            let topic = shops::topic(platform, arrival);
            let record = received.unparsed(platform, topic, what, b"");
            Outcome::Recorded(record, answer::text(StatusCode::OK, "ok\n"))
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
    match receive_parameters(&worker, dialect, &merchant_key, request).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn receive_parameters(
    worker: &WorkerContext,
    dialect: Dialect,
    merchant_key: &str,
    request: Request<Incoming>,
) -> Result<Answer, Answer> {
    let merchant = merchant_of(worker, merchant_key).ok_or_else(answer::not_found)?;
    let (head, body) = request.into_parts();
    let (body, _held) = read_body(worker, body, POSTBACK_BYTES_MAX).await?;
    let received = Received { merchant, head, body, at: clock::now() };
    let in_body = str::from_utf8(&received.body).unwrap_or_default();
    let in_address = received.head.uri.query().unwrap_or_default();
    let parameters = if received.body.is_empty() { in_address } else { in_body.trim() };
    let outcome = received.hand_on(&worker.snapshot.load(), parameters.as_bytes(), |arrival| {
        decide_postback(worker, &received, dialect, parameters, arrival)
    });
    Ok(received.finish(worker, outcome).await)
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
        let cause = RefusedDelivery::WrongSignature;
        return Outcome::Answered(refuse(worker, &received.merchant, cause, reason));
    }
    let platform = received.platform();
    let sender = Sender { platform, dialect, currency: received.merchant.currency };
    let accepted = || answer::text(StatusCode::OK, dialect.accepted(parameters));
    let read = match postback::lead(arrival, sender) {
        Some(lead) => lead.map(|fact| Some(Record::Lead(Box::new(fact)))),
        None => postback::read(arrival, sender)
            .map(|fact| fact.map(|fact| Record::Order(Box::new(fact)))),
    };
    match read {
        Ok(None) => Outcome::Answered(accepted()),
        Ok(Some(record)) => Outcome::Recorded(record, accepted()),
        Err(reason) => {
            let answer = answer::text(StatusCode::BAD_REQUEST, dialect.refused(&reason));
            let topic = Some(dialect.topic().to_owned());
            Outcome::Recorded(received.unparsed(platform, topic, reason, arrival.body), answer)
        }
    }
}

/// What a call of the server API lists.
#[derive(Clone, Copy)]
pub(crate) enum Listed {
    Orders,
    Leads,
}

/// Handles a call of the server API: orders or leads from a shop's own server.
pub(crate) async fn receive_listed(
    worker: Rc<WorkerContext>,
    listed: Listed,
    merchant_key: String,
    request: Request<Incoming>,
) -> Answer {
    match receive_list(&worker, listed, &merchant_key, request).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn receive_list(
    worker: &WorkerContext,
    listed: Listed,
    merchant_key: &str,
    request: Request<Incoming>,
) -> Result<Answer, Answer> {
    let begin = |headers: &HeaderMap, secrets: &[&str], now| {
        signature::begin(signature::OWN_HEADER, headers, secrets, now)
    };
    let (received, _held) =
        authenticated(worker, merchant_key, request, begin, |_, _| false).await?;
    let read = move |received: &Received, snapshot: &Snapshot| {
        received
            .hand_on(snapshot, &received.body, |arrival| listed.read(arrival, received.platform()))
    };
    let (received, entries) = read_elsewhere(worker, received, read).await?;
    Ok(record_entries(worker, &received, listed, entries).await)
}

/// The record of an order or a lead. Or the reason why it could not be read, and its bytes.
type ReadEntry = Result<Record<'static>, (String, Vec<u8>)>;

impl Listed {
    /// Returns the topic under which entries that were not understood are kept.
    const fn topic(self) -> &'static str {
        match self {
            Self::Orders => plain::ORDERS_TOPIC,
            Self::Leads => lead::LEADS_TOPIC,
        }
    }

    fn read(self, arrival: &Arrival<'_>, platform: Platform) -> Vec<ReadEntry> {
        let entries = match self {
            Self::Orders => plain::orders(arrival.body),
            Self::Leads => lead::leads(arrival.body),
        };
        let read = |(place, entry): (usize, &Map<String, Value>)| {
            let record = match self {
                Self::Orders => {
                    let fact = plain::read(arrival, platform, entry);
                    fact.map(|fact| Record::Order(Box::new(fact)))
                }
                Self::Leads => {
                    lead::read(arrival, place, entry).map(|fact| Record::Lead(Box::new(fact)))
                }
            };
            record.map_err(|reason| (reason, serde_json::to_vec(entry).unwrap_or_default()))
        };
        match entries {
            Ok(entries) => {
                let mut read: Vec<ReadEntry> = entries.iter().enumerate().map(read).collect();
                plain::put_in_sequence(read.iter_mut().filter_map(|entry| match entry {
                    Ok(Record::Order(fact)) => Some(&mut **fact),
                    _ => None,
                }));
                read
            }
            Err(reason) => vec![Err((reason, arrival.body.to_vec()))],
        }
    }
}

/// Records the entries that could be read, and keeps the others as `unparsed`. The answer names
/// both.
async fn record_entries(
    worker: &WorkerContext,
    received: &Received,
    listed: Listed,
    entries: Vec<ReadEntry>,
) -> Answer {
    let (mut recorded, mut refused, mut records) = (0, Vec::new(), Vec::new());
    for (index, entry) in entries.into_iter().enumerate() {
        records.push(match entry {
            Ok(record) => {
                recorded += 1;
                record
            }
            Err((reason, sent)) => {
                refused.push(json!({ "index": index, "reason": reason }));
                worker.counters.refused_delivery(RefusedDelivery::Unparsed);
                let topic = Some(listed.topic().to_owned());
                received.unparsed(received.platform(), topic, reason, &sent)
            }
        });
    }
    let status = if recorded > 0 { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let answer = answer::json(status, &json!({ "recorded": recorded, "refused": refused }));
    received.record(worker, records, answer).await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use hyper::header::HeaderValue;

    use super::*;

    fn check() -> Check {
        let mut headers = HeaderMap::new();
        let code = HeaderValue::from_str(&STANDARD.encode([7; 32])).unwrap();
        headers.insert("x-shopify-hmac-sha256", code);
        let begun = shops::begin(Platform::Shopify, &headers, &["secret"], Timestamp::from_ms(0));
        let Begun::Check(check) = begun else { panic!("a code of the right length is checked") };
        check
    }

    #[tokio::test]
    async fn between_two_slices_of_any_bodies_the_other_tasks_have_their_turn() {
        let (turns, body, others) = (Semaphore::new(1), vec![0; 1 << 20], Cell::new(0));
        let slices = 4 * body.len() / SLICE_BYTES;
        let hashing = async {
            let one = || hashed(&turns, check(), &body);
            tokio::join!(one(), one(), one(), one())
        };
        let other = async {
            loop {
                others.set(others.get() + 1);
                yield_now().await;
            }
        };
        tokio::select! {
            (answer, ..) = hashing => assert!(matches!(answer, Authenticity::Refused(_))),
            () = other => {}
        }
        assert!(others.get() >= slices, "{} turns between {slices} slices", others.get());
    }
}
