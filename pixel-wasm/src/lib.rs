//! The pixel's core: checks what a page says of an order, and writes event ids.
//!
//! The modules are pure, except for the border. They run natively in tests and share
//! [`shared::wire`] with the server. Only the shell in `web/` touches the browser.
//! `cargo xtask pixel` joins both, and also turns the core into JavaScript, for pages and workers
//! that may not run WebAssembly. Nothing here allocates or can panic; that keeps the core near
//! 1 KB.

#![cfg_attr(target_arch = "wasm32", no_std)]

pub mod order;
pub mod uuid;

#[cfg(target_arch = "wasm32")]
pub mod border;
