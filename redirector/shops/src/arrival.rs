//! The one doorway for what comes from outside: a webhook, a postback, a call of the server API, an
//! answer of a shop that was asked, a row of an import.

use http::HeaderMap;
use shared::id::MerchantId;
use shared::order::OrderFact;
use shared::time::Timestamp;
use shared::token::{Claims, TokenError};

/// What a shop or a network sent, with all that is needed to believe it and to read it.
pub struct Arrival<'a> {
    /// Whom it was sent for.
    pub merchant: MerchantId,
    pub headers: &'a HeaderMap,
    /// A webhook's body; the parameters of a postback; a file that is imported.
    pub body: &'a [u8],
    pub received_at: Timestamp,
    /// The merchant's secrets that it may be signed with. Empty where it was authenticated before.
    pub secrets: &'a [&'a str],
    /// Checks a click token.
    pub token: &'a dyn Fn(&str) -> Result<Claims, TokenError>,
}

/// Whether an arrival comes from who it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authenticity {
    /// It is signed with the merchant's secret.
    Signed,
    /// It is the platform's own unsigned test of the address: answered and not read.
    Ping,
    /// Why it is not believed, for whoever sets the shop up.
    Refused(String),
}

/// What an arrival turned out to be.
#[derive(Debug)]
pub enum Reading {
    /// Something about an order.
    Fact(Box<OrderFact>),
    /// Nothing to keep, and why.
    Ignored(&'static str),
    /// Not understood, and why: the field, the value, what was expected.
    Unparsed(String),
}

#[cfg(test)]
impl<'a> Arrival<'a> {
    /// One for a test: for the first merchant, with no secrets, at a shop whose tokens are all
    /// forged.
    pub fn of_test(headers: &'a HeaderMap, body: &'a [u8], received_at: Timestamp) -> Self {
        let merchant = MerchantId::from_bits(1);
        let token = &|_: &str| Err(TokenError::Tag);
        Self { merchant, headers, body, received_at, secrets: &[], token }
    }
}
