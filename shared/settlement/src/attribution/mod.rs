//! Attribution: decides which click, coupon or visit by a code is credited for an order, and why.
//!
//! A decision lists every candidate with its verdict, so that it can be checked: the same facts
//! give the same decision, byte for byte, on the edge, in the batch and in an audit. A touch
//! outside its window is labelled, never dropped. A coupon, and a visit that a code opened, are
//! credited without inventing a click.

mod claims;
mod decision;
mod models;
mod pick;

pub use decision::{Candidate, Decision, Method, Standing, Verdict};
pub use models::{credit, shares};

use std::sync::Arc;

use shared::catalog::{
    Campaign, Catalog, Coupon, Evidence, Renewals, Suspendable, SuspendedPeriod,
};
use shared::id::{ClickId, CustomerId, InfluencerId};
use shared::order::{CodeVisit, Opening, Order, Touch, Visit, path_before};
use shared::time::{Span, Timestamp};

use claims::Judged;
use decision::label_of;
use pick::{mark_winner, pick};

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
    let mut candidates = code_candidates(order, &claims, catalog);
    candidates.extend(touch_candidates(order, &claims, catalog, visit));
    candidates.sort_by_key(Candidate::came_at);
    candidates.extend(coupon_candidates(order, catalog));
    candidates.iter_mut().for_each(|candidate| refuse(candidate, order, catalog));
    shield_checkout(&mut candidates, order);
    let winner = pick(&candidates, claims.is_by_number(), order, catalog);
    mark_winner(&mut candidates, &winner);
    let winner = winner.index();
    debug_assert!(is_only_credited(&candidates, winner), "only the winner is credited");
    let (method, label, reason) = explain(&candidates, winner, order.placed_at);
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
///
/// SECURITY: only a browser says when a code opened a visit, so an earlier moment must not take it
/// out of a suspension: both its moment and the order's count.
pub(crate) fn suspended<'c>(
    candidate: &Candidate,
    order: &Order,
    catalog: &'c Catalog,
) -> Option<&'c SuspendedPeriod> {
    let ordered_at = candidate.clicked_at.is_none().then_some(order.placed_at);
    let of = [
        candidate.link.map(Suspendable::Link),
        candidate.coupon.map(Suspendable::Coupon),
        candidate.influencer.map(Suspendable::Influencer),
    ];
    let at_any = |at: Timestamp| {
        of.into_iter().flatten().find_map(|of| catalog.suspended(of, at, order.known_at))
    };
    [candidate.came_at(), ordered_at].into_iter().flatten().find_map(at_any)
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

/// Refuses clicks and visits by a code that came after the customer had gone to the checkout, when
/// an earlier one led there: a late one must not take the credit.
fn shield_checkout(candidates: &mut [Candidate], order: &Order) {
    let Some(checkout_at) = order.checkout_at else { return };
    let creditable = |c: &Candidate| c.came_at().is_some() && c.verdict == Verdict::Credited;
    let came_before = |c: &Candidate| c.came_at().is_some_and(|came_at| came_at < checkout_at);
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
    let accepted = claims.accepted.iter().filter_map(|(of, _)| click_of(of));
    let own: Vec<Touch> = order.touches.iter().copied().chain(accepted).collect();
    let before = own.iter().flat_map(|touch| path_before(touch, visit));
    let mut touches: Vec<Touch> = before.chain(own.iter().copied()).collect();
    touches.sort_unstable();
    touches.dedup_by_key(|touch| touch.click);
    let refused = claims.refused.iter().filter_map(|(of, verdict)| Some((click_of(of)?, *verdict)));
    let refused = refused.filter(|(claimed, _)| touches.iter().all(|t| t.click != claimed.click));
    let refused = refused
        .map(|(touch, verdict)| Candidate { verdict, ..touch_candidate(&touch, order, catalog) });
    let standing = |touch: &Touch| {
        let is_it = |of: &Opening| click_of(of).is_some_and(|claimed| claimed.click == touch.click);
        claims.accepted.iter().find(|(of, _)| is_it(of)).map(|(_, standing)| *standing)
    };
    let touches = touches.iter().map(|touch| Candidate {
        claim: standing(touch),
        ..touch_candidate(touch, order, catalog)
    });
    refused.chain(touches).collect()
}

const fn click_of(of: &Opening) -> Option<Touch> {
    match of {
        Opening::Click(touch) => Some(*touch),
        Opening::Code(_) => None,
    }
}

const fn code_of(of: &Opening) -> Option<CodeVisit> {
    match of {
        Opening::Click(_) => None,
        Opening::Code(visit) => Some(*visit),
    }
}

/// Returns the visits of an order that codes opened as candidates: those that may be credited, and
/// those that browsers claim in vain.
fn code_candidates(order: &Order, claims: &Judged, catalog: &Catalog) -> Vec<Candidate> {
    let of = |visit: &CodeVisit| code_candidate(visit, order, catalog);
    let own = order.code_visits.iter().map(of);
    let accepted = claims.accepted.iter().filter_map(|(claimed, standing)| {
        Some(Candidate { claim: Some(*standing), ..of(&code_of(claimed)?) })
    });
    let refused = claims.refused.iter().filter_map(|(claimed, verdict)| {
        Some(Candidate { verdict: *verdict, ..of(&code_of(claimed)?) })
    });
    own.chain(accepted).chain(refused).collect()
}

