//! Follows one stream, record by record, while it is being written; it never yields a record whose
//! checksum is wrong, never skips one, and never takes a lock.

use std::{
    fs,
    ops::Range,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{
    Error, StreamName,
    cursor::{Cursor, Opened, Step},
    format::record_checksum,
    layout::{SegmentPath, segment_path, stream_files},
};

/// A record as it was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place in the stream.
    pub seq: u64,
    /// Its bytes.
    pub payload: &'a [u8],
    /// The checksum of its bytes, its sequence and its segment. Kept beside the sequence, it lets
    /// [`Reader::resume`] see that the record is still the same.
    pub checksum: u32,
}

/// Reads one stream in order, and goes on when its writer does.
#[derive(Debug)]
pub struct Reader {
    stream_dir: PathBuf,
    stream: StreamName,
    position: u64,
    /// What the record at `position` must be; none when that is not known or was checked.
    resumed_checksum: Option<u32>,
    cursor: Option<Box<Cursor>>,
    /// Calls in a row that found nothing new.
    idle: u32,
    /// Reads in a row that found the same damage.
    damaged_reads: u32,
    /// The current segment was seen to end although a later one exists.
    ends_early: bool,
}

/// A record is read this often before it is called damaged, because the first read may have met a
/// recovery that was just cutting a torn record off and writing another in its place.
const DAMAGED_READS_MAX: u32 = 3;

impl Reader {
    /// Opens a stream; [`next`](Self::next) first yields `after_seq + 1`. The stream need not exist
    /// yet.
    ///
    /// # Errors
    /// [`Error::Missing`] when that record's segment was removed, [`Error::Ahead`] when the stream
    /// ends before `after_seq` (the latter may also come from `next`), [`Error::Damaged`],
    /// [`Error::Unsupported`] or [`Error::Io`] when its segment cannot be opened.
    pub fn open(journal_dir: &Path, stream: &StreamName, after_seq: u64) -> Result<Reader, Error> {
        Reader::begin(journal_dir, stream, after_seq, None)
    }

    /// As [`open`](Self::open), and checks that record `after_seq` is still the one whose
    /// `checksum` was read.
    ///
    /// For whoever keeps its position elsewhere than in this journal, where it survives what the
    /// journal lost: a power cut may take records that were read but not yet fsynced, and others
    /// then get their numbers.
    ///
    /// # Errors
    /// As [`open`](Self::open); and [`next`](Self::next) gives [`Error::Replaced`] when the record
    /// is another one.
    pub fn resume(
        journal_dir: &Path,
        stream: &StreamName,
        after_seq: u64,
        checksum: u32,
    ) -> Result<Reader, Error> {
        Reader::begin(journal_dir, stream, after_seq, Some(checksum).filter(|_| after_seq > 0))
    }

    fn begin(
        journal_dir: &Path,
        stream: &StreamName,
        position: u64,
        resumed_checksum: Option<u32>,
    ) -> Result<Reader, Error> {
        let mut reader = Reader {
            stream_dir: journal_dir.join(stream.as_str()),
            stream: stream.clone(),
            position,
            resumed_checksum,
            cursor: None,
            idle: 0,
            damaged_reads: 0,
            ends_early: false,
        };
        reader.open_segment()?;
        Ok(reader)
    }

