//! Gives up records that cannot be read any more, so that their stream can be written and read
//! again; it never changes or removes a byte of a segment, never gives up a record that is whole,
//! and never forgets which were given up.
//!
//! What is given up stands in the file `gaps` of the stream's folder. Damaged bytes stay where they
//! are. A segment of which nothing can be read gets another name. If the bytes come back, for
//! instance from a copy, their records are read again.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cursor::{Cursor, OTHER_NAME, OTHER_STREAM, Opened, Step};
use crate::error::{Behind, Error};
use crate::gaps::{Gap, Gaps};
use crate::layout::{
    SegmentPath, create_stream_dir, lock_stream, segment_path, stream_files, sync_dir,
    unused_cut_path,
};
use crate::mark::{known_seq, known_streams};
use crate::salvage::{next_whole, salt_of};
use crate::stream_name::StreamName;

/// A place where records cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// The stream.
    pub stream: StreamName,
    /// The segment with the damage or before it, or the stream's folder.
    pub path: PathBuf,
    /// Where in the segment the unreadable bytes begin.
    pub from_byte: u64,
    /// Where they end.
    pub to_byte: u64,
    /// The first record that cannot be read.
    pub first_seq: u64,
    /// The last record that cannot be read; before the first one when only bytes are damaged.
    pub last_seq: u64,
    /// What is wrong.
    pub reason: String,
    /// When a repair gave the records up, as Unix time in milliseconds; 0 when none did yet.
    pub noticed_at_ms: u64,
}

impl Loss {
    pub(crate) fn of(gap: &Gap, stream: &StreamName, stream_dir: &Path) -> Self {
        let path = match gap.segment {
            0 => stream_dir.to_owned(),
            first_seq => segment_path(stream_dir, first_seq),
        };
        Self {
            stream: stream.clone(),
            path,
            from_byte: gap.from_byte,
            to_byte: gap.to_byte,
            first_seq: gap.first_seq,
            last_seq: gap.last_seq,
            reason: gap.reason.clone(),
            noticed_at_ms: gap.noticed_at_ms,
        }
    }

    /// Returns how many records cannot be read.
    pub fn records(&self) -> u64 {
        (self.last_seq + 1).saturating_sub(self.first_seq)
    }
}

/// Returns everything that repairs gave up, stream by stream, whether or not it can be read again.
///
/// # Errors
/// [`Error::Io`] when a folder cannot be read, [`Error::Damaged`] when a list is not as it was
/// written.
pub fn lost(journal_dir: &Path) -> Result<Vec<Loss>, Error> {
    let mut losses = Vec::new();
    for stream in known_streams(journal_dir)?.into_keys() {
        let stream_dir = journal_dir.join(stream.as_str());
        let gaps = Gaps::load(&stream_dir, &stream)?;
        losses.extend(gaps.0.iter().map(|gap| Loss::of(gap, &stream, &stream_dir)));
    }
    Ok(losses)
}

/// What a repair may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repairing {
    /// Find what would be given up, and change nothing.
    Look,
    /// Give it up. Streams that are being written are refused with [`Error::InUse`].
    GiveUp {
        /// Unix time in milliseconds, which is written down.
        now_ms: u64,
    },
}

