//! Walks over the records of one segment file in one buffered pass; it never allocates more than
//! the file holds. It never decides what a torn or damaged record means: recovery, reader and audit
//! do.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{Behind, Error};
use crate::format::{
    HeaderError, Parsed, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, Version,
    parse_record, synced_before,
};
use crate::gaps::{Gap, Gaps};
use crate::layout::SegmentPath;
use crate::stream_name::StreamName;

/// The size of one read: small enough to stay in the processor's cache, large enough to make calls
/// rare.
const BUFFER_BYTES: usize = 256 << 10;

/// Why a segment whose header is whole is not the one that is expected.
pub(crate) const OTHER_STREAM: &str = "the segment belongs to another stream";
pub(crate) const OTHER_NAME: &str = "the segment's name is not its first sequence";

/// A place in a segment, between two records.
#[derive(Debug)]
pub(crate) struct Cursor {
    file: File,
    segment: SegmentPath,
    header: SegmentHeader,
    /// Whether the header is damaged and was put together from what is known of the segment.
    is_header_rebuilt: bool,
    salt: u32,
    /// The places in and right behind the segment where records were given up.
    gaps: Vec<Gap>,
    /// The last record of which a record that was passed says that it was on disk.
    synced: u64,
    buffer: Vec<u8>,
    /// The bytes of `buffer` that were read and not yet passed.
    unread: Range<usize>,
    /// Where in the file `unread` begins.
    offset: u64,
    next_seq: u64,
}

/// The result of opening a segment file.
pub(crate) enum Opened {
    Ready(Box<Cursor>),
    /// The file is shorter than a header: it is just being created, or its writer was killed while
    /// creating it.
    Unfinished {
        /// The length of the file.
        bytes: u64,
    },
    /// The header is whole and wrong, for this reason.
    Damaged(&'static str),
    /// There is no such file.
    Absent,
}

/// What comes next in a segment.
pub(crate) enum Step {
    /// A whole record.
    Record {
        seq: u64,
        /// Where in [`Cursor::bytes`] its payload is.
        payload_at: Range<usize>,
    },
    /// The file ends here, between two records.
    End,
    /// The file ends inside a record.
    Torn {
        /// How many bytes of the record are there.
        bytes: u64,
    },
    /// The bytes are not what was written here.
    Damaged {
        reason: &'static str,
        /// The record's length, header included, when only its payload is wrong.
        record_bytes: Option<usize>,
    },
}

impl Cursor {
    /// Opens a segment before its first record.
    pub(crate) fn open(
        segment: &SegmentPath,
        stream: &StreamName,
        gaps: &Gaps,
    ) -> Result<Opened, Error> {
        let opened = Self::open_as_written(segment, stream, gaps)?;
        match (gaps.salt_of(segment.first_seq), &opened) {
            (Some(salt), Opened::Damaged(_)) => {
                Self::open_with_salt(segment, stream, gaps, salt).map(Opened::Ready)
            }
            _ => Ok(opened),
        }
    }

    /// Opens a segment whose header is damaged, but whose records' checksums start from `salt`.
    pub(crate) fn open_with_salt(
        segment: &SegmentPath,
        stream: &StreamName,
        gaps: &Gaps,
        salt: u32,
    ) -> Result<Box<Self>, Error> {
        let file = File::open(&segment.path).map_err(Error::io("open", &segment.path))?;
        let header = SegmentHeader {
            version: Version::NEWEST,
            stream_checksum: stream.checksum(),
            first_seq: segment.first_seq,
            created_at_ms: 0,
            previous_bytes: 0,
        };
        let mut cursor = Self::at_first_record(file, segment.clone(), header, gaps);
        (cursor.is_header_rebuilt, cursor.salt) = (true, salt);
        Ok(Box::new(cursor))
    }

