//! Amounts of money: decimal text in, integer minor units inside, decimal text out.
//!
//! No amount is a float, and no sum mixes two currencies. Rounding happens in exactly one function,
//! [`round_half_away`]: half away from zero, once, at the currency's own exponent.

use std::fmt;
use std::ops::{Add, Div, Neg, Rem, Sub};
use std::str::FromStr;

use ethnum::I256;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::wire::DIGITS_MAX;

/// The largest amount that a fact or a rule may have, in minor units. It keeps every product of
/// amounts within 256 bits.
pub const AMOUNT_MAX: i64 = 10_000_000_000_000;

/// The reason why a text is not an amount, a rate or a currency. The sender is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal number.
    #[error("`{0}` is not a decimal number such as 129.90")]
    NotDecimal(String),
    /// More digits than an amount of money can have.
    #[error("`{0}` has more than 30 digits")]
    TooLong(String),
    /// The amount does not fit 64 bits of minor units.
    #[error("`{0}` is too large an amount")]
    TooLarge(String),
    /// Not an ISO 4217 code.
    #[error("`{0}` is not an ISO 4217 currency code such as EUR")]
    UnknownCurrency(String),
}

/// Divides and rounds half away from zero: the only rounding in afterclick.
///
/// `denominator` must be positive.
pub fn round_half_away<N>(numerator: N, denominator: N) -> N
where
    N: Copy
        + PartialOrd
        + From<i8>
        + Add<Output = N>
        + Sub<Output = N>
        + Neg<Output = N>
        + Div<Output = N>
        + Rem<Output = N>,
{
    let (zero, one) = (N::from(0), N::from(1));
    debug_assert!(denominator > zero, "a denominator is positive");
    let (quotient, remainder) = (numerator / denominator, numerator % denominator);
    let remainder = if remainder < zero { -remainder } else { remainder };
    if remainder < denominator - remainder {
        quotient
    } else if numerator < zero {
        quotient - one
    } else {
        quotient + one
    }
}

/// An exact fraction of minor units. Shares are computed as fractions and rounded once, at the end.
#[derive(Debug, Clone, Copy)]
pub struct Fraction {
    numerator: I256,
    denominator: I256,
}

impl Fraction {
    /// Makes `numerator / denominator`; the denominator must be positive.
    pub fn new(numerator: i128, denominator: i128) -> Self {
        debug_assert!(denominator > 0, "a denominator is positive");
        Self { numerator: numerator.into(), denominator: denominator.into() }
    }

    /// Returns the exact product with another fraction, or `None` when it does not fit 256 bits.
    pub fn times(self, numerator: i128, denominator: i128) -> Option<Self> {
        debug_assert!(denominator > 0, "a denominator is positive");
        Some(Self {
            numerator: self.numerator.checked_mul(numerator.into())?,
            denominator: self.denominator.checked_mul(denominator.into())?,
        })
    }

    /// Returns the nearest whole number of minor units, or `None` when it does not fit 64 bits.
    pub fn rounded(self) -> Option<i64> {
        round_half_away(self.numerator, self.denominator).try_into().ok()
    }
}

