//! The bytes of a segment file; it never touches a file, and never trusts a length before its
//! checksum.
//!
//! # Constraints
//!
//! - A torn tail (the file ends inside a record: a kill or a power cut) must be told from damage (a
//!   whole record that is not what was written). So a record's header has its own checksum: a
//!   length is believed only when the header is whole, and then the file's end says whether the
//!   payload is.
//! - Any single flipped bit in a file that was completely written must be found. So every byte is
//!   under a checksum, and none is padding.
//! - A record must not be moved unnoticed: not within its segment (the sequence is checked and
//!   dense), nor to another (checksums start from the segment's own), nor a payload to another
//!   record (its checksum starts from its header's).
//! - Appending needs no look back and no second pass over older bytes.
//!
//! # Format
//!
//! Everything is little-endian. Checksums are CRC-32C. A segment is a header and then records up to
//! its end.
//!
//! ```text
//! segment header, 64 bytes              record
//!  0  8  magic "ACJRNL01"                0  4  payload length, at most 64 MiB
//!  8  2  format version = 1              4  8  sequence
//! 10  2  header length = 64             12  4  checksum of bytes 0..12, started from the segment's checksum
//! 12  4  checksum of the stream's name  16  4  checksum of the payload, started from bytes 12..16
//! 16  8  sequence of the first record   20  …  payload
//! 24  8  created at, Unix milliseconds
//! 32  8  length of the segment before this one when it was sealed, 0 for none
//! 40 20  zero
//! 60  4  checksum of bytes 0..60
//! ```
//!
//! # Operations
//!
//! Append writes records at the end. Seal starts the next segment; a sealed segment never changes.
//! Recovery cuts the last segment after its last whole record. A reader takes records in order and
//! stops at the end of the last.

use crc32c::{crc32c, crc32c_append};

/// The largest payload of a record.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;
/// The bytes a record takes besides its payload.
pub const RECORD_HEADER_BYTES: usize = 20;
/// The bytes of a segment before its first record.
pub const SEGMENT_HEADER_BYTES: usize = 64;

const MAGIC: &[u8; 8] = b"ACJRNL01";
const VERSION: u16 = 1;
const HEADER_LENGTH: u16 = 64;

/// What a segment says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) stream_checksum: u32,
    pub(crate) first_seq: u64,
    pub(crate) created_at_ms: u64,
    pub(crate) previous_bytes: u64,
}

/// Why bytes are no segment header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Version(u16),
    Damaged(&'static str),
}

