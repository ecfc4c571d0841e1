//! The forms in which a document is written: text, CSV, JSON, or a page for print. They never change a
//! figure.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::write::document::Document;
use crate::write::page::page;
use crate::write::print::{Block, Cell, printable};
use crate::write::words::Language;

/// The form in which a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Aligned columns, for people.
    Table,
    /// RFC 4180, the first table and the lines alone; for spreadsheets and programs.
    Csv,
    /// One object, with every value as the text that CSV has; for programs.
    Json,
    /// A page for print, without scripts and without anything from elsewhere.
    Html(Language),
}

impl Form {
    /// Writes a document.
    pub(crate) fn write(self, document: &Document, with_lines: bool) -> String {
        match self {
            Self::Table => to_text(document, with_lines),
            Self::Csv => to_csv(document, with_lines),
            Self::Json => to_json(document, with_lines),
            Self::Html(language) => page(document, with_lines, language),
        }
    }
}

/// Writes what is known of the document, then its tables, with an empty line between them. What is
/// empty is left out, but for the first table.
fn to_text(document: &Document, with_lines: bool) -> String {
    let facts = document.facts.iter().filter(|(_, value)| !value.as_str().is_empty());
    let fact = |(key, value): &(&'static str, Cell)| {
        format!("{}: {}\n", key.replace('_', " "), printable(value.as_str()))
    };
    let facts: String = facts.map(fact).collect();
    let tables = document.tables(with_lines).enumerate();
    let tables = tables.filter(|(at, table)| *at == 0 || !table.block.rows().is_empty());
    let blocks = [facts].into_iter().chain(tables.map(|(_, table)| table.block.to_table()));
    blocks.filter(|block| !block.is_empty()).collect::<Vec<_>>().join("\n")
}

fn to_csv(document: &Document, with_lines: bool) -> String {
    let first = document.tables.first().map(|table| &table.block);
    let lines = document.lines.as_ref().filter(|_| with_lines).map(|lines| &lines.block);
    let blocks = [first, lines].into_iter().flatten();
    blocks.map(Block::to_csv).collect::<Vec<_>>().join("\n")
}

fn to_json(document: &Document, with_lines: bool) -> String {
    let mut object = Map::new();
    object.insert("title".to_owned(), document.title.into());
    for (key, value) in &document.facts {
        object.insert((*key).to_owned(), value.as_str().into());
    }
    for table in document.tables(with_lines) {
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
