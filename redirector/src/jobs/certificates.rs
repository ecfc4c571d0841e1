//! The thread that reads certificate files again whenever they change.
//!
//! Never falls silent: what cannot be used is reported and changes nothing.

use std::time::Duration;

use edge::tls::{CertificateFiles, Files, Tls};
use live::Stop;

/// How often certificate files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Watches the files until told to stop.
pub(crate) fn run(tls: &Tls, files: &[CertificateFiles], stop: &Stop) {
    let mut seen = Files::stamp(files);
    while !stop.is_set() {
        stop.sleep(LOOK_EVERY);
        let stamp = Files::stamp(files);
        if stamp == seen {
            continue;
        }
        match Files::read(files) {
            Ok(read) => {
                tls.certificates.use_files(read);
                seen = stamp;
                tracing::info!("certificates were read again");
            }
            // Certificate and key are two files: between the two writes they do not fit, so it is
            // tried again.
            Err(error) => tracing::warn!("the certificates in use stay: {error:#}"),
        }
    }
}
