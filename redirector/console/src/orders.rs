//! Orders that the agency itself brings: imported as a table, or read again after a fix.
//!
//! Both write to the journal like any delivery, and the answer waits for the disk. Both may be
//! repeated, since the same delivery always gives the same fact.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use answers::Problem;
use answers::table::{self, Row};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entities::Fault;
use hyper::HeaderMap;
use journal::{Durability, Reader};
use live::status::Reconciliation;
use live::{Snapshot, clock};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::catalog::Merchant;
use shared::id::{MerchantId, UnparsedId};
use shared::lead::LeadFact;
use shared::order::OrderFact;
use shared::platform::Platform;
use shared::record::{Record, Unparsed};
use shared::stream::StreamKind;
use shared::time::Timestamp;
use shops::postback::{self, Dialect, Sender};
use shops::{Arrival, Reading, lead, plain, topic_headers};

use crate::context::Console;

/// The most rows of an import.
const ROWS_MAX: usize = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportQuery {
    merchant: String,
}

impl ImportQuery {
    /// Returns the merchant whose rows are imported.
    fn merchant(&self, console: &Console) -> Result<Arc<Merchant>, Problem> {
        let unknown = || {
            let reason = format!("`{}` does not exist", self.merchant);
            Problem::invalid(vec![Fault::new("merchant", reason)])
        };
        let id: MerchantId = self.merchant.parse().map_err(|_| unknown())?;
        console.live.read().merchants.get(&id).cloned().ok_or_else(unknown)
    }
}

/// `POST /api/v1/orders/import?merchant=`: CSV with a header line, all or nothing.
pub(crate) async fn import(
    State(console): State<Arc<Console>>,
    Query(query): Query<ImportQuery>,
    body: Bytes,
) -> Result<Response, Problem> {
    let merchant = query.merchant(&console)?;
    let facts = rows(&console.live.snapshot().load(), &merchant, &body, clock::now())?;
    let imported = facts.len();
    record(&console, facts.into_iter().map(|fact| Record::Order(Box::new(fact)))).await?;
    Ok((StatusCode::CREATED, Json(json!({ "imported": imported }))).into_response())
}

/// `POST /api/v1/leads/import?merchant=`: CSV with a header line, all or nothing.
pub(crate) async fn import_leads(
    State(console): State<Arc<Console>>,
    Query(query): Query<ImportQuery>,
    body: Bytes,
) -> Result<Response, Problem> {
    let merchant = query.merchant(&console)?;
    let facts = lead_rows(&console.live.snapshot().load(), &merchant, &body, clock::now())?;
    let imported = facts.len();
    record(&console, facts.into_iter().map(|fact| Record::Lead(Box::new(fact)))).await?;
    Ok((StatusCode::CREATED, Json(json!({ "imported": imported }))).into_response())
}

/// Reads every row as a lead, or reports the rows that are invalid.
fn lead_rows(
    snapshot: &Snapshot,
    merchant: &Merchant,
    body: &[u8],
    received_at: Timestamp,
) -> Result<Vec<LeadFact>, Problem> {
    let arrival = Arrival {
        merchant: merchant.id,
        headers: &HeaderMap::new(),
        body,
        received_at,
        secrets: &[],
        token: &|text| snapshot.verify_token(text.as_bytes(), received_at),
    };
    table::read(body, ROWS_MAX, |Row { line, fields }| {
        let filled: Map<_, _> = fields.into_iter().filter(|(_, value)| *value != "").collect();
        let wrong = |reason| vec![Fault::new(format!("line {line}"), reason)];
        let place = usize::try_from(line).unwrap_or(usize::MAX);
        lead::read(&arrival, place, &filled).map_err(wrong)
    })
}

/// Reads every row, or reports the rows that are invalid.
pub(crate) fn rows(
    snapshot: &Snapshot,
    merchant: &Merchant,
    body: &[u8],
    received_at: Timestamp,
) -> Result<Vec<OrderFact>, Problem> {
    let arrival = Arrival {
        merchant: merchant.id,
        headers: &HeaderMap::new(),
        body,
        received_at,
        secrets: &[],
        token: &|text| snapshot.verify_token(text.as_bytes(), received_at),
    };
    let platform = merchant.platform.unwrap_or(Platform::Other);
    let mut facts = table::read(body, ROWS_MAX, |Row { line, fields }| {
        let filled: Map<_, _> = fields.into_iter().filter(|(_, value)| *value != "").collect();
        let wrong = |reason: String| vec![Fault::new(format!("line {line}"), reason)];
        match plain::read(&arrival, platform, &filled) {
            // A file that is imported again says nothing anew: it may be an old one.
            Ok(fact) if fact.notes.is_empty() => Ok(OrderFact { restates: false, ..fact }),
            // Nobody sees the notes of a table's rows, so anything strange there is a mistake.
            Ok(fact) => Err(wrong(fact.notes.join("; "))),
            Err(reason) => Err(wrong(reason)),
        }
    })?;
    plain::put_in_sequence(facts.iter_mut());
    Ok(facts)
}

/// Records facts. When it returns, all are on the disk.
pub(crate) async fn record(
    console: &Console,
    records: impl IntoIterator<Item = Record<'static>>,
) -> Result<(), Problem> {
    let records: Vec<_> = records.into_iter().map(|record| record.encode()).collect();
    let recorded = console.facts.append_all(records, Durability::Disk).await;
    recorded.map_err(|error| Problem::unrecorded(&error))
}

