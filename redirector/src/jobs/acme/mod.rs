//! Certificates by ACME: a thread that orders one for each host, and orders again in time.
//!
//! Never touches a visitor's handshake, and nobody waits for it: the certificates in use stay until
//! there are others. A host that fails waits for itself alone.

mod client;
mod directory;
mod due;
mod folder;
mod settings;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use edge::tls::{Certificate, Tls};
use live::status::CertificateStatus;
use live::{Stop, clock};
use tokio::runtime::Runtime;

use crate::jobs::acme::directory::Directory;
use crate::jobs::acme::due::Due;
use crate::jobs::acme::folder::Folder;

pub(crate) use settings::{AcmeSettings, directory_address, mailbox, names};

/// How often the thread looks at the clock.
const TICK: Duration = Duration::from_millis(500);

/// Orders certificates.
pub(crate) struct Acme {
    tls: Arc<Tls>,
    status: Arc<CertificateStatus>,
    folder: Folder,
    directory: Directory,
    runtime: Runtime,
    hosts: Vec<(String, Due)>,
}

impl Acme {
    /// Puts certificates that were kept to use. Asks nobody yet.
    ///
    /// # Errors
    /// When the folder cannot be made or the roots cannot be read.
    pub(crate) fn open(
        settings: &AcmeSettings,
        data: &Path,
        tls: Arc<Tls>,
        status: Arc<CertificateStatus>,
    ) -> Result<Self> {
        let folder = Folder::open(data)?;
        let directory = Directory::new(settings.clone())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let mut acme = Self {
            tls,
            status,
            folder,
            directory,
            runtime: runtime.context("a runtime for ACME")?,
            hosts: vec![],
        };
        acme.hosts =
            settings.hosts.iter().map(|host| (host.clone(), acme.take_kept(host))).collect();
        Ok(acme)
    }

    /// Uses what was kept for a host; when the next is due.
    fn take_kept(&self, host: &str) -> Due {
        let kept = self.folder.certificate(host).unwrap_or_else(|error| {
            tracing::warn!("a certificate that was kept cannot be used: {error:#}");
            None
        });
        let good = |certificate: &Certificate| {
            certificate.is_for(host) && certificate.not_after > clock::now()
        };
        let Some(kept) = kept.filter(|kept| good(&kept.certificate)) else {
            tracing::warn!(
                "no certificate for {host} yet: visitors cannot connect before the directory gives one"
            );
            return Due::default();
        };
        let renewal = Due::renewal(kept.certificate.not_before, kept.certificate.not_after);
        self.tls.certificates.use_acme(host, kept.certificate);
        // Another directory's certificate is used until this one has given its own.
        if kept.directory == self.directory.address() { renewal } else { Due::default() }
    }

    /// Orders what is due, until told to stop.
    pub(crate) fn run(mut self, stop: &Stop) {
        while !stop.is_set() {
            for place in 0..self.hosts.len() {
                if self.hosts[place].1.at <= clock::now() {
                    self.hosts[place].1 =
                        self.order(&self.hosts[place].0.clone(), self.hosts[place].1);
                }
            }
            stop.sleep(TICK);
        }
    }

    /// Orders a certificate and uses it; when the next is due.
    fn order(&mut self, host: &str, due: Due) -> Due {
        let order = self.directory.order(host, &self.tls.challenge, &self.folder);
        match self.runtime.block_on(order) {
            Ok(certificate) => {
                let (not_before, not_after) = (certificate.not_before, certificate.not_after);
                self.tls.certificates.use_acme(host, certificate);
                self.status.ordered(true);
                tracing::info!("a new certificate for {host}");
                due.after_certificate(not_before, not_after, clock::now())
            }
            Err(error) => {
                let now = clock::now();
                let again = due.after_failure(now);
                self.status.ordered(false);
                let minutes = again.at.since(now).as_minutes();
                tracing::warn!(
                    "no new certificate for {host}, tried again in {minutes} min: {error:#}"
                );
                again
            }
        }
    }
}
