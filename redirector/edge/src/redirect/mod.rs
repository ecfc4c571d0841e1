//! `GET /{slug}`: a request to a link is decided, recorded and answered.
//!
//! SECURITY: the destination is the stored one, never one from the request. Only the `utm_…`
//! parameters of the request's query are passed on. They are spelled anew, so that they have only
//! characters that a query may have. Where the link allows it, what stands behind its slug goes on
//! with the destination's path (`deep`).

mod decide;
mod deep;
mod follow;
mod put;
mod query;

pub(crate) use decide::{LinkRequest, Reply};
#[cfg(feature = "fuzz")]
pub(crate) use deep::join;
pub(crate) use follow::{answer, follow};