/// Finds all records that should be there and cannot be read, and gives them up if it may. Returns
/// them; earlier repairs' are not among them.
///
/// The torn tail that a kill or a power cut leaves is none of these: it was never promised, and the
/// next [`Writer::open`](crate::Writer::open) cuts it off. `is_whole` says of which streams no
/// segment is ever removed; of others, the oldest segments may be missing.
///
/// # Errors
/// [`Error::Io`], [`Error::InUse`], [`Error::Unsupported`]; [`Error::Damaged`] when segments
/// contradict each other so that a human must decide which one counts.
pub fn repair(
    journal_dir: &Path,
    repairing: Repairing,
    is_whole: &dyn Fn(&StreamName) -> bool,
) -> Result<Vec<Loss>, Error> {
    let mut losses = Vec::new();
    for stream in known_streams(journal_dir)?.into_keys() {
        let stream_dir = journal_dir.join(stream.as_str());
        let _lock = match repairing {
            Repairing::Look => None,
            Repairing::GiveUp { .. } => {
                Some(lock_stream(&create_stream_dir(journal_dir, &stream)?)?)
            }
        };
        let known_seq = known_seq(journal_dir, &stream)?;
        let survey = Survey::of(&stream_dir, &stream, known_seq, is_whole(&stream))?;
        losses.extend(survey.found.iter().map(|gap| Loss::of(gap, &stream, &stream_dir)));
        if let Repairing::GiveUp { now_ms } = repairing {
            survey.give_up(&stream_dir, &stream, now_ms)?;
        }
    }
    Ok(losses)
}

/// What cannot be read of one stream.
struct Survey {
    /// What earlier repairs gave up.
    gaps: Gaps,
    /// What is to be given up.
    found: Vec<Gap>,
    /// Segments of which nothing can be read.
    unreadable: Vec<PathBuf>,
    /// The end of what was looked at: the segment, its length, and the next sequence.
    segment: u64,
    bytes: u64,
    next_seq: u64,
    /// The last record that is known to be on disk.
    known_seq: u64,
}

const MISSING: &str = "records are missing between two segments";
const END_MISSING: &str = "the end of the stream is missing";

impl Survey {
    fn of(
        stream_dir: &Path,
        stream: &StreamName,
        known_seq: u64,
        is_whole: bool,
    ) -> Result<Self, Error> {
        let gaps = Gaps::load(stream_dir, stream)?;
        let segments = stream_files(stream_dir)?.segments;
        let oldest = segments.first().map(|segment| segment.first_seq);
        let mut survey = Self {
            known_seq: known_seq.max(gaps.last_seq()),
            gaps,
            found: Vec::new(),
            unreadable: Vec::new(),
            segment: 0,
            bytes: 0,
            next_seq: oldest.filter(|_| !is_whole).unwrap_or(1),
        };
        for (index, segment) in segments.iter().enumerate() {
            let following = segments.get(index + 1).map(|segment| segment.first_seq);
            survey.look_at(segment, following, stream)?;
        }
        survey.expect_next(survey.known_seq + 1, END_MISSING);
        Ok(survey)
    }

    /// Notes what is missing before `next_seq`. What was given up here before has been passed; only
    /// before the first segment there is nothing to pass it with.
    fn expect_next(&mut self, next_seq: u64, reason: &str) {
        let first_seq = match self.segment {
            0 => self.gaps.first_after(self.next_seq),
            _ => self.next_seq,
        };
        if first_seq < next_seq {
            let (segment, bytes) = (self.segment, self.bytes);
            self.give(segment, (bytes, bytes), (first_seq, next_seq - 1), 0, reason);
        }
        self.next_seq = self.next_seq.max(next_seq);
    }

    fn give(
        &mut self,
        segment: u64,
        (from_byte, to_byte): (u64, u64),
        (first_seq, last_seq): (u64, u64),
        salt: u32,
        reason: &str,
    ) {
        let (noticed_at_ms, reason) = (0, reason.to_owned());
        self.found.push(Gap {
            segment,
            from_byte,
            to_byte,
            first_seq,
            last_seq,
            salt,
            noticed_at_ms,
            reason,
        });
    }

