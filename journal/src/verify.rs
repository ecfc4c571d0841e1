//! Audits a whole journal and reports all bytes that are not as they were written; it never changes
//! a file, and never stops at the first damage.

use std::fs;
use std::path::{Path, PathBuf};
use std::slice;

use crate::cursor::{Cursor, Opened, Step};
use crate::error::Error;
use crate::gaps::Gaps;
use crate::layout::{SegmentPath, entries, stream_files, stream_of_dir};
use crate::mark::{is_marks_dir, known_seq, known_streams};
use crate::repair::Loss;
use crate::salvage::next_whole;
use crate::stream_name::StreamName;

/// How far an audit is.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// The stream that is being read.
    pub stream: &'a StreamName,
    /// The segment that is being read.
    pub path: &'a Path,
    /// How many bytes of this journal were read.
    pub bytes: u64,
    /// The length of all segments when the audit began.
    pub bytes_total: u64,
}

/// The result of an audit.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Findings {
    /// One entry for each stream, sorted by name.
    pub streams: Vec<StreamFindings>,
    /// Entries of the journal folder that are not streams.
    pub unknown: Vec<PathBuf>,
}

impl Findings {
    /// Returns whether every byte is as it was written, or was given up by a repair. A torn tail
    /// and unknown files are no damage.
    pub fn is_whole(&self) -> bool {
        self.streams.iter().all(|stream| stream.damages.is_empty())
    }

    /// Returns how many records were given up by repairs, ever.
    pub fn lost_records(&self) -> u64 {
        self.streams.iter().flat_map(|stream| &stream.lost).map(Loss::records).sum()
    }
}

/// The result of an audit for one stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamFindings {
    /// The stream.
    pub stream: StreamName,
    /// How many segments it has.
    pub segments: u64,
    /// How many whole records it has.
    pub records: u64,
    /// The length of its segments, in bytes.
    pub bytes: u64,
    /// The first sequence of its oldest segment; 0 without segments.
    pub first_seq: u64,
    /// The sequence of its last whole record; 0 for none.
    pub last_seq: u64,
    /// How many bytes of an unfinished record are at the end of the last segment. A writer is at
    /// work there or was killed.
    pub torn_tail_bytes: u64,
    /// All places that are not as they were written, in order.
    pub damages: Vec<Damage>,
    /// What repairs gave up.
    pub lost: Vec<Loss>,
    /// The files with the bytes that recoveries took out.
    pub set_aside: Vec<PathBuf>,
    /// Files in the stream's folder that no journal writes.
    pub unknown: Vec<PathBuf>,
}

/// A place that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub path: PathBuf,
    /// Where in the segment the damage begins.
    pub offset: u64,
    /// The record that was expected there.
    pub seq: u64,
    /// Which check failed.
    pub reason: &'static str,
}

/// Reads every segment of every stream. Checks that checksums are right, that sequences are dense,
/// and that each segment follows the one before it.
///
/// Any single flipped bit is found, and any record that is missing although it was known to be on
/// disk. Only for records that were never known to be on disk, a last segment that was cut between
/// two records cannot be told from a shorter one. A live journal can be audited; a record that is
/// just being written is counted as a torn tail.
///
/// # Errors
/// [`Error::Io`] when a file cannot be read, [`Error::Unsupported`] when a newer release wrote it.
/// Damage is part of the findings and not an error.
pub fn verify(
    journal_dir: &Path,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Findings, Error> {
    let mut findings = Findings::default();
    let is_ours = |path: &Path| stream_of_dir(path).is_some() || is_marks_dir(journal_dir, path);
    findings.unknown = entries(journal_dir)?;
    findings.unknown.retain(|path| !is_ours(path));
    let names: Vec<StreamName> = known_streams(journal_dir)?.into_keys().collect();
    let mut bytes_total = 0;
    for name in &names {
        bytes_total += segments_bytes(&stream_files(&journal_dir.join(name.as_str()))?.segments);
    }
    let mut audit = Audit { on_progress, bytes: 0, bytes_total };
    for stream in names {
        findings.streams.push(audit.stream(journal_dir, stream)?);
    }
    Ok(findings)
}

const SHORTER: &str = "the stream ends before a record that was known to be on disk";

/// How many bytes are read between two calls of the progress function.
const PROGRESS_BYTES: u64 = 4 << 20;

struct Audit<'a> {
    on_progress: &'a mut dyn FnMut(Progress<'_>),
    bytes: u64,
    bytes_total: u64,
}

/// What the next segment must match.
struct Expected {
    /// Its first sequence. Unknown for the first segment, because older ones may have been
    /// archived, and after damage.
    first_seq: Option<u64>,
    /// The length of the segment before it. Unknown for the first segment.
    previous_bytes: Option<u64>,
}

