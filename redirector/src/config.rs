//! Configuration: flags, then environment, then file, then defaults; every mistake is reported at
//! once.
//!
//! Never starts anything: what comes out of here is complete and right, or a list of mistakes and
//! exit status 64.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use instant_acme::LetsEncrypt;

use crate::cli::Settings;
use crate::ship::{Retention, ShipTo};
use crate::state::without_password;
use crate::tls::CertificateFiles;

/// A complete configuration.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) state: StateUrl,
    /// The agency's own hosts, lower case.
    pub(crate) hosts: Vec<String>,
    pub(crate) workers: usize,
    pub(crate) scheme: Scheme,
    pub(crate) clicks: journal::Durability,
    pub(crate) segment_bytes: u64,
    /// Where sealed segments are copied to.
    pub(crate) ship: Option<ShipTo>,
    /// What may then be retired.
    pub(crate) retention: Retention,
    /// How often a shop without webhooks is asked for its orders.
    pub(crate) poll_seconds: u64,
    /// How often a shop with webhooks is asked for what they lost.
    pub(crate) reconcile_seconds: u64,
    pub(crate) security_contact: Option<String>,
    pub(crate) admin_token: Option<String>,
    #[cfg(feature = "faults")]
    pub(crate) fault: Option<Fault>,
}

/// A listener for TLS, and what it answers with.
#[derive(Debug, Clone)]
pub(crate) struct TlsSettings {
    pub(crate) listen: SocketAddr,
    pub(crate) files: Vec<CertificateFiles>,
    pub(crate) acme: Option<AcmeSettings>,
}

/// Certificates that a directory gives.
#[derive(Debug, Clone)]
pub(crate) struct AcmeSettings {
    /// Each gets a certificate of its own, so that none waits for another.
    pub(crate) hosts: Vec<String>,
    /// Whom the directory may write to; whoever sets it agrees to the directory's terms of service.
    pub(crate) contact: String,
    /// The directory's address.
    pub(crate) directory: String,
    /// The roots to believe instead of those that browsers believe.
    pub(crate) roots: Option<PathBuf>,
}

/// A fault that a test plants.
#[cfg(feature = "faults")]
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Journal(journal::Fault),
    State(crate::state::StateFault),
}

/// Where the hot state lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StateUrl {
    /// In the data folder.
    Embedded,
    /// On a Redis server, or a cluster.
    Redis(String),
}

/// The scheme visitors see, which decides the cookie's name and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Plain HTTP on loopback unless a proxy on the same machine says `X-Forwarded-Proto: https`;
    /// HTTPS elsewhere.
    Auto,
    Https,
    Http,
}

