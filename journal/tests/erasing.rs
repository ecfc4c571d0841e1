//! Other bytes in the place of what must not be kept.

#![allow(clippy::unwrap_used, reason = "a test helper that fails should say where")]

mod support;

use std::fs;

use journal::{Error, Reader, erase, verify};
use support::*;

/// Puts `other` in the place of every `word`.
fn replaced(payload: &[u8], word: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let at = payload.windows(word.len()).position(|window| window == word)?;
    let mut payload = payload.to_vec();
    payload[at..at + word.len()].copy_from_slice(other);
    Some(payload)
}

#[test]
fn what_is_erased_is_in_no_file_and_everything_else_is_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open_small(dir);
    write_records(&mut writer, 1, 100);
    writer.close().unwrap();
    let lengths = |dir| {
        let lengths = segments(dir).into_iter().map(|path| fs::metadata(path).unwrap().len());
        lengths.collect::<Vec<_>>()
    };
    let before = lengths(dir);
    let erased = erase(dir, &mut |stream, payload| {
        assert_eq!(*stream, main_stream());
        replaced(payload, b"record 42 ", b"......... ")
            .or_else(|| replaced(payload, b"record 7 ", b"........ "))
    })
    .unwrap();
    assert_eq!((erased.records, erased.segments.len()), (2, 2));
    assert_eq!(lengths(dir), before, "no place moved");
    let expected: Vec<Vec<u8>> = (1..=100)
        .map(|seq| match seq {
            7 | 42 => payload(seq)
                .iter()
                .map(|b| if b.is_ascii_alphanumeric() && *b != b'x' { b'.' } else { *b })
                .collect(),
            _ => payload(seq),
        })
        .map(|payload: Vec<u8>| {
            String::from_utf8(payload).unwrap().replace(". .", "...").into_bytes()
        })
        .collect();
    assert_eq!(read_all(dir), expected);
    for path in segments(dir) {
        let bytes = fs::read(path).unwrap();
        assert!(!bytes.windows(10).any(|window| window == b"record 42 "));
    }
    assert!(verify(dir, &mut |_| ()).unwrap().is_whole());
    let (mut writer, recovery) = open_small(dir);
    assert_eq!((recovery.last_seq, recovery.cut_bytes), (100, 0), "and it goes on");
    writer.append(b"one more").unwrap();
    writer.commit(NOW_MS).unwrap();
    let mut reader = Reader::open(dir, &main_stream(), 100).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().payload, b"one more");
}

#[test]
fn nothing_is_erased_while_it_is_written_or_where_it_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open_small(dir);
    write_records(&mut writer, 1, 20);
    let blank = &mut |_: &journal::StreamName, payload: &[u8]| Some(vec![b'.'; payload.len()]);
    assert!(matches!(erase(dir, blank), Err(Error::InUse { .. })));
    expect_records(dir, 20);
    writer.close().unwrap();
    let last = segments(dir).pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    let at = bytes.len() - 1;
    bytes[at] ^= 1;
    fs::write(&last, bytes).unwrap();
    assert!(matches!(erase(dir, &mut |_, _| None), Err(Error::Damaged { .. })));
}

#[test]
fn what_a_kill_left_behind_is_removed_and_the_old_segment_counts() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open_small(dir);
    write_records(&mut writer, 1, 20);
    writer.close().unwrap();
    let beside = segments(dir)[0].with_extension("erasing");
    fs::write(&beside, b"half a segm").unwrap();
    expect_records(dir, 20);
    let erased = erase(dir, &mut |_, _| None).unwrap();
    assert_eq!((erased.records, beside.exists()), (0, false));
    expect_records(dir, 20);
}
