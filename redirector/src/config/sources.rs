//! The sources of settings: flags and environment, then a file, then defaults. Collects every
//! mistake.

use std::path::{Path, PathBuf};

use crate::secret_file;

use crate::config::file;

/// How the names of our variables begin.
const PREFIX: &str = "AFTERCLICK_";
/// Variables that are read elsewhere: the path of the configuration file, what is logged, and what
/// `scripts/fuzz` and the fuzz targets take. A build without planted faults ignores theirs.
const ELSEWHERE: [&str; 6] = ["CONFIG", "LOG", "FAULT", "NIGHTLY", "FUZZ_SEED", "FUZZ_MUTATIONS"];
/// How variables of the tests begin, and those that Kubernetes sets for a service named `afterclick`.
const OF_OTHERS: [&str; 4] = ["TEST_", "SERVICE_HOST", "SERVICE_PORT", "PORT"];

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
        match path.map(|path| file::read(Path::new(path))) {
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
        let from_file = || self.file.get(key).map(file::text_of);
        let Some(text) = flag.clone().or_else(from_file) else { return Setting::Missing };
        match parse(text.trim()) {
            Ok(value) => Setting::Given(value),
            Err(expected) => {
                self.mistake(format!("{key} = `{}`: {expected}", show(&text)));
                Setting::Invalid
            }
        }
    }

    /// Reads a secret from its own setting, or from the file that the setting of `file` names. A
    /// mistake shows the secret as `show` writes it.
    pub(crate) fn read_secret<T>(
        &mut self,
        (key, flag): (&'static str, &Option<String>),
        (file_key, file): (&'static str, &Option<String>),
        parse: impl Fn(&str) -> Result<T, String>,
        show: impl FnOnce(&str) -> String,
    ) -> Setting<T> {
        let given = self.read_shown(key, flag, &parse, show);
        let path = self.read(file_key, file, |text| Ok(PathBuf::from(text)));
        let Some(path) = path.given() else { return given };
        if !given.is_missing() {
            self.mistake(format!("{key}, {file_key}: both are set; keep one of them"));
            return Setting::Invalid;
        }
        match secret_file::read(&path).and_then(|text| parse(&text)) {
            Ok(value) => Setting::Given(value),
            Err(why) => {
                self.mistake(format!("{file_key} = `{}`: {why}", path.display()));
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

    /// Notes the variables of the environment that begin like ours and that nobody reads.
    pub(crate) fn check_environment(&mut self, names: impl IntoIterator<Item = String>) {
        let is_known = |name: &str| {
            let Some(setting) = name.strip_prefix(PREFIX) else { return true };
            ELSEWHERE.contains(&setting)
                || OF_OTHERS.iter().any(|others| setting.starts_with(others))
                || self.known.iter().any(|key| key.to_uppercase() == setting)
        };
        let mut unknown: Vec<String> = names.into_iter().filter(|name| !is_known(name)).collect();
        unknown.sort();
        for name in unknown {
            let known = self.known.iter().map(|key| format!("{PREFIX}{}", key.to_uppercase()));
            let known: Vec<String> = known.collect();
            self.mistake(format!("{name}: no such variable; there are {}", known.join(", ")));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_variable_is_a_mistake_like_an_unknown_key() {
        let mut sources = Sources::load(None);
        _ = sources.read_secret(
            ("admin_token", &None),
            ("admin_token_file", &None),
            |text| Ok(text.to_owned()),
            str::to_owned,
        );
        let names = [
            "AFTERCLICK_ADMIN_TOKEN",
            "AFTERCLICK_ADMIN_TOKEN_FILE",
            "AFTERCLICK_CONFIG",
            "AFTERCLICK_LOG",
            "AFTERCLICK_FAULT",
            "AFTERCLICK_TEST_PYTHON",
            "AFTERCLICK_SERVICE_HOST",
            "AFTERCLICK_PORT_8080_TCP",
            "PATH",
            "AFTERCLICK_ADMIN_TOKENS",
            "AFTERCLICK_admin_token",
        ];
        sources.check_environment(names.map(str::to_owned));
        let mistakes = sources.finish();
        let named: Vec<_> = mistakes.iter().filter_map(|m| m.split(':').next()).collect();
        assert_eq!(named, ["AFTERCLICK_ADMIN_TOKENS", "AFTERCLICK_admin_token"]);
        assert!(mistakes[0].contains("there are AFTERCLICK_ADMIN_TOKEN, "), "{}", mistakes[0]);
    }
}
