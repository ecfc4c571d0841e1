//! The threads that work for the API, so that the thread of the admin listener never waits: it
//! answers `/healthz`, `/readyz` and `/metrics` whatever the disk, the hot state or another request
//! do.
//!
//! Everything is bounded. Reports wait for the hot state, which may hang; at most
//! [`REPORTS_AT_ONCE`] of them do, and a few wait for their turn. When they are stuck, further ones
//! are refused at once with 503, and everything else goes on.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

use answers::Problem;

/// Threads that run the API's handlers.
const THREADS: usize = 4;
/// Requests to the API that may be under way at once.
const REQUESTS_MAX: usize = 64;
/// Requests of nobody yet, such as sign-ins, that may be under way at once.
const OPEN_REQUESTS_MAX: usize = 8;
/// Reports that read the hot state at once.
const REPORTS_AT_ONCE: usize = 4;
/// Reports that read the hot state or wait for their turn.
const REPORTS_MAX: usize = 16;
/// How long a report waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(10);
/// Threads for what blocks: reports, and searches in all links or in the journal.
const BLOCKING_THREADS: usize = 16;

/// A handle to the pool; cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool {
    handle: Handle,
    requests: Arc<Semaphore>,
}

impl Pool {
    /// Starts the threads. They end with the runtime.
    pub(crate) fn start() -> std::io::Result<(Self, Runtime)> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("api")
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        Ok((Self { handle, requests: Arc::new(Semaphore::new(REQUESTS_MAX)) }, runtime))
    }

    /// Returns the same threads with places of their own: who is nobody yet must not take the places
    /// of those who are somebody.
    pub(crate) fn apart(&self) -> Self {
        let requests = Arc::new(Semaphore::new(OPEN_REQUESTS_MAX));
        Self { handle: self.handle.clone(), requests }
    }
}

/// Runs a request's handler on the pool. A request that is given up is stopped.
pub(crate) async fn run_elsewhere(
    State(pool): State<Pool>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(place) = Arc::clone(&pool.requests).try_acquire_owned() else {
        return Problem::busy("requests to the API").into_response();
    };
    let mut task = JoinSet::new();
    let handler = async move {
        let answer = next.run(request).await;
        drop(place);
        answer
    };
    task.spawn_on(handler, &pool.handle);
    match task.join_next().await {
        Some(Ok(answer)) => answer,
        Some(Err(error)) => Problem::internal(&error.into()).into_response(),
        None => Problem::internal(&anyhow::anyhow!("a handler never ran")).into_response(),
    }
}

/// The reports under way; cheap to clone.
#[derive(Clone)]
pub(crate) struct Reports {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    turn_wait: Duration,
}

impl Default for Reports {
    fn default() -> Self {
        Self::bounded(REPORTS_AT_ONCE, REPORTS_MAX, TURN_WAIT)
    }
}

impl Reports {
    fn bounded(at_once: usize, most: usize, turn_wait: Duration) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { places: semaphore(most), turns: semaphore(at_once), turn_wait }
    }

    /// Runs a report on a thread that may wait. A report whose asker is gone is not stopped, and
    /// keeps its place until it has ended: it holds the thread.
    ///
    /// # Errors
    /// The report's own. Or 503 when too many others are under way.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        report: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || Problem::busy("reports");
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| busy())?;
        let turn = timeout(self.turn_wait, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(busy()) };
        let held = (place, turn);
        let report = spawn_blocking(move || {
            let answer = report();
            drop(held);
            answer
        });
        report.await.map_err(|error| Problem::internal(&error.into()))?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn status(answer: Result<(), Problem>) -> u16 {
        answer.map_or_else(|problem| problem.into_response().status().as_u16(), |()| 200)
    }

    #[tokio::test]
    async fn stuck_reports_have_further_ones_refused_and_free_their_places_when_they_end() {
        let reports = Reports::bounded(1, 2, Duration::from_millis(50));
        let (release, released) = mpsc::channel::<()>();
        let stuck = tokio::spawn({
            let reports = reports.clone();
            async move {
                reports
                    .run(move || {
                        _ = released.recv();
                        Ok(())
                    })
                    .await
            }
        });
        while reports.turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let waits = reports.run(|| Ok(()));
        let (waited, refused) = tokio::join!(waits, async {
            tokio::task::yield_now().await;
            reports.run(|| Ok(())).await
        });
        assert_eq!(status(waited), 503, "its turn did not come");
        assert_eq!(status(refused), 503, "there is no place for it");
        release.send(()).unwrap();
        assert_eq!(status(stuck.await.unwrap()), 200);
        assert_eq!(status(reports.run(|| Ok(())).await), 200);
    }

    #[tokio::test]
    async fn a_refusal_says_when_to_come_again() {
        let answer = Problem::busy("reports").into_response();
        assert_eq!(answer.headers()["retry-after"], "5");
    }
}
