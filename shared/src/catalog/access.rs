//! Access tokens of the admin API. Never holds a token itself: only its hash is kept.

use serde::{Deserialize, Serialize};

use crate::id::{InfluencerId, MerchantId};
use crate::time::Timestamp;

/// An access token of the admin API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// BLAKE3 of the token's text, in hex.
    pub hash: String,
    /// The rights of its holder.
    pub role: Role,
    /// When the API created it.
    pub created_at: Timestamp,
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