    fn open_as_written(
        segment: &SegmentPath,
        stream: &StreamName,
        gaps: &Gaps,
    ) -> Result<Opened, Error> {
        let file = match File::open(&segment.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Opened::Absent),
            Err(error) => return Err(Error::io("open", &segment.path)(error)),
        };
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let got = read_up_to(&file, &mut bytes, 0).map_err(Error::io("read", &segment.path))?;
        if got < SEGMENT_HEADER_BYTES {
            return Ok(Opened::Unfinished { bytes: got as u64 });
        }
        let header = match SegmentHeader::decode(&bytes) {
            Ok(header) => header,
            Err(HeaderError::Damaged(reason)) => return Ok(Opened::Damaged(reason)),
            Err(HeaderError::Unsupported(version)) => {
                return Err(Error::Unsupported { path: segment.path.clone(), version });
            }
        };
        if header.stream_checksum != stream.checksum() {
            return Ok(Opened::Damaged(OTHER_STREAM));
        }
        if header.first_seq != segment.first_seq {
            return Ok(Opened::Damaged(OTHER_NAME));
        }
        Ok(Opened::Ready(Box::new(Self::at_first_record(file, segment.clone(), header, gaps))))
    }

    fn at_first_record(
        file: File,
        segment: SegmentPath,
        header: SegmentHeader,
        gaps: &Gaps,
    ) -> Self {
        Self {
            file,
            is_header_rebuilt: false,
            salt: header.salt(),
            gaps: gaps.of_segment(segment.first_seq).cloned().collect(),
            synced: 0,
            buffer: vec![0; BUFFER_BYTES],
            unread: 0..0,
            offset: SEGMENT_HEADER_BYTES as u64,
            next_seq: segment.first_seq,
            segment,
            header,
        }
    }

    /// Takes the next record, or returns why there is none. Only a record moves the cursor.
    ///
    /// A torn record is read again from the file at the next call: its writer may have gone on, or
    /// another writer may have cut it off and written another record.
    pub(crate) fn step(&mut self) -> Result<Step, Error> {
        loop {
            match parse_record(&self.buffer[self.unread.clone()], self.salt, self.next_seq) {
                Parsed::Record(record_bytes) => return Ok(self.pass_record(record_bytes)),
                Parsed::Damaged { reason, record_bytes } => {
                    return Ok(Step::Damaged { reason, record_bytes });
                }
                Parsed::Short(needed) => {
                    if !self.fill(needed)? {
                        return self.ended();
                    }
                }
            }
        }
    }

    /// Moves over a whole record.
    fn pass_record(&mut self, record_bytes: usize) -> Step {
        let seq = self.next_seq;
        let start = self.unread.start;
        self.synced = self.synced.max(synced_before(&self.buffer[start..], seq));
        self.skip(record_bytes);
        Step::Record { seq, payload_at: start + RECORD_HEADER_BYTES..start + record_bytes }
    }

    /// Moves over a record whose payload is damaged.
    pub(crate) fn skip(&mut self, record_bytes: usize) {
        debug_assert!(record_bytes <= self.unread.len(), "only a record that was read is passed");
        self.unread.start += record_bytes;
        self.offset += record_bytes as u64;
        self.next_seq += 1;
    }

    /// Moves over records that were given up here, and returns that gap. To be called where the
    /// next record cannot be read; the gap may hold no record, or no byte.
    pub(crate) fn pass_gap(&mut self) -> Result<Option<Gap>, Error> {
        if self.gaps.is_empty() {
            return Ok(None);
        }
        let (offset, seq, length) = (self.offset, self.next_seq, self.file_bytes()?);
        let is_here = |gap: &&Gap| {
            let moves = gap.to_byte > offset || gap.records() > 0;
            moves && gap.from_byte == offset && gap.first_seq == seq && gap.to_byte <= length
        };
        // Damage may have come twice, and bytes may have come back: the smallest gap passes over no
        // record that is whole.
        let here = self.gaps.iter().filter(is_here).min_by_key(|gap| (gap.last_seq, gap.to_byte));
        let Some(gap) = here.cloned() else { return Ok(None) };
        self.go_on_at(gap.to_byte, gap.last_seq + 1);
        Ok(Some(gap))
    }

    /// Goes on at another place of the segment, where the record `next_seq` begins.
    pub(crate) fn go_on_at(&mut self, offset: u64, next_seq: u64) {
        (self.offset, self.next_seq) = (offset, next_seq);
        self.forget_buffered();
    }

    fn ended(&mut self) -> Result<Step, Error> {
        self.forget_buffered();
        let bytes = self.file_bytes()?.saturating_sub(self.offset);
        Ok(if bytes == 0 { Step::End } else { Step::Torn { bytes } })
    }

