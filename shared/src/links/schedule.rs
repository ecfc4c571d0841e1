//! Schedules: when a link or a campaign may be followed.

use crate::class::Availability;
use crate::time::Timestamp;

/// When a link or a campaign may be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schedule {
    /// Switched off for now.
    pub paused: bool,
    /// From when.
    pub starts_at: Option<Timestamp>,
    /// Until when.
    pub ends_at: Option<Timestamp>,
}

impl Schedule {
    /// Whether a link on this schedule, in a campaign on that one, may be followed at `now`.
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
