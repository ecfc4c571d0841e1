//! The pixel: what a shop's page runs to report sessions, leads and purchases.
//!
//! [`pixel`] decides and does nothing: inputs come in, and what is to be done goes out through one
//! port. It runs natively in tests and shares [`shared::wire`] with the server. `browser` does what
//! it says, over web-sys. The scripts in `web/` only start it, and write the page's own objects down
//! as text. `cargo xtask pixel` joins all, and also turns it into JavaScript, for pages and workers
//! that may not run WebAssembly.
//!
//! Nothing here allocates, formats or can panic; that keeps the whole below 8 KB.

#![cfg_attr(target_arch = "wasm32", no_std)]

pub mod pixel;

#[cfg(target_arch = "wasm32")]
mod browser;
