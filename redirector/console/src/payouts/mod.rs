//! Payouts: a close makes a batch, a file goes to the bank, and a mark says that the money has left.
//! Every step is a change of the catalog, so it is on disk before it is answered, other nodes learn
//! of it, and it is never altered. What may be recorded is decided by `accounts`, never here.

mod close;
mod file;
mod mark;
mod shown;

use std::sync::Arc;

use accounts::Books;
use accounts::refusal::Refusal;
use answers::{Problem, asked};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use rand::RngExt;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::catalog::{Catalog, Role};
use shared::id::{MerchantId, PayoutId};
use shared::payout::{PayoutStep, Step};
use shared::time::{Span, Timestamp};
use shared::zone::Zone;

use crate::context::Console;

pub(crate) use close::close;
pub(crate) use file::file;
pub(crate) use mark::{cancel, paid, undo};

/// How many payouts a list has by default.
const PAGE: usize = 100;
/// How many it has at most.
const PAGE_MAX: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    merchant: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/payouts?merchant=&cursor=&limit=`: batches, the latest first.
pub(crate) async fn list(
    State(console): State<Arc<Console>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, Problem> {
    let limit = asked::limit(query.limit, PAGE, PAGE_MAX)?;
    let catalog = console.live.read();
    let merchant = query.merchant.map(|text| {
        let id: Option<MerchantId> = text.parse().ok();
        let known = id.filter(|id| catalog.merchants.contains_key(id));
        known.ok_or_else(|| asked::wrong("merchant", format!("`{text}` does not exist")))
    });
    let merchant = merchant.transpose()?;
    let books = Books::of(catalog.payouts.values());
    let mut payouts: Vec<_> = books.iter().collect();
    payouts.retain(|payout| merchant.is_none_or(|wanted| payout.made.merchant == wanted));
    payouts.sort_unstable_by_key(|payout| std::cmp::Reverse((payout.made.at, payout.id())));
    let begin = match &query.cursor {
        None => 0,
        Some(cursor) => payouts
            .iter()
            .position(|payout| payout.id().to_string() == *cursor)
            .map(|at| at + 1)
            .ok_or_else(|| {
                let expected = "expected the `next_cursor` of an earlier page";
                asked::wrong("cursor", format!("`{cursor}`: {expected}"))
            })?,
    };
    let page: Vec<_> = payouts.iter().skip(begin).take(limit).collect();
    let has_more = begin + page.len() < payouts.len();
    let next = page.last().filter(|_| has_more).map(|payout| payout.id());
    let items: Vec<_> = page.iter().map(|payout| shown::summary(payout)).collect();
    Ok(Json(json!({ "items": items, "next_cursor": next })))
}

/// `GET /api/v1/payouts/{id}`: a merchant sees their own, and nobody else's.
pub(crate) async fn read(
    State(console): State<Arc<Console>>,
    Extension(role): Extension<Role>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let catalog = console.live.read();
    let books = Books::of(catalog.payouts.values());
    let may_see = |of: MerchantId| role == Role::Admin || role == Role::Merchant(of);
    let payout = books.get(named(&id)?).filter(|payout| may_see(payout.made.merchant));
    let payout = payout.ok_or_else(|| missing(&id))?;
    Ok(Json(shown::whole(payout, &catalog)))
}

/// Reads the id of a batch in an address.
fn named(id: &str) -> Result<PayoutId, Problem> {
    id.parse().map_err(|_| missing(id))
}

fn missing(id: &str) -> Problem {
    Problem::not_found(format!("payout `{id}` does not exist"))
}

/// Returns a refusal as an answer.
fn refused(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::Unknown(_) => Problem::not_found(refusal.to_string()),
        _ => Problem::conflict(refusal.to_string()),
    }
}

/// Makes a step of a merchant's payout. It is later than every step that is known, whatever the clock
/// says, so that what it follows stands before it.
fn step(
    catalog: &Catalog,
    merchant: MerchantId,
    (author, now): (&str, Timestamp),
    step: Step,
) -> PayoutStep {
    let latest = catalog.payouts.values().map(|step| step.at).max();
    let at = latest.map_or(now, |latest| now.max(latest.plus(Span::ms(1))));
    let zone = catalog.merchants.get(&merchant).map_or(Zone::UTC, |m| Zone::named(&m.timezone));
    PayoutStep {
        id: PayoutId::from_bits(rand::rng().random()),
        merchant,
        at,
        day: zone.date(at),
        author: author.to_owned(),
        step,
    }
}
