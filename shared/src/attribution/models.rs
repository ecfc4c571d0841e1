//! Attribution models: how the touches of a decision would share an order, for reports. It pays
//! nobody: payout follows the campaign's rule, which the decision has applied.

use super::decision::{Candidate, Decision, Method, Verdict};
use crate::catalog::{Evidence, Model};
use crate::money::Fraction;

/// The touches of a decision that share credit under a model, each with its share of the whole,
/// which is the sum.
///
/// They are those that were credited or only outrun by another touch. Shares are whole numbers, so
/// that nothing is lost to rounding.
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

/// What each sharing touch is credited of an order's goods under a model; the sum is the goods, to
/// the minor unit.
///
/// An order that a coupon won is its owner's under every model: there is nothing to share.
pub fn credit(decision: &Decision, model: Model, goods_minor: i64) -> Vec<(&Candidate, i64)> {
    let shares = match decision.method {
        Method::Click => shares(decision, model),
        Method::Coupon => decision.subject().map(|owner| (owner, 1)).into_iter().collect(),
        Method::None => vec![],
    };
    let whole: i128 = shares.iter().map(|(_, share)| i128::from(*share)).sum();
    // Rounded running totals: whatever one share loses to rounding, the next gets.
    let (mut sum, mut given) = (0, 0);
    let credited = shares.into_iter().map(|(candidate, share)| {
        sum += i128::from(share);
        let upto =
            Fraction::new(goods_minor.into(), 1).times(sum, whole).and_then(Fraction::rounded);
        let part = upto.unwrap_or(given) - given;
        given += part;
        (candidate, part)
    });
    credited.collect()
}
