//! Measures the product's capacity: tries higher and higher rates until answers become slow or
//! requests are refused.
//!
//! It never blames the product for its own limit: if this program becomes slow first, the result
//! says so, and the capacity may be higher.

#![expect(clippy::float_arithmetic, reason = "rates, no money")]

use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;

use crate::follow::load::{Crowd, Leg};
use crate::follow::measure::{End, Phase};

/// How long each rate is tried.
const LASTS: Duration = Duration::from_secs(2);
/// The first rate in clicks a second, and the factor from one rate to the next.
const FIRST: f64 = 1000.0;
const GROWTH: f64 = 1.6;
/// The search stops here. No machine that this runs on reaches this rate.
const LAST: f64 = 1e6;
/// How many times the gap between the highest rate that worked and the lowest that did not is
/// halved.
const HALVINGS: u32 = 4;

/// The result of one rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Clicks a second.
    pub rate: f64,
    /// Requests of all kinds that were answered in a second.
    pub answered: f64,
    /// The 99th percentile of the latency of clicks.
    pub p99: Duration,
    /// The 99th percentile of the time that requests waited for this program.
    pub lag_p99: Duration,
    /// Why the rate was too high, if it was.
    pub limit: Option<Limit>,
}

/// Why a rate is too high.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Answers take too long.
    Latency,
    /// Requests are refused, or not answered at all.
    Refusals,
    /// This program cannot send more. The product might take it.
    Generator,
}

impl Limit {
    /// Returns a sentence for reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Latency => "answers take too long",
            Self::Refusals => "requests are refused or unanswered",
            Self::Generator => "the followers themselves are too slow: the server might take more",
        }
    }
}

/// The capacity that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Capacity {
    /// The highest rate that worked, in clicks a second. Sessions, orders and repeats come on top.
    pub rate: f64,
    /// Why it is not higher; `None` if no limit was found.
    pub limit: Option<Limit>,
    /// Every rate that was tried.
    pub steps: Vec<Step>,
}

/// Tries rates until one is too high, then searches between the last two.
///
/// # Errors
/// When the load cannot be made.
pub(crate) async fn find(
    crowd: &Rc<Crowd>,
    bound: Duration,
    tell: &mut dyn FnMut(&Step),
) -> Result<Capacity> {
    let mut steps = Vec::new();
    let (mut taken, mut rate) = (0.0, FIRST);
    let mut refused = None;
    while rate < LAST {
        let step = attempt(crowd, rate, bound).await?;
        tell(&step);
        steps.push(step);
        match step.limit {
            None => taken = rate,
            Some(limit) => {
                refused = Some((rate, limit));
                break;
            }
        }
        rate *= GROWTH;
    }
    for _ in 0..HALVINGS {
        let Some((too_much, _)) = refused else { break };
        let step = attempt(crowd, f64::midpoint(taken, too_much), bound).await?;
        tell(&step);
        steps.push(step);
        match step.limit {
            None => taken = step.rate,
            Some(limit) => refused = Some((step.rate, limit)),
        }
    }
    Ok(Capacity { rate: taken, limit: refused.map(|(_, limit)| limit), steps })
}

async fn attempt(crowd: &Rc<Crowd>, rate: f64, bound: Duration) -> Result<Step> {
    let leg = Leg { name: "", rate, bursts: None, lasts: LASTS, is_over: &|| true };
    let phase = crowd.follow(&leg, &mut |_| ()).await?;
    // What the followers of this rate would do later must not disturb the next rate.
    crowd.forget();
    Ok(judge(&phase, rate, bound))
}

fn judge(phase: &Phase, rate: f64, bound: Duration) -> Step {
    let (p99, lag_p99) = (phase.clicks.at(99.0), phase.lag_p99());
    let failed: u64 = [End::Refused, End::Closed, End::GivenUp, End::NotConnected, End::Unsent]
        .into_iter()
        .map(|end| phase.ended(end, false))
        .sum();
    // Up to one failure in a thousand is tolerated as chance.
    let limit = if lag_p99 > bound / 2 {
        Some(Limit::Generator)
    } else if failed * 1000 > phase.total() {
        Some(Limit::Refusals)
    } else if p99 > bound {
        Some(Limit::Latency)
    } else {
        None
    };
    let answered = phase.ended(End::Answered, false) as f64 / phase.lasted.as_secs_f64().max(1e-9);
    Step { rate, answered, p99, lag_p99, limit }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::cast::Kind;

    fn phase(took: Duration, lag: Duration, refused: usize) -> Phase {
        let mut phase = Phase::new("", 1000.0, Duration::ZERO);
        for _ in 0..1000 {
            phase.add(Kind::Person, End::Answered, took);
            phase.add_lag(lag);
        }
        (0..refused).for_each(|_| phase.add(Kind::Person, End::Refused, took));
        phase
    }

    #[test]
    fn a_rate_is_too_much_for_a_reason_and_the_followers_own_slowness_comes_first() {
        let (fast, slow) = (Duration::from_micros(300), Duration::from_millis(7));
        for (took, lag, refused, limit) in [
            (fast, Duration::ZERO, 0, None),
            (fast, Duration::ZERO, 1, None),
            (slow, Duration::ZERO, 0, Some(Limit::Latency)),
            (fast, Duration::ZERO, 5, Some(Limit::Refusals)),
            (slow, slow, 5, Some(Limit::Generator)),
        ] {
            let step = judge(&phase(took, lag, refused), 1000.0, Duration::from_millis(5));
            assert_eq!(step.limit, limit, "{took:?} {lag:?} {refused}");
        }
    }
}
