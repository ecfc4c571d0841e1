//! The one writer of a stream; it never acknowledges what the operating system has not taken, never
//! retries a failed write or fsync, and makes neither an append nor a commit wait for an fsync
//! while a [`Syncer`] is at work.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::error::Error;
#[cfg(feature = "faults")]
use crate::fault::Fault;
use crate::fault::SegmentIo;
use crate::format::{
    PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, Version,
    write_record_header,
};
use crate::layout::{Lock, OWNER_ALONE, create_stream_dir, lock_stream, segment_path};
use crate::mark::Mark;
use crate::recover::{Promised, Recovery, TailSegment, carry_out, examine};
use crate::stream_name::StreamName;
use crate::sync::{Health, SegmentFile, Shared, Syncer};

/// How a stream is written.
#[derive(Clone, Debug)]
pub struct Options {
    /// A segment of this size or more is sealed after the commit that filled it. So a segment is
    /// larger than this by less than one commit.
    pub segment_bytes_max: u64,
    /// A fault to plant.
    #[cfg(feature = "faults")]
    pub fault: Option<Fault>,
}

impl Default for Options {
    /// 128 MiB: a recovery reads one segment, in about a tenth of a second.
    fn default() -> Self {
        Self::with_segment_bytes_max(128 << 20)
    }
}

impl Options {
    /// Returns the default options, but with another size of segments.
    pub fn with_segment_bytes_max(segment_bytes_max: u64) -> Self {
        Self {
            segment_bytes_max,
            #[cfg(feature = "faults")]
            fault: None,
        }
    }

    #[cfg(not(feature = "faults"))]
    fn segment_io(&self) -> SegmentIo {
        SegmentIo::default()
    }

    #[cfg(feature = "faults")]
    fn segment_io(&self) -> SegmentIo {
        SegmentIo::with_fault(self.fault)
    }
}

/// Appends records to one stream. Synchronous, owned by one thread at a time.
///
/// [`append`](Self::append) frames a record in memory, [`commit`](Self::commit) hands all framed
/// records to the operating system, [`sync`](Self::sync) or a [`Syncer`] fsyncs them. Dropping a
/// writer discards what was not committed.
#[derive(Debug)]
pub struct Writer {
    stream_dir: PathBuf,
    segment_bytes_max: u64,
    shared: Arc<Shared>,
    segment: Arc<SegmentFile>,
    /// The format version of the current segment.
    version: Version,
    /// The checksum from which the current segment's records start theirs.
    salt: u32,
    segment_bytes: u64,
    /// The framed records, then bytes that an encoder that panicked may have left.
    buffer: Vec<u8>,
    /// How many bytes of `buffer` are framed records.
    framed: usize,
    next_seq: u64,
    last_committed: u64,
    /// Held and never read: the lock ends with it.
    _lock: Lock,
}

/// The buffer keeps at most this capacity between commits.
const BUFFER_BYTES_KEPT: usize = 4 << 20;

impl Writer {
    /// Opens a stream for appending, or creates it: takes its lock and cuts off an unfinished
    /// record that a kill or a power cut left, behind everything that was known to be on disk.
    ///
    /// When it returns, every record that is left is on disk. `now_ms` is Unix time in milliseconds
    /// and only dates a segment that is created.
    ///
    /// # Errors
    /// [`Error::InUse`] when another writer has the stream. [`Error::Damaged`] or
    /// [`Error::Unsupported`] when a recovery would lose records that were durable; then nothing
    /// was changed, and [`repair`](crate::repair()) can give up what cannot be read. [`Error::Io`]
    /// otherwise.
    pub fn open(
        journal_dir: &Path,
        stream: &StreamName,
        now_ms: u64,
        options: Options,
    ) -> Result<(Self, Recovery), Error> {
        let stream_dir = create_stream_dir(journal_dir, stream)?;
        let lock = lock_stream(&stream_dir)?;
        let segment_io = options.segment_io();
        let mut mark = Mark::open(journal_dir, stream)?;
        let promised = Promised { seq: mark.seq(), ignore: segment_io.cuts_too_much() };
        let plan = examine(&stream_dir, stream, promised)?;
        let (tail, recovery) = carry_out(plan, &stream_dir)?;
        let last_seq = recovery.last_seq;
        mark.note(last_seq);
        mark.sync()?;
        let segment = match tail.segment {
            Some(segment) => OpenSegment::resume(segment)?,
            None => {
                let (first_seq, previous_bytes) = (tail.next_seq, tail.previous_bytes);
                OpenSegment::create(&stream_dir, stream, first_seq, now_ms, previous_bytes)?
            }
        };
        let (name, dir) = (stream.clone(), stream_dir.clone());
        let shared = Arc::new(Shared::new(name, dir, segment_io, last_seq, mark));
        shared.note_created(&segment.file);
        let mut writer = Self {
            stream_dir,
            segment_bytes_max: options.segment_bytes_max,
            shared,
            segment: segment.file,
            version: segment.version,
            salt: segment.salt,
            segment_bytes: segment.bytes,
            buffer: Vec::new(),
            framed: 0,
            next_seq: last_seq + 1,
            last_committed: last_seq,
            _lock: lock,
        };
        writer.roll_if_full(now_ms)?;
        Ok((writer, recovery))
    }

