//! People sign in: by an address that is used up by it, or by a password. The browser keeps a signed
//! cookie; the server keeps nothing.

mod api;
mod cookie;
mod link;
mod page;

pub(crate) use api::{change_me, end, make_link, me, set_password, sign_in, sign_out};
pub(crate) use cookie::caller;
pub(crate) use link::address;
pub(crate) use page::{open, show};
