//! The next state of an export's tables. It is built beside the present one and takes its place
//! table by table, each in one step: whoever lists the files of a table sees the earlier rows or the
//! later ones, and none twice. It never takes a file away that is not a part of this export's format.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::error::Error;
use crate::tables::{DERIVED, RECORDED};
use crate::write::files::{TEMPORARY_SUFFIX, sync_dir};
use crate::write::format::Format;
use crate::write::manifest::FileEntry;

/// The folder in which the next state is built. Readers of a table never look into it.
const STAGE: &str = ".next";
/// What a table's folder is called where the file system cannot exchange two folders.
const BEFORE: &str = ".before";

/// The next state of an export's tables.
pub(crate) struct Stage<'a> {
    out: &'a Path,
    folder: PathBuf,
}

impl<'a> Stage<'a> {
    /// Begins with the files that stay: `kept` parts, and all that is not a part of this format.
    /// Files have one place on disk in both states.
    ///
    /// # Errors
    /// [`Error::Discontinuous`] when a file of `kept` is gone, [`Error::Io`] when a folder cannot be
    /// read or written.
    pub(crate) fn begin(out: &'a Path, format: Format, kept: &[FileEntry]) -> Result<Self, Error> {
        let stage = Self { out, folder: out.join(STAGE) };
        stage.take_back()?;
        stage.end()?;
        fs::create_dir(&stage.folder).map_err(Error::io("create", &stage.folder))?;
        let kept: BTreeSet<PathBuf> = kept.iter().map(|file| out.join(&file.path)).collect();
        if let Some(gone) = kept.iter().find(|path| !path.is_file()) {
            let reason = format!("has lost {}, which its manifest.json lists", gone.display());
            return Err(Error::Discontinuous { out: out.to_owned(), reason });
        }
        for table in tables() {
            let stays = |path: &Path| kept.contains(path) || !is_part(path, format);
            link_files(&out.join(table), &stage.folder.join(table), &stays)?;
        }
        Ok(stage)
    }

    /// Returns the folder below which new parts are written.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts every table in the place of the present one.
    ///
    /// # Errors
    /// [`Error::Io`] when a folder cannot be put in its place.
    pub(crate) fn take_place(&self) -> Result<(), Error> {
        for table in tables() {
            let (next, present) = (self.folder.join(table), self.out.join(table));
            if next.is_dir() {
                exchange(&next, &present).map_err(Error::io("put in its place", &next))?;
            }
        }
        sync_dir(self.out)
    }

    /// Removes what is no longer needed: the earlier state, or what a killed export left behind.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be removed.
    pub(crate) fn end(&self) -> Result<(), Error> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &self.folder)(error))
            }
            _ => sync_dir(self.out),
        }
    }

    /// Takes back the tables that a killed export had moved away without putting others in their
    /// place.
    fn take_back(&self) -> Result<(), Error> {
        for table in tables() {
            let (before, present) =
                (self.folder.join(format!("{table}{BEFORE}")), self.out.join(table));
            if before.is_dir() && !present.exists() {
                fs::rename(&before, &present).map_err(Error::io("rename", &before))?;
            }
        }
        Ok(())
    }
}

/// Returns whether the folder holds parts of this format, whether a manifest lists them or not.
///
/// # Errors
/// [`Error::Io`] when a folder cannot be read.
pub(crate) fn has_parts(out: &Path, format: Format) -> Result<bool, Error> {
    for table in tables() {
        for day in list(&out.join(table))?.into_iter().filter(|day| day.is_dir()) {
            if list(&day)?.iter().any(|path| is_part(path, format)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn tables() -> impl Iterator<Item = &'static str> {
    RECORDED.into_iter().chain(DERIVED)
}

/// Returns whether a path is `date=…/part-….<format>`, whole or half written.
fn is_part(path: &Path, format: Format) -> bool {
    let name = |path: Option<&Path>| {
        path.and_then(Path::file_name)
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned())
    };
    let file = name(Some(path));
    let file = file.strip_suffix(TEMPORARY_SUFFIX).unwrap_or(&file);
    let is_of_format = file.strip_suffix(format.as_str()).is_some_and(|stem| stem.ends_with('.'));
    is_of_format && file.starts_with("part-") && name(path.parent()).starts_with("date=")
}

/// Gives the files below `from` that stay a second name below `to`. A folder without such files is
/// left out.
fn link_files(from: &Path, to: &Path, stays: &dyn Fn(&Path) -> bool) -> Result<(), Error> {
    let mut links = 0;
    for path in list(from)? {
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() && !path.is_symlink() {
            link_files(&path, &target, stays)?;
        } else if stays(&path) {
            fs::create_dir_all(to).map_err(Error::io("create", to))?;
            // Some file systems have no second names.
            fs::hard_link(&path, &target)
                .or_else(|_| fs::copy(&path, &target).map(|_| ()))
                .map_err(Error::io("link", &path))?;
            links += 1;
        }
    }
    if links > 0 { sync_dir(to) } else { Ok(()) }
}

/// Lists a folder's entries. A missing folder has none.
fn list(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let paths = fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    paths.map_err(Error::io("list", dir))
}

/// Puts `next` in the place of `present`, in one step where the file system can.
fn exchange(next: &Path, present: &Path) -> io::Result<()> {
    if !present.exists() {
        return fs::rename(next, present);
    }
    match renameat_with(CWD, next, CWD, present, RenameFlags::EXCHANGE) {
        // For a moment there is no table. That is better than one with rows twice.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            let mut before = next.as_os_str().to_owned();
            before.push(BEFORE);
            fs::rename(present, before)?;
            fs::rename(next, present)
        }
        answer => Ok(answer?),
    }
}
