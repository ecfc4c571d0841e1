//! Exchange rates: imported by hand, each with its day and source, and fixed for an order once and
//! for all.
//!
//! A rate never changes: what was converted with it may have been paid. An order uses the rate that
//! was known first for the day it was placed, or for one of the seven days before (nobody sets
//! rates on weekends); where none is known the amount stays in its own currency, is shown, and is
//! never approved.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::money::{Currency, Decimal, Fraction};
use crate::time::Timestamp;

/// Days that a rate may be older than an order.
const DAYS_BACK: i64 = 7;

/// What one unit of a currency was worth in another on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeRate {
    /// The day, UTC, in days since 1970.
    pub day: i64,
    /// Of what.
    pub from: Currency,
    /// In what.
    pub to: Currency,
    /// How many units of `to` one unit of `from` was.
    pub rate: Decimal,
    /// Who said so: `ECB reference rate`.
    pub source: String,
    /// When it became known here.
    pub created_at: Timestamp,
}

/// Why a rate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Zero, negative, or with more digits than rates have.
    #[error("rate: `{0}` must be above zero, with at most 18 digits and 12 of them decimals")]
    Rate(Decimal),
    /// From a currency into itself.
    #[error("to: a currency needs no rate into itself")]
    Same,
}

impl ExchangeRate {
    /// Checks the numbers.
    ///
    /// # Errors
    /// Names the field that is out of bounds.
    pub fn check(&self) -> Result<(), RateError> {
        let (units, scale) = self.rate.fraction();
        let fits = units > 0 && scale <= 1_000_000_000_000 && units < 1_000_000_000_000_000_000;
        if !fits {
            return Err(RateError::Rate(self.rate));
        }
        if self.from == self.to { Err(RateError::Same) } else { Ok(()) }
    }

    /// One spelling of what it is a rate of: `USD-EUR-2026-11-25`.
    pub fn id(&self) -> String {
        let date = Timestamp::from_ms(self.day * 86_400_000).utc_date();
        format!("{}-{}-{date}", self.from, self.to)
    }
}

/// A conversion from one currency into another, fixed for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conversion {
    /// From.
    pub from: Currency,
    /// Into.
    pub to: Currency,
    /// The rate as it was imported.
    pub rate: Decimal,
    /// Whether the imported rate is of the other direction, and is divided by.
    pub inverse: bool,
    /// The rate's day.
    pub date: String,
    /// Who said so.
    pub source: String,
    /// When the rate became known here.
    pub known_at: Timestamp,
}

impl Conversion {
    /// Minor units of `from` as an exact fraction of minor units of `to`; `None` when it cannot be
    /// held.
    pub fn apply(&self, amount: Fraction) -> Option<Fraction> {
        let (units, scale) = self.rate.fraction();
        let (numerator, denominator) = if self.inverse { (scale, units) } else { (units, scale) };
        let exponent = |currency: Currency| 10i128.pow(currency.exponent());
        amount.times(numerator, denominator)?.times(exponent(self.to), exponent(self.from))
    }
}

/// Every rate known.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    by_pair: HashMap<(Currency, Currency), BTreeMap<i64, ExchangeRate>>,
}

impl Rates {
    /// Takes a rate in; of two for one day the one that was known first counts.
    pub fn insert(&mut self, rate: &ExchangeRate) {
        let days = self.by_pair.entry((rate.from, rate.to)).or_default();
        let held = days.entry(rate.day).or_insert_with(|| rate.clone());
        let rank =
            |rate: &ExchangeRate| (rate.created_at, rate.rate.to_string(), rate.source.clone());
        if rank(rate) < rank(held) {
            *held = rate.clone();
        }
    }

    /// The rate of a pair on a day.
    pub fn get(&self, from: Currency, to: Currency, day: i64) -> Option<&ExchangeRate> {
        self.by_pair.get(&(from, to))?.get(&day)
    }

    /// Every rate, by pair and day.
    pub fn iter(&self) -> impl Iterator<Item = &ExchangeRate> {
        self.by_pair.values().flat_map(BTreeMap::values)
    }

