//! Tables that are imported: CSV with a header line, as spreadsheets write it. All rows are taken, or
//! none. It never guesses what a column means: readers refuse names that they do not know.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};
use shops::plain;

use entities::Fault;

use crate::problem::Problem;

/// The most mistakes that an import reports.
const FAULTS_MAX: usize = 100;
/// What may separate the cells of a row. Where several stand in the header line, the most frequent
/// one does.
const SEPARATORS: [u8; 3] = *b",;\t";

/// A row, and its line in the file.
pub struct Row {
    pub line: u64,
    /// The texts of the row, by the names in the header line in lower case.
    pub fields: Map<String, Value>,
}

/// Reads every row, or reports the rows that are invalid, each with its line and reason.
///
/// # Errors
/// Every mistake, up to a hundred; or that there is no row, or that there are too many.
pub fn read<T>(
    body: &[u8],
    rows_max: usize,
    mut read_row: impl FnMut(Row) -> Result<T, Vec<Fault>>,
) -> Result<Vec<T>, Problem> {
    let body = utf8(body)?;
    let (separator, lines_before, body) = separated(&body);
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).delimiter(separator).from_reader(body);
    let header =
        reader.headers().map_err(|e| Problem::malformed(format!("header line: {e}")))?.clone();
    let header = names(&header)?;
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    let mut lines = Lines { body, seen: 0, line: lines_before + 1 };
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = lines.at(record.position());
                let read = fields(&header, &record, line);
                match read.and_then(|fields| read_row(Row { line, fields })) {
                    Ok(row) => rows.push(row),
                    Err(of_row) => faults.extend(of_row),
                }
            }
            Err(error) => faults.push(unreadable(&error, &mut lines)),
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

/// Which line of the file a record begins on. The reader's own count is one too low after a line
/// that ends in `\r\n`.
struct Lines<'a> {
    body: &'a [u8],
    /// How much of the body was counted, and the line there.
    seen: usize,
    line: u64,
}

impl Lines<'_> {
    /// Returns the line of a record. Records come in the order of the file.
    fn at(&mut self, position: Option<&csv::Position>) -> u64 {
        let mut start = position.map_or(0, |at| usize::try_from(at.byte()).unwrap_or(usize::MAX));
        while self.body.get(start).is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            start += 1;
        }
        let passed = self.body.get(self.seen..start).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.seen = self.seen.max(start);
        self.line
    }
}

/// Returns what is wrong with a row that is not read.
fn unreadable(error: &csv::Error, lines: &mut Lines<'_>) -> Fault {
    let line = lines.at(error.position());
    let reason = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} cells, the header line has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8: save the file as UTF-8".to_owned(),
        _ => error.to_string(),
    };
    Fault::new(format!("line {line}"), reason)
}

/// Returns the names of the columns in lower case. A name that stands twice hides a column.
fn names(header: &csv::StringRecord) -> Result<Vec<String>, Problem> {
    let names: Vec<String> = header.iter().map(str::to_ascii_lowercase).collect();
    let mut seen = HashSet::new();
    match names.iter().find(|name| !name.is_empty() && !seen.insert(name.as_str())) {
        Some(name) => Err(Problem::malformed(format!("header line: `{name}` stands twice"))),
        None => Ok(names),
    }
}

/// Returns the texts of a row by the names of their columns. Spreadsheets add columns without a name
/// and without a value.
fn fields(
    header: &[String],
    record: &csv::StringRecord,
    line: u64,
) -> Result<Map<String, Value>, Vec<Fault>> {
    let mut fields = Map::new();
    for (name, text) in header.iter().zip(record) {
        let wrong = |reason| vec![Fault::new(format!("line {line}: {name}"), reason)];
        if plain::is_scientific(text) {
            return Err(wrong(plain::rounded(text)));
        }
        if plain::is_spreadsheet_error(text) {
            let reason = "is what a spreadsheet shows where it has no value: mend the formula, or";
            return Err(wrong(format!("`{text}` {reason} leave the cell empty")));
        }
        if !(name.is_empty() && text.is_empty()) {
            fields.insert(name.clone(), Value::from(text));
        }
    }
    Ok(fields)
}

