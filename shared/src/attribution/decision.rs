//! What a decision says: every candidate with its verdict, and who is credited.

use serde::{Deserialize, Serialize};

use crate::catalog::Evidence;
use crate::id::{CampaignId, ClickId, CouponId, InfluencerId, LinkId};
use crate::time::Timestamp;

/// How an order was credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// To a touch.
    Click,
    /// To a coupon's owner.
    Coupon,
    /// To nobody.
    None,
}

impl Method {
    /// The word in exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::Coupon => "coupon",
            Self::None => "none",
        }
    }
}

/// What became of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is credited.
    Credited,
    /// A later touch of the same visitor is credited.
    EarlierTouch,
    /// The campaign credits the first touch, and this is a later one.
    LaterTouch,
    /// The click came when the customer was at the checkout already, and another led there.
    AfterCheckout,
    /// The influencer bought it.
    SelfReferral,
    /// A subscription's renewal, which the campaign does not pay for.
    Renewal,
    /// The customer has bought here before, and the campaign does not count this evidence then.
    ExistingCustomer,
    /// The campaign counts other evidence first.
    LowerPrecedence,
    /// The order came after the touch's window.
    OutsideWindow,
    /// Only a browser brought the click along, while the shop's own report brought another.
    LessTrusted,
    /// The order was placed before the click.
    AfterOrder,
    /// The coupon was not the influencer's on that day.
    OutOfDates,
    /// The link or its campaign is not in the catalog.
    Unknown,
}

/// A touch or a coupon that could be credited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// What it is.
    pub evidence: Evidence,
    /// What became of it.
    pub verdict: Verdict,
    /// The click of a touch.
    pub click: Option<ClickId>,
    /// The link of a touch.
    pub link: Option<LinkId>,
    /// When it was clicked.
    pub clicked_at: Option<Timestamp>,
    /// The coupon.
    pub coupon: Option<CouponId>,
    /// The code as the order spelled it.
    pub code: Option<String>,
    /// The campaign it belongs to.
    pub campaign: Option<CampaignId>,
    /// The influencer it belongs to.
    pub influencer: Option<InfluencerId>,
}

/// Who is credited for an order and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The rules it was decided by.
    pub rules: String,
    /// When the order was placed.
    pub placed_at: Timestamp,
    /// How it was credited.
    pub method: Method,
    /// Empty, or what is remarkable: `outside_window`, `self_referral`, `renewal`,
    /// `existing_customer`.
    pub label: String,
    /// Why, in one sentence.
    pub reason: String,
    /// Number of the campaign's terms that the order is paid by, counted from 1; 0 when nobody is
    /// credited.
    pub terms_version: usize,
    /// These terms in one line.
    pub terms: String,
    /// Every candidate, touches by time, then coupons.
    pub candidates: Vec<Candidate>,
}

impl Decision {
    /// The credited candidate, or, for an order that is only labelled, the last one that the label
    /// is about.
    pub fn subject(&self) -> Option<&Candidate> {
        let credited = self.candidates.iter().find(|c| c.verdict == Verdict::Credited);
        credited.or_else(|| {
            self.candidates.iter().rev().find(|c| label_of(c.verdict) == Some(&self.label))
        })
    }

    /// The canonical form: what is exported and what an audit compares.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The label of an order that nobody is credited for because of this verdict.
pub(super) const fn label_of(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::SelfReferral => Some("self_referral"),
        Verdict::Renewal => Some("renewal"),
        Verdict::ExistingCustomer => Some("existing_customer"),
        Verdict::OutsideWindow => Some("outside_window"),
        _ => None,
    }
}
