//! The last ledger of balances that was read from the journals. It is kept for as long as nothing is
//! recorded, and read once for all who ask meanwhile. It knows nothing of requests.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use accounts::{Account, Ledger};
use bookings::{Error, Owed, UnknownRecords};
use journal::{Health, StreamName};

/// A reading that took longer than this is kept for a while, even when something was recorded since.
const LONG: Duration = Duration::from_millis(250);
/// How old a ledger may be that others than the agency look at.
const SECOND: Duration = Duration::from_secs(1);
/// For how many times as long as a long reading took it is kept: so looking at balances costs a
/// fifth of a core at most.
const KEPT_TIMES: u32 = 4;

/// How new a ledger must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// It contains everything that was recorded before: money is paid by it.
    New,
    /// The agency looks: a ledger that took long to read may be a little older.
    MayBeKept,
    /// Somebody else looks, who might ask without end: it may be a second old.
    OfASecond,
}

/// The last ledger that was read, for all who ask.
#[derive(Default)]
pub struct LastOwed(Mutex<Option<Kept>>);

struct Kept {
    /// How far the own streams were when the journals were read.
    ends: Vec<u64>,
    read_at: Instant,
    took: Duration,
    journals: Arc<FromJournals>,
}

impl Kept {
    /// Returns whether it may be shown although something may have been recorded since.
    fn is_of(&self, age: Age) -> bool {
        let most = if self.took > LONG { self.took * KEPT_TIMES } else { Duration::ZERO };
        let most = match age {
            Age::New => return false,
            Age::MayBeKept => most,
            Age::OfASecond => most.max(SECOND),
        };
        self.read_at.elapsed() < most
    }
}

/// What the journals say is owed.
pub(crate) struct FromJournals {
    pub(crate) ledger: Ledger,
    /// The minimum payout of every account, in minor units.
    pub(crate) minimums: BTreeMap<Account, i64>,
    /// The streams that were read.
    pub(crate) streams: Vec<StreamName>,
}

impl LastOwed {
    /// Returns what the own streams and the journals in further folders say.
    pub(crate) fn read(
        &self,
        own: &[Health],
        (own_folder, others): (&PathBuf, &[PathBuf]),
        age: Age,
    ) -> Result<Arc<FromJournals>, Error> {
        // Whoever asks meanwhile waits for this reading, which holds what they want to know.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ends: Vec<u64> = own.iter().map(Health::last_committed).collect();
        // Nobody tells when another node's journal grows.
        let is_alone = others.is_empty();
        let fits = |kept: &&Kept| is_alone && kept.ends == ends || kept.is_of(age);
        if let Some(kept) = kept.as_ref().filter(fits) {
            return Ok(Arc::clone(&kept.journals));
        }
        let begun = Instant::now();
        let folders: Vec<PathBuf> = [own_folder].into_iter().chain(others).cloned().collect();
        let journals = Arc::new(FromJournals::read(&folders)?);
        let (read_at, took) = (Instant::now(), begun.elapsed());
        *kept = Some(Kept { ends, read_at, took, journals: Arc::clone(&journals) });
        Ok(journals)
    }
}

impl FromJournals {
    fn read(folders: &[PathBuf]) -> Result<Self, Error> {
        let dataset = bookings::read(folders, None, UnknownRecords::Refuse, &|_| {})?;
        let owed = Owed::of(&dataset)?;
        let minimums = owed.minimums(&dataset.catalog);
        let ledger = owed.into_ledger(&dataset.catalog);
        Ok(Self { ledger, minimums, streams: dataset.ends.into_keys().collect() })
    }
}