/// Every mistake in a configuration. The operator is at fault; exit status 64.
#[derive(Debug)]
pub(crate) struct ConfigError(pub(crate) Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} in the configuration:",
            if self.0.len() == 1 { "a mistake" } else { "mistakes" }
        )?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    const SEGMENT_BYTES: u64 = 128 * 1024 * 1024;

    /// Puts the settings together.
    ///
    /// # Errors
    /// Every mistake, each with the setting, the value and what was expected.
    pub(crate) fn resolve(settings: &Settings) -> Result<Self, ConfigError> {
        let mut sources = Sources::load(settings);
        let s = settings;
        let default_workers = std::thread::available_parallelism().map_or(1, usize::from);
        let config = Self {
            data: sources.read("data", &s.data, "data".into(), |t| Ok(PathBuf::from(t))),
            listen: sources.read(
                "listen",
                &s.listen,
                SocketAddr::from(([127, 0, 0, 1], 8080)),
                address,
            ),
            admin: sources.read(
                "admin",
                &s.admin,
                SocketAddr::from(([127, 0, 0, 1], 8081)),
                address,
            ),
            tls: sources.tls(s),
            state: sources.read("state", &s.state, StateUrl::Embedded, state),
            hosts: sources.read("hosts", &s.hosts, vec![], hosts),
            workers: sources.read("workers", &s.workers, default_workers, |t| number(t, 1, 1024)),
            scheme: sources.read("scheme", &s.scheme, Scheme::Auto, scheme),
            clicks: sources.read("clicks", &s.clicks, journal::Durability::Os, durability),
            segment_bytes: sources.read(
                "segment_bytes",
                &s.segment_bytes,
                Self::SEGMENT_BYTES,
                |t| number(t, 64 * 1024, 1 << 40),
            ),
            ship: sources.read("ship", &s.ship, None, |t| ShipTo::parse(t).map(Some)),
            retention: Retention {
                days: sources
                    .read("retain_days", &s.retain_days, None, |t| number(t, 1, 36_500).map(Some)),
                bytes: sources.read("retain_bytes", &s.retain_bytes, None, |t| {
                    number(t, 0, 1 << 50).map(Some)
                }),
            },
            poll_seconds: sources
                .read("poll_seconds", &s.poll_seconds, 120, |t| number(t, 1, 86_400)),
            reconcile_seconds: sources.read("reconcile_seconds", &s.reconcile_seconds, 3600, |t| {
                number(t, 1, 7 * 86_400)
            }),
            security_contact: sources.read("security_contact", &s.security_contact, None, contact),
            admin_token: sources.read("admin_token", &s.admin_token, None, admin_token),
            #[cfg(feature = "faults")]
            fault: sources.read("fault", &s.fault, None, |t| {
                let of_state = crate::state::StateFault::parse(t).map(Fault::State);
                let fault = journal::Fault::parse(t).map(Fault::Journal).or(of_state);
                fault.map(Some).ok_or_else(|| "no such fault".to_owned())
            }),
        };
        sources.unknown_keys();
        if config.ship.is_none() && config.retention != Retention::default() {
            sources.mistakes.push(
                "retain_days, retain_bytes: only what is copied may be retired; set ship"
                    .to_owned(),
            );
        }
        if sources.mistakes.is_empty() { Ok(config) } else { Err(ConfigError(sources.mistakes)) }
    }

    /// Where the journal's streams lie.
    pub(crate) fn journal_dir(&self) -> PathBuf {
        self.data.join("journal")
    }

    /// How streams are written.
    pub(crate) fn journal_options(&self) -> journal::Options {
        #[cfg_attr(not(feature = "faults"), expect(unused_mut, reason = "only faults change it"))]
        let mut options = journal::Options::with_segment_bytes_max(self.segment_bytes);
        #[cfg(feature = "faults")]
        {
            options.fault = match self.fault {
                Some(Fault::Journal(fault)) => Some(fault),
                _ => None,
            };
        }
        options
    }
}

/// The file's values beside the flags' and environment's, and the mistakes found so far.
struct Sources {
    file: toml::Table,
    known: Vec<&'static str>,
    mistakes: Vec<String>,
}

impl Sources {
    fn load(settings: &Settings) -> Self {
        let mut sources =
            Self { file: toml::Table::new(), known: Vec::new(), mistakes: Vec::new() };
        if let Some(path) = &settings.config {
            match read_file(Path::new(path)) {
                Ok(table) => sources.file = table,
                Err(mistake) => sources.mistakes.push(mistake),
            }
        }
        sources
    }

    /// A setting from its first source, or its default.
    fn read<T>(
        &mut self,
        key: &'static str,
        flag: &Option<String>,
        default: T,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        self.known.push(key);
        let from_file = || self.file.get(key).map(file_text);
        let Some(text) = flag.clone().or_else(from_file) else { return default };
        match parse(text.trim()) {
            Ok(value) => value,
            Err(expected) => {
                let shown = match key {
                    "admin_token" => "…".to_owned(),
                    "state" => without_password(&text),
                    _ => text,
                };
                self.mistakes.push(format!("{key} = `{shown}`: {expected}"));
                default
            }
        }
    }

