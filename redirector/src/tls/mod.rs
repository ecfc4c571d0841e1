//! TLS of the public listener: which certificate answers which name, and where certificates come from.
//!
//! Never touches a connection: `edge::handshake` does. TLS 1.2 and 1.3, tickets for both, no early data: a click that
//! somebody plays again would be counted again.

mod certificates;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, NoServerSessionStorage};

pub(crate) use certificates::Certificates;
use certificates::Files;

/// How often certificate files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// HTTP/2 and HTTP/1.1, as ALPN names them.
pub(crate) const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// A certificate chain's file and its key's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

/// What handshakes are answered with.
pub(crate) struct Tls {
    serving: Arc<ServerConfig>,
    pub(crate) certificates: Arc<Certificates>,
}

impl Tls {
    /// With the certificates of these files.
    ///
    /// # Errors
    /// When a file cannot be read or used; says which and why.
    pub(crate) fn open(files: &[CertificateFiles]) -> Result<Self> {
        let certificates = Arc::new(Certificates::default());
        certificates.use_files(Files::read(files)?);
        let mut serving = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificates) as _);
        serving.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
        // Tickets keep what a session was in the visitor's hands: nothing is stored here, and any core can go on.
        serving.session_storage = Arc::new(NoServerSessionStorage {});
        serving.ticketer = ring::Ticketer::new().context("no key for session tickets")?;
        serving.send_tls13_tickets = 1;
        Ok(Self { serving: Arc::new(serving), certificates })
    }

    /// What a hello is answered with.
    pub(crate) fn config_for(&self, _hello: &ClientHello<'_>) -> &Arc<ServerConfig> {
        &self.serving
    }

    /// Reads certificate files again whenever they change, for ever. What cannot be used is reported and changes
    /// nothing.
    pub(crate) fn watch(&self, files: &[CertificateFiles]) {
        let mut seen = Files::stamp(files);
        loop {
            thread::sleep(LOOK_EVERY);
            let stamp = Files::stamp(files);
            if stamp == seen {
                continue;
            }
            match Files::read(files) {
                Ok(read) => {
                    self.certificates.use_files(read);
                    seen = stamp;
                    tracing::info!("certificates were read again");
                }
                // Certificate and key are two files: between the two writes they do not fit, so it is tried again.
                Err(error) => tracing::warn!("the certificates in use stay: {error:#}"),
            }
        }
    }
}
