//! What was measured: latencies as histograms, by phase, by kind of request and second by second.
//!
//! A latency begins when the request should have been sent. Whoever gave up counts with the time
//! that was waited, so that a percentile is never better for it.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::follow::cast::Kind;

/// Later than this after its time, a request was sent late.
const LATE: Duration = Duration::from_millis(1);
/// Who waits longer has gone away.
const SOON: Duration = Duration::from_secs(1);
/// The longest latency that is told from longer ones.
const LONGEST: u64 = 120_000_000_000;
const NANOSECONDS: u64 = 1_000;

/// A histogram of times, to three digits.
#[derive(Debug, Clone)]
pub struct Times(Histogram<u32>);

impl Default for Times {
    fn default() -> Self {
        Self(
            Histogram::new_with_bounds(NANOSECONDS, LONGEST, 3).expect("bounds that are far apart"),
        )
    }
}

impl Times {
    /// Adds a time.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(LONGEST));
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// So many percent of the times are no longer.
    pub fn at(&self, percent: f64) -> Duration {
        Duration::from_nanos(if self.0.is_empty() {
            0
        } else {
            self.0.value_at_percentile(percent)
        })
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        self.at(100.0)
    }

    fn clear(&mut self) {
        self.0.reset();
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Answered as it must be.
    Answered,
    /// Answered 503 with the advice to come later.
    Refused,
    /// Answered otherwise.
    Wrong,
    /// The connection ended before the answer did; it may have been recorded.
    Closed,
    /// Sent, and given up when it had taken too long; it may have been recorded.
    GivenUp,
    /// No connection came about.
    NotConnected,
    /// Never sent: all connections were taken for too long, or too many waited.
    Unsent,
}

impl End {
    /// Every end.
    pub const ALL: [Self; 7] = [
        Self::Answered,
        Self::Refused,
        Self::Wrong,
        Self::Closed,
        Self::GivenUp,
        Self::NotConnected,
        Self::Unsent,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Wrong => "wrong",
            Self::Closed => "closed",
            Self::GivenUp => "given up",
            Self::NotConnected => "no connection",
            Self::Unsent => "unsent",
        }
    }
}

/// Requests of one kind.
#[derive(Debug, Clone, Default)]
pub struct OfKind {
    /// How many ended how.
    pub ends: [u64; End::ALL.len()],
    /// How long answers took, refusals left out.
    pub times: Times,
}

impl OfKind {
    /// How many ended like this.
    pub fn ended(&self, end: End) -> u64 {
        self.ends[end as usize]
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.ends.iter().sum()
    }
}

/// A stretch of the load.
#[derive(Debug, Clone)]
pub struct Phase {
    /// What it is called.
    pub name: String,
    /// When it began, counted from the first click of all.
    pub begun: Duration,
    /// How long clicks came.
    pub lasted: Duration,
    /// Clicks a second that were planned, posts left out.
    pub rate: f64,
    /// By kind of request, as in [`Kind::ALL`].
    pub kinds: Vec<OfKind>,
    /// Clicks of all kinds.
    pub clicks: Times,
    /// Refusals.
    pub refusals: Times,
    /// From when a request should have been sent until this program got to it.
    pub lag: Times,
    /// Requests that this program got to a millisecond late or later.
    pub late: u64,
    /// Requests that found every connection taken.
    pub waited: u64,
    /// Clicks answered as they must be within a second.
    pub good: u64,
    /// Share of a core that the product's process took, and this program's thread.
    pub busy: Option<(f64, f64)>,
}

impl Phase {
    pub(crate) fn new(name: &str, rate: f64, begun: Duration) -> Self {
        Self {
            name: name.to_owned(),
            begun,
            lasted: Duration::ZERO,
            rate,
            kinds: vec![OfKind::default(); Kind::ALL.len()],
            clicks: Times::default(),
            refusals: Times::default(),
            lag: Times::default(),
            late: 0,
            waited: 0,
            good: 0,
            busy: None,
        }
    }

    pub(crate) fn add_lag(&mut self, lag: Duration) {
        self.lag.add(lag);
        self.late += u64::from(lag >= LATE);
    }

