//! The export: builds the next state of every table, puts it in the place of the present one, and
//! then writes the manifest. It never touches a file outside its table folders except the manifest,
//! and a table never holds a record twice, also while it works and after it was killed.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use bookings::{Conversions, Cursor, Dataset};
use jiff::civil::Date;

use crate::error::Error;
use crate::tables::part::Part;
use crate::tables::{RECORDED, parts};
use crate::write::files::{create_dir, write_whole};
use crate::write::format::Format;
use crate::write::manifest::{FileEntry, Manifest};
use crate::write::stage::{Stage, has_parts};

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

/// Exports all tables and returns the manifest that was written.
///
/// With a cursor, clicks, sessions and order facts hold only what was recorded after it;
/// conversions and commissions are always complete. If the folder already holds an export, the
/// result replaces it, or, with a cursor, continues it. `progress` is called with the path of each
/// file.
///
/// # Errors
/// When the cursor does not fit the journals or the folder, or a file cannot be written. Until every
/// file is written, readers see the earlier export. The manifest is written last: a reader that
/// follows it checks the hashes, and reads it again when one differs.
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
    let stage = Stage::begin(out, options.format, &files)?;
    parts(dataset, &conversions, &since, options.as_of, &mut |part| {
        let entry = write_part(stage.folder(), options.format, &part)?;
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
    stage.take_place()?;
    manifest.write(out)?;
    stage.end()?;
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
        return if has_parts(&options.out, options.format)? {
            refuse("holds parts but no manifest.json")
        } else {
            Ok(Vec::new())
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
