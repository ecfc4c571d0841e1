//! Decides when a host's certificate is ordered. Pure: it reads no clock.

use shared::time::{Span, Timestamp};

/// A long-lived certificate is renewed this long before its end.
const LEFT_OF_LONG_LIFE: Span = Span::days(30);
/// Pauses after failures double, from the first to the longest. Let's Encrypt lets a host fail five
/// times an hour.
const FIRST_PAUSE: Span = Span::minutes(1);
const LONGEST_PAUSE: Span = Span::days(1);

/// When the next order for a host is due, and how its last ones went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) at: Timestamp,
    failed_in_a_row: u32,
}

impl Due {
    /// Says when a certificate with this life is renewed: after two thirds of its life, or 30 days
    /// before its end, whichever is later. So a third of the life is left for failures, and a
    /// certificate that lives for a year is not renewed months too early.
    pub(super) fn renewal(not_before: Timestamp, not_after: Timestamp) -> Self {
        let life = not_after.since(not_before);
        let two_thirds = not_before.plus(Span::ms(life.as_ms() / 3 * 2));
        let late = not_after.plus(Span::ms(-LEFT_OF_LONG_LIFE.as_ms()));
        Self { at: two_thirds.max(late), failed_in_a_row: 0 }
    }

    /// Says when the next order is due, after a certificate with this life came. If it is due at
    /// once, because a clock is wrong here or there, this counts as a failure: it must not be
    /// ordered again without a pause.
    pub(super) fn after_certificate(
        self,
        not_before: Timestamp,
        not_after: Timestamp,
        now: Timestamp,
    ) -> Self {
        let renewal = Self::renewal(not_before, not_after);
        if renewal.at > now { renewal } else { self.after_failure(now) }
    }

    /// Says when the next order is due, after one more order failed at this time.
    pub(super) fn after_failure(self, now: Timestamp) -> Self {
        let doubled = FIRST_PAUSE.as_ms() << self.failed_in_a_row.min(20);
        let pause = Span::ms(doubled.min(LONGEST_PAUSE.as_ms()));
        Self { at: now.plus(pause), failed_in_a_row: self.failed_in_a_row.saturating_add(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_a_life_is_left_for_failures_but_no_more_than_a_month() {
        let begins = Timestamp::from_ms(1_800_000_000_000);
        for (life, expected) in [
            (Span::seconds(15), Span::seconds(10)),
            (Span::days(6), Span::days(4)),
            (Span::days(45), Span::days(30)),
            (Span::days(90), Span::days(60)),
            (Span::days(398), Span::days(368)),
        ] {
            assert_eq!(
                Due::renewal(begins, begins.plus(life)).at.since(begins),
                expected,
                "{life:?}"
            );
        }
    }

    #[test]
    fn pauses_double_from_a_minute_to_a_day_and_end_with_a_success() {
        let now = Timestamp::from_ms(1_800_000_000_000);
        let mut due = Due::default();
        let mut minutes = Vec::new();
        for _ in 0..13 {
            due = due.after_failure(now);
            minutes.push(due.at.since(now).as_minutes());
        }
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440]);
        let forgotten = Due::renewal(now, now.plus(Span::days(90))).after_failure(now);
        assert_eq!(forgotten.at.since(now), Span::minutes(1));
        let (ended, began) = (now.plus(Span::days(-1)), now.plus(Span::days(-91)));
        let wrong_clock = Due::default()
            .after_certificate(began, ended, now)
            .after_certificate(began, ended, now);
        assert_eq!(wrong_clock.at.since(now), Span::minutes(2));
        let often = (0..1000).fold(due, |due, _| due.after_failure(now));
        assert_eq!(often.at.since(now), Span::days(1));
    }
}
