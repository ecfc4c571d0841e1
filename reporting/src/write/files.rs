//! Writes files as a whole or not at all. A reader never sees a half-written file, and a file that
//! is reported as written survives a power cut.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::hashing::Hashing;

/// Marks a file that is being written, or that a killed export left behind.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

/// Writes a file under a temporary name, syncs it, gives it its name, and returns its BLAKE3 hash.
pub(crate) fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<Hashing<File>>) -> io::Result<()>,
) -> Result<blake3::Hash, Error> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(TEMPORARY_SUFFIX);
    let temporary = PathBuf::from(temporary);
    let file = File::create(&temporary).map_err(Error::io("create", &temporary))?;
    let mut out = BufWriter::new(Hashing::new(file));
    let filled =
        fill(&mut out).and_then(|()| out.flush()).and_then(|()| out.get_ref().inner().sync_all());
    filled.map_err(Error::io("write", &temporary))?;
    fs::rename(&temporary, path).map_err(Error::io("rename", &temporary))?;
    // A name without a folder lies in the one where the program runs.
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    sync_dir(dir.unwrap_or(Path::new(".")))?;
    Ok(out.get_ref().finish())
}

/// Writes a text to a file, as a whole or not at all.
///
/// # Errors
/// [`Error::Io`] when the file cannot be written.
pub fn write_text(path: &Path, text: &str) -> Result<(), Error> {
    write_whole(path, |file| file.write_all(text.as_bytes())).map(|_| ())
}

/// Makes the names in a folder survive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("fsync the folder", dir))
}

/// Creates the folders of the path `below` inside `root`, which must exist.
pub(crate) fn create_dir(root: &Path, below: &Path) -> Result<(), Error> {
    let mut dir = root.to_owned();
    for name in below {
        let parent = dir.clone();
        dir.push(name);
        if !dir.is_dir() {
            fs::create_dir(&dir).map_err(Error::io("create", &dir))?;
            sync_dir(&parent)?;
        }
    }
    Ok(())
}
