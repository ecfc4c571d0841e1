//! Group commit from many threads, and through kills.

#![allow(clippy::unwrap_used, reason = "a test helper that fails should say where")]

mod support;

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use journal::{Committer, Durability, Error, Options, PAYLOAD_BYTES_MAX, Reader, verify};
use support::*;

#[test]
fn every_answer_names_the_record_that_is_stored_there() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (writer, _) = open_with(dir, Options::with_segment_bytes_max(20_000));
    let (committer, shutdown) = Committer::spawn(writer, || NOW_MS);
    let threads = (0..8_u64).map(|thread| {
        let committer = committer.clone();
        thread::spawn(move || {
            let append = |index: u64| {
                let durability =
                    if index.is_multiple_of(50) { Durability::Disk } else { Durability::Os };
                let payload = format!("thread {thread} record {index}").into_bytes();
                (committer.append_blocking(payload.clone(), durability).unwrap(), payload)
            };
            (0..500).map(append).collect::<Vec<_>>()
        })
    });
    let threads: Vec<_> = threads.collect();
    let mut answers: Vec<_> =
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    shutdown.shutdown().unwrap();
    answers.sort();
    let stored: Vec<_> = (1..).zip(read_all(dir)).collect();
    assert_eq!(answers, stored);
    assert!(verify(dir, &mut |_| ()).unwrap().is_whole());
}

#[test]
fn an_answer_comes_after_the_promise_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (committer, shutdown) = Committer::spawn(open(dir).0, || NOW_MS);
    assert_eq!(stored_when_answered(&committer, dir), 40);
    shutdown.shutdown().unwrap();
}

/// Counts the answers, of 40, that came when their record could be read and, where promised, was
/// fsynced.
fn stored_when_answered(committer: &Committer, dir: &Path) -> usize {
    let mut reader = Reader::open(dir, &main_stream(), 0).unwrap();
    let mut kept = 0;
    for index in 0..40 {
        let durability = if index % 2 == 0 { Durability::Disk } else { Durability::Os };
        let seq = committer.append_blocking(payload(index), durability).unwrap();
        let is_readable = reader.next().unwrap().is_some_and(|record| record.seq == seq);
        let is_synced = durability == Durability::Os || committer.health().last_synced() >= seq;
        kept += usize::from(is_readable && is_synced);
    }
    kept
}

#[test]
fn tasks_append_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (committer, shutdown) = Committer::spawn(open(dir).0, || NOW_MS);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let tasks = (0..100).map(|_| {
            let committer = committer.clone();
            tokio::spawn(async move {
                committer.append(b"task".to_vec(), Durability::Disk).await.unwrap()
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let mut seqs = Vec::new();
        for task in tasks {
            seqs.push(task.await.unwrap());
        }
        assert_eq!(seqs, (1..=100).collect::<Vec<u64>>());
    });
    shutdown.shutdown().unwrap();
    assert_eq!(read_all(dir).len(), 100);
}

#[test]
fn an_os_commit_is_fsynced_soon_without_anyone_asking() {
    let folder = tempfile::tempdir().unwrap();
    let (committer, shutdown) = Committer::spawn(open(folder.path()).0, || NOW_MS);
    let seq = committer.append_blocking(b"click".to_vec(), Durability::Os).unwrap();
    let since = Instant::now();
    while committer.health().last_synced() < seq {
        assert!(since.elapsed() < Duration::from_secs(60), "nobody fsynced");
        thread::sleep(Duration::from_millis(1));
    }
    shutdown.shutdown().unwrap();
}

#[test]
fn a_shutdown_answers_all_that_wait_and_refuses_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (committer, shutdown) = Committer::spawn(open(dir).0, || NOW_MS);
    let (tell, told) = std::sync::mpsc::channel();
    let appender = thread::spawn({
        let committer = committer.clone();
        move || {
            let mut answered = 0;
            while committer.append_blocking(payload(answered + 1), Durability::Os).is_ok() {
                answered += 1;
                _ = tell.send(());
            }
            answered
        }
    });
    // Under way, and so in the middle of the next one.
    for _ in 0..100 {
        told.recv().unwrap();
    }
    shutdown.shutdown().unwrap();
    let answered = appender.join().unwrap();
    assert!(answered > 0);
    expect_records(dir, answered);
    let refused = committer.append_blocking(vec![], Durability::Disk);
    assert!(matches!(refused, Err(Error::Closed { .. })), "{refused:?}");
    open(dir);
}

