//! The thread that keeps the hot state up to date with the journal.
//!
//! An embedded store takes its time to open, and redirects do not wait for it. A Redis server with
//! settings by which windows would be lost is refused at once.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::time::Duration;

use anyhow::{Error, Result};
use hot_state::{HotState, LazyState, Projector, StateUrl};
use live::status::Lag;
use live::{Live, Stop};

use crate::config::Config;

/// How long to wait before trying again to open the hot state.
const PAUSE_BEFORE_OPENING_AGAIN: Duration = Duration::from_millis(600);

/// The parts that the thread needs.
pub(crate) struct Projecting {
    url: StateUrl,
    data: PathBuf,
    journal_dir: PathBuf,
    live: Arc<Live>,
    lag: Arc<Lag>,
    /// Receives the state once it is open.
    state: LazyState,
    /// Receives the first failure to open, as long as somebody waits for it.
    refused: Sender<Error>,
}

/// Waits until the state is open or refused.
pub(crate) struct Opening(Option<Receiver<Error>>);

impl Projecting {
    pub(crate) fn new(
        config: &Config,
        live: &Arc<Live>,
        lag: &Arc<Lag>,
        state: &LazyState,
    ) -> (Self, Opening) {
        let (refused, refusal) = channel();
        let projecting = Self {
            url: config.state.clone(),
            data: config.data.clone(),
            journal_dir: config.journal_dir(),
            live: Arc::clone(live),
            lag: Arc::clone(lag),
            state: state.clone(),
            refused,
        };
        let is_waited_for = matches!(config.state, StateUrl::Redis(_));
        (projecting, Opening(is_waited_for.then_some(refusal)))
    }

    /// Opens the state, and projects until told to stop.
    pub(crate) fn run(self, stop: &Stop) {
        let Self { url, data, journal_dir, live, lag, state, refused } = self;
        while !stop.is_set() {
            match HotState::open(&url, &data) {
                Ok(opened) => {
                    state.set(opened.clone());
                    drop(refused);
                    return Projector::new(journal_dir, opened, live, lag).run(stop);
                }
                Err(error) => {
                    // Nobody waits for the failure any more, so it is logged.
                    let Err(SendError(error)) = refused.send(error) else { return };
                    if !lag.failing.swap(true, Relaxed) {
                        tracing::error!(
                            "the hot state cannot be opened, nothing is lost: {error:#}"
                        );
                    }
                    stop.sleep(PAUSE_BEFORE_OPENING_AGAIN);
                }
            }
        }
    }
}

impl Opening {
    /// Waits for Redis, and does not wait for an embedded store. A Redis server that is refused
    /// ends the start.
    ///
    /// # Errors
    /// The reason why the state is refused.
    pub(crate) fn wait(self) -> Result<()> {
        self.0.and_then(|refusal| refusal.recv().ok()).map_or(Ok(()), Err)
    }
}
