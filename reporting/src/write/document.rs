//! A document: what it is called, facts about it, and its tables. It knows no form in which it is written.

use crate::write::print::{Block, Cell};

/// A table of a document with its name.
pub(crate) struct Table {
    /// The key of its name in [`crate::write::words`], and its name in JSON.
    pub(crate) name: &'static str,
    pub(crate) block: Block,
}

/// What is written.
pub(crate) struct Document {
    /// The key of its title.
    pub(crate) title: &'static str,
    /// What it is about: keys and values, in order.
    pub(crate) facts: Vec<(&'static str, Cell)>,
    /// Its tables, the most important one first.
    pub(crate) tables: Vec<Table>,
    /// What it is made of, a row each: written below the others when that is asked for.
    pub(crate) lines: Option<Table>,
}

impl Document {
    /// Returns the tables to write.
    pub(crate) fn tables(&self, with_lines: bool) -> impl Iterator<Item = &Table> {
        self.tables.iter().chain(self.lines.as_ref().filter(|_| with_lines))
    }

    /// Returns the lines as CSV.
    pub(crate) fn lines_csv(&self) -> String {
        self.lines.as_ref().map_or_else(String::new, |lines| lines.block.to_csv())
    }
}
