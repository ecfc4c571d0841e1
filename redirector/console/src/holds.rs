//! The release of holds on commissions. Holds are made and listed like every other resource.

use std::sync::Arc;

use answers::Problem;
use api::Kind;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use entities::{Fields, REASON_CHARS_MAX, text};
use live::clock;
use serde_json::{Map, Value};
use shared::catalog::{By, Catalog, Change, Entity, Hold};
use shared::time::Span;

use crate::context::Console;
use crate::resources::{held, object, problem};
use crate::shown::show;

/// `POST /api/v1/holds/{id}/release`: its commissions go on as if they had never been held. A body
/// with a `reason` may come along. A hold that is released already stays so.
pub(crate) async fn release(
    State(console): State<Arc<Console>>,
    Extension(by): Extension<By>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let prepare = |catalog: &Catalog| {
        let Entity::Hold(hold) = held(catalog, Kind::Hold, &id)? else {
            return Err(Problem::not_found(format!("`{id}` is no hold")));
        };
        let sent = if body.trim_ascii().is_empty() { Map::new() } else { object(&body)? };
        let mut fields = Fields::new(sent);
        let release_reason = fields.optional("reason", text(REASON_CHARS_MAX));
        let faults = fields.finish();
        if !faults.is_empty() {
            return Err(Problem::of_faults(faults));
        }
        if hold.released_at.is_some() {
            return Ok((None, Entity::Hold(hold)));
        }
        let now = clock::now().max(hold.updated_at.plus(Span::ms(1)));
        let released = Hold { released_at: Some(now), release_reason, updated_at: now, ..hold };
        let entity = Entity::Hold(released);
        Ok((
            Some(Change { at: now, entities: vec![entity.clone()], request: None, by: None }),
            entity,
        ))
    };
    let entity = console.change(by, prepare).await.map_err(problem)?;
    Ok(Json(show(&entity, &console.live.read(), &[])))
}
