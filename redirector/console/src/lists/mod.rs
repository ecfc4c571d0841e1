//! Lists of entities: filtered, sorted, by page, as JSON or as a table. A filter that is not known
//! is refused, since its sender believes that it counts.

mod entries;
mod first;
mod order;
mod wanted;

use std::sync::Arc;

use answers::Problem;
use answers::asked::{self, wrong};
use answers::cells::{self, Separator};
use api::Kind;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::{Value, json};
use shared::catalog::{Archivable, Catalog, Entity, Role};
use shared::id::LinkId;
use shared::links::Links;
use tokio::task::spawn_blocking;

use self::entries::{all, entity_id, name};
use self::first::First;
use self::order::{Key, key};
use self::wanted::{Archived, Asked, Wanted};
use crate::context::Console;
use crate::rights::cut;
use crate::shown::show;

/// How many entities a page has by default.
const PAGE: usize = 100;
/// How many it has at most.
const PAGE_MAX: usize = 1000;
/// How many rows a table has at most.
const ROWS_MAX: usize = 100_000;
/// How many entities are shown while changes wait.
const SHOWN_AT_ONCE: usize = 1000;

/// `GET /api/v1/{kind}`.
pub(crate) async fn list(
    State(console): State<Arc<Console>>,
    Extension(kind): Extension<Kind>,
    Extension(role): Extension<Role>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let separator = table(&asked)?;
    let limit = match separator {
        None => asked::limit(asked.limit, PAGE, PAGE_MAX)?,
        Some(_) if asked.limit.is_some() || asked.cursor.is_some() => {
            return Err(wrong("format", "a table has everything; leave `limit` and `cursor` out"));
        }
        Some(_) => ROWS_MAX,
    };
    let wanted = Wanted::read(&asked, (kind, role), &console.live.read())?;
    // Searching takes time, and a table too. It is no report: a hot state that hangs delays no list.
    let answer = move || {
        let (items, next) = page(find(&console, &wanted, limit + 1), kind, limit);
        match separator {
            Some(_) if next.is_some() => Err(wrong(
                "format",
                format!("more than {limit} rows: name fewer by filters, or ask for pages as json"),
            )),
            Some(separator) => {
                let columns = kind.fields().iter().filter(|field| field.is_shown_to(role));
                let columns: Vec<_> = columns.map(|field| field.name).collect();
                let rows = shown(&console, &items, (kind, role));
                Ok(cells::table(kind.plural(), &columns, &rows, separator))
            }
            None => {
                let items = shown(&console, &items, (kind, role));
                Ok(Json(json!({ "items": items, "next_cursor": next })).into_response())
            }
        }
    };
    spawn_blocking(answer).await.map_err(|error| Problem::internal(&error.into()))?
}

/// Shows entities. Changes wait while the catalog is read, so many entities let them in between.
fn shown(console: &Console, items: &[(Key, Entity)], (kind, role): (Kind, Role)) -> Vec<Value> {
    let snapshot = console.live.snapshot().load();
    let mut rows = Vec::with_capacity(items.len());
    for some in items.chunks(SHOWN_AT_ONCE) {
        let catalog = console.live.read();
        let show = |entity| show(entity, &catalog, snapshot.agency_hosts());
        rows.extend(some.iter().map(|(_, entity)| cut(show(entity), kind, role)));
    }
    rows
}

/// Returns the separator of a table, if one is asked for.
fn table(asked: &Asked) -> Result<Option<Separator>, Problem> {
    let separator = asked.separator.as_deref();
    let separator = separator
        .map(|name| Separator::named(name).ok_or_else(|| wrong("separator", "expected , or ;")));
    let separator = separator.transpose()?;
    match asked.format.as_deref() {
        None | Some("json") if separator.is_none() => Ok(None),
        None | Some("json") => Err(wrong("separator", "only a CSV has one: add format=csv")),
        Some("csv") => Ok(Some(separator.unwrap_or_default())),
        Some(other) => Err(wrong("format", format!("`{other}`: expected json or csv"))),
    }
}

/// Finds the first `count` entities of a list.
fn find(console: &Console, wanted: &Wanted, count: usize) -> Vec<(Key, Entity)> {
    if wanted.kind != Kind::Link {
        return entities(&console.live.read(), wanted, count);
    }
    // There may be millions of links. They are searched in a copy, which costs nothing, so that no
    // change waits.
    let (all, archived) = {
        let catalog = console.live.read();
        (catalog.links.clone(), archived_links(&catalog))
    };
    links(&all, &archived, wanted, count)
}

fn archived_links(catalog: &Catalog) -> Archived {
    let archived = catalog.archives.values().filter(|archive| archive.archived);
    let links = archived.filter_map(|archive| match archive.of {
        Archivable::Link(id) => Some(id),
        _ => None,
    });
    links.collect()
}

/// Returns the first `count` links of a list. There are many links, so no more than these are
/// copied.
fn links(links: &Links, archived: &Archived, wanted: &Wanted, count: usize) -> Vec<(Key, Entity)> {
    let mut first = First::new(wanted.sort, count);
    for link in links.iter().filter(|link| wanted.has_link(*link, archived)) {
        if !wanted.sort.by_name && first.is_beyond(link.created_at()) {
            continue;
        }
        let name = || link.slug().to_ascii_lowercase();
        let key = key(wanted.sort, link.created_at(), name, link.id().to_string());
        first.offer(key, &wanted.after);
    }
    let found = first.sorted().into_iter().filter_map(|key| {
        let id: LinkId = key.id.parse().ok()?;
        Some((key, Entity::Link(links.get(id)?.to_link())))
    });
    found.collect()
}

/// Returns the first `count` entities of a list of anything but links.
fn entities(catalog: &Catalog, wanted: &Wanted, count: usize) -> Vec<(Key, Entity)> {
    let mut found: Vec<(Key, Entity)> = all(catalog, wanted.kind)
        .into_iter()
        .filter(|(_, entity)| wanted.has(entity, catalog))
        .map(|(at, entity)| (key(wanted.sort, at, || name(&entity), entity_id(&entity)), entity))
        .filter(|(key, _)| {
            wanted.after.as_ref().is_none_or(|after| wanted.sort.is_before(after, key))
        })
        .collect();
    found.sort_unstable_by(
        |(one, _), (other, _)| {
            if wanted.sort.backwards { other.cmp(one) } else { one.cmp(other) }
        },
    );
    found.truncate(count);
    found
}

/// Cuts a page off, and returns the cursor of the next one if there is one.
fn page(
    mut found: Vec<(Key, Entity)>,
    kind: Kind,
    limit: usize,
) -> (Vec<(Key, Entity)>, Option<String>) {
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|(key, _)| key.cursor(kind));
    (found, next)
}
