//! The crate from outside. The real writer writes the journals, and other code than the crate's own
//! reads the exports and statements back.

#![allow(clippy::unwrap_used, reason = "a test may fail by it, helpers included")]

mod accounts;
mod command_line;
mod export;
mod export_again;
mod held;
mod insight;
mod past_days;
mod statement;
mod support;
mod terms;
