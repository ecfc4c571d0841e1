//! `GET /_ac/e.gif`: one pixel event as an image's address, for pages without scripts.
//!
//! The query has the names of the event body: `k`, `t`, `c`, `n`, `id`, `ts`, `u`, `r`, `code`, and an
//! order's fields as `o.id`, `o.value` and so on. It is read, judged and recorded like a body.
//!
//! A page without scripts does not know some values, so they are filled in: the time, the page
//! (from `Referer`), and an event id. The event id follows from the token and the order's id and key,
//! so that a reload of the page counts once, and nobody takes another one's id. An image claims no
//! purchase without a proof.

use std::rc::Rc;

use bytes::Bytes;
use hyper::Request;
use hyper::header::{HeaderMap, REFERER};
use live::clock;
use rand::RngExt;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::answer::{self, Answer, DROPPED};
use crate::collect::{self, Caller, Form};
use crate::context::WorkerContext;
use crate::request;

/// The smallest transparent GIF.
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// Handles `HEAD /_ac/e.gif`: records nothing, because nobody saw a page.
pub(crate) fn head() -> Answer {
    with_image(None)
}

/// Handles `GET /_ac/e.gif`.
pub(crate) async fn event<B>(worker: Rc<WorkerContext>, request: Request<B>) -> Answer {
    let (head, _) = request.into_parts();
    if request::Headers::read(&head.headers).prefetch {
        return with_image(Some("prefetch"));
    }
    let random: u128 = worker.random.borrow_mut().random();
    let body = body(head.uri.query().unwrap_or_default(), &head.headers, random).to_string();
    let caller = Caller::of(&head.headers, &worker.snapshot.load());
    let sender = (&caller, Form::Image);
    let answer = collect::take(&worker, &head.headers, sender, body.as_bytes()).await;
    if !answer.status().is_success() {
        return answer;
    }
    let dropped = answer.headers().get(DROPPED).and_then(|reason| reason.to_str().ok());
    with_image(dropped)
}

/// Returns the body of `POST /_ac/e` that says the same as the query.
pub(crate) fn body(query: &str, headers: &HeaderMap, random: u128) -> Value {
    let (mut batch, mut event, mut order) = (json!({ "v": 1 }), Map::new(), Map::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match (&*name, name.strip_prefix("o.")) {
            ("k" | "t" | "c", _) => batch[&*name] = value.into(),
            ("n" | "id" | "u" | "r" | "code", _) => _ = event.insert(name.into(), value.into()),
            ("ts", _) => {
                _ = event
                    .insert("ts".into(), value.parse::<i64>().map_or(Value::Null, Value::from));
            }
            (_, Some("new_customer")) => {
                _ = order.insert("new_customer".into(), (value == "true").into());
            }
            (_, Some(field)) => _ = order.insert(field.to_owned(), value.into()),
            _ => {}
        }
    }
    let token = batch["t"].as_str().unwrap_or_default();
    let id = order
        .get("id")
        .and_then(Value::as_str)
        .map_or(random, |id| hash_of(&[text(&event, "n"), id, text(&order, "key"), token]));
    let page = headers.get(REFERER).and_then(|page| page.to_str().ok()).unwrap_or_default();
    event.entry("id").or_insert_with(|| spelled(id).into());
    event.entry("ts").or_insert_with(|| clock::now_ms().into());
    event.entry("u").or_insert_with(|| page.into());
    if !order.is_empty() {
        event.insert("o".into(), order.into());
    }
    batch["e"] = json!([event]);
    batch
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Returns an id that is always the same for the same order. The collector adds the merchant and
/// the event's name to it.
fn hash_of(parts: &[&str]) -> u128 {
    let mut hasher = blake3::Hasher::new_derive_key("afterclick 2026 event id of an image");
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    u128::from_le_bytes(bytes)
}

fn spelled(id: u128) -> String {
    let hex = format!("{id:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn with_image(dropped: Option<&str>) -> Answer {
    let mut answer = answer::with_body(Bytes::from_static(GIF), "image/gif");
    if let Some(reason) = dropped.and_then(|reason| reason.parse().ok()) {
        answer.headers_mut().insert(DROPPED, reason);
    }
    answer
}
