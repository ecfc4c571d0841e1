//! The records of a stream that were given up: the file `gaps` in its folder. It never changes a
//! segment, and never hides a record that can be read: a gap counts only where reading fails.
//!
//! # Format
//!
//! Lines of text. The first names the format. Each other one is a gap; its fields are separated by
//! tabs:
//!
//! ```text
//! checksum, segment, from byte, to byte, first record, last record, salt, noticed at, reason
//! ```
//!
//! Numbers are decimal, the checksum is eight hex digits: CRC-32C of the rest of the line, started
//! from the checksum of the line before, and on the first gap from that of the stream's name.
//! Segment 0 stands before the first one. A gap without a record has a last one before its first.
//! The salt is 0, but for a segment whose own header is damaged: then it is the checksum from which
//! the records' checksums start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr;

use crc32c::crc32c_append;

use crate::error::{Behind, Error};
use crate::layout::{OWNER_ALONE, gaps_path, sync_dir};
use crate::stream_name::StreamName;

const FIRST_LINE: &str = "afterclick journal gaps 1";

/// A place where records were given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// The first sequence of the segment; 0 for the place before the first segment.
    pub(crate) segment: u64,
    pub(crate) from_byte: u64,
    pub(crate) to_byte: u64,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    /// See the format.
    pub(crate) salt: u32,
    /// Unix time in milliseconds.
    pub(crate) noticed_at_ms: u64,
    pub(crate) reason: String,
}

impl Gap {
    /// Returns how many records are given up.
    pub(crate) fn records(&self) -> u64 {
        (self.last_seq + 1).saturating_sub(self.first_seq)
    }

    /// Returns whether a record is among those given up.
    pub(crate) fn holds(&self, seq: u64) -> bool {
        (self.first_seq..=self.last_seq).contains(&seq)
    }

    fn line(&self) -> String {
        let Self { segment, from_byte, to_byte, first_seq, last_seq, salt, noticed_at_ms, reason } =
            self;
        format!(
            "{segment}\t{from_byte}\t{to_byte}\t{first_seq}\t{last_seq}\t{salt}\t{noticed_at_ms}\t\
             {reason}"
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(8, '\t');
        let gap = Self {
            segment: number(fields.next())?,
            from_byte: number(fields.next())?,
            to_byte: number(fields.next())?,
            first_seq: number(fields.next())?,
            last_seq: number(fields.next())?,
            salt: number(fields.next())?,
            noticed_at_ms: number(fields.next())?,
            reason: fields.next()?.to_owned(),
        };
        let is_place = gap.from_byte <= gap.to_byte && gap.first_seq > 0;
        Some(gap).filter(|gap| is_place && gap.last_seq < u64::MAX)
    }
}

fn number<T: FromStr>(field: Option<&str>) -> Option<T> {
    field?.parse().ok()
}

/// All gaps of a stream, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gaps(pub(crate) Vec<Gap>);

impl Gaps {
    /// Reads the gaps of a stream. Most have none.
    pub(crate) fn load(stream_dir: &Path, stream: &StreamName) -> Result<Self, Error> {
        let path = gaps_path(stream_dir);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        let text = String::from_utf8_lossy(&text);
        let (first, rest) = text.split_once('\n').unwrap_or_default();
        let damaged = |offset: usize| Error::Damaged {
            path: path.clone(),
            offset: offset as u64,
            seq: 0,
            reason: "a line of the list of given-up records is not as it was written",
            behind: Behind::Unread,
        };
        if first != FIRST_LINE {
            return Err(damaged(0));
        }
        let (mut gaps, mut checksum, mut offset) = (Vec::new(), stream.checksum(), first.len() + 1);
        for line in rest.split_inclusive('\n') {
            let written = line.strip_suffix('\n').and_then(|line| line.split_once('\t'));
            let gap = written.and_then(|(stated, fields)| {
                checksum = crc32c_append(checksum, fields.as_bytes());
                Gap::parse(fields).filter(|_| stated == format!("{checksum:08x}"))
            });
            gaps.push(gap.ok_or_else(|| damaged(offset))?);
            offset += line.len();
        }
        Ok(Self(gaps))
    }

