//! Reads the fields of a JSON object and tells all mistakes at once. A field that nobody reads is a
//! mistake, too.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::mistake::Mistake;

/// The fields of an object that are not read yet, and the mistakes so far.
pub(super) struct Fields {
    unread: Map<String, Value>,
    mistakes: Vec<Mistake>,
}

impl Fields {
    /// Takes the fields of an object.
    pub(super) fn of(value: &Value) -> Result<Self, Vec<Mistake>> {
        match value {
            Value::Object(fields) => Ok(Self { unread: fields.clone(), mistakes: Vec::new() }),
            _ => Err(vec![Mistake::new("", "", "is no object", "put its fields into braces")]),
        }
    }

    /// Takes a value; `null` is as if it were not there.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.unread.remove(name).filter(|value| !value.is_null())
    }

    /// Reads a text of 1 to `max` characters, without control characters, trimmed.
    pub(super) fn text(&mut self, name: &str, max: usize) -> Option<String> {
        let text = self.string(name)?;
        let length = text.chars().count();
        let wrong = if length == 0 {
            "is empty".to_owned()
        } else if length > max {
            format!("has {length} characters, at most {max} fit")
        } else if text.chars().any(char::is_control) {
            "contains a control character".to_owned()
        } else {
            return Some(text);
        };
        self.tell(Mistake::new(name, &text, wrong, "enter it shorter and on one line"))
    }

    /// Reads a text that has a rule of its own.
    pub(super) fn parsed<T: FromStr<Err = Mistake>>(&mut self, name: &str) -> Option<T> {
        match self.string(name)?.parse() {
            Ok(value) => Some(value),
            Err(mistake) => self.tell(mistake.at(name)),
        }
    }

    /// Reads one word of a closed set.
    pub(super) fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.string(name)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let way_out = format!("enter one of {}", known.join(", "));
        self.tell(Mistake::new(name, &text, "is not known", &way_out))
    }

    /// Reads an object within this one.
    pub(super) fn object<T>(
        &mut self,
        name: &str,
        read: fn(&Value) -> Result<T, Vec<Mistake>>,
    ) -> Option<T> {
        match read(&self.take(name)?) {
            Ok(value) => Some(value),
            Err(mistakes) => {
                let within = |mistake: Mistake| {
                    let path = format!("{name}.{}", mistake.field);
                    mistake.at(path.trim_end_matches('.'))
                };
                self.mistakes.extend(mistakes.into_iter().map(within));
                None
            }
        }
    }

    /// Tells that a field is missing, unless its own mistake was told already.
    pub(super) fn required<T>(&mut self, name: &str, value: Option<T>, way_out: &str) -> Option<T> {
        if value.is_none() && !self.has_mistake_at(name) {
            return self.tell(Mistake::new(name, "", "is missing", way_out));
        }
        value
    }

    /// Returns whether a mistake of a field, or of one within it, was told.
    pub(super) fn has_mistake_at(&self, name: &str) -> bool {
        let is_within = |field: &str| {
            field.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.mistakes.iter().any(|mistake| is_within(&mistake.field))
    }

    /// Adds a mistake.
    pub(super) fn tell<T>(&mut self, mistake: Mistake) -> Option<T> {
        self.mistakes.push(mistake);
        None
    }

    /// Ends the reading: fields that nobody read are mistakes.
    pub(super) fn finish(mut self) -> Result<(), Vec<Mistake>> {
        // SECURITY: an unknown field may be a misspelled account, so its value is not shown.
        for name in self.unread.keys() {
            let way_out = "check its spelling, or leave it out";
            self.mistakes.push(Mistake::new(name, "", "is no field here", way_out));
        }
        if self.mistakes.is_empty() { Ok(()) } else { Err(self.mistakes) }
    }

    fn string(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text.trim().to_owned()),
            _ => self.tell(Mistake::new(name, "", "is no text", "put it into quotation marks")),
        }
    }
}
