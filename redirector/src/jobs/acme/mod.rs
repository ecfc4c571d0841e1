//! Certificates by ACME: a thread that orders a certificate for each host, and renews it in time.
//!
//! It never takes part in a visitor's handshake, and no other thread waits for it: the certificates
//! in use stay until there are new ones. A host that fails delays no other host.

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

/// How often the thread checks what is due.
const TICK: Duration = Duration::from_millis(500);

pub(crate) struct Acme {
    tls: Arc<Tls>,
    status: Arc<CertificateStatus>,
    folder: Folder,
    directory: Directory,
    runtime: Runtime,
    hosts: Vec<(String, Due)>,
}

impl Acme {
    /// Puts stored certificates to use. Sends no request yet.
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

    /// Uses the stored certificate of a host, if there is one. Returns when the next one is due.
    fn take_kept(&self, host: &str) -> Due {
        let kept = self.folder.certificate(host).unwrap_or_else(|error| {
            tracing::warn!("a stored certificate cannot be used: {error:#}");
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
        // A certificate of another directory is used until this directory has issued one.
        if kept.directory == self.directory.address() { renewal } else { Due::default() }
    }

    /// Orders certificates that are due, until told to stop.
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

    /// Orders a certificate and uses it. Returns when the next one is due.
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
