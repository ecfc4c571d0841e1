//! The one rule for amounts that come from outside: a decimal number, not negative, and not larger
//! than `AMOUNT_MAX`.

use serde_json::Value;
use shared::money::{AMOUNT_MAX, Currency, Decimal};
use shared::order::{AmountPart, Unreadable};

/// Characters of a value that a note quotes.
const QUOTED_CHARS: usize = 40;
/// Characters of a value of which the shape is kept.
const SHAPE_CHARS: usize = 24;

/// Returns what is unknown because a field could not be read. It says of the value only the shape.
pub(crate) fn unreadable(
    part: AmountPart,
    field: impl Into<String>,
    value: Option<&Value>,
) -> Unreadable {
    let shape = match value {
        None => "missing".to_owned(),
        Some(Value::Null) => "null".to_owned(),
        Some(Value::Bool(_)) => "true or false".to_owned(),
        Some(Value::Array(_)) => "a list".to_owned(),
        Some(Value::Object(_)) => "an object".to_owned(),
        Some(Value::String(text)) => shape_of(text),
        Some(Value::Number(number)) => shape_of(&number.to_string()),
    };
    Unreadable { part, field: field.into(), shape }
}

/// Returns the shape of a text: digits as 9, letters as a. It shows why the text is no amount, and
/// little of what it says.
pub fn shape_of(text: &str) -> String {
    let masked = |c: char| match c {
        c if c.is_numeric() => '9',
        c if c.is_alphabetic() => 'a',
        c if c.is_control() || c.is_whitespace() => ' ',
        c => c,
    };
    let shape: String = text.chars().take(SHAPE_CHARS).map(masked).collect();
    match text.chars().count() {
        0 => "an empty text".to_owned(),
        count if count > SHAPE_CHARS => format!("{shape}… ({count} characters)"),
        _ => shape,
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_shows_why_a_value_is_no_amount_and_not_the_value() {
        for (text, shape) in [
            ("1,000.00", "9,999.99"),
            ("12,90 €", "99,99 €"),
            ("EUR 5\n", "aaa 9 "),
            ("", "an empty text"),
        ] {
            assert_eq!(shape_of(text), shape);
        }
        let long = shape_of(&"7".repeat(31));
        assert_eq!(long, format!("{}… (31 characters)", "9".repeat(24)));
        let list = unreadable(AmountPart::Total, "total", Some(&Value::Array(vec![])));
        assert_eq!((list.shape.as_str(), list.field.as_str()), ("a list", "total"));
        assert_eq!(unreadable(AmountPart::Total, "total", None).shape, "missing");
    }
}
