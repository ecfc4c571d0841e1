//! Helpers that the tests share: they open streams in throw-away folders and read what is stored.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use journal::{Error, Options, Reader, Recovery, StreamName, Writer};

pub(crate) const NOW_MS: u64 = 1_700_000_000_000;
/// Small enough that a handful of records fills it.
pub(crate) const SMALL_SEGMENT: u64 = 200;

pub(crate) fn main_stream() -> StreamName {
    StreamName::new("main").unwrap()
}

pub(crate) fn open(dir: &Path) -> (Writer, Recovery) {
    open_with(dir, Options::default())
}

pub(crate) fn open_small(dir: &Path) -> (Writer, Recovery) {
    open_with(dir, Options::with_segment_bytes_max(SMALL_SEGMENT))
}

pub(crate) fn open_with(dir: &Path, options: Options) -> (Writer, Recovery) {
    Writer::open(dir, &main_stream(), NOW_MS, options).unwrap()
}

/// Returns a payload that names its sequence. Its length depends on the sequence.
pub(crate) fn payload(seq: u64) -> Vec<u8> {
    format!("record {seq} {}", "x".repeat(usize::try_from(seq % 7).unwrap() * 3)).into_bytes()
}

/// Commits records `from..=to`, one commit each.
pub(crate) fn write_records(writer: &mut Writer, from: u64, to: u64) {
    for seq in from..=to {
        assert_eq!(writer.append(&payload(seq)).unwrap(), seq);
        assert_eq!(writer.commit(NOW_MS).unwrap(), seq);
    }
}

/// Reads all records up to the first error.
pub(crate) fn read_until_error(dir: &Path) -> (Vec<Vec<u8>>, Option<Error>) {
    let mut payloads = Vec::new();
    let mut reader = match Reader::open(dir, &main_stream(), 0) {
        Ok(reader) => reader,
        Err(error) => return (payloads, Some(error)),
    };
    loop {
        match reader.next() {
            Ok(Some(record)) => {
                assert_eq!(record.seq, payloads.len() as u64 + 1, "sequences are dense");
                payloads.push(record.payload.to_vec());
            }
            Ok(None) => return (payloads, None),
            Err(error) => return (payloads, Some(error)),
        }
    }
}

pub(crate) fn read_all(dir: &Path) -> Vec<Vec<u8>> {
    let (payloads, error) = read_until_error(dir);
    assert!(error.is_none(), "{error:?}");
    payloads
}

pub(crate) fn expect_records(dir: &Path, count: u64) {
    let expected: Vec<Vec<u8>> = (1..=count).map(payload).collect();
    assert_eq!(read_all(dir), expected);
}

/// Returns the paths of the files in the stream's folder whose names contain `part`, sorted.
pub(crate) fn files(dir: &Path, part: &str) -> Vec<PathBuf> {
    let listing = fs::read_dir(dir.join("main")).unwrap();
    let mut found: Vec<PathBuf> = listing.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.file_name().unwrap().to_str().unwrap().contains(part));
    found.sort();
    found
}

pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found = files(dir, ".seg");
    found.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    found
}

pub(crate) fn truncate(path: &Path, bytes: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

/// Flips a bit in place, because writing the whole file would make some file systems flush it.
pub(crate) fn flip_bit(path: &Path, bit: usize) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let (mut byte, offset) = ([0], (bit / 8) as u64);
    file.read_exact_at(&mut byte, offset).unwrap();
    byte[0] ^= 1 << (bit % 8);
    file.write_all_at(&byte, offset).unwrap();
}

/// Forgets how far every stream was on disk, as if a power cut had taken the marks' last writes.
pub(crate) fn forget_marks(dir: &Path) {
    fs::remove_dir_all(dir.join("_marks")).unwrap();
}

/// Returns a throw-away folder in memory, where the system has one: these tests restore files very
/// often, and do not ask what a disk does.
pub(crate) fn folder_in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.unwrap()
}

/// Returns the first sequence of a segment, which is its name.
pub(crate) fn first_seq(segment: &Path) -> u64 {
    segment.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}
