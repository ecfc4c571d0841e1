//! What the handlers of the admin listener share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hot_state::{HotState, LazyState};
use journal::{Committer, Health};
use live::Live;
use live::status::{CertificateStatus, Counters, Lag, Reconciliations};
use tokio::time::sleep;

use crate::problem::Problem;

/// How long a question waits for a hot state that is being opened, and between two looks.
const OPENING_WAIT: Duration = Duration::from_secs(10);
const OPENING_PAUSE: Duration = Duration::from_millis(5);

/// What the handlers use.
pub struct Console {
    pub live: Arc<Live>,
    pub reconciliations: Reconciliations,
    pub state: LazyState,
    /// Takes facts into the journal.
    pub facts: Committer,
    pub journal_dir: PathBuf,
    /// Hash of the token that the configuration gives.
    pub first_token: Option<String>,
    pub counters: Vec<&'static Counters>,
    pub journals: Vec<Health>,
    /// Those of the public listener, where TLS ends here.
    pub certificates: Option<Arc<CertificateStatus>>,
    pub lag: Arc<Lag>,
}

impl Console {
    /// The hot state; waits a while for one that is still being opened.
    pub async fn hot_state(&self) -> Result<&HotState, Problem> {
        let asked_at = Instant::now();
        loop {
            match self.state.get() {
                Ok(state) => return Ok(state),
                Err(_) if asked_at.elapsed() < OPENING_WAIT => sleep(OPENING_PAUSE).await,
                Err(_) => return Err(Problem::opening()),
            }
        }
    }

    /// Records that figures do not contain yet.
    pub fn records_behind(&self) -> u64 {
        self.lag.behind(&self.journals)
    }

    /// Whether figures contain everything that is recorded.
    pub fn is_up_to_date(&self) -> bool {
        self.lag.is_up_to_date()
    }
}
