//! Shared by the measuring programs. It never leaves loopback, and every process ends with the
//! program that started it.

#![expect(clippy::float_arithmetic, reason = "measurements, no money")]

pub mod api;
pub mod process;
pub mod product;
pub mod wrk;