    /// Writes all gaps. When it returns, they are on disk.
    pub(crate) fn save(&self, stream_dir: &Path, stream: &StreamName) -> Result<(), Error> {
        let (mut text, mut checksum) = (format!("{FIRST_LINE}\n"), stream.checksum());
        for gap in &self.0 {
            let line = gap.line();
            checksum = crc32c_append(checksum, line.as_bytes());
            text.push_str(&format!("{checksum:08x}\t{line}\n"));
        }
        let path = gaps_path(stream_dir);
        // The name is given when the content is on disk: half a list would give up other records.
        let unfinished = path.with_extension("new");
        let write = || -> io::Result<()> {
            let mut file: File = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(OWNER_ALONE)
                .open(&unfinished)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        };
        write().map_err(Error::io("write", &path))?;
        sync_dir(stream_dir)
    }

    /// Returns the gaps inside or right behind a segment.
    pub(crate) fn of_segment(&self, segment: u64) -> impl Iterator<Item = &Gap> {
        self.0.iter().filter(move |gap| gap.segment == segment)
    }

    /// Returns the last record of the gap that holds `seq`.
    pub(crate) fn end_of(&self, seq: u64) -> Option<u64> {
        self.0.iter().filter(|gap| gap.holds(seq)).map(|gap| gap.last_seq).max()
    }

    /// Returns the first sequence from `seq` on that no gap holds.
    pub(crate) fn first_after(&self, mut seq: u64) -> u64 {
        while let Some(last_seq) = self.end_of(seq) {
            seq = last_seq + 1;
        }
        seq
    }

    /// Returns whether a gap explains that a segment does not end as it was sealed.
    pub(crate) fn explain_end(&self, segment: u64, bytes: u64) -> bool {
        self.of_segment(segment).any(|gap| gap.to_byte == bytes)
    }

    /// Returns the salt of a segment whose header is damaged, if it was found.
    pub(crate) fn salt_of(&self, segment: u64) -> Option<u32> {
        self.of_segment(segment).map(|gap| gap.salt).find(|salt| *salt != 0)
    }

    /// Returns how many records are given up.
    pub(crate) fn records(&self) -> u64 {
        self.0.iter().map(Gap::records).sum()
    }

    /// Returns the last record that was given up; 0 for none.
    pub(crate) fn last_seq(&self) -> u64 {
        let with_records = self.0.iter().filter(|gap| gap.records() > 0);
        with_records.map(|gap| gap.last_seq).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    fn gap(first_seq: u64, last_seq: u64) -> Gap {
        Gap {
            segment: 1,
            from_byte: 64,
            to_byte: 99,
            first_seq,
            last_seq,
            salt: 7,
            noticed_at_ms: 1_700_000_000_000,
            reason: "a reason, with words".to_owned(),
        }
    }

    #[test]
    fn gaps_read_back_and_any_flipped_bit_or_cut_inside_a_line_is_seen() {
        let (folder, stream) = (tempfile::tempdir().unwrap(), StreamName::new("main").unwrap());
        let load = || Gaps::load(folder.path(), &stream);
        assert!(load().unwrap().0.is_empty());
        let gaps = Gaps(vec![gap(3, 4), gap(9, 8), gap(5, 5)]);
        gaps.save(folder.path(), &stream).unwrap();
        assert_eq!(load().unwrap().0, gaps.0);
        assert_eq!((gaps.records(), gaps.last_seq(), gaps.first_after(3)), (3, 5, 6));

        let path = gaps_path(folder.path());
        let whole = fs::read(&path).unwrap();
        // In place, because writing the whole file would make some file systems flush it.
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let (byte, at) = (whole[bit / 8], (bit / 8) as u64);
            file.write_all_at(&[byte ^ (1 << (bit % 8))], at).unwrap();
            assert!(matches!(load(), Err(Error::Damaged { .. })), "bit {bit}");
            file.write_all_at(&[byte], at).unwrap();
        }
        let inside = |length: &usize| !whole[..*length].ends_with(b"\n");
        for length in (0..whole.len()).rev().filter(inside) {
            file.set_len(length as u64).unwrap();
            assert!(matches!(load(), Err(Error::Damaged { .. })), "{length} bytes");
        }
    }
}
