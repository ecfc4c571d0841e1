//! What shops' servers report, read into facts. Pure: bytes and time in, a fact or a reason out.

pub(crate) mod woocommerce;

use shared::id::MerchantId;
use shared::order::OrderFact;
use shared::time::Timestamp;
use shared::token::{Claims, TokenError};

/// What reading a report needs beside its bytes.
pub(crate) struct Context<'a> {
    pub(crate) merchant: MerchantId,
    pub(crate) received_at: Timestamp,
    /// Checks a click token.
    pub(crate) token: &'a dyn Fn(&str) -> Result<Claims, TokenError>,
}

/// What a report turned out to be.
#[derive(Debug)]
pub(crate) enum Report {
    /// Something about an order.
    Fact(Box<OrderFact>),
    /// Nothing to keep, and why.
    Ignored(&'static str),
    /// Not understood, and why: the field, the value, what was expected.
    Unparsed(String),
}
