//! The signature of Stripe and of our own calls: a time and HMACs of time and body, in one header.
//!
//! `t=<unix seconds>,v1=<hex HMAC-SHA256 of "{t}.{raw body}">[,v1=…]`, with a time at most 300
//! seconds from the server's clock. Compared in constant time.

use http::HeaderMap;
use shared::time::Timestamp;

use crate::arrival::{Cause, Refusal};
use crate::hex::from_hex;
use crate::mac::{Begun, Check};

/// The header of our own signatures: Magento module, server API.
pub const OWN_HEADER: &str = "X-Afterclick-Signature";
/// Seconds between the time in a signature and our clock.
const TOLERANCE_SECONDS: u64 = 300;

/// Begins to check an arrival that is signed in the header of this name. One of the signatures must
/// fit one of the secrets, and the signed time must be recent, which is checked first.
pub fn begin(
    header_name: &'static str,
    headers: &HeaderMap,
    secrets: &[&str],
    received_at: Timestamp,
) -> Begun {
    let header = headers.get(header_name).and_then(|header| header.to_str().ok());
    let refused = |cause, reason: &str| {
        Begun::Refused(Refusal { cause, text: format!("{header_name}{reason}") })
    };
    let unsigned = || refused(Cause::Unsigned, ": expected `t=<unix seconds>,v1=<hex>`");
    let Some((time, signatures)) = header.and_then(parts) else { return unsigned() };
    let now = received_at.as_ms().div_euclid(1000);
    let Ok(signed_at) = time.parse::<i64>() else { return unsigned() };
    if now.abs_diff(signed_at) > TOLERANCE_SECONDS {
        let reason = " is stale: its time is more than 300 seconds from the server's clock";
        return refused(Cause::Stale, reason);
    }
    let mismatch =
        format!("{header_name} does not fit the body and the merchant's `webhook_secret`");
    let codes = signatures.into_iter().filter_map(from_hex);
    let Some(mut check) = Check::begin(secrets, codes, mismatch) else { return unsigned() };
    check.take(time.as_bytes());
    check.take(b".");
    Begun::Check(check)
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
