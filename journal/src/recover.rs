//! Cuts a stream back to its last whole record after a kill or a power cut; it never destroys a
//! byte that could be more than a torn record, and never reads more than the last segments.
//!
//! A writer fsyncs a segment before it creates the next but one. So a power cut can only damage the
//! last two segments. The header of the last one holds the length of the one before it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::cursor::{Cursor, Opened, Step};
use crate::error::Error;
use crate::layout::{OWNER_ALONE, SegmentPath, stream_files, sync_dir, unused_cut_path};
use crate::stream_name::StreamName;

/// What the recovery of a stream found and changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// How many segments are left.
    pub segments: usize,
    /// How many whole records the last segment has. Only that segment was read.
    pub records: u64,
    /// The last record of the stream; 0 for none. A reader that remembers a later one must start
    /// over: those records are lost, and new ones will get their numbers.
    pub last_seq: u64,
    /// How many bytes were cut off the end of the stream.
    pub cut_bytes: u64,
    /// Whether more than a torn record was cut: bytes were not there as they had been written. A
    /// power cut can do that to an end that was not fsynced. Without a power cut, suspect the disk.
    pub damaged: bool,
    /// The files that keep the damaged bytes.
    pub set_aside: Vec<PathBuf>,
}

/// The place where a writer goes on.
#[derive(Debug)]
pub(crate) struct Tail {
    /// The last segment; `None` when the next record begins a new one.
    pub(crate) segment: Option<TailSegment>,
    pub(crate) next_seq: u64,
}

/// A segment that a writer can append to.
#[derive(Debug)]
pub(crate) struct TailSegment {
    pub(crate) path: PathBuf,
    /// The checksum from which its records start theirs.
    pub(crate) salt: u32,
    pub(crate) bytes: u64,
}

/// Recovers a stream whose lock the caller holds. When it returns, everything that is left of the
/// stream is on disk.
pub(crate) fn recover(stream_dir: &Path, stream: &StreamName) -> Result<(Tail, Recovery), Error> {
    let mut segments = stream_files(stream_dir)?.segments;
    let mut recovery = Recovery::default();
    let mut tail = Tail { segment: None, next_seq: 1 };
    while let Some(last) = segments.pop() {
        // If no segment is left, the next one takes the place of this one.
        tail = Tail { segment: None, next_seq: last.first_seq };
        let before = segments.last();
        if let Some(cursor) = open_last(&last, before, stream, &mut recovery)? {
            tail = cut_after_last_record(*cursor, &mut recovery)?;
            sync_segments(&last, before)?;
            recovery.segments = segments.len() + 1;
            break;
        }
    }
    recovery.last_seq = tail.next_seq - 1;
    sync_dir(stream_dir)?;
    Ok((tail, recovery))
}

/// Opens the last segment, or removes it from the stream when no writer can go on with it.
fn open_last(
    last: &SegmentPath,
    before: Option<&SegmentPath>,
    stream: &StreamName,
    recovery: &mut Recovery,
) -> Result<Option<Box<Cursor>>, Error> {
    match Cursor::open(last, stream)? {
        Opened::Ready(cursor) => {
            if is_as_sealed(before, &cursor)? {
                return Ok(Some(cursor));
            }
            set_aside(last, "the segment before it is shorter than when it was sealed", recovery)?;
        }
        Opened::Damaged(reason) => set_aside(last, reason, recovery)?,
        Opened::Unfinished { bytes } => {
            // Its writer was killed while creating it, so it never held a record.
            fs::remove_file(&last.path).map_err(Error::io("remove", &last.path))?;
            recovery.cut_bytes += bytes;
        }
        Opened::Absent => {}
    }
    Ok(None)
}

