//! Whatever happens to the files of a journal: a record that was promised is readable, or it is
//! named. None is lost in silence.

#![allow(clippy::unwrap_used, reason = "a test helper that fails should say where")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use journal::{
    Behind, Error, Options, Reader, Repairing, StreamName, Writer, check, known_streams, lost,
    promise, repair, verify,
};
use proptest::prelude::*;
use support::*;

/// A journal whose files can be spoilt and put back.
struct Fixture {
    folder: tempfile::TempDir,
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// The last promised record of each stream.
    promised: BTreeMap<StreamName, u64>,
}

fn name(text: &str) -> StreamName {
    StreamName::new(text).unwrap()
}

impl Fixture {
    /// Writes streams of which all records are on disk.
    fn of(streams: &[(&str, u64)], segment_bytes_max: u64) -> Self {
        let folder = folder_in_memory();
        for (stream, records) in streams {
            let options = Options::with_segment_bytes_max(segment_bytes_max);
            let (mut writer, _) =
                Writer::open(folder.path(), &name(stream), NOW_MS, options).unwrap();
            for seq in 1..=*records {
                write_records(&mut writer, seq, seq);
                if seq % 3 == 0 {
                    writer.sync().unwrap();
                }
            }
            writer.close().unwrap();
        }
        let promised = streams.iter().map(|(stream, seq)| (name(stream), *seq)).collect();
        let mut files = BTreeMap::new();
        keep(folder.path(), &mut files);
        Self { folder, files, promised }
    }

    fn dir(&self) -> &Path {
        self.folder.path()
    }