/// `GET /api/v1/reconcile`: tells for each shop how its reconciliations went.
pub(crate) async fn reconciliations(State(console): State<Arc<Console>>) -> Json<Value> {
    let show = |(merchant, of_shop): (MerchantId, Reconciliation)| {
        let mut shown = json!({ "merchant": merchant });
        if let (Some(shown), Ok(Value::Object(of_shop))) =
            (shown.as_object_mut(), serde_json::to_value(of_shop))
        {
            shown.extend(of_shop);
        }
        shown
    };
    let all = console.reconciliations.all();
    Json(json!({ "items": all.into_iter().map(show).collect::<Vec<_>>() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReconcileQuery {
    since: Option<String>,
}

/// `POST /api/v1/reconcile/{merchant}?since=`: asks the shop soon, for all orders since then.
pub(crate) async fn reconcile_now(
    State(console): State<Arc<Console>>,
    UrlPath(merchant): UrlPath<String>,
    Query(query): Query<ReconcileQuery>,
) -> Result<Response, Problem> {
    let id: Option<MerchantId> = merchant.parse().ok();
    let has_api = |id: &MerchantId| {
        console.live.read().merchants.get(id).is_some_and(|m| m.shop_api.is_some())
    };
    let id = id.filter(has_api);
    let id =
        id.ok_or_else(|| Problem::not_found(format!("merchant `{merchant}` has no `shop_api`")))?;
    let since = query.since.map(|text| text.parse()).transpose();
    let since =
        since.map_err(|error| Problem::invalid(vec![Fault::new("since", format!("{error}"))]))?;
    console.reconciliations.ask_now(id, since);
    Ok(StatusCode::ACCEPTED.into_response())
}

/// `POST /api/v1/unparsed/replay`: reads unparsed deliveries again, and records those that can be
/// read now.
pub(crate) async fn replay(State(console): State<Arc<Console>>) -> Result<Response, Problem> {
    let (journal_dir, snapshot) = (console.journal_dir.clone(), console.live.snapshot());
    let console_to_read = Arc::clone(&console);
    let read = tokio::task::spawn_blocking(move || {
        let merchant = |id: MerchantId| console_to_read.live.read().merchants.get(&id).cloned();
        reread(&journal_dir, &snapshot.load(), &merchant)
    });
    let read = read.await.map_err(|error| Problem::internal(&error.into()))?;
    let Reread { records, still_unparsed } = read.map_err(|error| Problem::internal(&error))?;
    let reread = records.len();
    record(&console, records).await?;
    Ok(Json(json!({ "reread": reread, "still_unparsed": still_unparsed })).into_response())
}

#[derive(Default)]
struct Reread {
    records: Vec<Record<'static>>,
    still_unparsed: usize,
}

/// Searches the journal for unparsed deliveries that can be read now.
fn reread(
    journal_dir: &Path,
    snapshot: &Snapshot,
    merchant: &dyn Fn(MerchantId) -> Option<Arc<Merchant>>,
) -> anyhow::Result<Reread> {
    let (mut unread, mut done): (Vec<Unparsed>, HashSet<UnparsedId>) = Default::default();
    for stream in journal::streams(journal_dir)? {
        // Streams of the edge are long and hold only clicks.
        if StreamKind::of(stream.as_str()) == Some(StreamKind::Edge) {
            continue;
        }
        let mut reader = Reader::open(journal_dir, &stream, 0)?;
        while let Some(record) = reader.next()? {
            match Record::decode(record.payload) {
                Ok(Record::Unparsed(kept)) => unread.push(kept),
                Ok(Record::Order(fact)) => done.extend(fact.reread),
                Ok(Record::Lead(fact)) => done.extend(fact.reread),
                _ => {}
            }
        }
    }
    let mut found = Reread::default();
    for kept in unread.into_iter().filter(|kept| !done.contains(&kept.id())) {
        let merchant = merchant(kept.merchant);
        match merchant.and_then(|merchant| read_again(snapshot, &merchant, &kept)) {
            Some(record) => found.records.push(record),
            None => found.still_unparsed += 1,
        }
    }
    Ok(found)
}

/// Reads a stored delivery as if it came now, but with its own time of arrival. Its signature was
/// checked when it came.
fn read_again(
    snapshot: &Snapshot,
    merchant: &Merchant,
    kept: &Unparsed,
) -> Option<Record<'static>> {
    let body = STANDARD.decode(&kept.body).ok()?;
    let topic = kept.topic.as_deref().unwrap_or_default();
    let arrival = Arrival {
        merchant: merchant.id,
        headers: &topic_headers(topic),
        body: &body,
        received_at: kept.received_at,
        secrets: &[],
        token: &|text| snapshot.verify_token(text.as_bytes(), kept.received_at),
    };
    let reread = Some(kept.id());
    let of_order = |fact| Record::Order(Box::new(OrderFact { reread, ..fact }));
    let of_lead = |fact| Record::Lead(Box::new(LeadFact { reread, ..fact }));
    if let Some(dialect) = Dialect::of_topic(topic) {
        let sender = Sender { platform: kept.platform, dialect, currency: merchant.currency };
        if let Some(lead) = postback::lead(&arrival, sender) {
            return Some(of_lead(lead.ok()?));
        }
        return postback::read(&arrival, sender).ok()?.map(of_order);
    }
    if topic == plain::ORDERS_TOPIC {
        let orders = plain::orders(&body).ok()?;
        return plain::read(&arrival, kept.platform, orders.first()?).ok().map(of_order);
    }
    if topic == lead::LEADS_TOPIC {
        let leads = lead::leads(&body).ok()?;
        let fact = lead::read(&arrival, 0, leads.first()?).ok()?;
        return Some(of_lead(fact));
    }
    match shops::read(kept.platform, &arrival) {
        Reading::Fact(fact) => Some(of_order(*fact)),
        Reading::Ignored(_) | Reading::Asked(_) | Reading::Unparsed(_) => None,
    }
}
