//! The domain of afterclick: what a click, an order and a commission are, and every decision about them.
//!
//! Pure: no I/O, no clock, no randomness. Time and random bytes are parameters, so that the edge, the batch and a
//! later audit reach the same decision from the same facts, byte for byte. Builds for wasm32; the feature `native`
//! adds what only servers need.

#[cfg(feature = "native")]
pub mod agent;
pub mod attribution;
pub mod catalog;
pub mod class;
pub mod commission;
pub mod event;
pub mod id;
pub mod ledger;
pub mod money;
pub mod order;
pub mod rates;
#[cfg(feature = "native")]
pub mod record;
pub mod time;
pub mod token;
