//! The commands that do one thing and end: verification, replay.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context, Result};
use hot_state::HotState;
use indicatif::{ProgressBar, ProgressStyle};
use journal::{Loss, Repairing, StreamName};
use live::{clock, keys};
use shared::stream::StreamKind;

use crate::config::Config;
use crate::jobs::ship::Store;
use crate::journals::{must_exist, with_way_out};
use crate::memory;

/// Checks every segment of every stream and prints what it found. Returns whether all are whole.
///
/// # Errors
/// When there is no journal, and nothing that tells of a lost one; or when it cannot be read at all.
pub(crate) fn verify(config: &Config) -> Result<bool> {
    let known = memory::known(config);
    if known.is_empty() && config.ship.is_none() {
        must_exist(config)?;
    }
    let bar = progress("checking", "bytes");
    let findings = journal::verify(&config.journal_dir(), &mut |progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes);
    })?;
    bar.finish_and_clear();
    print(&describe(&findings))?;
    let missing: Vec<String> =
        known.iter().filter_map(|(stream, seq)| missing(&findings, stream, *seq)).collect();
    print(&missing.concat())?;
    let copies_are_whole = match &config.ship {
        Some(to) => verify_copies(&Store::open(to)?)?,
        None => true,
    };
    Ok(findings.is_whole() && missing.is_empty() && copies_are_whole)
}

/// Says that a stream does not have what this node knows of it from elsewhere.
fn missing(findings: &journal::Findings, stream: &StreamName, known_seq: u64) -> Option<String> {
    let found = findings.streams.iter().find(|found| found.stream == *stream);
    let last_seq = found.map_or(0, |found| {
        let given_up = found.lost.iter().map(|loss| loss.last_seq).max();
        found.last_seq.max(given_up.unwrap_or(0))
    });
    (last_seq < known_seq).then(|| {
        format!("  MISSING {stream}: ends at record {last_seq}, but {known_seq} was on disk\n")
    })
}

/// Fetches every copy of a segment into a temporary folder, stream by stream, and checks it there.
/// Returns whether all are whole.
fn verify_copies(store: &Store) -> Result<bool> {
    print("copies:\n")?;
    let mut is_whole = true;
    let keys = store.keys()?;
    for stream in keys.chunk_by(|one, other| one.split('/').next() == other.split('/').next()) {
        let folder = tempfile::tempdir()?;
        for key in stream {
            store.get(key, &folder.path().join(key))?;
        }
        let findings = journal::verify(folder.path(), &mut |_| ())?;
        print(&describe(&findings))?;
        is_whole &= findings.is_whole();
    }
    Ok(is_whole)
}

/// A line a stream, and a line for everything that is wrong.
fn describe(findings: &journal::Findings) -> String {
    let mut text = String::new();
    for stream in &findings.streams {
        let (first, last) = (stream.first_seq, stream.last_seq);
        // Writing to a String cannot fail, here and below.
        _ = writeln!(
            text,
            "{}: {} records ({first} to {last}), {} segments, {} bytes, {} damaged places",
            stream.stream,
            stream.records,
            stream.segments,
            stream.bytes,
            stream.damages.len()
        );
        if stream.torn_tail_bytes > 0 {
            _ = writeln!(
                text,
                "  {} bytes of an unfinished record at the end",
                stream.torn_tail_bytes
            );
        }
        for damage in &stream.damages {
            _ = writeln!(
                text,
                "  DAMAGED {} at byte {} (record {}): {}",
                damage.path.display(),
                damage.offset,
                damage.seq,
                damage.reason
            );
        }
        for loss in &stream.lost {
            _ = writeln!(text, "  given up: {}", describe_loss(loss));
        }
        for path in &stream.set_aside {
            _ = writeln!(text, "  set aside by an earlier recovery: {}", path.display());
        }
    }
    let unknown =
        findings.streams.iter().flat_map(|stream| &stream.unknown).chain(&findings.unknown);
    for path in unknown {
        _ = writeln!(text, "not part of a journal: {}", path.display());
    }
    let records: u64 = findings.streams.iter().map(|stream| stream.records).sum();
    _ = match (findings.is_whole(), findings.lost_records()) {
        (true, 0) => writeln!(text, "{records} records: all whole"),
        (true, lost) => writeln!(text, "{records} records whole, {lost} LOST and given up"),
        (false, _) => writeln!(text, "{records} records: NOT whole; see `afterclick repair`"),
    };
    text
}

fn describe_loss(loss: &Loss) -> String {
    let (path, from, to) = (loss.path.display(), loss.from_byte, loss.to_byte);
    let records = match loss.records() {
        0 => "no record".to_owned(),
        1 => format!("record {}", loss.first_seq),
        _ => format!("records {} to {}", loss.first_seq, loss.last_seq),
    };
    format!("{records} of {} ({path}, bytes {from} to {to}): {}", loss.stream, loss.reason)
}

/// Shows what cannot be read of what was promised, and gives it up if it may. Returns whether
/// nothing is left to be done.
///
/// # Errors
/// When the journal cannot be read or written, or a server has it open.
pub(crate) fn repair(config: &Config, give_up: bool, new_keys: bool) -> Result<bool> {
    if new_keys {
        keys::create_anew(&config.data)?;
        print("new keys are made; tokens of the lost ones are not valid any more\n")?;
    }
    let how = if give_up { Repairing::GiveUp { now_ms: clock::now_ms() } } else { Repairing::Look };
    // Of other streams, old segments may have been retired.
    let is_whole =
        |stream: &StreamName| StreamKind::of(stream.as_str()) == Some(StreamKind::Catalog);
    memory::recall(config)?;
    must_exist(config)?;
    let losses = journal::repair(&config.journal_dir(), how, &is_whole)?;
    let mut text = String::new();
    for loss in &losses {
        _ = writeln!(text, "cannot be read: {}", describe_loss(loss));
    }
    let records: u64 = losses.iter().map(Loss::records).sum();
    _ = match (losses.is_empty(), give_up) {
        (true, _) => writeln!(text, "nothing that was promised is missing"),
        (false, true) => writeln!(
            text,
            "{records} records are given up. All others stay readable, and the damaged bytes stay \
             where they are; `afterclick verify` remembers what is lost. Run `afterclick replay` \
             for live figures without it"
        ),
        (false, false) => writeln!(
            text,
            "{records} records would be lost, and nothing was changed. If you have a copy of these \
             segments, put it back; else `afterclick repair --give-up` goes on without them"
        ),
    };
    print(&text)?;
    Ok(losses.is_empty() || give_up)
}

/// Deletes the hot state and rebuilds it from the journal.
///
/// # Errors
/// When there is no journal or it is damaged, or a running server has the state open.
pub(crate) fn replay(config: &Config) -> Result<()> {
    must_exist(config)?;
    // What cannot be read must not vanish from the figures unseen.
    journal::check(&config.journal_dir(), &[]).map_err(|error| with_way_out(error.into()))?;
    let state = HotState::open(&config.state, &config.data)?;
    state.clear()?;
    let bar = progress("replaying", "records");
    let projected = hot_state::replay(&config.journal_dir(), &state, &|records| bar.inc(records))?;
    bar.finish_and_clear();
    print(&format!("{projected} records replayed\n"))
}

fn progress(what: &'static str, unit: &str) -> ProgressBar {
    let template =
        format!("{what} {{bar:40}} {{human_pos}}/{{human_len}} {unit} {{per_sec}} {{eta}}");
    let style =
        ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

/// Writes to standard output. It is no failure when the reader closes it early.
pub(crate) fn print(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output"),
    }
}
