//! How far a stream was on disk, written down beside it; a mark may lag, but it never says more
//! than an fsync has confirmed, and it never makes an append wait.
//!
//! # Format
//!
//! `<journal dir>/_marks/<stream>.mark` has two slots, at bytes 0 and 512, which are written in
//! turn, so that a write that is cut short leaves the other one. All numbers are little-endian; a
//! slot that is not whole counts for nothing, and of two whole ones the later counts.
//!
//! ```text
//!  0  8  magic "ACMARK01"
//!  8  4  checksum of the stream's name
//! 12  8  the last record that is known to be on disk
//! 20  4  CRC-32C of bytes 0..20
//! ```
//!
//! A mark is written after each fsync of its stream. That is one call without an fsync of its own:
//! it survives a kill. It is fsynced now and then ([`MARK_SYNC_DELAY`]), and when a stream is
//! opened and closed. So after a power cut it lags by some moments.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::format::SEGMENT_HEADER_BYTES;
use crate::layout::{
    OWNER_ALONE, SegmentPath, entries, mark_path, marks_dir, stream_files, stream_of_mark, streams,
    sync_dir,
};
use crate::stream_name::StreamName;

/// How long a mark may wait for its own fsync.
const MARK_SYNC_DELAY: Duration = Duration::from_secs(1);

const MAGIC: &[u8; 8] = b"ACMARK01";
const SLOT_BYTES: usize = 24;
const SLOTS_AT: [u64; 2] = [0, 512];
const FILE_BYTES: u64 = 1024;

/// The mark of a stream that is being written.
#[derive(Debug)]
pub(crate) struct Mark {
    file: Arc<File>,
    path: PathBuf,
    stream_checksum: u32,
    /// The last record that is written down.
    seq: u64,
    /// The index of the slot that is written next.
    next_slot: usize,
    /// Since when the file waits for its fsync.
    unsynced_since: Option<Instant>,
}

impl Mark {
    /// Opens a stream's mark, or creates one that says nothing yet.
    pub(crate) fn open(journal_dir: &Path, stream: &StreamName) -> Result<Self, Error> {
        let (dir, path) = (marks_dir(journal_dir), mark_path(journal_dir, stream));
        if !path.exists() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
            made.map_err(Error::io("create", &dir))?;
        }
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(OWNER_ALONE)
            .open(&path);
        let file = opened.map_err(Error::io("open", &path))?;
        if file.metadata().map_err(Error::io("stat", &path))?.len() < FILE_BYTES {
            file.set_len(FILE_BYTES).map_err(Error::io("write to", &path))?;
            sync_dir(&dir)?;
            sync_dir(journal_dir)?;
        }
        let stream_checksum = stream.checksum();
        let slots = read_slots(&file, stream_checksum).map_err(Error::io("read", &path))?;
        let seq = slots.into_iter().flatten().max().unwrap_or(0);
        let next_slot = usize::from(slots[0] == Some(seq));
        let file = Arc::new(file);
        Ok(Self { file, path, stream_checksum, seq, next_slot, unsynced_since: None })
    }

    /// Returns the last record that is known to be on disk; 0 when nothing is known.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Writes down that records up to `seq` are on disk. A failure makes the mark lag and nothing
    /// worse, so it is not reported.
    pub(crate) fn note(&mut self, seq: u64) {
        if seq <= self.seq {
            return;
        }
        let slot = slot(self.stream_checksum, seq);
        if self.file.write_all_at(&slot, SLOTS_AT[self.next_slot]).is_ok() {
            self.seq = seq;
            self.next_slot ^= 1;
            self.unsynced_since.get_or_insert_with(Instant::now);
        }
    }

    /// Fsyncs what was written down.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        if self.unsynced_since.take().is_none() {
            return Ok(());
        }
        self.file.sync_data().map_err(Error::io("fsync", &self.path))
    }

    /// Returns the file if it has waited long enough for its fsync, which the caller then makes:
    /// not under a lock, because somebody may want to write the mark meanwhile.
    pub(crate) fn take_due(&mut self) -> Option<Arc<File>> {
        self.unsynced_since.take_if(|since| since.elapsed() >= MARK_SYNC_DELAY)?;
        Some(Arc::clone(&self.file))
    }

    /// Returns when the next fsync is due.
    pub(crate) fn sync_due(&self) -> Option<Instant> {
        self.unsynced_since.map(|since| since + MARK_SYNC_DELAY)
    }
}

impl Drop for Mark {
    /// A stream that is closed leaves nothing to the next power cut. If it fails, the mark lags.
    fn drop(&mut self) {
        _ = self.sync();
    }
}

/// Returns the last record of a stream that is known to be on disk; 0 when nothing is known.
pub(crate) fn known_seq(journal_dir: &Path, stream: &StreamName) -> Result<u64, Error> {
    let path = mark_path(journal_dir, stream);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(Error::io("open", &path)(error)),
    };
    let slots = read_slots(&file, stream.checksum()).map_err(Error::io("read", &path))?;
    Ok(slots.into_iter().flatten().max().unwrap_or(0))
}

