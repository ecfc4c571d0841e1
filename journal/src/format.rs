//! The bytes of a segment file; it never touches a file, and never trusts a length before its
//! checksum.
//!
//! # Constraints
//!
//! - A reader must tell a torn tail (the file ends inside a record, after a kill or a power cut)
//!   from damage (a whole record that is not what was written). So a record's header has its own
//!   checksum: a length is trusted only when the header is whole. The end of the file then shows
//!   whether the payload is whole.
//! - Any single flipped bit in a file that was completely written must be found. So a checksum
//!   covers every byte, and there is no padding.
//! - A moved record must be noticed. Within a segment the sequence shows it, because sequences are
//!   checked and dense. In another segment the checksum shows it, because it starts from the
//!   segment's own. A payload moved to another record does not fit either, because its checksum
//!   starts from its header's.
//! - Appending needs no second pass over older bytes.
//! - How far the stream was on disk must be written down without making a record longer. So a
//!   record says how many records before it were not yet fsynced when it was framed, in bits that
//!   no sequence needs.
//!
//! # Format
//!
//! All numbers are little-endian. Checksums are CRC-32C. A segment is a header, followed by records
//! up to the end of the file.
//!
//! ```text
//! segment header, 64 bytes              record
//!  0  8  magic "ACJRNL01"                0  4  payload length, at most 64 MiB
//!  8  2  format version = 2              4  8  sequence, low 40 bits; above them the lag, 24 bits
//! 10  2  header length = 64             12  4  checksum of bytes 0..12, started from the segment's checksum
//! 12  4  checksum of the stream's name  16  4  checksum of the payload, started from bytes 12..16
//! 16  8  sequence of the first record   20  …  payload
//! 24  8  created at, Unix milliseconds
//! 32  8  length of the segment before this one when it was sealed, 0 for none
//! 40 20  zero
//! 60  4  checksum of bytes 0..60
//! ```
//!
//! The lag of a record is its own sequence less the last one that was known to be on disk when it
//! was framed; 0 when that is unknown or too far back. In version 1 there is no lag: the upper bits
//! of a sequence are zero, which reads as unknown.
//!
//! # Operations
//!
//! - Append writes records at the end of the last segment.
//! - Seal starts the next segment. A sealed segment never changes.
//! - Recovery cuts the last segment after its last whole record, where nothing whole follows and
//!   nothing that follows was known to be on disk.
//! - A reader takes records in order and stops after the last whole one.

use std::ops::RangeInclusive;

use crc32c::{crc32c, crc32c_append};

/// The largest payload of a record, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;
/// The bytes that a record takes besides its payload.
pub const RECORD_HEADER_BYTES: usize = 20;
/// The bytes of a segment before its first record.
pub const SEGMENT_HEADER_BYTES: usize = 64;

const MAGIC: &[u8; 8] = b"ACJRNL01";
const HEADER_LENGTH: u16 = 64;
/// The bits of the second field of a record's header that hold the sequence.
const SEQ_BITS: u32 = 40;
const SEQ_MASK: u64 = (1 << SEQ_BITS) - 1;
/// The largest lag that can be written down.
const LAG_MAX: u64 = (1 << (64 - SEQ_BITS)) - 1;

/// The format version of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// Records do not say how far the stream was on disk.
    One,
    /// Records say it.
    Two,
}

impl Version {
    /// The version of new segments.
    pub(crate) const NEWEST: Self = Self::Two;

    const fn number(self) -> u16 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    const fn of(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => None,
        }
    }

    /// Returns the second field of a record's header. `synced` is the last record that is known to
    /// be on disk; it stands before `seq`.
    pub(crate) fn place(self, seq: u64, synced: u64) -> u64 {
        debug_assert!(synced < seq, "a record is framed before it is on disk");
        let lag = seq - synced;
        match self {
            Self::Two if lag <= LAG_MAX => (seq & SEQ_MASK) | (lag << SEQ_BITS),
            Self::One | Self::Two => seq & SEQ_MASK,
        }
    }
}

/// The header of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) version: Version,
    /// The checksum of the stream's name.
    pub(crate) stream_checksum: u32,
    pub(crate) first_seq: u64,
    /// Unix time in milliseconds.
    pub(crate) created_at_ms: u64,
    /// The length of the segment before this one when it was sealed; 0 for none.
    pub(crate) previous_bytes: u64,
}

/// Why bytes are no valid segment header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// A newer release wrote this format version.
    Unsupported(u16),
    /// The bytes are not as they were written, for this reason.
    Damaged(&'static str),
}

