//! Time zones by name, and the calendar day of a point in time in them. It never asks the operating
//! system for zones, so that a day begins at the same instant on every machine.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::day::Day;
use crate::time::Timestamp;

/// A time zone, such as a merchant's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

const HOUR_SECONDS: i64 = 3600;
const HOURS_OF_A_DAY: u32 = 24;

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// Returns the zone with an IANA name such as `Europe/Berlin`, and UTC for a name that these
    /// zones do not hold: the API refuses such names.
    pub fn named(name: &str) -> Self {
        TimeZoneDatabase::bundled().get(name).map_or(Self::UTC, Self)
    }

    /// Returns the calendar day of a point in time, as days since 1970-01-01. Summer time counts.
    pub fn day(&self, at: Timestamp) -> u32 {
        self.hour(at) / HOURS_OF_A_DAY
    }

    /// Returns the hour by the clock of a point in time, as hours since 1970-01-01. Summer time counts:
    /// on the day when it begins an hour is left out, and when it ends one comes twice.
    pub fn hour(&self, at: Timestamp) -> u32 {
        let instant = jiff::Timestamp::from_millisecond(at.as_ms()).unwrap_or_default();
        let ahead = i64::from(self.0.to_offset(instant).seconds());
        let hour = (at.as_ms().div_euclid(1000) + ahead).div_euclid(HOUR_SECONDS);
        u32::try_from(hour).unwrap_or(0)
    }

    /// Returns the calendar day of a point in time. Summer time counts.
    pub fn date(&self, at: Timestamp) -> Day {
        let instant = jiff::Timestamp::from_millisecond(at.as_ms()).unwrap_or_default();
        Day::of(self.0.to_datetime(instant).date())
    }

    /// Returns when a calendar day begins; the end of time where the calendar ends.
    pub fn start_of(&self, day: Day) -> Timestamp {
        let begins = day.date().to_zoned_datetime(self.0.clone());
        begins.map_or(Timestamp::MAX, |begins| {
            Timestamp::from_ms(begins.timestamp().as_millisecond())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_where_the_clock_of_its_zone_says_so() {
        let berlin = Zone::named("Europe/Berlin");
        for (day, begins) in [
            ("2026-10-25", "2026-10-24T22:00:00Z"),
            ("2026-10-26", "2026-10-25T23:00:00Z"),
            ("2026-11-30", "2026-11-29T23:00:00Z"),
        ] {
            let (day, begins): (Day, Timestamp) = (day.parse().unwrap(), begins.parse().unwrap());
            assert_eq!(berlin.start_of(day), begins);
            assert_eq!(berlin.date(begins), day);
            assert_eq!(berlin.date(Timestamp::from_ms(begins.as_ms() - 1)), day.before());
        }
    }

    /// Returns the date of a point in time in a zone.
    fn date(zone: &str, at: &str) -> String {
        let day = Zone::named(zone).day(at.parse().unwrap());
        Timestamp::from_ms(i64::from(day) * 86_400_000).utc_date()
    }

    #[test]
    fn a_day_begins_at_the_zones_own_midnight_in_summer_and_winter() {
        for (zone, last, first, day, next) in [
            ("UTC", "2026-11-25T23:59:59.999Z", "2026-11-26T00:00:00Z", "2026-11-25", "2026-11-26"),
            (
                "Europe/Berlin",
                "2026-11-25T22:59:59.999Z",
                "2026-11-25T23:00:00Z",
                "2026-11-25",
                "2026-11-26",
            ),
            // Summer time began on 29 March 2026 and ended on 25 October 2026.
            (
                "Europe/Berlin",
                "2026-03-28T22:59:59.999Z",
                "2026-03-28T23:00:00Z",
                "2026-03-28",
                "2026-03-29",
            ),
            (
                "Europe/Berlin",
                "2026-03-29T21:59:59.999Z",
                "2026-03-29T22:00:00Z",
                "2026-03-29",
                "2026-03-30",
            ),
            (
                "Europe/Berlin",
                "2026-10-24T21:59:59.999Z",
                "2026-10-24T22:00:00Z",
                "2026-10-24",
                "2026-10-25",
            ),
            (
                "Europe/Berlin",
                "2026-10-25T22:59:59.999Z",
                "2026-10-25T23:00:00Z",
                "2026-10-25",
                "2026-10-26",
            ),
            (
                "America/Los_Angeles",
                "2026-12-01T07:59:59.999Z",
                "2026-12-01T08:00:00Z",
                "2026-11-30",
                "2026-12-01",
            ),
            (
                "Asia/Kathmandu",
                "2026-11-25T18:14:59.999Z",
                "2026-11-25T18:15:00Z",
                "2026-11-25",
                "2026-11-26",
            ),
            (
                "Etc/GMT+12",
                "2026-11-26T11:59:59.999Z",
                "2026-11-26T12:00:00Z",
                "2026-11-25",
                "2026-11-26",
            ),
            (
                "Pacific/Auckland",
                "2026-12-31T10:59:59.999Z",
                "2026-12-31T11:00:00Z",
                "2026-12-31",
                "2027-01-01",
            ),
        ] {
            assert_eq!(date(zone, last), day, "{zone} {last}");
            assert_eq!(date(zone, first), next, "{zone} {first}");
        }
    }

    #[test]
    fn hours_are_those_that_the_clock_shows() {
        for (zone, at, shown) in [
            ("UTC", "2026-11-25T14:59:59Z", "2026-11-25T14:00:00.000Z"),
            ("Europe/Riga", "2026-11-25T22:00:00Z", "2026-11-26T00:00:00.000Z"),
            ("Asia/Kathmandu", "2026-11-25T18:14:59Z", "2026-11-25T23:00:00.000Z"),
            // In Berlin two o'clock is left out in March and comes twice in October.
            ("Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-29T01:00:00.000Z"),
            ("Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00.000Z"),
            ("Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00.000Z"),
            ("Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00.000Z"),
        ] {
            let hour = i64::from(Zone::named(zone).hour(at.parse().unwrap()));
            assert_eq!(Timestamp::from_ms(hour * 3_600_000).to_string(), shown, "{zone} {at}");
        }
    }

    #[test]
    fn the_first_and_the_last_times_have_a_day() {
        assert_eq!(Zone::named("America/New_York").day(Timestamp::from_ms(0)), 0);
        let last = Zone::named("Pacific/Kiritimati").day(Timestamp::MAX);
        assert_eq!(i64::from(last), Timestamp::MAX.utc_day() + 1);
    }

    #[test]
    fn an_unknown_name_is_utc() {
        for name in ["", "Europe/Atlantis", "../../etc/localtime"] {
            assert_eq!(Zone::named(name), Zone::UTC, "{name}");
        }
    }
}
