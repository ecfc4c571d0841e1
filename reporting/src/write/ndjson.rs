//! NDJSON: one object on each line, with the columns in order. It never leaves a column out: an
//! unknown value is `null`.

use std::io::{self, Write};

use crate::tables::columns::{Cell, Sheet};

pub(super) fn write(sheet: &Sheet, mut out: impl Write) -> io::Result<()> {
    for row in 0..sheet.rows() {
        for (index, (field, cell)) in sheet.fields().iter().zip(sheet.row(row)).enumerate() {
            let before = if index == 0 { "{" } else { "," };
            write!(out, "{before}\"{}\":", field.name)?;
            write_value(cell, &mut out)?;
        }
        out.write_all(b"}\n")?;
    }
    Ok(())
}

fn write_value(cell: Cell<'_>, out: &mut impl Write) -> io::Result<()> {
    match cell {
        Cell::Null => out.write_all(b"null"),
        Cell::Id(text) | Cell::Text(text) => Ok(serde_json::to_writer(out, text)?),
        Cell::Time(time) => write!(out, "\"{time}\""),
        Cell::Integer(number) => write!(out, "{number}"),
        Cell::Flag(flag) => write!(out, "{flag}"),
    }
}
