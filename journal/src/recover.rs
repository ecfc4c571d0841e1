//! Finds the place where a writer goes on after a kill or a power cut, and cuts off what was never
//! promised; it never cuts a record that was known to be on disk, or behind which one is whole, and
//! never reads the records of more than the last two segments.
//!
//! A writer fsyncs a segment before it creates the next but one. So a power cut can only damage the
//! last two segments, and only behind the last record that was known to be on disk. Everything else
//! is damage: a human must restore it, or give it up ([`crate::repair()`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::cursor::{Cursor, Opened, Step};
use crate::error::{Behind, Error};
use crate::format::Version;
use crate::gaps::Gaps;
use crate::layout::{OWNER_ALONE, SegmentPath, stream_files, sync_dir, unused_cut_path};
use crate::mark::{known_seq, known_streams};
use crate::salvage::{last_whole, next_whole, salt_of};
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
    /// How many records of the stream were given up by repairs.
    pub lost_records: u64,
}

/// The place where a writer goes on.
#[derive(Debug)]
pub(crate) struct Tail {
    /// The last segment; `None` when the next record begins a new one.
    pub(crate) segment: Option<TailSegment>,
    pub(crate) next_seq: u64,
    /// The length of the segment before a new one; 0 for none.
    pub(crate) previous_bytes: u64,
}

/// A segment that a writer can append to.
#[derive(Debug)]
pub(crate) struct TailSegment {
    pub(crate) path: PathBuf,
    pub(crate) version: Version,
    /// The checksum from which its records start theirs.
    pub(crate) salt: u32,
    pub(crate) bytes: u64,
}

/// What a recovery must not touch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promised {
    /// The last record that is known to be on disk; 0 when nothing is known.
    pub(crate) seq: u64,
    /// Whether to recover as if nothing had been promised. A fault that tests plant.
    pub(crate) ignore: bool,
}

/// What a recovery is about to do.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Unfinished segments that never held a record.
    remove: Vec<PathBuf>,
    /// A segment that is taken out of the stream whole.
    set_aside: Option<PathBuf>,
    /// Where the last segment is cut.
    cut: Option<Cut>,
    /// The segments that may not be on disk yet.
    sync: Vec<PathBuf>,
    tail: Tail,
    recovery: Recovery,
}

#[derive(Debug)]
struct Cut {
    path: PathBuf,
    offset: u64,
    /// Whether the bytes are more than an unfinished record, and so are kept.
    keep: bool,
}

/// Fails when a stream of the journal cannot be opened for writing without a loss, or is gone.
/// Changes nothing. Streams in `except` are not looked at.
///
/// # Errors
/// As [`Writer::open`](crate::Writer::open).
pub fn check(journal_dir: &Path, except: &[StreamName]) -> Result<(), Error> {
    for stream in known_streams(journal_dir)?.into_keys().filter(|name| !except.contains(name)) {
        let promised = Promised { seq: known_seq(journal_dir, &stream)?, ignore: false };
        examine(&journal_dir.join(stream.as_str()), &stream, promised)?;
    }
    Ok(())
}

/// Decides how to recover a stream, and changes nothing.
pub(crate) fn examine(
    stream_dir: &Path,
    stream: &StreamName,
    promised: Promised,
) -> Result<Plan, Error> {
    let gaps = Gaps::load(stream_dir, stream)?;
    let segments = stream_files(stream_dir)?.segments;
    let mut examiner = Examiner {
        stream_dir,
        stream,
        promised: Promised { seq: promised.seq.max(gaps.last_seq()), ..promised },
        gaps,
        plan: Plan {
            remove: Vec::new(),
            set_aside: None,
            cut: None,
            sync: Vec::new(),
            tail: Tail { segment: None, next_seq: 1, previous_bytes: 0 },
            recovery: Recovery::default(),
        },
    };
    examiner.check_sealed(&segments)?;
    examiner.find_tail(segments)?;
    Ok(examiner.plan)
}

struct Examiner<'a> {
    stream_dir: &'a Path,
    stream: &'a StreamName,
    promised: Promised,
    gaps: Gaps,
    plan: Plan,
}

