//! The decision about an order: every candidate with its verdict, and the one that is credited.
//! Makes no decision itself.

use serde::{Deserialize, Serialize};

use shared::catalog::Evidence;
use shared::id::{CampaignId, ClickId, CouponId, InfluencerId, LinkId};
use shared::order::NewCustomer;
use shared::time::Timestamp;

/// The evidence by which an order was credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A touch is credited.
    Click,
    /// The owner of a coupon is credited.
    Coupon,
    /// Nobody is credited.
    None,
}

impl Method {
    /// Returns the word that exports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::Coupon => "coupon",
            Self::None => "none",
        }
    }
}

/// The verdict on a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is credited.
    Credited,
    /// A later touch of the same visitor is credited.
    EarlierTouch,
    /// The campaign credits the first touch, and this is a later one.
    LaterTouch,
    /// The click came after the customer had gone to the checkout, and an earlier click led there.
    AfterCheckout,
    /// The influencer placed the order.
    SelfReferral,
    /// The influencer, the link or the coupon was suspended when the link was clicked or the code
    /// was used.
    Suspended,
    /// The order is a renewal of a subscription, which the campaign does not pay for.
    Renewal,
    /// The customer has bought from this shop before, and the campaign does not count this evidence
    /// for existing customers.
    ExistingCustomer,
    /// The campaign counts other evidence first.
    LowerPrecedence,
    /// The order was placed after the touch's window.
    OutsideWindow,
    /// Only a browser named the click, and the shop's own facts have another one.
    LessTrusted,
    /// Only a browser named the click, and it did not prove that it knows the order: it brought the
    /// order's number alone, or a key that the shop's reports do not bear.
    Unproven,
    /// Browsers named clicks of several influencers by the order's number alone.
    Contested,
    /// The order was placed before the click.
    AfterOrder,
    /// The order was placed outside the dates of the coupon or its campaign.
    OutOfDates,
    /// The link or its campaign is not in the catalog.
    Unknown,
}

/// The right by which a click that only a browser named may be credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The page had a key that the shop's report bears too.
    Proven,
    /// Claim and report were recorded before claims needed a proof.
    Earlier,
    /// The merchant trusts its pixel, and the shop has not reported the order.
    Trusted,
    /// The page had a key, and the shop has not reported the order yet. Pays nothing.
    Unchecked,
    /// The merchant accepts the order's number, and no other influencer's click claims the order.
    ByNumber,
}

/// A touch or a coupon that could be credited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The kind of evidence.
    pub evidence: Evidence,
    /// The verdict on it.
    pub verdict: Verdict,
    /// The right by which a browser's claim counts; `None` for a click in the shop's own facts, for
    /// the clicks before it, and for coupons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Standing>,
    /// The click of a touch.
    pub click: Option<ClickId>,
    /// The link of a touch.
    pub link: Option<LinkId>,
    /// The time of the click.
    pub clicked_at: Option<Timestamp>,
    /// The coupon's id.
    pub coupon: Option<CouponId>,
    /// The coupon's code as the order spells it.
    pub code: Option<String>,
    /// The campaign it belongs to.
    pub campaign: Option<CampaignId>,
    /// The influencer it belongs to.
    pub influencer: Option<InfluencerId>,
}

/// The decision about an order: who is credited, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The version of the rules that decided.
    pub rules: String,
    /// The time at which the order was placed.
    pub placed_at: Timestamp,
    /// The evidence by which it was credited.
    pub method: Method,
    /// Empty, or the reason why nobody is credited: `outside_window`, `self_referral`, `suspended`,
    /// `renewal`, `existing_customer`, `unproven`, `contested`.
    pub label: String,
    /// The reason in one sentence.
    pub reason: String,
    /// Whether it is the customer's first order, and who says so; `None` where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_customer: Option<NewCustomer>,
    /// The number of the campaign's terms that pay the order, counted from 1; 0 when nobody is
    /// credited.
    pub terms_version: usize,
    /// The same terms in one line.
    pub terms: String,
    /// All candidates: touches by time, then coupons.
    pub candidates: Vec<Candidate>,
}

impl Decision {
    /// Returns the credited candidate. For an order that is only labelled, returns the last
    /// candidate with the verdict of the label.
    pub fn subject(&self) -> Option<&Candidate> {
        let credited = self.candidates.iter().find(|c| c.verdict == Verdict::Credited);
        credited.or_else(|| {
            self.candidates.iter().rev().find(|c| label_of(c.verdict) == Some(&self.label))
        })
    }

    /// Returns the canonical form, which is exported, and which an audit compares.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Returns the label of an order for which nobody is credited because of this verdict.
pub(super) const fn label_of(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::SelfReferral => Some("self_referral"),
        Verdict::Suspended => Some("suspended"),
        Verdict::Renewal => Some("renewal"),
        Verdict::ExistingCustomer => Some("existing_customer"),
        Verdict::OutsideWindow => Some("outside_window"),
        Verdict::Contested => Some("contested"),
        Verdict::Unproven => Some("unproven"),
        _ => None,
    }
}
