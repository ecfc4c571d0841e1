//! The master keys on disk: `<data>/keys.json`.
//!
//! Only the owner may read the file. Secrets are never logged.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
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
    keep_private(path)?;
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

/// Takes the file away from everybody but its owner, as after it was copied or restored. A file
/// that belongs to somebody else may be open to a group: so container platforms hand secrets over.
fn keep_private(path: &Path) -> Result<()> {
    let mode = std::fs::metadata(path)?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    match std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o700)) {
        Ok(()) => tracing::warn!(
            "{} had the mode {mode:03o}, so others could read the keys; it is {:03o} now",
            path.display(),
            mode & 0o700
        ),
        Err(_) if mode & 0o027 == 0 => {}
        Err(error) => {
            let open =
                format!("its mode is {mode:03o}, so others can read or change it; chmod 600");
            return Err(error).context(open);
        }
    }
    Ok(())
}

fn create(path: &Path) -> Result<KeyRing> {
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    let stored =
        StoredKey { id: 1, state: KeyState::Active, secret: URL_SAFE_NO_PAD.encode(secret) };
    // The file gets its name only after its content is on disk: half a key file would make every
    // token invalid.
    let unfinished = path.with_extension("json.new");
    // A file that is there already may be somebody else's: only a new one is ours alone.
    _ = std::fs::remove_file(&unfinished);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
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
    fn keys_are_their_owners_alone_whatever_was_there_before() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("keys.json");
        let open_to_all = std::fs::Permissions::from_mode(0o666);
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        // Somebody has left a file of their own under the name of the unfinished one.
        let planted = data.path().join("keys.json.new");
        std::fs::write(&planted, "planted").unwrap();
        std::fs::set_permissions(&planted, open_to_all.clone()).unwrap();
        let made = load_or_create(data.path()).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, open_to_all).unwrap();
        let again = load_or_create(data.path()).unwrap();
        assert_eq!((mode(), again.active().secret), (0o600, made.active().secret));
    }

    #[test]
    fn a_damaged_key_file_is_an_error_that_names_it() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("keys.json"), "{\"keys\":[]}").unwrap();
        let error = format!("{:#}", load_or_create(data.path()).err().unwrap());
        assert!(error.contains("keys.json") && error.contains("exactly one key"), "{error}");
    }
}
