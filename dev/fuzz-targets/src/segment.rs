//! Files of the journal. Beyond no panic: no record is yielded whose checksums do not fit, counted
//! here without the journal's code; recovery keeps of the records that were readable or refuses, adds
//! none and changes none; and what is written behind it is read again.
//!
//! The bytes are the only segment of a stream.

use std::fs;
use std::path::Path;

use crc32c::{crc32c, crc32c_append};
use journal::{Options, Reader, StreamName, Writer};

const NOW_MS: u64 = 1_790_000_000_000;
const HEADER: usize = journal::SEGMENT_HEADER_BYTES;
const RECORD_HEADER: usize = journal::RECORD_HEADER_BYTES;

pub(crate) fn segment(bytes: &[u8]) {
    let folder = folder();
    let (dir, stream) = (folder.path(), stream());
    let stream_dir = dir.join(stream.as_str());
    fs::create_dir_all(&stream_dir).expect("a folder");
    fs::write(stream_dir.join(NAME), bytes).expect("a file");
    let sound = sound_records(bytes);
    let before = records(dir, &stream);
    assert!(sound.starts_with(&before), "a record was yielded that is not as it was written");
    let Ok((mut writer, _)) = Writer::open(dir, &stream, NOW_MS, Options::default()) else {
        assert_eq!(fs::read(stream_dir.join(NAME)).ok().as_deref(), Some(bytes), "it was changed");
        return;
    };
    let kept = records(dir, &stream);
    assert_eq!(kept, before, "recovery changes no record");
    let seq = writer.append(b"one more").expect("it fits");
    assert_eq!(seq, kept.len() as u64 + 1, "sequences are dense");
    writer.commit(NOW_MS).expect("it is written");
    drop(writer);
    let after = records(dir, &stream);
    assert_eq!(after.split_last(), Some((&b"one more".to_vec(), &kept[..])));
}

const NAME: &str = "00000000000000000001.seg";

fn stream() -> StreamName {
    StreamName::new("main").expect("a name")
}

/// Returns a throw-away folder, in memory where there is such a place.
fn folder() -> tempfile::TempDir {
    let memory = tempfile::tempdir_in("/dev/shm");
    memory.or_else(|_| tempfile::tempdir()).expect("a folder")
}

fn records(dir: &Path, stream: &StreamName) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let Ok(mut reader) = Reader::open(dir, stream, 0) else { return records };
    while let Ok(Some(record)) = reader.next() {
        assert_eq!(record.seq, records.len() as u64 + 1, "sequences are dense");
        records.push(record.payload.to_vec());
    }
    records
}

/// Returns the payloads whose checksums fit, from the first record on, by the format's description.
fn sound_records(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let Some((header, mut rest)) = bytes.split_at_checked(HEADER) else { return records };
    let salt = crc32c(&header[..60]);
    if header[60..] != salt.to_le_bytes() {
        return records;
    }
    while let Some((head, behind)) = rest.split_at_checked(RECORD_HEADER) {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some((payload, next)) = behind.split_at_checked(length) else { break };
        let of_head = crc32c_append(salt, &head[..12]);
        let of_payload = crc32c_append(of_head, payload);
        if head[12..16] != of_head.to_le_bytes() || head[16..] != of_payload.to_le_bytes() {
            break;
        }
        records.push(payload.to_vec());
        rest = next;
    }
    records
}

/// Returns a segment of the present version, and some that a crash or a disk left behind.
pub(crate) fn made() -> Vec<Vec<u8>> {
    let folder = folder();
    let (mut writer, _) =
        Writer::open(folder.path(), &stream(), NOW_MS, Options::default()).expect("a new stream");
    for payload in [&b"first"[..], b"", b"third, which is longer than the others"] {
        writer.append(payload).expect("it fits");
        writer.commit(NOW_MS).expect("it is written");
    }
    drop(writer);
    let whole = fs::read(folder.path().join("main").join(NAME)).expect("a segment");
    let torn = whole[..whole.len() - 7].to_vec();
    let mut flipped = whole.clone();
    flipped[HEADER + RECORD_HEADER] ^= 1;
    vec![whole, torn, flipped, Vec::new()]
}