/// An ISO 4217 currency that has minor units.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Returns the number of digits after the decimal point: 2 for EUR, 0 for JPY, 3 for KWD.
    pub fn exponent(self) -> u32 {
        iso_currency::Currency::from_code(self.code())
            .and_then(|c| c.exponent())
            .map_or(2, u32::from)
    }

    /// Returns the three-letter code in upper case.
    pub fn code(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl FromStr for Currency {
    type Err = MoneyError;
    /// Reads a code in any case. Currencies without minor units (XXX, XAU, …) are refused: they are
    /// not money.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let unknown = || MoneyError::UnknownCurrency(text.chars().take(16).collect());
        let upper = text.trim().to_ascii_uppercase();
        let known = iso_currency::Currency::from_code(&upper).ok_or_else(unknown)?;
        known.exponent().ok_or_else(unknown)?;
        Ok(Self(upper.as_bytes().try_into().map_err(|_| unknown())?))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An exact decimal number, `units / 10^scale`, as shops send it: not yet rounded to a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    units: i128,
    scale: u32,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { units: 0, scale: 0 };
    const SCALE_MAX: u32 = 30;

    /// Returns minor units as an exact decimal.
    pub fn from_minor(minor: i64, currency: Currency) -> Self {
        Self { units: i128::from(minor), scale: currency.exponent() }
    }

    /// Returns the exact sum, or `None` when it is out of range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let units = self.units_at(scale)?.checked_add(other.units_at(scale)?)?;
        Some(Self { units, scale })
    }

    /// Returns the exact product, or `None` when it is out of range.
    #[must_use]
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        let scale = self.scale + other.scale;
        if scale > Self::SCALE_MAX {
            return None;
        }
        Some(Self { units: self.units.checked_mul(other.units)?, scale })
    }

    fn units_at(self, scale: u32) -> Option<i128> {
        self.units.checked_mul(10i128.checked_pow(scale - self.scale)?)
    }

    /// Returns the exact difference, or `None` when it is out of range.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.checked_add(Self { units: -other.units, scale: other.scale })
    }

    /// Returns whether the number is below zero.
    pub const fn is_negative(self) -> bool {
        self.units < 0
    }

    /// Returns the number without its sign.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self { units: self.units.abs(), scale: self.scale }
    }

    /// Returns the numerator and the denominator of the exact fraction.
    pub const fn fraction(self) -> (i128, i128) {
        (self.units, 10i128.pow(self.scale))
    }

    /// Rounds to the currency's minor units.
    ///
    /// # Errors
    /// When the amount does not fit 64 bits.
    pub fn to_minor(self, currency: Currency) -> Result<i64, MoneyError> {
        let exponent = currency.exponent();
        let too_large = || MoneyError::TooLarge(self.to_string());
        let minor = if self.scale <= exponent {
            self.units_at(exponent).ok_or_else(too_large)?
        } else {
            round_half_away(self.units, 10i128.pow(self.scale - exponent))
        };
        i64::try_from(minor).map_err(|_| too_large())
    }
}

impl FromStr for Decimal {
    type Err = MoneyError;
    /// Reads `-12.50`, `10.799999999999999` or a JSON number's `1.5e3`.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let trimmed = text.trim();
        let not_decimal = || MoneyError::NotDecimal(text.chars().take(40).collect());
        let (mantissa, exponent) = match trimmed.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                (mantissa, exponent.parse::<i32>().map_err(|_| not_decimal())?)
            }
            None => (trimmed, 0),
        };
        let (negative, digits) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(not_decimal());
        }
        if whole.len() + fraction.len() > DIGITS_MAX {
            return Err(MoneyError::TooLong(text.chars().take(40).collect()));
        }
        let units = whole
            .bytes()
            .chain(fraction.bytes())
            .fold(0i128, |sum, b| sum * 10 + i128::from(b - b'0'));
        let scale = i64::try_from(fraction.len()).map_err(|_| not_decimal())? - i64::from(exponent);
        Self::scaled(if negative { -units } else { units }, scale)
            .ok_or_else(|| MoneyError::TooLong(text.chars().take(40).collect()))
    }
}

impl Decimal {
    /// `units / 10^scale` for any sign of `scale`. Places behind the thirtieth are cut, which changes
    /// no amount: a residue such as 4.440892098500626e-16 rounds to what it rounded to before.
    fn scaled(units: i128, scale: i64) -> Option<Self> {
        if let Ok(scale) = u32::try_from(scale) {
            let behind = scale.saturating_sub(Self::SCALE_MAX);
            let units = 10i128.checked_pow(behind).map_or(0, |power| units / power);
            return Some(Self { units, scale: scale - behind });
        }
        let power = u32::try_from(-scale).ok()?;
        Some(Self { units: units.checked_mul(10i128.checked_pow(power)?)?, scale: 0 })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let (whole, fraction) = (self.units.unsigned_abs(), self.scale as usize);
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let power = 10u128.pow(self.scale);
        write!(f, "{sign}{}.{:0fraction$}", whole / power, whole % power)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    /// Accepts a JSON string or a JSON number. The digits of a number are read as they stand,
    /// without a float in between.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            other => {
                return Err(serde::de::Error::custom(MoneyError::NotDecimal(other.to_string())));
            }
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An amount in the minor units of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// Minor units: cents for EUR, yen for JPY.
    pub minor: i64,
    /// The currency of these units.
    pub currency: Currency,
}

