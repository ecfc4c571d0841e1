//! A calendar month. Only together with a time zone it has a beginning and an end.

use std::fmt;
use std::str::FromStr;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use shared::time::Timestamp;

use crate::error::Error;
use crate::settle::zones::start_of;

/// A calendar month, such as `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    first_day: Date,
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
        Ok(Self { first_day })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.first_day.year(), self.first_day.month())
    }
}

/// Year and month.
pub type Month = (i16, i8);

/// The beginning and the end of a month, `[from, until)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    from: Timestamp,
    until: Timestamp,
}

impl Bounds {
    /// Returns whether the time lies in the month.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// Returns whether the month ends after a time.
    pub fn ends_after(&self, at: Timestamp) -> bool {
        at < self.until
    }
}

impl Period {
    /// Returns the year and the month.
    pub fn month(&self) -> Month {
        (self.first_day.year(), self.first_day.month())
    }

    /// Returns when the month begins and ends in a time zone.
    pub fn bounds(&self, zone: &TimeZone) -> Result<Bounds, Error> {
        let next =
            self.first_day.checked_add(1.month()).map_err(|_| Error::Calendar(self.to_string()))?;
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
