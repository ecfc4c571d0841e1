//! The admin listener: API, health and metrics, on a thread and runtime of its own, so that a slow report delays no
//! redirect.

pub(crate) mod auth;
mod entities;
mod fields;
mod figures;
mod health;
mod problem;
mod resources;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::DefaultBodyLimit;
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Router, middleware};
use journal::Health;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admin::problem::Problem;
use crate::catalog::Live;
use crate::edge::Counters;
use crate::state::{HotState, Lag};

/// Bytes of a request's body; an import of half a million links fits.
const BODY_BYTES_MAX: usize = 48 * 1024 * 1024;

/// What the handlers use.
pub(crate) struct Admin {
    pub(crate) live: Arc<Live>,
    pub(crate) state: HotState,
    /// Hash of the token that the configuration gives.
    pub(crate) first_token: Option<String>,
    pub(crate) counters: Vec<&'static Counters>,
    pub(crate) journals: Vec<Health>,
    pub(crate) lag: Arc<Lag>,
}

impl Admin {
    /// Whether figures contain everything that is recorded.
    pub(crate) fn is_up_to_date(&self) -> bool {
        self.lag.caught_up.load(Relaxed) && !self.lag.failing.load(Relaxed)
    }
}

/// Every path of the admin listener.
fn router(admin: Arc<Admin>) -> Router {
    let api = Router::new()
        .route("/stats", get(figures::stats))
        .route("/orders/{merchant}/{order}", get(figures::order))
        .route("/{resource}", get(resources::list).post(resources::create))
        .route("/{resource}/import", post(resources::import))
        .route("/{resource}/{id}", get(resources::read).patch(resources::change))
        .layer(middleware::from_fn_with_state(Arc::clone(&admin), auth::check))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::map_response(problem::of_any_refusal));
    Router::new()
        .nest("/api/v1", api)
        .route("/", get(|| async { Html(include_str!("start.html")) }))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(|| async { Problem::not_found("the API is at /api/v1") })
        .with_state(admin)
}

/// Serves until told to stop, then finishes what is under way.
///
/// # Errors
/// When the runtime cannot be made or the listener fails.
pub(crate) fn run(
    admin: Arc<Admin>,
    listener: std::net::TcpListener,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        let stopped = async move { _ = stop.wait_for(|stop| *stop).await };
        axum::serve(listener, router(admin)).with_graceful_shutdown(stopped).await?;
        Ok(())
    })
}