    /// Makes the next step read from the file again, and shrinks a buffer that a large record grew.
    pub(crate) fn forget_buffered(&mut self) {
        self.unread = 0..0;
        self.buffer.truncate(BUFFER_BYTES);
        self.buffer.shrink_to(BUFFER_BYTES);
    }

    /// Reads on until `needed` bytes are unread. Returns `false` when the file has fewer left.
    fn fill(&mut self, needed: usize) -> Result<bool, Error> {
        if needed > self.buffer.len() {
            // A length is trusted only as far as the file goes.
            if self.file_bytes()?.saturating_sub(self.offset) < needed as u64 {
                return Ok(false);
            }
            self.buffer.reserve_exact(needed - self.buffer.len());
            self.buffer.resize(needed, 0);
        }
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        let from = self.offset + self.unread.end as u64;
        let got = read_some(
            &self.file,
            &mut self.buffer[self.unread.end..],
            needed - self.unread.end,
            from,
        );
        self.unread.end += got.map_err(Error::io("read", &self.segment.path))?;
        Ok(self.unread.end >= needed)
    }

    /// Returns the buffer that a [`Step::Record`] points into.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Returns where in the file the next record begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the sequence that the next record must have.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    pub(crate) fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// Returns the length of the segment before this one when it was sealed, if the header says it.
    pub(crate) fn previous_bytes(&self) -> Option<u64> {
        (!self.is_header_rebuilt).then_some(self.header.previous_bytes)
    }

    /// Returns the last record of which the records that were passed say that it was on disk.
    pub(crate) fn synced(&self) -> u64 {
        self.synced
    }

    pub(crate) fn salt(&self) -> u32 {
        self.salt
    }

    pub(crate) fn path(&self) -> &Path {
        &self.segment.path
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns the file's length as it is now.
    pub(crate) fn file_bytes(&self) -> Result<u64, Error> {
        let metadata = self.file.metadata().map_err(Error::io("stat", &self.segment.path))?;
        Ok(metadata.len())
    }

    /// Returns the error for damage at the cursor's place.
    pub(crate) fn damaged(&self, reason: &'static str) -> Error {
        Error::Damaged {
            path: self.segment.path.clone(),
            offset: self.offset,
            seq: self.next_seq,
            reason,
            behind: Behind::Unread,
        }
    }
}

/// Fills `buffer` from `offset` on, as far as the file goes.
pub(crate) fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let wanted = buffer.len();
    read_some(file, buffer, wanted, offset)
}

/// Reads at least `wanted` bytes unless the file ends, and more if the last call brings them.
fn read_some(file: &File, buffer: &mut [u8], wanted: usize, offset: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < wanted {
        match file.read_at(&mut buffer[got..], offset + got as u64) {
            Ok(0) => break,
            Ok(bytes) => got += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_trusted_only_as_far_as_the_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let stream = StreamName::new("main").unwrap();
        let stream_checksum = stream.checksum();
        let version = Version::NEWEST;
        let header = SegmentHeader {
            version,
            stream_checksum,
            first_seq: 1,
            created_at_ms: 0,
            previous_bytes: 0,
        };
        let mut record = vec![0; RECORD_HEADER_BYTES + crate::format::PAYLOAD_BYTES_MAX];
        crate::format::write_record_header(&mut record, header.salt(), version.place(1, 0));
        let path = folder.path().join("segment");
        std::fs::write(&path, [&header.encode()[..], &record[..1000]].concat()).unwrap();

        let segment = SegmentPath { first_seq: 1, path };
        let opened = Cursor::open(&segment, &stream, &Gaps::default()).unwrap();
        let Opened::Ready(mut cursor) = opened else { panic!("the header is whole") };
        assert!(matches!(cursor.step(), Ok(Step::Torn { bytes: 1000 })));
        assert_eq!(cursor.buffer.len(), BUFFER_BYTES);

        std::fs::write(cursor.path(), [&header.encode()[..], &record].concat()).unwrap();
        assert!(matches!(cursor.step(), Ok(Step::Record { .. })));
        assert_eq!(cursor.buffer.capacity(), record.len());
        assert!(matches!(cursor.step(), Ok(Step::End)));
        assert_eq!(
            cursor.buffer.capacity(),
            BUFFER_BYTES,
            "the buffer shrinks at the end of the file"
        );
    }
}
