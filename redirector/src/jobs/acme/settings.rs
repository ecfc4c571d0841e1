//! The settings for certificates by ACME, and how their texts are read.

use std::net::IpAddr;
use std::path::PathBuf;

use instant_acme::LetsEncrypt;

use crate::config::sources::Setting;
use crate::config::values;

/// The settings for certificates that a directory issues.
#[derive(Debug, Clone)]
pub(crate) struct AcmeSettings {
    /// Each host gets a certificate of its own, so that no host waits for another.
    pub(crate) hosts: Vec<String>,
    /// The address to which the directory may send e-mail. By setting it the operator agrees to the
    /// directory's terms of service.
    pub(crate) contact: String,
    /// The directory's address.
    pub(crate) directory: String,
    /// Root certificates to trust instead of those that browsers trust.
    pub(crate) roots: Option<PathBuf>,
}

impl AcmeSettings {
    /// Puts the settings together. Returns `None` without hosts.
    ///
    /// # Errors
    /// The text says what is missing. A setting that was given but is invalid has been reported
    /// already, and counts as given here.
    pub(crate) fn assemble(
        hosts: Setting<Vec<String>>,
        contact: Setting<String>,
        directory: Setting<String>,
        roots: Setting<PathBuf>,
    ) -> Result<Option<Self>, String> {
        let hosts = match hosts {
            Setting::Given(none) if none.is_empty() => Setting::Missing,
            hosts => hosts,
        };
        let others_are_missing =
            contact.is_missing() && directory.is_missing() && roots.is_missing();
        if hosts.is_missing() && !others_are_missing {
            let unused = "acme_contact, acme_directory, acme_roots: no hosts; set acme_hosts";
            return Err(unused.to_owned());
        }
        let Setting::Given(hosts) = hosts else { return Ok(None) };
        if contact.is_missing() {
            let missing = "acme_hosts: set acme_contact; with it you agree to the directory's terms of \
                           service";
            return Err(missing.to_owned());
        }
        let directory = directory.given().unwrap_or_else(|| LetsEncrypt::Production.url().into());
        let contact = contact.given().unwrap_or_default();
        Ok(Some(Self { hosts, contact, directory, roots: roots.given() }))
    }
}

/// Reads the host names to order certificates for, each once.
pub(crate) fn names(text: &str) -> Result<Vec<String>, String> {
    let mut names = values::hosts(text)?;
    if let Some(address) = names.iter().find(|name| name.parse::<IpAddr>().is_ok()) {
        return Err(format!("`{address}` is an address; expected names"));
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

pub(crate) fn mailbox(text: &str) -> Result<String, String> {
    let address =
        text.strip_prefix("mailto:").filter(|address| address.is_ascii() && address.contains('@'));
    address.map(|_| text.to_owned()).ok_or_else(|| "expected mailto: and an address".to_owned())
}

pub(crate) fn directory_address(text: &str) -> Result<String, String> {
    let fits = url::Url::parse(text).is_ok_and(|url| url.scheme() == "https");
    let expected = || "expected the https: address of a directory".to_owned();
    if fits { Ok(text.to_owned()) } else { Err(expected()) }
}
