//! The wall clock of the server. No other module may read it.

use std::time::{SystemTime, UNIX_EPOCH};

use shared::time::Timestamp;

pub fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// Returns the milliseconds since 1970, as the journal counts time.
pub fn now_ms() -> u64 {
    u64::try_from(now().as_ms()).unwrap_or(0)
}
