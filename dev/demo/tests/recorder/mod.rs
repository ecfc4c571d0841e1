//! A collector for the pixel's tests: serves test pages and the built pixel, and records what
//! arrives.
//!
//! It reads bodies with the server's own types, so that a body the server would refuse fails the
//! test.

#![allow(dead_code, reason = "each of the test programs uses a part")]

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use shared::event::Batch;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// A text of a token's shape.
pub(crate) const TOKEN: &str =
    "AQEBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// The snippet's queue.
pub(crate) const STUB: &str = "window.afterclick = window.afterclick || function () { (afterclick.q = afterclick.q || []).push(arguments) }";
/// How long an expected request may take. It only bounds a hang, so a busy machine has time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request to the collector.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) body: String,
    pub(crate) content_type: String,
    pub(crate) cookie: String,
    pub(crate) origin: String,
}

/// The running collector.
pub(crate) struct Recorder {
    address: String,
    inner: Arc<Inner>,
}

struct Inner {
    pages: HashMap<String, String>,
    state: Mutex<Seen>,
}

struct Seen {
    requests: Vec<Request>,
    /// Paths of everything else that was asked for, in order.
    paths: Vec<String>,
    answer: StatusCode,
    /// What every answer asks the browser to wait, in seconds.
    patience: Option<u32>,
    policies: HashMap<String, String>,
}

/// A page with the snippet, a script before it has loaded, and attributes for the script tag.
pub(crate) fn page(script: &str, attributes: &str) -> String {
    page_with(script, attributes, "")
}

/// The same, with more in its body.
pub(crate) fn page_with(script: &str, attributes: &str, body: &str) -> String {
    let spies =
        "window.warnings = []; console.warn = (...words) => window.warnings.push(words.join(' '));
        window.errors = []; addEventListener('error', event => window.errors.push(event.message));
        addEventListener('unhandledrejection', event => window.errors.push(String(event.reason)));";
    format!(
        "<!doctype html><meta charset=utf-8><link rel=icon href=data:,><body>{body}<script>{spies} {STUB}; {script}</script>\
         <script async src=\"/_ac/px.js\" data-key=\"k1\" {attributes}></script></body>"
    )
}

/// The event of this name among the bodies.
pub(crate) fn sent(bodies: &[Value], name: &str) -> Value {
    let events = bodies.iter().map(|body| &body["e"][0]);
    events.into_iter().find(|event| event["n"] == name).cloned().unwrap_or_default()
}

/// What the build says of its files.
pub(crate) fn dist() -> Value {
    build_pixel();
    let sizes = std::fs::read(workspace().join("pixel-wasm/dist/sizes.json")).expect("built");
    serde_json::from_slice(&sizes).expect("JSON")
}

/// The name of the built file with this role.
pub(crate) fn dist_file(role: &str) -> String {
    let sizes = dist();
    let mut files = sizes["files"].as_object().into_iter().flatten();
    files
        .find(|(_, about)| about["role"] == role)
        .map(|(name, _)| name.clone())
        .expect("a file of this role")
}

impl Recorder {
    pub(crate) async fn start(pages: &[(&str, String)]) -> Self {
        build_pixel();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address =
            format!("http://shop.localhost:{}", listener.local_addr().expect("an address").port());
        let pages = pages.iter().map(|(path, html)| ((*path).to_owned(), html.clone())).collect();
        let seen = Seen {
            requests: Vec::new(),
            paths: Vec::new(),
            answer: StatusCode::NO_CONTENT,
            patience: None,
            policies: HashMap::new(),
        };
        let inner = Arc::new(Inner { pages, state: Mutex::new(seen) });
        let routes = Router::new()
            .route("/_ac/e", post(collect))
            .route("/_ac/{file}", get(pixel_file))
            .route("/cart/update.js", post(update_cart))
            .route("/bounce", get(bounce))
            .fallback(get(test_page))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, inner }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// The status of answers from now on.
    pub(crate) fn answer(&self, status: u16) {
        self.inner.state.lock().expect("no panic").answer =
            StatusCode::from_u16(status).expect("a status");
    }

    /// Asks for patience from now on.
    pub(crate) fn ask_for_patience(&self, seconds: u32) {
        self.inner.state.lock().expect("no panic").patience = Some(seconds);
    }

    /// Sends a page with a Content-Security-Policy.
    pub(crate) fn policy(&self, path: &str, policy: &str) {
        self.inner.state.lock().expect("no panic").policies.insert(path.into(), policy.into());
    }

    /// Whether a path that begins so was asked for.
    pub(crate) fn was_asked_for(&self, start: &str) -> bool {
        self.inner.state.lock().expect("no panic").paths.iter().any(|path| path.starts_with(start))
    }