    pub(crate) fn add(&mut self, kind: Kind, end: End, took: Duration) {
        let of_kind = &mut self.kinds[kind as usize];
        of_kind.ends[end as usize] += 1;
        self.good += u64::from(end == End::Answered && kind.class().is_some() && took <= SOON);
        match end {
            End::Refused => self.refusals.add(took),
            End::NotConnected | End::Unsent => {}
            End::Answered | End::Wrong | End::Closed | End::GivenUp => {
                of_kind.times.add(took);
                if kind.class().is_some() {
                    self.clicks.add(took);
                }
            }
        }
    }

    /// Clicks, or requests of all kinds, that ended like this.
    pub fn ended(&self, end: End, only_clicks: bool) -> u64 {
        let of_kind = Kind::ALL.iter().zip(&self.kinds);
        let counted = of_kind.filter(|(kind, _)| !only_clicks || kind.class().is_some());
        counted.map(|(_, of_kind)| of_kind.ended(end)).sum()
    }

    /// Requests of all kinds.
    pub fn total(&self) -> u64 {
        self.kinds.iter().map(OfKind::total).sum()
    }

    /// Redirects answered within a second, for each second of the phase.
    #[expect(clippy::float_arithmetic, reason = "a rate, and no money")]
    pub fn goodput(&self) -> f64 {
        self.good as f64 / self.lasted.as_secs_f64().max(1e-9)
    }

    /// The slowest of a hundred requests waited this long for this program alone.
    pub fn lag_p99(&self) -> Duration {
        self.lag.at(99.0)
    }
}

/// One second of the load.
#[derive(Debug, Clone, Copy, Default)]
pub struct Second {
    /// When it ended, counted from the first click of all.
    pub at: Duration,
    /// Requests sent.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// Requests refused.
    pub refused: u64,
    /// Requests without answer, without connection, or never sent.
    pub failed: u64,
    /// Half of the clicks took no longer.
    pub p50: Duration,
    /// Ninety-nine of a hundred took no longer.
    pub p99: Duration,
    /// The slowest.
    pub max: Duration,
    /// Requests without answer at its end.
    pub in_flight: usize,
}

/// The second that is running.
#[derive(Debug, Default)]
pub(crate) struct Running {
    pub(crate) sent: u64,
    answered: u64,
    refused: u64,
    failed: u64,
    times: Times,
}

impl Running {
    pub(crate) fn add(&mut self, kind: Kind, end: End, took: Duration) {
        match end {
            End::Answered | End::Wrong => {
                self.answered += 1;
                if kind.class().is_some() {
                    self.times.add(took);
                }
            }
            End::Refused => self.refused += 1,
            End::Closed | End::GivenUp | End::NotConnected | End::Unsent => self.failed += 1,
        }
    }

    /// Ends it, and begins the next.
    pub(crate) fn end(&mut self, at: Duration, in_flight: usize) -> Second {
        let (p50, p99, max) = (self.times.at(50.0), self.times.at(99.0), self.times.max());
        let Self { sent, answered, refused, failed, .. } = *self;
        (self.sent, self.answered, self.refused, self.failed) = (0, 0, 0, 0);
        let second = Second { at, sent, answered, refused, failed, p50, p99, max, in_flight };
        self.times.clear();
        second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_that_was_given_up_makes_percentiles_worse_and_a_refusal_does_not_make_them_better() {
        let mut phase = Phase::new("all", 100.0, Duration::ZERO);
        for _ in 0..98 {
            phase.add(Kind::Person, End::Answered, Duration::from_micros(200));
        }
        phase.add(Kind::Person, End::Refused, Duration::from_micros(10));
        assert!(phase.clicks.max() < Duration::from_micros(201));
        phase.add(Kind::Person, End::GivenUp, Duration::from_secs(10));
        phase.add(Kind::Person, End::GivenUp, Duration::from_secs(10));
        assert!(phase.clicks.at(99.0) >= Duration::from_secs(10), "{:?}", phase.clicks.at(99.0));
        phase.lasted = Duration::from_secs(1);
        assert_eq!(
            (phase.goodput().round().to_string(), phase.refusals.count()),
            ("98".to_owned(), 1)
        );
        assert_eq!((phase.total(), phase.ended(End::GivenUp, true)), (101, 2));
    }
}