impl SegmentHeader {
    /// Encodes the header. Its last four bytes are the segment's checksum, from which its records'
    /// checksums start.
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        debug_assert!(self.first_seq > 0, "sequences start at 1");
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&self.version.number().to_le_bytes());
        bytes[10..12].copy_from_slice(&HEADER_LENGTH.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.stream_checksum.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.created_at_ms.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.previous_bytes.to_le_bytes());
        let checksum = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Decodes a header that [`encode`](Self::encode) returned.
    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, HeaderError> {
        if &bytes[0..8] != MAGIC {
            return Err(HeaderError::Damaged("this is no segment (wrong magic)"));
        }
        // The checksum comes first: a flipped version is damage, not a newer release.
        if crc32c(&bytes[..60]) != u32_at(bytes, 60) {
            return Err(HeaderError::Damaged("the segment header's checksum is wrong"));
        }
        let (number, length) = (u16_at(bytes, 8), u16_at(bytes, 10));
        let version = Version::of(number).filter(|_| length == HEADER_LENGTH);
        let Some(version) = version else { return Err(HeaderError::Unsupported(number)) };
        Ok(Self {
            version,
            stream_checksum: u32_at(bytes, 12),
            first_seq: u64_at(bytes, 16),
            created_at_ms: u64_at(bytes, 24),
            previous_bytes: u64_at(bytes, 32),
        })
    }

    /// Returns the checksum from which the segment's records start theirs.
    pub(crate) fn salt(&self) -> u32 {
        u32_at(&self.encode(), 60)
    }
}

/// Writes the header of a record, into the first [`RECORD_HEADER_BYTES`] of `record`. The payload
/// already follows them. `place` comes from [`Version::place`].
///
/// The caller has checked the payload against [`PAYLOAD_BYTES_MAX`].
pub(crate) fn write_record_header(record: &mut [u8], salt: u32, place: u64) {
    let (header, payload) = record.split_at_mut(RECORD_HEADER_BYTES);
    let length = u32::try_from(payload.len()).expect("a payload is at most 64 MiB");
    header[0..4].copy_from_slice(&length.to_le_bytes());
    header[4..12].copy_from_slice(&place.to_le_bytes());
    let header_checksum = crc32c_append(salt, &header[..12]);
    header[12..16].copy_from_slice(&header_checksum.to_le_bytes());
    header[16..20].copy_from_slice(&crc32c_append(header_checksum, payload).to_le_bytes());
}

/// Returns what [`Version::place`] gave the record whose header begins here.
pub(crate) fn place_of(record: &[u8]) -> u64 {
    u64_at(record, 4)
}

/// The result of checking the record at the beginning of some bytes. Lengths include the record's
/// header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A whole record of this length.
    Record(usize),
    /// There are too few bytes to check. At least this many are needed.
    Short(usize),
    /// The bytes are not what was written here. `record_bytes` is the record's length when only its
    /// payload is wrong.
    Damaged { reason: &'static str, record_bytes: Option<usize> },
}

/// Checks the record at the beginning of `bytes`.
pub(crate) fn parse_record(bytes: &[u8], salt: u32, expected_seq: u64) -> Parsed {
    if bytes.len() < RECORD_HEADER_BYTES {
        return Parsed::Short(RECORD_HEADER_BYTES);
    }
    let header_checksum = crc32c_append(salt, &bytes[..12]);
    if header_checksum != u32_at(bytes, 12) {
        return damaged_header("the record header's checksum is wrong");
    }
    if sequence_bits(bytes) != expected_seq & SEQ_MASK {
        return damaged_header("the sequence does not follow");
    }
    let length = u32_at(bytes, 0) as usize;
    if length > PAYLOAD_BYTES_MAX {
        return damaged_header("the payload's length is above the limit");
    }
    let record_bytes = RECORD_HEADER_BYTES + length;
    if bytes.len() < record_bytes {
        return Parsed::Short(record_bytes);
    }
    let payload = &bytes[RECORD_HEADER_BYTES..record_bytes];
    if crc32c_append(header_checksum, payload) != u32_at(bytes, 16) {
        let reason = "the payload's checksum is wrong";
        return Parsed::Damaged { reason, record_bytes: Some(record_bytes) };
    }
    Parsed::Record(record_bytes)
}

/// Returns the low bits of the sequence in a record's header, whose checksum need not be right.
fn sequence_bits(header: &[u8]) -> u64 {
    u64_at(header, 4) & SEQ_MASK
}

/// Returns the sequence that the header of a record states, if it is right and the sequence is one
/// of `seqs`. Tells nothing about the payload.
pub(crate) fn stated_seq(header: &[u8], salt: u32, seqs: &RangeInclusive<u64>) -> Option<u64> {
    // Sequences of one stream that are so far apart that their low bits agree do not exist.
    let seq = (seqs.start() & !SEQ_MASK) | sequence_bits(header);
    let is_right = seqs.contains(&seq) && crc32c_append(salt, &header[..12]) == u32_at(header, 12);
    is_right.then_some(seq)
}