impl Examiner<'_> {
    /// Checks that each segment but the last has its header, and is as long as its successor says.
    /// The last two are judged by [`find_tail`](Self::find_tail): a power cut may explain them.
    fn check_sealed(&self, segments: &[SegmentPath]) -> Result<(), Error> {
        let Some(sealed) = segments.len().checked_sub(1) else { return Ok(()) };
        for (index, segment) in segments[..sealed].iter().enumerate() {
            let may_be_unsynced = index + 1 == sealed && segment.first_seq > self.promised.seq;
            let reason = match Cursor::open(segment, self.stream, &self.gaps)? {
                Opened::Ready(cursor) => {
                    let before = index.checked_sub(1).map(|before| &segments[before]);
                    self.check_length(before, &cursor)?;
                    continue;
                }
                _ if may_be_unsynced || self.promised.ignore => continue,
                Opened::Damaged(reason) => reason,
                Opened::Unfinished { .. } => HEADER_CUT,
                Opened::Absent => continue,
            };
            return Err(self.refuse_segment(segment, reason)?);
        }
        Ok(())
    }

    fn check_length(&self, before: Option<&SegmentPath>, cursor: &Cursor) -> Result<(), Error> {
        match before {
            Some(before) if self.is_as_sealed(before, cursor)? != Some(true) => {
                let (path, offset) = (before.path.clone(), length(before)?);
                let (seq, reason) = (before.first_seq, NOT_AS_SEALED);
                let first_seq = cursor.header().first_seq;
                let behind = Behind::Whole { first_seq, last_seq: first_seq };
                Err(Error::Damaged { path, offset, seq, reason, behind })
            }
            _ => Ok(()),
        }
    }

    /// Returns whether a segment is as long as the next one says; `None` when it is longer.
    fn is_as_sealed(&self, before: &SegmentPath, next: &Cursor) -> Result<Option<bool>, Error> {
        let bytes = length(before)?;
        let Some(sealed_bytes) = next.previous_bytes() else { return Ok(Some(true)) };
        if bytes == sealed_bytes || self.gaps.explain_end(before.first_seq, bytes) {
            return Ok(Some(true));
        }
        Ok((bytes < sealed_bytes).then_some(false))
    }

    /// Finds the last segment that a writer can go on with or behind.
    fn find_tail(&mut self, mut segments: Vec<SegmentPath>) -> Result<(), Error> {
        while let Some(last) = segments.pop() {
            // If no segment is left, the next one takes the place of this one.
            self.plan.tail.next_seq = last.first_seq;
            let before = segments.last();
            if let Some(cursor) = self.open_last(&last, before)? {
                self.end_after_last_record(*cursor)?;
                self.plan.sync =
                    before.into_iter().chain([&last]).map(|s| s.path.clone()).collect();
                self.plan.recovery.segments = segments.len() + 1;
                break;
            }
        }
        if self.plan.recovery.segments == 0 {
            // The numbers of records that were given up are not given again.
            self.plan.tail.next_seq = self.gaps.first_after(self.plan.tail.next_seq);
        }
        let next_seq = self.plan.tail.next_seq;
        if next_seq <= self.promised.seq && !self.promised.ignore {
            return Err(Error::Damaged {
                path: self.stream_dir.to_owned(),
                offset: 0,
                seq: next_seq,
                reason: "segments of the stream are missing",
                behind: Behind::Promised { last_seq: self.promised.seq },
            });
        }
        self.plan.recovery.last_seq = next_seq - 1;
        self.plan.recovery.lost_records = self.gaps.records();
        Ok(())
    }

    /// Opens the last segment, or takes it out of the stream when no writer can go on with it.
    fn open_last(
        &mut self,
        last: &SegmentPath,
        before: Option<&SegmentPath>,
    ) -> Result<Option<Box<Cursor>>, Error> {
        match Cursor::open(last, self.stream, &self.gaps)? {
            Opened::Ready(cursor) => {
                let Some(before) = before else { return Ok(Some(cursor)) };
                match self.is_as_sealed(before, &cursor)? {
                    Some(true) => {
                        self.check_header(before)?;
                        return Ok(Some(cursor));
                    }
                    Some(false) => self.refuse_promised_before(before, *cursor)?,
                    None => {
                        let (path, seq) = (before.path.clone(), last.first_seq);
                        let offset = cursor.header().previous_bytes;
                        let reason = "the segment is longer than when it was sealed";
                        let behind = Behind::Unread;
                        return Err(Error::Damaged { path, offset, seq, reason, behind });
                    }
                }
                self.set_aside(last, NOT_AS_SEALED)?;
            }
            Opened::Damaged(reason) => {
                if self.is_promised(last)? {
                    return Err(self.refuse_segment(last, reason)?);
                }
                self.set_aside(last, reason)?;
            }
            Opened::Unfinished { bytes } => {
                if self.is_promised(last)? {
                    return Err(self.refuse_segment(last, HEADER_CUT)?);
                }
                // Its writer was killed while creating it, so it never held a record.
                self.plan.remove.push(last.path.clone());
                self.plan.recovery.cut_bytes += bytes;
            }
            Opened::Absent => {}
        }
        Ok(None)
    }

    /// Fails when the header of a segment that is as long as when it was sealed is damaged.
    fn check_header(&self, segment: &SegmentPath) -> Result<(), Error> {
        match Cursor::open(segment, self.stream, &self.gaps)? {
            Opened::Damaged(reason) if !self.promised.ignore => {
                Err(self.refuse_segment(segment, reason)?)
            }
            _ => Ok(()),
        }
    }

    /// Fails when the end that a segment lacks was on disk, or `last` says so.
    ///
    /// A segment can lack its end after a power cut, when the next one reached the disk first. No
    /// record of the next one was then acknowledged as durable, because segments are fsynced in
    /// order.
    fn refuse_promised_before(&self, before: &SegmentPath, last: Cursor) -> Result<(), Error> {
        let first_seq = last.header().first_seq;
        let next_seq = self.next_seq_of(before)?;
        let (last_seq, synced) = end_of(last)?;
        if next_seq > self.promised.seq.max(synced) || self.promised.ignore {
            return Ok(());
        }
        Err(Error::Damaged {
            path: before.path.clone(),
            offset: length(before)?,
            seq: next_seq,
            reason: NOT_AS_SEALED,
            behind: Behind::Whole { first_seq, last_seq },
        })
    }

    /// Returns the sequence after the last readable record of a segment.
    fn next_seq_of(&self, segment: &SegmentPath) -> Result<u64, Error> {
        let Opened::Ready(mut cursor) = Cursor::open(segment, self.stream, &self.gaps)? else {
            return Ok(segment.first_seq);
        };
        walk(&mut cursor)?;
        Ok(cursor.next_seq())
    }

    /// Returns whether a segment without a valid header held records that were promised.
    fn is_promised(&self, segment: &SegmentPath) -> Result<bool, Error> {
        if self.promised.ignore {
            return Ok(false);
        }
        Ok(segment.first_seq <= self.promised.seq || salt_of(segment)?.is_some())
    }

    /// Returns the error for a segment without a valid header.
    fn refuse_segment(&self, segment: &SegmentPath, reason: &'static str) -> Result<Error, Error> {
        let behind = match salt_of(segment)? {
            Some((salt, whole)) => {
                let mut cursor = Cursor::open_with_salt(segment, self.stream, &self.gaps, salt)?;
                let last_seq = last_whole(&mut cursor, whole)?;
                Behind::Whole { first_seq: whole.seq, last_seq }
            }
            None if segment.first_seq <= self.promised.seq => {
                Behind::Promised { last_seq: self.promised.seq }
            }
            None => Behind::Unread,
        };
        let (path, seq) = (segment.path.clone(), segment.first_seq);
        Ok(Error::Damaged { path, offset: 0, seq, reason, behind })
    }

    /// Plans to take the whole last segment out of the stream.
    ///
    /// It does so once only: a power cut explains one such segment. A human must look at a second
    /// one.
    fn set_aside(&mut self, last: &SegmentPath, reason: &'static str) -> Result<(), Error> {
        if self.plan.recovery.damaged {
            let (path, seq, behind) = (last.path.clone(), last.first_seq, Behind::Unread);
            return Err(Error::Damaged { path, offset: 0, seq, reason, behind });
        }
        self.plan.recovery.cut_bytes += length(last)?;
        self.plan.recovery.damaged = true;
        self.plan.set_aside = Some(last.path.clone());
        Ok(())
    }

    /// Reads the last segment to its last whole record, and plans to cut off what follows.
    fn end_after_last_record(&mut self, mut cursor: Cursor) -> Result<(), Error> {
        let end = walk(&mut cursor)?;
        let (offset, bytes, next_seq) = (cursor.offset(), cursor.file_bytes()?, cursor.next_seq());
        let (path, salt) = (cursor.path().to_owned(), cursor.salt());
        let (version, is_header_rebuilt) =
            (cursor.header().version, cursor.previous_bytes().is_none());
        self.plan.recovery.records = end.records;
        if !self.promised.ignore {
            self.refuse_promised(cursor, &end)?;
        }
        let keep = end.damage.is_some();
        self.plan.recovery.damaged |= keep;
        if bytes > offset {
            self.plan.cut = Some(Cut { path: path.clone(), offset, keep });
            self.plan.recovery.cut_bytes += bytes - offset;
        }
        // A damaged segment takes no more records, so that what is written is always whole.
        let segment = TailSegment { path, version, salt, bytes: offset };
        let takes_more = !end.has_gap && !is_header_rebuilt;
        let segment = takes_more.then_some(segment);
        self.plan.tail = Tail { segment, next_seq, previous_bytes: offset };
        Ok(())
    }

    /// Fails when what follows the last readable record is more than a torn tail.
    fn refuse_promised(&self, mut cursor: Cursor, end: &End) -> Result<(), Error> {
        let (path, offset, seq) = (cursor.path().to_owned(), cursor.offset(), cursor.next_seq());
        let reason = end.damage.map_or("the stream ends here", |damage| damage.reason);
        if let Some(damage) = end.damage
            && let Some(whole) = next_whole(&cursor, damage.record_bytes)?
        {
            let last_seq = last_whole(&mut cursor, whole)?;
            let behind = Behind::Whole { first_seq: whole.seq, last_seq };
            return Err(Error::Damaged { path, offset, seq, reason, behind });
        }
        if seq <= self.promised.seq {
            let behind = Behind::Promised { last_seq: self.promised.seq };
            return Err(Error::Damaged { path, offset, seq, reason, behind });
        }
        Ok(())
    }
}

