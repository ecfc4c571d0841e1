//! Calendar days in a merchant's time zone. It never asks the operating system for time zones, so
//! that a day begins at the same instant on every machine.

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp as Instant, ToSpan};
use shared::catalog::Merchant;
use shared::time::Timestamp;

use crate::error::Error;

/// Returns the merchant's time zone, from the zones that come with the program.
pub fn zone_of(merchant: &Merchant) -> Result<TimeZone, Error> {
    TimeZoneDatabase::bundled()
        .get(&merchant.timezone)
        .map_err(|_| Error::TimeZone { merchant: merchant.id, timezone: merchant.timezone.clone() })
}

/// Returns the calendar day of a point in time.
pub fn local_date(at: Timestamp, zone: &TimeZone) -> Result<Date, Error> {
    let instant =
        Instant::from_millisecond(at.as_ms()).map_err(|_| Error::Calendar(at.to_string()))?;
    Ok(zone.to_datetime(instant).date())
}

/// Returns the day `days` later.
pub(crate) fn days_later(date: Date, days: u32) -> Result<Date, Error> {
    let span = i64::from(days).days();
    date.checked_add(span).map_err(|_| Error::Calendar(format!("{date} and {days} days")))
}

/// Returns the instant at which a calendar day begins.
pub(crate) fn start_of(date: Date, zone: &TimeZone) -> Result<Timestamp, Error> {
    let begins =
        date.to_zoned_datetime(zone.clone()).map_err(|_| Error::Calendar(date.to_string()))?;
    Ok(Timestamp::from_ms(begins.timestamp().as_millisecond()))
}
