//! Tests of the domain's decisions, from facts to the last cent.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

mod bounds;
mod catalog_folding;
mod claims;
mod code_visits;
mod history;
mod holding;
mod leads;
mod order_folding;
mod order_load;
mod plain_fold;
mod rules;
mod world;
