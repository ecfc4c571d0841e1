//! What the measuring programs share. Everything stays on loopback and ends with the program that
//! started it.

#![expect(clippy::float_arithmetic, reason = "measurements, no money")]

pub mod api;
pub mod process;
pub mod product;
pub mod wrk;
