//! What a stream still holds after kills, power cuts and damage.

#![allow(clippy::unwrap_used, reason = "a test helper that fails should say where")]

mod support;

use std::fs;

use journal::{Behind, Error, RECORD_HEADER_BYTES, Reader, SEGMENT_HEADER_BYTES, Writer, verify};
use proptest::prelude::*;
use support::*;

/// Returns the file offsets at which records end. The first one is the end of the segment header.
fn record_ends(count: u64) -> Vec<u64> {
    let mut ends = vec![SEGMENT_HEADER_BYTES as u64];
    for seq in 1..=count {
        ends.push(ends.last().unwrap() + (RECORD_HEADER_BYTES + payload(seq).len()) as u64);
    }
    ends
}

#[test]
fn a_torn_tail_is_cut_at_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open(dir);
    write_records(&mut writer, 1, 5);
    drop(writer);
    let segment = segments(dir).remove(0);
    let whole = fs::read(&segment).unwrap();
    let ends = record_ends(5);
    assert_eq!(*ends.last().unwrap(), whole.len() as u64);

    for length in 0..=whole.len() {
        fs::write(&segment, &whole[..length]).unwrap();
        forget_marks(dir);
        let survivors =
            ends.iter().filter(|end| **end <= length as u64).count().saturating_sub(1) as u64;
        let (mut writer, recovery) = open(dir);
        assert_eq!(recovery.last_seq, survivors, "{length} bytes");
        assert_eq!(recovery.records, survivors, "{length} bytes");
        let kept = if length < SEGMENT_HEADER_BYTES {
            0
        } else {
            ends[usize::try_from(survivors).unwrap()]
        };
        assert_eq!(recovery.cut_bytes, length as u64 - kept, "{length} bytes");
        assert!(
            !recovery.damaged && recovery.set_aside.is_empty(),
            "a torn tail is no damage: {length} bytes"
        );
        expect_records(dir, survivors);
        write_records(&mut writer, survivors + 1, survivors + 2);
        writer.close().unwrap();
        expect_records(dir, survivors + 2);
    }
}

#[test]
fn a_torn_tail_of_a_later_segment_leaves_the_earlier_ones_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open_small(dir);
    write_records(&mut writer, 1, 20);
    drop(writer);
    let paths = segments(dir);
    let last = paths.last().unwrap();
    let whole = fs::read(last).unwrap();
    let first_seq = first_seq(last);
    for length in (0..whole.len()).rev() {
        forget_marks(dir);
        truncate(last, length as u64);
        let (writer, recovery) = open_small(dir);
        drop(writer);
        assert!(recovery.last_seq >= first_seq - 1, "{length} bytes");
        expect_records(dir, recovery.last_seq);
        fs::write(last, &whole).unwrap();
    }
    expect_records(dir, 20);
}

#[test]
fn a_damaged_end_that_was_never_promised_is_cut_and_its_bytes_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open(dir);
    write_records(&mut writer, 1, 9);
    drop(writer);
    let segment = segments(dir).remove(0);
    let ends = record_ends(9);
    flip_bit(&segment, (usize::try_from(ends[8]).unwrap() + RECORD_HEADER_BYTES) * 8);
    let damaged = fs::read(&segment).unwrap();

    let (_, Some(Error::Damaged { offset, seq, .. })) = read_until_error(dir) else {
        panic!("the reader must not pass record 9");
    };
    assert_eq!((offset, seq), (ends[8], 9));

    let (mut writer, recovery) = open(dir);
    assert!(recovery.damaged);
    assert_eq!(recovery.last_seq, 8);
    assert_eq!(recovery.cut_bytes, ends[9] - ends[8]);
    let kept = segment.with_extension(format!("seg.cut-{}", ends[8]));
    assert_eq!(recovery.set_aside, std::slice::from_ref(&kept));
    assert_eq!(fs::read(&kept).unwrap(), damaged[usize::try_from(ends[8]).unwrap()..]);
    write_records(&mut writer, 9, 11);
    expect_records(dir, 11);

    let report = verify(dir, &mut |_| ()).unwrap();
    assert!(report.is_whole());
    assert_eq!(report.streams[0].set_aside, [kept]);
}

#[test]
fn damage_at_the_same_place_twice_overwrites_no_kept_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    for _ in 0..3 {
        let (mut writer, _) = open(dir);
        write_records(&mut writer, 1, 1);
        drop(writer);
        flip_bit(&segments(dir)[0], SEGMENT_HEADER_BYTES * 8);
    }
    drop(open(dir));
    assert_eq!(files(dir, ".cut-64").len(), 3);
}

