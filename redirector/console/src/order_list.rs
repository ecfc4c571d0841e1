//! `GET /api/v1/orders`: orders, the newest first, page by page or as one CSV. A page costs the same
//! however many orders there are. It never shows more than the asker's role may see.

use std::sync::Arc;

use answers::{Problem, asked};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use figures::{Asked, Form, OrdersQuery, TABLE_MAX, orders_table, show_order};
use hot_state::SortKey;
use live::seal::{Purpose, Sealer};
use serde_json::{Value, json};
use shared::catalog::Role;

use crate::context::Console;
use crate::mistakes::all_wrong;
use crate::pool::Reports;

/// Under what cursors are sealed.
const CURSOR: &[u8] = b"orders";

/// Returns the text of a cursor. It is sealed: it names an order, whose name not everybody may see.
fn close(key: &SortKey, sealer: &Sealer) -> String {
    URL_SAFE_NO_PAD.encode(sealer.seal(CURSOR, key.as_bytes()))
}

fn open(text: &str, sealer: &Sealer) -> Option<SortKey> {
    let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
    SortKey::from_bytes(sealer.open(CURSOR, &sealed)?)
}

/// `GET /api/v1/orders?merchant=&campaign=&influencer=&status=&method=&credited=&from=&to=&q=&cursor=
/// &limit=&format=&separator=`.
pub(crate) async fn orders(
    State(console): State<Arc<Console>>,
    Extension(role): Extension<Role>,
    Extension(reports): Extension<Reports>,
    Query(query): Query<OrdersQuery>,
) -> Result<Response, Problem> {
    let sealer = console.live.snapshot().load().sealer(Purpose::Cursors);
    let read = query.read(role, &console.live.read(), &|text| open(text, &sealer));
    let (question, form) = read.map_err(all_wrong)?;
    let state = console.hot_state().await?.clone();
    let up_to_date = console.is_up_to_date();
    let (asked, sight) = Asked::by(role, question, &console.live.read());
    match form {
        Form::Page { after, limit } => {
            let page = reports
                .run(move || {
                    asked.page(&state, after, limit).map_err(|error| Problem::no_figures(&error))
                })
                .await?;
            let catalog = console.live.read();
            let items = page.orders.iter().map(|order| show_order(order, sight, &catalog));
            let items: Vec<Value> = items.map(Value::Object).collect();
            let next = page.next.map(|next| close(&next, &sealer));
            let answer = json!({ "items": items, "next_cursor": next, "up_to_date": up_to_date });
            Ok(Json(answer).into_response())
        }
        Form::Table { separator } => {
            let all = move || asked.all(&state).map_err(|error| Problem::no_figures(&error));
            let orders = reports.run(all).await?.ok_or_else(|| {
                let reason =
                    format!("more than {TABLE_MAX} orders: name fewer days with from and to");
                asked::wrong("format", reason)
            })?;
            let table = orders_table(&orders, sight, (separator, &console.live.read()));
            let table = table.map_err(|error| Problem::internal(&error))?;
            let headers = [
                (header::CONTENT_TYPE.as_str(), "text/csv; charset=utf-8"),
                (header::CONTENT_DISPOSITION.as_str(), "attachment; filename=\"orders.csv\""),
                ("x-afterclick-up-to-date", if up_to_date { "true" } else { "false" }),
            ];
            Ok((headers, table).into_response())
        }
    }
}
