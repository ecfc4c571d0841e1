//! The only place of this program that reads a clock. Everything else takes the date as a
//! parameter, so that a report can be computed again.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use shared::time::Timestamp;

/// Returns the time.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_ms(jiff::Timestamp::now().as_millisecond())
}

/// Returns today's date, by UTC.
pub(crate) fn today_utc() -> Date {
    TimeZone::UTC.to_datetime(jiff::Timestamp::now()).date()
}
