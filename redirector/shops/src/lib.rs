//! Pure readers of what shops and networks send. From bytes and a time they make a fact about an
//! order, or give the reason why there is none. Also the requests that ask a shop for its orders.
//!
//! No I/O, no clock, no catalog: the caller provides the time, the secrets and a check of tokens.

#![allow(missing_docs, reason = "an internal crate: names say what a reader must know")]

mod amounts;
mod arrival;
pub mod asking;
mod fields;
mod hex;
pub mod lead;
mod mac;
mod magento;
pub mod plain;
mod platforms;
pub mod postback;
mod says;
mod shopify;
pub mod signature;
pub mod signed_order;
mod stripe;
mod woocommerce;

pub use amounts::{bounded, shape_of};
pub use arrival::{Arrival, Authenticity, Cause, Reading, Refusal};
pub use mac::{Begun, Check};
pub use platforms::{authenticate, begin, is_ping, platform, read, topic, topic_headers};
pub use says::{Answers, Asked, answers};
