//! Marks on a batch: its lines were paid, were not paid after all, or it is cancelled. Saying the same
//! again changes nothing.

use std::sync::Arc;

use accounts::refusal::{Refusal, cancellable, payable, undoable};
use accounts::{Account, AsOf, Books, Ledger};
use answers::{Problem, asked};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use entities::{Fields, REASON_CHARS_MAX, flag, parsed, text};
use live::clock;
use serde_json::{Map, Value};
use shared::catalog::{By, Catalog, Change, Entity};
use shared::day::Day;
use shared::id::{InfluencerId, PayoutId};
use shared::payout::Step;
use shared::time::Timestamp;

use super::close::{incomplete, influencers};
use super::{named, refused, shown, step};
use crate::caller::Author;
use crate::context::Console;
use crate::last_owed::Age;
use crate::owed::{Known, owed, today};
use crate::pool::Reports;
use crate::resources::{object, problem};

/// The most characters of a bank's reference.
const REFERENCE_CHARS_MAX: usize = 140;

/// What is said of a payment.
struct Payment {
    influencers: Vec<InfluencerId>,
    on: Option<Day>,
    reference: String,
    checksum: Option<String>,
    /// The money has left, whether it was owed or not.
    has_left: bool,
}

/// `POST /api/v1/payouts/{id}/paid`.
pub(crate) async fn paid(
    State(console): State<Arc<Console>>,
    Extension(Author(author)): Extension<Author>,
    Extension(by): Extension<By>,
    Extension(reports): Extension<Reports>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let batch = named(&id)?;
    let known = owed(&console, &reports, Age::New).await?;
    let decide = |catalog: &Catalog, now| {
        let payment = read_payment(&body, catalog)?;
        let ledger = known.ledger(catalog);
        let influencers = check(&ledger, &known, batch, &payment)?;
        let made = ledger.books().get(batch).ok_or_else(|| super::missing(&id))?;
        let merchant = catalog.merchants.get(&made.made.merchant);
        // The clock of the node that made it may have been ahead.
        let today = merchant.map_or(made.made.day, |of| today(of, now)).max(made.made.day);
        let on = payment.on.unwrap_or(today);
        if on > today || on < made.made.day {
            let reason = format!("`{on}`: expected a day from {} to {today}", made.made.day);
            return Err(asked::wrong("on", reason));
        }
        let reference = payment.reference;
        Ok((!influencers.is_empty()).then_some(Step::Paid { batch, influencers, on, reference }))
    };
    record(&console, (&author, by), batch, decide).await
}

/// `POST /api/v1/payouts/{id}/undo`.
pub(crate) async fn undo(
    State(console): State<Arc<Console>>,
    Extension(Author(author)): Extension<Author>,
    Extension(by): Extension<By>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let batch = named(&id)?;
    let decide = |catalog: &Catalog, _| {
        let mut fields = Fields::new(object(&body)?);
        let named = fields.required("influencers", |value| influencers(value, catalog));
        let reason = fields.required("reason", text(REASON_CHARS_MAX));
        let faults = fields.finish();
        let (Some(named), Some(reason), []) = (named, reason, &faults[..]) else {
            return Err(Problem::of_faults(faults));
        };
        let books = Books::of(catalog.payouts.values());
        let influencers = undoable(&books, batch, &named).map_err(|refusal| refused(&refusal))?;
        Ok(Some(Step::Undone { batch, influencers, reason }))
    };
    record(&console, (&author, by), batch, decide).await
}

/// `POST /api/v1/payouts/{id}/cancel`.
pub(crate) async fn cancel(
    State(console): State<Arc<Console>>,
    Extension(Author(author)): Extension<Author>,
    Extension(by): Extension<By>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let batch = named(&id)?;
    let decide = |catalog: &Catalog, _| {
        let books = Books::of(catalog.payouts.values());
        let payout = cancellable(&books, batch).map_err(|refusal| refused(&refusal))?;
        Ok(payout.cancelled_at.is_none().then_some(Step::Cancelled { batch }))
    };
    record(&console, (&author, by), batch, decide).await
}