#[test]
fn a_last_segment_with_a_damaged_header_and_no_record_is_set_aside_whole() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open_small(dir);
    write_records(&mut writer, 1, 12);
    drop(writer);
    let last = segments(dir).pop().unwrap();
    let first_seq = first_seq(&last);
    truncate(&last, SEGMENT_HEADER_BYTES as u64);
    flip_bit(&last, 70);
    let bytes = fs::read(&last).unwrap();

    let (mut writer, recovery) = open_small(dir);
    assert!(recovery.damaged);
    assert_eq!(recovery.last_seq, first_seq - 1);
    assert_eq!(fs::read(&recovery.set_aside[0]).unwrap(), bytes);
    write_records(&mut writer, first_seq, first_seq + 5);
    expect_records(dir, first_seq + 5);
    assert!(verify(dir, &mut |_| ()).unwrap().is_whole());
}

#[test]
fn a_stream_whose_older_segments_were_archived_keeps_its_numbers() {
    for damage in [None, Some(9)] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let (mut writer, _) = open_small(dir);
        write_records(&mut writer, 1, 22);
        drop(writer);
        let mut paths = segments(dir);
        let last = paths.pop().unwrap();
        let first_seq = first_seq(&last);
        for path in paths {
            fs::remove_file(path).unwrap();
        }
        match damage {
            None => truncate(&last, 10),
            Some(bit) => {
                truncate(&last, SEGMENT_HEADER_BYTES as u64);
                flip_bit(&last, bit);
            }
        }
        let (mut writer, recovery) = open_small(dir);
        assert_eq!((recovery.last_seq, recovery.damaged), (first_seq - 1, damage.is_some()));
        assert_eq!(writer.append(b"next").unwrap(), first_seq);
        writer.commit(NOW_MS).unwrap();
        let mut reader = Reader::open(dir, &main_stream(), first_seq - 1).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().payload, b"next");
    }
}

/// Writes records until the segment before the last one waits for its fsync too. Returns both
/// segments.
fn two_unsynced_segments(dir: &std::path::Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let (mut writer, _) = open_small(dir);
    for seq in 1.. {
        write_records(&mut writer, seq, seq);
        let mut paths = segments(dir);
        let last = paths.pop().unwrap();
        let Some(sealed) = paths.pop() else { continue };
        let is_empty = fs::metadata(&last).unwrap().len() == SEGMENT_HEADER_BYTES as u64;
        if paths.len() > 2 && !is_empty && writer.health().last_synced() < first_seq(&sealed) {
            return (sealed, last);
        }
    }
    unreachable!("the loop has no end")
}

#[test]
fn records_after_a_hole_that_a_power_cut_left_are_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (sealed, last) = two_unsynced_segments(dir);
    let last_bytes = fs::read(&last).unwrap();
    truncate(&sealed, SEGMENT_HEADER_BYTES as u64 + 30);

    let (mut writer, recovery) = open_small(dir);
    assert!(recovery.damaged);
    assert!([first_seq(&sealed), first_seq(&sealed) - 1].contains(&recovery.last_seq));
    assert_eq!(fs::read(&recovery.set_aside[0]).unwrap(), last_bytes);
    write_records(&mut writer, recovery.last_seq + 1, 30);
    expect_records(dir, 30);
    assert!(verify(dir, &mut |_| ()).unwrap().is_whole());
}

#[test]
fn the_same_hole_is_refused_when_its_records_were_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (sealed, last) = two_unsynced_segments(dir);
    let (mut writer, recovery) = open_small(dir);
    write_records(&mut writer, recovery.last_seq + 1, recovery.last_seq + 1);
    drop(writer);
    let whole = fs::read(&sealed).unwrap();
    truncate(&sealed, SEGMENT_HEADER_BYTES as u64 + 30);
    for forgets in [false, true] {
        if forgets {
            // The last record itself says how far the stream was on disk.
            forget_marks(dir);
        }
        let refused = Writer::open(dir, &main_stream(), NOW_MS, Default::default());
        let Err(Error::Damaged { path, behind, .. }) = &refused else { panic!("{refused:?}") };
        assert_eq!(*path, sealed);
        assert!(matches!(behind, Behind::Whole { .. }), "{behind:?}");
    }
    fs::write(&sealed, whole).unwrap();
    assert!(last.exists(), "a refusal changes nothing");
    expect_records(dir, open_small(dir).1.last_seq);
}

#[test]
fn holes_that_no_power_cut_explains_are_left_to_a_human() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open_small(dir);
    write_records(&mut writer, 1, 30);
    writer.close().unwrap();
    let paths = segments(dir);
    for path in &paths[paths.len() - 3..paths.len() - 1] {
        truncate(path, SEGMENT_HEADER_BYTES as u64);
    }
    let refused = Writer::open(dir, &main_stream(), NOW_MS, Default::default());
    assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
}