#[test]
fn a_thread_that_dies_leaves_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let (committer, shutdown) =
        Committer::spawn(open(folder.path()).0, || panic!("a clock with a bug"));
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for _ in 0..3 {
            tell.send(committer.append_blocking(vec![], Durability::Os)).unwrap();
        }
    });
    for _ in 0..3 {
        let answer = told.recv_timeout(Duration::from_secs(60)).expect("an answer must come");
        assert!(matches!(answer, Err(Error::Closed { .. })), "{answer:?}");
    }
    assert!(
        matches!(shutdown.shutdown(), Err(Error::Poisoned { .. })),
        "and readiness checks see it"
    );
}

#[test]
fn a_payload_above_the_limit_is_refused_before_it_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (committer, _shutdown) = Committer::spawn(open(folder.path()).0, || NOW_MS);
    let refused = committer.append_blocking(vec![0; PAYLOAD_BYTES_MAX + 1], Durability::Os);
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
}

/// The part of the kill test that is killed: appends for ever and prints every answer.
#[test]
#[ignore = "a child process of the kill tests"]
fn killed_child() {
    let Ok(dir) = std::env::var("JOURNAL_TEST_DIR") else { return };
    #[allow(unused_mut, reason = "set below with the feature only")]
    let mut options = Options::with_segment_bytes_max(4_000);
    #[cfg(feature = "faults")]
    {
        options.fault =
            std::env::var("JOURNAL_TEST_FAULT").ok().and_then(|text| journal::Fault::parse(&text));
    }
    let (writer, recovery) = open_with(Path::new(&dir), options);
    let (committer, _shutdown) = Committer::spawn(writer, || NOW_MS);
    let mut out = std::io::stdout();
    for seq in recovery.last_seq + 1.. {
        let answered = committer.append_blocking(payload(seq), Durability::Os).unwrap();
        writeln!(out, "\nanswered {answered}").unwrap();
        out.flush().unwrap();
    }
}

/// Runs the child until it answered `answers` more times, kills it, and returns the last answer it
/// gave.
fn run_and_kill(dir: &Path, fault: &str, answers: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed_child", "--ignored", "--nocapture"])
        .env("JOURNAL_TEST_DIR", dir)
        .env("JOURNAL_TEST_FAULT", fault)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut seqs =
        lines.filter_map(|line| line.strip_prefix("answered ").map(|seq| seq.parse().unwrap()));
    let mut last = seqs.by_ref().take(answers).last().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // What it still said before it died was said as well.
    last = seqs.last().unwrap_or(last);
    last
}

#[test]
fn a_kill_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    for round in 1..=15 {
        let answered = run_and_kill(dir, "", round * 7);
        let stored = read_all(dir).len() as u64;
        assert!(stored >= answered, "{answered} were answered, {stored} are stored");
    }
    let (_, recovery) = open(dir);
    assert!(!recovery.damaged);
    expect_records(dir, recovery.last_seq);
}

#[cfg(feature = "faults")]
mod planted {
    use super::*;
    use journal::Fault;

    fn open_faulty(dir: &Path, fault: Fault) -> journal::Writer {
        open_with(dir, Options { fault: Some(fault), ..Options::default() }).0
    }

