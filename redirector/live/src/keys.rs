//! The master keys on disk: `<data>/keys.json`.
//!
//! Only the owner may read the file. Secrets are never logged.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
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
/// When the file cannot be read or written, or is not a valid key ring. When it is missing although
/// the journal has records: with other keys, no token that visitors hold would be valid any more.
pub fn load_or_create(data: &Path, journal_dir: &Path) -> Result<KeyRing> {
    let path = data.join("keys.json");
    let ring = || {
        if path.exists() {
            return load(&path);
        }
        if journal::holds_records(journal_dir)? {
            bail!(
                "it is missing, and the journal beside it has records; put it back from a copy. If \
                 there is none, `afterclick repair --new-keys` makes new keys: the tokens that \
                 visitors hold are then worth nothing, and their orders are not credited"
            );
        }
        create(&path)
    };
    ring().with_context(|| format!("key file {}", path.display()))
}

/// Makes new keys where the key file is lost for good.
///
/// # Errors
/// When there is a key file, or it cannot be written.
pub fn create_anew(data: &Path) -> Result<KeyRing> {
    let path = data.join("keys.json");
    let ring = if path.exists() { Err(anyhow::anyhow!("it is there")) } else { create(&path) };
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
        let made = load_or_create(data.path(), data.path()).unwrap();
        let again = load_or_create(data.path(), data.path()).unwrap();
        assert_eq!(made.active().secret, again.active().secret);
        assert_ne!(made.active().secret, [0; 32]);
        let mode = std::fs::metadata(data.path().join("keys.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn keys_that_are_missing_beside_a_journal_are_not_made_unasked() {
        let data = tempfile::tempdir().unwrap();
        let journal_dir = data.path().join("journal");
        let stream = journal::StreamName::new("facts-0c1m8y5v").unwrap();
        let (mut writer, _) =
            journal::Writer::open(&journal_dir, &stream, 1, journal::Options::default()).unwrap();
        load_or_create(data.path(), &journal_dir).unwrap();
        std::fs::remove_file(data.path().join("keys.json")).unwrap();
        writer.append(b"an order").unwrap();
        writer.close().unwrap();
        let error = format!("{:#}", load_or_create(data.path(), &journal_dir).err().unwrap());
        assert!(error.contains("keys.json") && error.contains("repair --new-keys"), "{error}");
        assert!(!data.path().join("keys.json").exists());
        // The whole stream may be gone too: its mark knows of it.
        std::fs::remove_dir_all(journal_dir.join(stream.as_str())).unwrap();
        assert!(load_or_create(data.path(), &journal_dir).is_err());
        let made = create_anew(data.path()).unwrap();
        let loaded = load_or_create(data.path(), &journal_dir).unwrap();
        assert_eq!(made.active().secret, loaded.active().secret);
        assert!(create_anew(data.path()).is_err(), "keys that exist are kept");
    }

    #[test]
    fn a_damaged_key_file_is_an_error_that_names_it() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("keys.json"), "{\"keys\":[]}").unwrap();
        let error = format!("{:#}", load_or_create(data.path(), data.path()).err().unwrap());
        assert!(error.contains("keys.json") && error.contains("exactly one key"), "{error}");
    }
}
