//! What was put aside: it is not listed any more, and nothing about it is deleted. It decides about no
//! money.

use serde::{Deserialize, Serialize};

use crate::id::{CampaignId, CouponId, InfluencerId, LinkId, MerchantId};
use crate::time::Timestamp;

/// Whether something is archived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// What is archived or not.
    pub of: Archivable,
    /// True while it is archived.
    pub archived: bool,
    /// When that last changed: of two versions the later one wins.
    pub updated_at: Timestamp,
}

/// What can be archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Archivable {
    /// A merchant.
    Merchant(MerchantId),
    /// An influencer.
    Influencer(InfluencerId),
    /// A campaign.
    Campaign(CampaignId),
    /// A link.
    Link(LinkId),
    /// A coupon.
    Coupon(CouponId),
}

impl Archivable {
    /// Returns the id as text.
    pub fn id(self) -> String {
        match self {
            Self::Merchant(id) => id.to_string(),
            Self::Influencer(id) => id.to_string(),
            Self::Campaign(id) => id.to_string(),
            Self::Link(id) => id.to_string(),
            Self::Coupon(id) => id.to_string(),
        }
    }
}
