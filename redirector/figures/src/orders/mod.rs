//! The list of orders. An order is shown only to whom it may be shown, and no more of it than that.

pub(crate) mod asked;
mod days;
pub(crate) mod query;
pub(crate) mod question;
mod reader;
pub(crate) mod shown;
