//! The demo: the real product, a small shop and a real browser on one machine, over real HTTP.
//!
//! It stands for everyone outside the product, so it never uses the product's own code. It starts
//! the binaries, speaks HTTP, and computes the expected figures itself.

pub mod browser;
pub mod figures;
pub mod money;
pub mod scene;
pub mod shop;
pub mod walk;
pub mod webhook;