impl Audit<'_> {
    fn stream(&mut self, journal_dir: &Path, stream: StreamName) -> Result<StreamFindings, Error> {
        // Before the segments: a writer at work only makes the stream longer.
        let known_seq = known_seq(journal_dir, &stream)?;
        let stream_dir = journal_dir.join(stream.as_str());
        let gaps = Gaps::load(&stream_dir, &stream)?;
        let files = stream_files(&stream_dir)?;
        let mut findings = StreamFindings {
            stream,
            segments: files.segments.len() as u64,
            records: 0,
            bytes: segments_bytes(&files.segments),
            first_seq: files.segments.first().map_or(0, |segment| segment.first_seq),
            last_seq: 0,
            torn_tail_bytes: 0,
            damages: Vec::new(),
            lost: Vec::new(),
            set_aside: files.set_aside,
            unknown: files.unknown,
        };
        findings.lost =
            gaps.0.iter().map(|gap| Loss::of(gap, &findings.stream, &stream_dir)).collect();
        let mut expected = Expected { first_seq: None, previous_bytes: None };
        for (index, segment) in files.segments.iter().enumerate() {
            let following = files.segments.get(index + 1).map(|following| following.first_seq);
            expected = self.segment(segment, following, &expected, &gaps, &mut findings)?;
        }
        let end = match files.segments.is_empty() {
            true => Some(gaps.first_after(1)),
            false => expected.first_seq,
        };
        if let Some(seq) = end.filter(|seq| *seq <= known_seq) {
            let path = files.segments.last().map_or(stream_dir, |last| last.path.clone());
            let (offset, reason) = (expected.previous_bytes.unwrap_or(0), SHORTER);
            findings.damages.push(Damage { path, offset, seq, reason });
        }
        Ok(findings)
    }

    /// Reads one segment and returns what the next one must match.
    fn segment(
        &mut self,
        segment: &SegmentPath,
        following: Option<u64>,
        expected: &Expected,
        gaps: &Gaps,
        findings: &mut StreamFindings,
    ) -> Result<Expected, Error> {
        let length = segments_bytes(slice::from_ref(segment));
        let bytes_before = self.bytes;
        let mut next_seq = None;
        match Cursor::open(segment, &findings.stream, gaps)? {
            Opened::Ready(mut cursor) => {
                check_follows(&cursor, expected, findings);
                next_seq = self.records(&mut cursor, following, findings)?;
            }
            Opened::Damaged(reason) => findings.damages.push(damage(segment, reason)),
            Opened::Unfinished { bytes } if following.is_none() => {
                findings.torn_tail_bytes = bytes;
                next_seq = Some(segment.first_seq);
            }
            Opened::Unfinished { .. } => {
                findings.damages.push(damage(segment, "the segment header is cut short"));
            }
            Opened::Absent => {
                findings.damages.push(damage(segment, "the segment vanished during the audit"));
            }
        }
        self.bytes = bytes_before + length;
        self.report_progress(&findings.stream, &segment.path);
        // A gap explains that the segment does not end as it was sealed.
        let is_explained = gaps.explain_end(segment.first_seq, length);
        Ok(Expected { first_seq: next_seq, previous_bytes: Some(length).filter(|_| !is_explained) })
    }

    /// Reads a segment's records. Returns the sequence after the last one, or `None` when damage
    /// hides it.
    fn records(
        &mut self,
        cursor: &mut Cursor,
        following: Option<u64>,
        findings: &mut StreamFindings,
    ) -> Result<Option<u64>, Error> {
        let bytes_before = self.bytes;
        loop {
            let step = cursor.step()?;
            if let Step::Record { seq, .. } = step {
                findings.records += 1;
                findings.last_seq = seq;
                if bytes_before + cursor.offset() >= self.bytes + PROGRESS_BYTES {
                    self.bytes = bytes_before + cursor.offset();
                    self.report_progress(&findings.stream, cursor.path());
                }
                continue;
            }
            let is_at_end = matches!(step, Step::End) && following == Some(cursor.next_seq());
            if !is_at_end && cursor.pass_gap()?.is_some() {
                continue;
            }
            let (reason, record_bytes) = match step {
                Step::Record { .. } | Step::End => return Ok(Some(cursor.next_seq())),
                Step::Torn { bytes } if following.is_none() => {
                    findings.torn_tail_bytes = bytes;
                    return Ok(Some(cursor.next_seq()));
                }
                Step::Torn { .. } => ("a sealed segment ends inside a record", None),
                Step::Damaged { reason, record_bytes } => (reason, record_bytes),
            };
            findings.damages.push(damage_at(cursor, reason));
            let is_torn = matches!(step, Step::Torn { .. });
            match (is_torn, next_whole(cursor, record_bytes)?) {
                (false, Some(whole)) => cursor.go_on_at(whole.offset, whole.seq),
                // Only the payload of the last record is wrong.
                (false, None) if record_bytes.is_some() => {
                    cursor.skip(record_bytes.unwrap_or_default());
                }
                _ => return Ok(None),
            }
        }
    }

    fn report_progress(&mut self, stream: &StreamName, path: &Path) {
        (self.on_progress)(Progress {
            stream,
            path,
            bytes: self.bytes,
            bytes_total: self.bytes_total,
        });
    }
}

/// Checks that a segment follows the one before it.
fn check_follows(cursor: &Cursor, expected: &Expected, findings: &mut StreamFindings) {
    let header = cursor.header();
    let reason = if expected.first_seq.is_some_and(|seq| seq != header.first_seq) {
        "records are missing between this segment and the one before"
    } else if is_other(expected.previous_bytes, cursor.previous_bytes()) {
        "the segment before this one is not as long as when it was sealed"
    } else {
        return;
    };
    let (path, seq) = (cursor.path().to_owned(), header.first_seq);
    findings.damages.push(Damage { path, offset: 0, seq, reason });
}

/// Returns whether two lengths are both known and differ.
fn is_other(one: Option<u64>, other: Option<u64>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

fn damage(segment: &SegmentPath, reason: &'static str) -> Damage {
    Damage { path: segment.path.clone(), offset: 0, seq: segment.first_seq, reason }
}

fn damage_at(cursor: &Cursor, reason: &'static str) -> Damage {
    let (path, offset, seq) = (cursor.path().to_owned(), cursor.offset(), cursor.next_seq());
    Damage { path, offset, seq, reason }
}

/// Returns the length of segments, in bytes. A segment that has vanished counts as 0; the audit
/// finds that when it reads it.
fn segments_bytes(segments: &[SegmentPath]) -> u64 {
    let length = |segment: &SegmentPath| fs::metadata(&segment.path).map_or(0, |found| found.len());
    segments.iter().map(length).sum()
}
