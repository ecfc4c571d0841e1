//! When an order was placed, by clocks that may be wrong. It reads no clock.

use super::touch::Touch;
use crate::time::{Span, Timestamp};

/// A shop's clock that is behind by more than this is not used.
const CLOCK_ABSURD: Span = Span::days(365);

/// Returns the time at which the order was placed. The shop has stated it, unless it is impossible.
/// `clicked` are the times of the clicks that may count.
///
/// A shop's clock may be wrong, and some shops count whole seconds only. An order cannot have been
/// placed after its first fact reached us at `reported_at`: then that time counts. It cannot have
/// been placed before the click whose token it has either. If the click is up to two minutes later,
/// the time of the click counts; if it is more than a year later, the shop's clock is wrong, and
/// the time of the first fact counts. In between the shop is believed: the order came before the
/// click.
pub(super) fn placed_at(
    stated: Option<Timestamp>,
    reported_at: Timestamp,
    clicked: impl IntoIterator<Item = Timestamp>,
) -> Timestamp {
    let skew = Span::minutes(2);
    let Some(stated) = stated else { return reported_at };
    if stated > reported_at.plus(skew) {
        return reported_at;
    }
    let known = clicked.into_iter().filter(|&clicked_at| clicked_at <= reported_at);
    match known.max() {
        Some(clicked_at) if clicked_at <= stated.plus(skew) => stated.max(clicked_at),
        Some(clicked_at) if clicked_at > stated.plus(CLOCK_ABSURD) => reported_at,
        _ => stated,
    }
}

/// Returns the time at which the order was placed: not before a click whose token it brought,
/// although the click is later than the fact that brought it. Then a clock was set back in between,
/// and only the sequence of the two is certain: first the click, then the fact.
pub(super) fn not_before_clicks<'t>(
    placed_at: Timestamp,
    ahead: impl Iterator<Item = &'t Touch>,
) -> Timestamp {
    ahead.map(|touch| touch.clicked_at).fold(placed_at, Timestamp::max)
}
