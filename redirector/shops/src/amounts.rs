//! The one rule for amounts that come from outside: a decimal number, not negative, and not larger
//! than `AMOUNT_MAX`.

use serde_json::Value;
use shared::money::{AMOUNT_MAX, Currency, Decimal};

/// Characters of a value that a note quotes.
const QUOTED_CHARS: usize = 40;

/// Reads a decimal from a text or from the literal digits of a JSON number.
pub(crate) fn decimal(value: &Value) -> Result<Decimal, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => return Err(format!("`{}` is not a decimal number", brief_of(other))),
    };
    text.parse().map_err(|error| format!("{error}"))
}

/// Returns the start of a value, which a note quotes.
pub(crate) fn brief(text: &str) -> String {
    text.chars().take(QUOTED_CHARS).collect()
}

/// Reads a decimal and returns it in minor units of its currency.
pub(crate) fn minor(value: &Value, currency: Currency) -> Result<i64, String> {
    decimal(value).and_then(|amount| bounded(amount, currency))
}

/// Returns an amount in minor units.
///
/// # Errors
/// When the amount is negative or larger than `AMOUNT_MAX`.
pub fn bounded(amount: Decimal, currency: Currency) -> Result<i64, String> {
    match amount.to_minor(currency) {
        Ok(minor @ 0..=AMOUNT_MAX) => Ok(minor),
        _ => Err(format!("`{amount}` is not a valid amount of an order")),
    }
}

/// Returns the sum of an order's lines in minor units. A negative sum counts as 0, and is noted.
pub(crate) fn goods(sum: Decimal, currency: Currency, notes: &mut Vec<String>) -> Option<i64> {
    if sum.is_negative() {
        notes.push(format!("line_items: their sum `{sum}` is below zero; read as 0"));
        return Some(0);
    }
    bounded(sum, currency).map_err(|reason| notes.push(format!("line_items: {reason}"))).ok()
}

/// Returns the start of a JSON value, which a note quotes.
pub(crate) fn brief_of(value: &Value) -> String {
    brief(&value.to_string())
}
