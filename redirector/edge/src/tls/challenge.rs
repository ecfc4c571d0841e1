//! The challenge of TLS-ALPN-01 (RFC 8737): a certificate that proves to an ACME directory that a
//! host leads to this server.
//!
//! SECURITY: only a handshake that offers `acme-tls/1` and nothing else gets it, only while a
//! certificate is being requested, and only for that certificate's host. A visitor never gets it,
//! and such a connection never carries a request.

use std::sync::Arc;

use anyhow::{Context, Result};
use arc_swap::ArcSwapOption;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The ALPN protocol that validators offer.
pub const ACME_TLS_1: &[u8] = b"acme-tls/1";

/// The answer to validators. It holds one host, because hosts are proven one after another.
#[derive(Debug, Default)]
pub struct Challenge(ArcSwapOption<Proof>);

#[derive(Debug)]
struct Proof {
    host: String,
    key: Arc<CertifiedKey>,
}

/// Keeps a challenge answered until it is dropped.
pub struct Showing<'a>(&'a Challenge);

impl Challenge {
    /// Answers a host's validators with the digest of the key authorization.
    ///
    /// # Errors
    /// When no certificate can be created from them.
    pub fn show(&self, host: &str, digest: &[u8; 32]) -> Result<Showing<'_>> {
        let key = certificate(host, digest).context("no certificate for the challenge")?;
        self.0.store(Some(Arc::new(Proof { host: host.to_owned(), key: Arc::new(key) })));
        Ok(Showing(self))
    }

    /// Returns whether a hello comes from a validator.
    pub fn is_asked(hello: &ClientHello<'_>) -> bool {
        let Some(mut offered) = hello.alpn() else { return false };
        offered.next() == Some(ACME_TLS_1) && offered.next().is_none()
    }
}

impl Drop for Showing<'_> {
    fn drop(&mut self) {
        self.0.0.store(None);
    }
}

impl ResolvesServerCert for Challenge {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let proof = self.0.load();
        let proof = proof.as_ref().filter(|proof| hello.server_name() == Some(&proof.host))?;
        Self::is_asked(&hello).then(|| Arc::clone(&proof.key))
    }
}

fn certificate(host: &str, digest: &[u8; 32]) -> Result<CertifiedKey> {
    let key = KeyPair::generate()?;
    let mut wanted = CertificateParams::new(vec![host.to_owned()])?;
    wanted.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = wanted.self_signed(&key)?;
    let key = any_supported_type(&PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
    Ok(CertifiedKey::new(vec![certificate.into()], key))
}