#[test]
fn a_sealed_segment_that_has_grown_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open_small(dir);
    write_records(&mut writer, 1, 20);
    writer.close().unwrap();
    let paths = segments(dir);
    let sealed = &paths[paths.len() - 2];
    let mut bytes = fs::read(sealed).unwrap();
    bytes.push(0);
    fs::write(sealed, bytes).unwrap();
    let refused = Writer::open(dir, &main_stream(), NOW_MS, Default::default());
    assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
}

#[test]
fn a_reader_ahead_of_a_stream_that_lost_its_end_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open(dir);
    write_records(&mut writer, 1, 9);
    drop(writer);
    let mut live = Reader::open(dir, &main_stream(), 8).unwrap();
    assert_eq!(live.next().unwrap().unwrap().seq, 9);

    truncate(&segments(dir)[0], record_ends(9)[6] + 3);
    let (writer, recovery) = open(dir);
    drop(writer);
    assert_eq!(recovery.last_seq, 6);
    let mut late = Reader::open(dir, &main_stream(), 9).unwrap();
    for reader in [&mut live, &mut late] {
        let told = reader.next();
        assert!(matches!(told, Err(Error::Ahead { position: 9, last_seq: 6, .. })), "{told:?}");
    }
    let mut right = Reader::open(dir, &main_stream(), 6).unwrap();
    assert_eq!(right.next().unwrap(), None);
}

#[test]
fn a_cursor_into_an_empty_journal_is_ahead_not_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Reader::open(folder.path(), &main_stream(), 5);
    assert!(matches!(opened, Err(Error::Ahead { position: 5, last_seq: 0, .. })), "{opened:?}");
}

#[test]
#[ignore = "a measurement: run it with --release --no-capture"]
fn recovery_speed_is_printed() {
    let folder =
        tempfile::tempdir_in(std::env::var_os("JOURNAL_TEST_DIR").unwrap_or("/tmp".into()))
            .unwrap();
    let dir = folder.path();
    let (mut writer, _) = open_with(dir, journal::Options::with_segment_bytes_max(u64::MAX));
    let began = std::time::Instant::now();
    for _ in 0..4_000 {
        for _ in 0..256 {
            writer.append(&[0x5A; 236]).unwrap();
        }
        writer.commit(NOW_MS).unwrap();
    }
    println!("append + commit, 256 records of 256 bytes each: {:?} for 262 MB", began.elapsed());
    writer.close().unwrap();
    let began = std::time::Instant::now();
    let (_writer, recovery) = open(dir);
    let elapsed = began.elapsed();
    assert_eq!(recovery.records, 1_024_000);
    let megabytes = fs::metadata(&segments(dir)[0]).unwrap().len() / 1_000_000;
    println!(
        "recovery: {megabytes} MB in {elapsed:?}, {} MB/s",
        u128::from(megabytes) * 1000 / elapsed.as_millis()
    );
}

#[test]
fn a_reader_resumes_only_behind_the_record_it_has_read() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open_small(dir);
    write_records(&mut writer, 1, 22);
    let mut reader = Reader::open(dir, &main_stream(), 0).unwrap();
    let mut checksums = vec![0];
    while let Some(record) = reader.next().unwrap() {
        checksums.push(record.checksum);
    }
    let resume = |after_seq: usize, checksum| {
        let mut reader = Reader::resume(dir, &main_stream(), after_seq as u64, checksum).unwrap();
        reader.next().map(|record| record.map(|record| record.seq))
    };
    for (seq, checksum) in checksums.iter().enumerate() {
        assert_eq!(resume(seq, *checksum).unwrap(), (seq < 22).then_some(seq as u64 + 1));
        let other = resume(seq, checksum ^ 1);
        assert!(seq == 0 || matches!(other, Err(Error::Replaced { .. })), "{seq}: {other:?}");
    }
    // A power cut takes the last record, and another one gets its number.
    drop(writer);
    let last = segments(dir).pop().unwrap();
    truncate(&last, fs::metadata(&last).unwrap().len() - 1);
    let (mut writer, recovery) = open_small(dir);
    assert_eq!(recovery.last_seq, 21);
    writer.append(b"another").unwrap();
    writer.commit(NOW_MS).unwrap();
    write_records(&mut writer, 23, 24);
    assert!(matches!(resume(22, checksums[22]), Err(Error::Replaced { seq: 22, .. })));
    assert_eq!(resume(21, checksums[21]).unwrap(), Some(22));
}

#[test]
fn a_reader_goes_over_to_a_copy_that_took_its_segment_s_place() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open(dir);
    write_records(&mut writer, 1, 5);
    let mut reader = Reader::open(dir, &main_stream(), 0).unwrap();
    let checksum = reader.next().unwrap().unwrap().checksum;
    let mut reader = Reader::resume(dir, &main_stream(), 1, checksum).unwrap();
    while reader.next().unwrap().is_some() {}
    drop(writer);
    let segment = segments(dir).remove(0);
    fs::copy(&segment, dir.join("copy")).unwrap();
    fs::rename(dir.join("copy"), &segment).unwrap();
    let (mut writer, _) = open(dir);
    write_records(&mut writer, 6, 6);
    let found = (0..10).find_map(|_| reader.next().unwrap().map(|record| record.seq));
    assert_eq!(found, Some(6));
}

