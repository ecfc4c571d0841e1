//! Commission: what a campaign pays for an order, recomputed from the order's facts whenever they change.
//!
//! An amount is rounded once, at the end. Never a float; never more than the order is worth; zero for an order that is
//! cancelled, refunded whole or a test.

use serde::{Deserialize, Serialize};

use crate::money::{Currency, Decimal, Money, round_half_away};
use crate::order::{Order, Status};

/// What a percentage is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// The goods after discounts, without tax and shipping, less what was refunded.
    #[default]
    NetGoods,
}

/// What a campaign pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Rule {
    /// A share of the order.
    Percent {
        /// Percent: `15` or `7.5`.
        rate: Decimal,
        /// Of what.
        #[serde(default)]
        base: Base,
    },
    /// A fixed amount for each order, in the merchant's currency.
    PerSale {
        /// The amount: `5.00`.
        amount: Decimal,
    },
}

/// Why a rule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A rate outside 0 to 100 or with too many digits.
    #[error("commission.rate: `{0}` must be between 0 and 100 with at most 6 decimals")]
    Rate(Decimal),
    /// An amount below zero or above every bound.
    #[error("commission.amount: `{0}` must be zero or more and fit the merchant's currency")]
    Amount(Decimal),
}

/// What is due for an order, and from what it was computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The amount.
    pub amount: Money,
    /// What the rate was taken of, or the order's net goods for a fixed amount; in the order's currency.
    pub base_minor: i64,
    /// The rate as text: `15 %`, or `5.00 per sale`.
    pub rate: String,
}

/// The largest amount a fact or a rule may carry, in minor units; keeps every product within 128 bits.
pub const AMOUNT_MAX: i64 = 10_000_000_000_000;

impl Rule {
    /// Checks the rule's numbers.
    ///
    /// # Errors
    /// Names the number that is out of bounds.
    pub fn check(&self, currency: Currency) -> Result<(), RuleError> {
        match *self {
            Self::Percent { rate, .. } => {
                let (numerator, denominator) = rate.fraction();
                let fits = numerator >= 0 && numerator <= 100 * denominator && denominator <= 1_000_000;
                if fits { Ok(()) } else { Err(RuleError::Rate(rate)) }
            }
            Self::PerSale { amount } => match amount.to_minor(currency) {
                Ok(0..=AMOUNT_MAX) => Ok(()),
                _ => Err(RuleError::Amount(amount)),
            },
        }
    }

    /// The rule in one line, as statements and decisions show it.
    pub fn describe(&self) -> String {
        match self {
            Self::Percent { rate, base: Base::NetGoods } => format!("{rate} % of net goods"),
            Self::PerSale { amount } => format!("{amount} per sale"),
        }
    }

    /// What is due for the order as it stands; `merchant_currency` is what fixed amounts are in.
    ///
    /// `None` when the order has no amounts to take a share of yet.
    pub fn due(&self, order: &Order, merchant_currency: Currency) -> Option<Due> {
        let rate = match self {
            Self::Percent { rate, .. } => rate.to_string(),
            Self::PerSale { amount } => amount.to_string(),
        };
        let earning = order.status != Status::Void && order.status != Status::Draft && !order.test;
        let amount = match self {
            Self::Percent { rate, .. } => {
                let minor = if earning { share(*rate, order)? } else { 0 };
                Money { minor, currency: order.currency? }
            }
            Self::PerSale { amount } => {
                let whole = earning && !order.is_given_back();
                let minor = if whole { amount.to_minor(merchant_currency).ok()? } else { 0 };
                Money { minor, currency: merchant_currency }
            }
        };
        Some(Due { amount, base_minor: if earning { order.net_goods_minor() } else { 0 }, rate })
    }
}

/// `rate × goods kept`, where the goods kept are an exact fraction; rounded once.
fn share(rate: Decimal, order: &Order) -> Option<i64> {
    let (rate_units, rate_scale) = rate.fraction();
    let (kept, whole) = order.kept_goods()?;
    let numerator = rate_units.checked_mul(kept)?;
    let denominator = rate_scale.checked_mul(100)?.checked_mul(whole)?;
    i64::try_from(round_half_away(numerator, denominator)).ok()
}
