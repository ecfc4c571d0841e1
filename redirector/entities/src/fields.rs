//! Reads the fields of a request one by one, and collects every mistake. The same code serves JSON
//! objects and CSV rows.

use std::str::FromStr;

use serde_json::{Map, Value};
use shared::time::Timestamp;

use crate::fault::{Fault, FaultKind};

/// The fields of one entity as they were sent.
pub struct Fields {
    sent: Map<String, Value>,
    /// An empty text is no value: tables and forms have no other way to leave a field out.
    empty_is_none: bool,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl Fields {
    /// Takes the fields of a JSON object.
    pub fn new(sent: Map<String, Value>) -> Self {
        Self { sent, empty_is_none: false, known: Vec::new(), faults: Vec::new() }
    }

    /// Takes the texts of a row of a table.
    pub fn of_row(sent: Map<String, Value>) -> Self {
        Self { empty_is_none: true, ..Self::new(sent) }
    }

    /// Reads a field that may be missing. `null` counts as missing.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        self.known.push(name);
        let is_none = |value: &Value| value.is_null() || (self.empty_is_none && value == "");
        let value = self.sent.get(name).filter(|value| !is_none(value))?;
        match read(value) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.fault(name, reason);
                None
            }
        }
    }

    /// Reads a field of an entity that exists: a new value, `null` to clear it, or nothing to keep
    /// it.
    pub fn change<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
        held: Option<T>,
    ) -> Option<T> {
        let cleared = self.sent.get(name).is_some_and(Value::is_null);
        let new = self.optional(name, read);
        if cleared { None } else { new.or(held) }
    }

    /// Reads a field that must be there.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let faults = self.faults.len();
        let value = self.optional(name, read);
        if value.is_none() && self.faults.len() == faults {
            self.faults
                .push(Fault { kind: FaultKind::Required, ..Fault::new(name, "is required") });
        }
        value
    }

    /// Notes a mistake that only other fields or entities show.
    pub fn fault(&mut self, name: &str, reason: impl Into<String>) {
        self.faults.push(Fault::new(name, reason));
    }

    /// Returns whether there was a mistake so far.
    pub fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// Notes a value that already belongs to another entity.
    pub fn taken(&mut self, name: &str, reason: impl Into<String>) {
        self.faults.push(Fault { kind: FaultKind::Taken, ..Fault::new(name, reason) });
    }

    /// Returns every mistake, including unknown fields.
    pub fn finish(mut self) -> Vec<Fault> {
        let unknown: Vec<_> =
            self.sent.keys().filter(|key| !self.known.contains(&key.as_str())).cloned().collect();
        for name in unknown {
            let reason = format!("no such field; there are {}", self.known.join(", "));
            self.faults.push(Fault { kind: FaultKind::Unknown, ..Fault::new(name, reason) });
        }
        self.faults
    }
}

/// Reads a text of 1 to `most` characters.
pub fn text(most: usize) -> impl FnOnce(&Value) -> Result<String, String> {
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

/// Reads a text that can be parsed: an id, a currency.
pub fn parsed<T: FromStr<Err: std::fmt::Display>>(value: &Value) -> Result<T, String> {
    let text = value.as_str().ok_or("expected a text")?;
    text.parse().map_err(|error| format!("{error}"))
}

/// Reads a whole number in a range, also from a text.
pub fn number(least: u32, most: u32) -> impl FnOnce(&Value) -> Result<u32, String> {
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

/// Reads `true` or `false`, also from a text.
pub fn flag(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        // Spreadsheets write them in capitals.
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        other => Err(format!("`{other}`: expected true or false")),
    }
}

/// Reads an RFC 3339 time.
pub fn time(value: &Value) -> Result<Timestamp, String> {
    parsed(value)
}

/// Reads any type that serde can read.
pub fn shaped<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|error| format!("{error}"))
}
