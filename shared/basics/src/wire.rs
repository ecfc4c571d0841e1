//! The rules for text that a shop's page may send to the collector: order ids, amounts and currency
//! codes.
//!
//! The pixel checks these rules before it sends. The server accepts every text that they accept,
//! and more: other senders may write `1e3`. Only the server knows which currency codes exist. Never
//! allocates and never panics: code for either would make the pixel too large.

/// The number of bytes that an order id may have.
pub const ORDER_ID_BYTES_MAX: usize = 128;
/// The number of digits that an amount may have, leading and trailing zeros included.
pub const DIGITS_MAX: usize = 30;

/// The texts that broken templates leave in the place of an order id.
const PLACEHOLDERS: &[u8] = b"undefined|null|nan|none|0|(not set)";

/// Returns whether a text without outer blanks can be an order id: it is not empty, and not a
/// placeholder that a broken template left. A leading `#` is ignored.
///
/// Such texts are refused because all orders with one of them would become one order.
pub fn is_order_id(text: &[u8]) -> bool {
    let mut id = text;
    while let [b'#' | b' ', rest @ ..] = id {
        id = rest;
    }
    let is_ordinary =
        |byte: &u8| !matches!(byte, ..b' ' | 127 | b'{' | b'}' | b'<' | b'>' | b'[' | b']');
    !id.is_empty()
        && id.len() <= ORDER_ID_BYTES_MAX
        && id.iter().all(is_ordinary)
        && !is_placeholder(id)
}

fn is_placeholder(id: &[u8]) -> bool {
    let mut from = 0;
    while from < PLACEHOLDERS.len() {
        let end = end_of_part(PLACEHOLDERS, from, b'|');
        let mut same = 0;
        // Setting this bit makes a letter lower case. It also changes control characters, which are
        // refused before.
        while let (Some(byte), Some(expected)) = (id.get(same), PLACEHOLDERS.get(from + same))
            && byte | 0x20 == *expected
        {
            same += 1;
        }
        if same == id.len() && from + same == end {
            return true;
        }
        from = end + 1;
    }
    false
}

/// Returns the end of the part that begins at `from`: the next separator, or the end of the text.
pub fn end_of_part(text: &[u8], from: usize, separator: u8) -> usize {
    let mut end = from;
    while text.get(end).is_some_and(|byte| *byte != separator) {
        end += 1;
    }
    end
}

/// Returns whether a text is a decimal number such as `-129.90`: a sign, digits, and digits after a
/// point.
pub fn is_decimal(text: &[u8]) -> bool {
    let number = if let [b'-', rest @ ..] = text { rest } else { text };
    let mut points = 0;
    let is_allowed = |byte: &u8| {
        points += usize::from(*byte == b'.');
        points < 2 && matches!(byte, b'.' | b'0'..=b'9')
    };
    matches!(number, [b'0'..=b'9', ..])
        && number.iter().all(is_allowed)
        && number.len() - points <= DIGITS_MAX
}

/// Returns whether a text has the form of an ISO 4217 code. Only the server knows which codes
/// exist.
pub fn is_currency(text: &[u8]) -> bool {
    text.len() == 3 && text.iter().all(u8::is_ascii_alphabetic)
}

#[cfg(all(test, feature = "domain"))]
mod tests {
    use super::*;
    use crate::money::Decimal;

    #[test]
    fn order_ids() {
        for id in ["1001", "#1001", "gid://shopify/Order/1001", "A/7", "Bestellung é", "00"] {
            assert!(is_order_id(id.as_bytes()), "{id}");
        }
        for id in [
            "",
            " ",
            "# #",
            "#undefined",
            "NULL",
            "NaN",
            "None",
            "0",
            "(not set)",
            "{{id}}",
            "<id>",
            "[id]",
            "a\nb",
        ] {
            assert!(!is_order_id(id.as_bytes()), "{id}");
        }
        assert!(
            is_order_id("9".repeat(128).as_bytes()) && !is_order_id("9".repeat(129).as_bytes())
        );
    }

    #[test]
    fn what_passes_for_a_decimal_is_read_as_one() {
        let thirty = "9".repeat(30);
        for text in ["0", "129.90", "-1", "5.", "007.10", "0.30000000000000004", &thirty] {
            assert!(is_decimal(text.as_bytes()) && text.parse::<Decimal>().is_ok(), "{text}");
        }
        for text in
            ["", ".", "-", ".5", "1,5", "129.90 €", "1.2.3", "1-", "NaN", "0x1", &"9".repeat(31)]
        {
            assert!(!is_decimal(text.as_bytes()) && text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_server_reads_every_decimal_that_passes(text in "-?[0-9]{0,17}[.e,]?[0-9]{0,17}") {
            if is_decimal(text.as_bytes()) {
                proptest::prop_assert!(text.parse::<Decimal>().is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn currency_codes_by_form() {
        assert!(is_currency(b"EUR") && is_currency(b"eur"));
        assert!(!is_currency(b"") && !is_currency(b"EURO") && !is_currency(b"E1R"));
    }
}
