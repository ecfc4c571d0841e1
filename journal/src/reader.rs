//! Follows one stream, record by record, while it is being written; it never yields a record whose
//! checksum is wrong, never skips one that was not given up by a repair, and never takes a lock.

use std::fs;
use std::ops::{Range, RangeInclusive};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::cursor::{Cursor, Opened, Step};
use crate::error::{Behind, Error};
use crate::format::record_checksum;
use crate::gaps::{Gap, Gaps};
use crate::layout::{SegmentPath, segment_path, stream_files};
use crate::stream_name::StreamName;

/// A record as it was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The place in the stream; the first record has 1.
    pub seq: u64,
    /// The bytes that were appended.
    pub payload: &'a [u8],
    /// A checksum of the payload, the sequence and the segment. A caller that keeps it beside the
    /// sequence can let [`Reader::resume`] check that the record is still the same.
    pub checksum: u32,
}

/// Reads one stream in order, and goes on when its writer does.
#[derive(Debug)]
pub struct Reader {
    stream_dir: PathBuf,
    stream: StreamName,
    position: u64,
    /// The checksum that the record at `position` must have; `None` when it is unknown or was
    /// checked.
    resumed_checksum: Option<u32>,
    cursor: Option<Box<Cursor>>,
    /// What was given up by repairs when the last segment was opened.
    gaps: Gaps,
    /// The records that were passed because they were given up and cannot be read.
    lost: Vec<RangeInclusive<u64>>,
    /// How many calls in a row found nothing new.
    idle_calls: u32,
    /// How many reads in a row found the same damage.
    damaged_reads: u32,
    /// Whether the current segment was seen to end although a later one exists.
    ends_early: bool,
}

/// A record is read this often before it is reported as damaged. The first read may coincide with a
/// recovery that cuts a torn record off, after which another is written in its place.
const DAMAGED_READS_MAX: u32 = 3;

impl Reader {
    /// Opens a stream, so that [`next`](Self::next) first yields record `after_seq + 1`. The stream
    /// need not exist yet.
    ///
    /// # Errors
    /// [`Error::Missing`] when that record's segment was removed. [`Error::Ahead`] when the stream
    /// ends before `after_seq`; `next` may return it as well. [`Error::Damaged`],
    /// [`Error::Unsupported`] or [`Error::Io`] when the segment cannot be opened.
    pub fn open(journal_dir: &Path, stream: &StreamName, after_seq: u64) -> Result<Self, Error> {
        Self::open_after(journal_dir, stream, after_seq, None)
    }

    /// As [`open`](Self::open), and checks that record `after_seq` is still the one whose
    /// `checksum` was read.
    ///
    /// This is for readers that keep their position outside of this journal. Such a position
    /// survives a power cut, while records that were read but not yet fsynced may be lost in it.
    /// Other records then get their numbers.
    ///
    /// # Errors
    /// As [`open`](Self::open). [`next`](Self::next) returns [`Error::Replaced`] when the record is
    /// another one.
    pub fn resume(
        journal_dir: &Path,
        stream: &StreamName,
        after_seq: u64,
        checksum: u32,
    ) -> Result<Self, Error> {
        Self::open_after(journal_dir, stream, after_seq, Some(checksum).filter(|_| after_seq > 0))
    }

    fn open_after(
        journal_dir: &Path,
        stream: &StreamName,
        position: u64,
        resumed_checksum: Option<u32>,
    ) -> Result<Self, Error> {
        let mut reader = Self {
            stream_dir: journal_dir.join(stream.as_str()),
            stream: stream.clone(),
            position,
            resumed_checksum,
            cursor: None,
            gaps: Gaps::default(),
            lost: Vec::new(),
            idle_calls: 0,
            damaged_reads: 0,
            ends_early: false,
        };
        reader.open_segment()?;
        Ok(reader)
    }

    /// Returns the sequence of the last record that was yielded, or passed because it was given up;
    /// before the first one, the sequence after which reading begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns the stream's name.
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Returns the records that were passed because a repair gave them up and they cannot be read.
    pub fn lost(&self) -> &[RangeInclusive<u64>] {
        &self.lost
    }

    /// Fails when reading ended before a record that is known to be on disk. To be called after a
    /// `None`, with what [`known_streams`](crate::known_streams) said before reading.
    ///
    /// # Errors
    /// [`Error::Damaged`] when records are missing.
    pub fn must_have_reached(&self, known_seq: u64) -> Result<(), Error> {
        if self.position >= known_seq {
            return Ok(());
        }
        Err(Error::Damaged {
            path: self.stream_dir.clone(),
            offset: 0,
            seq: self.position + 1,
            reason: "the stream ends before a record that was known to be on disk",
            behind: Behind::Promised { last_seq: known_seq },
        })
    }

