//! Tables that are imported: CSV with a header line. All rows are taken, or none.

use serde_json::{Map, Value};

use crate::problem::{Fault, Problem};

/// The most mistakes that an import reports.
const FAULTS_MAX: usize = 100;

/// A row, and its line in the file.
pub(crate) struct Row {
    pub line: u64,
    /// The texts of the row, by the names in the header line.
    pub fields: Map<String, Value>,
}

/// Reads every row, or reports the rows that are invalid, each with its line and reason.
///
/// # Errors
/// Every mistake, up to a hundred; or that there is no row, or that there are too many.
pub(crate) fn read<T>(
    body: &[u8],
    rows_max: usize,
    mut read_row: impl FnMut(Row) -> Result<T, Vec<Fault>>,
) -> Result<Vec<T>, Problem> {
    // Spreadsheets begin a file with a byte order mark.
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(body);
    let header =
        reader.headers().map_err(|e| Problem::malformed(format!("header line: {e}")))?.clone();
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                let texts = header.iter().zip(&record);
                let fields =
                    texts.map(|(name, text)| (name.to_owned(), Value::from(text))).collect();
                match read_row(Row { line, fields }) {
                    Ok(row) => rows.push(row),
                    Err(of_row) => faults.extend(of_row),
                }
            }
            Err(error) => faults.push(Fault::new("row", error.to_string())),
        }
        if faults.len() >= FAULTS_MAX || rows.len() > rows_max {
            break;
        }
    }
    if rows.len() > rows_max {
        return Err(Problem::too_large(format!("more than {rows_max} rows: split the file")));
    }
    if rows.is_empty() && faults.is_empty() {
        return Err(Problem::malformed("no rows: expected a header line and at least one row"));
    }
    if faults.is_empty() { Ok(rows) } else { Err(Problem::invalid(faults)) }
}
