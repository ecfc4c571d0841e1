//! Claims in a decision: which clicks that only browsers named may be credited, and why the others
//! may not. Decides nothing about clicks in the shop's own facts.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::decision::{Standing, Verdict};
use shared::catalog::{Catalog, ClaimRule, Merchant};
use shared::id::InfluencerId;
use shared::order::{Backing, Claim, Order, Touch};

/// The claims of an order, judged.
#[derive(Default)]
pub(super) struct Judged {
    /// Clicks that may be credited, each with the right by which it may.
    pub(super) accepted: Vec<(Touch, Standing)>,
    /// Clicks that may not, each with the reason.
    pub(super) refused: Vec<(Touch, Verdict)>,
}

impl Judged {
    pub(super) fn of(order: &Order, catalog: &Catalog) -> Self {
        let merchant = catalog.merchants.get(&order.merchant);
        let is_in_order =
            |claim: &&Claim| order.touches.iter().any(|t| t.click == claim.touch.click);
        let mut judged = Self::default();
        if !order.touches.is_empty() {
            let others = order.claims.iter().filter(|claim| !is_in_order(claim));
            judged.refused.extend(others.map(|claim| (claim.touch, Verdict::LessTrusted)));
            return judged;
        }
        let mut by_number = Vec::new();
        for claim in &order.claims {
            match standing(claim, order, merchant) {
                Some(standing) => judged.accepted.push((claim.touch, standing)),
                None => by_number.push(claim),
            }
        }
        let rule = merchant.map(|merchant| merchant.claims_at(order.placed_at));
        let may_do = rule == Some(ClaimRule::Number);
        let verdicts = if may_do && judged.accepted.is_empty() {
            of_numbers(&by_number, order, catalog)
        } else {
            by_number.iter().map(|_| Err(Verdict::Unproven)).collect()
        };
        for (claim, verdict) in by_number.iter().zip(verdicts) {
            match verdict {
                Ok(standing) => judged.accepted.push((claim.touch, standing)),
                Err(verdict) => judged.refused.push((claim.touch, verdict)),
            }
        }
        judged
    }

    /// Returns whether the clicks that may be credited were claimed by the order's number alone.
    pub(super) fn is_by_number(&self) -> bool {
        self.accepted.iter().any(|(_, standing)| *standing == Standing::ByNumber)
    }
}

/// Returns the right by which a claim may be credited whatever the merchant says of numbers.
fn standing(claim: &Claim, order: &Order, merchant: Option<&Arc<Merchant>>) -> Option<Standing> {
    let trusts_pixel = merchant.is_some_and(|merchant| merchant.trust_pixel);
    match claim.backing {
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
fn of_numbers(
    claims: &[&Claim],
    order: &Order,
    catalog: &Catalog,
) -> Vec<Result<Standing, Verdict>> {
    let influencer = |claim: &Claim| -> Option<InfluencerId> {
        let link = catalog.links.get(claim.touch.link)?;
        let campaign = catalog.campaigns.get(&link.campaign())?;
        (campaign.merchant == order.merchant).then(|| link.influencer())
    };
    // An order that the shop has not reported was placed when the first browser said so.
    let is_timely = |claim: &&&Claim| !order.confirmed || claim.is_timely(order.placed_at);
    let claimants: BTreeSet<InfluencerId> =
        claims.iter().filter(is_timely).filter_map(|claim| influencer(claim)).collect();
    let judge = |claim: &&Claim| match (is_timely(&claim), claimants.len()) {
        (false, _) => Err(Verdict::Unproven),
        (true, 0 | 1) => Ok(Standing::ByNumber),
        (true, _) => Err(Verdict::Contested),
    };
    claims.iter().map(judge).collect()
}
