//! The command line: names, help and nothing else. Values are checked in `config`, all at once.

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Self-hosted attribution edge for performance-based influencer marketing.
#[derive(Debug, Parser)]
#[command(name = "afterclick", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Redirect, record, collect, and answer the admin API.
    Serve(Settings),
    /// Access tokens of the admin API.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Check every segment's checksums and sequence; exit 1 on damage.
    Verify(Settings),
    /// Rebuild the hot state from the journal.
    Replay(Settings),
    /// Check a running set-up as a browser would meet it; print snippet, policy and integrity.
    Doctor {
        /// Origin of the link host, or a link [default: the public listener here].
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Create an access token and print it; it is shown once and kept only as a hash.
    Create {
        /// What its holder may do.
        #[arg(long, value_enum)]
        role: RoleName,
        /// The merchant's or influencer's id, for these roles.
        #[arg(long = "for", value_name = "ID")]
        holder: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Everything.
    Admin,
    /// Read one merchant's figures.
    Merchant,
    /// Read one influencer's figures.
    Influencer,
}

/// Settings as texts: flags come before `AFTERCLICK_*`, these before the file, and that before the
/// defaults.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Settings {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE", env = "AFTERCLICK_CONFIG")]
    pub(crate) config: Option<String>,
    /// Folder of journal, keys and embedded state [default: data].
    #[arg(long, value_name = "DIR", env = "AFTERCLICK_DATA")]
    pub(crate) data: Option<String>,
    /// Address of the public listener [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR", env = "AFTERCLICK_LISTEN")]
    pub(crate) listen: Option<String>,
    /// Address of the public listener for TLS [default: none; a proxy in front speaks it].
    #[arg(long, value_name = "ADDR", env = "AFTERCLICK_LISTEN_TLS")]
    pub(crate) listen_tls: Option<String>,
    /// Certificate chains (PEM), comma-separated; read again when they change.
    #[arg(long, value_name = "FILES", env = "AFTERCLICK_TLS_CERT")]
    pub(crate) tls_cert: Option<String>,
    /// Their private keys (PEM), in the same order.
    #[arg(long, value_name = "FILES", env = "AFTERCLICK_TLS_KEY")]
    pub(crate) tls_key: Option<String>,
    /// Hosts that get a certificate each by ACME, comma-separated; they must lead to this
    /// listener's port 443.
    #[arg(long, value_name = "HOSTS", env = "AFTERCLICK_ACME_HOSTS")]
    pub(crate) acme_hosts: Option<String>,
    /// Whom the directory may write to, e.g. `mailto:you@agency.example`; sets that you agree to
    /// its terms of service.
    #[arg(long, value_name = "URI", env = "AFTERCLICK_ACME_CONTACT")]
    pub(crate) acme_contact: Option<String>,
    /// The ACME directory [default: Let's Encrypt].
    #[arg(long, value_name = "URL", env = "AFTERCLICK_ACME_DIRECTORY")]
    pub(crate) acme_directory: Option<String>,
    /// Roots (PEM) that a private directory's own certificate leads to [default: those of
    /// browsers].
    #[arg(long, value_name = "FILE", env = "AFTERCLICK_ACME_ROOTS")]
    pub(crate) acme_roots: Option<String>,
    /// Address of the admin listener [default: 127.0.0.1:8081].
    #[arg(long, value_name = "ADDR", env = "AFTERCLICK_ADMIN")]
    pub(crate) admin: Option<String>,
    /// Hot state: `embedded` (the default) or `redis://host:port`.
    #[arg(long, value_name = "URL", env = "AFTERCLICK_STATE")]
    pub(crate) state: Option<String>,
    /// Hosts of the agency's own links, comma-separated.
    #[arg(long, value_name = "HOSTS", env = "AFTERCLICK_HOSTS")]
    pub(crate) hosts: Option<String>,
    /// Cores that serve the public listener [default: all].
    #[arg(long, value_name = "N", env = "AFTERCLICK_WORKERS")]
    pub(crate) workers: Option<String>,
    /// Scheme that visitors see: `auto` (the default), `https` or `http`.
    #[arg(long, value_name = "SCHEME", env = "AFTERCLICK_SCHEME")]
    pub(crate) scheme: Option<String>,
    /// What a click survives: `os` (a kill; the default) or `disk` (a power cut).
    #[arg(long, value_name = "CLASS", env = "AFTERCLICK_CLICKS")]
    pub(crate) clicks: Option<String>,
    /// Bytes after which a journal segment is sealed [default: 134217728].
    #[arg(long, value_name = "BYTES", env = "AFTERCLICK_SEGMENT_BYTES")]
    pub(crate) segment_bytes: Option<String>,
    /// Where sealed segments are copied to: a folder, or `s3://bucket/prefix`.
    #[arg(long, value_name = "PLACE", env = "AFTERCLICK_SHIP")]
    pub(crate) ship: Option<String>,
    /// Days after which a copied segment is retired here.
    #[arg(long, value_name = "DAYS", env = "AFTERCLICK_RETAIN_DAYS")]
    pub(crate) retain_days: Option<String>,
    /// Bytes of copied segments that are kept here at most.
    #[arg(long, value_name = "BYTES", env = "AFTERCLICK_RETAIN_BYTES")]
    pub(crate) retain_bytes: Option<String>,
    /// Seconds between two looks at a shop without webhooks (Magento) [default: 120].
    #[arg(long, value_name = "SECONDS", env = "AFTERCLICK_POLL_SECONDS")]
    pub(crate) poll_seconds: Option<String>,
    /// Seconds between two looks for orders that a shop's webhooks lost [default: 3600].
    #[arg(long, value_name = "SECONDS", env = "AFTERCLICK_RECONCILE_SECONDS")]
    pub(crate) reconcile_seconds: Option<String>,
    /// Contact for `/.well-known/security.txt`, e.g. `mailto:security@shop.example`.
    #[arg(long, value_name = "URI", env = "AFTERCLICK_SECURITY_CONTACT")]
    pub(crate) security_contact: Option<String>,
    /// A first admin token, so that a new installation can be set up by its API.
    #[arg(long, value_name = "TOKEN", env = "AFTERCLICK_ADMIN_TOKEN", hide_env_values = true)]
    pub(crate) admin_token: Option<String>,
    /// A planted fault, for tests of the tests.
    #[cfg(feature = "faults")]
    #[arg(long, value_name = "FAULT", env = "AFTERCLICK_FAULT")]
    pub(crate) fault: Option<String>,
}
