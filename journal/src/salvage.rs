//! Finds whole records behind a damaged place; it never takes for a record what does not fit its
//! segment, its place in the stream and both checksums, and never changes a file.

use std::fs::File;
use std::io;
use std::ops::RangeInclusive;

use crate::cursor::{Cursor, Step, read_up_to};
use crate::error::Error;
use crate::format::{
    PAYLOAD_BYTES_MAX, Parsed, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, parse_record, stated_seq,
};
use crate::layout::SegmentPath;

/// How many bytes are searched at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// A whole record behind a damaged place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) offset: u64,
    pub(crate) seq: u64,
}

/// Returns the next whole record behind the damaged one at the cursor, which does not move.
///
/// `record_bytes` is the damaged record's length where its header is right; then no record begins
/// inside of it, whatever its payload looks like.
pub(crate) fn next_whole(
    cursor: &Cursor,
    record_bytes: Option<usize>,
) -> Result<Option<Whole>, Error> {
    let from = cursor.offset() + record_bytes.unwrap_or(1) as u64;
    find(cursor.file(), from, cursor.salt(), cursor.next_seq(), cursor.offset())
        .map_err(Error::io("read", cursor.path()))
}

/// Goes on at a whole record, and returns the last one that is whole in the segment.
pub(crate) fn last_whole(cursor: &mut Cursor, first: Whole) -> Result<u64, Error> {
    cursor.go_on_at(first.offset, first.seq);
    let mut last_seq = first.seq;
    loop {
        match cursor.step()? {
            Step::Record { seq, .. } => last_seq = seq,
            Step::Damaged { record_bytes, .. } => match next_whole(cursor, record_bytes)? {
                Some(whole) => cursor.go_on_at(whole.offset, whole.seq),
                None => return Ok(last_seq),
            },
            Step::End | Step::Torn { .. } => return Ok(last_seq),
        }
    }
}

/// Returns the checksum from which the records of a segment with a damaged header start theirs, and
/// the first whole record. `None` when no record is whole.
pub(crate) fn salt_of(segment: &SegmentPath) -> Result<Option<(u32, Whole)>, Error> {
    let search = || -> io::Result<Option<(u32, Whole)>> {
        let file = File::open(&segment.path)?;
        let mut header = [0; SEGMENT_HEADER_BYTES];
        if read_up_to(&file, &mut header, 0)? < header.len() {
            return Ok(None);
        }
        let [.., a, b, c, d] = header;
        // Either the checksum is damaged, or what it covers.
        let from = SEGMENT_HEADER_BYTES as u64;
        for salt in [u32::from_le_bytes([a, b, c, d]), crc32c::crc32c(&header[..60])] {
            if let Some(whole) = find(&file, from, salt, segment.first_seq, from)? {
                return Ok(Some((salt, whole)));
            }
        }
        Ok(None)
    };
    search().map_err(Error::io("read", &segment.path))
}

/// Returns the first whole record that begins at `from` or later. Record `next_seq` was to begin at
/// `place`, and a record takes at least its header, which bounds the sequences behind it.
fn find(file: &File, from: u64, salt: u32, next_seq: u64, place: u64) -> io::Result<Option<Whole>> {
    let mut window = vec![0; WINDOW_BYTES];
    let mut at = from;
    loop {
        let got = read_up_to(file, &mut window, at)?;
        let bytes = &window[..got];
        for (index, header) in bytes.windows(RECORD_HEADER_BYTES).enumerate() {
            let offset = at + index as u64;
            let passed = (offset - place) / RECORD_HEADER_BYTES as u64;
            let seqs = next_seq..=next_seq.saturating_add(passed);
            if let Some(seq) = whole_at(file, offset, header, salt, &seqs)? {
                return Ok(Some(Whole { offset, seq }));
            }
        }
        if got < window.len() {
            return Ok(None);
        }
        at += (got - (RECORD_HEADER_BYTES - 1)) as u64;
    }
}

fn whole_at(
    file: &File,
    offset: u64,
    header: &[u8],
    salt: u32,
    seqs: &RangeInclusive<u64>,
) -> io::Result<Option<u64>> {
    let Some(seq) = stated_seq(header, salt, seqs) else { return Ok(None) };
    let Parsed::Short(record_bytes) = parse_record(header, salt, seq) else {
        // A record without a payload is whole with its header.
        return Ok(matches!(parse_record(header, salt, seq), Parsed::Record(_)).then_some(seq));
    };
    let mut record = vec![0; record_bytes.min(RECORD_HEADER_BYTES + PAYLOAD_BYTES_MAX)];
    let got = read_up_to(file, &mut record, offset)?;
    let is_whole = matches!(parse_record(&record[..got], salt, seq), Parsed::Record(_));
    Ok(is_whole.then_some(seq))
}
