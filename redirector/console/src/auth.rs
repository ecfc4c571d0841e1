//! Who may ask: bearer tokens, of which only hashes are kept and compared in constant time. Who
//! guesses is slowed. Nobody is answered in the name of a foreign host.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use answers::Problem;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use live::clock;
use rand::Rng;
use shared::catalog::{By, Role};
use subtle::ConstantTimeEq;

use crate::caller::{Author, Caller, CameFrom, look_up, slow_down};
use crate::context::Console;
use crate::guesses::Client;
use crate::hosts;
use crate::sign_in;

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

/// Lets a request through when it names one of our hosts.
pub(crate) async fn only_our_hosts(
    State(console): State<Arc<Console>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !hosts::are_named_once(&request) {
        return Err(Problem::malformed("Host: expected one header with one name"));
    }
    if console.hosts.admit(&request) {
        return Ok(next.run(request).await);
    }
    Err(Problem::misdirected())
}

/// Lets a request through when it is known who asks; their role and their name go along.
pub(crate) async fn identify(
    State(console): State<Arc<Console>>,
    Extension(CameFrom(address)): Extension<CameFrom>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let caller = match token(request.headers()) {
        Some(token) => by_token(&console, address, token).await?,
        None => sign_in::caller(&console, request.method(), request.headers()).await?,
    };
    request.extensions_mut().insert(caller.role);
    request.extensions_mut().insert(Author(caller.name.clone()));
    request.extensions_mut().insert(caller.by);
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Finds out who has a token. Who guesses waits.
async fn by_token(console: &Console, address: IpAddr, token: &str) -> Result<Caller, Problem> {
    slow_down(console, address).await?;
    if let Some(caller) = caller(console, token).await {
        return Ok(caller);
    }
    if let Some(since) = console.guesses.wrong(Client::of(address), Instant::now()) {
        tracing::warn!(
            "a wrong access token came from {address}; {since} since this was last logged"
        );
    }
    Err(Problem::unknown_token())
}

/// Returns the token that a request brings.
fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Returns what a token may do, and whose it is. It runs on the thread that answers about health, so
/// it never blocks on a catalog that is being changed.
async fn caller(console: &Console, token: &str) -> Option<Caller> {
    let hash = hash(token);
    let is_first = console
        .first_token
        .as_ref()
        .is_some_and(|first| bool::from(first.as_bytes().ct_eq(hash.as_bytes())));
    if is_first {
        let name = "first token".to_owned();
        return Some(Caller { role: Role::Admin, by: By::FirstToken, name });
    }
    // Looking a hash up gives nothing away about the token it is the hash of.
    let token = look_up(console, |catalog| catalog.tokens.get(&hash).cloned()).await?;
    token.is_valid(clock::now()).then(|| Caller {
        role: token.role,
        by: By::Token(token.id()),
        name: token.name.clone().unwrap_or_else(|| token.id().to_string()),
    })
}
