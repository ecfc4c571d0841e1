//! Attribution: which click or coupon an order belongs to, and why.
//!
//! A decision names every candidate with its verdict, so that nobody has to trust it: the same facts give the same
//! decision, byte for byte, on the edge, in the batch and in an audit. A touch that comes too late is labelled, never
//! dropped; a coupon is credited without inventing a click.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::catalog::{Campaign, Catalog, Coupon, Evidence, Link};
use crate::id::{CampaignId, ClickId, CouponId, InfluencerId, LinkId};
use crate::order::{Order, Touch, Visit, path_before};
use crate::time::Timestamp;

/// The rules this code decides by; changes whenever a decision could.
pub const RULES: &str = "last_click/1";

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
    /// Empty, or what is remarkable: `outside_window`.
    pub label: String,
    /// Why, in one sentence.
    pub reason: String,
    /// Every candidate, touches by time, then coupons.
    pub candidates: Vec<Candidate>,
}

impl Decision {
    /// The credited candidate, or, for an order that is only labelled, the one that came too late.
    pub fn subject(&self) -> Option<&Candidate> {
        let credited = self.candidates.iter().find(|c| c.verdict == Verdict::Credited);
        let late = || self.candidates.iter().rev().find(|c| c.verdict == Verdict::OutsideWindow);
        credited.or_else(|| if self.label.is_empty() { None } else { late() })
    }

    /// The canonical form: what is exported and what an audit compares.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Decides who is credited for an order.
///
/// `visit` looks up a click that may earn, for as much as is known; the clicks that led to one are candidates like those
/// the order brought itself.
pub fn decide(order: &Order, catalog: &Catalog, visit: &dyn Fn(&ClickId) -> Option<Visit>) -> Decision {
    let before = order.touches.iter().flat_map(|touch| path_before(touch, visit));
    let mut touches: Vec<Touch> = before.chain(order.touches.iter().copied()).collect();
    touches.sort_unstable();
    touches.dedup_by_key(|touch| touch.click);
    let claimed =
        order.claimed_touches.iter().filter(|claimed| touches.iter().all(|t| t.click != claimed.click));
    let mut candidates: Vec<_> = claimed
        .map(|touch| Candidate { verdict: Verdict::LessTrusted, ..touch_candidate(touch, order, catalog) })
        .chain(touches.iter().map(|touch| touch_candidate(touch, order, catalog)))
        .collect();
    candidates.sort_by_key(|candidate| candidate.clicked_at);
    candidates.extend(coupon_candidates(order, catalog));
    let winner = pick(&candidates, catalog);
    settle(&mut candidates, winner);
    let (method, label, reason) = explain(&candidates, winner);
    let label = label.to_owned();
    Decision { rules: RULES.to_owned(), placed_at: order.placed_at, method, label, reason, candidates }
}

/// A candidate's verdict is `Credited` here when it could be credited; `settle` leaves it to one.
fn touch_candidate(touch: &Touch, order: &Order, catalog: &Catalog) -> Candidate {
    let link: Option<&Arc<Link>> = catalog.links.get(&touch.link);
    let campaign = link.and_then(|link| catalog.campaigns.get(&link.campaign));
    let verdict = if campaign.is_none_or(|campaign| campaign.merchant != order.merchant) {
        Verdict::Unknown
    } else if touch.covers(order.placed_at) {
        Verdict::Credited
    } else if order.placed_at < touch.clicked_at {
        Verdict::AfterOrder
    } else {
        Verdict::OutsideWindow
    };
    Candidate {
        evidence: Evidence::Click,
        verdict,
        click: Some(touch.click),
        link: Some(touch.link),
        clicked_at: Some(touch.clicked_at),
        coupon: None,
        code: None,
        campaign: campaign.map(|campaign| campaign.id),
        influencer: link.map(|link| link.influencer),
    }
}

fn coupon_candidates(order: &Order, catalog: &Catalog) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for code in &order.coupons {
        for coupon in catalog.coupons_with_code(order.merchant, code) {
            if candidates.iter().all(|c| c.coupon != Some(coupon.id)) {
                candidates.push(coupon_candidate(
                    coupon,
                    code,
                    order,
                    catalog.campaigns.get(&coupon.campaign),
                ));
            }
        }
    }
    candidates
}

