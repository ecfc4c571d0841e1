//! The click token, version 1: 57 signed bytes, spelled as exactly 76 base64url characters.
//!
//! A token holds everything that crediting a click needs, so that an order with a token is credited
//! even if every store is lost. Only the key is secret. This module never reads a clock.
//!
//! # Format
//! Fixed offsets, big-endian numbers, no parser:
//!
//! ```text
//!  0  1  version = 1            9  3  window, minutes          41 16  tag: first 16 bytes of keyed BLAKE3
//!  1  1  key id                12  5  merchant id                     over bytes 0..41
//!  2  1  kind                  17  8  link id
//!  3  1  flags                 25 16  click id (random)
//!  4  5  issued at, ms since 2024-01-01T00:00:00Z
//! ```
//!
//! 57 bytes are 76 characters without padding and without spare bits, so a token has one spelling.
//! The key is derived from the master key for each merchant, so a token made for one merchant
//! verifies for no other.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::consent::Consent;
use crate::id::{ClickId, LinkId, MerchantId};
use crate::time::{Span, Timestamp};

/// The number of bytes of a token.
pub const TOKEN_BYTES: usize = 57;
/// The number of characters of a token's text.
pub const TOKEN_CHARS: usize = 76;

const VERSION: u8 = 1;
const TAG_AT: usize = 41;
/// 2024-01-01T00:00:00Z.
const EPOCH_MS: i64 = 1_704_067_200_000;
const ISSUED_MAX: u64 = (1 << 40) - 1;
/// The longest window that a token can hold: 24 bits of minutes, about 31 years.
pub const WINDOW_MINUTES_MAX: u32 = (1 << 24) - 1;
/// The time by which the clock that dated a token may be ahead of ours: another node's, or our own
/// before it was set back. Whether such a click counts is decided when its order is settled.
pub const AHEAD_MAX: Span = Span::days(1);

/// The kind of a token. A token of one kind is never accepted as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A click on a link.
    Click,
}

/// The contents of a valid token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims {
    /// The id of the master key that signed it.
    pub key_id: u8,
    /// The kind of the token.
    pub kind: Kind,
    /// The visitor's consent when it was issued.
    pub consent: Consent,
    /// The time of the click.
    pub issued_at: Timestamp,
    /// The attribution window in minutes, at most [`WINDOW_MINUTES_MAX`].
    pub window_minutes: u32,
    /// The merchant for whom it is valid.
    pub merchant: MerchantId,
    /// The link that was clicked.
    pub link: LinkId,
    /// The id of the click.
    pub click: ClickId,
}

/// The reason why a token is invalid, in the order of the checks. The sender is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not have 76 characters.
    #[error("token: expected 76 characters")]
    Length,
    /// It is not base64url.
    #[error("token: expected base64url characters")]
    Alphabet,
    /// Its version is not 1.
    #[error("token: unknown version")]
    Version,
    /// Its key is not in the ring, or is retired.
    #[error("token: unknown or retired key")]
    Key,
    /// Its merchant does not exist here.
    #[error("token: unknown merchant")]
    Merchant,
    /// Its signature is invalid: the token is forged, damaged or for another merchant.
    #[error("token: signature does not fit")]
    Tag,
    /// Its signature is valid, but it has fields that no version of afterclick writes.
    #[error("token: impossible field")]
    Field,
    /// It was issued more than a day in the future.
    #[error("token: issued more than a day in the future; check the clocks of all nodes")]
    Future,
}

/// A signing key, derived for one merchant from one master key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenKey([u8; 32]);

impl TokenKey {
    /// Derives the key for `merchant` from a master key.
    pub fn derive(master: &[u8; 32], merchant: MerchantId) -> Self {
        let mut material = [0; 40];
        material[..32].copy_from_slice(master);
        material[32..].copy_from_slice(&merchant.bits().to_be_bytes());
        Self(blake3::derive_key("afterclick 2026-11-22 click token v1", &material))
    }

    fn tag(&self, body: &[u8]) -> [u8; 16] {
        let mut tag = [0; 16];
        tag.copy_from_slice(&blake3::keyed_hash(&self.0, body).as_bytes()[..16]);
        tag
    }
}

impl Claims {
    /// Signs the claims and spells the token.
    pub fn encode(&self, key: &TokenKey) -> [u8; TOKEN_CHARS] {
        let mut bytes = self.body();
        let tag = key.tag(&bytes[..TAG_AT]);
        bytes[TAG_AT..].copy_from_slice(&tag);
        let mut text = [0; TOKEN_CHARS];
        let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        debug_assert_eq!(written, Ok(TOKEN_CHARS));
        text
    }