    /// The settings of TLS, which need each other.
    fn tls(&mut self, s: &Settings) -> Option<TlsSettings> {
        let listen = self.read("listen_tls", &s.listen_tls, None, |t| address(t).map(Some));
        let chains = self.read("tls_cert", &s.tls_cert, vec![], paths);
        let keys = self.read("tls_key", &s.tls_key, vec![], paths);
        let acme = self.acme(s);
        if chains.len() != keys.len() {
            let (chains, keys) = (chains.len(), keys.len());
            self.mistakes.push(format!(
                "tls_cert, tls_key: {chains} and {keys} files; each chain needs its key"
            ));
        } else if listen.is_some() && chains.is_empty() && acme.is_none() {
            self.mistakes.push(
                "listen_tls: needs certificates; set tls_cert and tls_key, or acme_hosts"
                    .to_owned(),
            );
        } else if listen.is_none() && !chains.is_empty() {
            self.mistakes.push("tls_cert: no listener to use it; set listen_tls".to_owned());
        }
        if listen.is_none() && acme.is_some() {
            self.mistakes.push("acme_hosts: no listener for them; set listen_tls".to_owned());
        }
        let files = chains
            .into_iter()
            .zip(keys)
            .map(|(chain, key)| CertificateFiles { chain, key })
            .collect();
        Some(TlsSettings { listen: listen?, files, acme })
    }

    /// The settings of ACME, which mean nothing without hosts.
    fn acme(&mut self, s: &Settings) -> Option<AcmeSettings> {
        let named = self.read("acme_hosts", &s.acme_hosts, vec![], names);
        let contact = self.read("acme_contact", &s.acme_contact, None, mailbox);
        let directory = self.read("acme_directory", &s.acme_directory, None, directory);
        let roots = self.read("acme_roots", &s.acme_roots, None, |t| Ok(Some(PathBuf::from(t))));
        if named.is_empty() {
            // A mistake in the hosts themselves has been reported.
            let is_set = contact.is_some() || directory.is_some() || roots.is_some();
            if is_set && !self.mistakes.iter().any(|mistake| mistake.starts_with("acme_hosts")) {
                self.mistakes.push(
                    "acme_contact, acme_directory, acme_roots: no hosts; set acme_hosts".to_owned(),
                );
            }
            return None;
        }
        if contact.is_none()
            && !self.mistakes.iter().any(|mistake| mistake.starts_with("acme_contact"))
        {
            let missing =
                "acme_hosts: set acme_contact; it says that you agree to the directory's terms";
            self.mistakes.push(missing.to_owned());
        }
        let directory = directory.unwrap_or_else(|| LetsEncrypt::Production.url().to_owned());
        Some(AcmeSettings { hosts: named, contact: contact.unwrap_or_default(), directory, roots })
    }

    fn unknown_keys(&mut self) {
        let known = &self.known;
        let unknown = self.file.keys().filter(|key| !known.contains(&key.as_str()));
        let mistakes: Vec<_> = unknown
            .map(|key| format!("{key}: no such setting; there are {}", known.join(", ")))
            .collect();
        self.mistakes.extend(mistakes);
    }
}

fn read_file(path: &Path) -> Result<toml::Table, String> {
    let text =
        std::fs::read_to_string(path).map_err(|e| format!("config = `{}`: {e}", path.display()))?;
    text.parse().map_err(|e| format!("config = `{}`: {e}", path.display()))
}

/// A file's value as the text a flag would have been; lists are joined by commas.
fn file_text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => values.iter().map(file_text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an address and port such as 127.0.0.1:8080".to_owned())
}

/// One server or a cluster, with or without TLS.
const REDIS_SCHEMES: [&str; 4] = ["redis://", "rediss://", "redis+cluster://", "rediss+cluster://"];

fn state(text: &str) -> Result<StateUrl, String> {
    match text {
        "embedded" => Ok(StateUrl::Embedded),
        _ if REDIS_SCHEMES.iter().any(|scheme| text.starts_with(scheme)) => {
            Ok(StateUrl::Redis(text.to_owned()))
        }
        _ => Err("expected `embedded`, redis://host:port, rediss://host:port (TLS), or \
                  redis+cluster://host:port,host:port"
            .to_owned()),
    }
}

