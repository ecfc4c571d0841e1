//! Reads a whole journal and says what is not as it was written; it never changes a file, and never
//! stops at the first damage.

use std::path::{Path, PathBuf};

use crate::{
    Error, StreamName,
    cursor::{Cursor, Opened, Step},
    layout::{Entry, SegmentPath, entries, journal_entry, stream_files},
};

/// How far an audit has come.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// The stream that is being read.
    pub stream: &'a StreamName,
    /// The segment that is being read.
    pub path: &'a Path,
    /// The bytes read of this journal.
    pub bytes: u64,
    /// The bytes of all segments when the audit began.
    pub bytes_total: u64,
}

/// What an audit found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// One entry for each stream, sorted by name.
    pub streams: Vec<StreamReport>,
    /// Entries of the journal folder that are no streams.
    pub unknown: Vec<PathBuf>,
}

impl Report {
    /// Tells whether every byte is as it was written. A torn tail and unknown files do not count
    /// against it.
    pub fn is_whole(&self) -> bool {
        self.streams.iter().all(|stream| stream.damages.is_empty())
    }
}

/// What an audit found in one stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamReport {
    /// The stream.
    pub stream: StreamName,
    /// Its segments.
    pub segments: u64,
    /// Its whole records.
    pub records: u64,
    /// The bytes of its segments.
    pub bytes: u64,
    /// The first sequence of its oldest segment; 0 without segments.
    pub first_seq: u64,
    /// The sequence of its last whole record; 0 for none.
    pub last_seq: u64,
    /// The bytes of an unfinished record at the end of the last segment: a writer is at work or was
    /// killed.
    pub torn_tail_bytes: u64,
    /// All that is not as it was written, in order.
    pub damages: Vec<Damage>,
    /// What recoveries took out and kept.
    pub set_aside: Vec<PathBuf>,
    /// Files that do not belong here.
    pub unknown: Vec<PathBuf>,
}

/// A place that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub path: PathBuf,
    /// Where in it the damage begins.
    pub offset: u64,
    /// What does not fit.
    pub reason: &'static str,
}

/// Reads every segment of every stream: checksums, dense sequences, and the chain from segment to
/// segment.
///
/// Any single flipped bit is found. What cannot be found from the files alone is a last segment cut
/// between two records, or the last segments removed. A live journal can be audited; a record that
/// is just being written is counted as a torn tail.
///
/// # Errors
/// [`Error::Io`] when a file cannot be read, [`Error::Unsupported`] when a newer release wrote it.
/// Damage is no error but part of the report.
pub fn verify(
    journal_dir: &Path,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut names = Vec::new();
    for path in entries(journal_dir)? {
        match journal_entry(&path) {
            Entry::Stream(name) => names.push(name),
            Entry::Unknown => report.unknown.push(path),
        }
    }
    names.sort();
    let mut bytes_total = 0;
    for name in &names {
        bytes_total += segments_bytes(&stream_files(&journal_dir.join(name.as_str()))?.segments);
    }
    let mut audit = Audit { on_progress, bytes: 0, bytes_total };
    for stream in names {
        report.streams.push(audit.stream(journal_dir, stream)?);
    }
    Ok(report)
}

/// The bytes between two calls of the progress function.
const PROGRESS_BYTES: u64 = 4 << 20;

struct Audit<'a> {
    on_progress: &'a mut dyn FnMut(Progress<'_>),
    bytes: u64,
    bytes_total: u64,
}

/// What the segments read so far say about the next one.
struct Chain {
    /// Unknown at the start, because old segments may have been archived, and after damage.
    next_seq: Option<u64>,
    /// The length of the segment before.
    previous_bytes: Option<u64>,
}

