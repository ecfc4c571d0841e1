//! Answers of the public listener: the constant ones, and the headers they all share. Pages never
//! reflect a request; refusals of machines' requests name the field that is wrong, as plain text.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

/// What the public listener sends.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Says why an event was not recorded, to whoever looks.
pub(crate) const DROPPED: HeaderName = HeaderName::from_static("x-afterclick-dropped");
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

const NOT_FOUND: &str = "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>\
<title>Nothing here</title><p>There is nothing behind this link.</p>";

/// An answer with a status and no body, which nothing may keep.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    answer
}

/// A short plain text, for whoever debugs a set-up.
pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Answer {
    let mut answer = with_body(text.into().into(), "text/plain; charset=utf-8");
    *answer.status_mut() = status;
    answer
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Answer {
    let mut answer = with_body(value.to_string().into(), "application/json");
    *answer.status_mut() = status;
    answer
}

/// A page of our own: no scripts, no frames, nothing kept, nothing indexed.
pub(crate) fn page(html: String) -> Answer {
    with_body(html.into(), "text/html; charset=utf-8")
}

/// Any body of our own making.
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

/// Unknown, malformed or over: the same page, so that guessing tells nothing.
pub(crate) fn not_found() -> Answer {
    let mut answer = page(NOT_FOUND.to_owned());
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}

/// A host that is not ours.
pub(crate) fn misdirected() -> Answer {
    text(StatusCode::MISDIRECTED_REQUEST, "this host is not served here\n")
}

/// A method that the path does not have.
pub(crate) fn method_not_allowed(allowed: &'static str) -> Answer {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, format!("allowed: {allowed}\n"));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// It could not be recorded, so it is not acknowledged.
pub(crate) fn unavailable() -> Answer {
    let mut answer = text(StatusCode::SERVICE_UNAVAILABLE, "cannot record now; send it again\n");
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    answer
}

/// To a browser that fetches ahead of a click. One that is refused fetches again when somebody
/// really clicks; one that is answered may not.
pub(crate) fn prefetch_refused() -> Answer {
    empty(StatusCode::SERVICE_UNAVAILABLE)
}

/// A redirect to a stored address; one that no header can hold leads nowhere.
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