impl fmt::Display for Money {
    /// The decimal text at the currency's exponent, without the code: `129.90`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal::from_minor(self.minor, self.currency).fmt(f)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn minor(text: &str, currency: &str) -> i64 {
        text.parse::<Decimal>().unwrap().to_minor(currency.parse().unwrap()).unwrap()
    }

    #[test]
    fn decimal_text_becomes_minor_units_at_the_currencys_exponent() {
        for (text, currency, expected) in [
            ("129.90", "EUR", 12990),
            ("10.799999999999999", "EUR", 1080),
            ("0.005", "EUR", 1),
            ("-0.005", "EUR", -1),
            ("0.0049999", "EUR", 0),
            ("23847", "JPY", 23847),
            ("23847.5", "JPY", 23848),
            ("1.2345", "KWD", 1235),
            ("1.5e3", "EUR", 150_000),
            ("15e-1", "EUR", 150),
            ("3", "EUR", 300),
            ("2.8421709430404e-14", "EUR", 0),
            ("-4.440892098500626e-16", "EUR", 0),
            ("4999999999999999999999999999.9e-30", "EUR", 0),
            ("5.000000000000000000000000000e-3", "EUR", 1),
            ("1e-2147483648", "EUR", 0),
        ] {
            assert_eq!(minor(text, currency), expected, "{text} {currency}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_refused_by_name() {
        for text in ["", ".", "12,50", "1.2.3", "NaN", "1e", "--1", "0x1", "1e999999999", "٣"] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
        assert!("9".repeat(31).parse::<Decimal>().unwrap_err().to_string().contains("30 digits"));
        assert!(
            "9".repeat(25).parse::<Decimal>().unwrap().to_minor("EUR".parse().unwrap()).is_err()
        );
        assert!("XAU".parse::<Currency>().is_err());
        assert!("EU".parse::<Currency>().is_err());
        assert_eq!("eur".parse::<Currency>().unwrap().code(), "EUR");
    }

    #[test]
    fn json_numbers_keep_their_digits() {
        let parsed: Vec<Decimal> =
            serde_json::from_str(r#"[10.799999999999999, "129.90", 3, -8.10]"#).unwrap();
        let texts: Vec<_> = parsed.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["10.799999999999999", "129.90", "3", "-8.10"]);
    }

    proptest! {
        #[test]
        fn minor_units_survive_the_way_out_and_back(amount in any::<i64>(), code in prop::sample::select(vec!["EUR", "JPY", "KWD", "CLF"])) {
            let currency: Currency = code.parse().unwrap();
            let text = Money { minor: amount, currency }.to_string();
            prop_assert_eq!(minor(&text, code), amount);
        }

        #[test]
        fn rounding_is_the_nearest_integer_and_symmetric(numerator in -1_000_000i128..1_000_000, denominator in 1i128..1000) {
            let rounded = round_half_away(numerator, denominator);
            prop_assert!((rounded * denominator - numerator).abs() * 2 <= denominator);
            prop_assert_eq!(round_half_away(-numerator, denominator), -rounded);
        }
    }

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn sums_differences_and_products_are_exact() {
        for (one, other, sum, difference, product) in [
            ("129.90", "0.1", "130.00", "129.80", "12.990"),
            ("-1.5", "2", "0.5", "-3.5", "-3.0"),
            (
                "0.30000000000000004",
                "0",
                "0.30000000000000004",
                "0.30000000000000004",
                "0.00000000000000000",
            ),
        ] {
            let (one, other) = (decimal(one), decimal(other));
            let text = |result: Option<Decimal>| result.unwrap().to_string();
            assert_eq!(text(one.checked_add(other)), sum, "{one} + {other}");
            assert_eq!(text(one.checked_sub(other)), difference, "{one} - {other}");
            assert_eq!(text(one.checked_mul(other)), product, "{one} * {other}");
        }
    }

    #[test]
    fn what_does_not_fit_is_no_number() {
        let tiny = |zeros: usize| decimal(&format!("0.{}1", "0".repeat(zeros)));
        let places =
            |decimal: Option<Decimal>| decimal.map(|decimal| decimal.to_string().len() - 2);
        assert_eq!(places(tiny(14).checked_mul(tiny(14))), Some(30), "thirty places are the most");
        assert_eq!(places(tiny(14).checked_mul(tiny(15))), None);
        let large = decimal(&"9".repeat(30));
        assert_eq!(large.checked_mul(large), None);
        assert_eq!(large.checked_add(tiny(28)), None, "their common scale has too many digits");
    }

    #[test]
    fn only_what_is_below_zero_is_negative() {
        for (text, is_negative) in
            [("-0.01", true), ("0", false), ("-0.00", false), ("0.01", false)]
        {
            assert_eq!(decimal(text).is_negative(), is_negative, "{text}");
            assert!(!decimal(text).abs().is_negative(), "{text}");
        }
    }
}
