//! Who may ask: bearer tokens, of which only hashes are kept and compared in constant time.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use live::clock;
use rand::Rng;
use shared::catalog::Role;
use subtle::ConstantTimeEq;

use crate::context::Console;
use crate::problem::Problem;

/// The hash under which an access token is kept.
pub fn hash(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

/// Makes the text of a new access token. Nobody can guess it.
pub fn generate() -> String {
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    format!("ac_{}", URL_SAFE_NO_PAD.encode(secret))
}

/// Lets a request through when its token is known; its role goes along.
pub(crate) async fn identify(
    State(console): State<Arc<Console>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let role = role(&console, request.headers()).ok_or_else(Problem::unauthorized)?;
    request.extensions_mut().insert(role);
    Ok(next.run(request).await)
}

/// Lets a request through when [`identify`] found an administrator.
pub(crate) async fn administrators_only(
    Extension(role): Extension<Role>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if role == Role::Admin {
        return Ok(next.run(request).await);
    }
    Err(Problem::forbidden("this access token reads its own figures at /api/v1/stats"))
}

fn role(console: &Console, headers: &HeaderMap) -> Option<Role> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let hash = hash(token.trim());
    let is_first = console
        .first_token
        .as_ref()
        .is_some_and(|first| bool::from(first.as_bytes().ct_eq(hash.as_bytes())));
    if is_first {
        return Some(Role::Admin);
    }
    // Looking a hash up gives nothing away about the token it is the hash of.
    let catalog = console.live.read();
    let token = catalog.tokens.get(&hash).filter(|token| token.is_valid(clock::now()));
    token.map(|token| token.role)
}
