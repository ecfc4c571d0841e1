//! How the API reads and answers, whatever it is asked: parameters, tables, problem documents. It
//! knows no operation and no catalog.

#![allow(missing_docs, reason = "an internal crate: names say what a reader must know")]

pub mod asked;
pub mod cells;
pub mod problem;
pub mod table;

pub use problem::Problem;
