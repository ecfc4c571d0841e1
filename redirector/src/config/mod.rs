//! The configuration: the settings of all parts. Every mistake is reported at once.
//!
//! Each part owns the type of its settings and the way their texts are read. This module never
//! starts anything. It returns a complete and valid configuration, or a list of mistakes, which
//! ends in exit status 64.

mod file;
pub(crate) mod sources;
pub(crate) mod values;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use edge::tls::CertificateFiles;
use edge::{FloodLimits, Proxies, Scheme};
use hot_state::{StateUrl, without_password};
use journal::Durability;
use shared::time::Span;
use url::Url;

use crate::cli::Settings;
use crate::config::sources::Sources;
use crate::jobs::acme::{self, AcmeSettings};
use crate::jobs::reconcile::ReconcileSettings;
use crate::jobs::ship::{Retention, ShipTo};

/// The default size, in bytes, after which a segment is sealed.
const SEGMENT_BYTES: u64 = 128 * 1024 * 1024;

/// A complete configuration.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Further hosts of the admin listener, lower case.
    pub(crate) admin_hosts: Vec<String>,
    /// Folders of other nodes' journals.
    pub(crate) other_journals: Vec<PathBuf>,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) edge: edge::Settings,
    pub(crate) state: StateUrl,
    /// The agency's own hosts, lower case.
    pub(crate) hosts: Vec<String>,
    pub(crate) workers: usize,
    pub(crate) connections_per_address: Option<usize>,
    pub(crate) segment_bytes: u64,
    /// The place that sealed segments are copied to.
    pub(crate) ship: Option<ShipTo>,
    /// Which copied segments may be removed here.
    pub(crate) retention: Retention,
    pub(crate) reconcile: ReconcileSettings,
    pub(crate) admin_token: Option<String>,
    /// Where commands that ask the API find it, if not at `admin`.
    pub(crate) url: Option<Url>,
    /// With which access token they ask, if not with `admin_token`.
    pub(crate) token: Option<String>,
    #[cfg(feature = "faults")]
    pub(crate) fault: Option<Fault>,
}

/// The listener for TLS, and its certificates.
#[derive(Debug, Clone)]
pub(crate) struct TlsSettings {
    pub(crate) listen: SocketAddr,
    pub(crate) files: Vec<CertificateFiles>,
    pub(crate) acme: Option<AcmeSettings>,
}

/// A fault that a test plants.
#[cfg(feature = "faults")]
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Journal(journal::Fault),
    State(hot_state::StateFault),
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
    /// Reads all settings.
    ///
    /// # Errors
    /// Every mistake, each with the setting, the value and what was expected.
    pub(crate) fn resolve(settings: &Settings) -> Result<Self, ConfigError> {
        let mut sources = Sources::load(settings.config.as_deref());
        let config = Self::assemble(&mut sources, settings);
        sources.check_environment(
            std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()),
        );
        let mistakes = sources.finish();
        if mistakes.is_empty() { Ok(config) } else { Err(ConfigError(mistakes)) }
    }

    fn assemble(sources: &mut Sources, s: &Settings) -> Self {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let listen = sources.read_or("listen", &s.listen, loopback(8080), values::address);
        let (ship, retention) = shipping(sources, s);
        Self {
            data: sources.read_or("data", &s.data, "data".into(), |t| Ok(PathBuf::from(t))),
            listen,
            admin: sources.read_or("admin", &s.admin, loopback(8081), values::address),
            admin_hosts: sources.read_or("admin_hosts", &s.admin_hosts, vec![], values::hosts),
            other_journals: sources.read_or(
                "other_journals",
                &s.other_journals,
                vec![],
                values::paths,
            ),
            tls: tls(sources, s),
            edge: edge_settings(sources, s, listen),
            state: sources
                .read_secret(
                    ("state", &s.state),
                    ("state_file", &s.state_file),
                    StateUrl::parse,
                    without_password,
                )
                .given()
                .unwrap_or(StateUrl::Embedded),
            hosts: sources.read_or("hosts", &s.hosts, vec![], values::hosts),
            workers: sources.read_or("workers", &s.workers, cores, |t| values::number(t, 1, 1024)),
            connections_per_address: sources
                .read("connections_per_address", &s.connections_per_address, |t| {
                    values::number(t, 1, 1 << 20)
                })
                .given(),
            segment_bytes: sources.read_or("segment_bytes", &s.segment_bytes, SEGMENT_BYTES, |t| {
                values::number(t, 64 * 1024, 1 << 40)
            }),
            ship,
            retention,
            reconcile: reconciliation(sources, s),
            admin_token: sources
                .read_secret(
                    ("admin_token", &s.admin_token),
                    ("admin_token_file", &s.admin_token_file),
                    values::admin_token,
                    |_| "…".into(),
                )
                .given(),
            url: sources.read("url", &s.server.url, values::admin_url).given(),
            token: sources
                .read_secret(
                    ("token", &s.server.token),
                    ("token_file", &s.server.token_file),
                    values::admin_token,
                    |_| "…".into(),
                )
                .given(),
            #[cfg(feature = "faults")]
            fault: sources.read("fault", &s.fault, planted).given(),
        }
    }

    /// Returns the folder that holds the journal's streams.
    pub(crate) fn journal_dir(&self) -> PathBuf {
        self.data.join("journal")
    }

    /// Returns the options for writing streams.
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