    /// Returns the last sequence yielded, or where reading was to begin after.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns the stream's name.
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Takes the next record. `None` means that there is none yet: call again later.
    ///
    /// A record is yielded as soon as its bytes are with the operating system. It may still be lost
    /// in a power cut; [`Health::last_synced`](crate::Health::last_synced) says what cannot.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the next record is not as it was written, [`Error::Ahead`] when the
    /// stream lost its end, [`Error::Io`] when it cannot be read. The reader stays where it is.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator cannot lend its buffer, nor go on after a None"
    )]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Error> {
        let Some((seq, at)) = self.advance()? else { return Ok(None) };
        self.position = seq;
        self.resumed_checksum = None;
        Ok(self.cursor.as_ref().map(|cursor| Record {
            seq,
            checksum: record_checksum(cursor.bytes(), at.start),
            payload: &cursor.bytes()[at],
        }))
    }

    fn advance(&mut self) -> Result<Option<(u64, Range<usize>)>, Error> {
        loop {
            let Some(cursor) = self.cursor.as_mut() else {
                if self.open_segment()? {
                    continue;
                }
                return Ok(None);
            };
            match cursor.step()? {
                Step::Record { seq, at } => {
                    (self.idle, self.damaged_reads, self.ends_early) = (0, 0, false);
                    if seq > self.position {
                        return Ok(Some((seq, at)));
                    }
                    let checksum = record_checksum(cursor.bytes(), at.start);
                    if seq == self.position
                        && self.resumed_checksum.is_some_and(|resumed| resumed != checksum)
                    {
                        // Read again at the next call, so that the answer stays the same.
                        self.cursor = None;
                        return Err(Error::Replaced { dir: self.stream_dir.clone(), seq });
                    }
                }
                Step::Damaged { reason, .. } => self.doubt(reason)?,
                Step::End | Step::Torn { .. } => {
                    if !self.pass_end()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Has a record that looks damaged read once more, or gives up on it.
    fn doubt(&mut self, reason: &'static str) -> Result<(), Error> {
        let Some(cursor) = self.cursor.as_mut() else { return Ok(()) };
        cursor.forget_buffered();
        self.damaged_reads += 1;
        if self.damaged_reads < DAMAGED_READS_MAX {
            return Ok(());
        }
        self.damaged_reads = 0;
        Err(cursor.damaged(reason))
    }

    /// Opens the segment that holds the next record. Returns false when there is none yet.
    fn open_segment(&mut self) -> Result<bool, Error> {
        let wanted = self.position + 1;
        let mut segments = stream_files(&self.stream_dir)?.segments;
        let Some(oldest) = segments.first().map(|segment| segment.first_seq) else {
            return if self.position == 0 { Ok(false) } else { Err(self.ahead(0)) };
        };
        // The record before it is to be checked as well, where its segment is still there.
        let checked =
            if self.resumed_checksum.is_some() && oldest < wanted { self.position } else { wanted };
        segments.retain(|segment| segment.first_seq <= checked);
        let Some(segment) = segments.pop() else {
            return Err(Error::Missing {
                dir: self.stream_dir.clone(),
                seq: wanted,
                first_seq: oldest,
            });
        };
        match Cursor::open(&segment, &self.stream)? {
            Opened::Ready(cursor) => self.cursor = Some(cursor),
            Opened::Damaged(reason) => {
                let (path, seq) = (segment.path, segment.first_seq);
                return Err(Error::Damaged { path, offset: 0, seq, reason });
            }
            Opened::Unready { .. } | Opened::Absent if segment.first_seq < wanted => {
                return Err(self.ahead(segment.first_seq - 1));
            }
            Opened::Unready { .. } | Opened::Absent => {}
        }
        Ok(self.cursor.is_some())
    }

    /// Looks for a way on where the current segment ends. Returns false when there is none yet.
    fn pass_end(&mut self) -> Result<bool, Error> {
        let Some(cursor) = self.cursor.as_ref() else { return Ok(false) };
        if let Some(next) = self.open_following(cursor)? {
            self.cursor = Some(next);
            self.ends_early = false;
            return Ok(true);
        }
        if cursor.file_bytes()? < cursor.offset() {
            // It was cut before this place: whether the stream lost records is seen by reading it
            // again.
            self.cursor = None;
            return Ok(true);
        }
        if cursor.next_seq() <= self.position {
            return Err(self.ahead(cursor.next_seq() - 1));
        }
        self.idle = self.idle.saturating_add(1);
        // The rest needs the folder's listing and only finds what a live writer never does: look
        // now and then.
        if self.idle.is_power_of_two() || self.ends_early { self.look_around() } else { Ok(false) }
    }

    /// Opens the segment that begins where the current one ends, if it exists. Its existence seals
    /// this one.
    fn open_following(&self, cursor: &Cursor) -> Result<Option<Box<Cursor>>, Error> {
        let first_seq = cursor.next_seq();
        if first_seq == cursor.header().first_seq {
            return Ok(None);
        }
        let segment = SegmentPath { first_seq, path: segment_path(&self.stream_dir, first_seq) };
        match Cursor::open(&segment, &self.stream)? {
            Opened::Ready(cursor) => Ok(Some(cursor)),
            Opened::Damaged(reason) => {
                Err(Error::Damaged { path: segment.path, offset: 0, seq: first_seq, reason })
            }
            Opened::Unready { .. } | Opened::Absent => Ok(None),
        }
    }

    /// Checks that the segment at hand is still the stream's last.
    fn look_around(&mut self) -> Result<bool, Error> {
        let Some(cursor) = self.cursor.as_ref() else { return Ok(false) };
        let ours = cursor.file().metadata().map_err(Error::io("stat", cursor.path()))?.ino();
        if fs::metadata(cursor.path()).map(|found| found.ino()).ok() != Some(ours) {
            self.cursor = None;
            return Ok(true);
        }
        let segments = stream_files(&self.stream_dir)?.segments;
        let (first_seq, next_seq) = (cursor.header().first_seq, cursor.next_seq());
        let sealed =
            segments.iter().any(|other| other.first_seq > first_seq && other.first_seq != next_seq);
        if sealed && self.ends_early {
            return Err(cursor.damaged("the segment ends early although a later one follows"));
        }
        // Its writer may have gone on, and sealed it, since the end was seen: look at the end once
        // more.
        self.ends_early = sealed;
        self.idle = if sealed { 0 } else { self.idle };
        Ok(sealed)
    }

    fn ahead(&self, last_seq: u64) -> Error {
        Error::Ahead { dir: self.stream_dir.clone(), position: self.position, last_seq }
    }
}
