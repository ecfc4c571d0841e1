//! Checks what a page says of an order: finds the first invalid field.
//!
//! It never guesses an amount or an order id: an invalid field refuses the whole call, and the
//! page's developer is told which field it is. It never allocates and never panics, or the core
//! would be several times its size.

use shared::wire::{end_of_part, is_currency, is_decimal, is_order_id};

/// The byte between two fields. Pages cannot send it: the shell removes it from their texts.
pub const SEPARATOR: u8 = 0x1f;

/// The kinds of an order's fields, in the order in which the shell writes them: id, value,
/// currency, tax, shipping. The others are text.
const ORDER: &[u8] = b"idcdd-----";
/// The kinds of a line's fields: article number, name, category, quantity, price.
const LINE: &[u8] = b"---dd";

/// Returns the place of the first invalid field. `input` has the order's ten fields, then five for
/// each line, with [`SEPARATOR`] between them. All but the id may be empty, but a value needs a
/// currency.
#[inline(always)]
pub fn wrong_field(input: &[u8]) -> Option<i32> {
    let (mut from, mut place, mut kinds, mut has_value) = (0, 0, ORDER, false);
    while from <= input.len() {
        let end = end_of_part(input, from, SEPARATOR);
        let field = input.get(from..end)?;
        let is_empty = field.is_empty();
        let [kind, rest @ ..] = kinds else { return None };
        let is_usable = match kind {
            b'i' => is_order_id(field),
            b'c' => is_empty && !has_value || is_currency(field),
            b'd' => is_empty || is_decimal(field),
            _ => true,
        };
        if !is_usable {
            return Some(place);
        }
        kinds = if rest.is_empty() { LINE } else { rest };
        has_value = !is_empty;
        from = end + 1;
        place += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [&str; 15] = [
        "1001",
        "129.90",
        "EUR",
        "20.74",
        "4.90",
        "ANNA",
        "true",
        "wc_order_1",
        "",
        "",
        "A1",
        "Lamp",
        "",
        "2",
        "64.95",
    ];

    fn wrong_with(place: i32, value: &str) -> Option<i32> {
        let mut fields = GOOD;
        fields[usize::try_from(place).expect("a place")] = value;
        wrong_field(fields.join("\x1f").as_bytes())
    }

    #[test]
    fn the_first_field_that_cannot_be_used_is_found() {
        assert_eq!(wrong_field(GOOD.join("\x1f").as_bytes()), None);
        for (place, value) in [
            (0, ""),
            (0, "undefined"),
            (1, "129,90"),
            (2, ""),
            (2, "EURO"),
            (3, "NaN"),
            (4, "free"),
            (13, "two"),
            (14, "64.95 €"),
        ] {
            assert_eq!(wrong_with(place, value), Some(place), "{value}");
        }
        for (place, value) in
            [(3, ""), (4, ""), (5, "10 % {x}"), (13, ""), (14, ""), (7, ""), (10, "")]
        {
            assert_eq!(wrong_with(place, value), None, "{value}");
        }
    }

    #[test]
    fn without_a_value_no_currency_is_needed() {
        for (input, wrong) in
            [("1", None), ("1\x1f\x1f", None), ("1\x1f\x1feuro", Some(2)), ("1\x1f5\x1f", Some(2))]
        {
            assert_eq!(wrong_field(input.as_bytes()), wrong, "{input:?}");
        }
    }

    #[test]
    fn fields_of_the_second_line_have_their_own_places() {
        let input = [&GOOD[..], &["B2", "", "", "1", "x"]].concat().join("\x1f");
        assert_eq!(wrong_field(input.as_bytes()), Some(19));
    }
}
