//! Which files a journal has: the folders, file names and locks of its streams; it never opens a
//! segment.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::stream_name::StreamName;

/// The mode of every file that is made here. A journal holds secrets and what shops sent, so nobody
/// but its owner may read it, whatever the folder allows.
pub(crate) const OWNER_ALONE: u32 = 0o600;

/// Returns the streams of a journal, sorted by name. A missing folder is an empty journal.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read.
pub fn streams(journal_dir: &Path) -> Result<Vec<StreamName>, Error> {
    let mut found = Vec::new();
    for path in entries(journal_dir)? {
        found.extend(stream_of_dir(&path));
    }
    found.sort();
    Ok(found)
}

/// Returns the stream whose folder an entry of the journal folder is, or `None` for anything else.
pub(crate) fn stream_of_dir(path: &Path) -> Option<StreamName> {
    let name = StreamName::new(path.file_name()?.to_str()?).ok()?;
    path.is_dir().then_some(name)
}

/// A segment file that was listed and not opened.
#[derive(Clone, Debug)]
pub(crate) struct SegmentPath {
    pub(crate) first_seq: u64,
    pub(crate) path: PathBuf,
}

/// The files of one stream, sorted by kind and name.
#[derive(Debug, Default)]
pub(crate) struct StreamFiles {
    pub(crate) segments: Vec<SegmentPath>,
    /// Files with the bytes that recoveries took out of segments.
    pub(crate) set_aside: Vec<PathBuf>,
    /// Files that no journal writes.
    pub(crate) unknown: Vec<PathBuf>,
}

/// The name of the lock file in a stream's folder.
const LOCK_NAME: &str = "lock";
/// The name of the file in a stream's folder that names the records that were given up.
const GAPS_NAME: &str = "gaps";
/// The folder that says how far each stream was on disk. It is no name of a stream. It sorts before
/// them, so that a copy made name by name never says more than its segments hold.
const MARKS_NAME: &str = "_marks";
const MARK_SUFFIX: &str = ".mark";
const SEGMENT_SUFFIX: &str = ".seg";
const CUT_INFIX: &str = ".seg.cut-";
/// As many digits as `u64::MAX` has, so that names sort like numbers.
const SEQ_DIGITS: usize = 20;

/// Returns the path of the segment that begins with `first_seq`.
pub(crate) fn segment_path(stream_dir: &Path, first_seq: u64) -> PathBuf {
    debug_assert!(first_seq > 0, "sequences start at 1");
    stream_dir.join(format!("{first_seq:0SEQ_DIGITS$}{SEGMENT_SUFFIX}"))
}

/// Returns the path of the list of records that were given up.
pub(crate) fn gaps_path(stream_dir: &Path) -> PathBuf {
    stream_dir.join(GAPS_NAME)
}

/// Returns the folder of all marks.
pub(crate) fn marks_dir(journal_dir: &Path) -> PathBuf {
    journal_dir.join(MARKS_NAME)
}

/// Returns the path of a stream's mark.
pub(crate) fn mark_path(journal_dir: &Path, stream: &StreamName) -> PathBuf {
    marks_dir(journal_dir).join(format!("{stream}{MARK_SUFFIX}"))
}

/// Returns the stream whose mark a file is.
pub(crate) fn stream_of_mark(path: &Path) -> Option<StreamName> {
    StreamName::new(path.file_name()?.to_str()?.strip_suffix(MARK_SUFFIX)?).ok()
}

/// Returns an unused path for the bytes that are cut out of `segment` from `offset` on.
///
/// A recovery that was itself killed may have left a partial copy behind. That is kept as well.
pub(crate) fn unused_cut_path(segment: &Path, offset: u64) -> PathBuf {
    let base = format!("{}.cut-{offset}", segment.display());
    let numbered = (1_u32..).map(|number| PathBuf::from(format!("{base}-{number}")));
    let mut candidates = std::iter::once(PathBuf::from(&base)).chain(numbered);
    candidates.find(|path| !path.exists()).unwrap_or_else(|| PathBuf::from(base))
}

