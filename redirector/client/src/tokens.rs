//! Access tokens of a server elsewhere: make, list, revoke. Here on the server's machine
//! `afterclick token` writes to the journal instead, without a token of its own. Only the answer
//! that makes a token has its secret.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::api::{Request, Server};
use crate::names::{self, Names};
use crate::run::print;
use crate::shown;

/// What a list shows of each token.
const COLUMNS: &[&str] =
    &["id", "role", "for", "name", "valid", "created_at", "expires_at", "revoked_at"];

/// Makes an access token and prints it.
///
/// # Errors
/// When the server refuses or does not answer.
pub fn create(
    server: &Server,
    role: &str,
    holder: Option<&str>,
    name: Option<&str>,
    expires: Option<&str>,
) -> Result<()> {
    let expires_at = expires.map(time);
    let sent = json!({ "role": role, "for": holder, "name": name, "expires_at": expires_at });
    let body = serde_json::to_vec(&sent)?;
    let request = Request {
        method: Method::POST,
        body: Some(("application/json", &body)),
        // The answer to a second try would not have the secret.
        may_repeat: false,
        ..Request::get(&["tokens"], vec![])
    };
    let answer = server.ask(&request)?.json()?;
    let token = answer["token"].as_str().context("the answer has no token")?;
    print(format!("{token}\n").as_bytes())
}

/// Prints every access token, without its secret.
///
/// # Errors
/// When the server refuses or does not answer.
pub fn list(server: &Server) -> Result<()> {
    let items = names::pages(server, &["tokens"], &[], usize::MAX)?.items;
    print(shown::rows(&items, COLUMNS, &Names::of(server, &Value::Null)).as_bytes())
}

/// Revokes an access token.
///
/// # Errors
/// When there is no such token, or the server refuses or does not answer.
pub fn revoke(server: &Server, id: &str) -> Result<()> {
    let request = Request { method: Method::DELETE, ..Request::get(&["tokens", id], vec![]) };
    server.ask(&request)?;
    print(format!("{id} is revoked\n").as_bytes())
}

/// Returns a time; of a day, its beginning in UTC.
fn time(text: &str) -> String {
    if text.contains(['T', 't']) { text.to_owned() } else { format!("{text}T00:00:00Z") }
}
