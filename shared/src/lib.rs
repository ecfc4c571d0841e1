//! The domain of afterclick: what a click, an order and a commission are, and every decision about
//! them.
//!
//! Pure: no I/O, no clock, no randomness. Time and random bytes are parameters, so that the edge,
//! the batch and a later audit reach the same decision from the same facts, byte for byte. A module
//! imports only from modules below it, never in a circle.
//!
//! The crate builds for wasm32. The feature `native` adds the parts that only servers need. Without
//! the feature `domain` only [`wire`] is left, which does without the standard library: the rules
//! that the pixel shares with the server.

#![cfg_attr(not(feature = "domain"), no_std)]

#[cfg(feature = "native")]
pub mod agent;
#[cfg(feature = "domain")]
pub mod attribution;
#[cfg(feature = "domain")]
pub mod catalog;
#[cfg(feature = "domain")]
pub mod class;
#[cfg(feature = "domain")]
pub mod commission;
#[cfg(feature = "domain")]
pub mod consent;
#[cfg(feature = "domain")]
pub mod customers;
#[cfg(feature = "domain")]
pub mod event;
#[cfg(feature = "domain")]
pub mod held;
#[cfg(feature = "domain")]
pub mod id;
#[cfg(feature = "domain")]
pub mod ledger;
#[cfg(feature = "domain")]
pub mod links;
#[cfg(feature = "domain")]
pub mod money;
#[cfg(feature = "domain")]
pub mod order;
#[cfg(feature = "domain")]
pub mod platform;
#[cfg(feature = "domain")]
pub mod rates;
#[cfg(feature = "native")]
pub mod record;
#[cfg(feature = "domain")]
pub mod stream;
#[cfg(feature = "domain")]
pub mod time;
#[cfg(feature = "domain")]
pub mod token;
pub mod wire;
