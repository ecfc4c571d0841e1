//! What all parts of a running node share: the live catalog with the immutable copy that the edge
//! reads, the keys, the node's name, the clock, and the status of its parts.
//!
//! Knows neither HTTP nor the hot state. Readers never wait for the disk; only a change of the
//! catalog does.

#![allow(missing_docs, reason = "an internal crate: names say what a reader must know")]

mod catalog;
mod check;
pub mod clock;
pub mod dates;
pub mod entry;
pub mod keys;
pub mod lenient;
pub mod node;
mod rarely;
pub mod seal;
mod secrets;
mod shards;
mod snapshot;
pub mod status;
pub mod stop;

pub use catalog::{ChangeError, Live, for_each_change};
pub use check::{
    check_code, check_destination, check_domain, check_host, check_slug, host_of, is_under,
    kept_host,
};
pub use rarely::Rarely;
pub use secrets::open_secrets;
pub use snapshot::{HotCampaign, HotMerchant, Snapshot};
pub use stop::{Stop, Stopper};
