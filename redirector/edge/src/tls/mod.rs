//! TLS of the public listener: which certificate answers which name, and where certificates come
//! from.
//!
//! Supports TLS 1.2 and 1.3, with session tickets for both. Never accepts early data: a replayed
//! click would be counted again. Never touches a connection: `handshake` does.

mod certificates;
mod challenge;

use std::sync::Arc;

use anyhow::{Context, Result};
use live::status::CertificateStatus;
use rustls::crypto::{CryptoProvider, aws_lc_rs, ring};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::{CipherSuite, ServerConfig};

pub use certificates::{Certificate, CertificateFiles, Certificates, Files};
pub use challenge::{ACME_TLS_1, Challenge};

/// HTTP/2 and HTTP/1.1, as ALPN names them.
pub const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// The configurations of handshakes, and what they share.
pub struct Tls {
    serving: Arc<ServerConfig>,
    /// For validators.
    proving: Arc<ServerConfig>,
    pub challenge: Arc<Challenge>,
    pub certificates: Arc<Certificates>,
}

impl Tls {
    /// Opens TLS with the certificates of these files.
    ///
    /// # Errors
    /// When a file cannot be read or used. The error names the file and the reason.
    pub fn open(files: &[CertificateFiles], status: Arc<CertificateStatus>) -> Result<Self> {
        let certificates = Arc::new(Certificates::new(status));
        certificates.use_files(Files::read(files)?);
        let mut serving = config(Arc::clone(&certificates) as _)?;
        serving.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
        // With tickets the visitor keeps the state of a TLS session: nothing is stored here, and
        // any worker can resume it.
        serving.ticketer = aws_lc_rs::Ticketer::new().context("no key for session tickets")?;
        serving.send_tls13_tickets = 1;
        let challenge = Arc::new(Challenge::default());
        let mut proving = config(Arc::clone(&challenge) as _)?;
        proving.alpn_protocols = vec![ACME_TLS_1.to_vec()];
        proving.send_tls13_tickets = 0;
        let (serving, proving) = (Arc::new(serving), Arc::new(proving));
        Ok(Self { serving, proving, challenge, certificates })
    }

    /// Returns the configuration that answers a hello.
    pub fn config_for(&self, hello: &ClientHello<'_>) -> &Arc<ServerConfig> {
        if Challenge::is_asked(hello) { &self.proving } else { &self.serving }
    }
}

/// TLS 1.2 and 1.3 with these certificates; sessions are not stored.
fn config(certificates: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ignore_client_order = true;
    Ok(config)
}

/// Returns the cryptography of handshakes. AES-128 comes first: AES-256 brings SHA-384, which
/// causes most of the cost of hashing. No answer is so long that a phone without AES in hardware
/// would notice.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let is_first = |suite| {
        matches!(
            suite,
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
    };
    provider.cipher_suites.sort_by_key(|suite| !is_first(suite.suite()));
    provider
}

/// Chooses ring for all other TLS of the process. It must be chosen once, because two providers are
/// compiled in.
pub fn use_ring_elsewhere() {
    // It fails only if a provider was chosen before, and the process calls this at its start.
    _ = ring::default_provider().install_default();
}
