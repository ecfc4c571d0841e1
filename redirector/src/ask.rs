//! Commands that ask a running server: finds its address and the token in the settings, and hands
//! over to `client`.
//!
//! SECURITY: the first admin token of the settings goes to the server of the settings alone, never
//! to an address that was only named for this command.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::Result;
use client::{Asked, Server};
use url::{Host, Url};

use crate::cli::Settings;
use crate::config::{Config, ConfigError};
use crate::outbound::{self, Policy};

/// How long a request may take. The server itself gives up after 60 seconds; a file has to get
/// there.
const TIMEOUT: Duration = Duration::from_secs(180);

/// Runs a command that asks the API.
///
/// # Errors
/// When settings are invalid or there is no token, and when the server refuses or does not answer.
pub(crate) fn ask(asked: &Asked) -> Result<()> {
    let config = Config::resolve(&Settings::of(asked.server.clone()))?;
    client::run(asked, &server(&config)?)
}

/// Returns the server of the settings, with the token for it.
pub(crate) fn server(config: &Config) -> Result<Server, ConfigError> {
    let url = config.url.clone().map_or_else(|| admin_url(config), Ok)?;
    let is_ours = config.url.is_none() || is_admin_host(&url, config);
    let first = config.admin_token.clone().filter(|_| is_ours);
    let token = config.token.clone().or(first).ok_or_else(|| missing_token(&url))?;
    let agent = outbound::client(Policy { timeout: TIMEOUT, ..Policy::default() });
    Ok(Server { agent, url, token, key: format!("{:032x}", rand::random::<u128>()) })
}

/// Returns the address of the admin listener of the settings. One that listens everywhere is asked
/// on this machine.
fn admin_url(config: &Config) -> Result<Url, ConfigError> {
    let mut address = config.admin;
    if address.ip().is_unspecified() {
        let is_v4 = address.is_ipv4();
        address.set_ip(if is_v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let url = Url::parse(&format!("http://{address}")).ok().filter(|_| address.port() != 0);
    url.ok_or_else(|| {
        let way_out = "says no port to ask; --url, AFTERCLICK_URL or `url` say where the server is";
        ConfigError(vec![format!("admin = `{}`: {way_out}", config.admin)])
    })
}

/// Returns whether an address is that of the settings' own admin listener.
fn is_admin_host(url: &Url, config: &Config) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback() || config.admin.ip() == address,
        Some(Host::Ipv6(address)) => address.is_loopback() || config.admin.ip() == address,
        Some(Host::Domain(name)) => {
            name == "localhost" || config.admin_hosts.iter().any(|host| host == name)
        }
        None => false,
    }
}

fn missing_token(url: &Url) -> ConfigError {
    ConfigError(vec![format!(
        "token: no access token for {url}; set AFTERCLICK_TOKEN, or `token_file` to a file that holds \
         one. On the server's machine `afterclick token create --role admin` makes one"
    )])
}
