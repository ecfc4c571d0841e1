//! Orders that come by way of the agency: imported as a table, or read again after a fix.
//!
//! Both end in the journal like any report, on disk before the answer; both may be repeated, since
//! a report is one fact however often it is made.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use journal::{Durability, Reader};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::catalog::Merchant;
use shared::id::{MerchantId, UnparsedId};
use shared::order::OrderFact;
use shared::platform::Platform;
use shared::record::{Record, Unparsed};

use crate::admin::Admin;
use crate::admin::problem::{Fault, Problem};
use crate::catalog::Snapshot;
use crate::clock;
use crate::hooks::postback::{self, Dialect, Sender};
use crate::hooks::{self, Context, Delivery, ORDERS_TOPIC, Report, plain};
use crate::reconcile::Look;

/// Rows an import may have, and mistakes it reports.
const ROWS_MAX: usize = 100_000;
const FAULTS_MAX: usize = 100;

#[derive(Deserialize)]
pub(crate) struct ImportQuery {
    merchant: String,
}

/// `POST /api/v1/orders/import?merchant=`: CSV with a header line, all or nothing.
pub(crate) async fn import(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<ImportQuery>,
    body: Bytes,
) -> Result<Response, Problem> {
    let unknown = || {
        Problem::invalid(vec![fault("merchant", format!("`{}` does not exist", query.merchant))])
    };
    let id: MerchantId = query.merchant.parse().map_err(|_| unknown())?;
    let merchant = admin.live.read().merchants.get(&id).cloned().ok_or_else(unknown)?;
    let facts = rows(&admin.live.snapshot().load(), &merchant, &body)?;
    let imported = facts.len();
    record(&admin, facts).await?;
    Ok((StatusCode::CREATED, Json(json!({ "imported": imported }))).into_response())
}

/// Reads every row, or reports those that are wrong, each with its line and reason.
fn rows(snapshot: &Snapshot, merchant: &Merchant, body: &[u8]) -> Result<Vec<OrderFact>, Problem> {
    // A byte order mark is what spreadsheets begin a file with.
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(body);
    let header =
        reader.headers().map_err(|e| Problem::malformed(format!("header line: {e}")))?.clone();
    let received_at = clock::now();
    let token = |text: &str| snapshot.verify_token(text.as_bytes(), received_at);
    let context = Context { merchant: merchant.id, received_at, token: &token };
    let platform = merchant.platform.unwrap_or(Platform::Other);
    let (mut facts, mut faults) = (Vec::new(), Vec::new());
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                faults.push(fault("row", error.to_string()));
                continue;
            }
        };
        let line = row.position().map_or(0, csv::Position::line);
        let filled = header.iter().zip(&row).filter(|(_, value)| !value.is_empty());
        let order: Map<String, Value> =
            filled.map(|(name, value)| (name.to_owned(), value.into())).collect();
        match plain::read(&context, platform, &order) {
            Ok(fact) if fact.notes.is_empty() => facts.push(fact),
            // Nobody sees the notes of a table's rows: what is strange there is a mistake.
            Ok(fact) => faults.push(fault(&format!("line {line}"), fact.notes.join("; "))),
            Err(reason) => faults.push(fault(&format!("line {line}"), reason)),
        }
        if faults.len() >= FAULTS_MAX || facts.len() > ROWS_MAX {
            break;
        }
    }
    if facts.len() > ROWS_MAX {
        return Err(Problem::too_large(format!("more than {ROWS_MAX} rows: split the file")));
    }
    if facts.is_empty() && faults.is_empty() {
        return Err(Problem::malformed("no rows: expected a header line and at least one row"));
    }
    if faults.is_empty() { Ok(facts) } else { Err(Problem::invalid(faults)) }
}

fn fault(field: &str, reason: impl Into<String>) -> Fault {
    Fault { field: field.to_owned(), reason: reason.into() }
}

/// Records facts; all are on disk when it returns.
async fn record(admin: &Admin, facts: Vec<OrderFact>) -> Result<(), Problem> {
    let records = facts.into_iter().map(|fact| Record::Order(Box::new(fact)).encode());
    let recorded = admin.facts.append_all(records, Durability::Disk).await;
    recorded.map_err(|error| Problem::unrecorded(&error))
}

/// `GET /api/v1/reconcile`: how looking for orders at the shops themselves went.
pub(crate) async fn looks(State(admin): State<Arc<Admin>>) -> Json<Value> {
    let show = |(merchant, look): (MerchantId, Look)| {
        let mut shown = json!({ "merchant": merchant });
        if let (Some(shown), Ok(Value::Object(look))) =
            (shown.as_object_mut(), serde_json::to_value(look))
        {
            shown.extend(look);
        }
        shown
    };
    Json(json!({ "items": admin.looks.all().into_iter().map(show).collect::<Vec<_>>() }))
}

#[derive(Deserialize)]
pub(crate) struct LookQuery {
    since: Option<String>,
}

