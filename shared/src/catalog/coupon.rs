//! Coupons: discount codes that influencers own.

use serde::{Deserialize, Serialize};

use crate::id::{CampaignId, CouponId, InfluencerId};
use crate::time::Timestamp;

/// A discount code that one influencer owns in one campaign, with dates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coupon {
    /// The id that API and exports use.
    pub id: CouponId,
    /// The campaign whose terms pay for its orders.
    pub campaign: CampaignId,
    /// The owner, who is credited.
    pub influencer: InfluencerId,
    /// The code as printed. [`crate::code::fold_code`] says which spellings are one code.
    pub code: String,
    /// The time from which the influencer owns the code; `None` for a code without a start.
    pub starts_at: Option<Timestamp>,
    /// The time until which they own it, exclusive; `None` for a code without an end.
    pub ends_at: Option<Timestamp>,
    /// When the API created it.
    pub created_at: Timestamp,
    /// When the API last changed it: of two versions the later one wins.
    pub updated_at: Timestamp,
}
