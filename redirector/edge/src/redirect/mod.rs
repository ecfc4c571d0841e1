//! `GET /{slug}`: a request to a link is decided, recorded, answered.
//!
//! SECURITY: the destination is the stored one, never one from the request. Of the request's query
//! only `utm_…` parameters are passed on, as encoded, and only with characters that a query may
//! have.

mod decide;
mod follow;
mod put;
mod query;

pub(crate) use decide::{LinkRequest, Reply};
pub(crate) use follow::{answer, follow};
