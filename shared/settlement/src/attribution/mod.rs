//! Attribution: decides which click or coupon is credited for an order, and why.
//!
//! A decision lists every candidate with its verdict, so that it can be checked: the same facts
//! give the same decision, byte for byte, on the edge, in the batch and in an audit. A touch
//! outside its window is labelled, never dropped. A coupon is credited without inventing a click.

mod claims;
mod decision;
mod models;

pub use decision::{Candidate, Decision, Method, Standing, Verdict};
pub use models::{credit, shares};

use std::sync::Arc;

use shared::catalog::{
    Campaign, Catalog, Coupon, Evidence, Model, Renewals, Suspendable, SuspendedPeriod,
};
use shared::id::{ClickId, CustomerId, InfluencerId};
use shared::order::{Order, Touch, Visit, path_before};
use shared::time::Timestamp;

use claims::Judged;
use decision::label_of;

/// The version of these rules. It must change with every change that could change a decision.
pub const RULES: &str = "afterclick/5";

/// Decides who is credited for an order.
///
/// `visit` looks up a click that may earn. The clicks that led to a touch of the order are
/// candidates like the touch itself.
pub fn decide(
    order: &Order,
    catalog: &Catalog,
    visit: &dyn Fn(&ClickId) -> Option<Visit>,
) -> Decision {
    let claims = Judged::of(order, catalog);
    let mut candidates = touch_candidates(order, &claims, catalog, visit);
    candidates.extend(coupon_candidates(order, catalog));
    candidates.iter_mut().for_each(|candidate| refuse(candidate, order, catalog));
    shield_checkout(&mut candidates, order);
    let winner = pick(&candidates, claims.is_by_number(), order, catalog);
    mark_winner(&mut candidates, &winner);
    let winner = winner.index();
    debug_assert!(is_only_credited(&candidates, winner), "only the winner is credited");
    let (method, label, reason) = explain(&candidates, winner);
    let campaign = winner.and_then(|index| catalog.campaigns.get(&candidates[index].campaign?));
    let (terms_version, terms) = campaign.map_or_else(Default::default, |campaign| {
        let (version, terms) = campaign.terms_at(order.placed_at);
        (version, terms.describe())
    });
    Decision {
        rules: RULES.to_owned(),
        placed_at: order.placed_at,
        method,
        label: label.to_owned(),
        reason,
        new_customer: order.new_customer,
        terms_version,
        terms,
        candidates,
    }
}

/// Applies the rules about the buyer, about suspensions and about renewals. A candidate is refused
/// when its influencer placed the order, when it was suspended, or when the order is a renewal that the campaign does not pay for. It stays
/// credited outside its window when the campaign pays for all renewals.
fn refuse(candidate: &mut Candidate, order: &Order, catalog: &Catalog) {
    let campaign = candidate.campaign.and_then(|id| catalog.campaigns.get(&id));
    let renewals = campaign.map_or(Renewals::None, |campaign| campaign.renewals);
    if order.renewal && renewals == Renewals::All && candidate.verdict == Verdict::OutsideWindow {
        candidate.verdict = Verdict::Credited;
    }
    if candidate.verdict != Verdict::Credited {
        return;
    }
    if is_own_order(candidate.influencer, order, catalog) {
        candidate.verdict = Verdict::SelfReferral;
    } else if suspended(candidate, order, catalog).is_some() {
        candidate.verdict = Verdict::Suspended;
    } else if order.renewal && renewals == Renewals::None {
        candidate.verdict = Verdict::Renewal;
    }
}

/// Returns the suspension in which a candidate lies: that of its link or influencer at the time of
/// the click, or that of its coupon or influencer when the order was placed.
pub(crate) fn suspended<'c>(
    candidate: &Candidate,
    order: &Order,
    catalog: &'c Catalog,
) -> Option<&'c SuspendedPeriod> {
    let at = candidate.clicked_at.unwrap_or(order.placed_at);
    let of = [
        candidate.link.map(Suspendable::Link),
        candidate.coupon.map(Suspendable::Coupon),
        candidate.influencer.map(Suspendable::Influencer),
    ];
    of.into_iter().flatten().find_map(|of| catalog.suspended(of, at, order.known_at))
}

/// Returns whether the influencer placed the order: its e-mail address is theirs, and was known
/// when the order was placed.
fn is_own_order(influencer: Option<InfluencerId>, order: &Order, catalog: &Catalog) -> bool {
    let Some(influencer) = influencer.and_then(|id| catalog.influencers.get(&id)) else {
        return false;
    };
    let known_since = influencer.email_since.unwrap_or(influencer.created_at);
    let own =
        influencer.email.as_deref().and_then(|email| CustomerId::of_email(order.merchant, email));
    own.is_some() && own == order.customer && known_since <= order.placed_at
}

