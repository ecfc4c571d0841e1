//! Reads exports back without the crate's own code, with the crates `csv`, `serde_json` and
//! `parquet`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use reporting::{Format, Manifest};
use shared::time::Timestamp;

/// A table as read: its columns, and rows of text. `None` is an unknown value.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// The values of one column.
    pub(crate) fn column(&self, name: &str) -> Vec<Option<&str>> {
        let index = self.columns.iter().position(|column| column == name).unwrap();
        self.rows.iter().map(|row| row[index].as_deref()).collect()
    }

    /// The values of one column, where every row has one.
    pub(crate) fn known(&self, name: &str) -> Vec<&str> {
        self.column(name).into_iter().map(|value| value.unwrap_or("")).collect()
    }

    /// The same table with unknown values as empty ones, because CSV does not tell them apart.
    pub(crate) fn without_nulls(mut self) -> Self {
        self.rows.iter_mut().flatten().for_each(|value| {
            value.get_or_insert_default();
        });
        self
    }
}

/// Every table of an export, from the files that its manifest lists.
pub(crate) fn export(out: &Path, manifest: &Manifest) -> BTreeMap<String, Table> {
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    for entry in &manifest.files {
        let part = file(&out.join(&entry.path), manifest.format.parse().unwrap());
        assert_eq!(part.rows.len() as u64, entry.rows, "{}", entry.path);
        let table = tables.entry(entry.table.clone()).or_default();
        table.columns = part.columns;
        table.rows.extend(part.rows);
    }
    tables
}

pub(crate) fn file(path: &Path, format: Format) -> Table {
    match format {
        Format::Parquet => parquet(path),
        Format::Csv => csv(path),
        Format::Ndjson => ndjson(path),
    }
}

fn csv(path: &Path) -> Table {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let columns = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let row =
        |record: csv::StringRecord| record.iter().map(|value| Some(value.to_owned())).collect();
    Table { columns, rows: reader.records().map(|record| row(record.unwrap())).collect() }
}

fn ndjson(path: &Path) -> Table {
    let mut table = Table::default();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        // A map of `serde_json` sorts its keys, so the order of columns is read off the text.
        let object: BTreeMap<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        let mut columns: Vec<String> = object.keys().cloned().collect();
        columns.sort_by_key(|name| line.find(&format!("\"{name}\":")).unwrap());
        let value = |name: &String| match &object[name] {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        table.rows.push(columns.iter().map(value).collect());
        table.columns = columns;
    }
    table
}

fn parquet(path: &Path) -> Table {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let mut table = Table::default();
    for row in reader.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        table.columns = row.get_column_iter().map(|(name, _)| name.clone()).collect();
        let value = |field: &Field| match field {
            Field::Null => None,
            Field::Str(text) => Some(text.clone()),
            Field::TimestampMicros(micros) => Some(Timestamp::from_ms(micros / 1000).to_string()),
            other => Some(other.to_string()),
        };
        table.rows.push(row.get_column_iter().map(|(_, field)| value(field)).collect());
    }
    table
}
