//! What is owed, as requests ask for it: the ledger of balances by the functions that reports use, so
//! that no screen differs from a statement.

use std::sync::Arc;

use accounts::{Account, AsOf, Books, Ledger};
use answers::Problem;
use journal::StreamName;
use live::clock;
use shared::catalog::{Catalog, Merchant};
use shared::day::Day;
use shared::id::MerchantId;
use shared::time::Timestamp;
use shared::zone::Zone;

use crate::context::Console;
use crate::last_owed::{Age, FromJournals};
use crate::pool::Reports;

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

/// Reads what is owed.
pub(crate) async fn owed(
    console: &Arc<Console>,
    reports: &Reports,
    age: Age,
) -> Result<Known, Problem> {
    let console = Arc::clone(console);
    let read = move || {
        let folders = (&console.journal_dir, &console.other_journals[..]);
        let journals = console.owed.read(&console.journals, folders, age);
        let journals = journals.map_err(|error| Problem::no_balances(&error.into()))?;
        // Another node may have begun to record since the journals were read.
        let missing = missing(&console, &journals.streams)?;
        Ok(Known { journals, missing })
    };
    reports.run(read).await
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
        None => AsOf::known(zone.date(now)),
    }
}
