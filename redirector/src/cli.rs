//! The command line: names and help texts, and nothing else. `config` checks all values at once.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use client::ServerFlags;

/// Self-hosted attribution edge for performance-based influencer marketing.
#[derive(Debug, Parser)]
#[command(name = "afterclick", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server: redirects, collector, webhooks and admin API.
    Serve(Settings),
    /// Make, list and revoke access tokens for the admin API.
    #[command(subcommand)]
    Token(TokenCommand),
    /// List, rotate and revoke the keys that sign click tokens.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Check checksums and sequence of every segment; exit with status 1 on damage.
    Verify(Settings),
    /// Show which promised records cannot be read any more; exit with status 1 if there are any.
    Repair {
        /// Go on without them: the journal can then be written and read again, and remembers them.
        #[arg(long)]
        give_up: bool,
        /// Make new keys where keys.json is lost for good.
        #[arg(long)]
        new_keys: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Rebuild the hot state from the journal.
    Replay(Settings),
    /// Erase what tells who a merchant's customers are: one customer, or all. The server must be
    /// stopped. Orders, commissions and statements stay as they are.
    Erase(Erasure),
    /// Check a running installation as a browser sees it; print the pixel's snippet, its
    /// Content-Security-Policy and its integrity hash.
    Doctor {
        /// Address of the link host, or of a link [default: the public listener here].
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Set up a new installation: write a configuration file, make the data folder with keys and a
    /// first access token. Run again, it says what is there and changes nothing.
    Init {
        /// Configuration file to write.
        #[arg(
            long,
            value_name = "FILE",
            env = "AFTERCLICK_CONFIG",
            default_value = "afterclick.toml"
        )]
        config: PathBuf,
        /// Folder of journal, keys and embedded state [default: data].
        #[arg(long, value_name = "DIR", env = "AFTERCLICK_DATA")]
        data: Option<PathBuf>,
    },
    /// Try it: serve a sample campaign with three weeks of figures from a temporary folder. Ctrl-C
    /// ends it and removes the folder.
    Demo {
        /// Address of the public listener [default: 127.0.0.1:8080].
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
        /// Address of the admin listener [default: 127.0.0.1:8081].
        #[arg(long, value_name = "ADDR")]
        admin: Option<String>,
    },
    /// Print what makes a shell complete commands and flags.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: ShellName,
    },
    /// Print the manual page, or write one for each command.
    Man {
        /// Write all pages into this folder, which must exist.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    #[command(flatten)]
    Asked(Box<client::Asked>),
}

/// A shell that can complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShellName {
    /// Bash: `source <(afterclick completions bash)`.
    Bash,
    /// Zsh: a file `_afterclick` in a folder of `fpath`.
    Zsh,
    /// Fish: a file in ~/.config/fish/completions.
    Fish,
}

/// Who is erased.
#[derive(Debug, Args)]
pub(crate) struct Erasure {
    /// The merchant whose customers they are, mer_….
    #[arg(long, value_name = "ID")]
    pub(crate) merchant: String,
    #[command(flatten)]
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// The customers who are erased.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Who {
    /// The customer with this e-mail address.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    /// The customer with this hash, as a shop's request names it.
    #[arg(long, value_name = "HASH")]
    pub(crate) customer: Option<String>,
    /// Every customer of the merchant.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Create an access token and print it; it is shown once and kept only as a hash.
    Create {
        /// What the holder of the token may do.
        #[arg(long, value_enum)]
        role: RoleName,
        /// Id of the merchant or influencer; required with these roles.
        #[arg(long = "for", value_name = "ID")]
        holder: Option<String>,
        /// A name for people.
        #[arg(long)]
        name: Option<String>,
        /// The end of its use: a time such as 2027-01-31T00:00:00Z, or a day.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        #[command(flatten)]
        there: There,
        #[command(flatten)]
        settings: Settings,
    },
    /// List all access tokens, without their secrets.
    List {
        #[command(flatten)]
        there: There,
        #[command(flatten)]
        settings: Settings,
    },
    /// Revoke an access token; a running server refuses it a moment later.
    Revoke {
        /// The token's id, tok_….
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        there: There,
        #[command(flatten)]
        settings: Settings,
    },
}

/// A server elsewhere.
#[derive(Debug, Args)]
pub(crate) struct There {
    /// Ask the server whose admin listener has this address, instead of using the journal here.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Access token of an admin, for --url.
    #[arg(long, value_name = "TOKEN", env = "AFTERCLICK_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// File with this access token.
    #[arg(long, value_name = "FILE", env = "AFTERCLICK_TOKEN_FILE")]
    pub(crate) token_file: Option<String>,
}

