//! The three file formats. They never add a time or the name of a machine, so that the same sheet
//! gives the same bytes.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use crate::tables::columns::Sheet;
use crate::write::{csv, ndjson, parquet};

/// A file format of exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Typed columns, compressed; for query engines.
    Parquet,
    /// RFC 4180; for spreadsheets.
    Csv,
    /// One JSON object on each line; for programs.
    Ndjson,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Parquet, Self::Csv, Self::Ndjson];

    /// Returns the word on the command line, in the manifest and at the end of file names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }

    /// Writes a sheet.
    pub(crate) fn write(self, sheet: &Sheet, out: impl Write + Send) -> io::Result<()> {
        match self {
            Self::Parquet => parquet::write(sheet, out),
            Self::Csv => csv::write(sheet, out),
            Self::Ndjson => ndjson::write(sheet, out),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|format| format.as_str() == text);
        found.ok_or_else(|| "expected parquet, csv or ndjson".to_owned())
    }
}
