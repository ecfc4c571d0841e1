//! Postal addresses in parts, as banks must have them since November 2026: no free lines.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::fields::Fields;
use super::mistake::Mistake;

/// A postal address in parts. Town and country are always there. Lengths are those of ISO 20022's
/// `PostalAddress24`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Address {
    /// The street without the building's number, at most 70 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
    /// The number of the building, at most 16 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub building: Option<String>,
    /// The post code, at most 16 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postcode: Option<String>,
    /// The town, at most 35 characters.
    pub town: String,
    /// The country.
    pub country: Country,
}

impl Address {
    /// Reads an address from JSON.
    ///
    /// # Errors
    /// All mistakes, each with its field.
    pub fn read(value: &Value) -> Result<Self, Vec<Mistake>> {
        let mut fields = Fields::of(value)?;
        let street = fields.text("street", 70);
        let building = fields.text("building", 16);
        let postcode = fields.text("postcode", 16);
        let town = fields.text("town", 35);
        let town = fields.required("town", town, "enter the town");
        let country = fields.parsed("country");
        let country = fields.required("country", country, "enter it as two letters, such as DE");
        fields.finish()?;
        match (town, country) {
            (Some(town), Some(country)) => Ok(Self { street, building, postcode, town, country }),
            _ => Err(Vec::new()),
        }
    }
}

/// A country by ISO 3166-1 alpha-2, or Kosovo (`XK`), which banks name so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Returns the two letters, in upper case.
    pub fn code(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or("XX")
    }
}

impl FromStr for Country {
    type Err = Mistake;
    /// Reads a code in any case.
    fn from_str(text: &str) -> Result<Self, Mistake> {
        let code = text.trim().to_ascii_uppercase();
        match <[u8; 2]>::try_from(code.as_bytes()) {
            Ok(letters) if sepa::country::is_country_code(&code) => Ok(Self(letters)),
            _ => {
                let wrong = "is no country by ISO 3166";
                Err(Mistake::new("country", text, wrong, "enter two letters, such as DE"))
            }
        }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Country {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_two_letters_by_iso_3166() {
        for (text, code) in [("DE", "DE"), (" at ", "AT"), ("XK", "XK"), ("us", "US")] {
            assert_eq!(text.parse::<Country>().unwrap().code(), code);
        }
        for text in ["", "D", "DEU", "ZZ", "UK", "EU", "Ä", "Germany", "1A"] {
            assert!(text.parse::<Country>().is_err(), "{text}");
        }
    }

    #[test]
    fn parts_that_are_too_long_are_named() {
        let long = |count: usize| "x".repeat(count);
        let address = |over: usize| {
            serde_json::json!({
                "street": long(70 + over), "building": long(16 + over), "postcode": long(16 + over),
                "town": long(35 + over), "country": "DE",
            })
        };
        assert!(Address::read(&address(0)).is_ok());
        let mistakes = Address::read(&address(1)).unwrap_err();
        let fields: Vec<_> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
        assert_eq!(fields, ["street", "building", "postcode", "town"]);
        let town = serde_json::json!({ "town": "Ber\nlin", "country": "DE" });
        assert!(Address::read(&town).unwrap_err()[0].wrong.contains("control character"));
    }
}