impl There {
    /// Returns the settings with which the server there is asked; `None` for the journal here.
    pub(crate) fn settings(&self, settings: &Settings) -> Option<Settings> {
        let url = Some(self.url.clone()?);
        let (token, token_file) = (self.token.clone(), self.token_file.clone());
        let server = ServerFlags { url, token, token_file, config: settings.config.clone() };
        Some(Settings { server, ..settings.clone() })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// List the keys and their states.
    List {
        #[command(flatten)]
        settings: Settings,
    },
    /// Let a new key sign from the next start on; the old one goes on verifying.
    Rotate {
        /// Only add the key, so that every node can have it before it signs.
        #[arg(long)]
        prepare: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Emergency: a key is in wrong hands. It signs no more, and commissions that its click tokens
    /// bring are held.
    Revoke {
        /// The key's id, as `keys list` shows it.
        #[arg(value_name = "ID")]
        id: u8,
        /// Hold also what its tokens brought since this time, or day [default: from now on].
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// The reason, which everybody sees whose commission is held.
        #[arg(long, default_value = "the key was revoked")]
        reason: String,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Read and change everything.
    Admin,
    /// Read one merchant's figures.
    Merchant,
    /// Read one influencer's figures.
    Influencer,
}

impl RoleName {
    /// The API's word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Merchant => "merchant",
            Self::Influencer => "influencer",
        }
    }
}

/// The settings of the environment, for commands that have few flags.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Environment {
    #[command(flatten)]
    settings: Settings,
}

impl Settings {
    /// Returns the environment's settings and these flags, for a command that asks a server.
    pub(crate) fn of(server: ServerFlags) -> Self {
        Self { config: server.config.clone(), server, ..Self::of_environment() }
    }

    /// Returns what the environment says.
    pub(crate) fn of_environment() -> Self {
        let nothing: [&str; 0] = [];
        Environment::parse_from(nothing).settings
    }
}

