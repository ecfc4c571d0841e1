//! Account and certificates on the disk, where a restart finds them again:
//! `<data>/tls/account.json` and `<data>/tls/HOST.pem`. Only their owner can read them.
//!
//! Never leaves half a file: a file gets its name only after its content is on the disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use edge::tls::Certificate;
use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};

const ACCOUNT: &str = "account.json";
/// The text before the directory's address in the first line of a certificate's file.
const FROM: &str = "from: ";

/// The folder of account and certificates.
pub(super) struct Folder(PathBuf);

/// The account with a directory, as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptAccount {
    pub(super) directory: String,
    pub(super) contact: String,
    pub(super) credentials: AccountCredentials,
}

/// A host's certificate, as it is stored.
pub(super) struct KeptCertificate {
    pub(super) certificate: Certificate,
    /// The address of the directory that issued it.
    pub(super) directory: String,
}

impl Folder {
    /// Opens the folder for account and certificates in a data folder; makes it if need be.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn open(data: &Path) -> Result<Self> {
        let path = data.join("tls");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.with_context(|| format!("folder {}", path.display()))?;
        Ok(Self(path))
    }

    /// Returns the stored account, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn account(&self) -> Result<Option<KeptAccount>> {
        let Some(text) = self.read(ACCOUNT)? else { return Ok(None) };
        let account = serde_json::from_slice(&text);
        account.map(Some).with_context(|| {
            format!("{}/{ACCOUNT}; move it away for a new account", self.0.display())
        })
    }

    pub(super) fn keep_account(&self, account: &KeptAccount) -> Result<()> {
        self.write(ACCOUNT, &serde_json::to_vec_pretty(account)?)
    }

    /// Returns the stored certificate of a host, if there is one.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub(super) fn certificate(&self, host: &str) -> Result<Option<KeptCertificate>> {
        let name = format!("{host}.pem");
        let Some(pem) = self.read(&name)? else { return Ok(None) };
        let directory = String::from_utf8_lossy(&pem)
            .lines()
            .next()
            .and_then(|line| line.strip_prefix(FROM))
            .map(str::to_owned);
        let certificate = Certificate::read(&pem, &pem)
            .with_context(|| format!("{}/{name}", self.0.display()))?;
        Ok(Some(KeptCertificate { certificate, directory: directory.unwrap_or_default() }))
    }

    /// Stores a host's chain and its key, both PEM.
    ///
    /// # Errors
    /// When they cannot be brought to the disk.
    pub(super) fn keep_certificate(
        &self,
        host: &str,
        directory: &str,
        chain: &str,
        key: &str,
    ) -> Result<()> {
        self.write(&format!("{host}.pem"), format!("{FROM}{directory}\n{chain}\n{key}").as_bytes())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.0.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let write = || {
            let unfinished = self.0.join(format!("{name}.new"));
            // A file that is there already may be somebody else's: only a new one is ours alone.
            _ = fs::remove_file(&unfinished);
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, self.0.join(name))?;
            File::open(&self.0)?.sync_all()
        };
        write().with_context(|| format!("{}/{name}", self.0.display()))
    }
}
