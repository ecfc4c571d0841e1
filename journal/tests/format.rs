//! The files on disk: an audit finds all damage, and files of older formats stay readable.

#![allow(clippy::unwrap_used, reason = "a test helper that fails should say where")]

mod support;

use std::fs;
use std::path::Path;

use journal::{Options, Writer, verify};
use support::*;

/// Returns the folders of the golden journals: what each format version wrote, the newest last.
fn golden() -> [&'static Path; 2] {
    [
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/v1")),
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/v2")),
    ]
}

fn write_golden(dir: &Path) {
    let (mut writer, _) = open_small(dir);
    write_records(&mut writer, 1, 7);
    writer.append(b"").unwrap();
    writer.append(&[0, 255, 10, 13]).unwrap();
    writer.commit(NOW_MS + 5).unwrap();
    writer.close().unwrap();
}

#[test]
#[ignore = "rewrites the golden files: run it only when a new format version is added"]
fn golden_segments_are_written() {
    let [_, newest] = golden();
    write_golden(newest);
    fs::remove_file(newest.join("main/lock")).unwrap();
    forget_marks(newest);
}

#[test]
fn golden_segments_of_every_version_stay_readable() {
    let mut expected: Vec<Vec<u8>> = (1..=7).map(payload).collect();
    expected.extend([vec![], vec![0, 255, 10, 13]]);
    for golden in golden() {
        assert_eq!(read_all(golden), expected);
        assert!(segments(golden).len() >= 2);
        assert!(verify(golden, &mut |_| ()).unwrap().is_whole());
    }
}

#[test]
fn a_journal_of_version_1_is_gone_on_with() {
    let [oldest, _] = golden();
    // A writer that was killed left its last segment with and without records.
    for without_last in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        fs::create_dir(dir.join("main")).unwrap();
        for segment in segments(oldest) {
            fs::copy(&segment, dir.join("main").join(segment.file_name().unwrap())).unwrap();
        }
        if without_last {
            fs::remove_file(segments(dir).pop().unwrap()).unwrap();
        }
        let first_bytes = fs::read(segments(dir).pop().unwrap()).unwrap();
        let (mut writer, recovery) = open_with(dir, Options::with_segment_bytes_max(400));
        assert_eq!((recovery.last_seq, recovery.cut_bytes, recovery.damaged), (9, 0, false));
        write_records(&mut writer, 10, 30);
        writer.close().unwrap();
        assert_eq!(read_all(dir)[9..], (10..=30).map(payload).collect::<Vec<_>>()[..]);
        assert!(verify(dir, &mut |_| ()).unwrap().is_whole());
        let versions: Vec<u8> =
            segments(dir).iter().map(|path| fs::read(path).unwrap()[8]).collect();
        assert!(versions.is_sorted() && versions.ends_with(&[2]), "{versions:?}");
        let gone_on = segments(dir).into_iter().map(|path| fs::read(path).unwrap());
        assert!(gone_on.into_iter().any(|bytes| bytes.starts_with(&first_bytes)));
        // Marks from now on: an end that is missing is noticed.
        let last = segments(dir).pop().unwrap();
        truncate(&last, fs::metadata(&last).unwrap().len() - 1);
        let opened = Writer::open(dir, &main_stream(), NOW_MS, Options::default());
        assert!(matches!(opened, Err(journal::Error::Damaged { .. })), "{opened:?}");
    }
}

#[test]
fn the_same_records_give_the_same_bytes_as_ever() {
    let folder = tempfile::tempdir().unwrap();
    write_golden(folder.path());
    let [_, newest] = golden();
    let (ours, theirs) = (segments(folder.path()), segments(newest));
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours.file_name(), theirs.file_name());
        assert_eq!(fs::read(ours).unwrap(), fs::read(theirs).unwrap(), "{}", theirs.display());
    }
}

#[test]
fn every_flipped_bit_is_found_and_no_wrong_record_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    write_golden(dir);
    let whole = read_all(dir);
    let paths = segments(dir);
    assert!(paths.len() >= 2);
    for path in &paths {
        let bits = fs::read(path).unwrap().len() * 8;
        for bit in 0..bits {
            flip_bit(path, bit);
            let report = verify(dir, &mut |_| ()).unwrap();
            assert_eq!(
                report.streams[0].damages.len(),
                1,
                "bit {bit} of {}: {report:?}",
                path.display()
            );
            assert_eq!(&report.streams[0].damages[0].path, path);
            let (read, error) = read_until_error(dir);
            assert!(error.is_some(), "bit {bit}");
            assert_eq!(read[..], whole[..read.len()], "bit {bit}");
            flip_bit(path, bit);
        }
    }
    assert!(verify(dir, &mut |_| ()).unwrap().is_whole());
}

