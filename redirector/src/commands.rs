//! The commands that do one thing and end: verification, replay.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context, Result};
use hot_state::HotState;
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::Config;
use crate::jobs::ship::Store;

/// Checks every segment of every stream and prints what it found. Returns whether all are whole.
///
/// # Errors
/// When the journal cannot be read at all.
pub(crate) fn verify(config: &Config) -> Result<bool> {
    let bar = progress("checking", "bytes");
    let findings = journal::verify(&config.journal_dir(), &mut |progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes);
    })?;
    bar.finish_and_clear();
    print(&describe(&findings))?;
    let copies_are_whole = match &config.ship {
        Some(to) => verify_copies(&Store::open(to)?)?,
        None => true,
    };
    Ok(findings.is_whole() && copies_are_whole)
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
                "  DAMAGED {} at byte {}: {}",
                damage.path.display(),
                damage.offset,
                damage.reason
            );
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
    _ = writeln!(
        text,
        "{records} records: {}",
        if findings.is_whole() { "all whole" } else { "NOT whole" }
    );
    text
}

/// Deletes the hot state and rebuilds it from the journal.
///
/// # Errors
/// When the journal is damaged, or a running server has the state open.
pub(crate) fn replay(config: &Config) -> Result<()> {
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
