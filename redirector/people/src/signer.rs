//! What is signed for a person: a link that signs in once, and the sign-in that the browser keeps.
//!
//! # Format
//! Base64url of: key id, person, a time or two in milliseconds, tag. Numbers are big-endian; the tag
//! is the first 16 bytes of keyed BLAKE3 over what it is for, all before it, and of a link also
//! what the catalog says of the person. So a link is used up by signing in, by a new password, and
//! by ending all sign-ins.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shared::catalog::Person;
use shared::id::PersonId;
use shared::time::{Span, Timestamp};
use shared::token::{KeyRing, KeyState};
use subtle::ConstantTimeEq;

const CONTEXT: &str = "afterclick 2026-12-01 sign-ins of people v1";
const TAG: usize = 16;
/// Key id, person, time.
const LINK: usize = 1 + 8 + 8;
/// Key id, person, two times.
const SIGN_IN: usize = 1 + 8 + 8 + 8;

/// How long a sign-in lasts.
const SIGN_IN_LASTS: Span = Span::days(30);
/// How far the clock of another node may be ahead.
const AHEAD_MAX: Span = Span::minutes(10);

/// Signs, and checks what was signed, with keys that follow from the master keys.
pub struct Signer {
    active: u8,
    keys: Vec<(u8, [u8; 32])>,
}

/// Why a link does not sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkError {
    /// It is no link of ours, or a part of it is missing.
    Malformed,
    Ended,
    /// Somebody has signed in since, or the person's sign-ins were ended.
    Used,
}

/// A sign-in that a browser brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignIn {
    pub person: PersonId,
    pub issued_at: Timestamp,
}

impl SignIn {
    /// Returns whether it still counts.
    pub fn is_good(&self, person: &Person) -> bool {
        !person.archived && person.sign_ins_from <= self.issued_at
    }

    /// Returns whether a new one should take its place, so that who comes each day stays signed in.
    pub fn is_old(&self, now: Timestamp) -> bool {
        self.issued_at.plus(Span::days(1)) < now
    }
}

impl Signer {
    pub fn new(ring: &KeyRing) -> Self {
        let usable = |state| !matches!(state, KeyState::Retired | KeyState::Revoked);
        let keys = ring.keys().iter().filter(|key| usable(key.state));
        let keys = keys.map(|key| (key.id, blake3::derive_key(CONTEXT, &key.secret)));
        Self { active: ring.active().id, keys: keys.collect() }
    }

    /// Makes the secret part of a link with which a person signs in once.
    pub fn link(&self, person: &Person, ends_at: Timestamp) -> String {
        let mut bytes = vec![self.active];
        bytes.extend(person.id.bits().to_be_bytes());
        bytes.extend(ends_at.as_ms().to_be_bytes());
        self.signed(bytes, &link_facts(person))
    }

    /// Returns whose link a text is, before it is checked: the catalog must be asked for the person.
    pub fn person_of(link: &str) -> Option<PersonId> {
        let bytes = URL_SAFE_NO_PAD.decode(link).ok()?;
        if bytes.len() != LINK + TAG {
            return None;
        }
        Some(PersonId::from_bits(number(&bytes, 1)?))
    }

    /// Checks a link of a person.
    ///
    /// # Errors
    /// Says why it does not sign in.
    pub fn check_link(&self, link: &str, person: &Person, now: Timestamp) -> Result<(), LinkError> {
        let bytes = URL_SAFE_NO_PAD.decode(link).map_err(|_| LinkError::Malformed)?;
        if bytes.len() != LINK + TAG || Self::person_of(link) != Some(person.id) {
            return Err(LinkError::Malformed);
        }
        let ends_at = number(&bytes, 9).and_then(time).ok_or(LinkError::Malformed)?;
        if person.archived || !self.is_signed(&bytes, &link_facts(person)) {
            return Err(LinkError::Used);
        }
        if ends_at <= now { Err(LinkError::Ended) } else { Ok(()) }
    }

