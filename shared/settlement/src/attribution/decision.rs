//! The decision about an order: every candidate with its verdict, and the one that is credited.
//! Makes no decision itself.

use serde::{Deserialize, Serialize};

use shared::catalog::Evidence;
use shared::id::{CampaignId, ClickId, CouponId, InfluencerId, LinkId};
use shared::order::{CodeVisit, NewCustomer, OpeningId};
use shared::time::Timestamp;

/// The evidence by which an order was credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A touch is credited.
    Click,
    /// The owner of a coupon is credited.
    Coupon,
    /// The owner of a code is credited, with which the customer opened the shop.
    CodeVisit,
    /// Nobody is credited.
    None,
}

impl Method {
    /// Returns the word that exports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::Coupon => "coupon",
            Self::CodeVisit => "code_visit",
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
    /// A later touch of the same visitor is credited, or a later visit by a code.
    EarlierTouch,
    /// The campaign credits the first touch, and this is a later one.
    LaterTouch,
    /// The click or the visit came after the customer had gone to the checkout, and an earlier one
    /// led there.
    AfterCheckout,
    /// The influencer placed the order.
    SelfReferral,
    /// The influencer, the link or the coupon was suspended when the link was clicked or the code
    /// was used; for a visit by a code, when it began or when the order was placed.
    Suspended,
    /// The order is a renewal of a subscription, which the campaign does not pay for.
    Renewal,
    /// The customer has bought from this shop before, and the campaign does not count this evidence
    /// for existing customers.
    ExistingCustomer,
    /// The campaign counts other evidence first.
    LowerPrecedence,
    /// The order was placed after the window of the touch or of the visit.
    OutsideWindow,
    /// Only a browser named it, and the shop's own facts have another click or visit.
    LessTrusted,
    /// Only a browser named it, and it did not prove that it knows the order: it brought the
    /// order's number alone, or a key that the shop's reports do not bear.
    Unproven,
    /// Browsers named clicks or visits of several influencers by the order's number alone.
    Contested,
    /// The order was placed before the click or the visit.
    AfterOrder,
    /// The order was placed, or the visit began, outside the dates of the coupon or its campaign.
    OutOfDates,
    /// The link, the coupon or its campaign is not in the catalog.
    Unknown,
}

/// The right by which a click or a visit that only a browser named may be credited.
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
    /// The merchant accepts the order's number, and nobody claims the order for another influencer.
    ByNumber,
}

/// A touch, a visit by a code, or a coupon that could be credited.
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
    /// When a visit by a code began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// The coupon's id.
    pub coupon: Option<CouponId>,
    /// The coupon's code: as the order spells it, or of a visit, as it is printed.
    pub code: Option<String>,
    /// The campaign it belongs to.
    pub campaign: Option<CampaignId>,
    /// The influencer it belongs to.
    pub influencer: Option<InfluencerId>,
}

impl Candidate {
    /// Makes a candidate of some evidence with a verdict, and nothing else.
    pub(super) const fn blank(evidence: Evidence, verdict: Verdict) -> Self {
        Self {
            evidence,
            verdict,
            claim: None,
            click: None,
            link: None,
            clicked_at: None,
            opened_at: None,
            coupon: None,
            code: None,
            campaign: None,
            influencer: None,
        }
    }

    /// Returns what opened the customer's visit: the click, or the code; `None` for a coupon on the
    /// order.
    pub fn opening(&self) -> Option<OpeningId> {
        let code = || Some(CodeVisit { opened_at: self.opened_at?, coupon: self.coupon? });
        self.click.map(OpeningId::Click).or_else(|| code().map(OpeningId::Code))
    }

    /// Returns when the customer came to the shop by it: the time of a click or of a visit by a
    /// code.
    pub(super) fn came_at(&self) -> Option<Timestamp> {
        self.clicked_at.or(self.opened_at)
    }
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
    /// All candidates: touches and visits by a code by time, then coupons.
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
