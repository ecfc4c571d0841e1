//! The moments at which followers click. They are drawn in advance, and no answer ever moves them.
//!
//! Clicks come as a Poisson process. When an influencer posts, the rate jumps and then decays. The
//! same seed gives the same moments.

#![expect(
    clippy::float_arithmetic,
    reason = "a random process is described by real numbers; no money is near"
)]

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Posts of influencers. At each post the rate jumps, and the additional clicks decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bursts {
    /// The time from one post to the next. The first post comes after half of it.
    pub every: Duration,
    /// By what factor the rate jumps at a post.
    pub factor: f64,
    /// After this time a third (1/e) of the additional clicks is left.
    pub decay: Duration,
}

/// The moments of clicks, as times since the begin; the iterator never ends.
#[derive(Debug)]
pub(crate) struct Arrivals {
    rate: f64,
    bursts: Option<Bursts>,
    at: f64,
    random: StdRng,
}

impl Arrivals {
    /// Draws clicks at this rate a second.
    pub(crate) fn new(rate: f64, bursts: Option<Bursts>, seed: u64) -> Self {
        let bursts = bursts.filter(|bursts| bursts.factor > 1.0 && !bursts.every.is_zero());
        Self { rate, bursts, at: 0.0, random: StdRng::seed_from_u64(seed) }
    }

    /// Returns the moments of posts before `until`.
    pub(crate) fn posts(bursts: Option<Bursts>, until: Duration) -> Vec<Duration> {
        let Some(bursts) = bursts.filter(|bursts| !bursts.every.is_zero()) else {
            return Vec::new();
        };
        (0..)
            .map(|number| bursts.every * number + bursts.every / 2)
            .take_while(|at| *at < until)
            .collect()
    }

    /// Returns the rate at a moment, as a multiple of the usual rate.
    fn factor(&self, at: f64) -> f64 {
        let Some(bursts) = self.bursts else { return 1.0 };
        let every = bursts.every.as_secs_f64();
        let since = at - every / 2.0;
        if since < 0.0 {
            return 1.0;
        }
        // Only the last post counts: the effect of earlier ones is over. So the factor is an upper
        // bound.
        1.0 + (bursts.factor - 1.0)
            * (-(since % every) / bursts.decay.as_secs_f64().max(1e-9)).exp()
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // Thinning: draw at the highest rate, and keep each moment with the probability that the
        // rate at that moment gives.
        let highest = self.bursts.map_or(1.0, |bursts| bursts.factor);
        loop {
            self.at += exponential(&mut self.random, 1.0 / (self.rate * highest));
            if highest <= 1.0 || self.random.random::<f64>() * highest < self.factor(self.at) {
                return Some(Duration::from_secs_f64(self.at));
            }
        }
    }
}

/// Draws a waiting time with this mean (exponentially distributed).
pub(crate) fn delay(random: &mut StdRng, mean: Duration) -> Duration {
    // The bound of ten times the mean changes less than one draw in twenty thousand.
    Duration::from_secs_f64(exponential(random, mean.as_secs_f64())).min(mean * 10)
}

fn exponential(random: &mut StdRng, mean: f64) -> f64 {
    -mean * (1.0 - random.random::<f64>()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clicks_in(arrivals: Arrivals, from: f64, to: f64) -> usize {
        let seconds = arrivals.map(|at| at.as_secs_f64());
        seconds.take_while(|at| *at < to).filter(|at| *at >= from).count()
    }

    #[test]
    fn a_rate_is_kept_and_the_gaps_are_a_poisson_processs() {
        let gaps: Vec<f64> = {
            let times: Vec<f64> =
                Arrivals::new(1000.0, None, 7).take(20_001).map(|at| at.as_secs_f64()).collect();
            times.windows(2).map(|pair| pair[1] - pair[0]).collect()
        };
        let mean = gaps.iter().sum::<f64>() / 20_000.0;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!((mean - 0.001).abs() < 0.000_03, "{mean}");
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05, "deviation {}", variance.sqrt());
    }

    #[test]
    fn a_post_lets_the_rate_jump_and_fade() {
        let bursts =
            Bursts { every: Duration::from_secs(20), factor: 5.0, decay: Duration::from_secs(2) };
        let arrivals = || Arrivals::new(500.0, Some(bursts), 3);
        let (before, at, after) = (
            clicks_in(arrivals(), 5.0, 10.0),
            clicks_in(arrivals(), 10.0, 10.5),
            clicks_in(arrivals(), 24.0, 29.0),
        );
        assert!((2300..2700).contains(&before), "{before}");
        assert!((950..1250).contains(&at), "five times as many, a little faded: {at}");
        assert!((2300..2750).contains(&after), "{after}");
        assert_eq!(
            Arrivals::posts(Some(bursts), Duration::from_secs(40)),
            [10, 30].map(Duration::from_secs)
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_moments() {
        let some = |seed| Arrivals::new(100.0, None, seed).take(50).collect::<Vec<_>>();
        assert_eq!(some(1), some(1));
        assert_ne!(some(1), some(2));
    }
}
