//! Walks over the records of one segment file in one buffered pass; it never allocates more than
//! the file holds, and never decides what a torn or damaged record means: that is for recovery,
//! reader and audit.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt, path::Path};

use crate::{
    Error, StreamName,
    format::{self, HeaderFault, Parsed, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader},
    layout::SegmentPath,
};

/// One read: small enough to stay in the processor's cache, large enough to make calls rare.
const BUFFER_BYTES: usize = 256 << 10;

/// A place between two records of a segment.
#[derive(Debug)]
pub(crate) struct Cursor {
    file: File,
    segment: SegmentPath,
    header: SegmentHeader,
    salt: u32,
    buffer: Vec<u8>,
    /// The bytes of `buffer` that are read and not yet passed.
    ready: Range<usize>,
    /// Where in the file `ready` begins.
    offset: u64,
    next_seq: u64,
}

/// A segment file, opened.
pub(crate) enum Opened {
    Ready(Box<Cursor>),
    /// Its header is not whole: the file is just being created, or its writer was killed while
    /// creating it.
    Unready {
        bytes: u64,
    },
    /// Its header is whole and wrong.
    Damaged(&'static str),
    /// There is no such file.
    Absent,
}

/// What comes next in a segment.
pub(crate) enum Step {
    /// A whole record; its payload lies at `at` of [`Cursor::bytes`].
    Record {
        seq: u64,
        at: Range<usize>,
    },
    /// The file ends here, between two records.
    End,
    /// The file ends inside a record, of which so many bytes are there.
    Torn {
        bytes: u64,
    },
    Damaged {
        reason: &'static str,
        whole: Option<usize>,
    },
}

impl Cursor {
    /// Opens a segment before its first record.
    pub(crate) fn open(segment: &SegmentPath, stream: &StreamName) -> Result<Opened, Error> {
        let file = match File::open(&segment.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Opened::Absent),
            Err(error) => return Err(Error::io("open", &segment.path)(error)),
        };
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let got = read_up_to(&file, &mut bytes, 0).map_err(Error::io("read", &segment.path))?;
        if got < SEGMENT_HEADER_BYTES {
            return Ok(Opened::Unready { bytes: got as u64 });
        }
        let header = match SegmentHeader::decode(&bytes) {
            Ok(header) => header,
            Err(HeaderFault::Damaged(reason)) => return Ok(Opened::Damaged(reason)),
            Err(HeaderFault::Version(version)) => {
                return Err(Error::Unsupported { path: segment.path.clone(), version });
            }
        };
        if header.stream_checksum != stream.checksum() {
            return Ok(Opened::Damaged("the segment belongs to another stream"));
        }
        if header.first_seq != segment.first_seq {
            return Ok(Opened::Damaged("the segment's name is not its first sequence"));
        }
        Ok(Opened::Ready(Box::new(Cursor::at_first_record(file, segment.clone(), header))))
    }

    fn at_first_record(file: File, segment: SegmentPath, header: SegmentHeader) -> Cursor {
        Cursor {
            file,
            salt: header.salt(),
            buffer: vec![0; BUFFER_BYTES],
            ready: 0..0,
            offset: SEGMENT_HEADER_BYTES as u64,
            next_seq: segment.first_seq,
            segment,
            header,
        }
    }

    /// Takes the next record, or says why there is none. Only a record moves the cursor.
    ///
    /// A torn record is read again from the file at the next call: its writer may have gone on, or
    /// may have been replaced by one that cut it off and wrote another.
    pub(crate) fn step(&mut self) -> Result<Step, Error> {
        loop {
            match format::parse(&self.buffer[self.ready.clone()], self.salt, self.next_seq) {
                Parsed::Record(whole) => return Ok(self.pass(whole)),
                Parsed::Damaged { reason, whole } => return Ok(Step::Damaged { reason, whole }),
                Parsed::Short(needed) => {
                    if !self.fill(needed)? {
                        return self.ended();
                    }
                }
            }
        }
    }

    /// Moves over a record of `whole` bytes.
    fn pass(&mut self, whole: usize) -> Step {
        let seq = self.next_seq;
        let at = self.ready.start + RECORD_HEADER_BYTES..self.ready.start + whole;
        self.skip(whole);
        Step::Record { seq, at }
    }

    /// Moves over a record of `whole` bytes whose payload is damaged.
    pub(crate) fn skip(&mut self, whole: usize) {
        self.ready.start += whole;
        self.offset += whole as u64;
        self.next_seq += 1;
    }

    fn ended(&mut self) -> Result<Step, Error> {
        self.forget_buffered();
        let bytes = self.file_bytes()?.saturating_sub(self.offset);
        Ok(if bytes == 0 { Step::End } else { Step::Torn { bytes } })
    }

    /// Makes the next step read from the file again, and gives back what one large record needed.
    pub(crate) fn forget_buffered(&mut self) {
        self.ready = 0..0;
        self.buffer.truncate(BUFFER_BYTES);
        self.buffer.shrink_to(BUFFER_BYTES);
    }

    /// Reads on until `needed` bytes are ready. Returns false when the file has fewer left.
    fn fill(&mut self, needed: usize) -> Result<bool, Error> {
        if needed > self.buffer.len() {
            // A length is believed only as far as the file goes.
            if self.file_bytes()?.saturating_sub(self.offset) < needed as u64 {
                return Ok(false);
            }
            self.buffer.reserve_exact(needed - self.buffer.len());
            self.buffer.resize(needed, 0);
        }
        self.buffer.copy_within(self.ready.clone(), 0);
        self.ready = 0..self.ready.len();
        let from = self.offset + self.ready.end as u64;
        let got = read_some(
            &self.file,
            &mut self.buffer[self.ready.end..],
            needed - self.ready.end,
            from,
        );
        self.ready.end += got.map_err(Error::io("read", &self.segment.path))?;
        Ok(self.ready.end >= needed)
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

    /// Returns the error for damage found where the cursor stands.
    pub(crate) fn damaged(&self, reason: &'static str) -> Error {
        Error::Damaged {
            path: self.segment.path.clone(),
            offset: self.offset,
            seq: self.next_seq,
            reason,
        }
    }
}

/// Fills `buffer` from `offset` on, as far as the file goes.
pub(crate) fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let wanted = buffer.len();
    read_some(file, buffer, wanted, offset)
}

/// Reads at least `wanted` bytes, and as many as the buffer takes if one call brings them, unless
/// the file ends.
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
    fn a_length_is_believed_only_as_far_as_the_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let stream = StreamName::new("main").unwrap();
        let stream_checksum = stream.checksum();
        let header =
            SegmentHeader { stream_checksum, first_seq: 1, created_at_ms: 0, previous_bytes: 0 };
        let mut record = vec![0; RECORD_HEADER_BYTES + crate::PAYLOAD_BYTES_MAX];
        format::stamp(&mut record, header.salt(), 1);
        let path = folder.path().join("segment");
        std::fs::write(&path, [&header.encode()[..], &record[..1000]].concat()).unwrap();

        let opened = Cursor::open(&SegmentPath { first_seq: 1, path }, &stream).unwrap();
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
            "the end of the file gives back what it needed"
        );
    }
}