impl SegmentHeader {
    /// Writes the header. Its last four bytes are the segment's checksum, from which its records'
    /// checksums start.
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&HEADER_LENGTH.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.stream_checksum.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.created_at_ms.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.previous_bytes.to_le_bytes());
        let checksum = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a header that [`encode`](Self::encode) wrote.
    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<SegmentHeader, HeaderFault> {
        if &bytes[0..8] != MAGIC {
            return Err(HeaderFault::Damaged("this is no segment (wrong magic)"));
        }
        // The checksum comes first: a flipped version is damage, not a newer release.
        if crc32c(&bytes[..60]) != u32_at(bytes, 60) {
            return Err(HeaderFault::Damaged("the segment header's checksum is wrong"));
        }
        let (version, length) = (u16_at(bytes, 8), u16_at(bytes, 10));
        if version != VERSION || length != HEADER_LENGTH {
            return Err(HeaderFault::Version(version));
        }
        Ok(SegmentHeader {
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

/// Completes a record whose payload already stands behind [`RECORD_HEADER_BYTES`] free bytes.
///
/// The caller has checked the payload against [`PAYLOAD_BYTES_MAX`].
pub(crate) fn stamp(record: &mut [u8], salt: u32, seq: u64) {
    let (header, payload) = record.split_at_mut(RECORD_HEADER_BYTES);
    let length = u32::try_from(payload.len()).expect("a payload is at most 64 MiB");
    header[0..4].copy_from_slice(&length.to_le_bytes());
    header[4..12].copy_from_slice(&seq.to_le_bytes());
    let header_checksum = crc32c_append(salt, &header[..12]);
    header[12..16].copy_from_slice(&header_checksum.to_le_bytes());
    header[16..20].copy_from_slice(&crc32c_append(header_checksum, payload).to_le_bytes());
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A whole record of so many bytes, header included.
    Record(usize),
    /// Nothing can be said before so many bytes are there.
    Short(usize),
    /// No record that was written here. `whole` is its length when only the payload is wrong.
    Damaged { reason: &'static str, whole: Option<usize> },
}

/// Checks the record at the beginning of `bytes`.
pub(crate) fn parse(bytes: &[u8], salt: u32, expected_seq: u64) -> Parsed {
    if bytes.len() < RECORD_HEADER_BYTES {
        return Parsed::Short(RECORD_HEADER_BYTES);
    }
    let header_checksum = crc32c_append(salt, &bytes[..12]);
    if header_checksum != u32_at(bytes, 12) {
        return Parsed::Damaged { reason: "the record header's checksum is wrong", whole: None };
    }
    if u64_at(bytes, 4) != expected_seq {
        return Parsed::Damaged { reason: "the sequence does not follow", whole: None };
    }
    let length = u32_at(bytes, 0) as usize;
    if length > PAYLOAD_BYTES_MAX {
        return Parsed::Damaged { reason: "the payload's length is above the limit", whole: None };
    }
    let whole = RECORD_HEADER_BYTES + length;
    if bytes.len() < whole {
        return Parsed::Short(whole);
    }
    if crc32c_append(header_checksum, &bytes[RECORD_HEADER_BYTES..whole]) != u32_at(bytes, 16) {
        return Parsed::Damaged { reason: "the payload's checksum is wrong", whole: Some(whole) };
    }
    Parsed::Record(whole)
}

/// Returns the checksum of a whole record, which covers its payload, its sequence and its segment.
///
/// `payload_at` is where in `bytes` its payload begins.
pub(crate) fn record_checksum(bytes: &[u8], payload_at: usize) -> u32 {
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
        SegmentHeader { stream_checksum: 7, first_seq: 11, created_at_ms: 13, previous_bytes: 17 }
    }

    fn record(payload: &[u8], salt: u32, seq: u64) -> Vec<u8> {
        let mut bytes = vec![0; RECORD_HEADER_BYTES];
        bytes.extend_from_slice(payload);
        stamp(&mut bytes, salt, seq);
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
                matches!(SegmentHeader::decode(&flipped), Err(HeaderFault::Damaged(_))),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn a_newer_version_is_named_not_called_damage() {
        let mut bytes = header().encode();
        bytes[8] = 2;
        let checksum = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::Version(2)));
    }

    #[test]
    fn a_record_is_whole_short_or_damaged_and_never_two_of_these() {
        let bytes = record(b"payload", 99, 5);
        assert_eq!(parse(&bytes, 99, 5), Parsed::Record(bytes.len()));
        for length in 0..bytes.len() {
            assert!(matches!(parse(&bytes[..length], 99, 5), Parsed::Short(_)), "{length} bytes");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(parse(&flipped, 99, 5), Parsed::Damaged { .. }), "bit {bit}");
        }
    }

    #[test]
    fn a_record_fits_neither_another_segment_nor_another_place() {
        let bytes = record(b"", 99, 5);
        assert!(matches!(parse(&bytes, 98, 5), Parsed::Damaged { whole: None, .. }));
        assert!(matches!(parse(&bytes, 99, 6), Parsed::Damaged { whole: None, .. }));
    }

    #[test]
    fn a_payload_swapped_between_two_records_is_seen() {
        let (first, second) = (record(b"aaaa", 99, 5), record(b"bbbb", 99, 6));
        let mut swapped = first.clone();
        swapped[16..].copy_from_slice(&second[16..]);
        assert!(matches!(parse(&swapped, 99, 5), Parsed::Damaged { whole: Some(24), .. }));
    }

    #[test]
    fn a_length_above_the_limit_is_damage_even_with_a_right_checksum() {
        let mut bytes = record(b"", 99, 5);
        bytes[0..4].copy_from_slice(&u32::MAX.to_le_bytes());
        let checksum = crc32c_append(99, &bytes[..12]);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        assert!(matches!(parse(&bytes, 99, 5), Parsed::Damaged { whole: None, .. }));
    }
}
