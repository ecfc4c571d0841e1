//! Batch reporting: journals in; tables (Parquet, CSV, NDJSON) and statements out.
//!
//! Everything here is a function of the journals' records and of the date it is asked for. It never
//! reads a clock and never writes to a journal, and the same input gives the same bytes. The binary
//! `afterclick-report` adds the command line, today's date and a progress display.
//!
//! ```text
//! read ──► settle ──► tables ──► write      journals to files
//!             └─────────┴──────► reports    statement, models, codes; audit compares files
//! ```

mod error;
mod hashing;
mod read;
mod reports;
mod settle;
mod tables;
mod write;

pub use error::Error;
pub use read::cursor::Cursor;
pub use read::dataset::Dataset;
pub use read::facts::{ClickRecord, Recorded};
pub use read::journals::{UnknownRecords, read};
pub use reports::audit::{Audit, ExportFolder, Finding};
pub use reports::codes::Codes;
pub use reports::models::Models;
pub use reports::statement::{CommissionLine, Line, Statement};
pub use settle::period::Period;
pub use write::export::{ExportOptions, export};
pub use write::format::Format;
pub use write::manifest::{FileEntry, Manifest};
pub use write::print::Rendering;
