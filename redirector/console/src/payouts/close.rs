//! `POST /api/v1/payouts`: closes the days up to one of them, and makes a batch of what is to be paid.

use std::sync::Arc;

use accounts::close::{Candidate, close as make_batch};
use accounts::{Account, AsOf, Ledger};
use answers::Problem;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use entities::{Fields, flag, found, parsed};
use live::clock;
use serde_json::Value;
use shared::catalog::{By, Catalog, Change, Entity, Influencer, Merchant};
use shared::day::Day;
use shared::id::InfluencerId;
use shared::payee::Payee;
use shared::payout::{Batch, PayoutStep, Step};
use shared::time::Timestamp;

use super::{shown, step};
use crate::caller::Author;
use crate::context::Console;
use crate::last_owed::Age;
use crate::owed::{Known, owed, today};
use crate::pool::Reports;
use crate::resources::{answered, mark_repeated, object, problem, request_id};

/// What a close is asked to do.
struct Asked<'c> {
    merchant: &'c Merchant,
    closed_on: Day,
    /// Whom to pay; empty for all.
    influencers: Vec<InfluencerId>,
    ignore_minimum: bool,
    /// Only show what would be paid.
    dry_run: bool,
}

/// What became of it.
enum Closed {
    /// A batch was recorded, by this request or by an earlier one with its key.
    Made(Box<PayoutStep>, bool),
    /// Nothing was recorded: nothing is payable, or only a look was asked for.
    Proposed(Box<Batch>),
}

/// `POST /api/v1/payouts`.
pub(crate) async fn close(
    State(console): State<Arc<Console>>,
    Extension(Author(author)): Extension<Author>,
    Extension(by): Extension<By>,
    Extension(reports): Extension<Reports>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let request = request_id(&headers, "payouts", &body)?;
    let known = owed(&console, &reports, Age::New).await?;
    let prepare = |catalog: &Catalog| {
        if let Some(before) = answered(catalog, request.as_ref())? {
            let made = before.first.as_ref().and_then(|id| catalog.payouts.get(&id.parse().ok()?));
            let made = made.ok_or_else(|| Problem::not_found("the payout does not exist"))?;
            return Ok((None, Closed::Made(Box::new(made.as_ref().clone()), true)));
        }
        let now = clock::now();
        let asked = read(&body, catalog, now)?;
        if !known.missing.is_empty() && !asked.dry_run {
            return Err(incomplete(&known.missing));
        }
        let batch = batch(&asked, &known, catalog)?;
        if asked.dry_run || batch.lines.is_empty() {
            return Ok((None, Closed::Proposed(Box::new(batch))));
        }
        let made = step(catalog, asked.merchant.id, (&author, now), Step::Made(batch));
        let entities = vec![Entity::Payout(made.clone())];
        Ok((
            Some(Change { at: now, entities, request, by: None }),
            Closed::Made(Box::new(made), false),
        ))
    };
    let closed = console.change(by, prepare).await.map_err(problem)?;
    let catalog = console.live.read();
    Ok(match closed {
        Closed::Proposed(batch) => Json(shown::proposal(&batch, &catalog)).into_response(),
        Closed::Made(made, repeated) => {
            let books = accounts::Books::of(catalog.payouts.values());
            let payout = books.get(made.id).ok_or_else(|| super::missing(&made.id.to_string()))?;
            let answer = Json(shown::whole(payout, &catalog));
            mark_repeated((StatusCode::CREATED, answer).into_response(), repeated)
        }
    })
}

fn read<'c>(body: &[u8], catalog: &'c Catalog, now: Timestamp) -> Result<Asked<'c>, Problem> {
    let mut fields = Fields::new(object(body)?);
    let merchant = fields.required("merchant", |value| found(value, &catalog.merchants));
    let closed_on = fields.required("closed_on", parsed::<Day>);
    let influencers = fields.optional("influencers", |value| influencers(value, catalog));
    let ignore_minimum = fields.optional("ignore_minimum", flag).unwrap_or(false);
    let dry_run = fields.optional("dry_run", flag).unwrap_or(false);
    if let (Some(merchant), Some(closed_on)) = (merchant, closed_on)
        && closed_on > today(merchant, now)
    {
        let reason = format!("`{closed_on}` is still to come in {}", merchant.timezone);
        fields.fault("closed_on", reason);
    }
    let faults = fields.finish();
    match (merchant, closed_on) {
        (Some(merchant), Some(closed_on)) if faults.is_empty() => {
            let influencers = influencers.unwrap_or_default();
            Ok(Asked { merchant, closed_on, influencers, ignore_minimum, dry_run })
        }
        _ => Err(Problem::of_faults(faults)),
    }
}

/// Reads a list of influencers, each of whom is known.
pub(super) fn influencers(value: &Value, catalog: &Catalog) -> Result<Vec<InfluencerId>, String> {
    let list = value.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or("expected a list of influencers' ids; leave it out for all")?;
    list.iter().map(|id| found(id, &catalog.influencers).map(|known| known.id)).collect()
}

fn batch(asked: &Asked<'_>, known: &Known, catalog: &Catalog) -> Result<Batch, Problem> {
    let (merchant, currency) = (asked.merchant.id, asked.merchant.currency);
    let ledger = known.ledger(catalog);
    let is_asked = |account: &Account| {
        account.merchant == merchant
            && account.currency == currency
            && (asked.influencers.is_empty() || asked.influencers.contains(&account.influencer))
    };
    let as_of = AsOf::known(asked.closed_on);
    let candidates = ledger.accounts().filter(is_asked).map(|account| {
        let minimum_minor = if asked.ignore_minimum { 0 } else { known.minimum_minor(account) };
        candidate(&ledger, account, as_of, (minimum_minor, catalog))
    });
    let candidates = candidates.collect::<Result<Vec<_>, _>>();
    let number = ledger.books().next_number(merchant, currency);
    let batch = candidates.and_then(|all| make_batch(all, (currency, number, asked.closed_on)));
    batch.map_err(|error| Problem::no_balances(&error.into()))
}

fn candidate(
    ledger: &Ledger,
    account: Account,
    as_of: AsOf,
    (minimum_minor, catalog): (i64, &Catalog),
) -> Result<Candidate, accounts::TooLarge> {
    let influencer = catalog.influencers.get(&account.influencer);
    Ok(Candidate {
        account,
        balance: ledger.balance(account, as_of)?,
        minimum_minor,
        payee: influencer.and_then(|influencer| payee(influencer)).map(|(_, hash)| hash),
    })
}

/// Returns how somebody is paid, with a hash of it; `None` when it is not known, or not so that a
/// bank could read it.
pub(super) fn payee(influencer: &Influencer) -> Option<(Payee, String)> {
    let payee = Payee::read(influencer.payout.as_ref()?).ok()?;
    let spelled = serde_json::to_vec(&payee).ok()?;
    Some((payee, blake3::hash(&spelled).to_hex().chars().take(32).collect()))
}

/// Says which journals are missing.
pub(super) fn incomplete(missing: &[String]) -> Problem {
    Problem::conflict(format!(
        "the journals of other nodes are missing here ({}), so nobody knows what is owed: give this \
         node their folders in `other_journals` (--other-journals), or close where they are",
        missing.join(", ")
    ))
}
