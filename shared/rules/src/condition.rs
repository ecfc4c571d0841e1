//! The conditions of a rule, and the visit that they are compared with. Never decides what follows
//! from them.

use std::collections::BTreeMap;

use basics::agent::{Device, Os};
use basics::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What conditions may ask of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit<'a> {
    /// The kind of device, by the user agent.
    pub device: Device,
    /// Its operating system, by the user agent.
    pub os: Os,
    /// The header `Accept-Language`.
    pub language: &'a [u8],
    /// The country, where it is known.
    pub country: Option<[u8; 2]>,
    /// The time of the request.
    pub at: Timestamp,
    /// The query of the request, as it came.
    pub query: &'a str,
    /// The bucket of the visitor, less than 128.
    pub bucket: u8,
}

/// A kind of device that a condition may name. A phone with Android is `mobile` and `android`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An iPhone or iPad.
    Ios,
    /// A phone or tablet with Android.
    Android,
    /// A computer with Windows.
    Windows,
    /// A Mac, or an iPad that pretends to be one.
    Macos,
    /// A computer with Linux.
    Linux,
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A desktop computer or a laptop.
    Desktop,
}

impl Kind {
    fn is_of(self, visit: &Visit<'_>) -> bool {
        match self {
            Self::Ios => visit.os == Os::Ios,
            Self::Android => visit.os == Os::Android,
            Self::Windows => visit.os == Os::Windows,
            Self::Macos => visit.os == Os::Macos,
            Self::Linux => visit.os == Os::Linux,
            Self::Mobile => visit.device == Device::Mobile,
            Self::Tablet => visit.device == Device::Tablet,
            Self::Desktop => visit.device == Device::Desktop,
        }
    }
}

/// The conditions of a rule: each that is given must hold. Of a list, one entry is enough.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Conditions {
    /// The visitor's device is one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device: Vec<Kind>,
    /// The visitor is in one of these countries, by ISO 3166 in upper case. Nobody is whose country
    /// is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub country: Vec<String>,
    /// The visitor's browser asks for one of these languages. `es` also stands for `es-MX`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub language: Vec<String>,
    /// The click is not before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The click is before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// The address has all of these parameters, with this value, or with any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, Option<String>>,
}

impl Conditions {
    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether all hold for a visit.
    pub fn hold(&self, visit: &Visit<'_>) -> bool {
        let any_or_none = |count: usize, is_any: bool| count == 0 || is_any;
        any_or_none(self.device.len(), self.device.iter().any(|kind| kind.is_of(visit)))
            && self.from.is_none_or(|from| from <= visit.at)
            && self.to.is_none_or(|to| visit.at < to)
            && any_or_none(self.country.len(), self.names_country(visit.country))
            && any_or_none(
                self.language.len(),
                self.language.iter().any(|wanted| asks_for(visit.language, wanted)),
            )
            && self.query.iter().all(|(name, value)| has(visit.query, name, value.as_deref()))
    }

    fn names_country(&self, country: Option<[u8; 2]>) -> bool {
        country.is_some_and(|country| self.country.iter().any(|code| code.as_bytes() == country))
    }
}

/// Returns whether `Accept-Language` names a language: itself, or one of its forms (`es` is named
/// by `es-MX`). Weights and `*` are ignored, so an empty header names none.
fn asks_for(header: &[u8], wanted: &str) -> bool {
    header.split(|byte| *byte == b',').any(|item| {
        let tag = item.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        tag.split_at_checked(wanted.len()).is_some_and(|(language, form)| {
            language.eq_ignore_ascii_case(wanted.as_bytes()) && matches!(form, [] | [b'-', ..])
        })
    })
}

/// Returns whether a query has a parameter with a value, or with any. Both are compared as they are
/// decoded.
fn has(query: &str, name: &str, value: Option<&str>) -> bool {
    query.split('&').any(|pair| {
        let pair = pair.strip_prefix("amp;").unwrap_or(pair);
        let (own, of_own) = pair.split_once('=').unwrap_or((pair, ""));
        says(own, name) && value.is_none_or(|value| says(of_own, value))
    })
}

/// Returns whether a text is another one once it is decoded as in a form.
fn says(encoded: &str, plain: &str) -> bool {
    let mut left = encoded.as_bytes();
    let decoded = std::iter::from_fn(move || {
        let (byte, rest) = decoded_first(left)?;
        left = rest;
        Some(byte)
    });
    decoded.eq(plain.bytes())
}

fn decoded_first(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    match bytes {
        [b'%', high, low, rest @ ..] => match (digit(high), digit(low)) {
            (Some(high), Some(low)) => Some((high << 4 | low, rest)),
            _ => Some((b'%', &bytes[1..])),
        },
        [b'+', rest @ ..] => Some((b' ', rest)),
        [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_stands_for_its_forms_and_weights_and_stars_say_nothing() {
        for (header, wanted, asks) in [
            ("es-MX", "es", true),
            ("es-MX,es;q=0.9", "es-ES", false),
            ("de-DE, ES ;q=0", "es", true),
            ("es", "es-MX", false),
            ("ES-mx", "es-MX", true),
            ("zh-Hant-TW", "zh-Hant", true),
            ("est", "es", false),
            ("*", "es", false),
            ("*;q=0.5", "es", false),
            ("", "es", false),
            (",;,", "es", false),
        ] {
            assert_eq!(asks_for(header.as_bytes(), wanted), asks, "{header} {wanted}");
        }
    }

    #[test]
    fn a_parameter_is_compared_as_it_is_decoded() {
        for (query, name, value, expected) in [
            ("a=1&ref=bio", "ref", Some("bio"), true),
            ("ref=bio", "ref", None, true),
            ("ref", "ref", None, true),
            ("ref", "ref", Some(""), true),
            ("ref=b%69o", "ref", Some("bio"), true),
            ("r%65f=summer+sale", "ref", Some("summer sale"), true),
            ("x=1&amp;ref=bio", "ref", Some("bio"), true),
            ("ref=Bio", "ref", Some("bio"), false),
            ("ref=bio2", "ref", Some("bio"), false),
            ("reference=bio", "ref", None, false),
            ("ref=%zz%", "ref", Some("%zz%"), true),
            ("", "ref", None, false),
        ] {
            assert_eq!(has(query, name, value), expected, "{query} {name} {value:?}");
        }
    }
}