fn coupon_candidate(
    coupon: &Coupon,
    code: &str,
    order: &Order,
    campaign: Option<&Arc<Campaign>>,
) -> Candidate {
    let within = |starts: Option<Timestamp>, ends: Option<Timestamp>| {
        starts.is_none_or(|starts| starts <= order.placed_at)
            && ends.is_none_or(|ends| order.placed_at < ends)
    };
    let in_dates = within(coupon.starts_at, coupon.ends_at)
        && campaign.is_some_and(|campaign| within(campaign.starts_at, campaign.ends_at));
    Candidate {
        evidence: Evidence::Coupon,
        verdict: if in_dates { Verdict::Credited } else { Verdict::OutOfDates },
        click: None,
        link: None,
        clicked_at: None,
        coupon: Some(coupon.id),
        code: Some(code.trim().to_owned()),
        campaign: Some(coupon.campaign),
        influencer: Some(coupon.influencer),
    }
}

/// The latest touch, or the first coupon, whichever evidence the campaign counts first.
///
/// Where touch and coupon belong to different campaigns, the touch's campaign says which counts.
fn pick(candidates: &[Candidate], catalog: &Catalog) -> Option<usize> {
    let eligible = |evidence| {
        move |&(_, c): &(usize, &Candidate)| c.evidence == evidence && c.verdict == Verdict::Credited
    };
    let touch = candidates.iter().enumerate().rev().find(eligible(Evidence::Click));
    let coupon = candidates.iter().enumerate().find(eligible(Evidence::Coupon));
    let (index, referee) = touch.or(coupon)?;
    let precedence =
        referee.campaign.and_then(|id| catalog.campaigns.get(&id)).map(|campaign| &campaign.precedence);
    let ranked = precedence.into_iter().flatten().find_map(|evidence| match evidence {
        Evidence::Click => touch,
        Evidence::Coupon => coupon,
    });
    match ranked {
        Some((index, _)) => Some(index),
        // A precedence that names only the other evidence excludes this one.
        None => precedence.is_none_or(Vec::is_empty).then_some(index),
    }
}

fn settle(candidates: &mut [Candidate], winner: Option<usize>) {
    let winning = winner.map(|index| candidates[index].evidence);
    for (index, candidate) in candidates.iter_mut().enumerate() {
        if candidate.verdict == Verdict::Credited && Some(index) != winner {
            let outrun = candidate.evidence == Evidence::Click && winning == Some(Evidence::Click);
            candidate.verdict = if outrun { Verdict::EarlierTouch } else { Verdict::LowerPrecedence };
        }
    }
}

fn explain(candidates: &[Candidate], winner: Option<usize>) -> (Method, &'static str, String) {
    let count = |verdict| candidates.iter().filter(|c| c.verdict == verdict).count();
    let others = candidates.len() - usize::from(winner.is_some());
    if let Some(candidate) = winner.map(|index| &candidates[index]) {
        let (method, what) = match candidate.evidence {
            Evidence::Click => (Method::Click, "the latest click within its window"),
            Evidence::Coupon => (Method::Coupon, "the owner of the discount code on the order"),
        };
        return (method, "", format!("credited to {what}; {others} other candidates"));
    }
    if count(Verdict::OutsideWindow) > 0 {
        return (Method::None, "outside_window", "the order came after the window of every click".to_owned());
    }
    let reason = if candidates.is_empty() {
        "no click and no known discount code"
    } else {
        "no candidate may be credited"
    };
    (Method::None, "", reason.to_owned())
}
