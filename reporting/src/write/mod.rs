//! Bytes out: files, their manifest, and text for the terminal. It never changes a figure.

mod csv;
pub(crate) mod document;
pub(crate) mod export;
pub(crate) mod files;
pub(crate) mod form;
pub(crate) mod format;
pub(crate) mod manifest;
mod ndjson;
mod page;
mod parquet;
pub(crate) mod print;
mod stage;
pub(crate) mod words;
