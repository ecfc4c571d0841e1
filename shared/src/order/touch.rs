//! Touches: clicks that may be credited, and the earlier clicks that led to one. Credits nobody:
//! `attribution` does.

use serde::{Deserialize, Serialize};

use crate::id::{ClickId, LinkId};
use crate::time::{Span, Timestamp};
use crate::token::{AHEAD_MAX, Claims};

/// A click that may be credited, with the fields of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Touch {
    /// The time of the click. It is the first field, so that touches sort by time.
    pub clicked_at: Timestamp,
    /// The id of the click.
    pub click: ClickId,
    /// The link that was clicked.
    pub link: LinkId,
    /// The attribution window: the time in which it may earn, in minutes.
    pub window_minutes: u32,
    /// The id of the master key that signed the token by which the touch is known. `None` when it
    /// is known by its record, or was recorded before tokens' keys were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<u8>,
}

impl From<&Claims> for Touch {
    fn from(claims: &Claims) -> Self {
        Self {
            clicked_at: claims.issued_at,
            click: claims.click,
            link: claims.link,
            window_minutes: claims.window_minutes,
            key: Some(claims.key_id),
        }
    }
}

impl Touch {
    /// Returns whether `time` lies in the half-open window `[clicked_at, clicked_at + window)`.
    pub fn covers(&self, time: Timestamp) -> bool {
        self.clicked_at <= time
            && time < self.clicked_at.plus(Span::minutes(i64::from(self.window_minutes)))
    }

    /// Returns whether the click is later than what brought its token, which reached us at
    /// `received_at`. That cannot be, so a clock was set back in between: the time of the click and
    /// the times after it cannot be compared. More than [`AHEAD_MAX`] is not believed.
    pub fn is_ahead_of(&self, received_at: Timestamp) -> bool {
        received_at < self.clicked_at && self.clicked_at <= received_at.plus(AHEAD_MAX)
    }
}

/// The largest number of touches of one order: the click itself, and the clicks that led to it.
pub const PATH_TOUCHES_MAX: usize = 8;

/// A click that may earn, as the hot state keeps it: the touch, and the click before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// The click itself.
    pub touch: Touch,
    /// The click before it, whose token the visitor had.
    pub previous: Option<ClickId>,
}

/// Returns the touches that led to `touch`, by time, at most seven. `visit` looks up a click.
///
/// The path goes back as long as each earlier touch was inside its own window when `touch` was
/// made. It is followed when an order is settled, not stored with each click. So the order in which
/// the clicks of several cores become known does not matter.
pub fn path_before(touch: &Touch, visit: &dyn Fn(&ClickId) -> Option<Visit>) -> Vec<Touch> {
    let mut earlier: Vec<Touch> = Vec::new();
    let mut previous = visit(&touch.click).and_then(|visit| visit.previous);
    while earlier.len() < PATH_TOUCHES_MAX - 1 {
        let Some(reached) = previous.and_then(|id| visit(&id)) else { break };
        // Each touch must lie before the one to which it led. This also ends a chain that is a
        // circle.
        let after = earlier.last().unwrap_or(touch);
        let leads_on = reached.touch.clicked_at <= after.clicked_at
            && reached.touch.click != touch.click
            && earlier.iter().all(|t| t.click != reached.touch.click);
        if !leads_on || !reached.touch.covers(touch.clicked_at) {
            break;
        }
        earlier.push(reached.touch);
        previous = reached.previous;
    }
    earlier.reverse();
    debug_assert!(earlier.is_sorted_by_key(|t| t.clicked_at), "a path goes forward in time");
    earlier
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Click `number`, made on day `day` with a window of 30 days, that names the click before it.
    fn visit(number: u8, day: i64, previous: Option<u8>) -> Visit {
        let id = |number| ClickId::from_bytes([number; 16]);
        let clicked_at = Timestamp::from_ms(0).plus(Span::days(day));
        let touch = Touch {
            clicked_at,
            click: id(number),
            link: LinkId::from_bits(1),
            window_minutes: 30 * 24 * 60,
            key: None,
        };
        Visit { touch, previous: previous.map(id) }
    }

    fn check(visits: &[Visit], of: u8, expected: &[u8]) {
        let known: HashMap<_, _> = visits.iter().map(|visit| (visit.touch.click, *visit)).collect();
        let touch = known[&ClickId::from_bytes([of; 16])].touch;
        let found = path_before(&touch, &|click| known.get(click).copied());
        assert_eq!(found.iter().map(|t| t.click.as_bytes()[0]).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_click_is_ahead_of_what_brings_its_token_by_a_day_at_most() {
        let touch = visit(1, 10, None).touch;
        for (minutes, is_ahead) in
            [(1, false), (0, false), (-1, true), (-1440, true), (-1441, false)]
        {
            let received_at = touch.clicked_at.plus(Span::minutes(minutes));
            assert_eq!(touch.is_ahead_of(received_at), is_ahead, "{minutes}");
        }
    }

    #[test]
    fn the_path_follows_previous_clicks_within_their_windows() {
        let visits = [
            visit(1, 0, None),
            visit(2, 20, Some(1)),
            visit(3, 29, Some(2)),
            visit(4, 30, Some(2)),
        ];
        check(&visits, 3, &[1, 2]);
        check(&visits, 4, &[2]);
        check(&visits, 1, &[]);
    }

    #[test]
    fn the_path_has_at_most_seven_touches_before_the_click_and_no_loops() {
        let chain: Vec<_> =
            (1..=12).map(|n| visit(n, i64::from(n), (n > 1).then(|| n - 1))).collect();
        check(&chain, 12, &[5, 6, 7, 8, 9, 10, 11]);
        check(&[visit(1, 0, Some(2)), visit(2, 0, Some(1))], 1, &[2]);
        check(&[visit(1, 0, Some(1))], 1, &[]);
        check(&[visit(1, 0, Some(2)), visit(2, 0, Some(3)), visit(3, 0, Some(2))], 1, &[3, 2]);
    }
}
