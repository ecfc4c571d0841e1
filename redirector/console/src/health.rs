//! The health of the process: whether it lives, and whether it can record.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use journal::StreamName;

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
    for (stream, records) in lost_by_stream(&console) {
        _ = writeln!(
            text,
            "journal {stream}: {records} records are lost, given up by a repair; `afterclick \
             verify` names them"
        );
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

/// How many records repairs gave up, by stream.
pub(crate) fn lost_by_stream(console: &Console) -> BTreeMap<&StreamName, u64> {
    let mut lost = BTreeMap::new();
    for loss in console.lost.iter().filter(|loss| loss.records() > 0) {
        *lost.entry(&loss.stream).or_default() += loss.records();
    }
    lost
}