    fn restore(&self) {
        for entry in fs::read_dir(self.dir()).unwrap() {
            fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
        for (path, bytes) in &self.files {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    fn segments(&self) -> Vec<(&PathBuf, &Vec<u8>)> {
        let is_segment = |path: &Path| path.extension().is_some_and(|found| found == "seg");
        self.files.iter().filter(|(path, _)| is_segment(path)).collect()
    }

    /// Judges every stream and returns how many promised records were lost.
    fn judge(&self, what: &str) -> Verdict {
        let mut all = Verdict::default();
        for (stream, promised) in &self.promised {
            let judged = judge(self.dir(), stream, *promised, &Options::default, what);
            all.refused |= judged.refused;
            all.silent.extend(judged.silent);
            all.named.extend(judged.named);
        }
        all
    }
}

fn keep(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            keep(&path, files);
        } else {
            let bytes = fs::read(&path).unwrap();
            files.insert(path, bytes);
        }
    }
}

/// What became of promised records.
#[derive(Debug, Default)]
struct Verdict {
    /// Whether the stream could not be opened, or not be read, before it was repaired.
    refused: bool,
    /// Records that are gone and that nobody named.
    silent: Vec<u64>,
    /// Records that cannot be read, and are named.
    named: Vec<u64>,
}

/// Starts a stream as an operator does: opens it, repairs it where that is refused, opens it again
/// and reads it.
fn judge(
    dir: &Path,
    stream: &StreamName,
    promised: u64,
    options: &dyn Fn() -> Options,
    what: &str,
) -> Verdict {
    let mut verdict = Verdict::default();
    match Writer::open(dir, stream, NOW_MS, options()) {
        Ok((writer, _)) => drop(writer),
        Err(Error::Damaged { .. }) => {
            verdict.refused = true;
            give_up(dir);
            drop(Writer::open(dir, stream, NOW_MS, options()).expect(what));
        }
        Err(error) => panic!("{what}: {error}"),
    }
    let (mut read, mut given_up, error) = read_stream(dir, stream);
    if error.is_some() {
        verdict.refused = true;
        give_up(dir);
        drop(Writer::open(dir, stream, NOW_MS, options()).expect(what));
        let error;
        (read, given_up, error) = read_stream(dir, stream);
        assert!(error.is_none(), "{what}: {error:?}");
    }
    for seq in 1..=promised {
        match read.get(&seq) {
            Some(found) => assert_eq!(*found, payload(seq), "{what}: record {seq}"),
            None if given_up.contains(&seq) => verdict.named.push(seq),
            None => verdict.silent.push(seq),
        }
    }
    verdict
}

fn give_up(dir: &Path) {
    let looked = repair(dir, Repairing::Look, &|_| true).unwrap();
    let given_up = repair(dir, Repairing::GiveUp { now_ms: NOW_MS }, &|_| true).unwrap();
    assert_eq!(looked.len(), given_up.len());
    assert!(repair(dir, Repairing::Look, &|_| true).unwrap().is_empty(), "once is enough");
}

/// Returns what can be read, what was given up, and why reading ended.
fn read_stream(
    dir: &Path,
    stream: &StreamName,
) -> (BTreeMap<u64, Vec<u8>>, Vec<u64>, Option<Error>) {
    let mut read = BTreeMap::new();
    let mut reader = match Reader::open(dir, stream, 0) {
        Ok(reader) => reader,
        Err(error) => return (read, Vec::new(), Some(error)),
    };
    let mut idle = 0;
    let error = loop {
        match reader.next() {
            Ok(Some(record)) => _ = read.insert(record.seq, record.payload.to_vec()),
            // At an end the reader looks for later segments now and then only.
            Ok(None) if idle == 4 => break None,
            Ok(None) => idle += 1,
            Err(error) => break Some(error),
        }
    };
    (read, reader.lost().iter().cloned().flatten().collect(), error)
}

fn small() -> Fixture {
    Fixture::of(&[("main", 13), ("other", 7)], SMALL_SEGMENT)
}

#[test]
fn every_flipped_bit_costs_one_named_record_at_most() {
    let fixture = small();
    assert!(fixture.segments().len() >= 5);
    for (path, bytes) in fixture.segments() {
        for bit in 0..bytes.len() * 8 {
            fixture.restore();
            flip_bit(path, bit);
            let what = format!("bit {bit} of {}", path.display());
            let verdict = fixture.judge(&what);
            assert!(verdict.refused, "{what} is noticed");
            assert!(verdict.silent.is_empty(), "{what}: {verdict:?}");
            assert!(verdict.named.len() <= 1, "{what}: {verdict:?}");
        }
    }
}

#[test]
fn a_cut_at_every_byte_is_named_record_by_record() {
    let fixture = small();
    for (path, bytes) in fixture.segments() {
        for length in 0..bytes.len() {
            fixture.restore();
            truncate(path, length as u64);
            let what = format!("{} cut to {length} bytes", path.display());
            let verdict = fixture.judge(&what);
            assert!(verdict.silent.is_empty(), "{what}: {verdict:?}");
            // The last segment may be a new one that has no record yet.
            assert!(verdict.refused || verdict.named.is_empty(), "{what}: {verdict:?}");
        }
    }
}

#[test]
fn segments_and_streams_that_are_gone_are_named() {
    let fixture = small();
    for (path, _) in fixture.segments() {
        fixture.restore();
        fs::remove_file(path).unwrap();
        let what = format!("{} removed", path.display());
        let verdict = fixture.judge(&what);
        assert!(verdict.silent.is_empty(), "{what}: {verdict:?}");
    }
    for stream in ["main", "other"] {
        fixture.restore();
        fs::remove_dir_all(fixture.dir().join(stream)).unwrap();
        let refused = check(fixture.dir(), &[]);
        assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
        assert!(check(fixture.dir(), &[name(stream)]).is_ok(), "the other one is whole");
        assert!(!verify(fixture.dir(), &mut |_| ()).unwrap().is_whole());
        let verdict = fixture.judge(stream);
        assert!(verdict.silent.is_empty() && verdict.refused, "{verdict:?}");
        assert_eq!(verdict.named.len() as u64, fixture.promised[&name(stream)]);
        check(fixture.dir(), &[]).unwrap();
        // The numbers of lost records are not given again.
        let (mut writer, recovery) =
            Writer::open(fixture.dir(), &name(stream), NOW_MS, Options::default()).unwrap();
        assert_eq!(recovery.lost_records, fixture.promised[&name(stream)]);
        assert_eq!(writer.append(b"next").unwrap(), recovery.lost_records + 1);
    }
}

/// A generator of numbers that a seed repeats.
struct Numbers(u64);

impl Numbers {
    /// Starts from `JOURNAL_TEST_SEED`, or from a new seed, and prints it.
    fn start() -> Self {
        let given = std::env::var("JOURNAL_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(0));
        println!("JOURNAL_TEST_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

#[test]
fn ten_thousand_random_flips_lose_nothing_in_silence() {
    let fixture = Fixture::of(&[("main", 150), ("other", 60)], 1500);
    let segments = fixture.segments();
    let mut numbers = Numbers::start();
    fixture.restore();
    for round in 0..10_000 {
        let (path, bytes) = segments[numbers.below(segments.len())];
        let bit = numbers.below(bytes.len() * 8);
        let what = format!("bit {bit} of {}", path.display());
        flip_bit(path, bit);
        // Every damage is noticed by the start, or where the record is read; the start changes
        // nothing. Now and then the whole way is gone, which changes files.
        let stream = name(path.parent().unwrap().file_name().unwrap().to_str().unwrap());
        if round % 25 == 0 {
            let verdict = fixture.judge(&what);
            assert!(verdict.refused && verdict.silent.is_empty(), "{what}: {verdict:?}");
            assert!(verdict.named.len() <= 1, "{what}: {verdict:?}");
            fixture.restore();
            continue;
        }
        if check(fixture.dir(), &[]).is_ok() {
            let (_, given_up, error) = read_stream(fixture.dir(), &stream);
            assert!(error.is_some() && given_up.is_empty(), "{what} is not noticed");
        }
        flip_bit(path, bit);
    }
}

#[cfg(feature = "faults")]
#[test]
fn a_recovery_that_cuts_too_much_is_noticed_by_these_tests() {
    let fixture = small();
    let careless = || Options { fault: Some(journal::Fault::CutTooMuch), ..Options::default() };
    let mut silent = 0;
    for (path, bytes) in fixture.segments() {
        for bit in (0..bytes.len() * 8).step_by(7) {
            fixture.restore();
            flip_bit(path, bit);
            for (stream, promised) in &fixture.promised {
                let what = format!("bit {bit} of {}", path.display());
                silent += judge(fixture.dir(), stream, *promised, &careless, &what).silent.len();
            }
        }
    }
    assert!(silent > 100, "{silent}");
}

#[test]
fn a_refusal_names_file_place_what_is_behind_and_the_way_out_and_changes_nothing() {
    let fixture = Fixture::of(&[("main", 40)], 1 << 20);
    let (path, bytes) = fixture.segments()[0];
    flip_bit(path, (bytes.len() / 2) * 8);
    let before = fs::read(path).unwrap();
    for _ in 0..2 {
        let refused = Writer::open(fixture.dir(), &name("main"), NOW_MS, Options::default());
        let Err(Error::Damaged { seq, behind, .. }) = &refused else { panic!("{refused:?}") };
        let Behind::Whole { first_seq, last_seq: 40 } = behind else { panic!("{behind:?}") };
        assert_eq!(*first_seq, seq + 1);
        let text = refused.as_ref().unwrap_err().to_string();
        for part in [
            path.to_str().unwrap(),
            "at byte ",
            &format!("(record {seq})"),
            &format!("records {first_seq} to 40 are whole"),
            "restore the segment from a copy",
            "repair",
        ] {
            assert!(text.contains(part), "{text} should contain {part}");
        }
        assert_eq!(fs::read(path).unwrap(), before);
    }
}

#[test]
fn what_was_given_up_is_remembered_and_read_again_when_the_bytes_come_back() {
    let fixture = Fixture::of(&[("main", 40)], 1 << 20);
    let (path, bytes) = fixture.segments()[0];
    let dir = fixture.dir();
    flip_bit(path, (bytes.len() / 2) * 8);
    give_up(dir);
    let (mut writer, recovery) =
        Writer::open(dir, &name("main"), NOW_MS, Options::default()).unwrap();
    assert_eq!((recovery.last_seq, recovery.lost_records), (40, 1));
    write_records(&mut writer, 41, 45);
    writer.close().unwrap();
    for _ in 0..2 {
        drop(Writer::open(dir, &name("main"), NOW_MS, Options::default()).unwrap());
        let findings = verify(dir, &mut |_| ()).unwrap();
        assert!(findings.is_whole(), "{findings:?}");
        assert_eq!((findings.lost_records(), findings.streams[0].records), (1, 44));
        let losses = lost(dir).unwrap();
        assert_eq!(losses, findings.streams[0].lost);
        assert_eq!((losses[0].records(), losses[0].noticed_at_ms), (1, NOW_MS));
        assert_eq!(losses[0].path, *path);
    }
    let missing = lost(dir).unwrap()[0].first_seq;
    let (read, given_up, error) = read_stream(dir, &name("main"));
    assert!(error.is_none());
    assert_eq!(given_up, [missing]);
    let expected: Vec<u64> = (1..=45).filter(|seq| *seq != missing).collect();
    assert_eq!(read.keys().copied().collect::<Vec<_>>(), expected);

    // A reader that goes on from anywhere yields the same records.
    for after_seq in 0..=45 {
        let mut reader = Reader::open(dir, &name("main"), after_seq).unwrap();
        let next = reader.next().unwrap().map(|record| record.seq);
        assert_eq!(next, expected.iter().copied().find(|seq| *seq > after_seq), "{after_seq}");
    }

    let mut healed = bytes.clone();
    healed.truncate(fs::metadata(path).unwrap().len().try_into().unwrap());
    fs::write(path, healed).unwrap();
    let (read, given_up, _) = read_stream(dir, &name("main"));
    assert_eq!((read.len(), given_up.len()), (45, 0));
}

#[test]
fn a_record_that_is_known_from_elsewhere_was_promised() {
    let fixture = Fixture::of(&[("main", 5)], 1 << 20);
    forget_marks(fixture.dir());
    let (path, bytes) = fixture.segments()[0];
    truncate(path, bytes.len() as u64 - 1);
    for seq in [5, 4] {
        promise(fixture.dir(), &name("main"), seq).unwrap();
        let refused = Writer::open(fixture.dir(), &name("main"), NOW_MS, Options::default());
        assert!(matches!(refused, Err(Error::Damaged { seq: 5, .. })), "{refused:?}");
    }
    // A stream that is gone together with its mark, too.
    promise(fixture.dir(), &name("gone"), 3).unwrap();
    let known = known_streams(fixture.dir()).unwrap();
    assert_eq!(known, BTreeMap::from([(name("gone"), 3), (name("main"), 5)]));
    let refused = check(fixture.dir(), &[name("main")]);
    assert!(matches!(refused, Err(Error::Damaged { seq: 1, .. })), "{refused:?}");
}

/// What may happen to one file.
#[derive(Clone, Debug)]
enum Harm {
    Flip(usize),
    Cut(usize),
    Remove,
    Zeros(usize, usize),
    /// Other bytes of the same length, as of a block that another file owns now.
    Noise(usize, usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        4 => any::<usize>().prop_map(Harm::Flip),
        3 => any::<usize>().prop_map(Harm::Cut),
        1 => Just(Harm::Remove),
        2 => (any::<usize>(), 1_usize..200).prop_map(|(at, length)| Harm::Zeros(at, length)),
        2 => (any::<usize>(), 1_usize..200).prop_map(|(at, length)| Harm::Noise(at, length)),
    ]
}

fn spoil(path: &Path, harm: &Harm) {
    let mut bytes = fs::read(path).unwrap();
    let length = bytes.len().max(1);
    let fill = |bytes: &mut [u8], at: usize, count: usize, byte: u8| {
        bytes.iter_mut().skip(at % length).take(count).for_each(|slot| *slot = byte);
    };
    match harm {
        Harm::Flip(bit) if !bytes.is_empty() => bytes[bit / 8 % length] ^= 1 << (bit % 8),
        Harm::Flip(_) => {}
        Harm::Cut(at) => bytes.truncate(at % length),
        Harm::Remove => return fs::remove_file(path).unwrap(),
        Harm::Zeros(at, count) => fill(&mut bytes, *at, *count, 0),
        Harm::Noise(at, count) => fill(&mut bytes, *at, *count, 0xA7),
    }
    fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_prefix_that_was_synced_is_lost_in_silence(
        synced in 0_u64..40,
        unsynced in 0_u64..12,
        segment_bytes_max in 64_u64..900,
        rounds in prop::collection::vec(
            prop::collection::vec((any::<usize>(), harm()), 1..4), 1..4),
    ) {
        let folder = folder_in_memory();
        let dir = folder.path();
        let options = || Options::with_segment_bytes_max(segment_bytes_max);
        let (mut writer, _) = open_with(dir, options());
        write_records(&mut writer, 1, synced);
        writer.sync().unwrap();
        write_records(&mut writer, synced + 1, synced + unsynced);
        // A kill: what was committed since is with the operating system, and not promised to
        // survive what happens now.
        drop(writer);
        // Damage may come again after a repair.
        for harms in &rounds {
            for (index, harm) in harms {
                let paths = segments(dir);
                if !paths.is_empty() {
                    spoil(&paths[index % paths.len()], harm);
                }
            }
            let what = format!("{harms:?}");
            let verdict = judge(dir, &main_stream(), synced, &options, &what);
            prop_assert!(verdict.silent.is_empty(), "{:?}", verdict);
            let findings = verify(dir, &mut |_| ()).unwrap();
            prop_assert!(findings.is_whole(), "{:?}", findings);
            prop_assert!(verdict.named.len() as u64 <= findings.lost_records());
        }
        let (mut writer, recovery) = open_with(dir, options());
        prop_assert!(recovery.last_seq >= synced);
        prop_assert_eq!(writer.append(b"next").unwrap(), recovery.last_seq + 1);
    }
}
