//! Reports as text: CSV for programs and spreadsheets, aligned columns for people. It never changes
//! a figure.

use shared::spreadsheet::guard;

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendering {
    /// For programs and spreadsheets.
    Csv,
    /// For people.
    Table,
}

/// Renders blocks, with an empty line between them.
pub(crate) fn print(rendering: Rendering, blocks: &[Block]) -> String {
    let print = match rendering {
        Rendering::Csv => Block::to_csv,
        Rendering::Table => Block::to_table,
    };
    blocks.iter().map(print).collect::<Vec<_>>().join("\n")
}

/// One printed value.
pub(crate) enum Cell {
    /// An id, word or time that afterclick made.
    Id(String),
    /// Text that a shop or an influencer chose.
    Text(String),
    /// A count or an amount.
    Number(String),
    /// A word of a closed set, which pages for people translate.
    Word(&'static str),
}

impl Cell {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Id(text) | Self::Text(text) | Self::Number(text) => text,
            Self::Word(word) => word,
        }
    }
}

/// Rows under a header.
pub(crate) struct Block {
    header: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

impl Block {
    pub(crate) fn of(
        header: &'static [&'static str],
        rows: impl Iterator<Item = Vec<Cell>>,
    ) -> Self {
        Self { header, rows: rows.collect() }
    }

    /// Returns the names of the columns.
    pub(crate) const fn header(&self) -> &'static [&'static str] {
        self.header
    }

    /// Returns the rows, each with a cell a column.
    pub(crate) fn rows(&self) -> &[Vec<Cell>] {
        &self.rows
    }

    pub(crate) fn to_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let written = writer.write_record(self.header).and_then(|()| {
            self.rows.iter().try_for_each(|row| {
                writer.write_record(row.iter().map(|cell| match cell {
                    Cell::Text(text) => guard(text).into_owned(),
                    other => other.as_str().to_owned(),
                }))
            })
        });
        debug_assert!(
            written.is_ok(),
            "rows are as long as their header, and memory takes every byte"
        );
        String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
    }

    pub(crate) fn to_table(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].as_str().chars().count());
            cells.chain([self.header[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let numeric: Vec<bool> = (0..self.header.len())
            .map(|column| {
                self.rows.first().is_some_and(|row| matches!(row[column], Cell::Number(_)))
            })
            .collect();
        let print = |cells: Vec<String>| {
            let padded =
                cells.iter().zip(&widths).zip(&numeric).map(|((cell, &width), &numeric)| {
                    if numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
                });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        let header = self.header.iter().map(|name| (*name).to_owned()).collect();
        let rows =
            self.rows.iter().map(|row| row.iter().map(|cell| printable(cell.as_str())).collect());
        std::iter::once(header).chain(rows).map(print).collect()
    }
}

// SECURITY: names come from outside and must not move a terminal's cursor.
/// Replaces control characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
