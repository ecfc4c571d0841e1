//! Claims in a decision: which clicks and visits by a code that only browsers named may be credited,
//! and why the others may not. Decides nothing about those in the shop's own facts.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::decision::{Standing, Verdict};
use shared::catalog::{Catalog, ClaimRule, Merchant};
use shared::id::{CampaignId, InfluencerId};
use shared::order::{Backing, Claim, CodeClaim, Opening, Order};

/// The claims of an order, judged.
#[derive(Default)]
pub(super) struct Judged {
    /// What may be credited, each with the right by which it may.
    pub(super) accepted: Vec<(Opening, Standing)>,
    /// What may not, each with the reason.
    pub(super) refused: Vec<(Opening, Verdict)>,
}

impl Judged {
    pub(super) fn of(order: &Order, catalog: &Catalog) -> Self {
        let merchant = catalog.merchants.get(&order.merchant);
        let claims = claimed(order, catalog);
        let mut judged = Self::default();
        if !order.touches.is_empty() || !order.code_visits.is_empty() {
            let others = claims.iter().filter(|claim| !is_in_order(&claim.of, order));
            judged.refused.extend(others.map(|claim| (claim.of, Verdict::LessTrusted)));
            return judged;
        }
        let mut by_number = Vec::new();
        for claim in &claims {
            match standing(claim.backing, order, merchant) {
                Some(standing) => judged.accepted.push((claim.of, standing)),
                None => by_number.push(claim),
            }
        }
        let rule = merchant.map(|merchant| merchant.claims_at(order.placed_at));
        let may_do = rule == Some(ClaimRule::Number);
        let verdicts = if !may_do || !judged.accepted.is_empty() {
            by_number.iter().map(|_| Err(Verdict::Unproven)).collect()
        } else if order.has_many_claims {
            // SECURITY: whoever sends many claims shuts out the buyer's own, which would contest them.
            by_number.iter().map(|_| Err(Verdict::Contested)).collect()
        } else {
            of_numbers(&by_number)
        };
        for (claim, verdict) in by_number.iter().zip(verdicts) {
            match verdict {
                Ok(standing) => judged.accepted.push((claim.of, standing)),
                Err(verdict) => judged.refused.push((claim.of, verdict)),
            }
        }
        judged
    }

    /// Returns whether what may be credited was claimed by the order's number alone.
    pub(super) fn is_by_number(&self) -> bool {
        self.accepted.iter().any(|(_, standing)| *standing == Standing::ByNumber)
    }
}

/// A click or a visit by a code that a browser claims.
struct Claimed {
    of: Opening,
    backing: Backing,
    /// Whether it came when the buyer would have sent it.
    is_timely: bool,
    /// Whose it is, if it is of this merchant.
    influencer: Option<InfluencerId>,
}

/// Returns everything that browsers claim for an order.
fn claimed(order: &Order, catalog: &Catalog) -> Vec<Claimed> {
    // An order that the shop has not reported was placed when the first browser said so.
    let placed_at = order.confirmed.then_some(order.placed_at);
    let of_merchant = |campaign: CampaignId| {
        catalog.campaigns.get(&campaign).filter(|campaign| campaign.merchant == order.merchant)
    };
    let click = |claim: &Claim| {
        let link = catalog.links.get(claim.touch.link);
        let link = link.filter(|link| of_merchant(link.campaign()).is_some());
        Claimed {
            of: Opening::Click(claim.touch),
            backing: claim.backing,
            is_timely: placed_at.is_none_or(|placed_at| claim.is_timely(placed_at)),
            influencer: link.map(|link| link.influencer()),
        }
    };
    let code = |claim: &CodeClaim| {
        let coupon = catalog.coupons.get(&claim.visit.coupon);
        let known = coupon.and_then(|coupon| Some((coupon, of_merchant(coupon.campaign)?)));
        let is_timely = known.is_some_and(|(_, campaign)| {
            placed_at.is_none_or(|placed_at| claim.is_timely(campaign.window(), placed_at))
        });
        Claimed {
            of: Opening::Code(claim.visit),
            backing: claim.backing,
            is_timely,
            influencer: known.map(|(coupon, _)| coupon.influencer),
        }
    };
    order.claims.iter().map(click).chain(order.code_claims.iter().map(code)).collect()
}

/// Returns whether the shop's own facts have it, too.
fn is_in_order(of: &Opening, order: &Order) -> bool {
    match of {
        Opening::Click(claimed) => order.touches.iter().any(|t| t.click == claimed.click),
        Opening::Code(claimed) => order.code_visits.contains(claimed),
    }
}

/// Returns the right by which a claim may be credited whatever the merchant says of numbers.
fn standing(backing: Backing, order: &Order, merchant: Option<&Arc<Merchant>>) -> Option<Standing> {
    let trusts_pixel = merchant.is_some_and(|merchant| merchant.trust_pixel);
    match backing {
        Backing::Proven => Some(Standing::Proven),
        Backing::Earlier => Some(Standing::Earlier),
        // Nobody but browsers ever speaks of the orders of such a merchant.
        _ if trusts_pixel && !order.confirmed => Some(Standing::Trusted),
        Backing::Unchecked => Some(Standing::Unchecked),
        Backing::Number => None,
    }
}

/// Judges claims by number for a merchant who accepts them. Each must be timely, and all that are
/// must belong to one influencer: nobody can tell which of several was the buyer's.
fn of_numbers(claims: &[&Claimed]) -> Vec<Result<Standing, Verdict>> {
    let timely = claims.iter().filter(|claim| claim.is_timely);
    let claimants: BTreeSet<InfluencerId> = timely.filter_map(|claim| claim.influencer).collect();
    let judge = |claim: &&Claimed| match (claim.is_timely, claimants.len()) {
        (false, _) => Err(Verdict::Unproven),
        (true, 0 | 1) => Ok(Standing::ByNumber),
        (true, _) => Err(Verdict::Contested),
    };
    claims.iter().map(judge).collect()
}