fn edge_settings(sources: &mut Sources, s: &Settings, listen: SocketAddr) -> edge::Settings {
    edge::Settings {
        clicks: sources.read_or("clicks", &s.clicks, Durability::Os, values::durability),
        scheme: sources.read_or("scheme", &s.scheme, Scheme::Auto, Scheme::parse),
        listens_on_loopback: listen.ip().is_loopback(),
        trusted_proxies: sources.read_or(
            "trusted_proxies",
            &s.trusted_proxies,
            Proxies::default(),
            Proxies::parse,
        ),
        security_contact: sources
            .read("security_contact", &s.security_contact, values::contact)
            .given(),
        flood: flood_limits(sources, s),
    }
}

fn flood_limits(sources: &mut Sources, s: &Settings) -> FloodLimits {
    let FloodLimits { per_minute, per_hour } = FloodLimits::default();
    FloodLimits {
        per_minute: sources.read_or("flood_per_minute", &s.flood_per_minute, per_minute, |t| {
            values::number(t, 0, FloodLimits::PER_MINUTE_MAX)
        }),
        per_hour: sources.read_or("flood_per_hour", &s.flood_per_hour, per_hour, |t| {
            values::number(t, 0, FloodLimits::PER_HOUR_MAX)
        }),
    }
}

fn shipping(sources: &mut Sources, s: &Settings) -> (Option<ShipTo>, Retention) {
    let ship = sources.read("ship", &s.ship, ShipTo::parse).given();
    let days = sources.read("retain_days", &s.retain_days, |t| values::number(t, 1, 36_500));
    let bytes = sources.read("retain_bytes", &s.retain_bytes, |t| values::number(t, 0, 1 << 50));
    let retention = Retention { days: days.given(), bytes: bytes.given() };
    if ship.is_none() && retention != Retention::default() {
        sources.mistake("retain_days, retain_bytes: only copied segments may be removed; set ship");
    }
    (ship, retention)
}

fn reconciliation(sources: &mut Sources, s: &Settings) -> ReconcileSettings {
    let poll =
        sources.read_or("poll_seconds", &s.poll_seconds, 120, |t| values::number(t, 1, 86_400));
    let reconcile = sources.read_or("reconcile_seconds", &s.reconcile_seconds, 3600, |t| {
        values::number(t, 1, 7 * 86_400)
    });
    ReconcileSettings { poll_every: Span::seconds(poll), reconcile_every: Span::seconds(reconcile) }
}

