//! The cookie that says who is signed in.
//!
//! SECURITY: on a host that people reach over the internet the cookie is bound to that very host
//! (`__Host-`) and to HTTPS. Loopback has no HTTPS, and a name of its own for the cookie.

use answers::Problem;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use live::clock;
use people::{Asked, is_ours};
use shared::catalog::By;
use shared::id::PersonId;
use shared::time::Timestamp;

use crate::caller::{Caller, look_up};
use crate::context::Console;
use crate::hosts;

/// The name of the cookie over HTTPS, and on loopback.
const NAMES: [&str; 2] = ["__Host-afterclick", "afterclick-local"];

/// Finds out who is signed in.
///
/// # Errors
/// When nobody is, or a foreign page makes a signed-in browser change something.
pub(crate) async fn caller(
    console: &Console,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Caller, Problem> {
    let text = cookie(headers).ok_or_else(Problem::unauthorized)?;
    let sign_in = console.signer.read_sign_in(text, clock::now());
    let sign_in = sign_in.ok_or_else(Problem::signed_out)?;
    let person = look_up(console, |catalog| catalog.people.get(&sign_in.person).cloned()).await;
    let person = person.filter(|person| sign_in.is_good(person));
    let person = person.ok_or_else(Problem::signed_out)?;
    check_origin(method, headers)?;
    Ok(Caller { role: person.role, by: By::Person(person.id), name: person.name.clone() })
}

/// Refuses what a foreign page makes a browser do.
pub(crate) fn check_origin(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let asked = Asked {
        is_safe: method == Method::GET || method == Method::HEAD,
        sec_fetch_site: header("sec-fetch-site"),
        origin: header("origin"),
        host: header("host"),
    };
    if is_ours(asked) {
        return Ok(());
    }
    let detail = "another page made your browser ask for this; open the console and do it there";
    Err(Problem::forbidden(detail))
}

/// Returns the sign-in that a browser brings.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let name = name(headers);
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs.flat_map(|pairs| pairs.split(';')).find_map(|pair| {
        let (held, value) = pair.trim().split_once('=')?;
        (held == name).then_some(value)
    })
}

/// Returns the header that signs a person in.
pub(crate) fn set(
    console: &Console,
    person: PersonId,
    now: Timestamp,
    headers: &HeaderMap,
) -> Option<HeaderValue> {
    let (text, seconds) = console.signer.sign_in(person, now);
    written(headers, &text, seconds)
}

/// Returns the header that takes the cookie back.
pub(crate) fn taken_back(headers: &HeaderMap) -> Option<HeaderValue> {
    written(headers, "", 0)
}

fn written(headers: &HeaderMap, text: &str, seconds: i64) -> Option<HeaderValue> {
    let name = name(headers);
    let secure = if name == NAMES[0] { "; Secure" } else { "" };
    let cookie =
        format!("{name}={text}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&cookie).ok()
}

fn name(headers: &HeaderMap) -> &'static str {
    let [secure, local] = NAMES;
    if hosts::is_local(headers) { local } else { secure }
}
