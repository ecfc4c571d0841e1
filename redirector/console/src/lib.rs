//! The admin listener: API, health, metrics, and the page with live figures.
//!
//! It knows nothing of the edge: the edge's counters come through `live::status`. Every change goes
//! through the live catalog, which writes it to the journal before anybody sees it.

#![allow(missing_docs, reason = "an internal crate: names say what a reader must know")]

mod asked;
pub mod auth;
mod balances;
mod beyond;
mod context;
mod entities;
mod erasures;
mod fields;
mod figures;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod guesses;
mod health;
mod holds;
mod hosts;
mod last_owed;
mod metrics;
mod orders;
mod owed;
mod payouts;
mod pool;
mod problem;
mod resources;
mod server;
mod shown;
mod table;
mod tokens;
mod trial;

pub use context::Console;
pub use entities::{Remarks, remarks};
pub use guesses::Guesses;
pub use hosts::Hosts;
pub use last_owed::LastOwed;
pub use server::run;
