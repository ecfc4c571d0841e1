//! Payouts as answers show them.

use accounts::books::{LineBook, LineState, Payout};
use serde_json::{Value, json};
use shared::catalog::Catalog;
use shared::id::InfluencerId;
use shared::money::{Currency, Money};
use shared::payout::Batch;

/// Returns a payout without its lines.
pub(super) fn summary(payout: &Payout) -> Value {
    let batch = &payout.batch;
    let sum = |state: LineState| {
        let minor = i64::try_from(payout.sum_minor(state)).unwrap_or(i64::MAX);
        text(minor, batch.currency)
    };
    json!({
        "id": payout.id(),
        "number": batch.number,
        "merchant": payout.made.merchant,
        "currency": batch.currency,
        "closed_on": batch.closed_on,
        "made_at": payout.made.at,
        "made_on": payout.made.day,
        "author": payout.made.author,
        "checksum": batch.checksum(),
        "state": state(payout),
        "superseded_by": payout.superseded_by,
        "line_count": batch.lines.len(),
        "sum": batch.sum_minor().map(|minor| text(minor, batch.currency)),
        "open": sum(LineState::Open),
        "paid": sum(LineState::Paid),
    })
}

/// Returns a payout with its lines, and with what it left out.
pub(super) fn whole(payout: &Payout, catalog: &Catalog) -> Value {
    let mut shown = summary(payout);
    let lines = payout.lines.values().map(|line| show_line(line, catalog));
    shown["lines"] = lines.collect();
    shown["left_out"] = left_out(&payout.batch, catalog);
    shown
}

/// Returns what a close would pay, before anything is recorded.
pub(super) fn proposal(batch: &Batch, catalog: &Catalog) -> Value {
    let lines = batch.lines.iter().map(|line| {
        json!({
            "influencer": line.influencer,
            "name": name(line.influencer, catalog),
            "amount": text(line.amount_minor, batch.currency),
        })
    });
    json!({
        "id": null,
        "number": batch.number,
        "currency": batch.currency,
        "closed_on": batch.closed_on,
        "checksum": batch.checksum(),
        "sum": batch.sum_minor().map(|minor| text(minor, batch.currency)),
        "lines": lines.collect::<Vec<_>>(),
        "left_out": left_out(batch, catalog),
    })
}

/// `open`, `partly_paid`, `paid`, `cancelled` or `superseded`.
fn state(payout: &Payout) -> &'static str {
    let has = |state| payout.lines.values().any(|line| line.state() == state);
    match (has(LineState::Paid), has(LineState::Open)) {
        (true, true) => "partly_paid",
        (true, false) => "paid",
        (false, _) if payout.superseded_by.is_some() => "superseded",
        (false, _) if payout.cancelled_at.is_some() => "cancelled",
        (false, _) => "open",
    }
}

fn show_line(line: &LineBook, catalog: &Catalog) -> Value {
    let payment = line.payment.as_ref();
    json!({
        "influencer": line.account.influencer,
        "name": name(line.account.influencer, catalog),
        "amount": text(line.amount_minor, line.account.currency),
        "state": line.state().as_str(),
        "paid_on": payment.map(|payment| payment.on),
        "recorded_on": payment.map(|payment| payment.recorded_on),
        "reference": payment.map(|payment| payment.reference.as_str()),
    })
}

fn left_out(batch: &Batch, catalog: &Catalog) -> Value {
    let left_out = batch.left_out.iter().map(|left| {
        json!({
            "influencer": left.influencer,
            "name": name(left.influencer, catalog),
            "amount": text(left.amount_minor, batch.currency),
            "why": left.why.as_str(),
        })
    });
    left_out.collect()
}

pub(super) fn name(influencer: InfluencerId, catalog: &Catalog) -> Option<&str> {
    catalog.influencers.get(&influencer).map(|influencer| influencer.name.as_str())
}

pub(super) fn text(minor: i64, currency: Currency) -> String {
    Money { minor, currency }.to_string()
}
