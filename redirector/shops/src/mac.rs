//! The one check of message authentication codes: HMAC-SHA256 with a merchant's secret, compared in
//! constant time.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Returns whether a code is that of a message, by any of the secrets. The message comes in parts.
pub(crate) fn is_valid(secrets: &[&str], message: &[&[u8]], code: &[u8]) -> bool {
    secrets
        .iter()
        .any(|secret| with(secret, message).is_some_and(|mac| mac.verify_slice(code).is_ok()))
}

/// Returns the code of a message. The message comes in parts.
pub(crate) fn code(secret: &str, message: &[&[u8]]) -> Option<Vec<u8>> {
    Some(with(secret, message)?.finalize().into_bytes().to_vec())
}

fn with(secret: &str, message: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    Some(message.iter().fold(mac, |mac, part| mac.chain_update(part)))
}