const HEADER_CUT: &str = "the segment header is cut short";
const NOT_AS_SEALED: &str = "the segment is not as long as when it was sealed";

/// Where and why reading a segment ended.
struct End {
    records: u64,
    /// `None` when the file ends here, between two records or inside one.
    damage: Option<DamagedRecord>,
    /// Whether records were given up before this place.
    has_gap: bool,
}

#[derive(Clone, Copy)]
struct DamagedRecord {
    reason: &'static str,
    record_bytes: Option<usize>,
}

/// Reads on to the place where no record can be read.
fn walk(cursor: &mut Cursor) -> Result<End, Error> {
    let mut end = End { records: 0, damage: None, has_gap: false };
    loop {
        end.damage = match cursor.step()? {
            Step::Record { .. } => {
                end.records += 1;
                continue;
            }
            Step::End | Step::Torn { .. } => None,
            Step::Damaged { reason, record_bytes } => Some(DamagedRecord { reason, record_bytes }),
        };
        if cursor.pass_gap()?.is_none() {
            return Ok(end);
        }
        end.has_gap = true;
    }
}

/// Returns the last readable record of a segment, and the last one of which its records say that it
/// was on disk.
fn end_of(mut cursor: Cursor) -> Result<(u64, u64), Error> {
    walk(&mut cursor)?;
    Ok((cursor.next_seq() - 1, cursor.synced()))
}

