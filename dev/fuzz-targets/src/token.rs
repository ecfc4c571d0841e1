//! Click tokens. Beyond no panic: what verifies is spelled in exactly one way, its claims make the
//! same token again, and it verifies for no other merchant, with no other key, and with no character
//! changed.

use shared::id::MerchantId;
use shared::time::Timestamp;
use shared::token::{Claims, TokenError, TokenKey};

use crate::world::{self, MASTER};

/// Asks it of the product's verification.
pub fn token(bytes: &[u8]) {
    token_by(
        |text, master| {
            Claims::verify(text, Timestamp::from_ms(i64::MAX), |_, merchant| {
                Ok(TokenKey::derive(master, merchant))
            })
        },
        bytes,
    );
}

/// Asks it of any verification: a wrong one shows that it is noticed.
pub fn token_by(verify: impl Fn(&[u8], &[u8; 32]) -> Result<Claims, TokenError>, bytes: &[u8]) {
    let Ok(claims) = verify(bytes, &MASTER) else { return };
    let again = claims.encode(&TokenKey::derive(&MASTER, claims.merchant));
    assert_eq!(again.as_slice(), bytes, "a token has one spelling");
    assert_eq!(verify(&again, &MASTER), Ok(claims), "what is encoded is decoded");
    assert!(verify(bytes, &[8; 32]).is_err(), "another key signed it");
    let other = Claims { merchant: MerchantId::from_bits(claims.merchant.bits() ^ 1), ..claims };
    let foreign = other.encode(&TokenKey::derive(&MASTER, claims.merchant));
    assert!(verify(&foreign, &MASTER).is_err(), "one merchant's key signs for no other");
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(verify(&changed, &MASTER).is_err(), "character {at} may be changed");
    }
}

pub(crate) fn made() -> Vec<Vec<u8>> {
    let of = |claims: Claims| claims.encode(&TokenKey::derive(&MASTER, claims.merchant)).to_vec();
    let claims = world::claims();
    let late = Claims { issued_at: Timestamp::from_ms(i64::MAX), window_minutes: 0, ..claims };
    vec![of(claims), of(late), of(Claims { merchant: MerchantId::from_bits(u64::MAX), ..claims })]
}
