//! Batch reporting: journals in; tables (Parquet, CSV, NDJSON) and statements out.
//!
//! Everything here is a function of the journals' records and of the date it is asked for: it never reads a
//! clock, never writes to a journal, and the same input gives the same bytes. The binary `afterclick-report`
//! adds the command line, today's date and a progress display.
//!
//! ```text
//! journals ──► Dataset ──► conversions ──► tables ──► sheets ──► files, manifest
//!                                     └──► statement
//! ```

mod activity;
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
mod paths;
mod period;
mod statement;
mod tables;
mod write;
mod zones;

pub use columns::{Cell, Field, Kind, Sheet};
pub use conversion::{Conversion, Conversions};
pub use cursor::Cursor;
pub use error::Error;
pub use export::{Options, export};
pub use facts::{ClickRecord, Dataset, Recorded};
pub use journals::{Unknown, read};
pub use ledger::{Entry, entries};
pub use manifest::{FileEntry, Manifest};
pub use period::Period;
pub use statement::{CommissionLine, Line, Rendering, Statement};
pub use tables::{Part, parts};
pub use write::Format;
