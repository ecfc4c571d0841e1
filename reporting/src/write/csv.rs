//! CSV by RFC 4180 with a header. It never writes a text that a spreadsheet would run as a formula.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::tables::columns::{Cell, Sheet};

pub(super) fn write(sheet: &Sheet, out: impl Write) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    writer.write_record(sheet.fields().iter().map(|field| field.name))?;
    for row in 0..sheet.rows() {
        for cell in sheet.row(row) {
            writer.write_field(text(cell).as_bytes())?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    writer.flush()
}

fn text(cell: Cell<'_>) -> Cow<'_, str> {
    match cell {
        Cell::Null => "".into(),
        // An id cannot carry a formula, and a changed id would no longer join.
        Cell::Id(text) => text.into(),
        Cell::Text(text) => guard(text),
        Cell::Time(time) => time.to_string().into(),
        Cell::Integer(number) => number.to_string().into(),
        Cell::Flag(flag) => if flag { "true" } else { "false" }.into(),
    }
}

// SECURITY: shops, influencers and visitors choose these texts, and merchants open them in
// spreadsheets.
/// Puts an apostrophe before a text that a spreadsheet would run as a formula, even if blanks stand
/// before the formula.
pub(crate) fn guard(text: &str) -> Cow<'_, str> {
    let starts_formula = |c: char| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
    let shown = text
        .trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '\u{200b}' | '\u{feff}'));
    let leading = &text[..text.len() - shown.len()];
    if shown.starts_with(starts_formula) || leading.contains(['\t', '\r', '\n']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_a_spreadsheet_would_run_gets_an_apostrophe() {
        for formula in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\tx",
            "\rx",
            "\nx",
            "  =1",
            "\u{a0}=1",
            "\u{feff}=1",
            "＝1",
            " \t1",
        ] {
            assert_eq!(guard(formula), format!("'{formula}"), "{formula:?}");
        }
        for plain in ["", "1001", "anna", "a=1", " blank", "'=1", "#1001", "ANNA15"] {
            assert_eq!(guard(plain), plain);
        }
    }
}
