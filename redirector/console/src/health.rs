//! The health of the process: whether it lives, whether it can record, and what it counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use crate::context::Console;

/// `GET /healthz`: the process lives.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: tells whether the node can record. A hot state that lags is reported, but the
/// node is still ready: redirects and recording do not need the hot state.
pub(crate) async fn ready(State(console): State<Arc<Console>>) -> impl IntoResponse {
    let mut text = String::new();
    let mut can_record = true;
    for health in &console.journals {
        // Writing to a String cannot fail, here and below.
        if let Some(cause) = health.cause() {
            can_record = false;
            _ = writeln!(
                text,
                "journal {}: cannot record: {cause}; repair the disk, then restart",
                health.stream()
            );
        } else {
            _ = writeln!(
                text,
                "journal {}: ok, {} records",
                health.stream(),
                health.last_committed()
            );
        }
    }
    let behind = console.records_behind();
    _ = match (console.lag.failing.load(Relaxed), console.is_up_to_date()) {
        (true, _) => {
            writeln!(
                text,
                "hot state: failing, {behind} records behind; catches up when it works again"
            )
        }
        (false, true) => writeln!(text, "hot state: up to date"),
        (false, false) => writeln!(text, "hot state: catching up, {behind} records behind"),
    };
    _ = match console.clock_remark() {
        Some(remark) => writeln!(text, "clock: {remark}"),
        None => writeln!(text, "clock: fits what is recorded"),
    };
    let status = if can_record { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, text)
}

/// `GET /metrics`: figures as text for Prometheus.
pub(crate) async fn metrics(State(console): State<Arc<Console>>) -> impl IntoResponse {
    let mut totals: BTreeMap<_, u64> = BTreeMap::new();
    for worker in &console.counters {
        worker.each(|name, label, value| *totals.entry((name, label)).or_default() += value);
    }
    totals.insert(("afterclick_exchange_refused_total", None), console.exchange.refused_total());
    totals
        .insert(("afterclick_projected_records_total", None), console.lag.projected.load(Relaxed));
    for (name, value) in [
        ("afterclick_admin_foreign_hosts_total", console.hosts.foreign_total()),
        ("afterclick_admin_refused_requests_total", console.guesses.refused_total()),
        ("afterclick_admin_wrong_tokens_total", console.guesses.wrong_total()),
    ] {
        totals.insert((name, None), value);
    }
    for of_shop in console.reconciliations.all().values() {
        for (name, value) in [
            ("afterclick_reconcile_runs_total", of_shop.runs),
            ("afterclick_reconcile_failures_total", of_shop.failures),
            ("afterclick_reconcile_found_total", of_shop.found),
        ] {
            *totals.entry((name, None)).or_default() += value;
        }
    }
    if let Some(certificates) = &console.certificates {
        totals.insert(("afterclick_acme_orders_total", None), certificates.issued());
        totals.insert(("afterclick_acme_orders_failed_total", None), certificates.failed());
    }
    let (mut text, mut described) = (String::new(), "");
    for ((name, label), value) in totals {
        if name != described {
            _ = writeln!(text, "# TYPE {name} counter");
            described = name;
        }
        _ = match label {
            Some((key, label)) => writeln!(text, "{name}{{{key}=\"{label}\"}} {value}"),
            None => writeln!(text, "{name} {value}"),
        };
    }
    _ = writeln!(text, "# TYPE afterclick_hot_state_up_to_date gauge");
    _ = writeln!(text, "afterclick_hot_state_up_to_date {}", u8::from(console.is_up_to_date()));
    _ = writeln!(text, "# TYPE afterclick_hot_state_behind_records gauge");
    _ = writeln!(text, "afterclick_hot_state_behind_records {}", console.records_behind());
    let poisoned = console.journals.iter().filter(|health| health.is_poisoned()).count();
    _ = writeln!(text, "# TYPE afterclick_journal_poisoned_streams gauge");
    _ = writeln!(text, "afterclick_journal_poisoned_streams {poisoned}");
    let expiries =
        console.certificates.as_ref().map(|status| status.expiries()).unwrap_or_default();
    if !expiries.is_empty() {
        _ = writeln!(text, "# TYPE afterclick_tls_certificate_expires_timestamp_seconds gauge");
    }
    for (name, expires) in expiries {
        let seconds = expires.as_ms() / 1000;
        _ = writeln!(
            text,
            "afterclick_tls_certificate_expires_timestamp_seconds{{name=\"{name}\"}} {seconds}"
        );
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}
