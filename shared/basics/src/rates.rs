//! Exchange rates. People import them, each with its day and source.
//!
//! A rate never changes, because amounts converted with it may have been paid. An order is
//! converted by one rate for ever: of the rates for the day on which it was placed and for the
//! seven days before, the one that became known first. Earlier days count because there are no
//! rates for weekends. An order without a rate keeps its own currency: its amount is shown, but
//! never approved.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::money::{Currency, Decimal, Fraction};
use crate::time::Timestamp;

/// The number of days by which a rate may be older than an order.
const DAYS_BACK: i64 = 7;

/// The worth of one unit of a currency in another currency on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeRate {
    /// The UTC day, counted in days since 1970-01-01.
    pub day: i64,
    /// The currency that is converted.
    pub from: Currency,
    /// The currency into which it is converted.
    pub to: Currency,
    /// The number of units of `to` for one unit of `from`.
    pub rate: Decimal,
    /// The source as text, such as `ECB reference rate`.
    pub source: String,
    /// The time at which it was imported.
    pub created_at: Timestamp,
}

/// The reason why a rate is invalid. The sender is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Zero, negative, or with too many digits.
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

    /// Returns its currencies and its day as one text: `USD-EUR-2026-11-25`.
    pub fn id(&self) -> String {
        let date = Timestamp::from_ms(self.day * 86_400_000).utc_date();
        format!("{}-{}-{date}", self.from, self.to)
    }
}

/// The conversion of one order from its currency into another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conversion {
    /// The currency that is converted.
    pub from: Currency,
    /// The currency into which it is converted.
    pub to: Currency,
    /// The rate as it was imported.
    pub rate: Decimal,
    /// True when the imported rate is for the other direction: amounts are divided by it.
    pub inverse: bool,
    /// The rate's UTC day, `YYYY-MM-DD`.
    pub date: String,
    /// The rate's source.
    pub source: String,
    /// The time at which the rate was imported.
    pub known_at: Timestamp,
}

impl Conversion {
    /// Converts minor units of `from` into an exact fraction of minor units of `to`; `None` when it
    /// does not fit 256 bits.
    pub fn apply(&self, amount: Fraction) -> Option<Fraction> {
        let (units, scale) = self.rate.fraction();
        let (numerator, denominator) = if self.inverse { (scale, units) } else { (units, scale) };
        let exponent = |currency: Currency| 10i128.pow(currency.exponent());
        amount.times(numerator, denominator)?.times(exponent(self.to), exponent(self.from))
    }
}

/// All rates that are known.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    by_pair: HashMap<(Currency, Currency), BTreeMap<i64, ExchangeRate>>,
}

impl Rates {
    /// Adds a rate. Of two rates for one day, the one that was known first counts.
    pub fn insert(&mut self, rate: &ExchangeRate) {
        let days = self.by_pair.entry((rate.from, rate.to)).or_default();
        let held = days.entry(rate.day).or_insert_with(|| rate.clone());
        let rank =
            |rate: &ExchangeRate| (rate.created_at, rate.rate.to_string(), rate.source.clone());
        if rank(rate) < rank(held) {
            *held = rate.clone();
        }
    }

    /// Returns the rate of a pair of currencies on a day.
    pub fn get(&self, from: Currency, to: Currency, day: i64) -> Option<&ExchangeRate> {
        self.by_pair.get(&(from, to))?.get(&day)
    }

    /// Returns all rates; those of one pair stand in order of day.
    pub fn iter(&self) -> impl Iterator<Item = &ExchangeRate> {
        self.by_pair.values().flat_map(BTreeMap::values)
    }

    /// Returns the conversion of an order placed at `at`: by the rate that was known first; of
    /// rates that were known at the same time, by that of the latest day.
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
    fn the_rate_that_was_known_first_stays_and_an_old_one_is_not_used() {
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
