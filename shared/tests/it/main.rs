//! Tests of the domain's decisions, from facts to the last cent.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

mod links;
