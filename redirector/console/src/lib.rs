//! The admin listener: API, health, metrics, and the page with live figures.
//!
//! It knows nothing of the edge: the edge's counters come through `live::status`. Every change goes
//! through the live catalog, which writes it to the journal before anybody sees it.

#![allow(missing_docs, reason = "an internal crate: names say what a reader must know")]

pub mod auth;
mod balances;
mod caller;
mod context;
mod erasures;
mod figures;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod guesses;
mod health;
mod history;
mod holds;
mod hosts;
mod last_owed;
mod lists;
mod metrics;
mod mistakes;
mod order_list;
mod orders;
mod owed;
mod payouts;
mod pool;
mod resources;
mod rights;
mod routes;
mod server;
mod sheet;
mod shown;
mod sign_in;
mod stats;
mod tokens;
mod trial;
mod tries;

pub use context::Console;
pub use entities::{Remarks, remarks};
pub use guesses::Guesses;
pub use hosts::Hosts;
pub use last_owed::LastOwed;
pub use people::Signer;
pub use server::run;
pub use tries::Tries;