impl Audit<'_> {
    fn stream(&mut self, journal_dir: &Path, stream: StreamName) -> Result<StreamReport, Error> {
        let files = stream_files(&journal_dir.join(stream.as_str()))?;
        let mut report = StreamReport {
            stream,
            segments: files.segments.len() as u64,
            records: 0,
            bytes: segments_bytes(&files.segments),
            first_seq: files.segments.first().map_or(0, |segment| segment.first_seq),
            last_seq: 0,
            torn_tail_bytes: 0,
            damages: Vec::new(),
            set_aside: files.set_aside,
            unknown: files.unknown,
        };
        let mut chain = Chain { next_seq: None, previous_bytes: None };
        for (index, segment) in files.segments.iter().enumerate() {
            let is_last = index + 1 == files.segments.len();
            chain = self.segment(segment, is_last, &chain, &mut report)?;
        }
        Ok(report)
    }

    /// Reads one segment and returns what must come after it.
    fn segment(
        &mut self,
        segment: &SegmentPath,
        is_last: bool,
        chain: &Chain,
        report: &mut StreamReport,
    ) -> Result<Chain, Error> {
        let length = segments_bytes(std::slice::from_ref(segment));
        let bytes_before = self.bytes;
        let mut next_seq = None;
        match Cursor::open(segment, &report.stream)? {
            Opened::Ready(mut cursor) => {
                check_chain(&cursor, chain, report);
                next_seq = self.records(&mut cursor, is_last, report)?;
            }
            Opened::Damaged(reason) => report.damages.push(damage(segment, reason)),
            Opened::Unready { bytes } if is_last => report.torn_tail_bytes = bytes,
            Opened::Unready { .. } => {
                report.damages.push(damage(segment, "the segment header is cut short"))
            }
            Opened::Absent => {
                report.damages.push(damage(segment, "the segment vanished during the audit"))
            }
        }
        self.bytes = bytes_before + length;
        self.tell(&report.stream, &segment.path);
        Ok(Chain { next_seq, previous_bytes: Some(length) })
    }

    /// Reads a segment's records. Returns the sequence after the last, unless damage hides it.
    fn records(
        &mut self,
        cursor: &mut Cursor,
        is_last: bool,
        report: &mut StreamReport,
    ) -> Result<Option<u64>, Error> {
        let bytes_before = self.bytes;
        loop {
            let reason = match cursor.step()? {
                Step::Record { seq, .. } => {
                    report.records += 1;
                    report.last_seq = seq;
                    if bytes_before + cursor.offset() >= self.bytes + PROGRESS_BYTES {
                        self.bytes = bytes_before + cursor.offset();
                        self.tell(&report.stream, cursor.path());
                    }
                    continue;
                }
                Step::End => return Ok(Some(cursor.next_seq())),
                Step::Torn { bytes } if is_last => {
                    report.torn_tail_bytes = bytes;
                    return Ok(Some(cursor.next_seq()));
                }
                Step::Torn { .. } => "a sealed segment ends inside a record",
                Step::Damaged { reason, whole: Some(whole) } => {
                    report.damages.push(damage_at(cursor, reason));
                    cursor.skip(whole);
                    continue;
                }
                Step::Damaged { reason, whole: None } => reason,
            };
            report.damages.push(damage_at(cursor, reason));
            return Ok(None);
        }
    }

    fn tell(&mut self, stream: &StreamName, path: &Path) {
        (self.on_progress)(Progress {
            stream,
            path,
            bytes: self.bytes,
            bytes_total: self.bytes_total,
        });
    }
}

/// Checks that a segment follows the one before it.
fn check_chain(cursor: &Cursor, chain: &Chain, report: &mut StreamReport) {
    let header = cursor.header();
    let reason = if chain.next_seq.is_some_and(|expected| expected != header.first_seq) {
        "records are missing between this segment and the one before"
    } else if chain.previous_bytes.is_some_and(|bytes| bytes != header.previous_bytes) {
        "the segment before this one is not as long as when it was sealed"
    } else {
        return;
    };
    report.damages.push(Damage { path: cursor.path().to_owned(), offset: 0, reason });
}

fn damage(segment: &SegmentPath, reason: &'static str) -> Damage {
    Damage { path: segment.path.clone(), offset: 0, reason }
}

fn damage_at(cursor: &Cursor, reason: &'static str) -> Damage {
    Damage { path: cursor.path().to_owned(), offset: cursor.offset(), reason }
}

/// A segment that vanishes meanwhile counts nothing; reading it will say so.
fn segments_bytes(segments: &[SegmentPath]) -> u64 {
    let lengths = segments
        .iter()
        .map(|segment| std::fs::metadata(&segment.path).map_or(0, |found| found.len()));
    lengths.sum()
}
