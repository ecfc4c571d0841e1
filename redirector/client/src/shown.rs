//! Answers as aligned tables. It is a function of the answer and of names: it asks nobody, and
//! decides nothing about amounts.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr;

use crate::names::Names;
use crate::problem::printable;

/// Fields that are remarks on the answer, not part of it.
const REMARKS: [&str; 4] = ["warnings", "notes", "up_to_date", "missing_streams"];
/// What stands between two columns.
const GAP: &str = "  ";

/// Returns rows as a table with a header line. A column that is empty in every row is left out.
pub(crate) fn rows(items: &[Value], columns: &[&str], names: &Names) -> String {
    let table: Vec<Vec<String>> = columns
        .iter()
        .map(|column| items.iter().map(|item| cell(column, at(item, column), names)).collect())
        .collect();
    let filled = columns.iter().zip(table);
    let filled = filled.filter(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()));
    let aligned: Vec<Vec<String>> = filled.map(|(name, cells)| align(name, &cells)).collect();
    let lines = 0..aligned.first().map_or(0, Vec::len);
    lines.map(|line| joined(aligned.iter().map(|column| column[line].as_str()))).collect()
}

/// Returns one thing: a line for each field, these first, then its lists as tables.
pub(crate) fn one(answer: &Value, first: &[&str], names: &Names) -> String {
    let mut flat = Flat::default();
    flat.add("", answer);
    let place = |name: &str| {
        let of = first.iter().position(|column| name == *column || is_part(name, column));
        of.unwrap_or(first.len())
    };
    flat.fields.sort_by_key(|(name, _)| place(name));
    let cells = flat.fields.iter().map(|(name, value)| {
        let field = name.rsplit('.').next().unwrap_or(name);
        (name.as_str(), cell(field, value, names))
    });
    let cells: Vec<_> = cells.filter(|(_, cell)| !cell.is_empty()).collect();
    let width = cells.iter().map(|(name, _)| name.width()).max().unwrap_or_default();
    let line = |(name, cell): &(&str, String)| format!("{name:width$}{GAP}{cell}\n");
    let mut text: String = cells.iter().map(line).collect();
    for (name, items) in flat.lists {
        text.push_str(&format!("\n{name}\n{}", rows(items, &columns_of(items), names)));
    }
    text
}

/// Returns the remarks on an answer, a line each.
pub(crate) fn remarks(answer: &Value) -> Vec<String> {
    let texts =
        |name: &str| answer[name].as_array().into_iter().flatten().filter_map(Value::as_str);
    let warnings = texts("warnings").map(|text| format!("warning: {text}"));
    let notes = texts("notes").map(|text| format!("note: {text}"));
    let missing = texts("missing_streams").map(|stream| {
        format!("warning: the journal of {stream} is missing there, so amounts are not complete")
    });
    let behind = (answer["up_to_date"] == false)
        .then(|| "note: the server is catching up, so the latest is not in these figures".into());
    warnings.chain(notes).chain(missing).chain(behind).map(|line| printable(&line)).collect()
}

fn is_part(name: &str, of: &str) -> bool {
    name.strip_prefix(of).is_some_and(|rest| rest.starts_with('.'))
}

/// The fields of an answer by their whole names, and its lists of things.
#[derive(Default)]
struct Flat<'a> {
    fields: Vec<(String, &'a Value)>,
    lists: Vec<(String, &'a [Value])>,
}

impl<'a> Flat<'a> {
    fn add(&mut self, name: &str, value: &'a Value) {
        match value {
            Value::Object(fields) if amounts(fields).is_none() => {
                let is_remark = |field: &str| name.is_empty() && REMARKS.contains(&field);
                for (field, value) in fields.iter().filter(|(field, _)| !is_remark(field)) {
                    let whole =
                        if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                    self.add(&whole, value);
                }
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                self.lists.push((name.to_owned(), items));
            }
            value => self.fields.push((name.to_owned(), value)),
        }
    }
}

/// Returns the fields of a list's items that fit into cells.
fn columns_of(items: &[Value]) -> Vec<&str> {
    let (mut seen, mut columns) = (BTreeSet::new(), Vec::new());
    for (name, value) in items.iter().filter_map(Value::as_object).flatten() {
        let fits = match value {
            Value::Object(fields) => amounts(fields).is_some(),
            Value::Array(items) => !items.iter().any(|item| item.is_object() || item.is_array()),
            _ => true,
        };
        if fits && seen.insert(name.as_str()) {
            columns.push(name.as_str());
        }
    }
    columns
}

/// Returns a field, or a field of a field: `clicks.raw`.
fn at<'a>(item: &'a Value, column: &str) -> &'a Value {
    column.split('.').fold(item, |value, name| &value[name])
}

