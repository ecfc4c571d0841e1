//! The certificates in use, by name. They come from files or from ACME, are checked before use, and
//! are replaced at once.
//!
//! Never drops a certificate because a new file cannot be used: the old one stays in its place.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use arc_swap::ArcSwap;
use live::status::CertificateStatus;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use shared::time::Timestamp;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The file of a certificate chain, and the file of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    pub chain: PathBuf,
    pub key: PathBuf,
}

/// A certificate that was checked and can be used.
#[derive(Debug, Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    /// The hosts that it is for, in lower case. `*.shop.example` stands for every host directly
    /// below `shop.example`.
    names: Vec<String>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl Certificate {
    /// Reads a certificate from a chain and its key, both PEM.
    ///
    /// # Errors
    /// When they cannot be read, do not belong together, or name no host.
    pub fn read(chain: &[u8], key: &[u8]) -> Result<Self> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>()?;
        let Some(leaf) = chain.first() else { bail!("no certificate in it; expected PEM") };
        let (_, parsed) = X509Certificate::from_der(leaf).context("not an X.509 certificate")?;
        let names = names_of(&parsed);
        ensure!(!names.is_empty(), "the certificate names no host (subject alternative name)");
        let at = |seconds: i64| Timestamp::from_ms(seconds.saturating_mul(1000));
        let validity = parsed.validity();
        let not_before = at(validity.not_before.timestamp());
        let not_after = at(validity.not_after.timestamp());
        let key = PrivateKeyDer::from_pem_slice(key).context("the private key")?;
        let key = CertifiedKey::new(chain, any_supported_type(&key).context("the private key")?);
        key.keys_match().context("the private key is not this certificate's")?;
        Ok(Self { key: Arc::new(key), names, not_before, not_after })
    }

    /// Returns whether it names exactly this host. Wildcards do not count.
    pub fn is_for(&self, host: &str) -> bool {
        self.names.iter().any(|name| name == host)
    }

    /// Returns whether a visitor's browser takes it for this host.
    fn covers(&self, host: &str) -> bool {
        self.is_for(host) || wildcard_of(host).is_some_and(|wildcard| self.is_for(&wildcard))
    }
}

fn names_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let hosts = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(host) => Some(host.to_ascii_lowercase()),
        _ => None,
    });
    hosts.collect()
}

/// The certificates of the configured files.
pub struct Files(Vec<Certificate>);

/// The time and the size of each file. They show that a file has changed.
pub(super) type Stamp = Vec<Option<(SystemTime, u64)>>;

impl Files {
    /// Reads all files.
    ///
    /// # Errors
    /// When a certificate cannot be used. Names the files of the first such certificate.
    pub fn read(files: &[CertificateFiles]) -> Result<Self> {
        let read = |path: &Path| std::fs::read(path).with_context(|| path.display().to_string());
        let one = |files: &CertificateFiles| {
            Certificate::read(&read(&files.chain)?, &read(&files.key)?)
                .with_context(|| format!("{} with {}", files.chain.display(), files.key.display()))
        };
        files.iter().map(one).collect::<Result<_>>().map(Self)
    }

    pub fn stamp(files: &[CertificateFiles]) -> Stamp {
        let of =
            |path: &Path| path.metadata().and_then(|file| Ok((file.modified()?, file.len()))).ok();
        files.iter().flat_map(|files| [of(&files.chain), of(&files.key)]).collect()
    }
}

/// All certificates in use, by the name that a visitor asks for.
#[derive(Debug)]
pub struct Certificates {
    held: Mutex<Held>,
    live: ArcSwap<ByName>,
    status: Arc<CertificateStatus>,
}

#[derive(Debug, Default)]
struct Held {
    of_files: Vec<Certificate>,
    /// By the host that each was requested for.
    of_acme: BTreeMap<String, Certificate>,
}

#[derive(Debug, Default)]
struct ByName {
    names: HashMap<String, Certificate>,
    /// For visitors who name no host, or an unknown one.
    first: Option<Certificate>,
}

impl Certificates {
    /// Starts without certificates. `status` gets the expiries at each change.
    pub fn new(status: Arc<CertificateStatus>) -> Self {
        Self { held: Mutex::default(), live: ArcSwap::default(), status }
    }

    /// Replaces all certificates that came from files.
    pub fn use_files(&self, files: Files) {
        self.change(|held| held.of_files = files.0);
    }

