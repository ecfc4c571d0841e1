//! The master keys on disk: `<data>/keys.json`.
//!
//! Only the owner may read the file. Secrets are never logged.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
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

/// Reads the key ring and changes nothing; `None` when there is no file.
///
/// # Errors
/// When the file cannot be read, or is not a valid key ring.
pub fn read(data: &Path) -> Result<Option<KeyRing>> {
    let path = data.join("keys.json");
    let ring = || match std::fs::read(&path) {
        Ok(text) => ring_of(&serde_json::from_slice(&text)?).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
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
    keep_private(path)?;
    ring_of(&serde_json::from_slice(&std::fs::read(path)?)?)
}

fn ring_of(file: &KeyFile) -> Result<KeyRing> {
    let keys = file.keys.iter().map(|key| {
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
    write(path, &KeyFile { keys: vec![new_key(1, KeyState::Active)] })?;
    load(path)
}

fn new_key(id: u8, state: KeyState) -> StoredKey {
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    StoredKey { id, state, secret: URL_SAFE_NO_PAD.encode(secret) }
}

/// Writes the key file. It gets its name only after its content is on disk: half a key file would
/// make every token invalid.
fn write(path: &Path, file: &KeyFile) -> Result<()> {
    let unfinished = path.with_extension("json.new");
    // A file that is there already may be somebody else's: only a new one is ours alone.
    _ = std::fs::remove_file(&unfinished);
    let mut unnamed =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    unnamed.write_all(&serde_json::to_vec_pretty(file)?)?;
    unnamed.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    std::fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(())
}

/// Returns the id and the state of every key.
///
/// # Errors
/// When the file cannot be read, or is not a valid key ring.
pub fn list(data: &Path) -> Result<Vec<(u8, KeyState)>> {
    let path = data.join("keys.json");
    let ring = load(&path).with_context(|| format!("key file {}", path.display()))?;
    Ok(ring.keys().iter().map(|key| (key.id, key.state)).collect())
}

/// Lets a new key sign, or the next one if there is one; the key that signed only verifies from
/// then on. With `prepare` the new key is only the next one, so that every node can have it before
/// it signs. Returns the new key's id. Running nodes use the file after their next start.
///
/// # Errors
/// When the file cannot be read or written, or has no room for another key.
pub fn rotate(data: &Path, prepare: bool) -> Result<u8> {
    change(data, |keys| {
        let next = keys.iter().position(|key| key.state == KeyState::Next);
        match (next, prepare) {
            (Some(next), true) => bail!("key {} is the next one already", keys[next].id),
            (None, true) => add(keys, KeyState::Next),
            (next, false) => activate_another(keys, next, KeyState::VerifyOnly),
        }
    })
}

/// Revokes a key: it signs and seals nothing more. If it was the active key, another one becomes
/// active. Returns the id of the active key. Running nodes use the file after their next start.
///
/// # Errors
/// When there is no such key, or the file cannot be read or written.
pub fn revoke(data: &Path, id: u8) -> Result<u8> {
    change(data, |keys| {
        let Some(index) = keys.iter().position(|key| key.id == id) else {
            let ids: Vec<_> = keys.iter().map(|key| key.id.to_string()).collect();
            bail!("there is no key {id}; there are {}", ids.join(", "));
        };
        let was_active = keys[index].state == KeyState::Active;
        keys[index].state = KeyState::Revoked;
        if was_active {
            let next = keys.iter().position(|key| key.state == KeyState::Next);
            return activate_another(keys, next, KeyState::VerifyOnly);
        }
        let active = keys.iter().find(|key| key.state == KeyState::Active);
        active.map(|key| key.id).context("no key is active")
    })
}

/// Makes the key at `next`, or a new one, active. The key that was active gets the state `before`.
fn activate_another(
    keys: &mut Vec<StoredKey>,
    next: Option<usize>,
    before: KeyState,
) -> Result<u8> {
    for key in keys.iter_mut().filter(|key| key.state == KeyState::Active) {
        key.state = before;
    }
    let Some(next) = next else { return add(keys, KeyState::Active) };
    keys[next].state = KeyState::Active;
    Ok(keys[next].id)
}

/// Adds a key with an id that no key ever had: the highest one and one more.
fn add(keys: &mut Vec<StoredKey>, state: KeyState) -> Result<u8> {
    let highest = keys.iter().map(|key| key.id).max().unwrap_or(0);
    let id = highest.checked_add(1).context("there is no key id left: 255 keys were made")?;
    keys.push(new_key(id, state));
    Ok(id)
}

/// Changes the keys in the file. What is written was read as a key ring before.
fn change(data: &Path, change: impl FnOnce(&mut Vec<StoredKey>) -> Result<u8>) -> Result<u8> {
    let path = data.join("keys.json");
    let changed = || {
        load(&path)?;
        let mut file: KeyFile = serde_json::from_slice(&std::fs::read(&path)?)?;
        let id = change(&mut file.keys)?;
        ring_of(&file)?;
        write(&path, &file)?;
        Ok(id)
    };
    let changed: Result<u8> = changed();
    changed.with_context(|| format!("key file {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Loads or creates the keys of a data folder without a journal.
    fn made(data: &Path) -> Result<KeyRing> {
        load_or_create(data, &data.join("journal"))
    }

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
    fn keys_rotate_at_once_or_in_two_steps() {
        let data = tempfile::tempdir().unwrap();
        made(data.path()).unwrap();
        let states = || list(data.path()).unwrap();
        assert_eq!(rotate(data.path(), false).unwrap(), 2);
        assert_eq!(states(), [(1, KeyState::VerifyOnly), (2, KeyState::Active)]);
        assert_eq!(rotate(data.path(), true).unwrap(), 3);
        assert_eq!(states()[1..], [(2, KeyState::Active), (3, KeyState::Next)]);
        assert!(rotate(data.path(), true).is_err(), "there is a next key already");
        assert_eq!(rotate(data.path(), false).unwrap(), 3);
        assert_eq!(states()[1..], [(2, KeyState::VerifyOnly), (3, KeyState::Active)]);
        let secrets: Vec<_> = made(data.path()).unwrap().keys().to_vec();
        assert!(secrets[0].secret != secrets[1].secret && secrets[1].secret != secrets[2].secret);
        let mode = std::fs::metadata(data.path().join("keys.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_revoked_key_signs_nothing_and_its_tokens_are_still_read() {
        let data = tempfile::tempdir().unwrap();
        made(data.path()).unwrap();
        let error = format!("{:#}", revoke(data.path(), 9).unwrap_err());
        assert!(error.contains("there is no key 9; there are 1"), "{error}");
        assert_eq!(revoke(data.path(), 1).unwrap(), 2, "another key signs from now on");
        let ring = made(data.path()).unwrap();
        assert_eq!((ring.active().id, ring.keys()[0].state), (2, KeyState::Revoked));
        let merchant = shared::id::MerchantId::from_bits(1);
        assert!(ring.verifying(1, merchant).is_ok(), "orders with its tokens are attributed");
        assert_eq!(rotate(data.path(), false).unwrap(), 3);
        assert_eq!(list(data.path()).unwrap()[0], (1, KeyState::Revoked), "it stays revoked");
        assert_eq!(revoke(data.path(), 2).unwrap(), 3, "an old key can be revoked, too");
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
        let first = made(data.path()).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, open_to_all).unwrap();
        let again = made(data.path()).unwrap();
        assert_eq!((mode(), again.active().secret), (0o600, first.active().secret));
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