/// Settings as texts. A flag wins over the environment (`AFTERCLICK_*`), the environment over the
/// file, the file over the default.
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
    /// Address of the public listener for TLS [default: none; a proxy in front ends TLS].
    #[arg(long, value_name = "ADDR", env = "AFTERCLICK_LISTEN_TLS")]
    pub(crate) listen_tls: Option<String>,
    /// Files of certificate chains (PEM), comma-separated; read again when they change.
    #[arg(long, value_name = "FILES", env = "AFTERCLICK_TLS_CERT")]
    pub(crate) tls_cert: Option<String>,
    /// Files of the chains' private keys (PEM), in the same order; read again when they change.
    #[arg(long, value_name = "FILES", env = "AFTERCLICK_TLS_KEY")]
    pub(crate) tls_key: Option<String>,
    /// Hosts, comma-separated; each gets a certificate by ACME. They must lead to port 443 of this
    /// listener.
    #[arg(long, value_name = "HOSTS", env = "AFTERCLICK_ACME_HOSTS")]
    pub(crate) acme_hosts: Option<String>,
    /// Address that the ACME directory may send e-mail to, e.g. `mailto:you@agency.example`;
    /// required with --acme-hosts. By setting it you agree to the directory's terms of service.
    #[arg(long, value_name = "URI", env = "AFTERCLICK_ACME_CONTACT")]
    pub(crate) acme_contact: Option<String>,
    /// Address of the ACME directory [default: Let's Encrypt].
    #[arg(long, value_name = "URL", env = "AFTERCLICK_ACME_DIRECTORY")]
    pub(crate) acme_directory: Option<String>,
    /// Root certificates (PEM) for a private directory's own certificate [default: those of
    /// browsers].
    #[arg(long, value_name = "FILE", env = "AFTERCLICK_ACME_ROOTS")]
    pub(crate) acme_roots: Option<String>,
    /// Address of the admin listener [default: 127.0.0.1:8081].
    #[arg(long, value_name = "ADDR", env = "AFTERCLICK_ADMIN")]
    pub(crate) admin: Option<String>,
    /// Hosts under which browsers and Prometheus ask the admin listener, comma-separated, beside
    /// loopback and its own address.
    #[arg(long, value_name = "HOSTS", env = "AFTERCLICK_ADMIN_HOSTS")]
    pub(crate) admin_hosts: Option<String>,
    /// Folders of other nodes' journals, or of copies of them, comma-separated: balances and payouts
    /// are computed from all.
    #[arg(long, value_name = "DIRS", env = "AFTERCLICK_OTHER_JOURNALS")]
    pub(crate) other_journals: Option<String>,
    /// Hot state: `embedded` (the default) or `redis://host:port`.
    #[arg(long, value_name = "URL", env = "AFTERCLICK_STATE")]
    pub(crate) state: Option<String>,
    /// File with the address of the hot state, if it holds a password.
    #[arg(long, value_name = "FILE", env = "AFTERCLICK_STATE_FILE")]
    pub(crate) state_file: Option<String>,
    /// The agency's own link hosts, comma-separated.
    #[arg(long, value_name = "HOSTS", env = "AFTERCLICK_HOSTS")]
    pub(crate) hosts: Option<String>,
    /// Threads that serve the public listener, one a core [default: all cores].
    #[arg(long, value_name = "N", env = "AFTERCLICK_WORKERS")]
    pub(crate) workers: Option<String>,
    /// Connections that one client address may have open at a worker; an IPv6 address counts by its
    /// first 64 bits. Behind a proxy, requests that are not answered yet [default: 1024, but at most
    /// a quarter of all].
    #[arg(long, value_name = "N", env = "AFTERCLICK_CONNECTIONS_PER_ADDRESS")]
    pub(crate) connections_per_address: Option<String>,
    /// Scheme that visitors see: `auto` (the default), `https` or `http`; decides the cookie's name
    /// and `Secure`.
    #[arg(long, value_name = "SCHEME", env = "AFTERCLICK_SCHEME")]
    pub(crate) scheme: Option<String>,
    /// What a click survives: `os` (a kill; the default) or `disk` (a power cut).
    #[arg(long, value_name = "CLASS", env = "AFTERCLICK_CLICKS")]
    pub(crate) clicks: Option<String>,
    /// Most clicks a minute on one link that are billable from one block of addresses and user
    /// agent; 0 switches it off [default: 60].
    #[arg(long, value_name = "N", env = "AFTERCLICK_FLOOD_PER_MINUTE")]
    pub(crate) flood_per_minute: Option<String>,
    /// Most clicks an hour on one link that are billable from one block of addresses; 0 switches it
    /// off [default: 1200].
    #[arg(long, value_name = "N", env = "AFTERCLICK_FLOOD_PER_HOUR")]
    pub(crate) flood_per_hour: Option<String>,
    /// Networks of proxies whose `X-Forwarded-For` is believed and whose connections are not
    /// bounded, comma-separated [default: loopback,private].
    #[arg(long, value_name = "NETWORKS", env = "AFTERCLICK_TRUSTED_PROXIES")]
    pub(crate) trusted_proxies: Option<String>,
    /// Bytes after which a journal segment is sealed [default: 134217728].
    #[arg(long, value_name = "BYTES", env = "AFTERCLICK_SEGMENT_BYTES")]
    pub(crate) segment_bytes: Option<String>,
    /// Where sealed segments are copied to: a folder, or `s3://bucket/prefix`.
    #[arg(long, value_name = "PLACE", env = "AFTERCLICK_SHIP")]
    pub(crate) ship: Option<String>,
    /// Days after which a copied segment is removed here.
    #[arg(long, value_name = "DAYS", env = "AFTERCLICK_RETAIN_DAYS")]
    pub(crate) retain_days: Option<String>,
    /// Bytes of copied segments that stay here at most.
    #[arg(long, value_name = "BYTES", env = "AFTERCLICK_RETAIN_BYTES")]
    pub(crate) retain_bytes: Option<String>,
    /// How often a shop without webhooks (Magento) is asked for its orders, in seconds [default:
    /// 120].
    #[arg(long, value_name = "SECONDS", env = "AFTERCLICK_POLL_SECONDS")]
    pub(crate) poll_seconds: Option<String>,
    /// How often other shops are asked for orders whose webhooks were lost, in seconds [default:
    /// 3600].
    #[arg(long, value_name = "SECONDS", env = "AFTERCLICK_RECONCILE_SECONDS")]
    pub(crate) reconcile_seconds: Option<String>,
    /// Contact for `/.well-known/security.txt`, e.g. `mailto:security@shop.example`.
    #[arg(long, value_name = "URI", env = "AFTERCLICK_SECURITY_CONTACT")]
    pub(crate) security_contact: Option<String>,
    /// A first admin token, with which a new installation can be set up through the API.
    #[arg(long, value_name = "TOKEN", env = "AFTERCLICK_ADMIN_TOKEN", hide_env_values = true)]
    pub(crate) admin_token: Option<String>,
    /// File with the first admin token: other users of the machine see flags.
    #[arg(long, value_name = "FILE", env = "AFTERCLICK_ADMIN_TOKEN_FILE")]
    pub(crate) admin_token_file: Option<String>,
    /// Where commands that ask the API find it. Only these commands have flags for it.
    #[arg(skip)]
    pub(crate) server: ServerFlags,
    /// A fault to plant, to show that the tests catch it.
    #[cfg(feature = "faults")]
    #[arg(long, value_name = "FAULT", env = "AFTERCLICK_FAULT")]
    pub(crate) fault: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_command_and_every_flag_has_help() {
        let mut left = vec![Cli::command()];
        while let Some(command) = left.pop() {
            let name = command.get_name().to_owned();
            assert!(command.get_about().is_some(), "{name}");
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{name}: {}", arg.get_id());
            }
            left.extend(command.get_subcommands().cloned());
        }
    }
}