fn hosts(text: &str) -> Result<Vec<String>, String> {
    let names = text
        .split(',')
        .map(|host| host.trim().to_ascii_lowercase())
        .filter(|host| !host.is_empty());
    names.map(|host| crate::catalog::check_host(&host).map(|()| host)).collect()
}

/// Hosts that certificates are ordered for: names, each once.
fn names(text: &str) -> Result<Vec<String>, String> {
    let mut names = hosts(text)?;
    if let Some(address) = names.iter().find(|name| name.parse::<IpAddr>().is_ok()) {
        return Err(format!("`{address}` is an address; expected names"));
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn mailbox(text: &str) -> Result<Option<String>, String> {
    let address =
        text.strip_prefix("mailto:").filter(|address| address.is_ascii() && address.contains('@'));
    address
        .map(|_| Some(text.to_owned()))
        .ok_or_else(|| "expected mailto: and an address".to_owned())
}

fn directory(text: &str) -> Result<Option<String>, String> {
    let fits = url::Url::parse(text).is_ok_and(|url| url.scheme() == "https");
    if fits {
        Ok(Some(text.to_owned()))
    } else {
        Err("expected the https: address of a directory".to_owned())
    }
}

fn paths(text: &str) -> Result<Vec<PathBuf>, String> {
    let paths = text.split(',').map(str::trim).filter(|path| !path.is_empty());
    Ok(paths.map(PathBuf::from).collect())
}

fn number<T: FromStr + PartialOrd + fmt::Display>(
    text: &str,
    least: T,
    most: T,
) -> Result<T, String> {
    let expected = format!("expected a whole number from {least} to {most}");
    text.parse().ok().filter(|value| (&least..=&most).contains(&value)).ok_or(expected)
}

fn scheme(text: &str) -> Result<Scheme, String> {
    match text {
        "auto" => Ok(Scheme::Auto),
        "https" => Ok(Scheme::Https),
        "http" => Ok(Scheme::Http),
        _ => Err("expected `auto`, `https` or `http`".to_owned()),
    }
}

fn durability(text: &str) -> Result<journal::Durability, String> {
    match text {
        "os" => Ok(journal::Durability::Os),
        "disk" => Ok(journal::Durability::Disk),
        _ => Err("expected `os` or `disk`".to_owned()),
    }
}

fn contact(text: &str) -> Result<Option<String>, String> {
    let fits = ["mailto:", "https://", "tel:"].iter().any(|scheme| text.starts_with(scheme))
        && text.is_ascii();
    if fits {
        Ok(Some(text.to_owned()))
    } else {
        Err("expected a mailto:, https: or tel: address".to_owned())
    }
}

fn admin_token(text: &str) -> Result<Option<String>, String> {
    let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    if fits {
        Ok(Some(text.to_owned()))
    } else {
        Err("expected printable characters without blanks".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported_at_once_with_setting_and_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("afterclick.toml");
        std::fs::write(
            &file,
            "listen = 'nowhere'\nworkers = 0\nlissten = 'x'\nhosts = ['go.agency.example', '*.x']",
        )
        .unwrap();
        let settings = Settings {
            config: Some(file.display().to_string()),
            clicks: Some("ram".into()),
            state: Some("memcached://localhost".into()),
            ..Settings::default()
        };
        let report = Config::resolve(&settings).unwrap_err().to_string();
        for expected in [
            "`nowhere`",
            "workers = `0`",
            "lissten: no such setting",
            "`ram`",
            "`memcached://localhost`",
            "*.x",
        ] {
            assert!(report.contains(expected), "{report} should name {expected}");
        }
    }

    #[test]
    fn a_flag_comes_before_the_file_and_the_file_before_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("afterclick.toml");
        std::fs::write(&file, "listen = '127.0.0.1:1'\nadmin = '127.0.0.1:2'\n").unwrap();
        let settings = Settings {
            config: Some(file.display().to_string()),
            listen: Some("127.0.0.1:3".into()),
            ..Settings::default()
        };
        let config = Config::resolve(&settings).unwrap();
        assert_eq!(
            (config.listen.port(), config.admin.port(), config.scheme),
            (3, 2, Scheme::Auto)
        );
    }
}