/// `POST /api/v1/reconcile/{merchant}?since=`: looks soon, and as far back as asked.
pub(crate) async fn look_now(
    State(admin): State<Arc<Admin>>,
    UrlPath(merchant): UrlPath<String>,
    Query(query): Query<LookQuery>,
) -> Result<Response, Problem> {
    let id: Option<MerchantId> = merchant.parse().ok();
    let has_api =
        |id: &MerchantId| admin.live.read().merchants.get(id).is_some_and(|m| m.shop_api.is_some());
    let id = id.filter(has_api);
    let id =
        id.ok_or_else(|| Problem::not_found(format!("merchant `{merchant}` has no `shop_api`")))?;
    let since = query.since.map(|text| text.parse()).transpose();
    let since =
        since.map_err(|error| Problem::invalid(vec![fault("since", format!("{error}"))]))?;
    admin.looks.ask_now(id, since);
    Ok(StatusCode::ACCEPTED.into_response())
}

/// `POST /api/v1/unparsed/replay`: reads what nobody could read once more, and records what can be
/// read now.
pub(crate) async fn replay(State(admin): State<Arc<Admin>>) -> Result<Response, Problem> {
    let (journal_dir, snapshot) = (admin.journal_dir.clone(), admin.live.snapshot());
    let admin_for_look = Arc::clone(&admin);
    let read = tokio::task::spawn_blocking(move || {
        let merchant = |id: MerchantId| admin_for_look.live.read().merchants.get(&id).cloned();
        reread(&journal_dir, &snapshot.load(), &merchant)
    });
    let read = read.await.map_err(|error| Problem::internal(&error.into()))?;
    let Reread { facts, still_unparsed } = read.map_err(|error| Problem::internal(&error))?;
    let reread = facts.len();
    record(&admin, facts).await?;
    Ok(Json(json!({ "reread": reread, "still_unparsed": still_unparsed })).into_response())
}

#[derive(Default)]
struct Reread {
    facts: Vec<OrderFact>,
    still_unparsed: usize,
}

/// Goes through the journal for reports that were not read before and can be now.
fn reread(
    journal_dir: &Path,
    snapshot: &Snapshot,
    merchant: &dyn Fn(MerchantId) -> Option<Arc<Merchant>>,
) -> anyhow::Result<Reread> {
    let (mut reports, mut done): (Vec<Unparsed>, HashSet<UnparsedId>) = Default::default();
    for stream in journal::streams(journal_dir)? {
        // Clicks have streams of their own, which are long and hold nothing else.
        if stream.as_str().starts_with("edge-") {
            continue;
        }
        let mut reader = Reader::open(journal_dir, &stream, 0)?;
        while let Some(record) = reader.next()? {
            match Record::decode(record.payload) {
                Ok(Record::Unparsed(report)) => reports.push(report),
                Ok(Record::Order(fact)) => done.extend(fact.reread),
                _ => {}
            }
        }
    }
    let mut found = Reread::default();
    for report in reports.into_iter().filter(|report| !done.contains(&report.id())) {
        let merchant = merchant(report.merchant);
        match merchant.and_then(|merchant| read_again(snapshot, &merchant, &report)) {
            Some(fact) => found.facts.push(OrderFact { reread: Some(report.id()), ..fact }),
            None => found.still_unparsed += 1,
        }
    }
    Ok(found)
}

/// Reads a report as if it came now, but for its time. Its signature was checked when it came.
fn read_again(snapshot: &Snapshot, merchant: &Merchant, report: &Unparsed) -> Option<OrderFact> {
    let body = STANDARD.decode(&report.body).ok()?;
    let received_at = report.received_at;
    let token = |text: &str| snapshot.verify_token(text.as_bytes(), received_at);
    let context = Context { merchant: merchant.id, received_at, token: &token };
    let topic = report.topic.as_deref().unwrap_or_default();
    if let Some(dialect) = Dialect::of_topic(topic) {
        let sender = Sender { platform: report.platform, dialect, currency: merchant.currency };
        return postback::read(&context, sender, str::from_utf8(&body).ok()?).ok()?;
    }
    if topic == ORDERS_TOPIC {
        let orders = plain::orders(&body).ok()?;
        return plain::read(&context, report.platform, orders.first()?).ok();
    }
    let headers = topic_headers(topic);
    match hooks::read(
        report.platform,
        &context,
        Delivery { headers: &headers, body: &body, received_at },
    ) {
        Report::Fact(fact) => Some(*fact),
        Report::Ignored(_) | Report::Unparsed(_) => None,
    }
}

/// The headers that name a topic; the others were not kept.
fn topic_headers(topic: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(topic) = HeaderValue::from_str(topic) {
        for name in ["x-shopify-topic", "x-wc-webhook-topic"] {
            headers.insert(HeaderName::from_static(name), topic.clone());
        }
    }
    headers
}
