//! Picks of all candidates the one that is credited, by the campaign's precedence and model. Whether a
//! candidate may be credited at all is decided before: here only those with the verdict `Credited`
//! compete.

use shared::catalog::{Catalog, Evidence, Model};
use shared::order::Order;

use super::decision::{Candidate, Verdict};

/// The kinds of evidence that compete by time, when one of them has a place in the precedence.
type Peers = &'static [Evidence];

const CLICKS: Peers = &[Evidence::Click];
const CODE_VISITS: Peers = &[Evidence::CodeVisit];
/// Both bring a customer to the shop, so the later one brought the order.
const CLICKS_AND_CODE_VISITS: Peers = &[Evidence::Click, Evidence::CodeVisit];
/// Coupons do not compete by time.
const COUPONS: Peers = &[];

/// The precedence of a campaign that lists none.
const DEFAULT: &[Evidence] = &[Evidence::Click, Evidence::Coupon];

/// The result of a precedence.
pub(super) enum Pick {
    /// This candidate is credited. It was compared by time with others of these kinds.
    Winner(usize, Peers),
    /// Nobody is credited: the customer had bought from this shop before.
    ExistingCustomer,
    /// Nobody is credited: the campaign counts none of the evidence.
    Nobody,
}

impl Pick {
    pub(super) const fn index(&self) -> Option<usize> {
        match self {
            Self::Winner(index, _) => Some(*index),
            Self::ExistingCustomer | Self::Nobody => None,
        }
    }
}

/// The candidate of each kind that would be credited.
#[derive(Clone, Copy)]
struct Best {
    click: Option<usize>,
    code_visit: Option<usize>,
    coupon: Option<usize>,
}

/// Picks the candidate that is credited.
///
/// A coupon on the order is the shop's word. So a click that a browser claims by the order's number
/// alone only comes after it, whatever the campaign counts first. And a visit by a code never counts
/// beside it: that code was really used.
pub(super) fn pick(
    candidates: &[Candidate],
    by_number: bool,
    order: &Order,
    catalog: &Catalog,
) -> Pick {
    let coupon = candidates
        .iter()
        .position(|c| c.evidence == Evidence::Coupon && c.verdict == Verdict::Credited);
    let only_coupon = Best { click: None, code_visit: None, coupon };
    if by_number
        && coupon.is_some()
        && let picked @ (Pick::Winner(..) | Pick::ExistingCustomer) =
            pick_first(candidates, only_coupon, order, catalog)
    {
        return picked;
    }
    let click = pick_by_time(candidates, CLICKS, catalog);
    let code_visit = pick_by_time(candidates, CODE_VISITS, catalog).filter(|_| coupon.is_none());
    pick_first(candidates, Best { click, code_visit, coupon }, order, catalog)
}

/// Picks the evidence that the campaign counts first.
///
/// When the evidence belongs to different campaigns, the click's campaign decides, or else that of
/// the visit by a code.
///
/// A precedence need not list visits by a code. They count where coupons do, and compete with clicks
/// by time, in their place; where clicks do not count, they have the place of the coupons.
fn pick_first(candidates: &[Candidate], best: Best, order: &Order, catalog: &Catalog) -> Pick {
    let Best { click, code_visit, coupon } = best;
    let Some(referee) = click.or(code_visit).or(coupon) else { return Pick::Nobody };
    let campaign = candidates[referee].campaign.and_then(|id| catalog.campaigns.get(&id));
    let listed = campaign.map(|campaign| &campaign.precedence[..]).filter(|list| !list.is_empty());
    let listed = listed.unwrap_or(DEFAULT);
    let refuses = |evidence: &Evidence| {
        *evidence == Evidence::ExistingCustomer
            && order.new_customer.is_some_and(|said| !said.is_new)
    };
    let end = listed.iter().position(refuses);
    let counted = &listed[..end.unwrap_or(listed.len())];
    let joins = code_visit.is_some()
        && !listed.contains(&Evidence::CodeVisit)
        && counted.contains(&Evidence::Coupon);
    let joins_clicks = joins && counted.contains(&Evidence::Click);
    for evidence in counted {
        let (found, peers) = match evidence {
            Evidence::Click if joins_clicks => {
                let both = CLICKS_AND_CODE_VISITS;
                (pick_by_time(candidates, both, catalog), both)
            }
            Evidence::Click => (click, CLICKS),
            Evidence::CodeVisit => (code_visit, CODE_VISITS),
            Evidence::Coupon if joins && !joins_clicks => (code_visit, CODE_VISITS),
            Evidence::Coupon => (coupon, COUPONS),
            Evidence::ExistingCustomer => continue,
        };
        if let Some(index) = found {
            return Pick::Winner(index, peers);
        }
    }
    // Evidence that the precedence does not list does not count.
    if end.is_some() { Pick::ExistingCustomer } else { Pick::Nobody }
}

/// Picks the latest candidate of some kinds. Where its campaign credits first clicks, the first one
/// of the same campaign.
fn pick_by_time(candidates: &[Candidate], of: Peers, catalog: &Catalog) -> Option<usize> {
    let creditable = |c: &Candidate| of.contains(&c.evidence) && c.verdict == Verdict::Credited;
    let latest = candidates.iter().rposition(creditable)?;
    let campaign = candidates[latest].campaign;
    let model = campaign.and_then(|id| catalog.campaigns.get(&id)).map(|campaign| campaign.model);
    if model != Some(Model::FirstClick) {
        return Some(latest);
    }
    candidates.iter().position(|c| creditable(c) && c.campaign == campaign)
}

/// Leaves the credit to the winner, and gives each other candidate the reason why it has none.
pub(super) fn mark_winner(candidates: &mut [Candidate], picked: &Pick) {
    let winner = picked.index();
    for (index, candidate) in candidates.iter_mut().enumerate() {
        if candidate.verdict != Verdict::Credited || Some(index) == winner {
            continue;
        }
        candidate.verdict = match picked {
            Pick::ExistingCustomer => Verdict::ExistingCustomer,
            Pick::Winner(winner, peers) if peers.contains(&candidate.evidence) => {
                if index > *winner { Verdict::LaterTouch } else { Verdict::EarlierTouch }
            }
            Pick::Winner(..) | Pick::Nobody => Verdict::LowerPrecedence,
        };
    }
}
