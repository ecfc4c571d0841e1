//! Reads the texts of an address into what they mean. It keeps every mistake, so that all are told at
//! once.

use std::fmt::Display;
use std::str::FromStr;

use shared::catalog::{Catalog, Role};
use shared::day::Day;
use shared::order::fold_name;

use crate::wrong::Wrong;

/// Reads the texts of an address one by one, and keeps every mistake.
pub(crate) struct Reader<'c> {
    pub(crate) catalog: &'c Catalog,
    pub(crate) role: Role,
    pub(crate) faults: Vec<Wrong>,
}

impl Reader<'_> {
    /// Reads an id. Who sees only their own orders learns nothing of what others have.
    pub(crate) fn id<Id: FromStr<Err: Display>>(
        &mut self,
        field: &str,
        text: Option<&str>,
        exists: impl Fn(&Catalog, &Id) -> bool,
    ) -> Option<Id> {
        let text = text?;
        match text.parse() {
            Ok(id) if self.role != Role::Admin || exists(self.catalog, &id) => Some(id),
            Ok(_) => self.wrong(field, format!("`{text}` does not exist")),
            Err(error) => self.wrong(field, format!("{error}")),
        }
    }

    pub(crate) fn day(&mut self, field: &str, text: Option<&str>) -> Option<Day> {
        text?.parse().or_else(|error| self.wrong(field, format!("{error}")).ok_or(())).ok()
    }

    /// Reads one of some words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        field: &str,
        text: Option<&str>,
        words: &[(&str, T)],
    ) -> Option<T> {
        let text = text?;
        let known = words.iter().find(|(word, _)| *word == text);
        known.map(|(_, meant)| *meant).or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(field, format!("`{text}`: expected one of {}", words.join(", ")))
        })
    }

    pub(crate) fn name(&mut self, field: &str, text: Option<&str>) -> Option<String> {
        let text = text?;
        if let Role::Influencer(_) = self.role {
            return self.wrong(field, "this access token sees neither ids nor names of orders");
        }
        if fold_name(text).is_empty() {
            return self.wrong(field, format!("`{text}`: expected an order's id or number"));
        }
        Some(text.to_owned())
    }

    pub(crate) fn wrong<T>(&mut self, field: &str, reason: impl Into<String>) -> Option<T> {
        self.faults.push(Wrong::new(field, reason));
        None
    }
}
