//! What the pixel keeps in the browser's storage: key names, time stamps, expiry and the cap on waiting events.
//!
//! One storage key an event: two open tabs share the storage, and a list that both rewrite would lose entries.
//! Nothing is kept longer than [`KEPT_MS_MAX`], since nothing older can earn a commission.

use crate::text;

/// Events that may wait for a connection; beyond that the oldest go.
pub const EVENTS_MAX: usize = 20;
/// How long anything is kept: 30 days.
pub const KEPT_MS_MAX: i64 = 30 * 24 * 60 * 60 * 1000;

/// The names of the storage entries of one merchant.
#[derive(Debug)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// Names for the merchant with this key: two merchants on one origin do not meet.
    pub fn new(merchant_key: &str) -> Self {
        Self { prefix: text::join(&["ac.", merchant_key, "."]) }
    }

    /// Where the click token is.
    pub fn token(&self) -> String {
        self.named("t", "")
    }

    /// Where the token of the session that was already reported is (session storage).
    pub fn session(&self) -> String {
        self.named("s", "")
    }

    /// Where an event waits until the server has it.
    pub fn event(&self, event_id: &str) -> String {
        self.named("e.", event_id)
    }

    /// The mark that an order was reported. Purchases and leads are numbered apart by shops.
    pub fn reported(&self, event: &str, order_id: &str) -> String {
        self.named("o.", &text::join(&[event, ".", order_id]))
    }

    /// Whether a storage key is one of ours.
    pub fn owns(&self, key: &str) -> bool {
        key.starts_with(&self.prefix)
    }

    /// Whether a storage key is a waiting event.
    pub fn is_event(&self, key: &str) -> bool {
        key.strip_prefix(&self.prefix).is_some_and(|rest| rest.starts_with("e."))
    }

    fn named(&self, kind: &str, name: &str) -> String {
        text::join(&[&self.prefix, kind, name])
    }
}

/// Puts the time in front of a text that is to be kept.
pub fn stamp(now_ms: i64, text: &str) -> String {
    let mut value = now_ms.to_string();
    value.push(' ');
    value.push_str(text);
    value
}

/// The text of a kept value that has not expired at `now_ms`; `None` for an expired or foreign value.
///
/// A stamp from the future means that the clock was set back: kept, or a wrong clock would lose a click.
pub fn unstamp(value: &str, now_ms: i64) -> Option<&str> {
    let (at, text) = value.split_once(' ')?;
    let at: i64 = at.parse().ok()?;
    (now_ms.checked_sub(at)? < KEPT_MS_MAX).then_some(text)
}

/// Takes the oldest event out of those waiting when `room` more would exceed the cap; `None` when they fit.
pub fn take_excess(event_keys: &mut Vec<String>, room: usize) -> Option<String> {
    if event_keys.len() + room <= EVENTS_MAX {
        return None;
    }
    // The ids in the keys are UUID v7: their order is the order of time.
    let oldest = event_keys.iter().enumerate().min_by_key(|(_, key)| *key)?.0;
    Some(event_keys.swap_remove(oldest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_values_expire_after_thirty_days_to_the_millisecond() {
        let value = stamp(1_000, "a b");
        assert_eq!(unstamp(&value, 1_000), Some("a b"));
        assert_eq!(unstamp(&value, 999 + KEPT_MS_MAX), Some("a b"));
        assert_eq!(unstamp(&value, 1_000 + KEPT_MS_MAX), None);
        assert_eq!(unstamp(&value, 0), Some("a b"), "the clock was set back");
    }

    #[test]
    fn foreign_values_are_not_read() {
        for value in ["", "text", "x y", "99999999999999999999 a"] {
            assert_eq!(unstamp(value, 0), None, "{value}");
        }
    }

    #[test]
    fn the_oldest_events_go_beyond_the_cap() {
        let keys = Keys::new("k1");
        let id = |ms| keys.event(&crate::uuid::v7(ms, [0; 10]));
        let mut waiting: Vec<_> = (0..25).rev().map(id).collect();
        let gone: Vec<_> = std::iter::from_fn(|| take_excess(&mut waiting, 1)).collect();
        assert_eq!(gone, (0..6).map(id).collect::<Vec<_>>());
        assert_eq!(waiting.len() + 1, EVENTS_MAX);
        assert_eq!(take_excess(&mut Vec::new(), 1), None);
    }

    #[test]
    fn merchants_and_kinds_do_not_meet() {
        let keys = Keys::new("k1");
        assert!(keys.owns(&keys.token()) && keys.owns(&keys.reported("purchase", "1001")));
        assert!(keys.is_event(&keys.event("id")) && !keys.is_event(&keys.token()));
        assert!(!keys.owns(&Keys::new("k12").token()) && !keys.is_event(&Keys::new("k2").event("id")));
        assert_ne!(keys.reported("purchase", "1"), keys.reported("lead", "1"));
    }
}
