//! One writer, and readers that follow it.

#![allow(clippy::unwrap_used, reason = "a test helper that fails should say where")]

mod support;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use journal::{Error, Options, PAYLOAD_BYTES_MAX, Reader, Writer};
use support::*;

#[test]
fn records_are_read_as_they_were_appended_over_many_segments() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, recovery) = open_small(dir);
    assert_eq!(recovery.last_seq, 0);
    write_records(&mut writer, 1, 100);
    assert!(segments(dir).len() > 10);
    expect_records(dir, 100);
    for after_seq in 0..=100 {
        let mut reader = Reader::open(dir, &main_stream(), after_seq).unwrap();
        let next = reader.next().unwrap().map(|record| (record.seq, record.payload.to_vec()));
        assert_eq!(next, (after_seq < 100).then(|| (after_seq + 1, payload(after_seq + 1))));
    }
}

#[test]
fn only_the_owner_may_read_what_is_written() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open_small(dir);
    write_records(&mut writer, 1, 100);
    let files = fs::read_dir(dir.join(main_stream().as_str())).unwrap();
    let modes: Vec<_> =
        files.map(|file| file.unwrap().metadata().unwrap().permissions().mode() & 0o777).collect();
    assert!(modes.len() > 10 && modes.iter().all(|mode| *mode == 0o600), "{modes:?}");
}

#[test]
fn nothing_is_readable_before_the_commit_and_all_of_it_after() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open(dir);
    for seq in 1..=3 {
        writer.append(&payload(seq)).unwrap();
    }
    assert!(writer.pending() > 0);
    assert!(read_all(dir).is_empty());
    assert_eq!(writer.commit(NOW_MS).unwrap(), 3);
    expect_records(dir, 3);
    assert_eq!(writer.commit(NOW_MS).unwrap(), 3, "an empty commit changes nothing");
    assert_eq!(writer.last_committed(), 3);
    assert_eq!(writer.health().last_synced(), 0);
    writer.syncer().sync().unwrap();
    assert_eq!(writer.health().last_synced(), 3);
}

/// Recovery reads the last two segments only, so the writer must fsync older ones itself when
/// nobody else does.
#[test]
fn at_most_two_segments_wait_for_their_fsync() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open_small(dir);
    for seq in 1..=100 {
        write_records(&mut writer, seq, seq);
        let paths = segments(dir);
        let last_two = &paths[paths.len().saturating_sub(2)];
        let first_seq: u64 = last_two.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        assert!(writer.health().last_synced() >= first_seq - 1, "at record {seq}");
    }
    assert!(writer.health().last_synced() < 100, "a commit must not wait for an fsync");
}

#[test]
fn a_stream_has_one_writer_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (writer, _) = open(dir);
    let second = Writer::open(dir, &main_stream(), NOW_MS, Options::default());
    assert!(
        matches!(&second, Err(Error::InUse { dir: named }) if *named == dir.join("main")),
        "{second:?}"
    );
    let other = journal::StreamName::new("other").unwrap();
    Writer::open(dir, &other, NOW_MS, Options::default()).unwrap();
    drop(writer);
    open(dir);
}

#[test]
fn a_stream_has_one_writer_even_when_its_lock_file_is_removed_or_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (writer, _) = open(dir);
    let lock = dir.join("main/lock");
    fs::remove_file(&lock).unwrap();
    for _ in 0..2 {
        let second = Writer::open(dir, &main_stream(), NOW_MS, Options::default());
        assert!(matches!(&second, Err(Error::InUse { .. })), "{second:?}");
        // Now there is another file under the name.
        fs::write(&lock, "").unwrap();
    }
    let repaired = journal::repair(dir, journal::Repairing::GiveUp { now_ms: 1 }, &|_| true);
    assert!(matches!(&repaired, Err(Error::InUse { .. })), "{repaired:?}");
    drop(writer);
    open(dir);
}

#[test]
fn a_payload_above_the_limit_is_refused_and_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open(dir);
    let large = vec![7; PAYLOAD_BYTES_MAX + 1];
    assert!(
        matches!(writer.append(&large), Err(Error::TooLarge { bytes }) if bytes == large.len())
    );
    let refused = writer.append_with(|buffer| buffer.extend_from_slice(&large));
    assert!(matches!(refused, Err(Error::TooLarge { .. })));
    assert_eq!(writer.append(&large[1..]).unwrap(), 1);
    assert_eq!(writer.append(b"small").unwrap(), 2);
    writer.commit(NOW_MS).unwrap();
    assert_eq!(read_all(dir), [&large[1..], b"small"]);
}

#[test]
fn an_encoder_that_panics_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open(dir);
    writer.append(b"before").unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        writer.append_with(|buffer| {
            buffer.extend_from_slice(b"half");
            panic!("an encoder with a bug");
        })
    }));
    assert!(panicked.is_err());
    writer.commit(NOW_MS).unwrap();
    writer.append_with(|buffer| buffer.extend_from_slice(b"after")).unwrap();
    writer.commit(NOW_MS).unwrap();
    assert_eq!(read_all(dir), [&b"before"[..], b"after"]);
}

#[test]
fn an_encoder_that_shortens_the_buffer_stops_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open(dir);
    writer.append(b"before").unwrap();
    assert!(matches!(writer.append_with(Vec::clear), Err(Error::Poisoned { .. })));
    assert!(matches!(writer.commit(NOW_MS), Err(Error::Poisoned { .. })));
    assert!(read_all(dir).is_empty());
}

