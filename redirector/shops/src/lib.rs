//! Pure readers of what shops and networks send: bytes and time in, a fact about an order or a
//! reason out. Also what to ask a shop for, when it is asked.
//!
//! No I/O, no clock, no catalog: whoever calls brings the time, the secrets and a check of tokens.

#![allow(missing_docs, reason = "the product's own rooms; names say what a reader must know")]

mod amounts;
mod arrival;
pub mod asking;
mod fields;
mod hex;
mod mac;
mod magento;
pub mod plain;
mod platforms;
pub mod postback;
mod shopify;
pub mod signature;
pub mod signed_order;
mod stripe;
mod woocommerce;

pub use amounts::bounded;
pub use arrival::{Arrival, Authenticity, Reading};
pub use platforms::{authenticate, platform, read, topic, topic_headers};
