//! The one form of everything that comes from outside: a webhook, a postback, a call of the server
//! API, a shop's answer to a reconciliation, a row of an import.

use http::HeaderMap;
use shared::id::MerchantId;
use shared::order::OrderFact;
use shared::time::Timestamp;
use shared::token::{Claims, TokenError};

/// What a shop or a network sent, with everything that is needed to authenticate and to read it.
pub struct Arrival<'a> {
    /// The merchant whose address received it.
    pub merchant: MerchantId,
    pub headers: &'a HeaderMap,
    /// The body of a webhook, the parameters of a postback, or an imported file.
    pub body: &'a [u8],
    pub received_at: Timestamp,
    /// The merchant's secrets that may have signed it. Empty if it was authenticated before.
    pub secrets: &'a [&'a str],
    /// Verifies a click token.
    pub token: &'a dyn Fn(&str) -> Result<Claims, TokenError>,
}

/// Whether an arrival is authentic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authenticity {
    /// It is signed with the merchant's secret.
    Signed,
    /// It is the platform's own unsigned test of the address. It is answered and not read.
    Ping,
    /// It is not authentic.
    Refused(Refusal),
}

/// Why an arrival is not authentic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub cause: Cause,
    /// The reason, for the person who sets up the shop.
    pub text: String,
}

/// The kind of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// There is no signature, or nothing that could be one.
    Unsigned,
    /// The signed time is too far from our clock.
    Stale,
    /// The signature is that of another body, or made with another secret.
    Mismatch,
}

/// The result of reading an arrival.
#[derive(Debug)]
pub enum Reading {
    /// A fact about an order.
    Fact(Box<OrderFact>),
    /// There is nothing to keep. The text gives the reason.
    Ignored(&'static str),
    /// A person asks what is kept of them, or to be erased; somebody must act. The text says how,
    /// and does not say who the person is. Nothing else of the delivery may be kept.
    Asked(String),
    /// It was not understood. The text gives the reason: the field, its value and what was
    /// expected.
    Unparsed(String),
}

#[cfg(test)]
impl<'a> Arrival<'a> {
    /// Returns an arrival for a test: for the first merchant, without secrets, and with a check
    /// that refuses every token.
    pub fn of_test(headers: &'a HeaderMap, body: &'a [u8], received_at: Timestamp) -> Self {
        let merchant = MerchantId::from_bits(1);
        let token = &|_: &str| Err(TokenError::Tag);
        Self { merchant, headers, body, received_at, secrets: &[], token }
    }
}
