//! Batch reporting: journals in; tables (Parquet, CSV, NDJSON) and statements out.
//!
//! Everything here is a function of the journals' records and of the date it is asked for: it never
//! reads a clock, never writes to a journal, and the same input gives the same bytes. The binary
//! `afterclick-report` adds the command line, today's date and a progress display.
//!
//! ```text
//! journals ──► Dataset ──► conversions ──► tables ──► sheets ──► files, manifest
//!                                     └──► statement, models, codes; audit compares files
//! ```

mod activity;
mod audit;
mod codes;
mod columns;
mod conversion;
mod cursor;
mod error;
mod export;
mod facts;
mod files;
mod journals;
mod ledger;
mod manifest;
mod models;
mod paths;
mod period;
mod print;
mod statement;
mod tables;
mod write;
mod zones;

pub use audit::{Audit, Exported, Finding};
pub use codes::Codes;
pub use columns::{Cell, Field, Kind, Sheet};
pub use conversion::{Conversion, Conversions};
pub use cursor::Cursor;
pub use error::Error;
pub use export::{Options, export};
pub use facts::{ClickRecord, Dataset, Recorded};
pub use journals::{Unknown, read};
pub use ledger::{Entry, entries};
pub use manifest::{FileEntry, Manifest};
pub use models::Models;
pub use period::Period;
pub use print::Rendering;
pub use statement::{CommissionLine, Line, Statement};
pub use tables::{Part, parts};
pub use write::Format;
