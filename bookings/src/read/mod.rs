//! Journals in: their records decoded into a [`dataset::Dataset`], and how far they were read. It
//! judges no fact, and never writes to a journal.

pub(crate) mod cursor;
pub(crate) mod dataset;
pub(crate) mod facts;
pub(crate) mod journals;
