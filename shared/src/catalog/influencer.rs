//! Influencers: who promotes and is paid.

use serde::{Deserialize, Serialize};

use crate::id::InfluencerId;
use crate::time::Timestamp;

/// Who promotes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Influencer {
    /// Their id.
    pub id: InfluencerId,
    /// What people call them.
    pub name: String,
    /// Where statements go; an order by the same address is their own.
    pub email: Option<String>,
    /// Since when the address is known: it says nothing about earlier orders.
    #[serde(default)]
    pub email_since: Option<Timestamp>,
    /// How they are paid; kept as given.
    pub payout: Option<serde_json::Value>,
    /// When they were created.
    pub created_at: Timestamp,
    /// When they were last changed.
    pub updated_at: Timestamp,
}
