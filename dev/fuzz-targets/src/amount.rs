//! Amounts. Beyond no panic: what is read is exactly what stands there, digit for digit, up to the
//! thirtieth place behind the point; a text without a digit is no amount; nothing unreadable becomes
//! zero.

use shared::money::{Currency, Decimal};

/// Asks it of the product's reader.
pub fn amount(bytes: &[u8]) {
    amount_by(|text| text.parse().ok(), bytes);
}

/// Asks it of any reader: a wrong one shows that it is noticed.
pub fn amount_by(read: impl Fn(&str) -> Option<Decimal>, bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Some(decimal) = read(text) else { return };
    let spelled = decimal.to_string();
    // A small power of ten is spelled with more digits than a reader takes.
    let is_long = spelled.chars().filter(char::is_ascii_digit).count() > shared::wire::DIGITS_MAX;
    let again = read(&spelled);
    assert!(is_long || again == Some(decimal), "`{text}` is `{spelled}`, which reads otherwise");
    let mantissa = text.trim().split(['e', 'E']).next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    assert!(mantissa.chars().all(is_plain), "`{text}` is not a number, and was read as {spelled}");
    let (written, found) = (digits(mantissa), digits(&spelled));
    let is_exact = written == found || places(text) > PLACES_MAX && written.starts_with(&found);
    assert!(is_exact, "`{text}` was read as {spelled}");
    assert_eq!(mantissa.starts_with('-') && !found.is_empty(), decimal.is_negative());
    for currency in ["EUR", "JPY", "KWD"] {
        let currency: Currency = currency.parse().expect("a currency");
        let Ok(minor) = decimal.to_minor(currency) else { continue };
        assert!(minor == 0 || (minor < 0) == decimal.is_negative(), "`{text}` is {minor}");
        // Rounding moves an amount by half a minor unit at most.
        let back: Decimal =
            shared::money::Money { minor, currency }.to_string().parse().expect("ours");
        let Some(difference) = decimal.checked_sub(back) else { continue };
        let half = format!("0.{}5", "0".repeat(currency.exponent() as usize));
        let rest = half.parse().ok().and_then(|half: Decimal| half.checked_sub(difference.abs()));
        assert!(rest.is_some_and(|rest| !rest.is_negative()), "`{text}` is {minor} {currency}");
    }
}

/// The places behind the point that are read. What is smaller rounds to nothing in every currency.
const PLACES_MAX: i64 = 30;

/// Returns how many places behind the point a number's text goes.
fn places(text: &str) -> i64 {
    let (mantissa, exponent) = text.trim().split_once(['e', 'E']).unwrap_or((text.trim(), "0"));
    let behind = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    i64::try_from(behind).expect("short") - exponent.parse::<i64>().expect("was read")
}

/// Returns the digits that count: without zeros at either end.
fn digits(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').to_owned()
}
