//! The export: writes the parts of every table, then the manifest, and then removes outdated parts.
//! It never touches a file outside its six table folders except the manifest, and never leaves a
//! folder that counts a record twice.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use crate::error::Error;
use crate::read::cursor::Cursor;
use crate::read::dataset::Dataset;
use crate::settle::conversion::Conversions;
use crate::tables::part::Part;
use crate::tables::{DERIVED, RECORDED, parts};
use crate::write::files::{TEMPORARY_SUFFIX, create_dir, sync_dir, write_whole};
use crate::write::format::Format;
use crate::write::manifest::{FileEntry, Manifest};

/// What to export, and to which folder.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// The folder to write to. It is created when it does not exist.
    pub out: PathBuf,
    /// The file format.
    pub format: Format,
    /// The end of an earlier export, whose records are left out; `None` exports everything.
    pub since: Option<Cursor>,
    /// The day that decides which commissions are approved: those payable on or before it.
    pub as_of: Date,
}

/// Exports all six tables and returns the manifest that was written.
///
/// With a cursor, clicks, sessions and order facts hold only what was recorded after it;
/// conversions and commissions are always complete. If the folder already holds an export, the
/// result replaces it, or, with a cursor, continues it. `progress` is called with the path of each
/// file.
///
/// # Errors
/// When the cursor does not fit the journals or the folder, or a file cannot be written. The
/// manifest is written last: until then, a reader that follows it sees the earlier export.
pub fn export(
    dataset: &Dataset,
    options: &ExportOptions,
    progress: &dyn Fn(&str),
) -> Result<Manifest, Error> {
    let since = options.since.clone().unwrap_or_default();
    since.check(&dataset.ends)?;
    let conversions = Conversions::of(dataset)?;
    let out = options.out.as_path();
    fs::create_dir_all(out).map_err(Error::io("create", out))?;
    let _lock = lock(out)?;
    let mut files = files_to_keep(options)?;
    parts(dataset, &conversions, &since, options.as_of, &mut |part| {
        let entry = write_part(out, options.format, &part)?;
        progress(&entry.path);
        files.push(entry);
        Ok(())
    })?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let manifest = Manifest {
        format: options.format.to_string(),
        as_of: options.as_of.to_string(),
        cursor: since.advanced(&dataset.ends).to_string(),
        files,
    };
    manifest.write(out)?;
    remove_unlisted(out, options.format, &manifest)?;
    Ok(manifest)
}

/// Locks the folder, so that two exports never write to it at once. Dropping the handle unlocks it.
fn lock(out: &Path) -> Result<File, Error> {
    let handle = File::open(out).map_err(Error::io("open", out))?;
    match handle.try_lock() {
        Ok(()) => Ok(handle),
        Err(TryLockError::WouldBlock) => Err(Error::Busy { out: out.to_owned() }),
        Err(TryLockError::Error(source)) => Err(Error::io("lock", out)(source)),
    }
}

fn write_part(out: &Path, format: Format, part: &Part) -> Result<FileEntry, Error> {
    let path = part.path(format.as_str());
    let below = Path::new(&path);
    create_dir(out, below.parent().unwrap_or(below))?;
    let hash = write_whole(&out.join(below), |file| format.write(&part.sheet, file))?;
    Ok(FileEntry::of(part, path, &hash))
}

/// Returns the files of an earlier export that an export with a cursor keeps and continues.
fn files_to_keep(options: &ExportOptions) -> Result<Vec<FileEntry>, Error> {
    let Some(since) = &options.since else { return Ok(Vec::new()) };
    let refuse = |reason: &str| {
        Err(Error::Discontinuous { out: options.out.clone(), reason: reason.to_owned() })
    };
    let Some(earlier) = Manifest::read(&options.out)? else {
        let parts = parts_on_disk(&options.out, options.format)?;
        return if parts.is_empty() {
            Ok(Vec::new())
        } else {
            refuse("holds parts but no manifest.json")
        };
    };
    if earlier.format != options.format.as_str() {
        return refuse(&format!("holds an export in the format {}", earlier.format));
    }
    if !earlier.cursor.parse::<Cursor>()?.reaches(since) {
        return refuse("ends before --since");
    }
    let mut kept: Vec<_> =
        earlier.files.into_iter().filter(|file| RECORDED.contains(&file.table.as_str())).collect();
    // Files that an earlier run wrote after the same cursor are written again.
    kept.retain(|file| file.first_seq <= since.position(&file.node));
    if kept.iter().any(|file| since.is_before(&file.node, file.last_seq)) {
        return refuse("has files that reach over --since");
    }
    Ok(kept)
}

/// Removes the parts that the manifest does not list: they belong to an earlier export, or a killed
/// export left them behind.
fn remove_unlisted(out: &Path, format: Format, manifest: &Manifest) -> Result<(), Error> {
    let listed: BTreeSet<PathBuf> =
        manifest.files.iter().map(|file| out.join(&file.path)).collect();
    for path in parts_on_disk(out, format)? {
        if listed.contains(&path) {
            continue;
        }
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        if let Some(day) = path.parent() {
            // This fails when the folder holds other files; then it has to stay.
            let _ = fs::remove_dir(day);
        }
    }
    sync_dir(out)
}

/// Returns every part of this format in the folder, whether a manifest lists it or not.
fn parts_on_disk(out: &Path, format: Format) -> Result<Vec<PathBuf>, Error> {
    let extension = format!(".{format}");
    let is_part = |name: &str| {
        let name = name.strip_suffix(TEMPORARY_SUFFIX).unwrap_or(name);
        name.starts_with("part-") && name.ends_with(&extension)
    };
    let mut found = Vec::new();
    for table in RECORDED.iter().chain(&DERIVED) {
        for (day, name) in list_dir(&out.join(table))? {
            if name.starts_with("date=") && day.is_dir() {
                found.extend(
                    list_dir(&day)?
                        .into_iter()
                        .filter(|(_, name)| is_part(name))
                        .map(|(path, _)| path),
                );
            }
        }
    }
    Ok(found)
}

/// Lists a folder's entries with their names. A missing folder has none.
fn list_dir(dir: &Path) -> Result<Vec<(PathBuf, String)>, Error> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let listing = fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let listing = listing.map_err(Error::io("list", dir))?;
    let named =
        |entry: fs::DirEntry| (entry.path(), entry.file_name().to_string_lossy().into_owned());
    Ok(listing.into_iter().map(named).collect())
}