/// Refuses clicks that came after the customer had gone to the checkout, when an earlier click led
/// there: a late click must not take the credit.
fn shield_checkout(candidates: &mut [Candidate], order: &Order) {
    let Some(checkout_at) = order.checkout_at else { return };
    let creditable =
        |c: &Candidate| c.evidence == Evidence::Click && c.verdict == Verdict::Credited;
    let came_before =
        |c: &Candidate| c.clicked_at.is_some_and(|clicked_at| clicked_at < checkout_at);
    if candidates.iter().any(|c| creditable(c) && came_before(c)) {
        for late in candidates.iter_mut().filter(|c| creditable(c) && !came_before(c)) {
            late.verdict = Verdict::AfterCheckout;
        }
    }
}

/// Returns the touches of an order as candidates, by time: those that may be credited with the
/// clicks that led to them, and those that browsers claim in vain.
fn touch_candidates(
    order: &Order,
    claims: &Judged,
    catalog: &Catalog,
    visit: &dyn Fn(&ClickId) -> Option<Visit>,
) -> Vec<Candidate> {
    let accepted = claims.accepted.iter().map(|(touch, _)| *touch);
    let own: Vec<Touch> = order.touches.iter().copied().chain(accepted).collect();
    let before = own.iter().flat_map(|touch| path_before(touch, visit));
    let mut touches: Vec<Touch> = before.chain(own.iter().copied()).collect();
    touches.sort_unstable();
    touches.dedup_by_key(|touch| touch.click);
    let refused = claims
        .refused
        .iter()
        .filter(|(claimed, _)| touches.iter().all(|t| t.click != claimed.click));
    let refused = refused
        .map(|&(touch, verdict)| Candidate { verdict, ..touch_candidate(&touch, order, catalog) });
    let standing = |touch: &Touch| {
        let mut accepted = claims.accepted.iter();
        accepted.find(|(claimed, _)| claimed.click == touch.click).map(|(_, standing)| *standing)
    };
    let touches = touches.iter().map(|touch| Candidate {
        claim: standing(touch),
        ..touch_candidate(touch, order, catalog)
    });
    let mut candidates: Vec<_> = refused.chain(touches).collect();
    candidates.sort_by_key(|candidate| candidate.clicked_at);
    candidates
}

/// Makes a candidate of a touch. The verdict `Credited` means here that it could be credited:
/// `mark_winner` leaves it to one candidate.
fn touch_candidate(touch: &Touch, order: &Order, catalog: &Catalog) -> Candidate {
    let link = catalog.links.get(touch.link);
    let campaign = link.and_then(|link| catalog.campaigns.get(&link.campaign()));
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
        claim: None,
        click: Some(touch.click),
        link: Some(touch.link),
        clicked_at: Some(touch.clicked_at),
        coupon: None,
        code: None,
        campaign: campaign.map(|campaign| campaign.id),
        influencer: link.map(|link| link.influencer()),
    }
}

fn coupon_candidates(order: &Order, catalog: &Catalog) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for code in &order.coupons {
        for coupon in catalog.coupons_meant_by(order.merchant, code) {
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
        claim: None,
        click: None,
        link: None,
        clicked_at: None,
        coupon: Some(coupon.id),
        code: Some(code.trim().to_owned()),
        campaign: Some(coupon.campaign),
        influencer: Some(coupon.influencer),
    }
}

/// The result of a precedence.
enum Pick {
    /// This candidate is credited.
    Winner(usize),
    /// Nobody is credited: the customer had bought from this shop before.
    ExistingCustomer,
    /// Nobody is credited: the campaign counts none of the evidence.
    Nobody,
}

impl Pick {
    const fn index(&self) -> Option<usize> {
        match self {
            Self::Winner(index) => Some(*index),
            Self::ExistingCustomer | Self::Nobody => None,
        }
    }
}

/// Picks the touch that the model credits, or the first coupon.
///
/// A coupon on the order is the shop's word. So a click that a browser claims by the order's number
/// alone only comes after it, whatever the campaign counts first.
fn pick(candidates: &[Candidate], by_number: bool, order: &Order, catalog: &Catalog) -> Pick {
    let coupon = candidates
        .iter()
        .position(|c| c.evidence == Evidence::Coupon && c.verdict == Verdict::Credited);
    if by_number
        && coupon.is_some()
        && let picked @ (Pick::Winner(_) | Pick::ExistingCustomer) =
            pick_first(candidates, None, coupon, order, catalog)
    {
        return picked;
    }
    pick_first(candidates, pick_touch(candidates, catalog), coupon, order, catalog)
}

