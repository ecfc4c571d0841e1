//! The embedded store: fjall, an LSM tree, in the data folder.
//!
//! It is an index only. It is never fsynced for its own sake, since a lost tail is projected again
//! from the journal.

mod counters;
mod orders;
mod store;

pub(crate) use store::Embedded;
