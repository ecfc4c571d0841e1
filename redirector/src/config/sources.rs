//! The sources of settings: flags and environment, then a file, then defaults. Collects every
//! mistake.

use std::path::Path;

/// A setting, before defaults are applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setting<T> {
    /// No source has it.
    Missing,
    /// It was given, but its value is invalid; the mistake has been noted.
    Invalid,
    Given(T),
}

impl<T> Setting<T> {
    pub(crate) fn given(self) -> Option<T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Missing | Self::Invalid => None,
        }
    }

    pub(crate) const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

/// The values of the configuration file, and the mistakes found so far. Flags and environment come
/// with each call.
pub(crate) struct Sources {
    file: toml::Table,
    known: Vec<&'static str>,
    mistakes: Vec<String>,
}

impl Sources {
    /// Reads the file, if one is named.
    pub(crate) fn load(path: Option<&str>) -> Self {
        let mut sources =
            Self { file: toml::Table::new(), known: Vec::new(), mistakes: Vec::new() };
        match path.map(|path| read_file(Path::new(path))) {
            Some(Ok(table)) => sources.file = table,
            Some(Err(mistake)) => sources.mistakes.push(mistake),
            None => {}
        }
        sources
    }

    /// Reads a setting from the first source that has it.
    pub(crate) fn read<T>(
        &mut self,
        key: &'static str,
        flag: &Option<String>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Setting<T> {
        self.read_shown(key, flag, parse, str::to_owned)
    }

    /// Like [`read`](Self::read), for a setting that holds a secret: a mistake shows the value as
    /// `show` writes it.
    pub(crate) fn read_shown<T>(
        &mut self,
        key: &'static str,
        flag: &Option<String>,
        parse: impl FnOnce(&str) -> Result<T, String>,
        show: impl FnOnce(&str) -> String,
    ) -> Setting<T> {
        self.known.push(key);
        let from_file = || self.file.get(key).map(file_text);
        let Some(text) = flag.clone().or_else(from_file) else { return Setting::Missing };
        match parse(text.trim()) {
            Ok(value) => Setting::Given(value),
            Err(expected) => {
                self.mistake(format!("{key} = `{}`: {expected}", show(&text)));
                Setting::Invalid
            }
        }
    }

    /// Reads a setting, or returns its default.
    pub(crate) fn read_or<T>(
        &mut self,
        key: &'static str,
        flag: &Option<String>,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        self.read(key, flag, parse).given().unwrap_or(default)
    }

    pub(crate) fn mistake(&mut self, mistake: impl Into<String>) {
        self.mistakes.push(mistake.into());
    }

    /// Returns every mistake, including unknown keys of the file.
    pub(crate) fn finish(mut self) -> Vec<String> {
        let known = &self.known;
        let unknown = self.file.keys().filter(|key| !known.contains(&key.as_str()));
        let mistake = |key| format!("{key}: no such setting; there are {}", known.join(", "));
        self.mistakes.extend(unknown.map(mistake));
        self.mistakes
    }
}

fn read_file(path: &Path) -> Result<toml::Table, String> {
    let text =
        std::fs::read_to_string(path).map_err(|e| format!("config = `{}`: {e}", path.display()))?;
    // SECURITY: the parser's own text quotes the line, which may hold a secret.
    text.parse().map_err(|e: toml::de::Error| {
        let before = text.get(..e.span().map_or(0, |span| span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("config = `{}`: line {line}: {}", path.display(), e.message())
    })
}

/// Returns a file's value as the text that a flag would have; the items of a list are joined by
/// commas.
fn file_text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => values.iter().map(file_text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
