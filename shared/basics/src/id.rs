//! Identifiers: typed numbers in memory, and one short spelling as text.
//!
//! Catalog ids print as a three-letter prefix and lower-case Crockford base32 (`mer_0c1m8y5v`),
//! click, event and fact ids as base64url. The spelling is canonical: each value has exactly one
//! text, and no other text parses. Ids are random or hashes, never sequential. This module makes no
//! random number: the caller passes it.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The reason why a text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind} id: expected {expected}")]
pub struct IdError {
    text: String,
    kind: &'static str,
    expected: &'static str,
}

/// Spells `value` as `digits` base32 characters.
fn base32(value: u64, digits: u32) -> String {
    (0..digits).rev().map(|i| char::from(BASE32[((value >> (5 * i)) & 31) as usize])).collect()
}

/// Reads exactly `digits` base32 characters; `None` for any other text or an overflow.
fn from_base32(text: &str, digits: u32) -> Option<u64> {
    if text.len() != digits as usize {
        return None;
    }
    text.bytes().try_fold(0u64, |value, byte| {
        let digit = BASE32.iter().position(|&b| b == byte)? as u64;
        value.checked_mul(32)?.checked_add(digit)
    })
}

macro_rules! catalog_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $bits:literal, $digits:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Makes the id from random bits. Bits beyond its width are dropped.
            pub const fn from_bits(bits: u64) -> Self {
                Self(bits & (u64::MAX >> (64 - $bits)))
            }

            /// Returns the id as a number, as click tokens hold it.
            pub const fn bits(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), base32(self.0, $digits))
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix)
                    .and_then(|digits| from_base32(digits, $digits))
                    .filter(|&value| Self::from_bits(value).0 == value)
                    .map(Self)
                    .ok_or_else(|| IdError {
                        text: text.chars().take(64).collect(),
                        kind: $kind,
                        expected: concat!($prefix, " and ", $digits, " base32 characters"),
                    })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
                } else {
                    u64::deserialize(deserializer).map(Self::from_bits)
                }
            }
        }
    };
}