/// Makes a candidate of a visit that a code opened. Code and campaign must have been valid when it
/// began, and the order must lie inside the campaign's window from then on.
fn code_candidate(visit: &CodeVisit, order: &Order, catalog: &Catalog) -> Candidate {
    let coupon = catalog.coupons.get(&visit.coupon);
    let campaign = coupon.and_then(|coupon| catalog.campaigns.get(&coupon.campaign));
    let campaign = campaign.filter(|campaign| campaign.merchant == order.merchant);
    let verdict = match (coupon, campaign) {
        (Some(coupon), Some(campaign)) => {
            if order.placed_at < visit.opened_at {
                Verdict::AfterOrder
            } else if !is_in_dates(coupon, campaign, visit.opened_at) {
                Verdict::OutOfDates
            } else if visit.covers(campaign.window(), order.placed_at) {
                Verdict::Credited
            } else {
                Verdict::OutsideWindow
            }
        }
        _ => Verdict::Unknown,
    };
    Candidate {
        opened_at: Some(visit.opened_at),
        coupon: Some(visit.coupon),
        code: coupon.map(|coupon| coupon.code.clone()),
        campaign: campaign.map(|campaign| campaign.id),
        influencer: coupon.map(|coupon| coupon.influencer),
        ..Candidate::blank(Evidence::CodeVisit, verdict)
    }
}

/// Returns whether a coupon and its campaign are valid at a time.
fn is_in_dates(coupon: &Coupon, campaign: &Campaign, at: Timestamp) -> bool {
    let has_begun = campaign.starts_at.is_none_or(|starts| starts <= at);
    coupon.is_owned_at(at) && has_begun && campaign.ends_at.is_none_or(|ends| at < ends)
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
        click: Some(touch.click),
        link: Some(touch.link),
        clicked_at: Some(touch.clicked_at),
        campaign: campaign.map(|campaign| campaign.id),
        influencer: link.map(|link| link.influencer()),
        ..Candidate::blank(Evidence::Click, verdict)
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
    let in_dates = campaign.is_some_and(|campaign| is_in_dates(coupon, campaign, order.placed_at));
    let verdict = if in_dates { Verdict::Credited } else { Verdict::OutOfDates };
    Candidate {
        coupon: Some(coupon.id),
        code: Some(code.trim().to_owned()),
        campaign: Some(coupon.campaign),
        influencer: Some(coupon.influencer),
        ..Candidate::blank(Evidence::Coupon, verdict)
    }
}

fn is_only_credited(candidates: &[Candidate], winner: Option<usize>) -> bool {
    let credited = candidates.iter().map(|c| c.verdict == Verdict::Credited);
    credited.enumerate().all(|(index, is_credited)| is_credited == (Some(index) == winner))
}

fn explain(
    candidates: &[Candidate],
    winner: Option<usize>,
    placed_at: Timestamp,
) -> (Method, &'static str, String) {
    let has = |verdict| candidates.iter().any(|c| c.verdict == verdict);
    let others = candidates.len() - usize::from(winner.is_some());
    if let Some(candidate) = winner.map(|index| &candidates[index]) {
        let later = has(Verdict::LaterTouch);
        let (method, what) = match candidate.evidence {
            Evidence::Click if later => (Method::Click, "the first click within its window".into()),
            Evidence::Click => (Method::Click, "the latest click within its window".into()),
            Evidence::CodeVisit => {
                let code = candidate.code.as_deref().unwrap_or_default();
                let before = before(candidate.opened_at.unwrap_or(placed_at), placed_at);
                let what = format!("the owner of the code {code}, which opened the shop {before}");
                (Method::CodeVisit, what)
            }
            Evidence::Coupon | Evidence::ExistingCustomer => {
                (Method::Coupon, "the owner of the discount code on the order".to_owned())
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
        let is_click = |c: &Candidate| c.evidence == Evidence::Click;
        let has_click =
            candidates.iter().any(|c| c.verdict == Verdict::OutsideWindow && is_click(c));
        let by_click = "the order came after the window of every click";
        let by_code = "the order came after the window of the visit that a code opened";
        (Verdict::OutsideWindow, if has_click { by_click } else { by_code })
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

/// Says in words how long before the order something was: `3 days before`.
fn before(at: Timestamp, placed_at: Timestamp) -> String {
    let ago = placed_at.since(at).as_ms().max(0);
    let units = [("day", Span::days(1)), ("hour", Span::minutes(60)), ("minute", Span::minutes(1))];
    let counted = units.map(|(unit, length)| (ago / length.as_ms(), unit));
    match counted.into_iter().find(|(count, _)| *count > 0) {
        Some((1, unit)) => format!("1 {unit} before"),
        Some((count, unit)) => format!("{count} {unit}s before"),
        None => "just before".to_owned(),
    }
}
