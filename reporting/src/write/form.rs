//! The forms in which a document is written: text, CSV, JSON, or a page for print. They never change a
//! figure.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::write::document::Document;
use crate::write::page::page;
use crate::write::print::{Cell, printable};
use crate::write::words::Language;

/// The form in which a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Aligned columns, for people.
    Table,
    /// RFC 4180, the first table alone; for spreadsheets and programs.
    Csv,
    /// One object, with every value as the text that CSV has; for programs.
    Json,
    /// A page for print, without scripts and without anything from elsewhere.
    Html(Language),
}

impl Form {
    /// Writes a document.
    pub(crate) fn write(self, document: &Document) -> String {
        match self {
            Self::Table => to_text(document),
            Self::Csv => {
                document.tables.first().map_or_else(String::new, |first| first.block.to_csv())
            }
            Self::Json => to_json(document),
            Self::Html(language) => page(document, language),
        }
    }
}

/// Writes what is known of the document, then its tables, with an empty line between them. What is
/// empty is left out.
fn to_text(document: &Document) -> String {
    let facts = document.facts.iter().filter(|(_, value)| !value.as_str().is_empty());
    let fact = |(key, value): &(&'static str, Cell)| {
        format!("{}: {}\n", key.replace('_', " "), printable(value.as_str()))
    };
    let facts: String = facts.map(fact).collect();
    let first = document.tables.first().map(|table| table.block.to_table());
    let others = document.tables.iter().skip(1).filter(|table| !table.block.rows().is_empty());
    let blocks = [Some(facts), first].into_iter().flatten();
    let blocks = blocks.chain(others.map(|table| table.block.to_table()));
    blocks.filter(|block| !block.is_empty()).collect::<Vec<_>>().join("\n")
}

fn to_json(document: &Document) -> String {
    let mut object = Map::new();
    object.insert("title".to_owned(), document.title.into());
    for (key, value) in &document.facts {
        object.insert((*key).to_owned(), value.as_str().into());
    }
    for table in &document.tables {
        let row = |cells: &Vec<Cell>| {
            let named = table.block.header().iter().zip(cells);
            let named = named.map(|(name, cell)| ((*name).to_owned(), cell.as_str().into()));
            Value::Object(named.collect())
        };
        let rows = table.block.rows().iter().map(row).collect();
        object.insert(table.name.to_owned(), Value::Array(rows));
    }
    format!("{:#}\n", Value::Object(object))
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Html(_) => "html",
        })
    }
}

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "table" => Ok(Self::Table),
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            "html" => Ok(Self::Html(Language::En)),
            _ => Err("expected table, csv, json or html".to_owned()),
        }
    }
}
