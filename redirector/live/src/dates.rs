//! Whether the clock fits what is recorded. Pure: never reads a clock.

use shared::time::{Span, Timestamp};

/// A clock that is behind the latest record by more than this was set back, or is wrong.
const BEHIND: Span = Span::minutes(2);
/// A clock that is ahead of the latest record by more than this may be wrong: even a quiet shop has
/// visitors.
const AHEAD: Span = Span::days(30);

/// Returns what is strange about the clock, for the operator. `latest` is the time of the latest
/// record.
pub fn remark(now: Timestamp, latest: Option<Timestamp>) -> Option<String> {
    let latest = latest?;
    let gap = now.since(latest);
    if Span::ms(-BEHIND.as_ms()) <= gap && gap <= AHEAD {
        return None;
    }
    let side = if gap < Span::ZERO { "behind" } else { "ahead of" };
    let gap = length(gap.abs());
    Some(format!(
        "the server's clock says {now}, which is {gap} {side} the latest record ({latest}): put the \
         clock right if it is wrong; changes count from the clock's time on, and never for what is \
         recorded already"
    ))
}

fn length(span: Span) -> String {
    match span.as_minutes() {
        minutes @ 0..=119 => format!("{minutes} minutes"),
        minutes @ 120..=2879 => format!("{} hours", minutes / 60),
        minutes => format!("{} days", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_far_from_the_latest_record_is_said() {
        let latest: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        for (now, said) in [
            ("2026-11-30T12:00:00Z", None),
            ("2026-11-30T11:58:30Z", None),
            ("2026-12-20T12:00:00Z", None),
            ("2026-11-30T11:00:00Z", Some("60 minutes behind the latest record")),
            ("2025-11-30T12:00:00Z", Some("365 days behind the latest record")),
            ("2027-11-30T12:00:00Z", Some("365 days ahead of the latest record")),
        ] {
            let text = remark(now.parse().unwrap(), Some(latest));
            assert_eq!(text.is_some(), said.is_some(), "{now}: {text:?}");
            let named = said.is_none_or(|said| text.as_deref().unwrap_or_default().contains(said));
            assert!(named, "{now}: {text:?}");
        }
        assert_eq!(remark(latest, None), None, "nothing is recorded yet");
    }
}