fn cell(field: &str, value: &Value, names: &Names) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if ["merchant", "influencer", "campaign"].contains(&field) => {
            names.beside(text)
        }
        Value::String(text) => printable(text),
        Value::Array(items) if !items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().map(|item| cell("", item, names)).collect::<Vec<_>>().join(",")
        }
        Value::Object(fields) => {
            let amounts = amounts(fields).map(|amounts| amounts.join(", "));
            amounts.unwrap_or_else(|| printable(&value.to_string()))
        }
        other => printable(&other.to_string()),
    }
}

/// Returns amounts by currency as texts: `129.90 EUR`.
fn amounts(fields: &Map<String, Value>) -> Option<Vec<String>> {
    let amount = |(currency, amount): (&String, &Value)| {
        let is_currency = currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase());
        Some(format!("{} {currency}", amount.as_str()?)).filter(|_| is_currency)
    };
    fields.iter().map(amount).collect()
}

/// Returns a column with its name on top, all cells equally wide. Numbers stand at the right.
fn align(name: &str, cells: &[String]) -> Vec<String> {
    let is_number =
        |cell: &String| cell.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'));
    let at_right = cells.iter().all(is_number);
    let name = name.rsplit("clicks.").next().unwrap_or(name);
    let name = if name == "raw" { "clicks" } else { name };
    let all = || std::iter::once(name).chain(cells.iter().map(String::as_str));
    let width = all().map(UnicodeWidthStr::width).max().unwrap_or_default();
    let pad = |text: &str| {
        let blanks = " ".repeat(width - text.width());
        if at_right { format!("{blanks}{text}") } else { format!("{text}{blanks}") }
    };
    all().map(pad).collect()
}

fn joined<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    format!("{}\n", cells.collect::<Vec<_>>().join(GAP).trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_aligned_and_numbers_stand_at_the_right() {
        let items = [
            json!({ "id": "lnk_1", "name": "Ülle 陈", "clicks": { "raw": 7 }, "revenue": { "EUR": "1.00", "SEK": "2.00" } }),
            json!({ "id": "lnk_22", "name": "B", "clicks": { "raw": 1200 }, "revenue": {} , "ends_at": null }),
        ];
        let columns = ["id", "name", "clicks.raw", "revenue", "ends_at"];
        assert_eq!(
            rows(&items, &columns, &Names::default()),
            "id      name     clicks  revenue\n\
             lnk_1   Ülle 陈       7  1.00 EUR, 2.00 SEK\n\
             lnk_22  B          1200\n"
        );
        assert_eq!(rows(&[], &columns, &Names::default()), "");
    }

    #[test]
    fn one_thing_shows_its_fields_then_its_lists() {
        let answer = json!({
            "zone": "x", "id": "pay_1", "order": { "total": "9.00", "none": null }, "warnings": ["w"],
            "lines": [{ "influencer": "inf_1", "amount": "5.00" }], "up_to_date": false,
        });
        assert_eq!(
            one(&answer, &["id", "order"], &Names::default()),
            "id           pay_1\norder.total  9.00\nzone         x\n\nlines\namount  influencer\n  5.00  inf_1\n"
        );
        assert_eq!(remarks(&answer).len(), 2);
    }

    #[test]
    fn what_others_wrote_cannot_steer_a_terminal() {
        let items = [json!({ "reason": "\u{1b}]0;x\u{7}\u{9b}" })];
        let shown = rows(&items, &["reason"], &Names::default());
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{shown:?}");
    }
}
