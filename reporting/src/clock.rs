//! The only place of this program that reads a clock; nothing else may, so that a report can be
//! repeated.

use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Returns today's date, by UTC.
pub(crate) fn today_utc() -> Date {
    TimeZone::UTC.to_datetime(jiff::Timestamp::now()).date()
}
