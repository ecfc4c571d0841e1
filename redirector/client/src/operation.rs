//! What an operation is: its words, method, path, fields, and what is shown of the answer. It is
//! data only; which operations there are stands elsewhere.

use crate::fields::Kind::{self, Text};
use crate::fields::Place::Path;
use crate::fields::{Field, Place};

/// Commands that begin with one word.
#[derive(Debug, Clone)]
pub struct Group {
    /// The word.
    pub word: &'static str,
    /// What it is about, for people.
    pub about: &'static str,
    /// Its operations; one without a verb is the word itself.
    pub operations: Vec<Operation>,
}

/// One operation of the API, as a command.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The second word of the command; empty where the first one is enough.
    pub verb: &'static str,
    /// What it does, for people.
    pub about: String,
    /// How it asks.
    pub asks: Asks,
    /// The path below `/api/v1/`, with `{names}` of fields.
    pub path: String,
    /// What may be given.
    pub fields: Vec<Field>,
    /// What may be cleared by a change.
    pub clears: Vec<&'static str>,
    /// Body fields with the same value each time: `paused` of `pause`.
    pub fixed: &'static [(&'static str, bool)],
    /// What is shown of the answer.
    pub shows: Shows,
}

/// How an operation asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// `GET`.
    Get,
    /// `GET`, page by page, up to `--limit`.
    Pages,
    /// `GET` of a file, which is printed or written as it is.
    File,
    /// `POST`; done twice, it is the same.
    Post,
    /// `POST` with an `Idempotency-Key`.
    Create,
    /// `PATCH`.
    Patch,
    /// `POST` of a CSV file; with an `Idempotency-Key` where the server heeds it.
    Import {
        /// Whether it takes an idempotency key.
        keyed: bool,
    },
}

/// What is shown of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// All fields of one thing, these first.
    One(&'static [&'static str]),
    /// Rows: the field of the answer that holds them, and their columns; `clicks.raw` is a field of
    /// a field.
    Rows(&'static str, &'static [&'static str]),
    /// These words and no more, where the answer has no body.
    Said(&'static str),
}

pub(crate) fn operation(
    verb: &'static str,
    about: impl Into<String>,
    asks: Asks,
    path: impl Into<String>,
    shows: Shows,
) -> Operation {
    let (about, path) = (about.into(), path.into());
    Operation { verb, about, asks, path, fields: vec![], clears: vec![], fixed: &[], shows }
}

pub(crate) const fn must(
    name: &'static str,
    kind: Kind,
    place: Place,
    help: &'static str,
) -> Field {
    Field { name, kind, place, required: true, help }
}

pub(crate) const fn may(name: &'static str, kind: Kind, place: Place, help: &'static str) -> Field {
    Field { name, kind, place, required: false, help }
}

pub(crate) fn import(
    about: impl Into<String>,
    path: &str,
    fields: Vec<Field>,
    keyed: bool,
) -> Operation {
    let path = format!("{path}/import");
    let shows = Shows::One(&["imported"]);
    Operation { fields, ..operation("import", about, Asks::Import { keyed }, path, shows) }
}

pub(crate) const ID: Field = must("id", Text, Path, "Its id");
