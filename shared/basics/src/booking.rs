//! Manual bookings: amounts that a person books for an influencer, beside what orders, leads and
//! clicks earned. A booking is never changed; whoever was wrong books the difference.

use serde::{Deserialize, Serialize};

use crate::day::Day;
use crate::id::{BookingId, CampaignId, InfluencerId, MerchantId};
use crate::money::Currency;
use crate::time::Timestamp;

/// What an amount is booked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BookingKind {
    /// Something on top, as agreed.
    Bonus,
    /// An amount that does not depend on sales, such as for a post.
    FixedFee,
    /// The difference to something that was wrong. It may be negative.
    Correction,
}

impl BookingKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Bonus, Self::FixedFee, Self::Correction];

    /// Returns the word that exports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bonus => "bonus",
            Self::FixedFee => "fixed_fee",
            Self::Correction => "correction",
        }
    }
}

/// An amount that a person booked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManualBooking {
    /// The id that API and exports use.
    pub id: BookingId,
    /// The merchant who pays it.
    pub merchant: MerchantId,
    /// The campaign for which it is booked; `None` for none of them.
    pub campaign: Option<CampaignId>,
    /// The influencer who gets it, or who owes it where it is negative.
    pub influencer: InfluencerId,
    /// What it is for.
    pub kind: BookingKind,
    /// The amount in minor units; negative only for a correction.
    pub amount_minor: i64,
    /// The currency, which is the merchant's.
    pub currency: Currency,
    /// The reason, for people. Influencer and merchant see it.
    pub note: String,
    /// Who booked it: the name of the access token, or of the person.
    pub author: String,
    /// The day in the merchant's calendar on which it was booked. It may be paid from then on.
    pub booked_on: Day,
    /// When it was booked.
    pub created_at: Timestamp,
}
