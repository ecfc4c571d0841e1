//! What must hold for any bytes that come from outside: a function for each parser, which panics
//! when something does not hold.
//!
//! `tests/brief.rs` calls them with kept seeds and some mutations of these, in every run of the
//! tests; the binaries in `fuzz/` call them for hours. "It does not panic" is the least; each
//! function says what it asks beyond that. Nothing here may loosen a check of the product, and
//! nothing of the product may know this crate.

mod amount;
mod configuration;
mod deep_link;
mod entry;
mod event;
mod fact;
mod head;
pub mod mutate;
mod postback;
mod segment;
mod server_api;
mod table;
mod token;
mod webhook;
mod world;

pub use amount::{amount, amount_by};
pub use token::{token, token_by};

/// A parser of outside bytes, and what must hold for it.
pub struct Target {
    /// The name, also of the folder of its kept seeds in `fuzz/seeds`.
    pub name: &'static str,
    /// Panics when something does not hold for these bytes.
    pub run: fn(&[u8]),
    /// Seeds that must be computed, such as signed ones.
    pub made: fn() -> Vec<Vec<u8>>,
}

/// Every parser of outside bytes.
pub const TARGETS: &[Target] = &[
    Target { name: "token", run: token, made: token::made },
    Target { name: "cookie", run: head::cookie, made: head::made_cookies },
    Target { name: "head", run: head::head, made: head::made },
    Target { name: "deep_link", run: deep_link::deep_link, made: Vec::new },
    Target { name: "amount", run: amount, made: Vec::new },
    Target { name: "event", run: event::event, made: Vec::new },
    Target { name: "image", run: event::image, made: Vec::new },
    Target { name: "shopify", run: webhook::shopify, made: Vec::new },
    Target { name: "woocommerce", run: webhook::woocommerce, made: Vec::new },
    Target { name: "magento", run: webhook::magento, made: Vec::new },
    Target { name: "stripe", run: webhook::stripe, made: Vec::new },
    Target { name: "postback", run: postback::postback, made: Vec::new },
    Target { name: "server_api", run: server_api::server_api, made: Vec::new },
    Target { name: "table", run: table::table, made: Vec::new },
    Target { name: "segment", run: segment::segment, made: segment::made },
    Target { name: "entry", run: entry::entry, made: entry::made },
    Target { name: "configuration", run: configuration::configuration, made: Vec::new },
];

/// Returns the target with this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
