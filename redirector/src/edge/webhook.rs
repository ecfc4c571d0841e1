//! `POST /_ac/hooks/{platform}/{merchant key}`: a shop's signed webhooks.
//!
//! The signature is checked over the raw bytes before anything is read. 200 means the fact is on disk; what cannot be
//! understood is kept as `unparsed`. Never redirects: a shop would take that for success and lose the order.

use std::rc::Rc;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Request, StatusCode};
use journal::Durability;
use shared::catalog::Platform;
use shared::record::{Record, Unparsed};

use crate::catalog::HotMerchant;
use crate::clock;
use crate::edge::answer::{self, Answer};
use crate::edge::core::Core;
use crate::edge::route::read_body;
use crate::hooks::{Context, Report, woocommerce};

/// Bytes of a webhook's body.
const BODY_BYTES_MAX: usize = 1024 * 1024;

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
    if woocommerce::is_ping(&head.headers, &body) {
        return answer::text(StatusCode::OK, "ok\n");
    }
    let Some(secret) = &merchant.webhook_secret else {
        return refused(&merchant, "the merchant has no `webhook_secret`: set one, and the same in the shop");
    };
    if !woocommerce::is_signed(secret, &head.headers, &body) {
        return refused(
            &merchant,
            "X-WC-Webhook-Signature does not fit the body and the merchant's `webhook_secret`",
        );
    }
    let report = read(&core, &merchant, &head.headers, &body);
    keep(&core, platform, &merchant, &head.headers, &body, report).await
}

fn refused(merchant: &HotMerchant, reason: &str) -> Answer {
    tracing::warn!(merchant = %merchant.id, "a webhook was refused: {reason}");
    answer::text(StatusCode::UNAUTHORIZED, format!("{reason}\n"))
}

fn read(core: &Core, merchant: &Arc<HotMerchant>, headers: &HeaderMap, body: &[u8]) -> Report {
    let snapshot = core.snapshot.load();
    let received_at = clock::now();
    let context = Context {
        merchant: merchant.id,
        received_at,
        token: &|text| snapshot.verify_token(text.as_bytes(), received_at),
    };
    woocommerce::read(&context, headers, body)
}

async fn keep(
    core: &Core,
    platform: Platform,
    merchant: &HotMerchant,
    headers: &HeaderMap,
    body: &[u8],
    report: Report,
) -> Answer {
    let (record, answer) = match report {
        Report::Ignored(reason) => return answer::text(StatusCode::OK, format!("ignored: {reason}\n")),
        Report::Fact(fact) => (Record::Order(*fact), answer::text(StatusCode::OK, "ok\n")),
        Report::Unparsed(reason) => {
            let answer = answer::text(StatusCode::BAD_REQUEST, format!("{reason}\nkept as unparsed\n"));
            let unparsed = Unparsed {
                merchant: merchant.id,
                platform,
                received_at: clock::now(),
                topic: woocommerce::topic(headers).map(str::to_owned),
                reason,
                body: STANDARD.encode(body),
            };
            (Record::Unparsed(unparsed), answer)
        }
    };
    match core.facts.append(record.encode(), Durability::Disk).await {
        Ok(_) => answer,
        Err(error) => {
            tracing::error!(merchant = %merchant.id, "a webhook could not be recorded: {error}");
            answer::unavailable()
        }
    }
}
