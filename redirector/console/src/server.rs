//! The admin listener: paths, connections and time-outs, on a thread and runtime of its own, so
//! that a slow answer delays no redirect. The API's handlers run on a pool of threads, so that
//! nothing delays an answer about health either.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use answers::{Problem, problem};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router, middleware};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use live::{Rarely, Stop};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::caller::CameFrom;
use crate::context::Console;
use crate::pool::{Pool, Reports};
use crate::routes::routes;
use crate::{auth, health, metrics, pool, sign_in};

/// Bytes of a request's body; an import of half a million links fits.
const BODY_BYTES_MAX: usize = 48 * 1024 * 1024;

/// Bytes of the body of a request of nobody yet: a sign-in.
const OPEN_BODY_BYTES_MAX: usize = 8 * 1024;

/// How long a connection may take to send a request's head, idle time included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a request may take in all; an import of half a million links needs some seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How long requests under way may take once the server is told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after the system refused a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often freed memory is given back to the system.
const GIVE_BACK_EVERY: Duration = Duration::from_secs(2);
/// The size of the block that is taken and freed to make mimalloc do so: too large for one of the
/// pages that it shares among small blocks.
const GIVE_BACK_BYTES: usize = 1024 * 1024;

/// Every path of the admin listener.
fn router(console: Arc<Console>, pool: Pool) -> Router {
    let (known, open) = routes();
    let reports = Reports::default();
    let on_the_pool = |routes: Router<Arc<Console>>, pool: Pool, body_bytes_max| {
        routes
            .layer(DefaultBodyLimit::max(body_bytes_max))
            .layer(Extension(reports.clone()))
            .layer(middleware::from_fn_with_state(pool, pool::run_elsewhere))
    };
    let apart = pool.apart();
    // Who guesses tokens must not take the places of those who have one.
    let identify = middleware::from_fn_with_state(Arc::clone(&console), auth::identify);
    let api = on_the_pool(known, pool, BODY_BYTES_MAX)
        .layer(identify)
        .merge(on_the_pool(open, apart.clone(), OPEN_BODY_BYTES_MAX))
        .layer(middleware::from_fn(limit_time));
    let pages = Router::new().route("/sign-in/{link}", get(sign_in::show).post(sign_in::open));
    let pages =
        on_the_pool(pages, apart, OPEN_BODY_BYTES_MAX).layer(middleware::from_fn(limit_time));
    let routes = Router::new()
        .nest("/api/v1", api)
        .merge(pages)
        .route("/", get(|| async { Html(include_str!("start.html")) }))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .fallback(|| async { Problem::not_found("the API is at /api/v1") })
        .layer(middleware::from_fn_with_state(Arc::clone(&console), auth::only_our_hosts))
        .with_state(console);
    // Which methods an address takes stands in an answer only when all layers of the routes are
    // through.
    Router::new()
        .fallback_service(routes)
        .layer(middleware::map_response(problem::of_any_refusal))
        .layer(middleware::map_response(guard))
}

/// Adds to every answer what keeps a browser from being used against its owner: no frame around
/// it, no script but our own, nothing kept, no guess at a type.
async fn guard(mut response: Response) -> Response {
    let policy = "default-src 'none'; connect-src 'self'; script-src 'self' 'unsafe-inline'; \
                  style-src 'self' 'unsafe-inline'; img-src 'self' data:; form-action 'self'; \
                  base-uri 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // With `no-referrer` a browser would hide from us that our own page sends a form.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Serves until told to stop, then finishes what is under way, but not for ever.
///
/// # Errors
/// When the runtime cannot be made or the listener fails.
pub fn run(
    console: Arc<Console>,
    listener: std::net::TcpListener,
    stop: &Stop,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (pool, threads) = Pool::start()?;
    let served = runtime.block_on(async {
        let (listener, router) = (TcpListener::from_std(listener)?, router(console, pool));
        let (connections, unaccepted) = (GracefulShutdown::new(), Rarely::default());
        tokio::spawn(give_memory_back());
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let from = CameFrom(peer.ip());
                        serve(stream, Answering { router: router.clone(), from }, &connections);
                    }
                    Err(error) => {
                        if let Some(left_out) = unaccepted.permit() {
                            tracing::warn!(left_out, "the admin listener cannot accept: {error}");
                        }
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                () = stop.wait() => break,
            }
        }
        if timeout(DRAIN_TIMEOUT, connections.shutdown()).await.is_err() {
            tracing::warn!("admin connections did not finish in time");
        }
        Ok(())
    });
    // A report may be stuck in a hot state that hangs. Nothing that it does is lost.
    threads.shutdown_background();
    served
}

/// Has memory that a large import or the start freed given back to the system. mimalloc does so a
/// second after the fact, but only when some thread takes or frees a page of its own, and a server
/// at rest has none that does.
async fn give_memory_back() {
    loop {
        sleep(GIVE_BACK_EVERY).await;
        drop(black_box(Vec::<u8>::with_capacity(GIVE_BACK_BYTES)));
    }
}

/// Serves one connection; it ends by itself when it is idle, or says nothing whole, for too long.
fn serve(stream: TcpStream, answering: Answering, connections: &GracefulShutdown) {
    let connection = http1::Builder::new()
        // Without a timer hyper's time-out does nothing.
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), answering);
    // A connection's own failure is answered by hyper and of no further interest.
    tokio::spawn(connections.watch(connection));
}

/// Answers the requests of one connection, and tells the handlers where they came from.
struct Answering {
    router: Router,
    from: CameFrom,
}

impl Service<hyper::Request<Incoming>> for Answering {
    type Response = Response;
    type Error = Infallible;
    type Future = <TowerToHyperService<Router> as Service<hyper::Request<Incoming>>>::Future;

    fn call(&self, mut request: hyper::Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.from);
        TowerToHyperService::new(self.router.clone()).call(request)
    }
}

/// Bounds a whole request: body, work and answer.
async fn limit_time(request: Request, next: Next) -> Response {
    let answer = timeout(REQUEST_TIMEOUT, next.run(request)).await;
    answer.unwrap_or_else(|_| Problem::too_slow().into_response())
}