/// Lists the files of a stream's folder by kind. A missing folder has none.
pub(crate) fn stream_files(stream_dir: &Path) -> Result<StreamFiles, Error> {
    let mut files = StreamFiles::default();
    for path in entries(stream_dir)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(first_seq) = parse_segment_name(name) {
            files.segments.push(SegmentPath { first_seq, path });
        } else if name.contains(CUT_INFIX) {
            files.set_aside.push(path);
        } else if name != LOCK_NAME && name != GAPS_NAME {
            files.unknown.push(path);
        }
    }
    files.segments.sort_by_key(|segment| segment.first_seq);
    Ok(files)
}

/// Parses a segment's first sequence from its name. Zero is invalid: sequences start at 1.
fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SEGMENT_SUFFIX)?;
    if digits.len() != SEQ_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|seq| *seq > 0)
}

/// Lists a folder's entries, sorted, so that the order is the same on every file system.
pub(crate) fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", dir)(error)),
    };
    let paths: io::Result<Vec<PathBuf>> =
        listing.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(Error::io("list", dir))?;
    paths.sort();
    Ok(paths)
}

/// Creates the stream's folder. When it returns, the folder's name is on disk.
pub(crate) fn create_stream_dir(journal_dir: &Path, stream: &StreamName) -> Result<PathBuf, Error> {
    let stream_dir = journal_dir.join(stream.as_str());
    if !stream_dir.is_dir() {
        fs::create_dir_all(&stream_dir).map_err(Error::io("create", &stream_dir))?;
        let parent = journal_dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_dir(parent.unwrap_or(Path::new(".")))?;
    }
    sync_dir(journal_dir)?;
    Ok(stream_dir)
}

/// A stream's lock. The kernel releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    folder: File,
}

impl Drop for Lock {
    /// Closing the handles is not enough: a child process that was just forked may have copies of
    /// them until it runs its program.
    fn drop(&mut self) {
        _ = self.file.unlock();
        _ = self.folder.unlock();
    }
}

/// Takes the stream's lock: its folder, and a file in it.
///
/// The folder holds when somebody removes or replaces the file. The file holds where a network file
/// system cannot lock folders, and against a release that knows the file alone.
pub(crate) fn lock_stream(stream_dir: &Path) -> Result<Lock, Error> {
    let in_use = || Error::InUse { dir: stream_dir.to_owned() };
    let folder = File::open(stream_dir).map_err(Error::io("open", stream_dir))?;
    if matches!(folder.try_lock(), Err(TryLockError::WouldBlock)) {
        return Err(in_use());
    }
    let path = stream_dir.join(LOCK_NAME);
    let opened =
        OpenOptions::new().write(true).create(true).truncate(false).mode(OWNER_ALONE).open(&path);
    let file = opened.map_err(Error::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { file, folder }),
        Err(TryLockError::WouldBlock) => Err(in_use()),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
    }
}

/// Fsyncs a folder, so that the names in it survive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    let synced = File::open(dir).and_then(|handle| handle.sync_all());
    synced.map_err(Error::io("fsync the folder", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_name_reads_back_and_nothing_else_does() {
        let path = segment_path(Path::new("j"), 42);
        assert_eq!(path, Path::new("j/00000000000000000042.seg"));
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(parse_segment_name(name), Some(42));
        assert_eq!(parse_segment_name("18446744073709551615.seg"), Some(u64::MAX));
        let zero = format!("{:020}.seg", 0);
        for bad in [
            "42.seg",
            "0000000000000000042x.seg",
            "99999999999999999999.seg",
            "+0000000000000000042.seg",
            &zero,
        ] {
            assert_eq!(parse_segment_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_missing_journal_is_empty_and_streams_come_sorted() {
        let folder = tempfile::tempdir().unwrap();
        assert!(streams(&folder.path().join("none")).unwrap().is_empty());
        for name in ["main", "core-1", "core-0", "Not-a-stream"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("a-file"), "").unwrap();
        let names: Vec<String> =
            streams(folder.path()).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["core-0", "core-1", "main"]);
    }
}
