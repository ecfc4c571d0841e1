//! What a campaign's minimum payout carries from month to month, for the statement of a campaign. It does
//! not know what was paid.

use bookings::Month;

/// A span of time whose approved sum is paid at once where it reaches the minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Span {
    /// A month before the period, or the part of it that lies before.
    Before(Month),
    /// The period of the statement.
    Period,
}

/// Returns what is payable for the period. Less than `least` is carried forward to the next span. The
/// spans must be in order.
pub(super) fn carried<'m>(spans: impl Iterator<Item = (&'m Span, &'m i64)>, least: i64) -> i64 {
    let (mut held, mut paid) = (0, 0);
    for (&of, approved) in spans {
        held += approved;
        let reached = held >= least.max(1);
        paid = if of == Span::Period && reached { held } else { 0 };
        held = if reached { 0 } else { held };
    }
    paid
}