    /// Frames a record in memory and returns its sequence. Makes no system call, and allocates only
    /// while the buffer still grows.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above [`PAYLOAD_BYTES_MAX`], [`Error::Poisoned`] after a failed write or
    /// fsync.
    pub fn append(&mut self, payload: &[u8]) -> Result<u64, Error> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(Error::TooLarge { bytes: payload.len() });
        }
        self.append_with(|buffer| buffer.extend_from_slice(payload))
    }

    /// As [`append`](Self::append), but `encode` appends the payload to the buffer itself.
    ///
    /// The buffer holds earlier records already, so `encode` must only append. If it panics,
    /// nothing is recorded.
    ///
    /// # Errors
    /// As [`append`](Self::append). If `encode` shortens the buffer, the stream is poisoned.
    pub fn append_with(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<u64, Error> {
        self.shared.check()?;
        self.buffer.truncate(self.framed);
        self.buffer.extend_from_slice(&[0; RECORD_HEADER_BYTES]);
        let payload_at = self.buffer.len();
        encode(&mut self.buffer);
        let Some(bytes) = self.buffer.len().checked_sub(payload_at) else {
            return Err(self.refuse_shortened());
        };
        if bytes > PAYLOAD_BYTES_MAX {
            return Err(Error::TooLarge { bytes });
        }
        let place = self.version.place(self.next_seq, self.shared.last_synced());
        write_record_header(&mut self.buffer[self.framed..], self.salt, place);
        self.framed = self.buffer.len();
        self.next_seq += 1;
        Ok(self.next_seq - 1)
    }

    /// Poisons the stream: which records the buffer holds is no longer known.
    fn refuse_shortened(&mut self) -> Error {
        self.buffer.clear();
        self.framed = 0;
        self.shared.poison_with("an encoder shortened the buffer")
    }

    /// Returns how many bytes were appended and not yet committed.
    pub fn pending(&self) -> usize {
        self.framed
    }

    /// Hands all appended records to the operating system, in one write, and returns the last
    /// committed sequence.
    ///
    /// The records then survive a kill of the process, and after the next sync a power cut.
    /// `now_ms` is Unix time in milliseconds and dates the segment that is created when this one is
    /// full.
    ///
    /// # Errors
    /// [`Error::Io`] when the write fails, which poisons the stream; [`Error::Poisoned`]
    /// afterwards. The appended records must then not be acknowledged: only a restart finds out
    /// which of them are whole.
    pub fn commit(&mut self, now_ms: u64) -> Result<u64, Error> {
        self.write_pending()?;
        self.roll_if_full(now_ms)?;
        Ok(self.last_committed)
    }

    /// Fsyncs all committed records, in this segment and in older ones. They then survive a power
    /// cut.
    ///
    /// # Errors
    /// [`Error::Io`] when an fsync fails, which poisons the stream; [`Error::Poisoned`] afterwards.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.shared.sync()
    }

    /// Returns a handle that fsyncs this stream's commits from another thread.
    pub fn syncer(&self) -> Syncer {
        Syncer(Arc::clone(&self.shared))
    }

    /// Returns a handle for readiness checks.
    pub fn health(&self) -> Health {
        Health(Arc::clone(&self.shared))
    }

    /// Returns whether an earlier write or fsync failed.
    pub fn is_poisoned(&self) -> bool {
        self.shared.is_poisoned()
    }

    /// Returns the last record handed to the operating system; 0 for none.
    pub fn last_committed(&self) -> u64 {
        self.last_committed
    }

    /// Returns the stream's name.
    pub fn stream(&self) -> &StreamName {
        self.shared.stream()
    }

    /// Commits, syncs and releases the lock.
    ///
    /// # Errors
    /// As [`commit`](Self::commit) and [`sync`](Self::sync).
    pub fn close(mut self) -> Result<(), Error> {
        self.write_pending()?;
        self.shared.sync()
    }

    /// Fsyncs what is written down beside the stream, when that is due.
    pub(crate) fn sync_mark_if_due(&self) {
        self.shared.sync_mark_if_due();
    }

    /// Returns when that is due.
    pub(crate) fn mark_sync_due(&self) -> Option<Instant> {
        self.shared.mark_sync_due()
    }

    pub(crate) fn segment_io(&self) -> &SegmentIo {
        &self.shared.segment_io
    }

    fn write_pending(&mut self) -> Result<(), Error> {
        self.shared.check()?;
        if self.framed == 0 {
            return Ok(());
        }
        debug_assert!(self.next_seq > self.last_committed + 1, "framed bytes are whole records");
        let framed = &self.buffer[..self.framed];
        let written = self.shared.segment_io.write_all(&self.segment.file, framed);
        written.map_err(|source| self.shared.poison_io("write to", &self.segment.path, source))?;
        self.segment_bytes += self.framed as u64;
        self.last_committed = self.next_seq - 1;
        self.shared.note_commit(&self.segment, self.last_committed);
        self.framed = 0;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        Ok(())
    }

    /// Seals a full segment and starts the next, without an fsync.
    ///
    /// This happens right after a commit, because the next record's checksum already starts from
    /// the new segment's.
    fn roll_if_full(&mut self, now_ms: u64) -> Result<(), Error> {
        let is_empty = self.segment_bytes == SEGMENT_HEADER_BYTES as u64;
        if is_empty || self.segment_bytes < self.segment_bytes_max {
            return Ok(());
        }
        debug_assert_eq!(self.framed, 0, "framed records belong to the segment that is sealed");
        // Recovery reads the last two segments, so at most two may be unsynced. A third one means
        // that nobody syncs.
        if self.shared.has_unsynced_sealed(&self.segment) {
            self.shared.sync()?;
        }
        let (stream, sealed_bytes) = (self.shared.stream(), self.segment_bytes);
        let created =
            OpenSegment::create(&self.stream_dir, stream, self.next_seq, now_ms, sealed_bytes);
        let next = created.map_err(|error| self.shared.poison(error))?;
        self.shared.note_created(&next.file);
        (self.segment, self.salt, self.segment_bytes) = (next.file, next.salt, next.bytes);
        self.version = next.version;
        Ok(())
    }
}