/// Returns whether the segment before the last is as long as when it was sealed.
///
/// It can be shorter after a power cut, when the last segment reached the disk first. No record of
/// the last segment was then acknowledged as durable, because segments are fsynced in order.
fn is_as_sealed(before: Option<&SegmentPath>, last: &Cursor) -> Result<bool, Error> {
    let Some(before) = before else { return Ok(true) };
    let bytes = fs::metadata(&before.path).map_err(Error::io("stat", &before.path))?.len();
    let sealed_bytes = last.header().previous_bytes;
    if bytes > sealed_bytes {
        let (path, seq) = (before.path.clone(), last.header().first_seq);
        let reason = "the segment is longer than when it was sealed";
        return Err(Error::Damaged { path, offset: sealed_bytes, seq, reason });
    }
    Ok(bytes == sealed_bytes)
}

/// Takes the whole last segment out of the stream by renaming it.
///
/// It does so once only: a power cut explains one such segment. A human must look at a second one.
fn set_aside(
    last: &SegmentPath,
    reason: &'static str,
    recovery: &mut Recovery,
) -> Result<(), Error> {
    if recovery.damaged {
        let (path, seq) = (last.path.clone(), last.first_seq);
        return Err(Error::Damaged { path, offset: 0, seq, reason });
    }
    let bytes = fs::metadata(&last.path).map_err(Error::io("stat", &last.path))?.len();
    let kept = unused_cut_path(&last.path, 0);
    fs::rename(&last.path, &kept).map_err(Error::io("rename", &last.path))?;
    recovery.cut_bytes += bytes;
    recovery.damaged = true;
    recovery.set_aside.push(kept);
    Ok(())
}

/// Reads the last segment to its last whole record and cuts off what follows.
fn cut_after_last_record(mut cursor: Cursor, recovery: &mut Recovery) -> Result<Tail, Error> {
    let damaged = loop {
        match cursor.step()? {
            Step::Record { .. } => recovery.records += 1,
            Step::End | Step::Torn { .. } => break false,
            Step::Damaged { .. } => break true,
        }
    };
    let (offset, bytes) = (cursor.offset(), cursor.file_bytes()?);
    if damaged {
        recovery.damaged = true;
        recovery.set_aside.push(copy_tail(cursor.path(), offset)?);
    }
    if bytes > offset {
        cut(cursor.path(), offset)?;
        recovery.cut_bytes += bytes - offset;
    }
    let segment =
        TailSegment { path: cursor.path().to_owned(), salt: cursor.salt(), bytes: offset };
    Ok(Tail { segment: Some(segment), next_seq: cursor.next_seq() })
}

/// Copies a segment's bytes from `offset` on to a file beside it. When it returns, the copy is on
/// disk.
fn copy_tail(segment: &Path, offset: u64) -> Result<PathBuf, Error> {
    let kept = unused_cut_path(segment, offset);
    let copy = || -> io::Result<()> {
        let mut from = File::open(segment)?;
        from.seek(SeekFrom::Start(offset))?;
        let mut to =
            OpenOptions::new().write(true).create_new(true).mode(OWNER_ALONE).open(&kept)?;
        io::copy(&mut from, &mut to)?;
        to.sync_all()
    };
    copy().map_err(Error::io("set the damaged end aside in", &kept))?;
    if let Some(stream_dir) = segment.parent() {
        sync_dir(stream_dir)?;
    }
    Ok(kept)
}

fn cut(segment: &Path, offset: u64) -> Result<(), Error> {
    let opened = OpenOptions::new().write(true).open(segment);
    let done = opened.and_then(|file| file.set_len(offset).and_then(|()| file.sync_all()));
    done.map_err(Error::io("cut the torn end off", segment))
}

/// Fsyncs segments that a killed writer may have written without an fsync.
fn sync_segments(last: &SegmentPath, before: Option<&SegmentPath>) -> Result<(), Error> {
    for segment in before.into_iter().chain([last]) {
        let synced = File::open(&segment.path).and_then(|file| file.sync_data());
        synced.map_err(Error::io("fsync", &segment.path))?;
    }
    Ok(())
}
