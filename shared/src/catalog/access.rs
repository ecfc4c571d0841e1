//! Access tokens of the admin API. Never holds a token itself: only its hash is kept.

use serde::{Deserialize, Serialize};

use crate::id::{AccessTokenId, FactId, InfluencerId, MerchantId};
use crate::time::Timestamp;

/// An access token of the admin API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// BLAKE3 of the token's text, in hex.
    pub hash: String,
    /// The rights of its holder.
    pub role: Role,
    /// When it was created.
    pub created_at: Timestamp,
    /// The name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The end of its use, exclusive; `None` for a token without an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked. That is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// The rights of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May do everything.
    Admin,
    /// May read one merchant's figures.
    Merchant(MerchantId),
    /// May read one influencer's figures.
    Influencer(InfluencerId),
}

impl AccessToken {
    /// Makes a token without a name and without an end.
    pub const fn new(hash: String, role: Role, created_at: Timestamp) -> Self {
        Self { hash, role, created_at, name: None, expires_at: None, revoked_at: None }
    }

    /// Returns the id. It follows from the hash and does not give it away, so that tokens of every
    /// version have one.
    pub fn id(&self) -> AccessTokenId {
        let digest = FactId::of_content(&[b"access token", self.hash.as_bytes()]);
        let bits = digest.as_bytes().iter().take(8).fold(0, |sum, &b| sum << 8 | u64::from(b));
        AccessTokenId::from_bits(bits)
    }

    /// Returns whether it opens anything at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    /// Takes over a revocation. Of two the earlier one counts.
    pub(super) fn revoke(&mut self, at: Option<Timestamp>) {
        self.revoked_at = self.revoked_at.into_iter().chain(at).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_the_first_version_has_a_stable_id() {
        let old = r#"{"hash":"00ff","role":"admin","created_at":"2026-11-01T00:00:00.000Z"}"#;
        let old: AccessToken = serde_json::from_str(old).unwrap();
        let new = AccessToken::new("00ff".into(), Role::Admin, Timestamp::from_ms(5));
        assert_eq!(old.id(), new.id());
        assert_ne!(old.id(), AccessToken { hash: "00fe".into(), ..new }.id());
        assert!(!old.id().to_string().contains("00ff"), "the hash stays inside");
    }

    #[test]
    fn a_token_ends_when_it_expires_or_is_revoked() {
        let at = Timestamp::from_ms;
        let token = AccessToken::new("00".into(), Role::Admin, at(0));
        let expiring = AccessToken { expires_at: Some(at(10)), ..token.clone() };
        let mut revoked = token.clone();
        revoked.revoke(Some(at(7)));
        revoked.revoke(Some(at(9)));
        assert_eq!(revoked.revoked_at, Some(at(7)));
        for (token, now, valid) in
            [(&token, 99, true), (&expiring, 9, true), (&expiring, 10, false), (&revoked, 1, false)]
        {
            assert_eq!(token.is_valid(at(now)), valid, "{token:?} at {now}");
        }
    }
}