    /// How an order placed at `at` is converted: by the rate that was known first, of those the
    /// latest day's.
    pub fn conversion(&self, from: Currency, to: Currency, at: Timestamp) -> Option<Conversion> {
        let day = at.utc_day();
        let of_pair = |from, to, inverse| {
            let days = self.by_pair.get(&(from, to)).into_iter();
            days.flat_map(move |days| days.range(day - DAYS_BACK..=day))
                .map(move |(_, rate)| (rate, inverse))
        };
        let known = of_pair(from, to, false).chain(of_pair(to, from, true));
        let (rate, inverse) =
            known.min_by_key(|(rate, inverse)| (rate.created_at, -rate.day, *inverse))?;
        let date = Timestamp::from_ms(rate.day * 86_400_000).utc_date();
        let (source, known_at) = (rate.source.clone(), rate.created_at);
        Some(Conversion { from, to, rate: rate.rate, inverse, date, source, known_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(day: i64, from: &str, to: &str, rate: &str, known_at: i64) -> ExchangeRate {
        ExchangeRate {
            day,
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            rate: rate.parse().unwrap(),
            source: "ECB".into(),
            created_at: Timestamp::from_ms(known_at),
        }
    }

    fn converted(
        rates: &[ExchangeRate],
        day: i64,
        minor: i128,
        from: &str,
        to: &str,
    ) -> Option<i64> {
        let mut known = Rates::default();
        rates.iter().for_each(|rate| known.insert(rate));
        let at = Timestamp::from_ms(day * 86_400_000 + 1);
        let conversion = known.conversion(from.parse().unwrap(), to.parse().unwrap(), at)?;
        conversion.apply(Fraction::new(minor, 1))?.rounded()
    }

    #[test]
    fn amounts_are_converted_exactly_and_between_exponents() {
        assert_eq!(
            converted(&[rate(100, "USD", "EUR", "0.9", 1)], 100, 1005, "USD", "EUR"),
            Some(905)
        );
        assert_eq!(
            converted(&[rate(100, "EUR", "USD", "1.25", 1)], 100, 1000, "USD", "EUR"),
            Some(800),
            "inverse"
        );
        assert_eq!(
            converted(&[rate(100, "EUR", "JPY", "160", 1)], 100, 1050, "EUR", "JPY"),
            Some(1680)
        );
        assert_eq!(
            converted(&[rate(100, "KWD", "EUR", "3", 1)], 100, 1000, "KWD", "EUR"),
            Some(300)
        );
    }

    #[test]
    fn the_rate_that_was_known_first_stays_and_an_old_one_is_none() {
        let friday = rate(100, "USD", "EUR", "0.9", 1);
        for (day, expected) in [(99, None), (100, Some(900)), (107, Some(900)), (108, None)] {
            assert_eq!(
                converted(std::slice::from_ref(&friday), day, 1000, "USD", "EUR"),
                expected,
                "{day}"
            );
        }
        let later = rate(102, "USD", "EUR", "0.8", 2);
        assert_eq!(
            converted(&[friday.clone(), later], 102, 1000, "USD", "EUR"),
            Some(900),
            "fixed once"
        );
        let together = rate(102, "USD", "EUR", "0.8", 1);
        assert_eq!(
            converted(&[friday.clone(), together], 102, 1000, "USD", "EUR"),
            Some(800),
            "the latest day"
        );
        let again = rate(100, "USD", "EUR", "0.1", 2);
        assert_eq!(
            converted(&[friday, again], 100, 1000, "USD", "EUR"),
            Some(900),
            "a known day stays"
        );
    }

    #[test]
    fn rates_out_of_bounds_are_refused() {
        for text in ["0", "-1", "1000000000000000000", "0.0000000000001"] {
            assert!(rate(1, "USD", "EUR", text, 1).check().is_err(), "{text}");
        }
        assert!(rate(1, "EUR", "EUR", "1", 1).check().is_err());
        assert!(rate(1, "USD", "EUR", "0.923456", 1).check().is_ok());
    }
}
