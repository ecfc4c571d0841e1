//! Attribution models for reports: they share an order among the touches of a decision. They never
//! change a payout, which follows the decision.

use super::decision::{Candidate, Decision, Method, Verdict};
use shared::catalog::{Evidence, Model};
use shared::money::Fraction;

/// Returns the touches of a decision that share credit under a model, each with its share. The
/// whole is the sum of the shares.
///
/// A touch has a share if it was credited, or if it only came before or after the credited touch.
/// Shares are whole numbers, so that nothing is lost to rounding.
pub fn shares(decision: &Decision, model: Model) -> Vec<(&Candidate, u64)> {
    let counts = |c: &&Candidate| {
        let verdicts = [Verdict::Credited, Verdict::EarlierTouch, Verdict::LaterTouch];
        c.evidence == Evidence::Click && verdicts.contains(&c.verdict)
    };
    let touches: Vec<&Candidate> = decision.candidates.iter().filter(counts).collect();
    let count = touches.len();
    let share = |(index, touch): (usize, &Candidate)| -> u64 {
        let (is_first, is_last) = (index == 0, index + 1 == count);
        match model {
            Model::LastClick => u64::from(is_last),
            Model::FirstClick => u64::from(is_first),
            Model::Linear => 1,
            Model::Position if count <= 2 => 1,
            // 40 % to either end, 20 % shared by those between.
            Model::Position if is_first || is_last => 2 * (count as u64 - 2),
            Model::Position => 1,
            Model::TimeDecay => {
                let age =
                    touch.clicked_at.map_or(0, |at| decision.placed_at.since(at).as_ms().max(0));
                // Halves every seven days, exactly enough: nothing is older than a window of 365
                // days.
                1 << (60 - (age / (7 * 86_400_000)).min(60))
            }
        }
    };
    let shares = touches.iter().enumerate().map(|(index, touch)| (*touch, share((index, touch))));
    shares.filter(|(_, share)| *share > 0).collect()
}

/// Returns the part of an order's goods that each touch is credited under a model. The sum is
/// exactly the goods.
///
/// An order that was credited to a coupon, or to a visit by a code, belongs to its owner under every
/// model.
pub fn credit(decision: &Decision, model: Model, goods_minor: i64) -> Vec<(&Candidate, i64)> {
    let shares = match decision.method {
        Method::Click => shares(decision, model),
        Method::Coupon | Method::CodeVisit => {
            decision.subject().map(|owner| (owner, 1)).into_iter().collect()
        }
        Method::None => vec![],
    };
    let whole: i128 = shares.iter().map(|(_, share)| i128::from(*share)).sum();
    // Running totals are rounded, not shares: what one share loses to rounding, the next one gets.
    let (mut sum, mut given) = (0, 0);
    let credited = shares.into_iter().map(|(candidate, share)| {
        sum += i128::from(share);
        let upto =
            Fraction::new(goods_minor.into(), 1).times(sum, whole).and_then(Fraction::rounded);
        let part = upto.unwrap_or(given) - given;
        given += part;
        (candidate, part)
    });
    let credited: Vec<_> = credited.collect();
    debug_assert!(credited.is_empty() || given == goods_minor, "the parts add up to the goods");
    credited
}
