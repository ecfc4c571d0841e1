//! The admin listener: API, health and metrics, and the page with live figures.
//!
//! Knows nothing of the edge: what that counts comes by `live::status`. Every change goes through
//! the live catalog, which journals it before it is seen.

#![allow(missing_docs, reason = "the product's own rooms; names say what a reader must know")]

pub mod auth;
mod context;
mod entities;
mod fields;
mod figures;
mod health;
mod orders;
mod problem;
mod resources;
mod server;
mod table;

pub use context::Console;
pub use server::run;
