//! `manifest.json`: the files of an export, and the cursor at which it ended. It never lists a file
//! that is not complete on disk.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::tables::columns::{Cell, ColumnType, Sheet};
use crate::tables::part::Part;
use crate::write::files::write_whole;

/// The sums of a file, in minor units, by column and currency.
pub(crate) type Sums = BTreeMap<String, BTreeMap<String, i128>>;

/// The contents of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// `parquet`, `csv` or `ndjson`.
    pub format: String,
    /// The day that decided which commissions are approved, `YYYY-MM-DD`.
    pub as_of: String,
    /// The value of `--since` for an export of everything that is recorded later.
    pub cursor: String,
    /// Every file, by path.
    pub files: Vec<FileEntry>,
}

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path inside the export's folder, with `/`.
    pub path: String,
    /// The table that its rows belong to.
    pub table: String,
    /// The UTC day of its rows.
    pub date: String,
    /// The stream that holds the rows' records; `all` for derived tables.
    pub node: String,
    /// Sequence of its first row; in derived tables the row's number, from 1.
    pub first_seq: u64,
    /// Sequence of its last row; in derived tables the row's number, from 1.
    pub last_seq: u64,
    /// The number of rows.
    pub rows: u64,
    /// The BLAKE3 hash of its bytes, in hex.
    pub blake3: String,
    /// The sum of every column of minor units.
    pub sums: Sums,
}

pub(crate) const MANIFEST_NAME: &str = "manifest.json";
const AMOUNT_SUFFIX: &str = "_minor";

impl FileEntry {
    /// Describes a part that was written.
    pub(crate) fn of(part: &Part, path: String, hash: &blake3::Hash) -> Self {
        Self {
            path,
            table: part.table.to_owned(),
            date: part.date.clone(),
            node: part.node.clone(),
            first_seq: part.first_seq,
            last_seq: part.last_seq,
            rows: part.sheet.rows() as u64,
            blake3: hash.to_hex().to_string(),
            sums: sums(&part.sheet),
        }
    }
}

impl Manifest {
    /// Reads the manifest of a folder; `None` when the folder holds none.
    ///
    /// # Errors
    /// [`Error::Manifest`] when the file is not a manifest, [`Error::Io`] when it cannot be read.
    pub fn read(out: &Path) -> Result<Option<Self>, Error> {
        let path = path(out);
        let json = match fs::read(&path) {
            Ok(json) => json,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        serde_json::from_slice(&json).map(Some).map_err(|source| Error::Manifest { path, source })
    }

    /// Writes the manifest into a folder and replaces an earlier one.
    pub(crate) fn write(&self, out: &Path) -> Result<(), Error> {
        use std::io::Write;
        write_whole(&path(out), |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            file.write_all(b"\n")
        })?;
        Ok(())
    }
}

fn path(out: &Path) -> PathBuf {
    out.join(MANIFEST_NAME)
}

/// Adds up every column of minor units, separately for each currency. Amounts without a currency
/// are not added.
fn sums(sheet: &Sheet) -> Sums {
    let mut sums = Sums::new();
    let Some(currency) = sheet.fields().iter().position(|field| field.name == "currency") else {
        return sums;
    };
    for (column, field) in sheet.fields().iter().enumerate() {
        if field.kind != ColumnType::Integer || !field.name.ends_with(AMOUNT_SUFFIX) {
            continue;
        }
        let by_currency = sums.entry(field.name.to_owned()).or_default();
        for row in 0..sheet.rows() {
            if let (Cell::Integer(minor), Cell::Id(code)) =
                (sheet.cell(row, column), sheet.cell(row, currency))
            {
                *by_currency.entry(code.to_owned()).or_default() += i128::from(minor);
            }
        }
    }
    sums
}