/// One step of a random test.
#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Commit,
    Sync,
    /// Closes and opens again: every record survives.
    Restart,
    /// Drops without a commit, as a kill does: committed records survive.
    Kill,
    /// Drops and cuts bytes off the last segment. A power cut may do that to records that were not
    /// fsynced: the first records survive. Where it takes more, the stream is refused.
    Tear(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_usize..120).prop_map(Step::Append),
        4 => Just(Step::Commit),
        1 => Just(Step::Sync),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
        1 => (1_u64..150).prop_map(Step::Tear),
    ]
}

/// Returns how many committed records survive when the last segment loses its last `bytes`.
fn survivors_of_tear(dir: &std::path::Path, committed: &[Vec<u8>], bytes: u64) -> usize {
    let last = segments(dir).pop().unwrap();
    let length = fs::metadata(&last).unwrap().len().saturating_sub(bytes);
    truncate(&last, length);
    let first_seq: usize = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let (mut survivors, mut end) = (first_seq - 1, SEGMENT_HEADER_BYTES as u64);
    for payload in &committed[first_seq - 1..] {
        end += (RECORD_HEADER_BYTES + payload.len()) as u64;
        survivors += usize::from(end <= length);
    }
    survivors
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_to_a_stream_a_dense_prefix_of_it_is_left(
        steps in prop::collection::vec(step(), 1..60),
        segment_bytes_max in 64_u64..600,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let options = || journal::Options::with_segment_bytes_max(segment_bytes_max);
        let (mut writer, _) = open_with(dir, options());
        let mut committed: Vec<Vec<u8>> = Vec::new();
        let mut pending: Vec<Vec<u8>> = Vec::new();
        let mut reader = Reader::open(dir, &main_stream(), 0).unwrap();
        for step in steps {
            match step {
                Step::Append(length) => {
                    let byte = u8::try_from(length).unwrap();
                    pending.push(vec![byte; length]);
                    let seq = writer.append(pending.last().unwrap()).unwrap();
                    prop_assert_eq!(seq, (committed.len() + pending.len()) as u64);
                }
                Step::Commit => {
                    committed.append(&mut pending);
                    prop_assert_eq!(writer.commit(NOW_MS).unwrap(), committed.len() as u64);
                    prop_assert_eq!(writer.pending(), 0);
                }
                Step::Sync => writer.sync().unwrap(),
                Step::Restart => {
                    committed.append(&mut pending);
                    writer.close().unwrap();
                    let (opened, recovery) = open_with(dir, options());
                    writer = opened;
                    prop_assert_eq!(recovery.cut_bytes, 0);
                    prop_assert_eq!(recovery.last_seq, committed.len() as u64);
                }
                Step::Kill => {
                    pending.clear();
                    drop(writer);
                    let (opened, recovery) = open_with(dir, options());
                    writer = opened;
                    prop_assert_eq!(recovery.last_seq, committed.len() as u64);
                }
                Step::Tear(bytes) => {
                    pending.clear();
                    let synced = usize::try_from(writer.health().last_synced()).unwrap();
                    drop(writer);
                    let last = segments(dir).pop().unwrap();
                    let whole = fs::read(&last).unwrap();
                    let survivors = survivors_of_tear(dir, &committed, bytes);
                    if survivors < synced {
                        let refused = Writer::open(dir, &main_stream(), NOW_MS, options());
                        let is_refused = matches!(refused, Err(Error::Damaged { .. }));
                        prop_assert!(is_refused, "{:?}", refused);
                        fs::write(&last, whole).unwrap();
                    } else {
                        committed.truncate(survivors);
                    }
                    let (opened, recovery) = open_with(dir, options());
                    writer = opened;
                    prop_assert!(!recovery.damaged);
                    prop_assert_eq!(recovery.last_seq, committed.len() as u64);
                    let after = reader.position().min(recovery.last_seq);
                    reader = Reader::open(dir, &main_stream(), after).unwrap();
                }
            }
            while let Some(record) = reader.next().unwrap() {
                let index = usize::try_from(record.seq).unwrap() - 1;
                prop_assert_eq!(record.payload, &committed[index][..]);
            }
            prop_assert_eq!(reader.position(), committed.len() as u64);
        }
        prop_assert_eq!(read_all(dir), committed);
        let report = verify(dir, &mut |_| ()).unwrap();
        prop_assert!(report.is_whole(), "{:?}", report);
        prop_assert_eq!(report.streams[0].torn_tail_bytes, 0);
    }
}
