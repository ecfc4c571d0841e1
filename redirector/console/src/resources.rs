//! Entities of the catalog: show, create, change, import.

use std::sync::Arc;
use std::time::{Duration, Instant};

use answers::Problem;
use answers::table::{self, Row};
use api::Kind;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use entities::{
    EntityBuilder, Fault, Fields, Remarks, as_version, paused, remarks, shown_once, version_after,
};
use live::ChangeError;
use live::clock;
use serde_json::{Map, Value, json};
use shared::catalog::{Answered, Archive, By, Catalog, Change, Entity, RequestId, Role};
use shared::json::repaired;

use crate::caller::Author;
use tokio::time::sleep;

use crate::context::Console;
use crate::pool::Reports;
use crate::rights::{check_change, cut, sees};
use crate::shown::{earlier_on_agency_hosts, show};
use crate::sign_in;

/// The most rows of an import.
const ROWS_MAX: usize = 150_000;
/// The most characters of an idempotency key.
const KEY_CHARS_MAX: usize = 255;

/// `GET /api/v1/{kind}/{id}`.
pub(crate) async fn read(
    State(console): State<Arc<Console>>,
    Extension(kind): Extension<Kind>,
    Extension(role): Extension<Role>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let catalog = console.live.read();
    let entity = seen(&catalog, (kind, role), &id)?;
    let snapshot = console.live.snapshot().load();
    let shown = show(&entity, &catalog, snapshot.agency_hosts());
    Ok(Json(cut(shown, kind, role)).into_response())
}

/// Returns the entity with an id, if a role may see it. To others it does not exist.
fn seen(catalog: &Catalog, (kind, role): (Kind, Role), id: &str) -> Result<Entity, Problem> {
    let entity = held(catalog, kind, id)?;
    let is_seen = sees(role, &entity, catalog);
    Some(entity).filter(|_| is_seen).ok_or_else(|| missing(id))
}

fn missing(id: &str) -> Problem {
    Problem::not_found(format!("`{id}` does not exist"))
}

/// `POST /api/v1/{kind}`.
pub(crate) async fn create(
    State(console): State<Arc<Console>>,
    Extension(kind): Extension<Kind>,
    Extension(Author(author)): Extension<Author>,
    Extension(by): Extension<By>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let request = request_id(&headers, kind.plural(), &body)?;
    let prepare = |catalog: &Catalog| {
        if let Some(before) = answered(catalog, request.as_ref())? {
            let first = before.first.clone().unwrap_or_default();
            return Ok((None, (held(catalog, kind, &first)?, true)));
        }
        let mut fields = Fields::new(object(&body)?);
        let now = clock::now();
        let snapshot = console.live.snapshot().load_full();
        let mut builder = EntityBuilder::new(catalog, snapshot, now).by(author);
        let made = builder.make(kind, &mut fields, None);
        let entity = accept(made, fields)?;
        Ok((
            Some(Change { at: now, entities: vec![entity.clone()], request, by: None }),
            (entity, false),
        ))
    };
    let remark = console.clock_remark();
    let (entity, repeated) = console.change(by, prepare).await.map_err(problem)?;
    let catalog = console.live.read();
    let hosts = console.live.snapshot().load();
    let hosts = hosts.agency_hosts();
    let mut answer = show(&entity, &catalog, hosts);
    merge(&mut answer, shown_once(&entity));
    if let (Entity::Person(person), false) = (&entity, repeated) {
        merge(&mut answer, json!({ "sign_in": sign_in::address(&console, person, &headers) }));
    }
    merge(&mut answer, warnings(remark, &entity, (&catalog, hosts)));
    let location =
        format!("/api/v1/{}/{}", kind.plural(), answer["id"].as_str().unwrap_or_default());
    let mut response = (StatusCode::CREATED, Json(answer)).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(mark_repeated(response, repeated))
}

/// `PATCH /api/v1/{kind}/{id}`.
pub(crate) async fn change(
    State(console): State<Arc<Console>>,
    Extension(kind): Extension<Kind>,
    Extension(role): Extension<Role>,
    Extension(by): Extension<By>,
    Extension(reports): Extension<Reports>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let has_earned = has_earned(&console, &reports, (kind, &id), &body).await?;
    let prepare = |catalog: &Catalog| {
        let held = seen(catalog, (kind, role), &id)?;
        let sent = object(&body)?;
        let mut fields = Fields::new(sent.clone());
        check_change(&sent, &mut fields, kind, role);
        let now = clock::now();
        // A later change wins over an earlier one, whatever the clock says.
        let version = version_after(&held, now);
        let snapshot = console.live.snapshot().load_full();
        let builder = EntityBuilder::new(catalog, snapshot, now);
        let mut builder = builder.recorded_until(console.lag.latest()).earned(has_earned);
        let suspension = builder.suspension(&mut fields, &held);
        let archive = builder.archive(&mut fields, &held);
        let made = builder.make(kind, &mut fields, Some(&held));
        let entity = paused(as_version(accept(made, fields)?, version), archive.as_ref());
        // Of two versions the later one wins, whatever the clock says.
        let archive = archive.map(|archive| Archive { updated_at: version, ..archive });
        let more = suspension.map(Entity::Suspension).into_iter();
        let more = more.chain(archive.map(Entity::Archive));
        let entities = [entity.clone()].into_iter().chain(more).collect();
        Ok((Some(Change { at: now, entities, request: None, by: None }), entity))
    };
    let remark = console.clock_remark();
    let entity = console.change(by, prepare).await.map_err(problem)?;
    let catalog = console.live.read();
    let hosts = console.live.snapshot().load();
    let hosts = hosts.agency_hosts();
    let mut answer = cut(show(&entity, &catalog, hosts), kind, role);
    merge(&mut answer, warnings(remark, &entity, (&catalog, hosts)));
    Ok(Json(answer).into_response())
}

