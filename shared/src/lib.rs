//! The domain of afterclick: what a click, an order, a catalog and the terms of a commission are, and
//! how the facts of an order fold. `settlement` decides from them who earned what.
//!
//! Pure: no I/O, no clock, no randomness. Time and random bytes are parameters, so that the edge,
//! the batch and a later audit reach the same decision from the same facts, byte for byte. A module
//! imports only from modules below it, never in a circle.
//!
//! The crate builds for wasm32. The feature `native` adds the parts that only servers need. Without
//! the feature `domain` only [`wire`] is left, which does without the standard library: the rules
//! that the pixel shares with the server.

#![cfg_attr(not(feature = "domain"), no_std)]

#[cfg(feature = "domain")]
pub mod catalog;
#[cfg(feature = "domain")]
pub mod class;
#[cfg(feature = "domain")]
pub mod commission;
#[cfg(feature = "domain")]
pub mod event;
#[cfg(feature = "domain")]
pub mod lead;
#[cfg(feature = "domain")]
pub mod order;
#[cfg(feature = "native")]
pub mod record;
#[cfg(feature = "domain")]
pub mod token;

#[cfg(feature = "native")]
pub use basics::agent;
pub use basics::wire;
#[cfg(feature = "domain")]
pub use basics::{
    agency, booking, code, consent, day, id, json, money, payee, payout, platform, rates,
    spreadsheet, stream, target, time, zone,
};
#[cfg(feature = "domain")]
pub use {links, rules};