/// Writes down that records of a stream up to `seq` were on disk, because the caller knows it from
/// elsewhere, for instance from a copy of a segment. To be called before the stream is opened.
///
/// # Errors
/// [`Error::Io`] when the mark cannot be written.
pub fn promise(journal_dir: &Path, stream: &StreamName, seq: u64) -> Result<(), Error> {
    if seq > known_seq(journal_dir, stream)? {
        let mut mark = Mark::open(journal_dir, stream)?;
        mark.note(seq);
        mark.sync()?;
    }
    Ok(())
}

/// Returns every stream that has a folder or a mark, with the last record that is known to be on
/// disk; 0 when nothing is known. A stream that has a mark alone was lost as a whole.
///
/// # Errors
/// [`Error::Io`] when a folder or a mark cannot be read.
pub fn known_streams(journal_dir: &Path) -> Result<BTreeMap<StreamName, u64>, Error> {
    let mut known = BTreeMap::new();
    let marked = entries(&marks_dir(journal_dir))?;
    for stream in marked.iter().filter_map(|path| stream_of_mark(path)) {
        let seq = known_seq(journal_dir, &stream)?;
        known.insert(stream, seq);
    }
    for stream in streams(journal_dir)? {
        known.entry(stream).or_insert(0);
    }
    Ok(known)
}

/// Returns whether a journal holds a record, or is known to have held one.
///
/// # Errors
/// [`Error::Io`] when a folder cannot be read.
pub fn holds_records(journal_dir: &Path) -> Result<bool, Error> {
    for (stream, seq) in known_streams(journal_dir)? {
        let files = stream_files(&journal_dir.join(stream.as_str()))?;
        let is_more_than_a_header = |segment: &SegmentPath| {
            fs::metadata(&segment.path).is_ok_and(|found| found.len() > SEGMENT_HEADER_BYTES as u64)
        };
        if seq > 0 || files.segments.len() > 1 || files.segments.iter().any(is_more_than_a_header) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether a path of the journal's folder is the folder of the marks.
pub(crate) fn is_marks_dir(journal_dir: &Path, path: &Path) -> bool {
    path == marks_dir(journal_dir) && fs::metadata(path).is_ok_and(|found| found.is_dir())
}

fn read_slots(file: &File, stream_checksum: u32) -> io::Result<[Option<u64>; 2]> {
    let mut slots = [None; 2];
    for (found, at) in slots.iter_mut().zip(SLOTS_AT) {
        let mut bytes = [0; SLOT_BYTES];
        match file.read_exact_at(&mut bytes, at) {
            Ok(()) => *found = seq_of(&bytes, stream_checksum),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
    }
    Ok(slots)
}

fn slot(stream_checksum: u32, seq: u64) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[0..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&stream_checksum.to_le_bytes());
    bytes[12..20].copy_from_slice(&seq.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..20]);
    bytes[20..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Returns what a slot says; `None` unless it is whole and of this stream.
fn seq_of(bytes: &[u8; SLOT_BYTES], stream_checksum: u32) -> Option<u64> {
    let (number, _) = bytes[12..].split_first_chunk()?;
    let seq = u64::from_le_bytes(*number);
    // No stream reaches the last number.
    (*bytes == slot(stream_checksum, seq) && seq < u64::MAX).then_some(seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn main_stream() -> StreamName {
        StreamName::new("main").unwrap()
    }

    #[test]
    fn a_mark_reads_back_and_only_goes_forward() {
        let folder = tempfile::tempdir().unwrap();
        let mut mark = Mark::open(folder.path(), &main_stream()).unwrap();
        assert_eq!(mark.seq(), 0);
        for seq in [1, 7, 3, 8] {
            mark.note(seq);
        }
        assert_eq!(known_seq(folder.path(), &main_stream()).unwrap(), 8, "without an fsync");
        assert!(mark.sync_due().is_some());
        drop(mark);
        assert_eq!(Mark::open(folder.path(), &main_stream()).unwrap().seq(), 8);
        assert_eq!(known_seq(folder.path(), &StreamName::new("other").unwrap()).unwrap(), 0);
    }

    #[test]
    fn a_mark_with_any_flipped_bit_or_cut_lags_by_one_and_never_says_more() {
        let folder = tempfile::tempdir().unwrap();
        let mut mark = Mark::open(folder.path(), &main_stream()).unwrap();
        mark.note(41);
        mark.note(42);
        let path = mark_path(folder.path(), &main_stream());
        let whole = fs::read(&path).unwrap();
        let known = || known_seq(folder.path(), &main_stream()).unwrap();
        // In place, because writing the whole file would make some file systems flush it.
        for bit in SLOTS_AT.into_iter().flat_map(|at| at * 8..(at + SLOT_BYTES as u64) * 8) {
            let byte = whole[usize::try_from(bit / 8).unwrap()];
            mark.file.write_all_at(&[byte ^ (1 << (bit % 8))], bit / 8).unwrap();
            assert!((41..=42).contains(&known()), "bit {bit}");
            mark.file.write_all_at(&[byte], bit / 8).unwrap();
        }
        assert_eq!(known(), 42);
        for length in (0..FILE_BYTES).rev() {
            mark.file.set_len(length).unwrap();
            assert!([0, 41, 42].contains(&known()), "{length} bytes");
        }
    }
}