    /// Makes the sign-in of a person from now on, and returns it with its length in seconds.
    pub fn sign_in(&self, person: PersonId, now: Timestamp) -> (String, i64) {
        let mut bytes = vec![self.active];
        bytes.extend(person.bits().to_be_bytes());
        bytes.extend(now.as_ms().to_be_bytes());
        bytes.extend(now.plus(SIGN_IN_LASTS).as_ms().to_be_bytes());
        (self.signed(bytes, b"sign-in"), SIGN_IN_LASTS.as_ms() / 1000)
    }

    /// Reads a sign-in that has not ended. Whether it still counts, [`SignIn::is_good`] says.
    pub fn read_sign_in(&self, text: &str, now: Timestamp) -> Option<SignIn> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        if bytes.len() != SIGN_IN + TAG || !self.is_signed(&bytes, b"sign-in") {
            return None;
        }
        let issued_at = time(number(&bytes, 9)?)?;
        let is_now = issued_at <= now.plus(AHEAD_MAX) && now < time(number(&bytes, 17)?)?;
        is_now.then_some(SignIn { person: PersonId::from_bits(number(&bytes, 1)?), issued_at })
    }

    fn signed(&self, mut bytes: Vec<u8>, facts: &[u8]) -> String {
        // A ring has an active key.
        let key = self.key(self.active).unwrap_or_default();
        let tag = tag(&key, &bytes, facts);
        bytes.extend(tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn is_signed(&self, bytes: &[u8], facts: &[u8]) -> bool {
        let Some((content, given)) = bytes.split_at_checked(bytes.len().saturating_sub(TAG)) else {
            return false;
        };
        let key = content.first().and_then(|id| self.key(*id));
        key.is_some_and(|key| tag(&key, content, facts).ct_eq(given).into())
    }

    fn key(&self, id: u8) -> Option<[u8; 32]> {
        self.keys.iter().find(|(known, _)| *known == id).map(|(_, key)| *key)
    }
}

/// Returns what a link depends on besides its own words.
fn link_facts(person: &Person) -> Vec<u8> {
    let signed_in = person.signed_in_at.map_or(0, Timestamp::as_ms).to_be_bytes();
    let from = person.sign_ins_from.as_ms().to_be_bytes();
    let password = person.password.as_deref().unwrap_or_default();
    [b"link", &signed_in[..], &from, password.as_bytes()].concat()
}

fn tag(key: &[u8; 32], content: &[u8], facts: &[u8]) -> [u8; TAG] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&(content.len() as u64).to_be_bytes()).update(content).update(facts);
    let mut tag = [0; TAG];
    tag.copy_from_slice(&hasher.finalize().as_bytes()[..TAG]);
    tag
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn time(ms: u64) -> Option<Timestamp> {
    i64::try_from(ms).ok().map(Timestamp::from_ms)
}

