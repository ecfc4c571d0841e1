//! Errors of the admin API as problem documents (RFC 9457). They name the field, the value and what
//! was expected, and say whether the sender or the server is at fault.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use entities::{Fault, FaultKind};
use serde_json::{Value, json};

/// A refused request, or a failure of the server.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    /// The name for programs, which never changes.
    code: &'static str,
    title: &'static str,
    detail: String,
    faults: Vec<Fault>,
    /// What `WWW-Authenticate` says (RFC 6750): only who sent a token is told what is wrong with it.
    challenge: Option<&'static str>,
}

impl Problem {
    fn new(
        (status, code): (StatusCode, &'static str),
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { status, code, title, detail: detail.into(), faults: Vec::new(), challenge: None }
    }

    /// The body is not in the format that is read here.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new((StatusCode::BAD_REQUEST, "malformed"), "The request cannot be read", detail)
    }

    /// Fields of one entity are invalid. The answer is a conflict if a value is taken.
    pub fn of_faults(faults: Vec<Fault>) -> Self {
        if faults.iter().all(|fault| fault.kind != FaultKind::Taken) {
            return Self::invalid(faults);
        }
        let each = faults.iter().map(|fault| format!("{}: {}", fault.field, fault.reason));
        Self::conflict(each.collect::<Vec<_>>().join("; "))
    }

    /// Fields are missing, invalid or unknown.
    pub fn invalid(faults: Vec<Fault>) -> Self {
        let detail = match &faults[..] {
            [only] => format!("{}: {}", only.field, only.reason),
            many => format!("{} mistakes; see errors", many.len()),
        };
        Self {
            faults,
            ..Self::new(
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
                "The request has mistakes",
                detail,
            )
        }
    }

    /// There is no access token.
    pub fn unauthorized() -> Self {
        let detail = "send `Authorization: Bearer <token>`; `afterclick token create --role admin` makes one";
        let challenge = Some("Bearer");
        Self {
            challenge,
            ..Self::new((StatusCode::UNAUTHORIZED, "no_token"), "No access token", detail)
        }
    }

    /// The access token is unknown, has ended or was revoked.
    pub fn unknown_token() -> Self {
        let detail = "this access token is unknown, has ended or was revoked; `afterclick token \
                      create --role admin` makes one";
        let challenge = Some(r#"Bearer error="invalid_token""#);
        Self {
            challenge,
            ..Self::new((StatusCode::UNAUTHORIZED, "unknown_token"), "Unknown access token", detail)
        }
    }

    /// The sign-in has ended.
    pub fn signed_out() -> Self {
        let detail = "you are signed out; sign in by your password, or ask whoever invited you for \
                      another address";
        let challenge = Some("Bearer");
        let status = (StatusCode::UNAUTHORIZED, "signed_out");
        Self { challenge, ..Self::new(status, "Signed out", detail) }
    }

    /// Nobody has this address with this password.
    pub fn wrong_password() -> Self {
        let detail = "address and password do not belong together; an administrator can make an \
                      address for signing in without a password";
        let challenge = Some("Bearer");
        let status = (StatusCode::UNAUTHORIZED, "wrong_password");
        Self { challenge, ..Self::new(status, "Not signed in", detail) }
    }

    /// An address for signing in does not sign in any more.
    pub fn link_refused(detail: &str) -> Self {
        let challenge = Some("Bearer");
        let status = (StatusCode::UNAUTHORIZED, "link_refused");
        Self { challenge, ..Self::new(status, "Not signed in", detail) }
    }

    /// Too many passwords were tried for an account.
    pub fn too_many_tries() -> Self {
        let detail = "too many passwords were tried; wait an hour, or sign in by an address that an \
                      administrator makes";
        Self::new((StatusCode::TOO_MANY_REQUESTS, "too_many_tries"), "Too many tries", detail)
    }

    /// Too many wrong tokens came from the client's address, so this one was not looked at.
    pub fn too_many_guesses() -> Self {
        let detail = "wrong access tokens came from your address; ask again in a moment";
        Self::new(
            (StatusCode::TOO_MANY_REQUESTS, "too_many_guesses"),
            "Too many wrong access tokens",
            detail,
        )
    }

    /// The request names a host that is not ours.
    pub fn misdirected() -> Self {
        let detail = "the admin listener answers to localhost, to its own address and to the hosts \
                      in `admin_hosts` (--admin-hosts, AFTERCLICK_ADMIN_HOSTS): add this one there";
        Self::new(
            (StatusCode::MISDIRECTED_REQUEST, "foreign_host"),
            "Not a host of the admin listener",
            detail,
        )
    }

    /// The access token is known, but may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        let title = "Not allowed with this access token";
        let challenge = Some(r#"Bearer error="insufficient_scope""#);
        Self { challenge, ..Self::new((StatusCode::FORBIDDEN, "not_allowed"), title, detail) }
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new((StatusCode::NOT_FOUND, "not_found"), "Not found", detail)
    }

    /// The thing exists already, or an idempotency key was used for another request.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new((StatusCode::CONFLICT, "conflict"), "Conflict", detail)
    }

