//! Coupons: discount codes that influencers own.

use std::sync::Arc;

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

impl Coupon {
    /// Returns whether the influencer owns the code at a time.
    pub fn is_owned_at(&self, at: Timestamp) -> bool {
        self.starts_at.is_none_or(|starts| starts <= at)
            && self.ends_at.is_none_or(|ends| at < ends)
    }
}

/// Leaves of coupons that a code may mean those that it means: those that are spelled like it but
/// for case, or else all. Coupons that were entered when fewer spellings were one code keep their
/// own.
pub fn meant_by<'c>(mut found: Vec<&'c Arc<Coupon>>, code: &str) -> Vec<&'c Arc<Coupon>> {
    let plain = |code: &str| code.trim().to_lowercase();
    let is_spelled_alike = |coupon: &&Arc<Coupon>| plain(&coupon.code) == plain(code);
    if found.len() > 1 && found.iter().any(is_spelled_alike) {
        found.retain(is_spelled_alike);
    }
    found
}
