//! Sealed segments: those that have a later one, which nobody will ever write to again. They may be
//! copied elsewhere, and then the oldest may be removed; it never removes one that a writer could
//! still need.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    Error, StreamName,
    layout::{stream_files, sync_dir},
};

/// A segment that has a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its file.
    pub path: PathBuf,
    /// Its first sequence.
    pub first_seq: u64,
    /// Its last sequence.
    pub last_seq: u64,
    /// How long it is.
    pub bytes: u64,
    /// When it was written last.
    pub written_at: SystemTime,
}

/// Lists a stream's sealed segments, oldest first.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read.
pub fn sealed(journal_dir: &Path, stream: &StreamName) -> Result<Vec<Sealed>, Error> {
    let segments = stream_files(&journal_dir.join(stream.as_str()))?.segments;
    let of_pair = |pair: &[crate::layout::SegmentPath]| {
        let path = pair[0].path.clone();
        let about = fs::metadata(&path).map_err(Error::io("look at", &path))?;
        let written_at = about.modified().map_err(Error::io("look at", &path))?;
        let (first_seq, last_seq) = (pair[0].first_seq, pair[1].first_seq - 1);
        Ok(Sealed { path, first_seq, last_seq, bytes: about.len(), written_at })
    };
    segments.windows(2).map(of_pair).collect()
}

/// Removes the oldest segment of a stream, which must be sealed. Readers that want it get
/// [`Error::Missing`] from then on.
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

/// The oldest sequence that a stream still has; 1 for one without segments.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read.
pub fn oldest_seq(journal_dir: &Path, stream: &StreamName) -> Result<u64, Error> {
    let segments = stream_files(&journal_dir.join(stream.as_str()))?.segments;
    Ok(segments.first().map_or(1, |segment| segment.first_seq))
}
