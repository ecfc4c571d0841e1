//! The pixel: runs on a shop's pages, keeps the click token, and reports sessions, leads and purchases.
//!
//! It never throws into the page, never delays a navigation, never tracks across sites, and once consent is denied it
//! stores nothing and sends nothing. What it reports is a claim: the shop's own server has the last word on orders.
//!
//! The modules below are pure and run natively in tests; `page` and `pixel` are the browser's side and exist on
//! wasm32 alone. `loader/loader.js` brings the core into the page, and `cargo xtask pixel` joins all of it.

pub mod body;
pub mod kept;
pub mod landing;
pub mod order;
pub mod text;
pub mod uuid;

#[cfg(target_arch = "wasm32")]
mod page;
#[cfg(target_arch = "wasm32")]
mod pixel;

// The standard allocator would be the largest single part of the core. A page view allocates a few kilobytes, once.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: lol_alloc::LockedAllocator<lol_alloc::FreeListAllocator> =
    lol_alloc::LockedAllocator::new(lol_alloc::FreeListAllocator::new());
