//! Names, folders and locks of streams; it never opens a segment.

use std::{
    fmt, fs,
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::Error;

/// The name of a stream: 1 to 63 of `a-z`, `0-9` and `-`, not beginning with `-`.
///
/// It is a folder name on every file system, needs no quoting in a shell, and is cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`Error::InvalidName`] when it has other characters or another length.
    pub fn new(name: &str) -> Result<StreamName, Error> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 63 || name.starts_with('-') || !name.bytes().all(fits) {
            return Err(Error::InvalidName { name: name.to_owned() });
        }
        Ok(StreamName(name.into()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the checksum that binds a segment to its stream.
    pub(crate) fn checksum(&self) -> u32 {
        crc32c::crc32c(self.0.as_bytes())
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for StreamName {
    type Err = Error;

    fn from_str(name: &str) -> Result<StreamName, Error> {
        StreamName::new(name)
    }
}

/// Lists the streams of a journal, sorted by name. A missing folder is an empty journal.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read.
pub fn streams(journal_dir: &Path) -> Result<Vec<StreamName>, Error> {
    let mut found = Vec::new();
    for entry in entries(journal_dir)? {
        if let Entry::Stream(name) = journal_entry(&entry) {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

/// What an entry of the journal folder is.
pub(crate) enum Entry {
    Stream(StreamName),
    Unknown,
}

/// Tells a stream's folder from anything else.
pub(crate) fn journal_entry(path: &Path) -> Entry {
    let name = path.file_name().and_then(|name| name.to_str()).map(StreamName::new);
    match name {
        Some(Ok(name)) if path.is_dir() => Entry::Stream(name),
        _ => Entry::Unknown,
    }
}

/// A segment file, known by name only.
#[derive(Clone, Debug)]
pub(crate) struct SegmentPath {
    pub(crate) first_seq: u64,
    pub(crate) path: PathBuf,
}

/// The files of one stream, sorted.
#[derive(Debug, Default)]
pub(crate) struct StreamFiles {
    pub(crate) segments: Vec<SegmentPath>,
    /// What recoveries took out.
    pub(crate) set_aside: Vec<PathBuf>,
    pub(crate) unknown: Vec<PathBuf>,
}

/// The name of the lock file in a stream's folder.
const LOCK_NAME: &str = "lock";
const SEGMENT_SUFFIX: &str = ".seg";
const CUT_INFIX: &str = ".seg.cut-";
/// The digits of `u64::MAX`, so that names sort like numbers.
const SEQ_DIGITS: usize = 20;

/// Returns the path of the segment that begins with `first_seq`.
pub(crate) fn segment_path(stream_dir: &Path, first_seq: u64) -> PathBuf {
    stream_dir.join(format!("{first_seq:0SEQ_DIGITS$}{SEGMENT_SUFFIX}"))
}

/// Returns a path for bytes cut out of `segment` at `offset`, not in use yet.
///
/// A recovery that was itself killed may have left a part of a copy behind, which is kept as well.
pub(crate) fn free_cut_path(segment: &Path, offset: u64) -> PathBuf {
    let base = format!("{}.cut-{offset}", segment.display());
    let numbered = (1_u32..).map(|number| PathBuf::from(format!("{base}-{number}")));
    let mut candidates = std::iter::once(PathBuf::from(&base)).chain(numbered);
    candidates.find(|path| !path.exists()).unwrap_or_else(|| PathBuf::from(base))
}

/// Sorts the files of a stream's folder by kind. A missing folder has none.
pub(crate) fn stream_files(stream_dir: &Path) -> Result<StreamFiles, Error> {
    let mut files = StreamFiles::default();
    for path in entries(stream_dir)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(first_seq) = parse_segment_name(name) {
            files.segments.push(SegmentPath { first_seq, path });
        } else if name.contains(CUT_INFIX) {
            files.set_aside.push(path);
        } else if name != LOCK_NAME {
            files.unknown.push(path);
        }
    }
    files.segments.sort_by_key(|segment| segment.first_seq);
    Ok(files)
}

/// Reads a segment's first sequence from its name. Zero is none: sequences start at 1.
fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SEGMENT_SUFFIX)?;
    if digits.len() != SEQ_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|seq| *seq > 0)
}

/// Lists a folder's entries, sorted, so that reports come in the same order on every file system.
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

/// Creates the stream's folder, and has its name on disk before anything is written to it.
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

/// Takes the stream's lock. The kernel gives it back when the process ends, however it ends.
pub(crate) fn lock_stream(stream_dir: &Path) -> Result<File, Error> {
    let path = stream_dir.join(LOCK_NAME);
    let opened = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = opened.map_err(Error::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { dir: stream_dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
    }
}

/// Makes the names in a folder survive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    let synced = File::open(dir).and_then(|handle| handle.sync_all());
    synced.map_err(Error::io("fsync the folder", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_name_is_a_plain_lower_case_word() {
        for good in ["main", "core-0", "0", "a", &"x".repeat(63)] {
            assert_eq!(StreamName::new(good).unwrap().as_str(), good);
        }
        for bad in
            ["", "-a", "A", "a_b", "a/b", "..", ".", "a.b", "ä", "a\0", "a ", &"x".repeat(64)]
        {
            assert!(StreamName::new(bad).is_err(), "{bad:?}");
        }
    }

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
