//! The pixel's core: checks what a page says of an order, and spells event ids.
//!
//! The modules below are pure, run natively in tests, and share [`shared::wire`] with the server.
//! What touches the browser is the shell, in `web/`; `cargo xtask pixel` joins both, and turns the
//! same core into JavaScript for pages and workers that may not run WebAssembly. Nothing here
//! allocates or can panic: that is what keeps it near 1 KB.

#![cfg_attr(target_arch = "wasm32", no_std)]

pub mod order;
pub mod uuid;

#[cfg(target_arch = "wasm32")]
pub mod border;
