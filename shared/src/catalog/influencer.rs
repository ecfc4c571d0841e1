//! Influencers: they promote campaigns and earn commissions.

use serde::{Deserialize, Serialize};

use crate::id::InfluencerId;
use crate::time::Timestamp;

/// An influencer, who promotes campaigns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Influencer {
    /// The id that API and exports use.
    pub id: InfluencerId,
    /// The name for people.
    pub name: String,
    /// The e-mail address for statements. An order with the same address is their own order.
    pub email: Option<String>,
    /// The time since which the address is known: earlier orders are not compared with it.
    #[serde(default)]
    pub email_since: Option<Timestamp>,
    /// The way they are paid, kept as the API received it.
    pub payout: Option<serde_json::Value>,
    /// `payout`, sealed; only the journal holds it so. What it says is for those who have the keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// When the API created them.
    pub created_at: Timestamp,
    /// When the API last changed them: of two versions the later one wins.
    pub updated_at: Timestamp,
}
