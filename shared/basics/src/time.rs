//! Points in time (UTC) and spans, both in milliseconds. Never reads a clock: time is a parameter.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// A length of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

/// The reason why a text is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an RFC 3339 time such as 2026-11-25T18:00:00Z")]
pub struct TimeError {
    text: String,
}

/// The last millisecond that has a year of four digits in every time zone.
const LATEST_MS: i64 = 253_402_207_199_999;

impl Timestamp {
    /// The latest time.
    pub const MAX: Self = Self(LATEST_MS);

    /// Makes a time from milliseconds since the Unix epoch, clamped to the years 1970 to 9999.
    pub const fn from_ms(ms: i64) -> Self {
        Self(if ms < 0 {
            0
        } else if ms > LATEST_MS {
            LATEST_MS
        } else {
            ms
        })
    }

    /// Returns the milliseconds since the Unix epoch.
    pub const fn as_ms(self) -> i64 {
        self.0
    }

    /// Returns the microseconds since the Unix epoch, the unit of exported tables.
    pub const fn as_micros(self) -> i64 {
        self.0 * 1000
    }

    /// Returns the UTC calendar day, `YYYY-MM-DD`.
    pub fn utc_date(self) -> String {
        let text = self.to_string();
        text[..10].to_owned()
    }

    /// Returns the number of UTC days since the Unix epoch.
    pub const fn utc_day(self) -> i64 {
        self.0.div_euclid(Span::DAY_MS)
    }

    /// Returns the point in time that is `span` later.
    pub const fn plus(self, span: Span) -> Self {
        Self::from_ms(self.0.saturating_add(span.0))
    }

    /// Returns the span from `earlier` to this time; negative if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0 - earlier.0)
    }

    /// Reads a time without a zone that is known to be UTC, as WooCommerce's `*_gmt` fields are
    /// (`2017-03-22T19:28:02`), or a full RFC 3339 time.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse_gmt(text: &str) -> Result<Self, TimeError> {
        text.parse()
            .or_else(|_| format!("{text}Z").parse())
            .map_err(|_: TimeError| TimeError::of(text))
    }
}

impl Span {
    const DAY_MS: i64 = 86_400_000;
    /// The span of no length.
    pub const ZERO: Self = Self(0);

    /// Makes a span of this number of milliseconds.
    pub const fn ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Makes a span of this number of seconds.
    pub const fn seconds(seconds: i64) -> Self {
        Self(seconds * 1000)
    }

    /// Makes a span of this number of minutes.
    pub const fn minutes(minutes: i64) -> Self {
        Self(minutes * 60_000)
    }

    /// Makes a span of this number of days, each of 24 hours.
    pub const fn days(days: i64) -> Self {
        Self(days * Self::DAY_MS)
    }

    /// Returns the number of milliseconds.
    pub const fn as_ms(self) -> i64 {
        self.0
    }

    /// Returns the length without its direction.
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// Returns the number of whole minutes, rounded down.
    pub const fn as_minutes(self) -> i64 {
        self.0.div_euclid(60_000)
    }
}

impl TimeError {
    fn of(text: &str) -> Self {
        Self { text: text.chars().take(40).collect() }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{time:.3}")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let time: Option<jiff::Timestamp> =
            if is_rfc_3339(text.as_bytes()) { text.parse().ok() } else { None };
        time.map(|time| Self::from_ms(time.as_millisecond())).ok_or_else(|| TimeError::of(text))
    }
}

/// Returns whether a text has the form of an RFC 3339 time. ISO 8601 has many more forms: without
/// seconds, without separators, with a zone of hours alone.
fn is_rfc_3339(text: &[u8]) -> bool {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    let fits = |(byte, form): (&u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't' | b' '),
        form => byte == form,
    };
    let Some((head, mut rest)) = text.split_at_checked(FORM.len()) else { return false };
    if let [b'.', fraction @ ..] = rest {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return false;
        }
        rest = &fraction[digits..];
    }
    let is_zone = match rest {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', a, b, b':', c, d] => [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    is_zone && head.iter().zip(FORM).all(fits)
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self::from_ms)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_rfc_3339_with_milliseconds_and_parse_back() {
        let time = Timestamp::from_ms(1_763_800_000_123);
        assert_eq!(time.to_string(), "2025-11-22T08:26:40.123Z");
        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!(Timestamp::from_ms(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(time.utc_date(), "2025-11-22");
    }

    #[test]
    fn offsets_are_understood_and_zoneless_times_only_where_utc_is_known() {
        let expected = Timestamp::parse_gmt("2017-03-22T19:28:02").unwrap();
        assert_eq!("2017-03-22T16:28:02-03:00".parse(), Ok(expected));
        assert!("2017-03-22T19:28:02".parse::<Timestamp>().is_err());
        assert!(Timestamp::parse_gmt("soon").unwrap_err().to_string().contains("soon"));
    }

    #[test]
    fn only_the_forms_of_rfc_3339_are_times() {
        for text in [
            "2026-11-25T18:00:00Z",
            "2026-11-25 18:00:00z",
            "2026-11-25t19:00:00.000+01:00",
            "2026-11-25T18:00:00.000000000-00:00",
        ] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(time.to_string(), "2026-11-25T18:00:00.000Z", "{text}");
        }
        for text in [
            "2026-11-25T18:00Z",
            "20261125T180000Z",
            "2026-11-25T18:00:00+01",
            "2026-11-25T18:00:00+0100",
            "2026-11-25T18:00:00,5Z",
            "2026-11-25T18:00:00.Z",
            "2026-11-25T18:00:00Z[Europe/Berlin]",
            "2026-11-25T18:00:00",
            "2026-11-25",
            "+002026-11-25T18:00:00Z",
            "2026-02-30T18:00:00Z",
            "",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_spelled_is_clamped() {
        assert_eq!(Timestamp::from_ms(i64::MAX).to_string(), "9999-12-30T21:59:59.999Z");
        assert_eq!(Timestamp::from_ms(-5), Timestamp::from_ms(0));
    }
}