    fn body(&self) -> [u8; TOKEN_BYTES] {
        let issued = self.issued_at.as_ms().saturating_sub(EPOCH_MS);
        let issued = u64::try_from(issued).unwrap_or(0).min(ISSUED_MAX);
        let mut bytes = [0; TOKEN_BYTES];
        bytes[0] = VERSION;
        bytes[1] = self.key_id;
        bytes[2] = match self.kind {
            Kind::Click => 1,
        };
        bytes[3] = consent_bits(self.consent);
        bytes[4..9].copy_from_slice(&issued.to_be_bytes()[3..]);
        bytes[9..12]
            .copy_from_slice(&self.window_minutes.min(WINDOW_MINUTES_MAX).to_be_bytes()[1..]);
        bytes[12..17].copy_from_slice(&self.merchant.bits().to_be_bytes()[3..]);
        bytes[17..25].copy_from_slice(&self.link.bits().to_be_bytes());
        bytes[25..41].copy_from_slice(self.click.as_bytes());
        bytes
    }

    /// Checks a token's text and reads it.
    ///
    /// `key` finds the verifying key of a merchant, or returns [`TokenError::Key`] or
    /// [`TokenError::Merchant`]. The window is not checked: a late order is kept and labelled, not
    /// refused.
    ///
    /// # Errors
    /// The first check that failed, in the order length, alphabet, version, key, merchant, tag,
    /// fields, time.
    pub fn verify(
        text: &[u8],
        now: Timestamp,
        key: impl FnOnce(u8, MerchantId) -> Result<TokenKey, TokenError>,
    ) -> Result<Self, TokenError> {
        if text.len() != TOKEN_CHARS {
            return Err(TokenError::Length);
        }
        let mut bytes = [0; TOKEN_BYTES];
        URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(|_| TokenError::Alphabet)?;
        if bytes[0] != VERSION {
            return Err(TokenError::Version);
        }
        let merchant = MerchantId::from_bits(number(&bytes[12..17]));
        let tag = key(bytes[1], merchant)?.tag(&bytes[..TAG_AT]);
        if !bool::from(tag.ct_eq(&bytes[TAG_AT..])) {
            return Err(TokenError::Tag);
        }
        let claims = Self::read(&bytes, merchant)?;
        if claims.issued_at > now.plus(AHEAD_MAX) {
            return Err(TokenError::Future);
        }
        Ok(claims)
    }

    fn read(bytes: &[u8; TOKEN_BYTES], merchant: MerchantId) -> Result<Self, TokenError> {
        let mut click = [0; 16];
        click.copy_from_slice(&bytes[25..41]);
        Ok(Self {
            key_id: bytes[1],
            kind: match bytes[2] {
                1 => Kind::Click,
                _ => return Err(TokenError::Field),
            },
            consent: consent_of(bytes[3])?,
            issued_at: Timestamp::from_ms(
                EPOCH_MS + i64::try_from(number(&bytes[4..9])).unwrap_or(0),
            ),
            window_minutes: u32::try_from(number(&bytes[9..12])).unwrap_or(WINDOW_MINUTES_MAX),
            merchant,
            link: LinkId::from_bits(number(&bytes[17..25])),
            click: ClickId::from_bytes(click),
        })
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, &byte| (sum << 8) | u64::from(byte))
}

pub(crate) const fn consent_bits(consent: Consent) -> u8 {
    match consent {
        Consent::Unknown => 0,
        Consent::Granted => 1,
        Consent::Denied => 2,
    }
}

pub(crate) const fn consent_of(flags: u8) -> Result<Consent, TokenError> {
    match flags {
        0 => Ok(Consent::Unknown),
        1 => Ok(Consent::Granted),
        2 => Ok(Consent::Denied),
        _ => Err(TokenError::Field),
    }
}

/// The state of a master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Every node has it. It verifies, but does not sign yet.
    Next,
    /// It signs and verifies. Exactly one key is active.
    Active,
    /// It only verifies, until the last window that it signed has ended.
    VerifyOnly,
    /// It is refused.
    Retired,
    /// It may be in wrong hands. It signs nothing and seals nothing, but its tokens are still read:
    /// the orders that they bring are attributed, and their commissions are held.
    Revoked,
}

impl KeyState {
    /// Returns the word that the key file uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::VerifyOnly => "verify-only",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }
}

/// A master key.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    /// The id of the key, which is part of tokens.
    pub id: u8,
    /// The state of the key.
    pub state: KeyState,
    /// The secret; never logged, never exported.
    pub secret: [u8; 32],
}

