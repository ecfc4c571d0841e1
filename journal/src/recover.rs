//! Brings a stream back to its last whole record after a kill or a power cut; it never destroys a
//! byte that could be more than a torn record, and never reads more than the last segments.
//!
//! A writer fsyncs a segment before it creates the next but one. So only the last two segments can
//! have suffered from a power cut, and the last one's header says how long the one before it must
//! be.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use crate::{
    Error, StreamName,
    cursor::{Cursor, Opened, Step},
    layout::{SegmentPath, free_cut_path, stream_files, sync_dir},
};

/// What opening a stream found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// The segments that are left.
    pub segments: usize,
    /// The whole records of the last segment, which is the one that was read.
    pub records: u64,
    /// The last record of the stream; 0 for none. Whoever remembers a later one must start over:
    /// those records are gone, and their numbers will be given out again.
    pub last_seq: u64,
    /// The bytes cut off the end of the stream.
    pub cut_bytes: u64,
    /// What was cut was more than a torn record: bytes once written were not there as written.
    /// After a power cut this can be the end that had not been fsynced; otherwise the disk is to be
    /// suspected.
    pub damaged: bool,
    /// Where the damaged bytes were put.
    pub set_aside: Vec<PathBuf>,
}

/// Where a writer goes on.
#[derive(Debug)]
pub(crate) struct Tail {
    /// The last segment; none when the next record begins one.
    pub(crate) segment: Option<TailSegment>,
    pub(crate) next_seq: u64,
}

/// A segment that can be appended to.
#[derive(Debug)]
pub(crate) struct TailSegment {
    pub(crate) path: PathBuf,
    pub(crate) salt: u32,
    pub(crate) bytes: u64,
}

/// Recovers a stream whose lock is held. When it returns, all that is left of the stream is on
/// disk.
pub(crate) fn recover(stream_dir: &Path, stream: &StreamName) -> Result<(Tail, Recovery), Error> {
    let mut segments = stream_files(stream_dir)?.segments;
    let mut recovery = Recovery::default();
    let mut tail = Tail { segment: None, next_seq: 1 };
    while let Some(last) = segments.pop() {
        // Should none be left, the next segment takes this one's place.
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

/// Opens the last segment, or clears it away when it is none to go on with.
fn open_last(
    last: &SegmentPath,
    before: Option<&SegmentPath>,
    stream: &StreamName,
    recovery: &mut Recovery,
) -> Result<Option<Box<Cursor>>, Error> {
    match Cursor::open(last, stream)? {
        Opened::Ready(cursor) => {
            if is_whole(before, &cursor)? {
                return Ok(Some(cursor));
            }
            set_aside(last, "the segment before it is shorter than when it was sealed", recovery)?;
        }
        Opened::Damaged(reason) => set_aside(last, reason, recovery)?,
        Opened::Unready { bytes } => {
            // Its writer was killed while creating it: no record ever was in it.
            fs::remove_file(&last.path).map_err(Error::io("remove", &last.path))?;
            recovery.cut_bytes += bytes;
        }
        Opened::Absent => {}
    }
    Ok(None)
}

/// Tells whether the segment before the last is as long as when it was sealed.
///
/// A shorter one was sealed just before a power cut that reached the disk in another order. Then no
/// record of the last segment was ever acknowledged as durable, because segments are fsynced in
/// order.
fn is_whole(before: Option<&SegmentPath>, last: &Cursor) -> Result<bool, Error> {
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

/// Takes the whole last segment out of the stream, under a name that keeps it.
///
/// Once only: a power cut explains one such segment, and anything more is for a human to look at.
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
    let kept = free_cut_path(&last.path, 0);
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

/// Copies a segment's bytes from `offset` on to a file beside it, and has them on disk before it
/// returns.
fn copy_tail(segment: &Path, offset: u64) -> Result<PathBuf, Error> {
    let kept = free_cut_path(segment, offset);
    let copy = || -> io::Result<()> {
        let mut from = File::open(segment)?;
        from.seek(SeekFrom::Start(offset))?;
        let mut to = OpenOptions::new().write(true).create_new(true).open(&kept)?;
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

/// Fsyncs what a killed writer may have left to the operating system.
fn sync_segments(last: &SegmentPath, before: Option<&SegmentPath>) -> Result<(), Error> {
    for segment in before.into_iter().chain([last]) {
        let synced = File::open(&segment.path).and_then(|file| file.sync_data());
        synced.map_err(Error::io("fsync", &segment.path))?;
    }
    Ok(())
}
