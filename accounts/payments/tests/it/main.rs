//! Payment files, seen from outside: what is written, what is refused, and what readers that share
//! no code with this crate find in them.

#![allow(clippy::unwrap_used, reason = "a test may fail by it, helpers included")]

mod any;
mod readers;
mod refused;
mod support;
mod written;
