//! A period of whole days, most often a calendar month. Only together with a time zone it has a
//! beginning and an end.

use std::fmt;
use std::str::FromStr;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use shared::time::Timestamp;

use crate::error::Error;
use crate::settle::zones::start_of;

/// Days in a row, such as those of the month `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    first_day: Date,
    last_day: Date,
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = || {
            let (year, month) = text.split_once('-')?;
            let digits = year.len() == 4
                && month.len() == 2
                && text.bytes().all(|b| b == b'-' || b.is_ascii_digit());
            let month = month.parse().ok().filter(|_| digits)?;
            Date::new(year.parse().ok()?, month, 1).ok()
        };
        let first_day = parsed().ok_or_else(|| "expected a month such as 2026-11".to_owned())?;
        Ok(Self { first_day, last_day: first_day.last_of_month() })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first_day, last_day } = self;
        if first_day.day() == 1 && *last_day == first_day.last_of_month() {
            write!(f, "{:04}-{:02}", first_day.year(), first_day.month())
        } else {
            write!(f, "{first_day} to {last_day}")
        }
    }
}

/// Year and month.
pub type Month = (i16, i8);

/// The beginning and the end of a period, `[from, until)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    from: Timestamp,
    until: Timestamp,
}

impl Bounds {
    /// Returns whether the time lies in the period.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// Returns whether the period ends after a time.
    pub fn ends_after(&self, at: Timestamp) -> bool {
        at < self.until
    }
}

impl Period {
    /// Returns the days from one to another, both included; `None` when the first one comes later.
    pub fn days(first_day: Date, last_day: Date) -> Option<Self> {
        (first_day <= last_day).then_some(Self { first_day, last_day })
    }

    /// Returns the first day.
    pub const fn first_day(&self) -> Date {
        self.first_day
    }

    /// Returns the last day.
    pub const fn last_day(&self) -> Date {
        self.last_day
    }

    /// Returns when the period begins and ends in a time zone.
    ///
    /// # Errors
    /// [`Error::Calendar`] when it ends outside the range of the calendar.
    pub fn bounds(&self, zone: &TimeZone) -> Result<Bounds, Error> {
        let next =
            self.last_day.checked_add(1.day()).map_err(|_| Error::Calendar(self.to_string()))?;
        Ok(Bounds { from: start_of(self.first_day, zone)?, until: start_of(next, zone)? })
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZoneDatabase;

    use super::*;

    fn bounds(period: &str, zone: &str) -> Bounds {
        let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
        period.parse::<Period>().unwrap().bounds(&zone).unwrap()
    }

    #[test]
    fn a_month_begins_at_midnight_of_the_merchant_over_a_change_of_clocks() {
        // Berlin leaves summer time on 25 October 2026: the month is an hour longer than 31 days.
        let october = bounds("2026-10", "Europe/Berlin");
        assert_eq!(october.from, "2026-09-30T22:00:00Z".parse().unwrap());
        assert_eq!(october.until, "2026-10-31T23:00:00Z".parse().unwrap());
        assert!(october.contains(october.from) && !october.contains(october.until));
        assert_eq!(
            bounds("2026-12", "Pacific/Auckland").until,
            "2026-12-31T11:00:00Z".parse().unwrap()
        );
    }

    #[test]
    fn days_begin_and_end_at_midnight_and_a_whole_month_is_called_by_its_name() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let days = Period::days(day("2026-10-25"), day("2026-10-25")).unwrap();
        let zone = TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
        let bounds = days.bounds(&zone).unwrap();
        assert_eq!(bounds.from, "2026-10-24T22:00:00Z".parse().unwrap());
        assert_eq!(bounds.until, "2026-10-25T23:00:00Z".parse().unwrap(), "25 hours");
        assert_eq!(days.to_string(), "2026-10-25 to 2026-10-25");
        let month = Period::days(day("2026-02-01"), day("2026-02-28")).unwrap();
        assert_eq!(month, "2026-02".parse().unwrap());
        assert_eq!(month.to_string(), "2026-02");
        assert_eq!(Period::days(day("2026-02-02"), day("2026-02-01")), None);
    }

    #[test]
    fn an_invalid_month_is_refused() {
        for text in [
            "",
            "2026",
            "2026-13",
            "2026-00",
            "2026-1",
            "26-11",
            "2026-11-01",
            "2026-+1",
            "-026-11",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
        assert_eq!("2026-02".parse::<Period>().unwrap().to_string(), "2026-02");
    }
}