/// The master keys of an installation. Exactly one of them is active.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRing {
    keys: Vec<MasterKey>,
    active: usize,
}

/// The reason why keys do not make a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// None or several keys are active.
    #[error("keys: expected exactly one key in state `active`, found {0}")]
    NotOneActive(usize),
    /// Two keys share an id.
    #[error("keys: key id {0} stands twice")]
    DuplicateId(u8),
}

impl KeyRing {
    /// Makes a ring.
    ///
    /// # Errors
    /// When not exactly one key is active, or when two keys have one id.
    pub fn new(keys: Vec<MasterKey>) -> Result<Self, KeyRingError> {
        let active: Vec<_> =
            (0..keys.len()).filter(|&i| keys[i].state == KeyState::Active).collect();
        let [active] = active[..] else { return Err(KeyRingError::NotOneActive(active.len())) };
        for (index, key) in keys.iter().enumerate() {
            if keys[..index].iter().any(|other| other.id == key.id) {
                return Err(KeyRingError::DuplicateId(key.id));
            }
        }
        Ok(Self { keys, active })
    }

    /// Returns the key that signs.
    pub fn active(&self) -> &MasterKey {
        &self.keys[self.active]
    }

    /// Returns the key that verifies tokens of a merchant, who must exist.
    ///
    /// # Errors
    /// [`TokenError::Key`] for a key id that is unknown or retired.
    pub fn verifying(&self, key_id: u8, merchant: MerchantId) -> Result<TokenKey, TokenError> {
        let key = self.keys.iter().find(|key| key.id == key_id && key.state != KeyState::Retired);
        key.map(|key| TokenKey::derive(&key.secret, merchant)).ok_or(TokenError::Key)
    }

    /// Returns all keys, for listing and storing.
    pub fn keys(&self) -> &[MasterKey] {
        &self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MASTER: [u8; 32] = [9; 32];

    fn claims() -> impl Strategy<Value = Claims> {
        (any::<u8>(), 0u8..3, 0..=ISSUED_MAX, 0..=WINDOW_MINUTES_MAX, any::<(u64, u64, [u8; 16])>())
            .prop_map(|(key_id, consent, issued, window_minutes, (merchant, link, click))| Claims {
                key_id,
                kind: Kind::Click,
                consent: consent_of(consent).unwrap(),
                issued_at: Timestamp::from_ms(EPOCH_MS + i64::try_from(issued).unwrap()),
                window_minutes,
                merchant: MerchantId::from_bits(merchant),
                link: LinkId::from_bits(link),
                click: ClickId::from_bytes(click),
            })
    }

    fn verify(text: &[u8]) -> Result<Claims, TokenError> {
        Claims::verify(text, Timestamp::from_ms(i64::MAX), |_, merchant| {
            Ok(TokenKey::derive(&MASTER, merchant))
        })
    }

    fn sign(claims: &Claims) -> [u8; TOKEN_CHARS] {
        claims.encode(&TokenKey::derive(&MASTER, claims.merchant))
    }

    proptest! {
        #[test]
        fn a_token_verifies_to_the_claims_it_was_made_of(claims in claims()) {
            prop_assert_eq!(verify(&sign(&claims)), Ok(claims));
        }

        /// The pixel looks at this character alone.
        #[test]
        fn the_sixth_character_lies_above_f_where_the_visitor_refuses(claims in claims()) {
            prop_assert_eq!(sign(&claims)[5] > b'f', claims.consent == Consent::Denied);
        }

        #[test]
        fn every_flipped_bit_is_refused(claims in claims()) {
            let token = sign(&claims);
            let mut bytes = [0; TOKEN_BYTES];
            URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).unwrap();
            for bit in 0..TOKEN_BYTES * 8 {
                let mut flipped = bytes;
                flipped[bit / 8] ^= 1 << (bit % 8);
                let result = verify(URL_SAFE_NO_PAD.encode(flipped).as_bytes());
                prop_assert!(matches!(result, Err(TokenError::Tag | TokenError::Version)), "bit {}: {:?}", bit, result);
            }
        }

        #[test]
        fn every_changed_character_is_refused(claims in claims(), at in 0..TOKEN_CHARS, byte in any::<u8>()) {
            let token = sign(&claims);
            let mut changed = token;
            changed[at] = byte;
            prop_assert_eq!(verify(&changed).is_ok(), changed == token);
        }
    }

