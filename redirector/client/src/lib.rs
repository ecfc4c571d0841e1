//! The command line's HTTP half: for people who run campaigns. One table says which operations
//! there are; arguments, requests and tables follow from it.
//!
//! It knows addresses, tokens, pages, idempotency keys and problem documents. It never reads a
//! journal or a setting, and judges no value: the server does, so a page and a command get the same
//! answer.

mod api;
mod arguments;
mod commission;
pub mod fields;
mod names;
mod of_resources;
pub mod operation;
pub mod operations;
mod others;
mod problem;
pub mod resources;
mod run;
mod shown;
pub mod tokens;

pub use api::Server;
pub use arguments::{Asked, ServerFlags};
pub use problem::Refused;
pub use run::run;
