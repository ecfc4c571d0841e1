//! The crate as its users meet it: journals written by the real writer, exports and statements read
//! back by other code than wrote them.

#![allow(clippy::unwrap_used, reason = "a test may fail by it, helpers included")]

mod command_line;
mod export;
mod export_again;
mod insight;
mod statement;
mod support;
mod terms;
