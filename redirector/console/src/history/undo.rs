//! Undo: another change, back to what was before. The rules of every change hold for it, so that
//! money that was booked stays booked.

use std::collections::BTreeMap;
use std::sync::Arc;

use answers::Problem;
use api::Kind;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use entities::{EntityBuilder, Fields, as_version, version_after};
use live::clock;
use serde_json::{Map, Value, json};
use shared::catalog::{By, Catalog, Change, Entity};

use super::difference::{Difference, fields};
use super::search::{Found, FoundEntity, Wanted, find};
use crate::context::Console;
use crate::pool::Reports;
use crate::resources::{accept, held, problem};

/// What the history calls the archiving of something.
const ARCHIVE: &str = "archive";

/// `POST /api/v1/history/{id}/undo`.
pub(crate) async fn undo(
    State(console): State<Arc<Console>>,
    Extension(reports): Extension<Reports>,
    Extension(by): Extension<By>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let wanted = Wanted { entity: None, by: None, before: None, only: Some(id.clone()) };
    let reading = Arc::clone(&console);
    let found = reports.run(move || find(&reading, &wanted, 1)).await?;
    let found = found.and_then(|mut found| found.pop());
    let found = found.ok_or_else(|| Problem::not_found(format!("`{id}` is no change")))?;
    let prepare = |catalog: &Catalog| {
        let entities = back(&console, catalog, &found)?;
        let at = clock::now();
        Ok((Some(Change { at, entities, request: None, by: None }), ()))
    };
    console.change(by, prepare).await.map_err(problem)?;
    Ok(Json(json!({ "undone": id })))
}

/// Returns the entities of a change as they were before it.
fn back(console: &Console, catalog: &Catalog, found: &Found) -> Result<Vec<Entity>, Problem> {
    if found.count > found.entities.len() {
        let detail = format!("it changed {} things at once; change them one by one", found.count);
        return Err(Problem::conflict(detail));
    }
    let mut wanted: BTreeMap<&str, (Kind, Map<String, Value>)> = BTreeMap::new();
    for entity in &found.entities {
        let kind = kind(entity)?;
        let before = before(catalog, kind, entity)?;
        wanted.entry(&entity.id).or_insert((kind, Map::new())).1.extend(before);
    }
    let mut entities = vec![];
    for (id, (kind, wanted)) in wanted {
        entities.extend(changed(console, (catalog, &held(catalog, kind, id)?), kind, wanted)?);
    }
    Ok(entities)
}

/// Returns the kind of the entity that a change is undone of.
fn kind(entity: &FoundEntity) -> Result<Kind, Problem> {
    let kind = if entity.kind == ARCHIVE {
        kind_of_id(&entity.id)
    } else {
        Kind::ALL.into_iter().find(|kind| kind.name() == entity.kind)
    };
    kind.filter(|kind| kind.is_changed())
        .ok_or_else(|| Problem::conflict(format!("a change of a {} cannot be undone", entity.kind)))
}

/// Returns the fields that a change set, as they were before.
fn before(
    catalog: &Catalog,
    kind: Kind,
    entity: &FoundEntity,
) -> Result<Map<String, Value>, Problem> {
    let id = &entity.id;
    if entity.kind == ARCHIVE {
        let archived = entity.fields.iter().find(|field| field.name == "archived");
        let archived = archived.is_some_and(|field| field.after == Value::Bool(true));
        return Ok(Map::from_iter([("archived".to_owned(), Value::from(!archived))]));
    }
    if entity.is_new {
        return Err(Problem::conflict(format!("`{id}` was created by it; archive it instead")));
    }
    let (_, _, now) = fields(&held(catalog, kind, id)?);
    let is_changed =
        |field: &&Difference| now.get(&field.name).unwrap_or(&Value::Null) != &field.after;
    if let Some(field) = entity.fields.iter().find(is_changed) {
        let detail = format!("`{}` of {id} was changed since", field.name);
        return Err(Problem::conflict(detail));
    }
    let may_change = |field: &&Difference| {
        kind.fields().iter().any(|known| known.name == field.name && known.is_changed())
    };
    let fields = entity.fields.iter().filter(may_change);
    Ok(fields.map(|field| (field.name.clone(), field.before.clone())).collect())
}

/// Returns the next version of an entity, with some fields as wanted.
fn changed(
    console: &Console,
    (catalog, held): (&Catalog, &Entity),
    kind: Kind,
    wanted: Map<String, Value>,
) -> Result<Vec<Entity>, Problem> {
    if wanted.is_empty() {
        return Err(Problem::conflict(format!("nothing of {} can be changed back", held.id())));
    }
    let now = clock::now();
    let version = version_after(held, now);
    let mut fields = Fields::new(wanted);
    let snapshot = console.live.snapshot().load_full();
    let builder = EntityBuilder::new(catalog, snapshot, now);
    let mut builder = builder.recorded_until(console.lag.latest());
    let archive = builder.archive(&mut fields, held);
    let made = builder.make(kind, &mut fields, Some(held));
    let entity = as_version(accept(made, fields)?, version);
    let archive = archive.map(|archive| as_version(Entity::Archive(archive), version));
    Ok([entity].into_iter().chain(archive).collect())
}

fn kind_of_id(id: &str) -> Option<Kind> {
    match id.get(..4)? {
        "mer_" => Some(Kind::Merchant),
        "inf_" => Some(Kind::Influencer),
        "cmp_" => Some(Kind::Campaign),
        "lnk_" => Some(Kind::Link),
        "cpn_" => Some(Kind::Coupon),
        _ => None,
    }
}
