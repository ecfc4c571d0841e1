//! `GET /api/v1/payouts/{id}/file`: the file that a bank or a payment service reads. It holds the
//! lines that are not paid yet. Asking for it changes nothing.

use std::sync::Arc;

use accounts::books::{LineBook, LineState, Payout};
use accounts::refusal::standing;
use answers::{Problem, asked};
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use entities::Fault;
use live::clock;
use payments::{Format, Job, Transfer};
use serde::Deserialize;
use shared::catalog::Catalog;
use shared::day::Day;
use shared::money::Money;

use super::close::{incomplete, payee};
use super::mark::{check_owed, check_sum};
use super::{named, refused, shown};
use crate::context::Console;
use crate::last_owed::Age;
use crate::owed::{owed, today};
use crate::pool::Reports;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileQuery {
    format: Option<String>,
    pay_on: Option<String>,
    checksum: Option<String>,
}

/// `GET /api/v1/payouts/{id}/file?format=&pay_on=&checksum=`.
pub(crate) async fn file(
    State(console): State<Arc<Console>>,
    Extension(reports): Extension<Reports>,
    Path(id): Path<String>,
    Query(query): Query<FileQuery>,
) -> Result<Response, Problem> {
    let batch = named(&id)?;
    let format = query.format.as_deref().unwrap_or_default();
    let format = Format::ALL.into_iter().find(|known| known.as_str() == format);
    let format = format
        .ok_or_else(|| asked::wrong("format", "expected one of sepa, paypal, wise and plain"))?;
    let known = owed(&console, &reports, Age::New).await?;
    if !known.missing.is_empty() {
        return Err(incomplete(&known.missing));
    }
    let catalog = console.live.read();
    let ledger = known.ledger(&catalog);
    check_sum(ledger.books(), batch, query.checksum.as_deref())?;
    let payout = standing(ledger.books(), batch).map_err(|refusal| refused(&refusal))?;
    let open: Vec<_> =
        payout.lines.values().filter(|line| line.state() == LineState::Open).collect();
    let influencers: Vec<_> = open.iter().map(|line| line.account.influencer).collect();
    check_owed(&ledger, batch, &influencers)?;
    let job = job(payout, &open, (query.pay_on.as_deref(), &catalog))?;
    let file = payments::write(&job, format).map_err(|mistakes| {
        Problem::invalid(mistakes.iter().map(|m| Fault::new("file", m.to_string())).collect())
    })?;
    let disposition = format!("attachment; filename=\"{}\"", file.name);
    let headers = [
        (header::CONTENT_TYPE, file.media_type.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, file.text).into_response())
}

fn job(
    payout: &Payout,
    open: &[&LineBook],
    (pay_on, catalog): (Option<&str>, &Catalog),
) -> Result<Job, Problem> {
    let merchant = catalog.merchants.get(&payout.made.merchant);
    let merchant = merchant.ok_or_else(|| super::missing(&payout.id().to_string()))?;
    let today = today(merchant, clock::now());
    let pay_on = pay_on.map(|text| {
        let day: Day = text.parse().map_err(|error| asked::wrong("pay_on", format!("{error}")))?;
        let is_past = || asked::wrong("pay_on", format!("`{day}` is past; today is {today}"));
        if day < today { Err(is_past()) } else { Ok(day) }
    });
    if open.is_empty() {
        return Err(Problem::conflict(format!("payout {} has no line to pay", payout.id())));
    }
    let lines = open.iter().map(|line| transfer(payout, line, catalog));
    let (transfers, faults): (Vec<_>, Vec<_>) = lines.partition(Result::is_ok);
    let faults: Vec<Fault> = faults.into_iter().filter_map(Result::err).collect();
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    Ok(Job {
        batch: payout.id().to_string(),
        number: u64::from(payout.batch.number),
        currency: payout.batch.currency,
        made_on: payout.made.day.date(),
        pay_on: pay_on.transpose()?.unwrap_or(today).date(),
        payer: merchant.payer.clone(),
        transfers: transfers.into_iter().filter_map(Result::ok).collect(),
    })
}

/// Returns the payment of a line. The account must be the one that the close knew: who gets into a
/// mailbox must not have money sent elsewhere.
fn transfer(payout: &Payout, line: &LineBook, catalog: &Catalog) -> Result<Transfer, Fault> {
    let influencer = line.account.influencer;
    let name = shown::name(influencer, catalog).unwrap_or_default();
    let fault = |reason: &str| Fault::new(format!("line of {influencer} ({name})"), reason);
    let known = catalog.influencers.get(&influencer).and_then(|known| payee(known));
    let Some((payee, hash)) = known else {
        return Err(fault("it is not known any more how to pay them; set `payout` again"));
    };
    if hash != line.payee {
        let reason = "the account changed since the close; check it with them, then cancel the \
                      payout and close again";
        return Err(fault(reason));
    }
    let id = format!("{}-{}", payout.batch.number, influencer);
    let reference = format!("{} {}", payout.batch.closed_on, payout.id());
    let amount = Money { minor: line.amount_minor, currency: line.account.currency };
    Ok(Transfer { id, name: name.to_owned(), payee, amount, reference })
}
