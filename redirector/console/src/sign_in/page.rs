//! The page behind an address for signing in. Mail scanners open every address, so opening it signs
//! nobody in and uses nothing up: a button does.

use std::sync::Arc;

use answers::Problem;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use people::Signer;

use super::api::{by_link, issued_at};
use super::cookie::{self, check_origin};
use crate::caller::{CameFrom, slow_down};
use crate::context::Console;

/// `GET /sign-in/{link}`.
pub(crate) async fn show(
    State(console): State<Arc<Console>>,
    Path(link): Path<String>,
) -> Response {
    let catalog = console.live.read();
    let person = Signer::person_of(&link).and_then(|id| catalog.people.get(&id));
    let now = live::clock::now();
    let checked = person.map(|person| console.signer.check_link(&link, person, now));
    match (person, checked) {
        (Some(person), Some(Ok(()))) => {
            let name = escaped(&person.name);
            let form = format!(
                "<h1>Hello, {name}</h1><form method=\"post\"><button>Sign in</button></form>"
            );
            page(StatusCode::OK, &form)
        }
        _ => page(StatusCode::GONE, GONE),
    }
}

/// `POST /sign-in/{link}`.
pub(crate) async fn open(
    State(console): State<Arc<Console>>,
    Extension(CameFrom(from)): Extension<CameFrom>,
    Path(link): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_origin(&Method::POST, &headers)?;
    slow_down(&console, from).await?;
    let Ok(person) = by_link(&console, &link).await else {
        return Ok(page(StatusCode::GONE, GONE));
    };
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response();
    if let Some(cookie) = cookie::set(&console, person.id, issued_at(&person), &headers) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

const GONE: &str = "<h1>This address does not sign in any more</h1><p>It was used, has ended, or is \
                    not whole. Ask whoever invited you for another one.</p>";

fn page(status: StatusCode, body: &str) -> Response {
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>Sign in · afterclick</title><link \
         rel=\"icon\" href=\"data:,\"><body><main>{body}</main></body></html>"
    );
    let robots = HeaderValue::from_static("noindex");
    (status, [("x-robots-tag", robots)], Html(text)).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
