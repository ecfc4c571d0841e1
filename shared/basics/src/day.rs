//! Calendar days. A day belongs to somebody's calendar: most often a merchant's, whose time zone says
//! when it begins. It never asks the operating system for zones.

use std::fmt;
use std::str::FromStr;

use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A calendar day, spelled `2026-11-30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

/// The reason why a text is not a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a day: expected a date such as 2026-11-30")]
pub struct DayError(String);

impl Day {
    /// The last day there is. It stands for "as far as anything is known".
    pub const MAX: Self = Self(Date::MAX);

    /// Makes a day from a date of the calendar.
    pub const fn of(date: Date) -> Self {
        Self(date)
    }

    /// Returns the date of the calendar.
    pub const fn date(self) -> Date {
        self.0
    }

    /// Returns the day `days` later; the last day there is where the calendar ends.
    pub fn later(self, days: u32) -> Self {
        Self(self.0.checked_add(i64::from(days).days()).unwrap_or(Date::MAX))
    }

    /// Returns the day before; the first day there is where the calendar begins.
    pub fn before(self) -> Self {
        Self(self.0.checked_sub(1.day()).unwrap_or(Date::MIN))
    }

    /// Returns the number of days from `self` to `other`, negative when `other` is earlier.
    pub fn days_until(self, other: Self) -> i32 {
        self.0.until(other.0).map_or(0, |span| span.get_days())
    }

    /// Returns the first day of its month.
    pub fn first_of_month(self) -> Self {
        Self(self.0.first_of_month())
    }

    /// Returns the last day of its month.
    pub fn last_of_month(self) -> Self {
        Self(self.0.last_of_month())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let refuse = || DayError(text.chars().take(64).collect());
        let date: Date = text.parse().map_err(|_| refuse())?;
        // One spelling a day, and no date with a time behind it.
        let day = Self(date);
        if day.to_string() == text { Ok(day) } else { Err(refuse()) }
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_has_one_spelling() {
        assert_eq!(day("2026-02-28").to_string(), "2026-02-28");
        for text in ["", "2026-2-28", "2026-02-29", "20260228", "2026-02-28T10:00", " 2026-02-28"] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }

    #[test]
    fn days_are_counted_by_the_calendar() {
        assert_eq!(day("2026-02-28").later(1), day("2026-03-01"));
        assert_eq!(day("2026-03-01").before(), day("2026-02-28"));
        assert_eq!(day("2026-11-30").days_until(day("2027-01-01")), 32);
        assert_eq!(day("2027-01-01").days_until(day("2026-11-30")), -32);
        assert_eq!(Day::MAX.later(1), Day::MAX);
        assert_eq!(
            (day("2028-02-10").first_of_month(), day("2028-02-10").last_of_month()),
            (day("2028-02-01"), day("2028-02-29"))
        );
    }
}