    fn look_at(
        &mut self,
        segment: &SegmentPath,
        following: Option<u64>,
        stream: &StreamName,
    ) -> Result<(), Error> {
        let cursor = match Cursor::open(segment, stream, &self.gaps)? {
            Opened::Ready(cursor) => cursor,
            Opened::Absent => return Ok(()),
            Opened::Damaged(reason) if [OTHER_STREAM, OTHER_NAME].contains(&reason) => {
                return Err(contradiction(segment, reason));
            }
            Opened::Damaged(reason) => match salt_of(segment)? {
                Some((salt, _)) => {
                    let first_seq = segment.first_seq;
                    self.give(first_seq, (0, 0), (first_seq, first_seq - 1), salt, reason);
                    Cursor::open_with_salt(segment, stream, &self.gaps, salt)?
                }
                None => {
                    self.note_unreadable(segment, following);
                    return Ok(());
                }
            },
            Opened::Unfinished { .. } => {
                self.note_unreadable(segment, following);
                return Ok(());
            }
        };
        if segment.first_seq < self.next_seq {
            let reason = "the segment begins with records that the one before has too";
            return Err(contradiction(segment, reason));
        }
        self.expect_next(segment.first_seq, MISSING);
        self.next_seq = segment.first_seq;
        self.read(*cursor, following)
    }

    /// Notes a segment of which nothing can be read. What it held shows when the next one is looked
    /// at. An unfinished or damaged end that was never promised is left to the writer.
    fn note_unreadable(&mut self, segment: &SegmentPath, following: Option<u64>) {
        if following.is_some() || segment.first_seq <= self.known_seq {
            self.unreadable.push(segment.path.clone());
        }
    }

    /// Reads a segment to its end, over all damaged places.
    fn read(&mut self, mut cursor: Cursor, following: Option<u64>) -> Result<(), Error> {
        let segment = cursor.header().first_seq;
        let damage = loop {
            let (reason, record_bytes) = match cursor.step()? {
                Step::Record { .. } => continue,
                Step::End | Step::Torn { .. } if following == Some(cursor.next_seq()) => {
                    break None;
                }
                Step::End | Step::Torn { .. } => (None, None),
                Step::Damaged { reason, record_bytes } => (Some(reason), record_bytes),
            };
            if cursor.pass_gap()?.is_some() {
                continue;
            }
            let Some(reason) = reason else { break None };
            let Some(whole) = next_whole(&cursor, record_bytes)? else { break Some(reason) };
            let (bytes, seqs) =
                ((cursor.offset(), whole.offset), (cursor.next_seq(), whole.seq.saturating_sub(1)));
            self.give(segment, bytes, seqs, 0, reason);
            cursor.go_on_at(whole.offset, whole.seq);
        };
        let (offset, length, next_seq) = (cursor.offset(), cursor.file_bytes()?, cursor.next_seq());
        (self.segment, self.bytes, self.next_seq) = (segment, length, next_seq);
        let end = following.unwrap_or(self.known_seq + 1);
        let must_end_here = following.is_some() || next_seq <= self.known_seq;
        if offset < length && must_end_here {
            let reason = damage.unwrap_or("the segment ends inside a record");
            self.give(segment, (offset, length), (next_seq, end.max(next_seq) - 1), 0, reason);
            self.next_seq = end.max(next_seq);
        }
        Ok(())
    }

    fn give_up(mut self, stream_dir: &Path, stream: &StreamName, now_ms: u64) -> Result<(), Error> {
        if self.found.is_empty() && self.unreadable.is_empty() {
            return Ok(());
        }
        for gap in &mut self.found {
            gap.noticed_at_ms = now_ms;
        }
        self.gaps.0.append(&mut self.found);
        self.gaps.save(stream_dir, stream)?;
        for path in &self.unreadable {
            let kept = unused_cut_path(path, 0);
            fs::rename(path, &kept).map_err(Error::io("rename", path))?;
        }
        sync_dir(stream_dir)
    }
}

/// Returns the error for a segment about which a human must decide.
fn contradiction(segment: &SegmentPath, reason: &'static str) -> Error {
    let (path, seq, behind) = (segment.path.clone(), segment.first_seq, Behind::Unread);
    Error::Damaged { path, offset: 0, seq, reason, behind }
}