/// How long a change waits until every record is counted, and how often it looks.
const COUNTING_WAIT: Duration = Duration::from_secs(10);
const COUNTING_PAUSE: Duration = Duration::from_millis(5);

/// Fields of a campaign that stay as they are once there are orders or leads.
const UNTIL_EARNED: [&str; 3] = ["window_days", "hold_days", "minimum_payout"];

/// Returns whether what a change is about has orders or leads, where that matters to the change.
async fn has_earned(
    console: &Console,
    reports: &Reports,
    (kind, id): (Kind, &str),
    body: &[u8],
) -> Result<bool, Problem> {
    let sent = object(body)?;
    let asks = kind == Kind::Campaign && UNTIL_EARNED.iter().any(|name| sent.contains_key(*name));
    let Some(campaign) = id.parse().ok().filter(|_| asks) else { return Ok(true) };
    let state = console.hot_state().await?.clone();
    // An order that is not counted yet must not be overlooked.
    let asked_at = Instant::now();
    while !console.is_up_to_date() {
        if asked_at.elapsed() > COUNTING_WAIT {
            return Err(Problem::busy("records that are not counted yet"));
        }
        sleep(COUNTING_PAUSE).await;
    }
    let look = move || figures::has_earned(&state, campaign);
    reports.run(move || look().map_err(|error| Problem::no_figures(&error))).await
}

/// `POST /api/v1/{kind}/import`: CSV with a header line, all or nothing.
pub(crate) async fn import(
    State(console): State<Arc<Console>>,
    Extension(kind): Extension<Kind>,
    Extension(by): Extension<By>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let request = request_id(&headers, kind.plural(), &body)?;
    let prepare = |catalog: &Catalog| {
        if let Some(before) = answered(catalog, request.as_ref())? {
            return Ok((None, (before.count, true)));
        }
        let now = clock::now();
        let builder = EntityBuilder::new(catalog, console.live.snapshot().load_full(), now);
        let entities = rows(builder, kind, &body)?;
        let count = entities.len();
        Ok((Some(Change { at: now, entities, request, by: None }), (count, false)))
    };
    let (imported, repeated) = console.change(by, prepare).await.map_err(problem)?;
    Ok(mark_repeated(
        (StatusCode::CREATED, Json(json!({ "imported": imported }))).into_response(),
        repeated,
    ))
}

/// Makes an entity of each row, or reports the rows that are invalid.
pub(crate) fn rows(
    mut builder: EntityBuilder<'_>,
    kind: Kind,
    body: &[u8],
) -> Result<Vec<Entity>, Problem> {
    table::read(body, ROWS_MAX, |Row { line, fields }| {
        let mut fields = Fields::of_row(fields);
        let made = builder.make(kind, &mut fields, None);
        let faults = fields.finish();
        match made {
            Some(entity) if faults.is_empty() => Ok(entity),
            _ => Err(faults
                .into_iter()
                .map(|fault| Fault { field: format!("line {line}: {}", fault.field), ..fault })
                .collect()),
        }
    })
}

pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice(&repaired(body)) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Problem::malformed("expected a JSON object")),
        Err(error) => Err(Problem::malformed(format!("expected a JSON object: {error}"))),
    }
}

/// Returns the entity if there was no mistake at all.
pub(crate) fn accept(made: Option<Entity>, fields: Fields) -> Result<Entity, Problem> {
    let faults = fields.finish();
    match made {
        Some(entity) if faults.is_empty() => Ok(entity),
        _ => Err(Problem::of_faults(faults)),
    }
}

pub(crate) fn request_id(
    headers: &HeaderMap,
    resource: &str,
    body: &[u8],
) -> Result<Option<RequestId>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().map(unquoted);
    let key = key.filter(|key| (1..=KEY_CHARS_MAX).contains(&key.len()));
    let key = key.ok_or_else(|| {
        Problem::malformed(format!("Idempotency-Key: expected 1 to {KEY_CHARS_MAX} characters"))
    })?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(resource.as_bytes()).update(b"\n").update(body);
    Ok(Some(RequestId { key, hash: hasher.finalize().to_hex().to_string() }))
}

