//! The master keys on disk: `<data>/keys.json`.
//!
//! Only the owner may read the file. Secrets are never logged.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng;
use serde::{Deserialize, Serialize};
use shared::token::{KeyRing, KeyState, MasterKey};

#[derive(Serialize, Deserialize)]
struct KeyFile {
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    id: u8,
    state: KeyState,
    /// 32 bytes, base64url.
    secret: String,
}

/// Loads the key ring. If there is no file yet, creates one with a new active key.
///
/// # Errors
/// When the file cannot be read or written, or is not a valid key ring.
pub fn load_or_create(data: &Path) -> Result<KeyRing> {
    let path = data.join("keys.json");
    let ring = if path.exists() { load(&path) } else { create(&path) };
    ring.with_context(|| format!("key file {}", path.display()))
}

fn load(path: &Path) -> Result<KeyRing> {
    let file: KeyFile = serde_json::from_slice(&std::fs::read(path)?)?;
    let keys = file.keys.into_iter().map(|key| {
        let secret =
            URL_SAFE_NO_PAD.decode(&key.secret).ok().and_then(|bytes| bytes.try_into().ok());
        let secret = secret
            .with_context(|| format!("key {}: secret is not 32 bytes of base64url", key.id))?;
        Ok(MasterKey { id: key.id, state: key.state, secret })
    });
    Ok(KeyRing::new(keys.collect::<Result<_>>()?)?)
}

fn create(path: &Path) -> Result<KeyRing> {
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    let stored =
        StoredKey { id: 1, state: KeyState::Active, secret: URL_SAFE_NO_PAD.encode(secret) };
    // The file gets its name only after its content is on disk: half a key file would make every
    // token invalid.
    let unfinished = path.with_extension("json.new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(&serde_json::to_vec_pretty(&KeyFile { keys: vec![stored] })?)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    std::fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    load(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_key_is_kept_and_only_its_owner_may_read_it() {
        let data = tempfile::tempdir().unwrap();
        let made = load_or_create(data.path()).unwrap();
        let again = load_or_create(data.path()).unwrap();
        assert_eq!(made.active().secret, again.active().secret);
        assert_ne!(made.active().secret, [0; 32]);
        let mode = std::fs::metadata(data.path().join("keys.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_file_is_an_error_that_names_it() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("keys.json"), "{\"keys\":[]}").unwrap();
        let error = format!("{:#}", load_or_create(data.path()).err().unwrap());
        assert!(error.contains("keys.json") && error.contains("exactly one key"), "{error}");
    }
}
