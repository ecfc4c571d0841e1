//! Coupons: discount codes that influencers own.

use serde::{Deserialize, Serialize};

use crate::id::{CampaignId, CouponId, InfluencerId};
use crate::time::Timestamp;

/// A discount code owned by one influencer in one campaign, with dates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coupon {
    /// Its id.
    pub id: CouponId,
    /// The campaign.
    pub campaign: CampaignId,
    /// Who owns it.
    pub influencer: InfluencerId,
    /// The code as printed; compared without case and outer blanks.
    pub code: String,
    /// From when it is theirs; from ever when empty.
    pub starts_at: Option<Timestamp>,
    /// Until when.
    pub ends_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The form in which discount codes are compared.
pub fn fold_code(code: &str) -> String {
    code.trim().to_lowercase()
}
