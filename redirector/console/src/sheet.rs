//! `POST /api/v1/campaigns/import?merchant=&dry_run=`: a campaign in one table, by names.

use std::sync::Arc;

use answers::{Problem, asked, table};
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use entities::{Did, Row, read_sheet};
use live::clock;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::catalog::{By, Catalog, Change};
use shared::id::MerchantId;

use crate::context::Console;
use crate::resources::{answered, mark_repeated, problem, request_id};

/// The most rows of a table.
const ROWS_MAX: usize = 20_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    merchant: String,
    dry_run: Option<bool>,
}

/// What became of a table.
enum Read {
    /// Its rows, and how many entities it makes or changes.
    Rows(Vec<Value>, usize),
    /// It was taken before, with the same key.
    Repeated(usize),
}

pub(crate) async fn import(
    State(console): State<Arc<Console>>,
    Extension(by): Extension<By>,
    Query(query): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let dry_run = query.dry_run.unwrap_or(false);
    let request = request_id(&headers, &format!("campaigns of {}", query.merchant), &body)?;
    let prepare = |catalog: &Catalog| {
        let merchant = merchant(catalog, &query.merchant)?;
        if let Some(before) = answered(catalog, request.as_ref())?.filter(|_| !dry_run) {
            return Ok((None, Read::Repeated(before.count)));
        }
        let now = clock::now();
        let snapshot = console.live.snapshot().load_full();
        let mut sheet = read_sheet(catalog, snapshot, merchant, now);
        let rows =
            table::read(&body, ROWS_MAX, |table::Row { line, fields }| sheet.row(line, fields))?;
        let rows = rows.iter().map(|row| shown(row, sheet.catalog())).collect();
        let entities = sheet.finish();
        let read = Read::Rows(rows, entities.len());
        let is_recorded = !dry_run && !entities.is_empty();
        let change = Change { at: now, entities, request, by: None };
        Ok((is_recorded.then_some(change), read))
    };
    let read = console.change(by, prepare).await.map_err(problem)?;
    let (status, rows, count, repeated) = match read {
        Read::Rows(rows, count) if dry_run => (StatusCode::OK, rows, count, false),
        Read::Rows(rows, count) => (StatusCode::CREATED, rows, count, false),
        Read::Repeated(count) => (StatusCode::CREATED, vec![], count, true),
    };
    let answer = json!({ "dry_run": dry_run, "entity_count": count, "rows": rows });
    Ok(mark_repeated((status, Json(answer)).into_response(), repeated))
}

fn merchant(catalog: &Catalog, text: &str) -> Result<MerchantId, Problem> {
    let id: Option<MerchantId> = text.parse().ok();
    let id = id.filter(|id| catalog.merchants.contains_key(id));
    id.ok_or_else(|| asked::wrong("merchant", format!("`{text}` does not exist")))
}

fn shown(row: &Row, catalog: &Catalog) -> Value {
    let did = |did: Option<Did>| did.map(Did::as_str);
    let link = row.link.and_then(|(id, _)| catalog.links.get(id));
    let coupon = row.coupon.as_ref().and_then(|(id, _)| catalog.coupons.get(&id.parse().ok()?));
    let code = coupon.map(|coupon| coupon.code.as_str());
    json!({
        "line": row.line,
        "influencer": row.influencer.0, "influencer_did": row.influencer.1.as_str(),
        "campaign": row.campaign.0, "campaign_did": row.campaign.1.as_str(),
        "link": row.link.map(|(id, _)| id), "link_did": did(row.link.map(|(_, did)| did)),
        "slug": link.map(|link| link.slug()),
        "coupon": row.coupon.as_ref().map(|(id, _)| id),
        "coupon_did": did(row.coupon.as_ref().map(|(_, did)| *did)), "code": code,
    })
}
