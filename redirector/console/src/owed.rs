//! What is owed: the ledger of balances, read from the journals by the functions that reports use, so
//! that no screen differs from a statement. It keeps the last ledger for as long as nothing is
//! recorded, and reads the journals once for all who ask meanwhile.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use accounts::{Account, AsOf, Books, Ledger};
use bookings::{Owed, UnknownRecords};
use journal::{Health, StreamName};
use live::clock;
use shared::catalog::{Catalog, Merchant};
use shared::day::Day;
use shared::id::MerchantId;
use shared::time::Timestamp;
use shared::zone::Zone;

use crate::context::Console;
use crate::pool::Reports;
use crate::problem::Problem;

/// The last ledger that was read, for all who ask.
#[derive(Default)]
pub struct LastOwed(Mutex<Option<Kept>>);

struct Kept {
    /// How far the own streams were when the ledger was read.
    ends: Vec<u64>,
    journals: Arc<FromJournals>,
}

/// What the journals say is owed.
struct FromJournals {
    ledger: Ledger,
    /// The least minimum payout among the campaigns that somebody earned by, in minor units.
    minimums: BTreeMap<Account, i64>,
    /// The streams that were read.
    streams: Vec<StreamName>,
}

/// What is known of what is owed.
pub(crate) struct Known {
    journals: Arc<FromJournals>,
    /// Streams of other nodes whose journals are not read here. What they recorded is missing.
    pub(crate) missing: Vec<String>,
}

impl Known {
    /// Returns the ledger with the payouts that the catalog has now.
    pub(crate) fn ledger(&self, catalog: &Catalog) -> Ledger {
        self.journals.ledger.with(Books::of(catalog.payouts.values()))
    }

    /// Returns the minimum payout of an account; 0 for none.
    pub(crate) fn minimum_minor(&self, account: Account) -> i64 {
        self.journals.minimums.get(&account).copied().unwrap_or(0)
    }
}

/// Reads what is owed, with everything that was recorded before the call.
pub(crate) async fn owed(console: &Arc<Console>, reports: &Reports) -> Result<Known, Problem> {
    let console = Arc::clone(console);
    let read = move || {
        let journals = console.owed.read(&console)?;
        // Another node may have begun to record since the journals were read.
        let missing = missing(&console, &journals.streams)?;
        Ok(Known { journals, missing })
    };
    reports.run(read).await
}

impl LastOwed {
    fn read(&self, console: &Console) -> Result<Arc<FromJournals>, Problem> {
        // Whoever asks meanwhile waits for this reading, which holds what they want to know.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ends: Vec<u64> = console.journals.iter().map(Health::last_committed).collect();
        // Nobody tells when another node's journal grows.
        let is_alone = console.other_journals.is_empty();
        if let Some(kept) = kept.as_ref().filter(|kept| is_alone && kept.ends == ends) {
            return Ok(Arc::clone(&kept.journals));
        }
        let journals = Arc::new(read(console)?);
        *kept = Some(Kept { ends, journals: Arc::clone(&journals) });
        Ok(journals)
    }
}

fn read(console: &Console) -> Result<FromJournals, Problem> {
    let failed = |error: bookings::Error| Problem::no_balances(&error.into());
    let folders: Vec<PathBuf> =
        [&console.journal_dir].into_iter().chain(&console.other_journals).cloned().collect();
    let dataset =
        bookings::read(&folders, None, UnknownRecords::Refuse, &|_| {}).map_err(failed)?;
    let owed = Owed::of(&dataset).map_err(failed)?;
    let minimums = owed.minimums(&dataset.catalog);
    let ledger = owed.into_ledger(&dataset.catalog);
    let streams = dataset.ends.into_keys().collect();
    Ok(FromJournals { ledger, minimums, streams })
}

/// Returns the streams that other nodes told the shared store of and that were not read.
fn missing(console: &Console, read: &[StreamName]) -> Result<Vec<String>, Problem> {
    let Ok(state) = console.state.get() else { return Ok(vec![]) };
    state.streams_of_others(read).map_err(|error| Problem::no_figures(&error))
}

/// Returns the day that it is for a merchant.
pub(crate) fn today(merchant: &Merchant, now: Timestamp) -> Day {
    Zone::named(&merchant.timezone).date(now)
}

/// Returns the moment for which a balance of a merchant is asked: the end of a day, or now.
pub(crate) fn moment(catalog: &Catalog, merchant: MerchantId, day: Option<Day>) -> AsOf {
    let now = clock::now();
    let zone = catalog.merchants.get(&merchant).map_or(Zone::UTC, |m| Zone::named(&m.timezone));
    match day {
        Some(day) => AsOf::end_of(day, &zone),
        None => AsOf::known(zone.date(now), now),
    }
}