    fn example() -> Claims {
        Claims {
            key_id: 1,
            kind: Kind::Click,
            consent: Consent::Unknown,
            issued_at: Timestamp::from_ms(1_763_800_000_000),
            window_minutes: 43_200,
            merchant: MerchantId::from_bits(0x01_0203_0405),
            link: LinkId::from_bits(0x1112_1314_1516_1718),
            click: ClickId::from_bytes([0xab; 16]),
        }
    }

    /// A fixed vector: the layout is a promise to every token that is out there.
    #[test]
    fn the_layout_never_changes() {
        let token = sign(&example());
        let mut bytes = [0; TOKEN_BYTES];
        URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).unwrap();
        assert_eq!(bytes[..4], [1, 1, 1, 0]);
        assert_eq!(number(&bytes[4..9]), 1_763_800_000_000 - 1_704_067_200_000);
        assert_eq!(bytes[9..12], [0, 0xa8, 0xc0]);
        assert_eq!(bytes[12..17], [1, 2, 3, 4, 5]);
        assert_eq!(bytes[17..25], [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]);
        assert_eq!(bytes[25..41], [0xab; 16]);
    }

    #[test]
    fn a_token_of_another_merchant_or_key_or_time_is_refused() {
        let token = sign(&example());
        let other = |_, _| Ok(TokenKey::derive(&MASTER, MerchantId::from_bits(7)));
        let late = Timestamp::from_ms(i64::MAX);
        assert_eq!(Claims::verify(&token, late, other), Err(TokenError::Tag));
        assert_eq!(Claims::verify(&token, late, |_, _| Err(TokenError::Key)), Err(TokenError::Key));
        assert_eq!(Claims::verify(&token[..75], late, other), Err(TokenError::Length));
    }

    #[test]
    fn a_token_from_the_future_is_kept_within_a_day_and_refused_after() {
        let (token, day) = (sign(&example()), Span::days(1).as_ms());
        let key = |_, merchant| Ok(TokenKey::derive(&MASTER, merchant));
        for (back_ms, expected) in [
            (0, Ok(example())),
            (60 * 60 * 1000, Ok(example())),
            (day, Ok(example())),
            (day + 1, Err(TokenError::Future)),
            (400 * day, Err(TokenError::Future)),
        ] {
            let now = example().issued_at.plus(Span::ms(-back_ms));
            assert_eq!(Claims::verify(&token, now, key), expected, "the clock {back_ms} ms back");
        }
    }

    #[test]
    fn a_retired_key_verifies_nothing_and_one_key_signs() {
        let key = |id, state| MasterKey { id, state, secret: [id; 32] };
        let ring = KeyRing::new(vec![
            key(1, KeyState::Retired),
            key(2, KeyState::VerifyOnly),
            key(3, KeyState::Active),
        ]);
        let ring = ring.unwrap_or_else(|e| panic!("{e}"));
        let merchant = MerchantId::from_bits(1);
        assert_eq!(ring.active().id, 3);
        assert!(ring.verifying(2, merchant).is_ok());
        assert_eq!(ring.verifying(1, merchant).err(), Some(TokenError::Key));
        assert_eq!(ring.verifying(9, merchant).err(), Some(TokenError::Key));
        assert!(KeyRing::new(vec![key(1, KeyState::Next)]).is_err());
        assert!(KeyRing::new(vec![key(1, KeyState::Active), key(1, KeyState::Retired)]).is_err());
    }

    /// What does not fit the layout is the largest value that does, never a small one.
    #[test]
    fn what_is_too_large_for_the_layout_is_clamped() {
        let (issued_at, window_minutes) = (Timestamp::from_ms(i64::MAX), u32::MAX);
        let read = verify(&sign(&Claims { issued_at, window_minutes, ..example() })).unwrap();
        assert_eq!(read.issued_at.as_ms(), 1_704_067_200_000 + 1_099_511_627_775);
        assert_eq!(read.window_minutes, 16_777_215);
        let first = Timestamp::from_ms(0);
        let read = verify(&sign(&Claims { issued_at: first, ..example() })).unwrap();
        assert_eq!(read.issued_at.as_ms(), 1_704_067_200_000);
    }

    #[test]
    fn a_ring_lists_every_key_in_its_order() {
        let key = |id, state| MasterKey { id, state, secret: [id; 32] };
        let keys =
            vec![key(3, KeyState::Retired), key(1, KeyState::Active), key(2, KeyState::Next)];
        let ring = KeyRing::new(keys.clone()).unwrap();
        assert!(ring.keys() == keys && ring.active() == &keys[1]);
    }
}
