//! The ground of the domain: ids with one spelling, times, amounts, closed sets. They make wrong
//! values unsayable, and know nothing of clicks and orders.
//!
//! Pure and without floats. Without the feature `domain` only [`wire`] is left, which does without
//! the standard library: the rules that the pixel shares with the server.
//!
//! Other crates use it through `shared`.

#![cfg_attr(not(feature = "domain"), no_std)]

#[cfg(feature = "domain")]
pub mod agency;
#[cfg(feature = "domain")]
pub mod agent;
#[cfg(feature = "domain")]
pub mod booking;
#[cfg(feature = "domain")]
pub mod code;
#[cfg(feature = "domain")]
pub mod consent;
#[cfg(feature = "domain")]
pub mod day;
#[cfg(feature = "domain")]
pub mod id;
#[cfg(feature = "domain")]
pub mod json;
#[cfg(feature = "domain")]
pub mod money;
#[cfg(feature = "domain")]
pub mod page_order;
#[cfg(feature = "domain")]
pub mod payee;
#[cfg(feature = "domain")]
pub mod payout;
#[cfg(feature = "domain")]
pub mod platform;
#[cfg(feature = "domain")]
pub mod rates;
#[cfg(feature = "domain")]
pub mod spreadsheet;
#[cfg(feature = "domain")]
pub mod stream;
#[cfg(feature = "domain")]
pub mod target;
#[cfg(feature = "domain")]
pub mod time;
pub mod wire;
#[cfg(feature = "domain")]
pub mod zone;