fn length(segment: &SegmentPath) -> Result<u64, Error> {
    Ok(fs::metadata(&segment.path).map_err(Error::io("stat", &segment.path))?.len())
}

/// Does what was planned for a stream whose lock the caller holds. When it returns, everything that
/// is left of the stream is on disk.
pub(crate) fn carry_out(plan: Plan, stream_dir: &Path) -> Result<(Tail, Recovery), Error> {
    let Plan { remove, set_aside, cut, sync, tail, mut recovery } = plan;
    if let Some(path) = set_aside {
        let kept = unused_cut_path(&path, 0);
        fs::rename(&path, &kept).map_err(Error::io("rename", &path))?;
        recovery.set_aside.push(kept);
    }
    for path in remove {
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
    }
    if let Some(Cut { path, offset, keep }) = cut {
        if keep {
            recovery.set_aside.push(copy_tail(&path, offset)?);
        }
        cut_off(&path, offset)?;
    }
    // A killed writer may have written these without an fsync.
    for path in sync {
        let synced = File::open(&path).and_then(|file| file.sync_data());
        synced.map_err(Error::io("fsync", &path))?;
    }
    sync_dir(stream_dir)?;
    Ok((tail, recovery))
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

fn cut_off(segment: &Path, offset: u64) -> Result<(), Error> {
    let opened = OpenOptions::new().write(true).open(segment);
    let done = opened.and_then(|file| file.set_len(offset).and_then(|()| file.sync_all()));
    done.map_err(Error::io("cut the torn end off", segment))
}