/// Returns an idempotency key without quotes. The header's draft standard quotes it, and many send it
/// bare: both mean the same key.
fn unquoted(key: &str) -> String {
    let inner = key.trim().strip_prefix('"').and_then(|key| key.strip_suffix('"'));
    let Some(inner) = inner else { return key.trim().to_owned() };
    let mut plain = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        let is_escape = letter == '\\';
        plain.push(if is_escape { letters.next().unwrap_or(letter) } else { letter });
    }
    plain
}

/// Returns the first answer to a repeated request.
pub(crate) fn answered<'c>(
    catalog: &'c Catalog,
    request: Option<&RequestId>,
) -> Result<Option<&'c Answered>, Problem> {
    let Some(request) = request else { return Ok(None) };
    let held = |key: &str| catalog.requests.get(key);
    // Earlier versions kept the quotes.
    let before = held(&request.key).or_else(|| held(&format!("\"{}\"", request.key)));
    let Some(before) = before else { return Ok(None) };
    if before.request.hash == request.hash {
        return Ok(Some(before));
    }
    Err(Problem::conflict(format!(
        "Idempotency-Key `{}` was used for another request",
        request.key
    )))
}

pub(crate) fn mark_repeated(mut response: Response, repeated: bool) -> Response {
    if repeated {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}

pub(crate) fn problem(error: ChangeError<Problem>) -> Problem {
    match error {
        ChangeError::Refused(problem) => problem,
        ChangeError::Journal(journal::Error::TooLarge { bytes }) => {
            Problem::too_large(format!("{bytes} bytes of changes at once: split the file"))
        }
        ChangeError::Journal(error) => Problem::unrecorded(&error),
        ChangeError::Unreadable(error) => {
            Problem::malformed(format!("cannot be recorded: {error}"))
        }
    }
}

pub(crate) fn held(catalog: &Catalog, kind: Kind, id: &str) -> Result<Entity, Problem> {
    let missing = || missing(id);
    macro_rules! of {
        ($map:expr, $variant:path) => {
            id.parse()
                .ok()
                .and_then(|id| $map.get(&id))
                .map(|e| $variant(e.as_ref().clone()))
                .ok_or_else(missing)
        };
    }
    match kind {
        Kind::Merchant => of!(catalog.merchants, Entity::Merchant),
        Kind::Influencer => of!(catalog.influencers, Entity::Influencer),
        Kind::Campaign => of!(catalog.campaigns, Entity::Campaign),
        Kind::Link => {
            let link = id.parse().ok().and_then(|id| catalog.links.get(id));
            link.map(|link| Entity::Link(link.to_link())).ok_or_else(missing)
        }
        Kind::Coupon => of!(catalog.coupons, Entity::Coupon),
        Kind::Hold => of!(catalog.holds, Entity::Hold),
        Kind::Booking => of!(catalog.bookings, Entity::Booking),
        Kind::Person => of!(catalog.people, Entity::Person),
        Kind::Token => {
            let token = catalog.tokens.values().find(|token| token.id().to_string() == id);
            let token = token.map(|token| Entity::AccessToken(token.as_ref().clone()));
            token.ok_or_else(missing)
        }
        Kind::Rate => {
            let rate = catalog.rates.iter().find(|rate| rate.id() == id);
            rate.cloned().map(Entity::Rate).ok_or_else(missing)
        }
    }
}

/// Returns the part of an answer that says what is strange: about the clock, which is also logged,
/// about rules that never count, about those that count by something else than the shop's word, and
/// about slugs that lead elsewhere.
fn warnings(
    remark: Option<String>,
    entity: &Entity,
    (catalog, hosts): (&Catalog, &[String]),
) -> Value {
    if let Some(remark) = &remark {
        tracing::warn!("a change of the catalog: {remark}");
    }
    let mut said = Remarks::default();
    if let Entity::Campaign(campaign) = entity {
        let merchant = catalog.merchants.get(&campaign.merchant);
        said = remarks(campaign, merchant.and_then(|merchant| merchant.platform));
    }
    let elsewhere = leads_elsewhere(entity, catalog, hosts);
    let warnings = remark.into_iter().chain(said.warnings).chain(elsewhere).collect();
    let texts: [(&str, Vec<String>); 2] = [("warnings", warnings), ("notes", said.notes)];
    let texts = texts.into_iter().filter(|(_, texts)| !texts.is_empty());
    texts.map(|(name, texts)| (name.to_owned(), json!(texts))).collect::<Map<_, _>>().into()
}

/// Says where a link's slug leads to another link.
fn leads_elsewhere(entity: &Entity, catalog: &Catalog, hosts: &[String]) -> Option<String> {
    let Entity::Link(link) = entity else { return None };
    let first = earlier_on_agency_hosts(link, catalog).filter(|_| !hosts.is_empty())?;
    let merchant = first.merchant().map_or_else(String::new, |id| format!(" of merchant {id}"));
    Some(format!(
        "slug: on {} `{}` leads to {}{merchant}, which was there first; this link is found on its \
         merchant's own domains alone, so give it another slug if it is to be found there",
        hosts.join(", "),
        link.slug,
        first.id()
    ))
}

/// Adds fields to an answer.
pub(crate) fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}
