//! The measurements: latencies as histograms, by part of the load, by kind of request and by
//! second.
//!
//! A latency begins at the moment when the request should have been sent. A follower who gives up
//! counts with the time that they waited, so giving up never improves a percentile.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::follow::cast::Kind;

/// A request that is sent this much after its moment was sent late.
const LATE: Duration = Duration::from_millis(1);
/// An answer within this time is good: who waits longer has gone away.
const SOON: Duration = Duration::from_secs(1);
/// The longest latency that a histogram tells apart, in nanoseconds.
const LONGEST: u64 = 120_000_000_000;
/// The shortest latency that a histogram tells apart, in nanoseconds.
const SHORTEST: u64 = 1_000;

/// A histogram of times, exact to three digits.
#[derive(Debug, Clone)]
pub struct Times(Histogram<u32>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(SHORTEST, LONGEST, 3).expect("bounds that are far apart"))
    }
}

impl Times {
    /// Adds a time.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(LONGEST));
    }

    /// Returns how many times there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Returns the time that so many percent of the times do not exceed.
    pub fn at(&self, percent: f64) -> Duration {
        Duration::from_nanos(if self.0.is_empty() {
            0
        } else {
            self.0.value_at_percentile(percent)
        })
    }

    /// Returns the longest time.
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
    /// The answer was right.
    Answered,
    /// Answered 503 with `Retry-After`.
    Refused,
    /// The answer was wrong.
    Wrong,
    /// The connection ended before the answer was complete. The request may have been recorded.
    Closed,
    /// The follower waited too long and gave up. The request may have been recorded.
    GivenUp,
    /// No connection could be opened.
    NotConnected,
    /// Not sent: all connections were in use for too long, or too many requests waited.
    Unsent,
}

impl End {
    /// Every end, in the order of the variants.
    pub const ALL: [Self; 7] = [
        Self::Answered,
        Self::Refused,
        Self::Wrong,
        Self::Closed,
        Self::GivenUp,
        Self::NotConnected,
        Self::Unsent,
    ];

    /// Returns the name in the report.
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

/// The requests of one kind.
#[derive(Debug, Clone, Default)]
pub struct OfKind {
    /// How many requests ended in each way, as in [`End::ALL`].
    pub ends: [u64; End::ALL.len()],
    /// How long answers took, without refusals.
    pub times: Times,
}

impl OfKind {
    /// Returns how many requests ended in this way.
    pub fn ended(&self, end: End) -> u64 {
        self.ends[end as usize]
    }

    /// Returns how many requests there were.
    pub fn total(&self) -> u64 {
        self.ends.iter().sum()
    }
}

/// The measurements of one part of the load.
#[derive(Debug, Clone)]
pub struct Phase {
    /// The name of the part.
    pub name: String,
    /// When it began, as time since the start of the load.
    pub begun: Duration,
    /// How long clicks came.
    pub lasted: Duration,
    /// The planned clicks a second, without posts.
    pub rate: f64,
    /// The requests by kind, as in [`Kind::ALL`].
    pub kinds: Vec<OfKind>,
    /// Latencies of clicks of all kinds.
    pub clicks: Times,
    /// Latencies of refusals.
    pub refusals: Times,
    /// The time from the moment when a request should have been sent until this program took it up.
    pub lag: Times,
    /// Requests that this program took up a millisecond or more too late.
    pub late: u64,
    /// Requests that found every connection in use.
    pub waited: u64,
    /// Clicks that were answered rightly within a second.
    pub good: u64,
    /// The share of a processor's core that the product's process used, and the share that this
    /// program used.
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

    /// Returns how many clicks, or requests of all kinds, ended in this way.
    pub fn ended(&self, end: End, only_clicks: bool) -> u64 {
        let of_kind = Kind::ALL.iter().zip(&self.kinds);
        let counted = of_kind.filter(|(kind, _)| !only_clicks || kind.class().is_some());
        counted.map(|(_, of_kind)| of_kind.ended(end)).sum()
    }

    /// Returns the number of requests of all kinds.
    pub fn total(&self) -> u64 {
        self.kinds.iter().map(OfKind::total).sum()
    }

    /// Returns the clicks that were answered within a second, for each second of the part.
    #[expect(clippy::float_arithmetic, reason = "a rate, no money")]
    pub fn goodput(&self) -> f64 {
        self.good as f64 / self.lasted.as_secs_f64().max(1e-9)
    }

    /// Returns the 99th percentile of the time that requests waited for this program.
    pub fn lag_p99(&self) -> Duration {
        self.lag.at(99.0)
    }
}

/// The measurements of one second of the load.
#[derive(Debug, Clone, Copy, Default)]
pub struct Second {
    /// When it ended, as time since the start of the load.
    pub at: Duration,
    /// Requests sent.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// Requests refused.
    pub refused: u64,
    /// Requests that got no answer or no connection, or were not sent.
    pub failed: u64,
    /// The median latency of clicks.
    pub p50: Duration,
    /// The 99th percentile of the latency of clicks.
    pub p99: Duration,
    /// The latency of the slowest click.
    pub max: Duration,
    /// Requests that were without an answer when the second ended.
    pub in_flight: usize,
}

/// The second that is being measured.
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

    /// Ends the second and begins the next one.
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
