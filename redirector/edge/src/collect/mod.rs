//! `POST /_ac/e`: pixel events are parsed, judged, recorded and answered.
//!
//! An answer 2xx means that the events are recorded or dropped on purpose. A header gives the
//! reason of a drop. Never sets a cookie: Safari would shorten the life of the cookie that the
//! redirect set.

mod caller;
mod judge;

use std::rc::Rc;

use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, HeaderMap,
    HeaderValue,
};
use hyper::{Request, StatusCode};
use journal::Durability;
use live::{HotMerchant, Snapshot, clock};
use shared::consent::Consent;
use shared::event::{BODY_BYTES_MAX, Batch, EventError};
use shared::order::Touch;
use shared::record::Record;
use shared::time::Timestamp;
use shared::token::Claims;

use crate::answer::{self, Answer, DROPPED};
use crate::body::read_body;
use crate::collect::judge::{Judge, Verdict};
use crate::context::WorkerContext;
use crate::request;

pub(crate) use caller::Caller;

/// Handles `OPTIONS /_ac/e`.
pub(crate) fn preflight<B>(worker: &WorkerContext, request: &Request<B>) -> Answer {
    let mut answer = answer::empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    Caller::of(request.headers(), &worker.snapshot.load()).allow(answer)
}

/// Handles `POST /_ac/e`.
pub(crate) async fn events(worker: Rc<WorkerContext>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let caller = Caller::of(&head.headers, &worker.snapshot.load());
    let answer = match read_body(&worker, body, BODY_BYTES_MAX).await {
        Ok((body, _held)) => take(&worker, &head.headers, (&caller, Form::Body), &body).await,
        Err(answer) => answer,
    };
    caller.allow(answer)
}

/// The form in which events are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Body,
    /// The address of an image, for pages without scripts.
    Image,
}

impl Form {
    /// Says what is wrong, in the words of what was sent: an image has a query, and one event.
    fn refusal(self, error: &EventError) -> String {
        match (self, error) {
            (Self::Body, error) => format!("{error}\n"),
            (Self::Image, EventError::Malformed(why)) => {
                // Where it stands in a body that nobody sent helps nobody.
                format!("query: {}\n", why.split(" at line ").next().unwrap_or_default())
            }
            (Self::Image, EventError::Field { field, reason }) => {
                format!("{}: {reason}\n", field.strip_prefix("e[0].").unwrap_or(field))
            }
        }
    }
}

/// Handles the events of a body, whether it was sent as a body or as an image's address.
pub(crate) async fn take(
    worker: &WorkerContext,
    headers: &HeaderMap,
    (caller, form): (&Caller, Form),
    body: &[u8],
) -> Answer {
    let batch = match Batch::decode(body) {
        Ok(batch) => batch,
        Err(error) => return answer::text(StatusCode::BAD_REQUEST, form.refusal(&error)),
    };
    let verdicts = {
        let snapshot = worker.snapshot.load();
        let Some(merchant) = snapshot.merchant_by_key(&batch.merchant_key) else {
            return answer::text(StatusCode::BAD_REQUEST, "k: no merchant has this key\n");
        };
        let now = clock::now();
        let claims = token_of(&batch, headers, &snapshot, merchant, now);
        let touch = claims.as_ref().map(Touch::from);
        let is_flagged = claims.is_some_and(|claims| claims.consent == Consent::Denied);
        let refuses_tracking = is_flagged || request::Headers::read(headers).refuses_tracking;
        let is_image = form == Form::Image;
        let consent = batch.consent;
        let snapshot = &*snapshot;
        let judge =
            Judge { snapshot, merchant, caller, is_image, consent, refuses_tracking, touch, now };
        batch.events.iter().map(|event| judge.judge(event)).collect()
    };
    record(worker, verdicts).await
}

/// Returns the latest valid token of the merchant, from the body or from a cookie.
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

/// Records the events that are not dropped. If one of them is a purchase, all are on disk before
/// the answer; otherwise it is enough that the operating system has them.
async fn record(worker: &WorkerContext, verdicts: Vec<Verdict>) -> Answer {
    let dropped = verdicts.iter().find_map(|verdict| verdict.as_ref().err().copied());
    let records: Vec<_> = verdicts.into_iter().flatten().collect();
    let has_order = records.iter().any(|record| matches!(record, Record::Order(_)));
    let durability = if has_order { Durability::Disk } else { Durability::Os };
    let records = records.into_iter().map(|record| record.encode());
    if let Err(error) = worker.facts.append_all(records, durability).await {
        if let Some(left_out) = worker.logs.unrecorded.permit() {
            tracing::error!(left_out, "pixel events could not be recorded: {error}");
        }
        return answer::unavailable();
    }
    let Some(reason) = dropped else { return answer::empty(StatusCode::NO_CONTENT) };
    let mut answer = answer::empty(StatusCode::ACCEPTED);
    answer.headers_mut().insert(DROPPED, HeaderValue::from_static(reason));
    answer
}