/// Records the step that is decided on, if any, and answers with the batch.
async fn record(
    console: &Arc<Console>,
    (author, by): (&str, By),
    batch: PayoutId,
    decide: impl Fn(&Catalog, Timestamp) -> Result<Option<Step>, Problem>,
) -> Result<Json<Value>, Problem> {
    let prepare = |catalog: &Catalog| {
        let now = clock::now();
        let Some(decided) = decide(catalog, now)? else { return Ok((None, ())) };
        let made = catalog.payouts.get(&batch).ok_or_else(|| super::missing(&batch.to_string()))?;
        let made = step(catalog, made.merchant, (author, now), decided);
        let entities = vec![Entity::Payout(made)];
        Ok((Some(Change { at: now, entities, request: None, by: None }), ()))
    };
    console.change(by, prepare).await.map_err(problem)?;
    let catalog = console.live.read();
    let books = Books::of(catalog.payouts.values());
    let payout = books.get(batch).ok_or_else(|| super::missing(&batch.to_string()))?;
    Ok(Json(shown::whole(payout, &catalog)))
}

fn read_payment(body: &[u8], catalog: &Catalog) -> Result<Payment, Problem> {
    let sent = if body.trim_ascii().is_empty() { Map::new() } else { object(body)? };
    let mut fields = Fields::new(sent);
    let influencers = fields.optional("influencers", |value| influencers(value, catalog));
    let on = fields.optional("on", parsed::<Day>);
    let reference = fields.optional("reference", text(REFERENCE_CHARS_MAX));
    let checksum = fields.optional("checksum", text(64));
    let has_left = fields.optional("has_left", flag).unwrap_or(false);
    let faults = fields.finish();
    if !faults.is_empty() {
        return Err(Problem::of_faults(faults));
    }
    let (influencers, reference) = (influencers.unwrap_or_default(), reference.unwrap_or_default());
    Ok(Payment { influencers, on, reference, checksum, has_left })
}

/// Returns whose lines are to be marked as paid.
fn check(
    ledger: &Ledger,
    known: &Known,
    batch: PayoutId,
    payment: &Payment,
) -> Result<Vec<InfluencerId>, Problem> {
    let books = ledger.books();
    check_sum(books, batch, payment.checksum.as_deref())?;
    let influencers = payable(books, batch, &payment.influencers);
    let influencers = influencers.map_err(|refusal| refused(&refusal))?;
    if !payment.has_left {
        if !known.missing.is_empty() {
            return Err(incomplete(&known.missing));
        }
        check_owed(ledger, batch, &influencers)?;
    }
    Ok(influencers)
}

/// Checks that a batch is the one that somebody looked at.
pub(super) fn check_sum(
    books: &Books,
    batch: PayoutId,
    expected: Option<&str>,
) -> Result<(), Problem> {
    let payout = books.get(batch).ok_or_else(|| refused(&Refusal::Unknown(batch)))?;
    let checksum = payout.batch.checksum();
    match expected {
        Some(expected) if expected != checksum => Err(Problem::conflict(format!(
            "checksum: `{expected}` is not that of payout {batch}, which is `{checksum}`; look at \
             the payout again before you pay it"
        ))),
        _ => Ok(()),
    }
}

/// Checks that nobody gets more than is owed: something may have been taken back since the close.
pub(super) fn check_owed(
    ledger: &Ledger,
    batch: PayoutId,
    influencers: &[InfluencerId],
) -> Result<(), Problem> {
    let Some(payout) = ledger.books().get(batch) else { return Ok(()) };
    let as_of = AsOf::known(payout.batch.closed_on.max(payout.made.day));
    let mut too_much = Vec::new();
    for influencer in influencers {
        let (merchant, currency) = (payout.made.merchant, payout.batch.currency);
        let account = Account { merchant, influencer: *influencer, currency };
        let open = ledger.balance(account, as_of).and_then(|balance| balance.open_minor(account));
        let open = open.map_err(|error| Problem::no_balances(&error.into()))?;
        if open < 0 {
            let more = shown::text(open.saturating_neg(), currency);
            too_much.push(format!("the line of {influencer} pays {more} {currency} too much"));
        }
    }
    if too_much.is_empty() {
        return Ok(());
    }
    Err(Problem::conflict(format!(
        "{}: something was taken back since the close; cancel the payout and close again, or send \
         `has_left` if the money has left already",
        too_much.join("; ")
    )))
}