/// Returns the last record that was known to be on disk when this whole record was framed; 0 when
/// that is unknown.
pub(crate) fn synced_before(record: &[u8], seq: u64) -> u64 {
    match u64_at(record, 4) >> SEQ_BITS {
        0 => 0,
        lag => seq.saturating_sub(lag),
    }
}

fn damaged_header(reason: &'static str) -> Parsed {
    Parsed::Damaged { reason, record_bytes: None }
}

/// Returns the checksum of a whole record, which covers its payload, its sequence and its segment.
///
/// `payload_at` is where in `bytes` the payload begins.
pub(crate) fn record_checksum(bytes: &[u8], payload_at: usize) -> u32 {
    debug_assert!(payload_at >= RECORD_HEADER_BYTES, "a header stands before the payload");
    u32_at(bytes, payload_at - 4)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            version: Version::NEWEST,
            stream_checksum: 7,
            first_seq: 11,
            created_at_ms: 13,
            previous_bytes: 17,
        }
    }

    fn record(payload: &[u8], salt: u32, seq: u64) -> Vec<u8> {
        record_at(payload, salt, Version::NEWEST.place(seq, seq - 1))
    }

    fn record_at(payload: &[u8], salt: u32, place: u64) -> Vec<u8> {
        let mut bytes = vec![0; RECORD_HEADER_BYTES];
        bytes.extend_from_slice(payload);
        write_record_header(&mut bytes, salt, place);
        bytes
    }

    #[test]
    fn a_segment_header_reads_back_and_every_flipped_bit_is_seen() {
        let bytes = header().encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header()));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                matches!(SegmentHeader::decode(&flipped), Err(HeaderError::Damaged(_))),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn a_record_says_how_far_the_stream_was_on_disk() {
        let far = LAG_MAX + 1;
        for (version, seq, synced, told) in [
            (Version::Two, 5, 4, 4),
            (Version::Two, 5, 0, 0),
            (Version::Two, SEQ_MASK, SEQ_MASK - 7, SEQ_MASK - 7),
            (Version::Two, LAG_MAX + 2, 2, 2),
            (Version::Two, far, 0, 0),
            (Version::Two, far + 9, 9, 0),
            (Version::One, 5, 4, 0),
        ] {
            let bytes = record_at(b"payload", 99, version.place(seq, synced));
            assert_eq!(parse_record(&bytes, 99, seq), Parsed::Record(bytes.len()), "{seq}");
            assert_eq!(synced_before(&bytes, seq), told, "{seq} after {synced}");
            assert_eq!(stated_seq(&bytes, 99, &(seq - 4..=seq)), Some(seq));
            assert_eq!(stated_seq(&bytes, 99, &(seq + 1..=seq + 9)), None);
            assert_eq!(stated_seq(&bytes, 98, &(seq - 4..=seq)), None);
        }
    }

    #[test]
    fn a_newer_version_is_named_not_called_damage() {
        let mut bytes = header().encode();
        bytes[8] = 3;
        let checksum = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderError::Unsupported(3)));
    }

    #[test]
    fn a_record_is_whole_short_or_damaged_and_never_two_of_these() {
        let bytes = record(b"payload", 99, 5);
        assert_eq!(parse_record(&bytes, 99, 5), Parsed::Record(bytes.len()));
        for length in 0..bytes.len() {
            assert!(
                matches!(parse_record(&bytes[..length], 99, 5), Parsed::Short(_)),
                "{length} bytes"
            );
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(parse_record(&flipped, 99, 5), Parsed::Damaged { .. }), "bit {bit}");
        }
    }

    #[test]
    fn a_record_fits_neither_another_segment_nor_another_place() {
        let bytes = record(b"", 99, 5);
        assert!(matches!(parse_record(&bytes, 98, 5), Parsed::Damaged { record_bytes: None, .. }));
        assert!(matches!(parse_record(&bytes, 99, 6), Parsed::Damaged { record_bytes: None, .. }));
    }

    #[test]
    fn a_payload_swapped_between_two_records_is_seen() {
        let (first, second) = (record(b"aaaa", 99, 5), record(b"bbbb", 99, 6));
        let mut swapped = first.clone();
        swapped[16..].copy_from_slice(&second[16..]);
        assert!(matches!(
            parse_record(&swapped, 99, 5),
            Parsed::Damaged { record_bytes: Some(24), .. }
        ));
    }

    #[test]
    fn a_length_above_the_limit_is_damage_even_with_a_right_checksum() {
        let mut bytes = record(b"", 99, 5);
        bytes[0..4].copy_from_slice(&u32::MAX.to_le_bytes());
        let checksum = crc32c_append(99, &bytes[..12]);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        assert!(matches!(parse_record(&bytes, 99, 5), Parsed::Damaged { record_bytes: None, .. }));
    }
}
