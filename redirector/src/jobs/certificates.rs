//! The thread that reads certificate files again whenever they change.
//!
//! It never fails silently: files that cannot be used are logged, and the certificates in use stay.

use std::time::Duration;

use edge::tls::{CertificateFiles, Files, Tls};
use live::Stop;

/// How often certificate files are checked for changes.
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
            // Certificate and key are two files. Between the two writes they do not fit together,
            // so it is tried again.
            Err(error) => tracing::warn!("the certificates in use stay: {error:#}"),
        }
    }
}