    /// Replaces the certificate that ACME issued for a host.
    pub fn use_acme(&self, host: &str, certificate: Certificate) {
        self.change(|held| held.of_acme.insert(host.to_owned(), certificate));
    }

    /// Returns whether the certificate that answers one name is also for another one.
    pub(crate) fn are_shared(&self, name: &str, other: &str) -> bool {
        self.live.load().find(name).is_some_and(|certificate| certificate.covers(other))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Held) -> T) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut held);
        let all = || held.of_files.iter().chain(held.of_acme.values());
        self.live.store(Arc::new(ByName::of(all())));
        let expiry = |one: &Certificate| (one.names[0].clone(), one.not_after);
        self.status.set_expiries(all().map(expiry).collect());
    }
}

impl ByName {
    /// If two certificates have the same name, the first one counts.
    fn of<'a>(certificates: impl Iterator<Item = &'a Certificate>) -> Self {
        let mut live = Self::default();
        for certificate in certificates {
            live.first.get_or_insert_with(|| certificate.clone());
            for name in &certificate.names {
                live.names.entry(name.clone()).or_insert_with(|| certificate.clone());
            }
        }
        live
    }

    fn find(&self, host: &str) -> Option<&Certificate> {
        let wildcard = || self.names.get(&wildcard_of(host)?);
        self.names.get(host).or_else(wildcard).or(self.first.as_ref())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let live = self.live.load();
        let found = hello.server_name().map_or(live.first.as_ref(), |host| live.find(host));
        found.map(|certificate| Arc::clone(&certificate.key))
    }
}

/// Returns the name of a certificate that is for a host and its neighbours.
fn wildcard_of(host: &str) -> Option<String> {
    Some(format!("*.{}", host.split_once('.')?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(names: &[&str]) -> (String, String) {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn certificate(names: &[&str]) -> Certificate {
        let (chain, key) = made(names);
        Certificate::read(chain.as_bytes(), key.as_bytes()).unwrap()
    }

    #[test]
    fn a_host_gets_its_own_certificate_then_a_wildcard_then_the_first() {
        let certificates = [
            certificate(&["go.a.example"]),
            certificate(&["GO.b.example", "*.b.example"]),
            certificate(&["x.b.example"]),
        ];
        let live = ByName::of(certificates.iter());
        for (host, expected) in [
            ("go.a.example", 0),
            ("go.b.example", 1),
            ("any.b.example", 1),
            ("x.b.example", 2),
            ("deep.any.b.example", 0),
            ("b.example", 0),
            ("localhost", 0),
        ] {
            let found = &live.find(host).unwrap().key;
            assert!(Arc::ptr_eq(found, &certificates[expected].key), "{host}");
        }
    }

    #[test]
    fn hosts_share_a_connection_only_when_one_certificate_is_for_both() {
        let certificates = Certificates::new(Arc::default());
        certificates.use_acme("a", certificate(&["go.a.example", "www.a.example"]));
        certificates.use_acme("b", certificate(&["go.b.example", "*.b.example"]));
        certificates.use_acme("c", certificate(&["x.b.example"]));
        for (name, other, are) in [
            ("go.a.example", "www.a.example", true),
            ("go.a.example", "go.b.example", false),
            ("go.b.example", "any.b.example", true),
            ("any.b.example", "x.b.example", true),
            ("x.b.example", "go.b.example", false),
            ("go.b.example", "b.example", false),
            // Unknown names get the first certificate.
            ("unknown.example", "go.a.example", true),
            ("unknown.example", "other.example", false),
        ] {
            assert_eq!(certificates.are_shared(name, other), are, "{name} {other}");
        }
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let (chain, key) = made(&["go.a.example"]);
        let (_, other) = made(&["go.a.example"]);
        let refused = |chain: &str, key: &str| {
            format!("{:#}", Certificate::read(chain.as_bytes(), key.as_bytes()).unwrap_err())
        };
        assert!(refused(&chain, &other).contains("not this certificate's"));
        assert!(refused(&key, &key).contains("no certificate"));
        assert!(refused(&chain, &chain).contains("private key"));
        assert!(refused("", "").contains("no certificate"));
        let (unnamed, key) = made(&[]);
        assert!(refused(&unnamed, &key).contains("names no host"));
    }
}
