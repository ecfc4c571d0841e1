//! What the journals say was booked: their records in memory, and every amount that orders, leads
//! and clicks earned.
//!
//! Everything here is a function of the journals' records and of the date it is asked for. It never
//! reads a clock, never writes to a journal and never makes a file: tables and pages are made by
//! those who use it.
//!
//! ```text
//! read ──► settle ──► owed     journals to conversions, to the ledger of all campaigns, to accounts
//!                     moves    what changed in their balances, day by day
//! ```

mod error;
mod moves;
mod owed;
mod read;
mod settle;

pub use error::Error;
pub use moves::{Figure, Move, Moved, moves};
pub use owed::Owed;
pub use read::cursor::Cursor;
pub use read::dataset::{Dataset, LinkOwner, link_owner, opening_owner};
pub use read::facts::{ClickRecord, Recorded};
pub use read::journals::{UnknownRecords, read};
pub use settle::clicks::earned_by_clicks;
pub use settle::conversion::{Conversion, Conversions, is_payable};
pub use settle::earning::Earning;
pub use settle::entry::LedgerEntry;
pub use settle::leads::AnyLead;
pub use settle::ledger::ledger_entries;
pub use settle::openings::Openings;
pub use settle::page_leads::all_leads;
pub use settle::period::{Bounds, Month, Period};
pub use settle::zones::{local_date, zone_of};
