//! The configuration file: TOML, and the texts of its values.
//!
//! SECURITY: a mistake in it names the file and the line, and never quotes the line, which may hold a
//! secret.

use std::path::Path;

/// Reads the file.
///
/// # Errors
/// The mistake to show: it cannot be read, or it is no TOML.
pub(crate) fn read(path: &Path) -> Result<toml::Table, String> {
    let shown = format!("config = `{}`", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    parse(&text).map_err(|(line, why)| format!("{shown}: line {line}: {why}"))
}

/// Reads the file's text.
///
/// # Errors
/// The line, counted from 1, and what was expected there.
pub(crate) fn parse(text: &str) -> Result<toml::Table, (usize, String)> {
    text.parse().map_err(|error: toml::de::Error| {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
        (before.matches('\n').count() + 1, error.message().to_owned())
    })
}

/// Returns a value as the text that a flag would have; the items of a list are joined by commas.
pub(crate) fn text_of(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => values.iter().map(text_of).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
