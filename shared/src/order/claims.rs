//! Claims: what browsers say of an order, and what each of them brings to back it. Anybody can send
//! a claim, so here is decided which ones an order keeps. Credits nobody: `attribution` does.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::code_visit::CodeVisit;
use super::fact::OrderFact;
use super::touch::Touch;
use crate::id::ProofId;
use crate::time::{Span, Timestamp};

/// The number of claims that an order keeps. It is bounded because anybody can send them.
pub const BROWSER_FACTS_MAX: usize = 20;

/// What backs a claim, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backing {
    /// The order's number alone, or a key that no report of the shop bears. Both can be made up.
    Number,
    /// A key that cannot be compared yet, because the shop has not reported the order.
    Unchecked,
    /// It and a report of the shop were recorded before claims needed a proof. It counts as it did
    /// then: what was settled does not change.
    Earlier,
    /// A key that the shop's report bears too.
    Proven,
}

/// A click that a browser claims for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The click of the token that came with it.
    pub touch: Touch,
    /// What backs it.
    pub backing: Backing,
    /// The time at which it reached us, by our clock.
    pub received_at: Timestamp,
}

/// A visit by a discount code that a browser claims to have led to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeClaim {
    /// The visit.
    pub visit: CodeVisit,
    /// What backs it.
    pub backing: Backing,
    /// The time at which it reached us, by our clock.
    pub received_at: Timestamp,
}

/// What the shop's reports of an order say to a claim.
#[derive(Debug, Default)]
pub(super) struct Reports {
    proofs: BTreeSet<ProofId>,
    are_there: bool,
    /// Whether one of them was recorded before claims needed a proof.
    has_earlier: bool,
}

impl Reports {
    /// Takes in a fact of the shop.
    pub(super) fn add(&mut self, fact: &OrderFact) {
        self.proofs.extend(&fact.proofs);
        self.are_there = true;
        self.has_earlier |= !fact.asks_proof;
    }

    pub(super) fn of(facts: &[&OrderFact]) -> Self {
        let mut reports = Self::default();
        facts.iter().for_each(|fact| reports.add(fact));
        reports
    }

    /// Returns what backs a claim.
    fn backing(&self, claim: &OrderFact) -> Backing {
        let is_known = |proof: &ProofId| self.proofs.contains(proof);
        if claim.proofs.iter().any(is_known) || claim.id_as_proof().is_some_and(|id| is_known(&id))
        {
            Backing::Proven
        } else if self.has_earlier && !claim.asks_proof {
            Backing::Earlier
        } else if !self.are_there && !claim.proofs.is_empty() {
            Backing::Unchecked
        } else {
            Backing::Number
        }
    }

    /// Keeps the claims that are backed best, and of equal ones those that came nearest to the
    /// time at which the shop says that the order was placed. So nobody shuts a buyer out by
    /// claiming an order before it exists.
    pub(super) fn keep_best(&self, placed_at: Timestamp, claims: &mut Vec<&OrderFact>) {
        claims.sort_by_cached_key(|claim| {
            let backing = self.backing(claim);
            // Of claims that were recorded earlier the first ones count, as they did then. Without
            // a report of the shop nobody knows which of them is near.
            let is_near = self.are_there && backing != Backing::Earlier;
            let distance = claim.received_at.since(placed_at).as_ms().saturating_abs();
            let distance = if is_near { distance } else { 0 };
            (Reverse(backing), distance, claim.received_at, claim.id)
        });
        claims.truncate(BROWSER_FACTS_MAX);
    }

    /// Returns whether as many claims as are kept came when the buyer would have sent one. Then the
    /// buyer's own may be missing.
    pub(super) fn are_many(claims: &[&OrderFact], placed_at: Timestamp) -> bool {
        let soon = claims.iter().filter(|claim| came_soon(claim.received_at, placed_at));
        soon.count() >= BROWSER_FACTS_MAX
    }

    /// Returns the clicks that browsers claim, by time, each with the best of its claims.
    pub(super) fn claims(&self, facts: &[&OrderFact]) -> Vec<Claim> {
        let of_fact = |fact: &&OrderFact| {
            let (backing, received_at) = (self.backing(fact), fact.received_at);
            let claim = move |&touch: &Touch| Claim { touch, backing, received_at };
            fact.touches.iter().map(claim).collect::<Vec<_>>()
        };
        let mut claims: Vec<Claim> = facts.iter().flat_map(of_fact).collect();
        claims.sort_by_key(|claim| (claim.touch, Reverse(claim.backing), claim.received_at));
        claims.dedup_by_key(|claim| claim.touch.click);
        claims
    }

    /// Returns the visits by a code that browsers claim, by time, each with the best of its claims.
    pub(super) fn code_claims(&self, facts: &[&OrderFact]) -> Vec<CodeClaim> {
        let of_fact = |fact: &&OrderFact| {
            let (backing, received_at) = (self.backing(fact), fact.received_at);
            fact.code_visit.map(|visit| CodeClaim { visit, backing, received_at })
        };
        let mut claims: Vec<CodeClaim> = facts.iter().filter_map(of_fact).collect();
        claims.sort_by_key(|claim| (claim.visit, Reverse(claim.backing), claim.received_at));
        claims.dedup_by_key(|claim| claim.visit);
        claims
    }
}

/// How far the shop's clock may be ahead of ours.
const CLOCK_SKEW: Span = Span::minutes(2);
/// How long after the order a claim by its number may come.
const CLAIM_AGE_MAX: Span = Span::minutes(60);

impl Claim {
    /// Returns whether the claim came when the buyer of an order that was placed then would have
    /// sent it, from a click inside its window before the order.
    pub fn is_timely(&self, placed_at: Timestamp) -> bool {
        came_soon(self.received_at, placed_at) && self.touch.covers(placed_at)
    }
}

impl CodeClaim {
    /// As [`Claim::is_timely`]. The window is that of the coupon's campaign.
    pub fn is_timely(&self, window: Span, placed_at: Timestamp) -> bool {
        came_soon(self.received_at, placed_at) && self.visit.covers(window, placed_at)
    }
}

/// Returns whether the buyer's page would have reported the order at that time.
fn came_soon(received_at: Timestamp, placed_at: Timestamp) -> bool {
    let after = received_at.since(placed_at);
    after >= Span::ms(-CLOCK_SKEW.as_ms()) && after <= CLAIM_AGE_MAX
}
