//! Answers as tables: CSV of what is shown, for people who open it in a spreadsheet. It never lets a
//! text run as a formula.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use shared::spreadsheet::guard;

/// What stands between two cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Separator {
    #[default]
    Comma,
    Semicolon,
}

impl Separator {
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "," => Some(Self::Comma),
            ";" => Some(Self::Semicolon),
            _ => None,
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
        }
    }
}

/// Answers with a table: a header line, and a row for each object.
pub fn table(name: &str, columns: &[&str], rows: &[Value], separator: Separator) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")),
    ];
    (headers, written(columns, rows, separator)).into_response()
}

fn written(columns: &[&str], rows: &[Value], separator: Separator) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(separator.byte())
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    // Writing to memory cannot fail.
    _ = writer.write_record(columns);
    for row in rows {
        _ = writer.write_record(columns.iter().map(|column| cell(&row[*column])));
    }
    writer.into_inner().unwrap_or_default()
}

/// Returns a value as the text of a cell. Numbers and texts that are numbers stay what they are.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if is_number(text) => text.clone(),
        Value::String(text) => guard(text).into_owned(),
        Value::Array(list) if list.iter().all(Value::is_string) => {
            let texts: Vec<_> = list.iter().filter_map(Value::as_str).collect();
            guard(&texts.join(" ")).into_owned()
        }
        other => other.to_string(),
    }
}

/// Returns whether a text is a decimal number, which runs nothing.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    are_digits(whole) && are_digits(fraction)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_holds_what_is_shown_and_runs_nothing() {
        let rows = [json!({
            "name": "=cmd()", "amount": "-12.50", "domains": ["a.example", "b.example"],
            "ends_at": null, "payer": { "name": "x" }, "paused": true, "window_days": 30,
        })];
        let columns =
            ["name", "amount", "domains", "ends_at", "payer", "paused", "window_days", "none"];
        for (separator, first) in [(Separator::Comma, ","), (Separator::Semicolon, ";")] {
            let text = String::from_utf8(written(&columns, &rows, separator)).unwrap();
            let expected = [
                &columns.join(first)[..],
                &[
                    "'=cmd()",
                    "-12.50",
                    "a.example b.example",
                    "",
                    r#""{""name"":""x""}""#,
                    "true",
                    "30",
                    "",
                ]
                .join(first),
                "",
            ];
            assert_eq!(text, expected.join("\r\n"));
        }
    }
}