#[cfg(test)]
mod tests {
    use shared::catalog::Role;
    use shared::token::MasterKey;

    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_780_000_000_000);

    fn key(id: u8, state: KeyState) -> MasterKey {
        MasterKey { id, state, secret: [id; 32] }
    }

    fn signer(keys: &[(u8, KeyState)]) -> Signer {
        let keys = keys.iter().map(|(id, state)| key(*id, *state)).collect();
        Signer::new(&KeyRing::new(keys).unwrap())
    }

    fn person() -> Person {
        Person {
            id: PersonId::from_bits(7),
            name: "Anna".into(),
            email: None,
            role: Role::Admin,
            language: None,
            password: None,
            signed_in_at: None,
            sign_ins_from: Timestamp::from_ms(0),
            archived: false,
            created_at: Timestamp::from_ms(0),
            updated_at: Timestamp::from_ms(0),
        }
    }

    #[test]
    fn a_link_signs_its_person_in_once() {
        let (signer, anna) = (signer(&[(1, KeyState::Active)]), person());
        let link = signer.link(&anna, NOW.plus(Span::days(7)));
        assert_eq!(Signer::person_of(&link), Some(anna.id));
        assert_eq!(signer.check_link(&link, &anna, NOW), Ok(()));
        let late = NOW.plus(Span::days(7));
        assert_eq!(signer.check_link(&link, &anna, late), Err(LinkError::Ended));
        for changed in [
            Person { signed_in_at: Some(NOW), ..person() },
            Person { sign_ins_from: NOW, ..person() },
            Person { password: Some("$argon2id$".into()), ..person() },
            Person { archived: true, ..person() },
        ] {
            assert_eq!(signer.check_link(&link, &changed, NOW), Err(LinkError::Used));
        }
        let ben = Person { id: PersonId::from_bits(8), ..person() };
        assert_eq!(signer.check_link(&link, &ben, NOW), Err(LinkError::Malformed));
    }

    #[test]
    fn nobody_makes_or_changes_a_link_or_a_sign_in() {
        let (ours, theirs) = (signer(&[(1, KeyState::Active)]), person());
        let other = Signer::new(
            &KeyRing::new(vec![MasterKey { secret: [9; 32], ..key(1, KeyState::Active) }]).unwrap(),
        );
        let link = other.link(&theirs, NOW.plus(Span::days(1)));
        assert_eq!(ours.check_link(&link, &theirs, NOW), Err(LinkError::Used));
        let (sign_in, _) = ours.sign_in(theirs.id, NOW);
        assert!(ours.read_sign_in(&sign_in, NOW).is_some());
        assert_eq!(other.read_sign_in(&sign_in, NOW), None);
        let bytes = URL_SAFE_NO_PAD.decode(&sign_in).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(ours.read_sign_in(&changed, NOW), None, "bit {bit}");
        }
        // A link is no sign-in, and a sign-in is no link.
        let link = ours.link(&theirs, NOW.plus(Span::days(1)));
        assert_eq!(ours.read_sign_in(&link, NOW), None);
        assert_eq!(ours.check_link(&sign_in, &theirs, NOW), Err(LinkError::Malformed));
        for rubbish in ["", "x", "....", &"A".repeat(4000)] {
            assert_eq!(ours.read_sign_in(rubbish, NOW), None);
            assert_eq!(Signer::person_of(rubbish), None);
        }
    }

    #[test]
    fn a_sign_in_lasts_thirty_days_unless_it_is_ended() {
        let (signer, anna) = (signer(&[(1, KeyState::Active)]), person());
        let (text, seconds) = signer.sign_in(anna.id, NOW);
        assert_eq!(seconds, 30 * 86_400);
        for (days, is_read, is_old) in [(0, true, false), (2, true, true), (30, false, true)] {
            let now = NOW.plus(Span::days(days));
            let read = signer.read_sign_in(&text, now);
            assert_eq!(read.is_some(), is_read, "{days}");
            assert!(read.is_none_or(|read| read.is_old(now) == is_old && read.is_good(&anna)));
        }
        let sign_in = signer.read_sign_in(&text, NOW).unwrap();
        let ended = Person { sign_ins_from: NOW.plus(Span::ms(1)), ..person() };
        assert!(
            !sign_in.is_good(&ended) && !sign_in.is_good(&Person { archived: true, ..person() })
        );
        let early = NOW.plus(Span::minutes(-11));
        assert_eq!(signer.read_sign_in(&text, early), None, "it was not issued yet");
    }

    #[test]
    fn sign_ins_outlive_a_new_key_and_not_a_revoked_one() {
        let before = signer(&[(1, KeyState::Active)]);
        let (text, _) = before.sign_in(PersonId::from_bits(7), NOW);
        let rotated = signer(&[(1, KeyState::VerifyOnly), (2, KeyState::Active)]);
        assert!(rotated.read_sign_in(&text, NOW).is_some());
        let revoked = signer(&[(1, KeyState::Revoked), (2, KeyState::Active)]);
        assert_eq!(revoked.read_sign_in(&text, NOW), None);
    }
}
