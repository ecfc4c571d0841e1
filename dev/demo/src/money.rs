//! Euro amounts of the demo shop in cents: reading, writing, and the demo's own rounding.
//!
//! On purpose it never uses the product's money types: the product's figures are checked against
//! figures that were computed elsewhere.

use anyhow::{Context, Result, bail};

/// An amount in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cents(pub i64);

impl Cents {
    /// Returns `numerator/denominator` of the amount, rounded half away from zero.
    #[must_use]
    pub const fn share(self, numerator: i64, denominator: i64) -> Self {
        let product = self.0 * numerator;
        let half = if product < 0 { -denominator / 2 } else { denominator / 2 };
        Self((product + half) / denominator)
    }

    /// Reads `129.90`, `-2.4` or `5`.
    ///
    /// # Errors
    /// When the text is not an amount in euros.
    pub fn parse(text: &str) -> Result<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        if fraction.is_empty()
            || fraction.len() > 2
            || !fraction.bytes().all(|b| b.is_ascii_digit())
        {
            bail!("`{text}` is not an amount in euros, such as 129.90");
        }
        let cents: i64 = format!("{fraction:0<2}").parse()?;
        let euros: i64 = whole
            .parse()
            .with_context(|| format!("`{text}` is not an amount in euros, such as 129.90"))?;
        Ok(Self(sign * (euros * 100 + cents)))
    }
}

impl std::fmt::Display for Cents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:02}", self.0.unsigned_abs() / 100, self.0.unsigned_abs() % 100)
    }
}

impl std::ops::Add for Cents {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::ops::Sub for Cents {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl std::ops::Neg for Cents {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl std::iter::Sum for Cents {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self(0), |sum, amount| sum + amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_round_half_away_from_zero() {
        for (amount, numerator, denominator, expected) in [
            (12990, 15, 100, 1949),
            (-12990, 15, 100, -1949),
            (10, 1, 4, 3),
            (-10, 1, 4, -3),
            (9, 1, 4, 2),
            (0, 1, 3, 0),
            (100, 1, 3, 33),
        ] {
            assert_eq!(
                Cents(amount).share(numerator, denominator),
                Cents(expected),
                "{amount} × {numerator}/{denominator}"
            );
        }
    }

    #[test]
    fn amounts_are_read_and_written() {
        for (text, cents) in [("129.90", 12990), ("-2.43", -243), ("0.05", 5), ("-0.05", -5)] {
            assert_eq!(Cents::parse(text).ok(), Some(Cents(cents)));
            assert_eq!(Cents(cents).to_string(), text);
        }
        assert_eq!(Cents::parse("19.4").ok(), Some(Cents(1940)));
        for text in ["", "x", "1.", "1.234", "1,5"] {
            assert!(Cents::parse(text).is_err(), "{text}");
        }
    }
}
