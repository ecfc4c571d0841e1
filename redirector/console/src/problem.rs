//! Errors of the admin API as problem documents (RFC 9457): whose fault, which field, what value,
//! what was expected.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field, or `line 7: destination` in an import.
    pub field: String,
    /// What was expected.
    pub reason: String,
    pub kind: FaultKind,
}

/// What kind of mistake it is, which decides the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The value cannot be used.
    Invalid,
    /// The value is somebody else's already.
    Taken,
}

impl Fault {
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into(), kind: FaultKind::Invalid }
    }
}

/// A refusal, or a failure of ours.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    title: &'static str,
    detail: String,
    faults: Vec<Fault>,
}

impl Problem {
    fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), faults: Vec::new() }
    }

    /// The body is not of the form that is read here.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "The request cannot be read", detail)
    }

    /// Fields of one entity are wrong: a conflict where one of them is taken.
    pub fn of_faults(faults: Vec<Fault>) -> Self {
        if faults.iter().all(|fault| fault.kind == FaultKind::Invalid) {
            return Self::invalid(faults);
        }
        let each = faults.iter().map(|fault| format!("{}: {}", fault.field, fault.reason));
        Self::conflict(each.collect::<Vec<_>>().join("; "))
    }

    /// Fields are missing, wrong or unknown.
    pub fn invalid(faults: Vec<Fault>) -> Self {
        let detail = match &faults[..] {
            [only] => format!("{}: {}", only.field, only.reason),
            many => format!("{} mistakes; see errors", many.len()),
        };
        Self {
            faults,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The request has mistakes", detail)
        }
    }

    /// No or an unknown access token.
    pub fn unauthorized() -> Self {
        let detail = "send `Authorization: Bearer <token>`; `afterclick token create --role admin` makes one";
        Self::new(StatusCode::UNAUTHORIZED, "Unknown access token", detail)
    }

    /// A token that may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Not allowed with this access token", detail)
    }

    /// Nothing there.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", detail)
    }

    /// It exists already, or a key was used for another request.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", detail)
    }

    /// It took too long to arrive or to do.
    pub fn too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "Too slow",
            "the request was not whole or done in time",
        )
    }

    /// Too large to read.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Too large", detail)
    }

    /// It could not be brought to the disk, so it is not promised.
    pub fn unrecorded(error: &journal::Error) -> Self {
        tracing::error!("a change could not be recorded: {error}");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Cannot record now",
            "it is not on the disk; send it again later, with the same Idempotency-Key",
        )
    }

    /// Figures are not to be had yet.
    pub fn opening() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "No figures now",
            "the hot state is not open yet; nothing is lost, ask again in a moment; if it stays so, the server's log says why",
        )
    }

    /// Our fault.
    pub fn internal(error: &anyhow::Error) -> Self {
        tracing::error!("the admin API failed: {error:#}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal error", "the server's log says more")
    }

    fn document(&self) -> Value {
        let mut document = json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if !self.faults.is_empty() {
            let faults =
                self.faults.iter().map(|f| json!({ "field": f.field, "reason": f.reason }));
            document["errors"] = faults.collect();
        }
        document
    }
}

/// Makes a problem document of what the router refuses by itself: a wrong method, a body that is
/// too large.
pub(crate) async fn of_any_refusal(response: Response) -> Response {
    let status = response.status();
    let kind = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if !status.is_client_error() || kind.contains("json") {
        return response;
    }
    let (head, body) = response.into_parts();
    let detail = axum::body::to_bytes(body, 4096).await.unwrap_or_default();
    let detail = String::from_utf8_lossy(&detail).into_owned();
    let title = status.canonical_reason().unwrap_or("The request is refused");
    let mut answer = Problem::new(status, title, detail).into_response();
    // What the router says beside the body, such as `Allow`, is kept.
    for (name, value) in &head.headers {
        if !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.document())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
