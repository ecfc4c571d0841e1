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
}
