//! Puts other bytes in the place of what must not be kept, such as what tells who a person is. It
//! never changes the length, the sequence or the number of records, and never touches a journal
//! that is being written or is damaged.
//!
//! A segment with such a record is written anew beside the old one, and takes its name in one step:
//! after a power cut one of the two is there, whole. Records' checksums are made anew, too. Copies
//! elsewhere are not reached.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Behind, Error};
use crate::format::{
    Parsed, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, parse_record, place_of,
    write_record_header,
};
use crate::layout::{OWNER_ALONE, create_stream_dir, lock_stream, stream_files, streams, sync_dir};
use crate::stream_name::StreamName;

/// What an erasure did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Erased {
    /// The number of records that were changed.
    pub records: u64,
    /// The segments that were written anew. Copies of them elsewhere have the old bytes.
    pub segments: Vec<PathBuf>,
}

/// Returns what takes the place of a payload of a stream, in the same length; `None` to leave it.
pub(crate) type Change<'c> = dyn FnMut(&StreamName, &[u8]) -> Option<Vec<u8>> + 'c;

/// The ending of a segment that is being written anew. After a kill it is left behind, and the next
/// erasure removes it.
const UNFINISHED: &str = "erasing";

/// Calls `change` with every payload of every stream, and puts what it returns in its place.
///
/// # Errors
/// [`Error::InUse`] when a stream is being written, [`Error::Damaged`] when a segment is not whole,
/// [`Error::Io`]. What was changed until then stays changed, and the same call goes on.
///
/// # Panics
/// When `change` returns bytes of another length.
pub fn erase(journal_dir: &Path, change: &mut Change<'_>) -> Result<Erased, Error> {
    let mut erased = Erased::default();
    let mut locks = Vec::new();
    for stream in streams(journal_dir)? {
        locks.push(lock_stream(&create_stream_dir(journal_dir, &stream)?)?);
    }
    for stream in streams(journal_dir)? {
        let stream_dir = journal_dir.join(stream.as_str());
        let files = stream_files(&stream_dir)?;
        let is_unfinished = |path: &&PathBuf| path.extension().is_some_and(|end| end == UNFINISHED);
        for path in files.unknown.iter().filter(is_unfinished) {
            fs::remove_file(path).map_err(Error::io("remove", path))?;
        }
        for segment in files.segments {
            let path = segment.path;
            let mut bytes = fs::read(&path).map_err(Error::io("read", &path))?;
            let changed = erase_in(&mut bytes, (&path, segment.first_seq), &mut |payload| {
                change(&stream, payload)
            })?;
            if changed > 0 {
                replace(&path, &bytes)?;
                sync_dir(&stream_dir)?;
                erased.records += changed;
                erased.segments.push(path);
            }
        }
    }
    Ok(erased)
}

/// Changes the records of a segment, and returns how many. What an unfinished write left at the end
/// stays as it is.
fn erase_in(
    bytes: &mut [u8],
    (path, first_seq): (&Path, u64),
    change: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Result<u64, Error> {
    let Some(header) = bytes.first_chunk::<SEGMENT_HEADER_BYTES>() else { return Ok(0) };
    let damaged = |offset: usize, seq: u64, reason: &'static str| Error::Damaged {
        path: path.to_owned(),
        offset: offset as u64,
        seq,
        reason,
        behind: Behind::Unread,
    };
    let header = SegmentHeader::decode(header)
        .map_err(|_| damaged(0, first_seq, "the segment's header cannot be read"))?;
    let salt = header.salt();
    let (mut at, mut seq, mut changed) = (SEGMENT_HEADER_BYTES, first_seq, 0);
    while at < bytes.len() {
        let length = match parse_record(&bytes[at..], salt, seq) {
            Parsed::Record(length) => length,
            Parsed::Short(_) => break,
            Parsed::Damaged { reason, .. } => return Err(damaged(at, seq, reason)),
        };
        let record = &mut bytes[at..at + length];
        let payload: Range<usize> = RECORD_HEADER_BYTES..length;
        if let Some(other) = change(&record[payload.clone()]) {
            assert_eq!(other.len(), payload.len(), "an erasure changes no length");
            record[payload].copy_from_slice(&other);
            let place = place_of(record);
            write_record_header(record, salt, place);
            changed += 1;
        }
        at += length;
        seq += 1;
    }
    Ok(changed)
}

/// Writes a segment anew, so that at any moment the old one or the new one has its name.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let beside = path.with_extension(UNFINISHED);
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(OWNER_ALONE);
        let mut file: File = options.open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(Error::io("write", &beside))?;
    fs::rename(&beside, path).map_err(Error::io("rename", &beside))
}
