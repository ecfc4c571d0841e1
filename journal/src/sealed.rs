//! Sealed segments, which have a later one and never change again. They may be copied elsewhere,
//! and the oldest may be removed; it never removes one that a writer could still need.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::Error;
use crate::layout::{SegmentPath, stream_files, sync_dir};
use crate::stream_name::StreamName;

/// A segment that has a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The segment's file.
    pub path: PathBuf,
    /// The sequence of its first record.
    pub first_seq: u64,
    /// The sequence of its last record.
    pub last_seq: u64,
    /// The length of the file.
    pub bytes: u64,
    /// When the file was last written.
    pub written_at: SystemTime,
}

/// Returns a stream's sealed segments, oldest first.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read.
pub fn sealed(journal_dir: &Path, stream: &StreamName) -> Result<Vec<Sealed>, Error> {
    let segments = stream_files(&journal_dir.join(stream.as_str()))?.segments;
    segments.windows(2).map(|pair| sealed_before(&pair[0], &pair[1])).collect()
}

/// Describes `segment`, which ends before the `following` one.
fn sealed_before(segment: &SegmentPath, following: &SegmentPath) -> Result<Sealed, Error> {
    let path = segment.path.clone();
    let metadata = fs::metadata(&path).map_err(Error::io("look at", &path))?;
    let written_at = metadata.modified().map_err(Error::io("look at", &path))?;
    let (first_seq, last_seq) = (segment.first_seq, following.first_seq - 1);
    Ok(Sealed { path, first_seq, last_seq, bytes: metadata.len(), written_at })
}

/// Removes the oldest segment of a stream, which must be sealed. A reader that needs it then gets
/// [`Error::Missing`].
///
/// # Errors
/// [`Error::NotOldest`] when another segment is older, or the segment is not sealed; [`Error::Io`]
/// when it cannot be removed.
pub fn remove_oldest(
    journal_dir: &Path,
    stream: &StreamName,
    segment: &Sealed,
) -> Result<(), Error> {
    let oldest = sealed(journal_dir, stream)?.into_iter().next();
    if oldest.is_none_or(|oldest| oldest.path != segment.path) {
        return Err(Error::NotOldest { path: segment.path.clone() });
    }
    fs::remove_file(&segment.path).map_err(Error::io("remove", &segment.path))?;
    sync_dir(&journal_dir.join(stream.as_str()))
}

/// Returns the oldest sequence that a stream still has; 1 for a stream without segments.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read.
pub fn oldest_seq(journal_dir: &Path, stream: &StreamName) -> Result<u64, Error> {
    let segments = stream_files(&journal_dir.join(stream.as_str()))?.segments;
    Ok(segments.first().map_or(1, |segment| segment.first_seq))
}
