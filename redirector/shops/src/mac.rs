//! The one check of message authentication codes: HMAC-SHA256 with a merchant's secret, compared in
//! constant time.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::arrival::{Authenticity, Cause, Refusal};

/// The codes of one message that are compared. More would only be work for whoever checks them.
const CODES_MAX: usize = 8;
/// Bytes of a code.
const CODE_BYTES: usize = 32;

/// A check of a message that comes piece by piece, so that whoever hashes a large one can do other
/// things in between. The message is hashed once for each secret, however many codes came with it.
pub struct Check {
    macs: Vec<Hmac<Sha256>>,
    codes: Vec<Vec<u8>>,
    mismatch: String,
}

impl Check {
    /// Begins a check. `None` when no code has the length of one. `mismatch` is the reason that is
    /// given when none of the codes fits.
    pub(crate) fn begin(
        secrets: &[&str],
        codes: impl IntoIterator<Item = Vec<u8>>,
        mismatch: String,
    ) -> Option<Self> {
        let codes = codes.into_iter().filter(|code| code.len() == CODE_BYTES);
        let codes: Vec<_> = codes.take(CODES_MAX).collect();
        let macs = secrets.iter().filter_map(|secret| with(secret, &[])).collect();
        (!codes.is_empty()).then_some(Self { macs, codes, mismatch })
    }

    /// Takes the next piece of the message.
    pub fn take(&mut self, piece: &[u8]) {
        self.macs.iter_mut().for_each(|mac| mac.update(piece));
    }

    /// Returns whether one of the codes is that of the whole message by one of the secrets.
    pub fn finish(self) -> Authenticity {
        let fits = |mac: &Hmac<Sha256>| {
            self.codes.iter().any(|code| mac.clone().verify_slice(code).is_ok())
        };
        if self.macs.iter().any(fits) {
            return Authenticity::Signed;
        }
        Authenticity::Refused(Refusal { cause: Cause::Mismatch, text: self.mismatch })
    }
}

/// What the head of an arrival says about its authenticity, before its body is read.
pub enum Begun {
    /// The body must be hashed.
    Check(Check),
    /// It may be the platform's unsigned test of the address, which is short. Anything else is
    /// refused.
    PingOrRefused(Refusal),
    /// It is not authentic, whatever its body is.
    Refused(Refusal),
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(secrets: &[&str], codes: Vec<Vec<u8>>) -> Option<Check> {
        Check::begin(secrets, codes, "it does not fit".to_owned())
    }

    #[test]
    fn a_message_in_pieces_has_the_code_of_the_whole() {
        let body: Vec<u8> = (0..10_000u32).map(|n| (n % 251) as u8).collect();
        let code = code("secret", &[&body]).unwrap();
        for piece_bytes in [1, 63, 64, 65, 4096, 20_000] {
            let mut check = check(&["other", "secret"], vec![vec![7; 32], code.clone()]).unwrap();
            body.chunks(piece_bytes).for_each(|piece| check.take(piece));
            assert_eq!(check.finish(), Authenticity::Signed, "{piece_bytes}");
        }
        let mut check = check(&["other"], vec![code]).unwrap();
        check.take(&body);
        assert!(matches!(check.finish(), Authenticity::Refused(r) if r.cause == Cause::Mismatch));
    }

    #[test]
    fn what_cannot_be_a_code_is_not_hashed_and_many_codes_are_not_compared() {
        for bytes in [0, 31, 33, 64] {
            assert!(check(&["secret"], vec![vec![0; bytes]]).is_none(), "{bytes}");
        }
        let many = check(&["one", "two"], vec![vec![0; 32]; 1000]).unwrap();
        assert_eq!((many.macs.len(), many.codes.len()), (2, CODES_MAX), "one hash for each secret");
    }
}
