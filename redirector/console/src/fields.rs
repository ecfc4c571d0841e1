//! Fields of a request, read one by one with every mistake kept: JSON objects and CSV rows alike.

use std::str::FromStr;

use serde_json::{Map, Value};
use shared::time::Timestamp;

use crate::problem::{Fault, FaultKind};

/// The fields of one entity as they were sent.
pub(crate) struct Fields {
    sent: Map<String, Value>,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl Fields {
    /// Fields of a JSON object, or of a CSV row as texts.
    pub(crate) fn new(sent: Map<String, Value>) -> Self {
        Self { sent, known: Vec::new(), faults: Vec::new() }
    }

    /// A field that may be missing; `null` and, from CSV, an empty text count as missing.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        self.known.push(name);
        let value = self.sent.get(name).filter(|value| !value.is_null() && *value != "")?;
        match read(value) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.fault(name, reason);
                None
            }
        }
    }

    /// A field of something that exists: a new value, `null` for none, or left as it is.
    pub(crate) fn change<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
        held: Option<T>,
    ) -> Option<T> {
        let cleared = self.sent.get(name).is_some_and(Value::is_null);
        let new = self.optional(name, read);
        if cleared { None } else { new.or(held) }
    }

    /// A field that must be there.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let faults = self.faults.len();
        let value = self.optional(name, read);
        if value.is_none() && self.faults.len() == faults {
            self.fault(name, "is required");
        }
        value
    }

    /// Notes a mistake that shows only beside other fields.
    pub(crate) fn fault(&mut self, name: &str, reason: impl Into<String>) {
        self.faults.push(Fault::new(name, reason));
    }

    /// Notes a value that somebody else has already.
    pub(crate) fn taken(&mut self, name: &str, reason: impl Into<String>) {
        self.faults.push(Fault { kind: FaultKind::Taken, ..Fault::new(name, reason) });
    }

    /// Every mistake, unknown fields included.
    pub(crate) fn finish(mut self) -> Vec<Fault> {
        let unknown: Vec<_> =
            self.sent.keys().filter(|key| !self.known.contains(&key.as_str())).cloned().collect();
        for name in unknown {
            self.fault(&name, format!("no such field; there are {}", self.known.join(", ")));
        }
        self.faults
    }
}

/// A text of 1 to `most` characters.
pub(crate) fn text(most: usize) -> impl FnOnce(&Value) -> Result<String, String> {
    move |value| {
        let text = value.as_str().map(str::trim).unwrap_or_default();
        let fits =
            (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits {
            Ok(text.to_owned())
        } else {
            Err(format!("expected a text of 1 to {most} characters"))
        }
    }
}

/// A text that parses: an id, a currency.
pub(crate) fn parsed<T: FromStr<Err: std::fmt::Display>>(value: &Value) -> Result<T, String> {
    let text = value.as_str().ok_or("expected a text")?;
    text.parse().map_err(|error| format!("{error}"))
}

/// A whole number in a range, also as text.
pub(crate) fn number(least: u32, most: u32) -> impl FnOnce(&Value) -> Result<u32, String> {
    move |value| {
        let number = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let number = number.and_then(|number| u32::try_from(number).ok());
        let fits = number.filter(|number| (least..=most).contains(number));
        fits.ok_or_else(|| format!("`{value}`: expected a whole number from {least} to {most}"))
    }
}

/// `true` or `false`, also as text.
pub(crate) fn flag(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) if text == "true" => Ok(true),
        Value::String(text) if text == "false" => Ok(false),
        other => Err(format!("`{other}`: expected true or false")),
    }
}

/// An RFC 3339 time.
pub(crate) fn time(value: &Value) -> Result<Timestamp, String> {
    parsed(value)
}

/// Anything that serde reads.
pub(crate) fn shaped<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|error| format!("{error}"))
}