    /// Returns the next record. `None` means that there is none yet: call again later.
    ///
    /// A record is yielded as soon as the operating system has its bytes. A power cut may still
    /// lose it, unless it is at or before [`Health::last_synced`](crate::Health::last_synced).
    ///
    /// # Errors
    /// [`Error::Damaged`] when the next record is not as it was written, [`Error::Ahead`] when the
    /// stream lost its end, [`Error::Replaced`] after [`resume`](Self::resume), [`Error::Missing`]
    /// when its segment was removed, [`Error::Io`] when it cannot be read. The reader stays where
    /// it is.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator cannot lend its buffer, and need not go on after a None"
    )]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Error> {
        let Some((seq, payload_at)) = self.advance()? else { return Ok(None) };
        debug_assert_eq!(seq, self.position + 1, "no record is skipped");
        self.position = seq;
        self.resumed_checksum = None;
        Ok(self.cursor.as_ref().map(|cursor| Record {
            seq,
            checksum: record_checksum(cursor.bytes(), payload_at.start),
            payload: &cursor.bytes()[payload_at],
        }))
    }

    /// Finds the next record. Returns its sequence and where in the cursor's bytes its payload is.
    fn advance(&mut self) -> Result<Option<(u64, Range<usize>)>, Error> {
        loop {
            let Some(cursor) = self.cursor.as_mut() else {
                if self.open_segment()? {
                    continue;
                }
                return Ok(None);
            };
            match cursor.step()? {
                Step::Record { seq, payload_at } => {
                    (self.idle_calls, self.damaged_reads, self.ends_early) = (0, 0, false);
                    if seq > self.position {
                        return Ok(Some((seq, payload_at)));
                    }
                    let checksum = record_checksum(cursor.bytes(), payload_at.start);
                    if seq == self.position
                        && self.resumed_checksum.is_some_and(|resumed| resumed != checksum)
                    {
                        // The record is read again at the next call, so that the answer stays
                        // the same.
                        self.cursor = None;
                        return Err(Error::Replaced { dir: self.stream_dir.clone(), seq });
                    }
                }
                Step::Damaged { reason, .. } => match cursor.pass_gap()? {
                    Some(gap) => self.note_lost(&gap),
                    None => self.read_damaged_again(reason)?,
                },
                Step::End | Step::Torn { .. } => {
                    if !self.pass_end()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Moves over records that were given up.
    fn note_lost(&mut self, gap: &Gap) {
        if gap.last_seq <= self.position {
            return;
        }
        let first_seq = gap.first_seq.max(self.position + 1);
        self.lost.push(first_seq..=gap.last_seq);
        self.position = gap.last_seq;
        // The record that would have been compared is among them or before them.
        self.resumed_checksum = None;
    }

    /// Makes the next step read a damaged record again, or fails after [`DAMAGED_READS_MAX`] reads.
    fn read_damaged_again(&mut self, reason: &'static str) -> Result<(), Error> {
        let Some(cursor) = self.cursor.as_mut() else { return Ok(()) };
        cursor.forget_buffered();
        self.damaged_reads += 1;
        if self.damaged_reads < DAMAGED_READS_MAX {
            return Ok(());
        }
        self.damaged_reads = 0;
        Err(cursor.damaged(reason))
    }

    /// Opens the segment that holds the next record. Returns `false` when there is none yet.
    fn open_segment(&mut self) -> Result<bool, Error> {
        let mut segments = stream_files(&self.stream_dir)?.segments;
        self.gaps = Gaps::load(&self.stream_dir, &self.stream)?;
        let oldest = segments.first().map(|segment| segment.first_seq);
        let wanted = self.position + 1;
        if oldest.is_none_or(|oldest| oldest > wanted)
            && let Some(gap) = self.gaps.0.iter().find(|gap| gap.holds(wanted)).cloned()
        {
            // No segment is left that could hold the record.
            self.note_lost(&gap);
            return if oldest.is_some() { self.open_segment() } else { Ok(false) };
        }
        let Some(oldest) = oldest else {
            let is_at_end = self.position <= self.gaps.last_seq();
            return if is_at_end { Ok(false) } else { Err(self.ahead(self.gaps.last_seq())) };
        };
        // A resumed reader also checks the record before, if its segment is still there.
        let is_checked = self.resumed_checksum.is_some() && oldest < wanted;
        let read_from = if is_checked { self.position } else { wanted };
        segments.retain(|segment| segment.first_seq <= read_from);
        let Some(segment) = segments.pop() else {
            return Err(Error::Missing {
                dir: self.stream_dir.clone(),
                seq: wanted,
                first_seq: oldest,
            });
        };
        match Cursor::open(&segment, &self.stream, &self.gaps)? {
            Opened::Ready(cursor) => self.cursor = Some(cursor),
            Opened::Damaged(reason) => {
                let (path, seq, behind) = (segment.path, segment.first_seq, Behind::Unread);
                return Err(Error::Damaged { path, offset: 0, seq, reason, behind });
            }
            Opened::Unfinished { .. } | Opened::Absent if segment.first_seq < wanted => {
                return Err(self.ahead(segment.first_seq - 1));
            }
            Opened::Unfinished { .. } | Opened::Absent => {}
        }
        Ok(self.cursor.is_some())
    }

    /// Decides how to go on where the current segment ends. Returns `false` when nothing more is
    /// there yet.
    fn pass_end(&mut self) -> Result<bool, Error> {
        let Some(cursor) = self.cursor.as_ref() else { return Ok(false) };
        if let Some(next) = self.open_following(cursor)? {
            self.cursor = Some(next);
            self.ends_early = false;
            return Ok(true);
        }
        if let Some(gap) = self.cursor.as_mut().map_or(Ok(None), |cursor| cursor.pass_gap())? {
            self.note_lost(&gap);
            return Ok(true);
        }
        let Some(cursor) = self.cursor.as_ref() else { return Ok(false) };
        if cursor.file_bytes()? < cursor.offset() {
            // The segment was cut before this place. Reading it again shows whether the stream lost
            // records.
            self.cursor = None;
            return Ok(true);
        }
        if cursor.next_seq() <= self.position {
            return Err(self.ahead(cursor.next_seq() - 1));
        }
        self.idle_calls = self.idle_calls.saturating_add(1);
        // The rest lists the folder, and only finds what a live writer never does. So it is done
        // now and then only.
        if self.idle_calls.is_power_of_two() || self.ends_early {
            self.check_still_last()
        } else {
            Ok(false)
        }
    }

    /// Opens the segment that begins where the current one ends, if it exists. If it does, the
    /// current one is sealed.
    fn open_following(&self, cursor: &Cursor) -> Result<Option<Box<Cursor>>, Error> {
        let first_seq = cursor.next_seq();
        if first_seq == cursor.header().first_seq {
            return Ok(None);
        }
        let segment = SegmentPath { first_seq, path: segment_path(&self.stream_dir, first_seq) };
        match Cursor::open(&segment, &self.stream, &self.gaps)? {
            Opened::Ready(cursor) => Ok(Some(cursor)),
            Opened::Damaged(reason) => {
                let (path, seq, behind) = (segment.path, first_seq, Behind::Unread);
                Err(Error::Damaged { path, offset: 0, seq, reason, behind })
            }
            Opened::Unfinished { .. } | Opened::Absent => Ok(None),
        }
    }

    /// Checks that the current segment is still the stream's last. Returns whether to read on.
    fn check_still_last(&mut self) -> Result<bool, Error> {
        let Some(cursor) = self.cursor.as_ref() else { return Ok(false) };
        let open_inode = cursor.file().metadata().map_err(Error::io("stat", cursor.path()))?.ino();
        if fs::metadata(cursor.path()).map(|found| found.ino()).ok() != Some(open_inode) {
            self.cursor = None;
            return Ok(true);
        }
        let segments = stream_files(&self.stream_dir)?.segments;
        let (first_seq, next_seq) = (cursor.header().first_seq, cursor.next_seq());
        let is_sealed =
            segments.iter().any(|other| other.first_seq > first_seq && other.first_seq != next_seq);
        if is_sealed && self.ends_early {
            return Err(cursor.damaged("the segment ends early although a later one follows"));
        }
        // The writer may have gone on, and sealed the segment, since the end was seen. So the end
        // is read once more.
        self.ends_early = is_sealed;
        self.idle_calls = if is_sealed { 0 } else { self.idle_calls };
        Ok(is_sealed)
    }

    fn ahead(&self, last_seq: u64) -> Error {
        Error::Ahead { dir: self.stream_dir.clone(), position: self.position, last_seq }
    }
}
