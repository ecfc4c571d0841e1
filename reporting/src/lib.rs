//! Batch reporting: journals in; tables (Parquet, CSV, NDJSON) and statements out.
//!
//! Everything here is a function of the journals' records and of the date it is asked for. It never
//! reads a clock and never writes to a journal, and the same input gives the same bytes. The binary
//! `afterclick-report` adds the command line, today's date and a progress display.
//!
//! ```text
//! bookings ──► tables ──► write      journals to files
//!     └──────────┴──────► reports    statement, models, codes; audit compares files
//! ```

mod error;
mod hashing;
mod reports;
mod tables;
mod write;

pub use bookings::{ClickRecord, Cursor, Dataset, Period, Recorded, UnknownRecords, read};
pub use error::Error;
pub use reports::accounts::balances::Balances;
pub use reports::accounts::payouts::Payouts;
pub use reports::accounts::statement::AccountStatement;
pub use reports::accounts::{OnDay, Whose};
pub use reports::audit::{Audit, ExportFolder, Finding};
pub use reports::codes::Codes;
pub use reports::forecast::Forecast;
pub use reports::models::Models;
pub use reports::statement::{About, CommissionLine, Line, Statement};
pub use write::export::{ExportOptions, export};
pub use write::files::write_text;
pub use write::form::Form;
pub use write::format::Format;
pub use write::manifest::{FileEntry, Manifest};
pub use write::print::Rendering;
pub use write::words::Language;
