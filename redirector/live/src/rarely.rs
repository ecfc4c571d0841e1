//! Bounds how often the log says something that an outsider can cause. The first time is logged at
//! once, then one line a minute at most; each line says how many were left out. What is left out of
//! the log must still be counted by a metric.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the log says the same at most.
const EVERY: Duration = Duration::from_secs(60);

/// One kind of line in the log.
#[derive(Debug, Default)]
pub struct Rarely(Mutex<Since>);

#[derive(Debug, Default)]
struct Since {
    logged_at: Option<Instant>,
    left_out: u64,
}

impl Rarely {
    /// Returns whether the line may be logged now, and if so how many were left out before it.
    pub fn permit(&self) -> Option<u64> {
        self.permit_at(Instant::now())
    }

    fn permit_at(&self, now: Instant) -> Option<u64> {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if since.logged_at.is_some_and(|at| now.saturating_duration_since(at) < EVERY) {
            since.left_out += 1;
            return None;
        }
        since.logged_at = Some(now);
        Some(std::mem::take(&mut since.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_logged_at_once_and_then_once_a_minute_with_the_number_left_out() {
        let (rarely, begun) = (Rarely::default(), Instant::now());
        assert_eq!(rarely.permit_at(begun), Some(0));
        for second in 1..60 {
            assert_eq!(rarely.permit_at(begun + Duration::from_secs(second)), None);
        }
        assert_eq!(rarely.permit_at(begun + EVERY), Some(59));
        assert_eq!(rarely.permit_at(begun + EVERY), None);
        assert_eq!(rarely.permit_at(begun + 3 * EVERY), Some(1));
    }
}
