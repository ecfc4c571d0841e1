//! Addresses with which a person signs in once.

use axum::http::{HeaderMap, header};
use live::clock;
use shared::catalog::Person;
use shared::time::{Span, Timestamp};

use crate::context::Console;
use crate::hosts;

/// How long an invitation may be used.
const INVITATION_LASTS: Span = Span::days(7);

/// Returns when an invitation of now ends.
pub(crate) fn invitation_ends_at() -> Timestamp {
    clock::now().plus(INVITATION_LASTS)
}

/// Makes the address with which a person signs in once, on the host that the request names.
pub(crate) fn address(console: &Console, person: &Person, headers: &HeaderMap) -> String {
    let secret = console.signer.link(person, invitation_ends_at());
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let scheme = if hosts::is_local(headers) { "http" } else { "https" };
    format!("{scheme}://{host}/sign-in/{secret}")
}