/// Picks the evidence that the campaign counts first.
///
/// When touch and coupon belong to different campaigns, the touch's campaign decides.
fn pick_first(
    candidates: &[Candidate],
    touch: Option<usize>,
    coupon: Option<usize>,
    order: &Order,
    catalog: &Catalog,
) -> Pick {
    let Some(referee) = touch.or(coupon) else { return Pick::Nobody };
    let campaign = candidates[referee].campaign.and_then(|id| catalog.campaigns.get(&id));
    let precedence = campaign.map_or(&[][..], |campaign| &campaign.precedence);
    if precedence.is_empty() {
        return Pick::Winner(referee);
    }
    for evidence in precedence {
        let found = match evidence {
            Evidence::Click => touch,
            Evidence::Coupon => coupon,
            Evidence::ExistingCustomer if order.new_customer.is_some_and(|one| !one.is_new) => {
                return Pick::ExistingCustomer;
            }
            Evidence::ExistingCustomer => None,
        };
        if let Some(index) = found {
            return Pick::Winner(index);
        }
    }
    // Evidence that the precedence does not list does not count.
    Pick::Nobody
}

/// Picks the latest touch that may be credited. Where its campaign credits first clicks, the first
/// touch of the same campaign.
fn pick_touch(candidates: &[Candidate], catalog: &Catalog) -> Option<usize> {
    let creditable =
        |c: &Candidate| c.evidence == Evidence::Click && c.verdict == Verdict::Credited;
    let latest = candidates.iter().rposition(creditable)?;
    let campaign = candidates[latest].campaign;
    let model = campaign.and_then(|id| catalog.campaigns.get(&id)).map(|campaign| campaign.model);
    if model != Some(Model::FirstClick) {
        return Some(latest);
    }
    candidates.iter().position(|c| creditable(c) && c.campaign == campaign)
}

/// Leaves the credit to the winner, and gives each other candidate the reason why it has none.
fn mark_winner(candidates: &mut [Candidate], picked: &Pick) {
    let winner = picked.index();
    let winning = winner.map(|index| candidates[index].evidence);
    for (index, candidate) in candidates.iter_mut().enumerate() {
        if candidate.verdict != Verdict::Credited || Some(index) == winner {
            continue;
        }
        let is_outrun = candidate.evidence == Evidence::Click && winning == Some(Evidence::Click);
        candidate.verdict = match picked {
            Pick::ExistingCustomer => Verdict::ExistingCustomer,
            Pick::Winner(winner) if is_outrun && index > *winner => Verdict::LaterTouch,
            Pick::Winner(_) if is_outrun => Verdict::EarlierTouch,
            Pick::Winner(_) | Pick::Nobody => Verdict::LowerPrecedence,
        };
    }
}

fn is_only_credited(candidates: &[Candidate], winner: Option<usize>) -> bool {
    let credited = candidates.iter().map(|c| c.verdict == Verdict::Credited);
    credited.enumerate().all(|(index, is_credited)| is_credited == (Some(index) == winner))
}

fn explain(candidates: &[Candidate], winner: Option<usize>) -> (Method, &'static str, String) {
    let has = |verdict| candidates.iter().any(|c| c.verdict == verdict);
    let others = candidates.len() - usize::from(winner.is_some());
    if let Some(candidate) = winner.map(|index| &candidates[index]) {
        let later = has(Verdict::LaterTouch);
        let (method, what) = match candidate.evidence {
            Evidence::Click if later => (Method::Click, "the first click within its window"),
            Evidence::Click => (Method::Click, "the latest click within its window"),
            Evidence::Coupon | Evidence::ExistingCustomer => {
                (Method::Coupon, "the owner of the discount code on the order")
            }
        };
        return (method, "", format!("credited to {what}; {others} other candidates"));
    }
    let (verdict, reason) = if has(Verdict::SelfReferral) {
        (Verdict::SelfReferral, "the influencer bought it")
    } else if has(Verdict::Suspended) {
        (Verdict::Suspended, "the influencer, the link or the coupon was suspended")
    } else if has(Verdict::Renewal) {
        (Verdict::Renewal, "a renewal, which the campaign does not pay for")
    } else if has(Verdict::ExistingCustomer) {
        (Verdict::ExistingCustomer, "the customer had bought here before")
    } else if has(Verdict::OutsideWindow) {
        (Verdict::OutsideWindow, "the order came after the window of every click")
    } else if has(Verdict::Contested) {
        let reason = "browsers claimed it by its number alone for several influencers";
        (Verdict::Contested, reason)
    } else if has(Verdict::Unproven) {
        let reason = "a browser claimed it without a proof, and the shop's facts have no click";
        (Verdict::Unproven, reason)
    } else if candidates.is_empty() {
        (Verdict::Unknown, "no click and no known discount code")
    } else {
        (Verdict::Unknown, "no candidate may be credited")
    };
    (Method::None, label_of(verdict).unwrap_or_default(), reason.to_owned())
}
