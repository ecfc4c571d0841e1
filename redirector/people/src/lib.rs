//! How people prove who they are: links for signing in, sign-ins that a browser keeps, passwords,
//! and where a request came from.
//!
//! Pure: it reads no clock, no catalog and no request, and keeps nothing. Nothing has to be kept:
//! what is signed here says all, and what a person's entry in the catalog says ends it.

#![allow(missing_docs, reason = "an internal crate: names say what a reader must know")]

mod origin;
mod password;
mod signer;

pub use origin::{Asked, is_ours};
pub use password::{PASSWORD_CHARS, hash, is_right};
pub use signer::{LinkError, SignIn, Signer};