#[test]
fn an_audit_reads_on_behind_a_damaged_payload() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open(dir);
    write_records(&mut writer, 1, 10);
    writer.close().unwrap();
    let path = segments(dir).remove(0);
    for byte in [64 + 20, fs::read(&path).unwrap().len() - 1] {
        flip_bit(&path, byte * 8);
    }
    let report = verify(dir, &mut |_| ()).unwrap();
    assert_eq!(report.streams[0].damages.len(), 2);
    assert_eq!(report.streams[0].damages[0].offset, 64);
    assert_eq!(report.streams[0].records, 8);
}

#[test]
fn an_audit_counts_records_and_names_unknown_files() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    for name in ["main", "core-0"] {
        let options = Options::with_segment_bytes_max(SMALL_SEGMENT);
        let stream = journal::StreamName::new(name).unwrap();
        let (mut writer, _) = Writer::open(dir, &stream, NOW_MS, options).unwrap();
        write_records(&mut writer, 1, 11);
        writer.close().unwrap();
    }
    fs::write(dir.join("main/notes.txt"), "?").unwrap();
    fs::write(dir.join("README"), "?").unwrap();
    let last = segments(dir).pop().unwrap();
    let length = fs::metadata(&last).unwrap().len();
    truncate(&last, length - 1);
    let report = verify(dir, &mut |_| ()).unwrap();
    assert!(!report.is_whole(), "record 11 was known to be on disk");
    forget_marks(dir);

    let mut progress = Vec::new();
    let report = verify(dir, &mut |step| progress.push((step.bytes, step.bytes_total))).unwrap();
    assert!(report.is_whole());
    assert_eq!(report.unknown, [dir.join("README")]);
    let [core, main] = &report.streams[..] else { panic!("two streams") };
    assert_eq!(
        (core.stream.as_str(), core.records, core.first_seq, core.last_seq),
        ("core-0", 11, 1, 11)
    );
    assert_eq!((main.stream.as_str(), main.records, main.last_seq), ("main", 10, 10));
    assert!(main.torn_tail_bytes > 0 && core.torn_tail_bytes == 0);
    assert_eq!(main.unknown, [dir.join("main/notes.txt")]);
    assert_eq!(main.segments, segments(dir).len() as u64);
    assert_eq!(progress.last().unwrap().0, progress.last().unwrap().1);
    assert!(progress.is_sorted());
}

#[test]
fn a_segment_cut_short_removed_or_renamed_is_found() {
    type Spoil = (&'static str, fn(&Path), &'static [&'static str]);
    const ENDS: &str = "a sealed segment ends inside a record";
    const MISSING: &str = "records are missing between this segment and the one before";
    const HEADER: &str = "the segment header's checksum is wrong";
    const SHORT: &str = "the segment before this one is not as long as when it was sealed";
    let spoil: [Spoil; 5] = [
        (
            "cut inside a record",
            |path| truncate(path, fs::metadata(path).unwrap().len() - 1),
            &[ENDS, SHORT],
        ),
        ("cut to its header", |path| truncate(path, 64), &[MISSING]),
        ("removed", |path| fs::remove_file(path).unwrap(), &[MISSING]),
        (
            "renamed",
            |path| fs::rename(path, path.with_file_name("00000000000000000002.seg")).unwrap(),
            &["the segment's name is not its first sequence"],
        ),
        (
            "cut and damaged",
            |path| {
                truncate(path, 64);
                flip_bit(path, 100);
            },
            &[HEADER, SHORT],
        ),
    ];
    for (name, spoil, reasons) in spoil {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let (mut writer, _) = open_small(dir);
        write_records(&mut writer, 1, 20);
        writer.close().unwrap();
        spoil(&segments(dir)[1]);
        let report = verify(dir, &mut |_| ()).unwrap();
        let found: Vec<&str> =
            report.streams[0].damages.iter().map(|damage| damage.reason).collect();
        assert_eq!(found, reasons, "{name}");
        assert!(!report.is_whole() && report.streams[0].torn_tail_bytes == 0, "{name}");
        let mut reader = journal::Reader::open(dir, &main_stream(), 0).unwrap();
        let stopped = loop {
            match reader.next() {
                Ok(Some(_)) => {}
                other => break other.map(|_| ()),
            }
        };
        assert!(stopped.is_err(), "a reader must not wait for ever at a segment that was {name}");
    }
}

#[test]
fn a_segment_moved_to_another_stream_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut writer, _) = open(dir);
    write_records(&mut writer, 1, 3);
    writer.close().unwrap();
    fs::rename(dir.join("main"), dir.join("other")).unwrap();
    assert!(!verify(dir, &mut |_| ()).unwrap().is_whole());
}
