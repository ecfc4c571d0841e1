//! VAT numbers of the European Union, by their shape. Whether one is registered, only VIES knows.

use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::mistake::Mistake;

/// A VAT identification number of a member state or of Northern Ireland, with its prefix: compact,
/// in upper case, such as `DE123456789`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VatId(String);

impl VatId {
    /// Returns the compact text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VatId {
    type Err = Mistake;
    /// Reads a number with or without spaces, dots and hyphens, in any case.
    fn from_str(text: &str) -> Result<Self, Mistake> {
        let compact: String =
            text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '.' | '-')).collect();
        let compact = compact.to_ascii_uppercase();
        let mistake =
            |wrong: String, way_out: &str| Err(Mistake::new("vat_id", text, wrong, way_out));
        let (prefix, number) = compact.split_at_checked(2).unwrap_or((&compact, ""));
        let Some((_, shapes)) = SHAPES.iter().find(|(country, _)| *country == prefix) else {
            return mistake(
                "does not begin with a member state's prefix, such as DE, or EL for Greece".into(),
                "put a number of another country into `tax_number`",
            );
        };
        if shapes.iter().any(|shape| fits(number, shape)) {
            return Ok(Self(compact));
        }
        let wrong = format!("has not the shape of {prefix}: {prefix}{}", shapes.join(" or "));
        mistake(wrong, "enter it as VIES knows it (# is a digit, @ a letter, * one of both)")
    }
}

fn fits(number: &str, shape: &str) -> bool {
    let fits_one = |(c, class): (char, char)| match class {
        '#' => c.is_ascii_digit(),
        '@' => c.is_ascii_uppercase(),
        '*' => c.is_ascii_digit() || c.is_ascii_uppercase(),
        literal => c == literal,
    };
    number.chars().count() == shape.len() && number.chars().zip(shape.chars()).all(fits_one)
}

/// The shapes by prefix: `#` a digit, `@` a letter, `*` one of both. Source: the European
/// Commission's VIES, "What is the structure of a VAT identification number?".
const SHAPES: [(&str, &[&str]); 28] = [
    ("AT", &["U########"]),
    ("BE", &["0#########", "1#########"]),
    ("BG", &["#########", "##########"]),
    ("CY", &["########@"]),
    ("CZ", &["########", "#########", "##########"]),
    ("DE", &["#########"]),
    ("DK", &["########"]),
    ("EE", &["#########"]),
    ("EL", &["#########"]),
    ("ES", &["@########", "@#######@", "########@"]),
    ("FI", &["########"]),
    ("FR", &["**#########"]),
    ("HR", &["###########"]),
    ("HU", &["########"]),
    ("IE", &["#*#####@", "#######@@"]),
    ("IT", &["###########"]),
    ("LT", &["#########", "############"]),
    ("LU", &["########"]),
    ("LV", &["###########"]),
    ("MT", &["########"]),
    ("NL", &["#########B##"]),
    ("PL", &["##########"]),
    ("PT", &["#########"]),
    (
        "RO",
        &["##", "###", "####", "#####", "######", "#######", "########", "#########", "##########"],
    ),
    ("SE", &["############"]),
    ("SI", &["########"]),
    ("SK", &["##########"]),
    ("XI", &["#########", "############", "GD###", "HA###"]),
];

impl Serialize for VatId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_shape_of_its_member_state() {
        for (text, compact) in [
            ("DE123456789", "DE123456789"),
            (" de 123.456-789", "DE123456789"),
            ("ATU12345678", "ATU12345678"),
            ("BE0123456789", "BE0123456789"),
            ("CY12345678X", "CY12345678X"),
            ("CZ12345678", "CZ12345678"),
            ("CZ1234567890", "CZ1234567890"),
            ("EL123456789", "EL123456789"),
            ("ESX1234567Y", "ESX1234567Y"),
            ("ESX12345678", "ESX12345678"),
            ("ES12345678Z", "ES12345678Z"),
            ("FRXX123456789", "FRXX123456789"),
            ("FR12123456789", "FR12123456789"),
            ("IE1X12345Y", "IE1X12345Y"),
            ("IE1234567WI", "IE1234567WI"),
            ("NL123456789B01", "NL123456789B01"),
            ("RO12", "RO12"),
            ("RO1234567890", "RO1234567890"),
            ("SE123456789001", "SE123456789001"),
            ("XIGD123", "XIGD123"),
        ] {
            assert_eq!(text.parse::<VatId>().unwrap().as_str(), compact);
        }
        for text in [
            "",
            "D",
            "DE",
            "DE12345678",
            "DE1234567890",
            "DE12345678X",
            "123456789",
            "GR123456789",
            "ATX12345678",
            "BE2123456789",
            "ES123456789",
            "NL123456789X01",
            "RO1",
            "RO12345678901",
            "XIAB123",
            "US123456789",
            "DEÄ23456789",
            "ÄÖ",
            "DE١٢٣٤٥٦٧٨٩",
        ] {
            assert!(text.parse::<VatId>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_mistake_shows_the_shape() {
        let mistake = "LT12".parse::<VatId>().unwrap_err();
        assert_eq!(
            mistake.to_string(),
            "vat_id: `LT12` has not the shape of LT: LT######### or ############: enter it as \
             VIES knows it (# is a digit, @ a letter, * one of both)"
        );
    }

    #[test]
    fn all_member_states_are_there_once() {
        let prefixes: std::collections::BTreeSet<_> =
            SHAPES.iter().map(|(prefix, _)| *prefix).collect();
        assert_eq!(prefixes.len(), 28, "27 member states and Northern Ireland");
    }
}
