//! Answers of the public listener: the constant ones, and the headers that all answers share.
//!
//! Pages must never repeat text from the request. Refusals of machines' requests name the wrong
//! field, as plain text.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    HeaderValue, REFERRER_POLICY, RETRY_AFTER, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

/// An answer whose body is complete in memory.
pub(crate) type Answer = Response<Full<Bytes>>;

/// The header that says why an event was not recorded, for people who debug a shop's pages.
pub(crate) const DROPPED: HeaderName = HeaderName::from_static("x-afterclick-dropped");
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// The looks of the pages for visitors: readable in light and dark, on any width.
const STYLE: &str = ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;\
max-width:36rem;margin:4rem auto;padding:0 1rem;overflow-wrap:anywhere}";

/// An answer with a status and no body, which no cache may keep.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    answer
}

/// A short plain text, for people who debug a set-up.
pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Answer {
    let mut answer = with_body(text.into().into(), "text/plain; charset=utf-8");
    *answer.status_mut() = status;
    answer
}

pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Answer {
    let mut answer = with_body(value.to_string().into(), "application/json");
    *answer.status_mut() = status;
    answer
}

/// An HTML page without scripts and frames, which no cache may keep and no search engine may index.
/// The title is also its heading. Title and text are HTML.
pub(crate) fn page(title: &str, text: &str) -> Answer {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head>\
         <body><main><h1>{title}</h1>{text}</main></body></html>"
    );
    with_body(html.into(), "text/html; charset=utf-8")
}

/// An answer with a body that the server made, and the headers that all answers share.
pub(crate) fn with_body(body: Bytes, content_type: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(body));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(ROBOTS, HeaderValue::from_static("noindex"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    answer
}

/// Takes the body away from the answer to a HEAD request, and keeps its length in the head. Hyper
/// does so for HTTP/1.1 only; over HTTP/2 a body would break the stream.
pub(crate) fn without_body(answer: Answer) -> Answer {
    let (mut head, body) = answer.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(head, Full::default())
}

/// The answer for a link that is unknown, malformed or ended. The page is the same for all three,
/// so that guessing reveals nothing.
pub(crate) fn not_found() -> Answer {
    let mut answer = page("Nothing here", "<p>There is nothing behind this link.</p>");
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}

/// The answer for a host that is not served here.
pub(crate) fn misdirected() -> Answer {
    text(StatusCode::MISDIRECTED_REQUEST, "this host is not served here\n")
}

/// The answer for a host that another connection is for: this one's certificate is not.
pub(crate) fn misconnected() -> Answer {
    let why = "this connection's certificate is not for this host; open another connection\n";
    text(StatusCode::MISDIRECTED_REQUEST, why)
}

/// How long browsers use only HTTPS for a host after an answer: 180 days. For this host alone:
/// what else lies under the merchant's domain is not ours.
pub(crate) const PINNED: &str = "max-age=15552000";

/// Tells the browser to use only HTTPS for this host.
pub(crate) fn pin(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(PINNED));
    answer
}

/// Makes an answer that a page's script sees one that is asked for anew each time, but may be kept.
/// A `no-store` answer to a script costs the whole page its place in the back/forward cache of
/// Chromium, where the page itself is `no-store`, as shops' carts are.
pub(crate) fn for_scripts(mut answer: Answer) -> Answer {
    let is_unkept = |value: &HeaderValue| value.as_bytes().ends_with(b"no-store");
    if answer.headers().get(CACHE_CONTROL).is_some_and(is_unkept) {
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
    answer
}

/// The answer for a request that names no host, several, or an invalid one (RFC 9112, 3.2).
pub(crate) fn invalid_host() -> Answer {
    text(StatusCode::BAD_REQUEST, "Host: expected one header with one valid name\n")
}

/// The answer for a method that the path does not support.
pub(crate) fn method_not_allowed(allowed: &'static str) -> Answer {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, format!("allowed: {allowed}\n"));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// The answer when something could not be recorded, and so must not be acknowledged.
pub(crate) fn unavailable() -> Answer {
    let mut answer = text(StatusCode::SERVICE_UNAVAILABLE, "cannot record now; send it again\n");
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    answer
}

/// The answer to a prefetch, which a browser sends before a click. A refused browser fetches again
/// when the visitor really clicks; an answered browser may not.
pub(crate) fn prefetch_refused() -> Answer {
    empty(StatusCode::SERVICE_UNAVAILABLE)
}

/// A redirect to a stored address. An address that no header can hold is answered 404.
pub(crate) fn redirect_to(address: &str) -> Answer {
    HeaderValue::from_str(address).map_or_else(|_| not_found(), redirect)
}

/// A redirect to a stored destination.
pub(crate) fn redirect(location: HeaderValue) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::FOUND;
    let headers = answer.headers_mut();
    headers.reserve(6);
    headers.insert(hyper::header::LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin"));
    headers.insert(ROBOTS, HeaderValue::from_static("noindex"));
    answer
}