    fn is_poisoned_for_good(writer: &mut journal::Writer) {
        let cause = writer.health().cause().unwrap().to_owned();
        assert!(cause.contains("planted"), "{cause}");
        let refusals =
            [writer.append(b"more").map(|_| ()), writer.commit(NOW_MS).map(|_| ()), writer.sync()];
        for refused in refusals.into_iter().chain([writer.syncer().sync()]) {
            assert!(
                matches!(&refused, Err(Error::Poisoned { cause: told, .. }) if *told == cause),
                "{refused:?}"
            );
        }
        assert!(writer.is_poisoned() && writer.health().is_poisoned());
    }

    #[test]
    fn a_failed_write_stops_the_stream_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let mut writer = open_faulty(dir, Fault::FailWriteAfter(3));
        write_records(&mut writer, 1, 3);
        writer.append(&payload(4)).unwrap();
        assert!(matches!(writer.commit(NOW_MS), Err(Error::Io { .. })));
        is_poisoned_for_good(&mut writer);
        assert_eq!(writer.last_committed(), 3);
        drop(writer);
        assert_eq!(open(dir).1.last_seq, 3);
    }

    #[test]
    fn a_short_write_stops_the_stream_and_is_cut_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let mut writer = open_faulty(dir, Fault::ShortWriteAfter(2));
        write_records(&mut writer, 1, 2);
        writer.append(&payload(3)).unwrap();
        assert!(matches!(writer.commit(NOW_MS), Err(Error::Io { .. })));
        is_poisoned_for_good(&mut writer);
        expect_records(dir, 2);
        drop(writer);
        let (mut writer, recovery) = open(dir);
        assert!(recovery.cut_bytes > 0 && !recovery.damaged);
        write_records(&mut writer, 3, 4);
        expect_records(dir, 4);
    }

    #[test]
    fn a_failed_fsync_stops_the_stream_from_whichever_thread() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = open_faulty(folder.path(), Fault::FailSyncAfter(1));
        write_records(&mut writer, 1, 1);
        writer.sync().unwrap();
        write_records(&mut writer, 2, 2);
        let syncer = writer.syncer();
        let failed = thread::spawn(move || syncer.sync()).join().unwrap();
        assert!(matches!(failed, Err(Error::Io { .. })), "{failed:?}");
        is_poisoned_for_good(&mut writer);
        assert_eq!(writer.health().last_synced(), 1);
    }

    #[test]
    fn a_committer_never_answers_well_after_a_failure() {
        for fault in [Fault::FailWriteAfter(2), Fault::ShortWriteAfter(2), Fault::FailSyncAfter(2)]
        {
            let folder = tempfile::tempdir().unwrap();
            let (committer, shutdown) =
                Committer::spawn(open_faulty(folder.path(), fault), || NOW_MS);
            for expected in [true, true, false, false] {
                let answer = committer.append_blocking(vec![1], Durability::Disk);
                assert_eq!(answer.is_ok(), expected, "{fault:?}: {answer:?}");
                assert!(expected || matches!(answer, Err(Error::Poisoned { .. })));
            }
            assert!(matches!(shutdown.shutdown(), Err(Error::Poisoned { .. })));
        }
    }

    #[test]
    fn an_early_answer_is_noticed_by_these_tests() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let (committer, _shutdown) = Committer::spawn(open_faulty(dir, Fault::AckEarly), || NOW_MS);
        assert!(stored_when_answered(&committer, dir) < 40);
        let caught = (0..10).any(|_| {
            let folder = tempfile::tempdir().unwrap();
            let answered = run_and_kill(folder.path(), "ack-early", 3);
            answered > read_all(folder.path()).len() as u64
        });
        assert!(caught, "a kill must show that an answer came early");
    }

    #[test]
    fn a_skipped_write_is_noticed_by_these_tests() {
        let folder = tempfile::tempdir().unwrap();
        let answered = run_and_kill(folder.path(), "skip-write", 3);
        // Once it has rolled, its readers also see that a sealed segment is empty.
        let (stored, _) = read_until_error(folder.path());
        assert!(answered > stored.len() as u64);
    }
}
