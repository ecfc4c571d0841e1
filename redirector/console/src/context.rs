//! The parts that the handlers of the admin listener share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use answers::Problem;
use hot_state::{HotState, LazyState};
use journal::{Committer, Health};
use live::status::{CertificateStatus, Counters, ExchangeStatus, Lag, Reconciliations};
use live::{ChangeError, Live, clock, dates};
use people::Signer;
use shared::catalog::{By, Catalog, Change};
use tokio::time::sleep;

use crate::guesses::Guesses;
use crate::hosts::Hosts;
use crate::last_owed::LastOwed;
use crate::tries::Tries;

/// How long a request waits for a hot state that is still being opened.
const OPENING_WAIT: Duration = Duration::from_secs(10);
/// How long to wait before asking again whether it is open.
const OPENING_PAUSE: Duration = Duration::from_millis(5);

pub struct Console {
    pub live: Arc<Live>,
    pub reconciliations: Reconciliations,
    pub state: LazyState,
    /// Writes facts to the journal.
    pub facts: Committer,
    pub journal_dir: PathBuf,
    /// The journals of other nodes, or copies of them: what is owed is read from all.
    pub other_journals: Vec<PathBuf>,
    pub owed: LastOwed,
    /// The hosts of the admin listener.
    pub hosts: Hosts,
    pub guesses: Guesses,
    /// Signs what signs people in.
    pub signer: Signer,
    pub tries: Tries,
    /// The hash of the token in the configuration.
    pub first_token: Option<String>,
    pub counters: Vec<&'static Counters>,
    pub journals: Vec<Health>,
    /// The records that repairs of the journal gave up.
    pub lost: Vec<journal::Loss>,
    /// The certificates of the public listener, if it speaks TLS.
    pub certificates: Option<Arc<CertificateStatus>>,
    pub lag: Arc<Lag>,
    pub exchange: Arc<ExchangeStatus>,
}

impl Console {
    /// Returns the hot state. Waits a while if it is still being opened.
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

    /// Makes a change in the name of whoever asks: [`Live::change`].
    ///
    /// # Errors
    /// When `prepare` refuses it, or it could not be recorded.
    pub(crate) async fn change<T, E>(
        &self,
        by: By,
        prepare: impl FnOnce(&Catalog) -> Result<(Option<Change>, T), E>,
    ) -> Result<T, ChangeError<E>> {
        let prepare = |catalog: &Catalog| {
            let (change, answer) = prepare(catalog)?;
            Ok((change.map(|change| Change { by: Some(by), ..change }), answer))
        };
        self.live.change(prepare).await
    }

    /// Returns how many records the figures do not contain yet.
    pub fn records_behind(&self) -> u64 {
        self.lag.behind(&self.journals)
    }

    /// Returns what is strange about the clock, compared with what is recorded.
    pub fn clock_remark(&self) -> Option<String> {
        dates::remark(clock::now(), self.lag.latest().max(self.live.last_change()))
    }

    /// Returns whether figures that are read from now on contain everything that was recorded
    /// before the call. Ask before reading them: a record that is projected while they are read is
    /// not in all of them.
    pub fn is_up_to_date(&self) -> bool {
        self.lag.is_up_to_date(&self.journals)
    }
}
