//! Who may ask: bearer tokens, of which only hashes are kept and compared in constant time. Who
//! guesses is slowed. Nobody is answered in the name of a foreign host.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use live::clock;
use rand::Rng;
use shared::catalog::{AccessToken, Role};
use subtle::ConstantTimeEq;
use tokio::time::sleep;

use crate::context::Console;
use crate::guesses::{self, Admission, Client};
use crate::hosts;
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

/// The address that a request came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CameFrom(pub IpAddr);

/// Who asks, as records name them: the name of the access token, or its id where it has none.
#[derive(Debug, Clone)]
pub(crate) struct Author(pub String);

/// Lets a request through when its token is known; its role and its name go along.
pub(crate) async fn identify(
    State(console): State<Arc<Console>>,
    Extension(CameFrom(address)): Extension<CameFrom>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let token = token(request.headers()).ok_or_else(Problem::unauthorized)?;
    let client = Client::of(address);
    match console.guesses.admit(client, Instant::now()) {
        Admission::Now => {}
        Admission::Wait(client) => {
            let _waiting = Waiting { console: &console, client };
            sleep(guesses::WAIT).await;
        }
        Admission::Refused => return Err(Problem::too_many_guesses()),
    }
    let Some((role, author)) = caller(&console, token).await else {
        if let Some(since) = console.guesses.wrong(client, Instant::now()) {
            tracing::warn!(
                "a wrong access token came from {address}; {since} since this was last logged"
            );
        }
        return Err(Problem::unknown_token());
    };
    request.extensions_mut().insert(role);
    request.extensions_mut().insert(author);
    Ok(next.run(request).await)
}

/// A request that waits; also one whose sender goes away waits no longer.
struct Waiting<'a> {
    console: &'a Console,
    client: Client,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.console.guesses.waited(self.client);
    }
}

/// Returns the token that a request brings.
fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// How long to wait before the next try to read a catalog that is being changed.
const CATALOG_PAUSE: Duration = Duration::from_millis(1);

/// Returns what a token may do, and whose it is. It runs on the thread that answers about health, so it never blocks
/// on a catalog that is being changed.
async fn caller(console: &Console, token: &str) -> Option<(Role, Author)> {
    let hash = hash(token);
    let is_first = console
        .first_token
        .as_ref()
        .is_some_and(|first| bool::from(first.as_bytes().ct_eq(hash.as_bytes())));
    if is_first {
        return Some((Role::Admin, Author("first token".to_owned())));
    }
    // Looking a hash up gives nothing away about the token it is the hash of.
    loop {
        if let Some(catalog) = console.live.try_read() {
            let token = catalog.tokens.get(&hash).filter(|token| token.is_valid(clock::now()));
            let name =
                |token: &AccessToken| token.name.clone().unwrap_or_else(|| token.id().to_string());
            return token.map(|token| (token.role, Author(name(token))));
        }
        sleep(CATALOG_PAUSE).await;
    }
}