/// Returns a file as UTF-8 without its byte order mark. Spreadsheets write UTF-16 as well.
fn utf8(body: &[u8]) -> Result<Cow<'_, [u8]>, Problem> {
    match body {
        [0xef, 0xbb, 0xbf, rest @ ..] => Ok(rest.into()),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // A header line begins with an ASCII character.
        [first, 0, ..] if *first > 0 => utf16(body, u16::from_le_bytes),
        [0, second, ..] if *second > 0 => utf16(body, u16::from_be_bytes),
        _ => Ok(body.into()),
    }
}

fn utf16(body: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, [u8]>, Problem> {
    let (pairs, rest) = body.as_chunks::<2>();
    let text = char::decode_utf16(pairs.iter().map(|pair| unit(*pair)));
    let text: Result<String, _> = text.collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(text.into_bytes().into()),
        _ => Err(Problem::malformed("the file is neither UTF-8 nor UTF-16: save it as UTF-8")),
    }
}

/// Returns what separates the cells, how many lines come before the header line, and the file from
/// there on. A first line such as `sep=;` is spreadsheets' own way to say it.
fn separated(body: &[u8]) -> (u8, u64, &[u8]) {
    let end = body.iter().position(|byte| *byte == b'\n').unwrap_or(body.len());
    let (first, rest) = (&body[..end], body.get(end + 1..).unwrap_or_default());
    let plain: Vec<u8> =
        first.iter().copied().filter(|byte| !matches!(byte, b'"' | b'\r')).collect();
    if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator] = plain[..]
        && SEPARATORS.contains(&separator)
    {
        return (separator, 1, rest);
    }
    let count = |separator: u8| first.iter().filter(|byte| **byte == separator).count();
    // Of equally frequent ones, the first of the list counts.
    let most = SEPARATORS.into_iter().rev().max_by_key(|separator| count(*separator));
    (most.unwrap_or(b','), 0, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(body: &[u8]) -> Result<Vec<(u64, String)>, String> {
        let read = read(body, 100, |Row { line, fields }| {
            Ok((line, serde_json::to_string(&fields).unwrap()))
        });
        read.map_err(|problem| format!("{problem:?}"))
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2], mark: bool) -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[test]
    fn a_table_is_read_as_spreadsheets_write_it() {
        let expected = Ok(vec![(2, r#"{"code":"ÄNNA, 15","order_id":"7"}"#.to_owned())]);
        let text = "Order_ID;CODE\r\n7;ÄNNA, 15\r\n";
        for body in [
            text.as_bytes().to_vec(),
            format!("\u{feff}{text}").into_bytes(),
            text.replace(';', "\t").into_bytes(),
            "order_id,code\n7,\"ÄNNA, 15\"\n".into(),
            "order_id ; code;;\n7 ; ÄNNA, 15;;\n".into(),
            utf16(text, u16::to_le_bytes, true),
            utf16(text, u16::to_be_bytes, true),
            utf16(text, u16::to_le_bytes, false),
            utf16(text, u16::to_be_bytes, false),
        ] {
            assert_eq!(rows(&body), expected, "{}", String::from_utf8_lossy(&body));
        }
        for said in ["sep=;\n", "SEP=;\r\n", "\"sep=;\"\n"] {
            let found = rows(format!("{said}{text}").as_bytes()).unwrap();
            assert_eq!(found, [(3, expected.clone().unwrap()[0].1.clone())], "{said}");
        }
        let comma = rows(b"sep=,\na,b;c\n1,2\n");
        assert_eq!(comma, Ok(vec![(3, r#"{"a":"1","b;c":"2"}"#.to_owned())]));
    }

    #[test]
    fn what_a_table_cannot_say_is_refused() {
        for (body, named) in [
            ("order_id,total\n8.20983E+17,1\n", "line 2: order_id"),
            ("order_id,total\n7,1.2E+06\n", "line 2: total"),
            ("code,Code\nA,B\n", "`code` stands twice"),
            ("code\n", "no rows"),
        ] {
            let refused = rows(body.as_bytes()).unwrap_err();
            assert!(refused.contains(named), "{refused} should name {named}");
        }
        assert!(rows(b"\xff\xfea\0\n\0b").unwrap_err().contains("UTF-16"), "cut in a character");
        let unnamed = rows(b"a,\n1,2\n");
        assert_eq!(unnamed, Ok(vec![(2, r#"{"":"2","a":"1"}"#.to_owned())]), "a value is not lost");
    }
}
