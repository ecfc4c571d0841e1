//! The product from outside: the real binary, over real HTTP, held to its contract.

mod admin;
mod events;
mod life;
mod redirects;
mod support;
mod webhooks;
