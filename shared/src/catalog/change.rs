//! Changes of the catalog, as the journal records them and nodes exchange them.

use serde::{Deserialize, Serialize};

use super::access::AccessToken;
use super::campaign::Campaign;
use super::coupon::Coupon;
use super::influencer::Influencer;
use super::merchant::Merchant;
use crate::id::FactId;
use crate::links::Link;
use crate::rates::ExchangeRate;
use crate::time::Timestamp;

/// A change of the catalog: all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When it was made.
    pub at: Timestamp,
    /// The new versions.
    pub entities: Vec<Entity>,
    /// The request that made it, so that a repeated one is answered and not done again.
    pub request: Option<RequestId>,
}

/// One entity, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// A merchant.
    Merchant(Merchant),
    /// An influencer.
    Influencer(Influencer),
    /// A campaign.
    Campaign(Campaign),
    /// A link.
    Link(Link),
    /// A coupon.
    Coupon(Coupon),
    /// An access token.
    AccessToken(AccessToken),
    /// An exchange rate.
    Rate(ExchangeRate),
}

impl Entity {
    /// The id's text; for an access token its hash.
    pub fn id(&self) -> String {
        match self {
            Self::Merchant(merchant) => merchant.id.to_string(),
            Self::Influencer(influencer) => influencer.id.to_string(),
            Self::Campaign(campaign) => campaign.id.to_string(),
            Self::Link(link) => link.id.to_string(),
            Self::Coupon(coupon) => coupon.id.to_string(),
            Self::AccessToken(token) => token.hash.clone(),
            Self::Rate(rate) => rate.id(),
        }
    }
}

/// An `Idempotency-Key` and what came with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestId {
    /// The key the client chose.
    pub key: String,
    /// BLAKE3 of method, path and body, in hex.
    pub hash: String,
}

/// What a request with an idempotency key was answered: enough to answer it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The request.
    pub request: RequestId,
    /// The first entity it made.
    pub first: Option<String>,
    /// How many it made.
    pub count: usize,
}

/// Identifies a change among nodes: a hash of its record in the journal.
pub type ChangeId = [u8; 16];

/// Returns the id of the change that this record holds.
pub fn change_id(record: &[u8]) -> ChangeId {
    *FactId::of_content(&[b"change", record]).as_bytes()
}
