//! The five exported tables, cut into parts of one day each; it never puts a row into two parts.
//!
//! Clicks, sessions and order facts are one row a record: their parts are named by stream and
//! sequence and only grow. Conversions and commissions follow from all facts of an order: they are
//! made anew in every export.

mod clicks;
mod commissions;
mod conversions;
mod order_facts;
mod sessions;

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::civil::Date;
use shared::time::Timestamp;

pub(crate) use sessions::starts as session_starts;

use crate::columns::{Cell, Column, Sheet};
use crate::{Conversions, Cursor, Dataset, Error};

/// Tables whose rows are records: an export with a cursor adds to them.
pub(crate) const RECORDED: [&str; 3] = [clicks::NAME, sessions::NAME, order_facts::NAME];
/// Tables that every export writes whole.
pub(crate) const DERIVED: [&str; 2] = [conversions::NAME, commissions::NAME];
/// What stands for the stream's name in the parts of derived tables.
pub(crate) const ALL_NODES: &str = "all";

/// A part holds at most this many rows, which bounds both file size and memory.
const PART_ROWS_MAX: usize = 1_000_000;

/// Rows of one table and day that go into one file.
#[derive(Debug)]
pub struct Part {
    /// The table.
    pub table: &'static str,
    /// The UTC day, `YYYY-MM-DD`.
    pub date: String,
    /// The stream the rows were recorded in; `all` for derived tables.
    pub node: String,
    /// Sequence of the first row; its number in derived tables.
    pub first_seq: u64,
    /// Sequence of the last row; its number in derived tables.
    pub last_seq: u64,
    /// The rows.
    pub sheet: Sheet,
}

impl Part {
    /// Returns the part's path below the export's folder.
    pub fn path(&self, extension: &str) -> String {
        let Self { table, date, node, first_seq, last_seq, .. } = self;
        format!("{table}/date={date}/part-{node}-{first_seq}-{last_seq}.{extension}")
    }

    /// The rows from one sequence to another, as the file that an export would have written of
    /// them; `None` when there are none.
    pub(crate) fn between(&self, first_seq: u64, last_seq: u64) -> Result<Option<Self>, Error> {
        let is_recorded = RECORDED.contains(&self.table);
        let seq_at = |row: usize| match (is_recorded, self.sheet.last_cell(row)) {
            (true, Cell::Integer(seq)) => u64::try_from(seq).unwrap_or(0),
            _ => self.first_seq + row as u64,
        };
        let within: Vec<usize> = (0..self.sheet.rows())
            .filter(|&row| (first_seq..=last_seq).contains(&seq_at(row)))
            .collect();
        let [Some(&from), Some(&to)] = [within.first(), within.last()] else { return Ok(None) };
        let (table, date, node) = (self.table, self.date.clone(), self.node.clone());
        let sheet = self.sheet.slice(from, to - from + 1);
        Ok(Some(Self { table, date, node, first_seq: seq_at(from), last_seq: seq_at(to), sheet }))
    }
}

/// Hands every part of every table to `put`, table by table, in an order that the dataset alone
/// decides.
///
/// # Errors
/// What `put` returns, or [`Error::Calendar`] for a commission that is payable beyond the calendar.
pub fn parts(
    dataset: &Dataset,
    conversions: &Conversions,
    since: &Cursor,
    as_of: Date,
    put: &mut dyn FnMut(Part) -> Result<(), Error>,
) -> Result<(), Error> {
    recorded(clicks::NAME, &clicks::columns(), clicks::rows(dataset), since, put)?;
    recorded(sessions::NAME, &sessions::columns(), sessions::rows(dataset), since, put)?;
    recorded(order_facts::NAME, &order_facts::columns(), order_facts::rows(dataset), since, put)?;
    derived(
        conversions::NAME,
        &conversions::columns(),
        conversions::rows(dataset, conversions),
        put,
    )?;
    derived(
        commissions::NAME,
        &commissions::columns(),
        commissions::rows(dataset, conversions, as_of)?,
        put,
    )
}

/// A row that is one record.
pub(crate) trait RecordedRow {
    /// The time that says in which day's folder it lies.
    fn day_of(&self) -> Timestamp;
    /// Stream and sequence.
    fn place(&self) -> (&str, u64);
}

/// A row that follows from many records.
pub(crate) trait DerivedRow {
    /// The time that says in which day's folder it lies.
    fn day_of(&self) -> Timestamp;
}

fn recorded<R: RecordedRow>(
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

fn derived<R: DerivedRow>(
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

/// A sequence as it stands in a table; no journal comes near the end of 63 bits.
pub(crate) fn seq_column(seq: u64) -> Option<i64> {
    i64::try_from(seq).ok()
}