    /// The request took too long to arrive or to be answered.
    pub fn too_slow() -> Self {
        Self::new(
            (StatusCode::REQUEST_TIMEOUT, "too_slow"),
            "Too slow",
            "the request did not arrive or was not answered in time",
        )
    }

    /// The body is too large.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new((StatusCode::PAYLOAD_TOO_LARGE, "too_large"), "Too large", detail)
    }

    /// The change could not be written to the disk, so it is not confirmed.
    pub fn unrecorded(error: &journal::Error) -> Self {
        tracing::error!("a change could not be recorded: {error}");
        Self::new(
            (StatusCode::SERVICE_UNAVAILABLE, "not_recorded"),
            "Cannot record now",
            "it is not on the disk; send it again later, with the same Idempotency-Key",
        )
    }

    /// Too many others of the same kind are under way.
    pub fn busy(what: &str) -> Self {
        let detail = format!("too many {what} are under way; ask again in a few seconds");
        Self::new((StatusCode::SERVICE_UNAVAILABLE, "busy"), "Busy", detail)
    }

    /// There are no figures yet.
    pub fn opening() -> Self {
        Self::new(
            (StatusCode::SERVICE_UNAVAILABLE, "opening"),
            "No figures now",
            "the hot state is not open yet; nothing is lost, ask again in a moment; if it stays so, the server's log says why",
        )
    }

    /// The hot state does not answer, or not with what was asked.
    pub fn no_figures(error: &anyhow::Error) -> Self {
        tracing::error!("the hot state cannot be read: {error:#}");
        let detail = format!(
            "the hot state cannot be read: {}; nothing is lost, ask again in a moment",
            error.root_cause()
        );
        Self::new((StatusCode::SERVICE_UNAVAILABLE, "no_figures"), "No figures now", detail)
    }

    /// The journals cannot be read, or not added up.
    pub fn no_balances(error: &anyhow::Error) -> Self {
        tracing::error!("what is owed cannot be computed: {error:#}");
        let detail = format!("what is owed cannot be computed: {error:#}; nothing is lost");
        Self::new((StatusCode::SERVICE_UNAVAILABLE, "no_balances"), "No balances now", detail)
    }

    /// A failure of the server.
    pub fn internal(error: &anyhow::Error) -> Self {
        tracing::error!("the admin API failed: {error:#}");
        Self::new(
            (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            "Internal error",
            "the server's log says more",
        )
    }

    fn document(&self) -> Value {
        let mut document = json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if !self.faults.is_empty() {
            let faults = self
                .faults
                .iter()
                .map(|f| json!({ "field": f.field, "reason": f.reason, "code": f.kind.code() }));
            document["errors"] = faults.collect();
        }
        document
    }
}

/// Turns the router's own refusals into problem documents: a wrong method, a body that is too
/// large.
pub async fn of_any_refusal(response: Response) -> Response {
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
    let title = status.canonical_reason().unwrap_or("The request is refused");
    let allowed = head.headers.get(header::ALLOW).and_then(|allowed| allowed.to_str().ok());
    let detail = match (allowed, detail.is_empty()) {
        (Some(allowed), true) => format!("this address takes {}", allowed.replace(',', ", ")),
        (None, true) => "the server cannot read this request".to_owned(),
        (_, false) => String::from_utf8_lossy(&detail).into_owned(),
    };
    let mut answer = Problem::new((status, code_of(status)), title, detail).into_response();
    // Headers of the router's answer, such as `Allow`, are kept.
    for (name, value) in &head.headers {
        if !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

/// Returns the code of a refusal of the router.
const fn code_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => "wrong_method",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "wrong_media_type",
        _ => "malformed",
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.document())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