    /// How many of the pixel's files were asked for.
    pub(crate) fn pixel_files(&self) -> usize {
        let state = self.inner.state.lock().expect("no panic");
        state.paths.iter().filter(|path| path.starts_with("/_ac/px")).count()
    }

    /// Waits until a path that begins so is asked for.
    pub(crate) async fn asked_for(&self, start: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.was_asked_for(start) {
            assert!(Instant::now() < end, "{start} was never asked for");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn requests(&self) -> Vec<Request> {
        self.inner.state.lock().expect("no panic").requests.clone()
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.requests()
            .iter()
            .map(|request| serde_json::from_str(&request.body).expect("JSON"))
            .collect()
    }

    pub(crate) fn events(&self) -> Vec<Batch> {
        let read = |request: &Request| {
            Batch::decode(request.body.as_bytes()).expect("a body the server takes")
        };
        self.requests().iter().map(read).collect()
    }

    /// Waits for the request with this index.
    pub(crate) async fn request(&self, index: usize) -> Request {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(request) = self.requests().get(index) {
                return request.clone();
            }
            assert!(
                Instant::now() < end,
                "request {index} never came; there are {:?}",
                self.requests()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for the event with this index.
    pub(crate) async fn event(&self, index: usize) -> Batch {
        self.request(index).await;
        self.events().swap_remove(index)
    }

    /// Checks that no more than `count` requests have come once `quiet` is over.
    pub(crate) async fn stays_at(&self, count: usize, quiet: Duration) {
        tokio::time::sleep(quiet).await;
        assert_eq!(self.requests().len(), count, "{:?}", self.requests());
    }
}

async fn collect(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name| {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let request = Request {
        body: String::from_utf8_lossy(&body).into_owned(),
        content_type: text(header::CONTENT_TYPE),
        cookie: text(header::COOKIE),
        origin: text(header::ORIGIN),
    };
    let mut state = inner.state.lock().expect("no panic");
    let allowed = request.origin.clone();
    state.requests.push(request);
    let mut answer =
        (state.answer, [(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed)], "e: the recorder says no")
            .into_response();
    if let Some(seconds) = state.patience {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}

/// A redirect that sets a cookie for the whole site it lies on.
async fn bounce(headers: HeaderMap, uri: Uri) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let site = host.split(':').next().unwrap_or_default().trim_start_matches("go.");
    let to = uri.query().and_then(|query| query.strip_prefix("to=")).unwrap_or_default().to_owned();
    let cookie =
        format!("ac=token; HttpOnly; SameSite=Lax; Path=/; Domain={site}; Max-Age=2592000");
    (StatusCode::FOUND, [(header::LOCATION, to), (header::SET_COOKIE, cookie)]).into_response()
}

/// A Shopify cart.
async fn update_cart(State(inner): State<Arc<Inner>>, body: String) -> StatusCode {
    inner.state.lock().expect("no panic").paths.push(format!("/cart/update.js {body}"));
    StatusCode::OK
}

async fn pixel_file(State(inner): State<Arc<Inner>>, UrlPath(file): UrlPath<String>) -> Response {
    inner.state.lock().expect("no panic").paths.push(format!("/_ac/{file}"));
    let caching =
        if file == "px.js" { "public, max-age=300" } else { "public, max-age=31536000, immutable" };
    let kind = if file.ends_with(".wasm") { "application/wasm" } else { "text/javascript" };
    match std::fs::read(workspace().join("pixel-wasm/dist").join(&file)) {
        Ok(bytes) => (
            [
                (header::CONTENT_TYPE, kind),
                (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
                (header::CACHE_CONTROL, caching),
            ],
            bytes,
        )
            .into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn test_page(State(inner): State<Arc<Inner>>, uri: Uri) -> Response {
    let Some(html) = inner.pages.get(uri.path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let policy = {
        let mut state = inner.state.lock().expect("no panic");
        state.paths.push(uri.path().to_owned());
        state.policies.get(uri.path()).cloned()
    };
    let mut response = Html(html.clone()).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::SET_COOKIE,
        "ac=from-the-redirect; HttpOnly; SameSite=Lax; Path=/".parse().expect("a header"),
    );
    if let Some(policy) = policy {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy.parse().expect("a header"));
    }
    response
}

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Builds the pixel if its sources have changed, once a run: a stale pixel would be tested instead
/// of this one. `scripts/test` has built it, and says so: asking cargo costs each test a second.
fn build_pixel() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        if std::env::var_os("AFTERCLICK_TEST_PIXEL_IS_BUILT").is_some() {
            return;
        }
        let status =
            Command::new(env!("CARGO")).args(["xtask", "pixel"]).current_dir(workspace()).status();
        assert!(status.is_ok_and(|status| status.success()), "`cargo xtask pixel` failed");
    });
}
