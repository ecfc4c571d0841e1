//! Seals what this installation keeps in places that it does not trust, such as Redis, and what
//! nobody may read without `keys.json`.
//!
//! SECURITY: sealed content can be read, and is believed, only by nodes with the same `keys.json`.
//! Whoever can write to the place can take content away or put an old one back under its own name,
//! but cannot make one, change one, or put it under another name.

use blake3::derive_key;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use shared::token::{KeyRing, KeyState, MasterKey};

/// The version of the layout: version, key id, nonce, encrypted content with its tag.
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 2;
const NONCE_BYTES: usize = 24;

/// What is sealed. Each purpose has keys of its own, so that nothing sealed for one is believed by
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Changes of the catalog, from node to node.
    Exchange,
    /// Secrets in the journal, which is kept for ever.
    Secrets,
    /// Orders in a hot state that nodes share.
    HotState,
    /// Where a list goes on, as whoever reads it is told. It names orders that they may not see.
    Cursors,
}

impl Purpose {
    const fn context(self) -> &'static str {
        match self {
            Self::Exchange => "afterclick 2026-11-30 exchange of changes v1",
            Self::Secrets => "afterclick 2026-11-30 secrets at rest v1",
            Self::HotState => "afterclick 2026-11-30 orders in a shared hot state v1",
            Self::Cursors => "afterclick 2026-12-01 cursors of lists v1",
        }
    }

    /// Returns whether content that was sealed with a key in this state still opens. What is kept
    /// for ever must open as long as the key is there.
    fn opens_with(self, state: KeyState) -> bool {
        match self {
            // SECURITY: what a revoked key sealed in a place that is not trusted may be anybody's.
            Self::Exchange | Self::HotState | Self::Cursors => {
                !matches!(state, KeyState::Retired | KeyState::Revoked)
            }
            Self::Secrets => true,
        }
    }
}

/// Seals content and opens it again, with keys that follow from the master keys.
pub struct Sealer {
    active: u8,
    ciphers: Vec<(u8, XChaCha20Poly1305)>,
}

impl Sealer {
    pub fn new(ring: &KeyRing, purpose: Purpose) -> Self {
        let cipher = |key: &MasterKey| {
            let derived = derive_key(purpose.context(), &key.secret);
            (key.id, XChaCha20Poly1305::new(&derived.into()))
        };
        let usable = ring.keys().iter().filter(|key| purpose.opens_with(key.state));
        Self { active: ring.active().id, ciphers: usable.map(cipher).collect() }
    }

    /// Seals content under a name. It opens only under the same name.
    pub fn seal(&self, name: &[u8], content: &[u8]) -> Vec<u8> {
        let mut sealed = vec![VERSION, self.active];
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let aad = [&sealed, name].concat();
        let payload = Payload { msg: content, aad: &aad };
        let encrypted = self
            .cipher(self.active)
            .and_then(|cipher| cipher.encrypt(&XNonce::from(nonce), payload).ok());
        sealed.extend(nonce);
        // A ring has an active key, and the cipher refuses only what no memory could hold.
        sealed.extend(encrypted.unwrap_or_default());
        sealed
    }

    /// Returns the content that was sealed under this name; `None` for anything else.
    pub fn open(&self, name: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (head, rest) = sealed.split_at_checked(HEAD_BYTES)?;
        let (nonce, encrypted) = rest.split_at_checked(NONCE_BYTES)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
        let [VERSION, key_id] = *head else { return None };
        let aad = [head, name].concat();
        let payload = Payload { msg: encrypted, aad: &aad };
        self.cipher(key_id)?.decrypt(&XNonce::from(nonce), payload).ok()
    }

    fn cipher(&self, key_id: u8) -> Option<&XChaCha20Poly1305> {
        self.ciphers.iter().find(|(id, _)| *id == key_id).map(|(_, cipher)| cipher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u8, state: KeyState) -> MasterKey {
        MasterKey { id, state, secret: [id; 32] }
    }

    fn sealer(keys: Vec<MasterKey>) -> Sealer {
        Sealer::new(&KeyRing::new(keys).unwrap(), Purpose::Exchange)
    }

    #[test]
    fn content_opens_as_it_was_and_under_its_own_name_alone() {
        let sealer = sealer(vec![key(1, KeyState::Active)]);
        let sealed = sealer.seal(b"name", b"content");
        assert_eq!(sealer.open(b"name", &sealed).as_deref(), Some(&b"content"[..]));
        assert_eq!(sealer.open(b"other", &sealed), None);
        assert!(!sealed.windows(7).any(|window| window == b"content"), "it is not readable");
        assert_ne!(sealer.seal(b"name", b"content"), sealed, "no nonce comes twice");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let sealer = sealer(vec![key(1, KeyState::Active)]);
        let sealed = sealer.seal(b"name", b"content");
        for bit in 0..sealed.len() * 8 {
            let mut forged = sealed.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(sealer.open(b"name", &forged), None, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(sealer.open(b"name", &sealed[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn what_is_sealed_for_one_purpose_opens_for_no_other() {
        let ring = || KeyRing::new(vec![key(1, KeyState::Active)]).unwrap();
        let purposes = [Purpose::Exchange, Purpose::HotState];
        for (one, other) in [(0, 1), (1, 0)] {
            let sealed = Sealer::new(&ring(), purposes[one]).seal(b"name", b"content");
            assert!(Sealer::new(&ring(), purposes[one]).open(b"name", &sealed).is_some());
            assert!(Sealer::new(&ring(), purposes[other]).open(b"name", &sealed).is_none());
        }
    }

    #[test]
    fn keys_rotate_and_strangers_stay_out() {
        let before = sealer(vec![key(1, KeyState::Active)]).seal(b"name", b"content");
        let rotated = sealer(vec![key(1, KeyState::VerifyOnly), key(2, KeyState::Active)]);
        assert!(rotated.open(b"name", &before).is_some());
        let retired = sealer(vec![key(1, KeyState::Retired), key(2, KeyState::Active)]);
        assert_eq!(retired.open(b"name", &before), None);
        let revoked = sealer(vec![key(1, KeyState::Revoked), key(2, KeyState::Active)]);
        assert_eq!(revoked.open(b"name", &before), None);
        let stranger = sealer(vec![MasterKey { secret: [9; 32], ..key(1, KeyState::Active) }]);
        assert_eq!(stranger.open(b"name", &before), None);
    }
}
