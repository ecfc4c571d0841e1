//! The edge: redirects, pixel events and webhooks on the public listener. Never waits for Redis,
//! for a look-up on disk or for another request.

mod agents;
mod answer;
mod collect;
pub(crate) mod core;
pub(crate) mod counters;
mod gate;
mod handshake;
mod image;
mod outbox;
mod pages;
mod quick;
mod redirect;
mod request;
mod route;
mod webhook;

pub(crate) use core::{Edge, Listeners, bind, run};
pub(crate) use counters::Counters;
