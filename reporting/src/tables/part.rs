//! Rows cut into parts: one part becomes one file. It never puts a row into two parts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bookings::Cursor;
use shared::time::Timestamp;

use crate::error::Error;
use crate::tables::columns::{Cell, Column, Sheet};

/// The column of tables with a row for each record that holds the record's sequence.
const SEQ: &str = "seq";
/// Stands for the stream's name in the parts of derived tables.
pub(crate) const ALL_NODES: &str = "all";

/// A part holds at most this many rows, which bounds both file size and memory.
const PART_ROWS_MAX: usize = 1_000_000;

/// Rows of one table and day that go into one file.
#[derive(Debug)]
pub(crate) struct Part {
    /// The table.
    pub(crate) table: &'static str,
    /// The UTC day, `YYYY-MM-DD`.
    pub(crate) date: String,
    /// The stream the rows were recorded in; `all` for derived tables.
    pub(crate) node: String,
    /// Sequence of the first row; in derived tables its number, from 1.
    pub(crate) first_seq: u64,
    /// Sequence of the last row; in derived tables its number, from 1.
    pub(crate) last_seq: u64,
    /// The rows.
    pub(crate) sheet: Sheet,
}

impl Part {
    /// Returns the part's path below the export's folder.
    pub(crate) fn path(&self, extension: &str) -> String {
        let Self { table, date, node, first_seq, last_seq, .. } = self;
        format!("{table}/date={date}/part-{node}-{first_seq}-{last_seq}.{extension}")
    }

    /// Returns the rows from one sequence to another as a part of their own, as an export of only
    /// these rows would write it; `None` when there are none.
    pub(crate) fn between(&self, first_seq: u64, last_seq: u64) -> Result<Option<Self>, Error> {
        let recorded = self.sheet.fields().iter().position(|field| field.name == SEQ);
        let seq_at = |row: usize| match recorded.map(|column| self.sheet.cell(row, column)) {
            Some(Cell::Integer(seq)) => u64::try_from(seq).unwrap_or(0),
            _ => self.first_seq + row as u64,
        };
        let within: Vec<usize> = (0..self.sheet.rows())
            .filter(|&row| (first_seq..=last_seq).contains(&seq_at(row)))
            .collect();
        let [Some(&from), Some(&to)] = [within.first(), within.last()] else { return Ok(None) };
        let (table, date, node) = (self.table, self.date.clone(), self.node.clone());
        let (first_seq, last_seq) = (seq_at(from), seq_at(to));
        let sheet = self.sheet.slice(from, to - from + 1);
        Ok(Some(Self { table, date, node, first_seq, last_seq, sheet }))
    }
}

/// A row that stands for one record.
pub(crate) trait RecordedRow {
    /// The time that decides in which day's folder the row is.
    fn day_of(&self) -> Timestamp;
    /// Stream and sequence of the record.
    fn place(&self) -> (&str, u64);
}

/// A row that follows from many records.
pub(crate) trait DerivedRow {
    /// The time that decides in which day's folder the row is.
    fn day_of(&self) -> Timestamp;
}

pub(crate) fn cut_recorded<R: RecordedRow>(
    table: &'static str,
    columns: &[Column<R>],
    rows: Vec<R>,
    since: &Cursor,
    put: &mut dyn FnMut(Part) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut days: BTreeMap<(String, String), Vec<R>> = BTreeMap::new();
    for row in rows {
        let (node, seq) = row.place();
        if since.is_before(node, seq) {
            days.entry((row.day_of().utc_date(), node.to_owned())).or_default().push(row);
        }
    }
    for ((date, node), mut rows) in days {
        rows.sort_by_key(|row| row.place().1);
        for chunk in rows.chunks(PART_ROWS_MAX) {
            let [first_seq, last_seq] =
                [chunk.first(), chunk.last()].map(|row| row.map_or(0, |row| row.place().1));
            let sheet = sheet(table, columns, chunk)?;
            put(Part {
                table,
                date: date.clone(),
                node: node.clone(),
                first_seq,
                last_seq,
                sheet,
            })?;
        }
    }
    Ok(())
}

pub(crate) fn cut_derived<R: DerivedRow>(
    table: &'static str,
    columns: &[Column<R>],
    rows: Vec<R>,
    put: &mut dyn FnMut(Part) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut days: BTreeMap<String, Vec<R>> = BTreeMap::new();
    for row in rows {
        days.entry(row.day_of().utc_date()).or_default().push(row);
    }
    for (date, rows) in days {
        let mut first_seq = 1;
        for chunk in rows.chunks(PART_ROWS_MAX) {
            let last_seq = first_seq + chunk.len() as u64 - 1;
            let sheet = sheet(table, columns, chunk)?;
            put(Part {
                table,
                date: date.clone(),
                node: ALL_NODES.to_owned(),
                first_seq,
                last_seq,
                sheet,
            })?;
            first_seq = last_seq + 1;
        }
    }
    Ok(())
}

fn sheet<R>(table: &'static str, columns: &[Column<R>], rows: &[R]) -> Result<Sheet, Error> {
    let failed = |error: arrow_schema::ArrowError| Error::Encode {
        path: PathBuf::from(table),
        reason: error.to_string(),
    };
    Sheet::of(columns, rows).map_err(failed)
}

/// Converts a sequence to a table's integer. No journal comes near 2⁶³ records.
pub(crate) fn seq_column(seq: u64) -> Option<i64> {
    i64::try_from(seq).ok()
}
