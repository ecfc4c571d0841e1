//! Access tokens: make, revoke. They are listed like every other entity. Only the answer that makes a token shows its secret; what is
//! kept is a hash.

use std::sync::Arc;

use answers::Problem;
use api::Kind;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use entities::{Fields, holder, text, time};
use live::clock;
use serde_json::{Value, json};
use shared::catalog::{AccessToken, By, Catalog, Change, Entity};
use shared::time::Timestamp;

use crate::auth;
use crate::context::Console;
use crate::resources::{accept, answered, held, mark_repeated, merge, object, problem, request_id};
use crate::shown::show;

/// The most characters of a token's name.
const NAME_CHARS_MAX: usize = 200;

/// `POST /api/v1/tokens`. A repeated request with the same `Idempotency-Key` shows the token
/// without its secret.
pub(crate) async fn create(
    State(console): State<Arc<Console>>,
    Extension(by): Extension<By>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let request = request_id(&headers, "tokens", &body)?;
    let secret = auth::generate();
    let prepare = |catalog: &Catalog| {
        if let Some(before) = answered(catalog, request.as_ref())? {
            let hash = before.first.clone().unwrap_or_default();
            let token = catalog.tokens.get(&hash).map(|token| token.as_ref().clone());
            let token = token.ok_or_else(|| Problem::not_found("the token does not exist"))?;
            return Ok((None, (Entity::AccessToken(token), true)));
        }
        let mut fields = Fields::new(object(&body)?);
        let now = clock::now();
        let made = read_fields(catalog, &mut fields, auth::hash(&secret), now);
        let entity = accept(made.map(Entity::AccessToken), fields)?;
        let change = Change { at: now, entities: vec![entity.clone()], request, by: None };
        Ok((Some(change), (entity, false)))
    };
    let (entity, repeated) = console.change(by, prepare).await.map_err(problem)?;
    let mut answer = show(&entity, &console.live.read(), &[]);
    if !repeated {
        merge(&mut answer, json!({ "token": secret }));
    }
    let location = format!("/api/v1/tokens/{}", answer["id"].as_str().unwrap_or_default());
    let mut response = (StatusCode::CREATED, Json(answer)).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(mark_repeated(response, repeated))
}

fn read_fields(
    catalog: &Catalog,
    fields: &mut Fields,
    hash: String,
    now: Timestamp,
) -> Option<AccessToken> {
    let role = fields.required("role", text(20));
    let of = fields.optional("for", text(40)).map(Value::from);
    let name = fields.optional("name", text(NAME_CHARS_MAX));
    let expires_at = fields.optional("expires_at", time);
    if expires_at.is_some_and(|expires_at| expires_at <= now) {
        fields.fault("expires_at", "lies in the past; expected a time that is still to come");
    }
    let role = holder(catalog, fields, role.as_deref(), of)?;
    Some(AccessToken { name, expires_at, ..AccessToken::new(hash, role, now) })
}

/// `DELETE /api/v1/tokens/{id}`: the token opens nothing from this answer on. The token itself stays
/// listed, for audits.
pub(crate) async fn revoke(
    State(console): State<Arc<Console>>,
    Extension(by): Extension<By>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let prepare = |catalog: &Catalog| {
        let Entity::AccessToken(token) = held(catalog, Kind::Token, &id)? else {
            return Err(Problem::not_found(format!("`{id}` is no access token")));
        };
        if token.revoked_at.is_some() {
            return Ok((None, ()));
        }
        let now = clock::now();
        let revoked = AccessToken { revoked_at: Some(now), ..token };
        let entities = vec![Entity::AccessToken(revoked)];
        Ok((Some(Change { at: now, entities, request: None, by: None }), ()))
    };
    console.change(by, prepare).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}