#[test]
fn a_reader_may_come_before_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let mut reader = Reader::open(dir, &main_stream(), 0).unwrap();
    assert_eq!(reader.next().unwrap(), None);
    let (mut writer, _) = open(dir);
    assert_eq!(reader.next().unwrap(), None);
    write_records(&mut writer, 1, 1);
    assert_eq!(reader.next().unwrap().unwrap().payload, payload(1));
    assert_eq!(reader.next().unwrap(), None);
    assert_eq!(reader.position(), 1);
}

#[test]
fn a_reader_that_wants_archived_records_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open_small(dir);
    write_records(&mut writer, 1, 30);
    let paths = segments(dir);
    fs::remove_file(&paths[0]).unwrap();
    let first_seq: u64 = paths[1].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let opened = Reader::open(dir, &main_stream(), 0);
    assert!(
        matches!(opened, Err(Error::Missing { seq: 1, first_seq: found, .. }) if found == first_seq)
    );
    let mut reader = Reader::open(dir, &main_stream(), first_seq - 1).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().seq, first_seq);
    writer.close().unwrap();
    assert_eq!(open_small(dir).1.last_seq, 30);
}

#[test]
fn a_record_larger_than_any_buffer_is_followed_byte_by_byte() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open(dir);
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(|word| word.to_le_bytes()).collect();
    writer.append(&large).unwrap();
    writer.commit(NOW_MS).unwrap();
    writer.close().unwrap();
    let segment = segments(dir).remove(0);
    let whole = fs::read(&segment).unwrap();
    truncate(&segment, 64);
    let mut reader = Reader::open(dir, &main_stream(), 0).unwrap();
    for length in [65, 83, 84, 85, 300_000, 5_000_000, whole.len() - 1] {
        fs::write(&segment, &whole[..length]).unwrap();
        assert_eq!(reader.next().unwrap(), None, "{length} bytes");
    }
    fs::write(&segment, &whole).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().payload, large);
}

#[test]
fn a_reader_that_saw_a_torn_record_reads_the_one_that_replaced_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open(dir);
    write_records(&mut writer, 1, 2);
    drop(writer);
    let segment = segments(dir).remove(0);
    truncate(&segment, fs::metadata(&segment).unwrap().len() - 1);
    let mut reader = Reader::open(dir, &main_stream(), 1).unwrap();
    assert_eq!(reader.next().unwrap(), None);
    let (mut writer, _) = open(dir);
    let other = vec![b'o'; payload(2).len()];
    writer.append(&other).unwrap();
    writer.commit(NOW_MS).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().payload, other);
}

#[test]
fn a_reader_leaves_a_segment_that_was_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    drop(open(dir));
    let mut reader = Reader::open(dir, &main_stream(), 0).unwrap();
    assert_eq!(reader.next().unwrap(), None);
    flip_bit(&segments(dir)[0], 0);
    let (mut writer, recovery) = open(dir);
    assert!(recovery.damaged);
    write_records(&mut writer, 1, 1);
    let found = (0..10).find_map(|_| reader.next().unwrap().map(|record| record.seq));
    assert_eq!(found, Some(1));
}

/// Reads from another thread until `last_seq` and returns how often it had to wait.
fn follow(dir: std::path::PathBuf, last_seq: u64) -> thread::JoinHandle<u64> {
    thread::spawn(move || {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut reader = Reader::open(&dir, &main_stream(), 0).unwrap();
        let mut waits = 0;
        while reader.position() < last_seq {
            assert!(Instant::now() < deadline, "stuck at {}", reader.position());
            let expected = reader.position() + 1;
            match reader.next().unwrap() {
                Some(record) => {
                    assert_eq!((record.seq, record.payload), (expected, &payload(expected)[..]));
                }
                None => waits += 1,
            }
        }
        waits
    })
}

#[test]
fn a_reader_follows_a_live_writer_over_segments() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open_with(dir, Options::with_segment_bytes_max(2000));
    let reader = follow(dir.to_owned(), 20_000);
    for batch in 0..2_000_u64 {
        for seq in batch * 10 + 1..=batch * 10 + 10 {
            writer.append(&payload(seq)).unwrap();
        }
        writer.commit(NOW_MS).unwrap();
    }
    assert!(reader.join().unwrap() > 0, "the reader must catch up now and then");
    assert!(segments(dir).len() > 100);
}

#[test]
fn a_reader_follows_while_torn_tails_are_cut_and_rewritten() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open_with(dir, Options::with_segment_bytes_max(3000));
    let reader = follow(dir.to_owned(), 3_000);
    for round in 0..300_u64 {
        write_records(&mut writer, round * 10 + 1, round * 10 + 10);
        drop(writer);
        // A killed writer's last, unfinished record. Another record will be written in its place.
        let mut torn = vec![0xAB; usize::try_from(round % 60).unwrap()];
        let next = round * 10 + 11;
        if let Some(first) = torn.first_chunk_mut::<12>() {
            first[..4].copy_from_slice(&500_u32.to_le_bytes());
            first[4..].copy_from_slice(&next.to_le_bytes());
        }
        torn.truncate(19);
        let last = segments(dir).pop().unwrap();
        let mut file = fs::OpenOptions::new().append(true).open(last).unwrap();
        std::io::Write::write_all(&mut file, &torn).unwrap();
        writer = open_with(dir, Options::with_segment_bytes_max(3000)).0;
    }
    reader.join().unwrap();
    expect_records(dir, 3_000);
}
