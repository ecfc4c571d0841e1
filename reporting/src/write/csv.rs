//! CSV by RFC 4180 with a header. It never writes a text that a spreadsheet would run as a formula.

use std::borrow::Cow;
use std::io::{self, Write};

use shared::spreadsheet::guard;

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
