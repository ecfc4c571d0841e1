//! Schedules: when a link may be followed. A campaign has one for all its links. Reads no clock.

use basics::time::Timestamp;

/// The answer to whether a link may be followed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// The link may be followed.
    Live,
    /// The link or its campaign is paused.
    Paused,
    /// The link or its campaign has not started.
    NotStarted,
    /// The link or its campaign has ended.
    Ended,
}

/// The time in which a link, or the links of a campaign, may be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schedule {
    /// True while it is switched off.
    pub paused: bool,
    /// The start, inclusive; `None` for no start.
    pub starts_at: Option<Timestamp>,
    /// The end, exclusive; `None` for no end.
    pub ends_at: Option<Timestamp>,
}

impl Schedule {
    /// Returns whether a link with this schedule may be followed at `now`, given the schedule of
    /// its campaign.
    pub fn availability(self, campaign: Self, now: Timestamp) -> Availability {
        let both = [self, campaign];
        if both.iter().any(|s| s.paused) {
            Availability::Paused
        } else if both.iter().any(|s| s.ends_at.is_some_and(|ends| ends <= now)) {
            Availability::Ended
        } else if both.iter().any(|s| s.starts_at.is_some_and(|starts| starts > now)) {
            Availability::NotStarted
        } else {
            Availability::Live
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_half_open_and_pausing_comes_first() {
        let at = |ms| Some(Timestamp::from_ms(ms));
        let link = Schedule { paused: false, starts_at: at(10), ends_at: at(20) };
        let always = Schedule::default();
        for (ms, expected) in [
            (9, Availability::NotStarted),
            (10, Availability::Live),
            (19, Availability::Live),
            (20, Availability::Ended),
        ] {
            assert_eq!(link.availability(always, Timestamp::from_ms(ms)), expected);
            assert_eq!(always.availability(link, Timestamp::from_ms(ms)), expected);
        }
        let paused = Schedule { paused: true, ..link };
        assert_eq!(paused.availability(always, Timestamp::from_ms(99)), Availability::Paused);
    }
}