/// Reads the settings of TLS and checks that they fit together.
fn tls(sources: &mut Sources, s: &Settings) -> Option<TlsSettings> {
    let listen = sources.read("listen_tls", &s.listen_tls, values::address).given();
    let chains = sources.read_or("tls_cert", &s.tls_cert, vec![], values::paths);
    let keys = sources.read_or("tls_key", &s.tls_key, vec![], values::paths);
    let acme = acme_settings(sources, s);
    if chains.len() != keys.len() {
        let (chains, keys) = (chains.len(), keys.len());
        sources.mistake(format!(
            "tls_cert, tls_key: {chains} and {keys} files; each chain needs its key"
        ));
    } else if listen.is_some() && chains.is_empty() && acme.is_none() {
        sources.mistake("listen_tls: needs certificates; set tls_cert and tls_key, or acme_hosts");
    } else if listen.is_none() && !chains.is_empty() {
        sources.mistake("tls_cert: no listener to use it; set listen_tls");
    }
    if listen.is_none() && acme.is_some() {
        sources.mistake("acme_hosts: no listener for them; set listen_tls");
    }
    let files =
        chains.into_iter().zip(keys).map(|(chain, key)| CertificateFiles { chain, key }).collect();
    Some(TlsSettings { listen: listen?, files, acme })
}

fn acme_settings(sources: &mut Sources, s: &Settings) -> Option<AcmeSettings> {
    let hosts = sources.read("acme_hosts", &s.acme_hosts, acme::names);
    let contact = sources.read("acme_contact", &s.acme_contact, acme::mailbox);
    let directory = sources.read("acme_directory", &s.acme_directory, acme::directory_address);
    let roots = sources.read("acme_roots", &s.acme_roots, |t| Ok(PathBuf::from(t)));
    AcmeSettings::assemble(hosts, contact, directory, roots).unwrap_or_else(|mistake| {
        sources.mistake(mistake);
        None
    })
}

#[cfg(feature = "faults")]
fn planted(text: &str) -> Result<Fault, String> {
    let of_state = hot_state::StateFault::parse(text).map(Fault::State);
    let fault = journal::Fault::parse(text).map(Fault::Journal).or(of_state);
    fault.ok_or_else(|| "there is no such fault".to_owned())
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
        let mistakes = Config::resolve(&settings).unwrap_err().to_string();
        for expected in [
            "`nowhere`",
            "workers = `0`",
            "lissten: no such setting",
            "`ram`",
            "`memcached://localhost`",
            "*.x",
        ] {
            assert!(mistakes.contains(expected), "{mistakes} should name {expected}");
        }
    }

    #[test]
    fn a_secret_comes_from_its_setting_or_from_a_file_and_is_not_shown() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let keep = |name: &str, content: &str, mode| {
            std::fs::write(path(name), content).unwrap();
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path(name), mode).unwrap();
        };
        keep("token", "from-a-file\n", 0o600);
        keep("open", "open-to-others", 0o644);
        keep("state", "redis://:pass@localhost", 0o600);
        keep("wrong", "memcached://:pass@localhost", 0o600);
        let resolve = |change: &dyn Fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            Config::resolve(&settings).map_err(|error| error.to_string())
        };
        let config = resolve(&|s| {
            s.admin_token_file = Some(path("token"));
            s.state_file = Some(path("state"));
        });
        let config = config.unwrap();
        assert_eq!(config.admin_token.as_deref(), Some("from-a-file"));
        assert_eq!(config.state, StateUrl::Redis("redis://:pass@localhost".into()));
        for (key, mistake) in [("open", "chmod 600"), ("nowhere", "No such file")] {
            let refused = resolve(&|s| s.admin_token_file = Some(path(key))).unwrap_err();
            assert!(refused.contains("admin_token_file") && refused.contains(mistake), "{refused}");
        }
        let refused = resolve(&|s| s.state_file = Some(path("wrong"))).unwrap_err();
        assert!(refused.contains("state_file") && !refused.contains("pass"), "{refused}");
        let refused = resolve(&|s| {
            s.admin_token_file = Some(path("token"));
            s.admin_token = Some("a-secret".into());
        });
        let refused = refused.unwrap_err();
        assert!(refused.contains("both are set") && !refused.contains("a-secret"), "{refused}");
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
            (config.listen.port(), config.admin.port(), config.edge.scheme),
            (3, 2, Scheme::Auto)
        );
    }
}
