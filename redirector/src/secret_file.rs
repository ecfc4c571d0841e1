//! Secrets that come from files, so that they stand in no list of processes and in no environment.
//!
//! SECURITY: a file that others can read or change keeps no secret, so it is refused.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Bytes that are read of a file; a secret is shorter.
const BYTES_MAX: u64 = 64 * 1024;
/// What a group may not do, and what others may not do. Container platforms hand secrets over by a
/// group, so a group may read.
const TOO_OPEN: u32 = 0o027;

/// Reads the secret in a file, without blanks and line ends around it.
///
/// # Errors
/// When the file cannot be read, is empty, is no text, or is open to others. The text says what to
/// do.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mode = file.metadata().map_err(|error| error.to_string())?.permissions().mode() & 0o777;
    if mode & TOO_OPEN != 0 {
        return Err(format!(
            "its mode is {mode:03o}, so others can read or change it; chmod 600, or 440 for a group"
        ));
    }
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text).map_err(|error| error.to_string())?;
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        secret => Ok(secret.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    #[test]
    fn a_file_that_others_can_read_or_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        write(&path, "  a-secret\n").unwrap();
        for (mode, is_kept) in
            [(0o600, true), (0o400, true), (0o440, true), (0o640, true), (0o644, false)]
                .into_iter()
                .chain([(0o444, false), (0o604, false), (0o601, false), (0o660, false)])
        {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match read(&path) {
                Ok(secret) => assert!(is_kept && secret == "a-secret", "{mode:o}"),
                Err(why) => assert!(!is_kept && why.contains("chmod 600"), "{mode:o}: {why}"),
            }
        }
    }

    #[test]
    fn a_file_without_a_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(read(&path).is_err(), "there is none");
        for content in [&b""[..], b" \n", b"\xff\xfe"] {
            write(&path, content).unwrap();
            set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            assert!(read(&path).is_err(), "{content:?}");
        }
    }
}