catalog_id!(
    /// A merchant. It has 40 bits, so that it fits the click token.
    MerchantId, "mer_", 40, 8, "merchant"
);
catalog_id!(
    /// An influencer.
    InfluencerId, "inf_", 64, 13, "influencer"
);
catalog_id!(
    /// A campaign of a merchant.
    CampaignId, "cmp_", 64, 13, "campaign"
);
catalog_id!(
    /// A link of one influencer in one campaign.
    LinkId, "lnk_", 64, 13, "link"
);
catalog_id!(
    /// A coupon of one influencer in one campaign.
    CouponId, "cpn_", 64, 13, "coupon"
);
catalog_id!(
    /// A hold on commissions.
    HoldId, "hld_", 64, 13, "hold"
);
catalog_id!(
    /// A step of a payout; the step that made a batch is the batch's id.
    PayoutId, "pay_", 64, 13, "payout"
);
catalog_id!(
    /// An amount that a person booked.
    BookingId, "bkg_", 64, 13, "booking"
);
catalog_id!(
    /// Somebody who works with the console.
    PersonId, "per_", 64, 13, "person"
);
catalog_id!(
    /// An access token of the admin API.
    AccessTokenId, "tok_", 64, 13, "access token"
);

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Makes the id from its sixteen bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Returns the bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Makes the id of some content: the first sixteen bytes of BLAKE3 over the parts, each
            /// with its length before it. The same content has the same id wherever it arrives, and
            /// however often.
            pub fn of_content(parts: &[&[u8]]) -> Self {
                let mut hasher = blake3::Hasher::new();
                for part in parts {
                    hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
                }
                let mut bytes = [0; 16];
                bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or_else(|| {
                    IdError {
                        text: text.chars().take(64).collect(),
                        kind: $kind,
                        expected: "22 base64url characters",
                    }
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; 16]>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

byte_id!(
    /// A click, one recorded request to a link. Random.
    ClickId, "click"
);
byte_id!(
    /// A pixel event. The page chooses it and keeps it for every retry.
    EventId, "event"
);
byte_id!(
    /// A fact about an order. A hash of what was sent, so that a repeated delivery is the same
    /// fact.
    FactId, "fact"
);
byte_id!(
    /// A delivery that could not be read. A hash of its time of arrival and its body.
    UnparsedId, "unparsed delivery"
);
byte_id!(
    /// A customer of one merchant. A hash of merchant and e-mail address, so that it holds no name.
    CustomerId, "customer"
);

byte_id!(
    /// A proof that somebody knows an order: a hash of its merchant and of a key that only the shop
    /// and the buyer's page have. So the key itself is kept nowhere, and equality is all there is.
    ProofId, "proof"
);

impl EventId {
    /// Returns the id of a lead that has an id of its own in the shop: it counts once for a click,
    /// whether the page tells of it or the shop's server.
    pub fn of_lead(merchant: MerchantId, click: ClickId, lead_id: &str) -> Self {
        let merchant = merchant.bits().to_be_bytes();
        Self::of_content(&[b"lead", &merchant, click.as_bytes(), lead_id.as_bytes()])
    }
}

impl ProofId {
    /// Returns the proof that this key is, without outer blanks; `None` for an empty text.
    pub fn of_key(merchant: MerchantId, key: &str) -> Option<Self> {
        let (merchant, key) = (merchant.bits().to_be_bytes(), key.trim());
        (!key.is_empty()).then(|| Self::of_content(&[b"proof", &merchant, key.as_bytes()]))
    }
}

impl CustomerId {
    /// Returns the customer with this e-mail address, or `None` if the address is invalid.
    /// Addresses are compared without case and outer blanks.
    pub fn of_email(merchant: MerchantId, email: &str) -> Option<Self> {
        let email = email.trim().to_lowercase();
        let (user, host) = email.rsplit_once('@')?;
        if user.is_empty() || !host.contains('.') {
            return None;
        }
        Some(Self::of_content(&[b"customer", &merchant.bits().to_be_bytes(), email.as_bytes()]))
    }

    /// Returns the mailbox that such an address is likely to reach: without what stands behind a
    /// `+`, without the final dot of a host, and at Gmail without dots. Two addresses of one mailbox
    /// are probably one person's, and no proof of it. It equals no [`CustomerId::of_email`].
    pub fn of_mailbox(merchant: MerchantId, email: &str) -> Option<Self> {
        Self::of_email(merchant, email)?;
        let email = email.trim().to_lowercase();
        let (user, host) = email.rsplit_once('@')?;
        let user = user.split_once('+').map_or(user, |(user, _)| user);
        let (user, host) = match host.strip_suffix('.').unwrap_or(host) {
            "gmail.com" | "googlemail.com" => (user.replace('.', ""), "gmail.com"),
            host => (user.to_owned(), host),
        };
        let mailbox = format!("{user}@{host}");
        Some(Self::of_content(&[b"mailbox", &merchant.bits().to_be_bytes(), mailbox.as_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_parses_back_from_its_only_spelling() {
        let id = MerchantId::from_bits(0xff_1234_5678);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(LinkId::from_bits(u64::MAX).to_string(), "lnk_fzzzzzzzzzzzz");
        assert_eq!("lnk_fzzzzzzzzzzzz".parse(), Ok(LinkId::from_bits(u64::MAX)));
        let click = ClickId::from_bytes([7; 16]);
        assert_eq!(click.to_string().parse(), Ok(click));
    }

    #[test]
    fn other_spellings_are_refused_with_the_expected_form() {
        for text in [
            "",
            "lnk_",
            "mer_00000000",
            "lnk_FZZZZZZZZZZZZ",
            "lnk_zzzzzzzzzzzzz",
            "lnk_000000000000 ",
        ] {
            let error = text.parse::<LinkId>().unwrap_err();
            assert!(error.to_string().contains("lnk_ and 13 base32"), "{error}");
        }
        assert!("AAAAAAAAAAAAAAAAAAAAAA=".parse::<ClickId>().is_err());
        assert!("AAAAAAAAAAAAAAAAAAAAAB".parse::<ClickId>().is_err(), "spare bits must be zero");
    }

    #[test]
    fn addresses_of_one_mailbox_are_told() {
        let mailbox = |email| CustomerId::of_mailbox(MerchantId::from_bits(1), email);
        for (one, others) in [
            (
                "anna.b@gmail.com",
                &["annab@gmail.com", "AnnaB+shop@googlemail.com", "an.nab@gmail.com."][..],
            ),
            ("anna@example.org", &["anna+1@example.org", " Anna@Example.org. "]),
        ] {
            for other in others {
                assert_eq!(mailbox(one), mailbox(other), "{one} {other}");
            }
        }
        assert_ne!(mailbox("an.na@example.org"), mailbox("anna@example.org"));
        assert_ne!(mailbox("anna@example.org"), mailbox("anna@example.com"));
        assert_eq!((mailbox("anna"), mailbox("@gmail.com"), mailbox("")), (None, None, None));
        let customer = CustomerId::of_email(MerchantId::from_bits(1), "anna@example.org");
        assert_ne!(mailbox("anna@example.org"), customer);
    }

    #[test]
    fn content_ids_do_not_confuse_where_a_part_ends() {
        assert_ne!(FactId::of_content(&[b"ab", b"c"]), FactId::of_content(&[b"a", b"bc"]));
    }
}
