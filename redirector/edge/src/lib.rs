//! The edge: redirects, pixel events and webhooks on the public listener.
//!
//! Never waits for Redis, for a lookup on disk or for another request. Knows nothing of the hot
//! state, and decides nothing about money.

#![allow(missing_docs, reason = "an internal crate: names say what a reader must know")]

mod addresses;
mod agents;
mod answer;
mod bind;
mod body;
mod collect;
mod connection;
mod context;
mod drain;
mod encrypted;
mod flood;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod gate;
mod handshake;
mod held;
mod image;
mod outbox;
mod pages;
mod qr;
mod quick;
mod redirect;
mod request;
mod route;
mod settings;
mod stream;
pub mod tls;
mod visitor;
mod webhook;
mod worker;

pub use bind::{Listeners, bind};
pub use context::Edge;
pub use settings::{FloodLimits, Proxies, Scheme, Settings};
pub use worker::run;
