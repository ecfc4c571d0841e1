//! Group commit from many threads, and through kills.

#![allow(clippy::unwrap_used, reason = "a test helper that fails should say where")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use journal::{
    Committer, Durability, Error, Options, PAYLOAD_BYTES_MAX, QUEUE_RECORDS_MAX, Reader, verify,
};
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

/// Appends 40 records and counts the answers that kept their promise: the record could be read and,
/// where promised, was fsynced.
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

/// Appends records `from..=to` as one list.
fn append_list(
    committer: &Committer,
    from: u64,
    to: u64,
    durability: Durability,
) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(committer.append_all((from..=to).map(payload), durability))
}

#[test]
fn a_list_is_stored_in_its_order_and_on_disk_when_answered() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (writer, _) = open_small(dir);
    let (committer, shutdown) = Committer::spawn(writer, || NOW_MS);
    append_list(&committer, 1, 100, Durability::Disk).unwrap();
    assert!(committer.health().last_synced() >= 100);
    append_list(&committer, 101, 150, Durability::Os).unwrap();
    expect_records(dir, 150);
    shutdown.shutdown().unwrap();
}

#[test]
fn an_empty_list_is_answered_at_once_and_stores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (committer, shutdown) = Committer::spawn(open(dir).0, || NOW_MS);
    append_list(&committer, 1, 0, Durability::Disk).unwrap();
    shutdown.shutdown().unwrap();
    expect_records(dir, 0);
}

#[test]
fn a_list_may_be_longer_than_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (committer, shutdown) = Committer::spawn(open(dir).0, || NOW_MS);
    let count = QUEUE_RECORDS_MAX as u64 + 10;
    append_list(&committer, 1, count, Durability::Disk).unwrap();
    assert!(committer.health().last_synced() >= count);
    expect_records(dir, count);
    shutdown.shutdown().unwrap();
}

#[test]
fn lists_of_several_callers_each_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (committer, shutdown) = Committer::spawn(open(dir).0, || NOW_MS);
    thread::scope(|scope| {
        for caller in 0..4 {
            let committer = committer.clone();
            let from = caller * 10_000 + 1;
            scope.spawn(move || append_list(&committer, from, from + 9_999, Durability::Disk));
        }
    });
    shutdown.shutdown().unwrap();
    let number = |stored: &[u8]| -> u64 {
        str::from_utf8(stored).unwrap().split(' ').nth(1).unwrap().parse().unwrap()
    };
    let stored: Vec<u64> = read_all(dir).iter().map(|stored| number(stored)).collect();
    assert_eq!(stored.len(), 40_000);
    for caller in 0..4 {
        let own = stored.iter().copied().filter(|number| (number - 1) / 10_000 == caller);
        assert!(own.eq(caller * 10_000 + 1..=caller * 10_000 + 10_000), "caller {caller}");
    }
}

#[test]
fn a_list_ends_before_a_payload_above_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (committer, shutdown) = Committer::spawn(open(dir).0, || NOW_MS);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let too_large = vec![0; PAYLOAD_BYTES_MAX + 1];
    let list = [payload(1), too_large, payload(2)];
    let refused = runtime.block_on(committer.append_all(list, Durability::Disk));
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    shutdown.shutdown().unwrap();
    expect_records(dir, 1);
}

#[test]
fn a_list_after_the_shutdown_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (committer, shutdown) = Committer::spawn(open(folder.path()).0, || NOW_MS);
    shutdown.shutdown().unwrap();
    let refused = append_list(&committer, 1, 3, Durability::Os);
    assert!(matches!(refused, Err(Error::Closed { .. })), "{refused:?}");
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
        "readiness checks must see the failure"
    );
}

#[test]
fn a_payload_above_the_limit_is_refused_before_it_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (committer, _shutdown) = Committer::spawn(open(folder.path()).0, || NOW_MS);
    let refused = committer.append_blocking(vec![0; PAYLOAD_BYTES_MAX + 1], Durability::Os);
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
}

/// The child process that the kill tests kill: appends for ever and prints every answer.
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

/// Runs the child until it has given `answers` answers, kills it, and returns the last answer.
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
    // It may have answered more before it died.
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
    fn a_list_whose_middle_meets_a_failure_fails_and_leaves_a_prefix() {
        for (fault, stored_min) in [
            (Fault::FailWriteAfter(0), 0),
            (Fault::FailWriteAfter(1), 1),
            (Fault::ShortWriteAfter(1), 1),
            (Fault::FailSyncAfter(0), 0),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path();
            let (committer, shutdown) = Committer::spawn(open_faulty(dir, fault), || NOW_MS);
            let failed = append_list(&committer, 1, 10_000, Durability::Disk);
            assert!(matches!(failed, Err(Error::Poisoned { .. })), "{fault:?}: {failed:?}");
            let again = append_list(&committer, 1, 1, Durability::Os);
            assert!(matches!(again, Err(Error::Poisoned { .. })), "{fault:?}: {again:?}");
            assert!(matches!(shutdown.shutdown(), Err(Error::Poisoned { .. })));
            let last_seq = open(dir).1.last_seq;
            assert!(last_seq >= stored_min, "{fault:?}: {last_seq}");
            expect_records(dir, last_seq);
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
