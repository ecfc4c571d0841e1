//! Access tokens of the admin API.

use serde::{Deserialize, Serialize};

use crate::id::{InfluencerId, MerchantId};
use crate::time::Timestamp;

/// An access token of the admin API; only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// BLAKE3 of the token's text, in hex.
    pub hash: String,
    /// What its holder may do.
    pub role: Role,
    /// When it was created.
    pub created_at: Timestamp,
}

/// What the holder of an access token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// Read one merchant's figures.
    Merchant(MerchantId),
    /// Read one influencer's figures.
    Influencer(InfluencerId),
}
