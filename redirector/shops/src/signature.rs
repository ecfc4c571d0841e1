//! The signature of Stripe and of our own calls: a time and HMACs of time and body, in one header.
//!
//! `t=<unix seconds>,v1=<hex HMAC-SHA256 of "{t}.{raw body}">[,v1=…]`, with a time at most 300
//! seconds from the server's clock. Compared in constant time.

use crate::arrival::{Arrival, Authenticity};
use crate::hex::from_hex;
use crate::mac;

/// The header of our own signatures: Magento module, server API.
pub const OWN_HEADER: &str = "X-Afterclick-Signature";
/// Seconds between the time in a signature and our clock.
const TOLERANCE_SECONDS: u64 = 300;

/// Returns whether an arrival is signed in the header of this name. One of the signatures must fit
/// one of the secrets, and the signed time must be recent.
pub fn timed(header_name: &'static str, arrival: &Arrival<'_>) -> Authenticity {
    let header = arrival.headers.get(header_name).and_then(|header| header.to_str().ok());
    let refused = |reason: &str| Authenticity::Refused(format!("{header_name}{reason}"));
    let Some((time, signatures)) = header.and_then(parts) else {
        return refused(": expected `t=<unix seconds>,v1=<hex>`");
    };
    let message = [time.as_bytes(), b".", arrival.body];
    let mut codes = signatures.into_iter().filter_map(from_hex);
    if !codes.any(|code| mac::is_valid(arrival.secrets, &message, &code)) {
        return refused(" does not fit the body and the merchant's `webhook_secret`");
    }
    let now = arrival.received_at.as_ms().div_euclid(1000);
    if time.parse().is_ok_and(|time: i64| now.abs_diff(time) <= TOLERANCE_SECONDS) {
        return Authenticity::Signed;
    }
    refused(" is stale: its time is more than 300 seconds from the server's clock")
}

/// Returns the time as it was written and signed, and the signatures of `v1`, the only scheme that
/// counts.
fn parts(header: &str) -> Option<(&str, Vec<&str>)> {
    let pairs = || header.split(',').filter_map(|pair| pair.trim().split_once('='));
    let time = pairs().find(|(name, _)| *name == "t")?.1;
    let signatures: Vec<_> =
        pairs().filter(|(name, _)| *name == "v1").map(|(_, hex)| hex).collect();
    (!signatures.is_empty()).then_some((time, signatures))
}
