//! `GET /api/v1/stats`: statistics from the live counters.

use std::sync::Arc;

use answers::Problem;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use figures::{StatsQuery, answer, counted};
use serde_json::{Value, json};
use shared::catalog::Role;

use crate::context::Console;
use crate::mistakes::all_wrong;
use crate::pool::Reports;

/// `GET /api/v1/stats?by=&from=&to=&compare=&merchant=&campaign=&influencer=&link=`, where `by` is
/// `link`, `influencer`, `campaign`, `day` or `hour`. Days and hours are those of each campaign's
/// merchant.
pub(crate) async fn stats(
    State(console): State<Arc<Console>>,
    Extension(role): Extension<Role>,
    Extension(reports): Extension<Reports>,
    Query(query): Query<StatsQuery>,
) -> Result<Json<Value>, Problem> {
    let read = query.read(role, &console.live.read());
    let question = read.map_err(|mistake| all_wrong(vec![mistake]))?;
    let state = console.hot_state().await?.clone();
    let up_to_date = console.is_up_to_date();
    let (now, before) = {
        let catalog = console.live.read();
        let ask = |days| question.counts(role, days, &catalog);
        (ask(question.days), question.previous.map(ask))
    };
    // The catalog is not locked while the hot state is read: a store that hangs would stop every
    // change.
    let read = move || -> Result<_, Problem> {
        let ask = |question| counted(&state, question).map_err(|error| Problem::no_figures(&error));
        Ok((ask(&now)?, before.as_ref().map(ask).transpose()?.unwrap_or_default()))
    };
    let figures = reports.run(read).await?;
    let mut answer = answer(&question, role, figures, &console.live.read());
    answer["up_to_date"] = json!(up_to_date);
    Ok(Json(answer))
}
