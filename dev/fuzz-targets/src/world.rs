//! The small world in which bytes are read: one merchant, fixed keys and secrets, a fixed time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use shared::consent::Consent;
use shared::id::{ClickId, LinkId, MerchantId};
use shared::time::Timestamp;
use shared::token::{Claims, Kind, TOKEN_CHARS, TokenError, TokenKey};

/// When everything arrives: 2026-09-21.
pub(crate) const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);
/// The merchant for whom everything arrives.
pub(crate) const MERCHANT: MerchantId = MerchantId::from_bits(1);
/// The secret by which the targets sign.
pub(crate) const SECRET: &str = "a secret that targets sign with";
/// A secret by which nothing is signed: what fits it, fits without a right code.
pub(crate) const UNKNOWN_SECRET: &str = "a secret that nobody signs with";
/// The one master key, with the id 1.
pub(crate) const MASTER: [u8; 32] = [7; 32];

/// Returns the claims of the only click there is.
pub(crate) fn claims() -> Claims {
    Claims {
        key_id: 1,
        kind: Kind::Click,
        consent: Consent::Granted,
        issued_at: Timestamp::from_ms(1_789_900_000_000),
        window_minutes: 43_200,
        merchant: MERCHANT,
        link: LinkId::from_bits(5),
        click: ClickId::from_bytes([3; 16]),
    }
}

/// Returns the text of that click's token.
pub(crate) fn token() -> String {
    let token: [u8; TOKEN_CHARS] = claims().encode(&TokenKey::derive(&MASTER, MERCHANT));
    token.iter().map(|byte| char::from(*byte)).collect()
}

/// Verifies a token in this world.
pub(crate) fn verify(text: &str) -> Result<Claims, TokenError> {
    Claims::verify(text.as_bytes(), NOW, |key_id, merchant| {
        if key_id == 1 { Ok(TokenKey::derive(&MASTER, merchant)) } else { Err(TokenError::Key) }
    })
}

/// Returns the HMAC-SHA256 of a message, computed without the product's code.
pub(crate) fn mac(secret: &str, message: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
    let mac = mac.expect("HMAC takes keys of any length").chain_update(message);
    mac.finalize().into_bytes().to_vec()
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns what stands before the first line break, and what stands behind it.
pub(crate) fn first_line(bytes: &[u8]) -> (&str, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let line = str::from_utf8(&bytes[..end]).unwrap_or_default();
    (line, bytes.get(end + 1..).unwrap_or_default())
}