/// The segment that takes the next record.
struct OpenSegment {
    file: Arc<SegmentFile>,
    version: Version,
    salt: u32,
    bytes: u64,
}

impl OpenSegment {
    fn create(
        stream_dir: &Path,
        stream: &StreamName,
        first_seq: u64,
        created_at_ms: u64,
        previous_bytes: u64,
    ) -> Result<Self, Error> {
        let (version, stream_checksum) = (Version::NEWEST, stream.checksum());
        let header =
            SegmentHeader { version, stream_checksum, first_seq, created_at_ms, previous_bytes };
        let path = segment_path(stream_dir, first_seq);
        let opened = OpenOptions::new().append(true).create_new(true).mode(OWNER_ALONE).open(&path);
        let mut file = opened.map_err(Error::io("create", &path))?;
        file.write_all(&header.encode()).map_err(Error::io("write to", &path))?;
        let salt = header.salt();
        Ok(Self {
            file: Arc::new(SegmentFile { file, path }),
            version,
            salt,
            bytes: SEGMENT_HEADER_BYTES as u64,
        })
    }

    /// Opens a segment to go on with. It is opened for appending and not at an offset, so that no
    /// bug can overwrite a record.
    fn resume(tail: TailSegment) -> Result<Self, Error> {
        let opened = OpenOptions::new().append(true).open(&tail.path);
        let file = opened.map_err(Error::io("open", &tail.path))?;
        Ok(Self {
            file: Arc::new(SegmentFile { file, path: tail.path }),
            version: tail.version,
            salt: tail.salt,
            bytes: tail.bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens a writer whose next bytes go to a kernel device instead of its segment.
    fn writer_to(device: &str, dir: &Path) -> Writer {
        let stream = StreamName::new("main").unwrap();
        let (mut writer, _) = Writer::open(dir, &stream, 0, Options::default()).unwrap();
        writer.sync().unwrap();
        let file = OpenOptions::new().append(true).open(device).unwrap();
        writer.segment = Arc::new(SegmentFile { file, path: device.into() });
        writer
    }

    #[test]
    fn a_full_disk_stops_the_stream_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer_to("/dev/full", folder.path());
        writer.append(b"record").unwrap();
        let failed = writer.commit(0).unwrap_err().to_string();
        assert!(failed.contains("/dev/full") && failed.contains("No space left"), "{failed}");
        assert_eq!(writer.last_committed(), 0);
        let again = writer.commit(0).unwrap_err();
        assert!(matches!(&again, Error::Poisoned { cause, .. } if *cause == failed), "{again:?}");
    }

    #[test]
    fn a_file_that_cannot_be_fsynced_stops_the_stream() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer_to("/dev/null", folder.path());
        writer.append(b"record").unwrap();
        assert_eq!(writer.commit(0).unwrap(), 1);
        assert!(matches!(writer.sync(), Err(Error::Io { action: "fsync", .. })));
        assert_eq!(writer.health().last_synced(), 0);
        assert!(matches!(writer.append(b"record"), Err(Error::Poisoned { .. })));
        assert!(matches!(writer.close(), Err(Error::Poisoned { .. })));
    }

    #[test]
    fn a_warm_buffer_is_kept_and_a_huge_one_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let stream = StreamName::new("main").unwrap();
        let (mut writer, _) = Writer::open(folder.path(), &stream, 0, Options::default()).unwrap();
        writer.append(&[0; 10_000]).unwrap();
        let warm = writer.buffer.capacity();
        writer.commit(0).unwrap();
        assert_eq!(writer.buffer.capacity(), warm);
        writer.append(&vec![0; BUFFER_BYTES_KEPT * 2]).unwrap();
        writer.commit(0).unwrap();
        assert!((warm..BUFFER_BYTES_KEPT * 2).contains(&writer.buffer.capacity()));
    }
}
