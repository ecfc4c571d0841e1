//! Who changed what, before and after, as the journal has it. Nothing is kept for it: each question
//! reads the changes of the catalog again.

mod difference;
mod search;
mod undo;

use std::sync::Arc;

use answers::Problem;
use answers::asked::{self, wrong};
use axum::extract::{Query, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::catalog::{By, Catalog};

use self::search::{Found, Wanted, find};
use crate::context::Console;
use crate::pool::Reports;

pub(crate) use self::undo::undo;

/// How many changes a page has by default.
const PAGE: usize = 100;
/// How many it has at most.
const PAGE_MAX: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    entity: Option<String>,
    by: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/history?entity=&by=&cursor=&limit=`.
pub(crate) async fn list(
    State(console): State<Arc<Console>>,
    Extension(reports): Extension<Reports>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Problem> {
    let limit = asked::limit(asked.limit, PAGE, PAGE_MAX)?;
    let cursor = asked.cursor.filter(|cursor| !cursor.is_empty());
    let wanted = Wanted { entity: asked.entity, by: asked.by, before: cursor.clone(), only: None };
    let reading = Arc::clone(&console);
    let found = reports.run(move || find(&reading, &wanted, limit + 1)).await?;
    let unknown = || wrong("cursor", "expected the `next_cursor` of an earlier page");
    let mut found = found.ok_or_else(unknown)?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|last| last.id.clone());
    let catalog = console.live.read();
    let items: Vec<_> = found.iter().map(|found| shown(found, &catalog)).collect();
    Ok(Json(json!({ "items": items, "next_cursor": next })))
}

fn shown(found: &Found, catalog: &Catalog) -> Value {
    let (by, id, name) = match found.by {
        None => (None, None, None),
        Some(By::Person(id)) => {
            let name = catalog.people.get(&id).map(|person| person.name.clone());
            (Some("person"), Some(id.to_string()), name)
        }
        Some(By::Token(id)) => {
            let token = catalog.tokens.values().find(|token| token.id() == id);
            (Some("token"), Some(id.to_string()), token.and_then(|token| token.name.clone()))
        }
        Some(By::FirstToken) => (Some("first_token"), None, None),
        Some(By::CommandLine) => (Some("command_line"), None, None),
    };
    let entities = found.entities.iter().map(|entity| {
        let fields = entity.fields.iter().map(|field| {
            let (before, after) = field.shown();
            json!({ "field": field.name, "before": before, "after": after })
        });
        json!({
            "kind": entity.kind, "id": entity.id, "is_new": entity.is_new,
            "fields": fields.collect::<Vec<_>>(),
        })
    });
    json!({
        "id": found.id, "at": found.at, "by": by, "by_id": id, "by_name": name,
        "entity_count": found.count, "entities": entities.collect::<Vec<_>>(),
    })
}
