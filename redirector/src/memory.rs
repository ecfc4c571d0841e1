//! What this node remembers of its journal outside of it: which streams there are, and how far each
//! was on disk. The journal has the same beside its streams; this is for the day when its whole
//! folder is gone, emptied, or not mounted.
//!
//! It may lag, but it never says more than was on disk.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use console::auth;
use journal::{Health, StreamName};

use crate::config::Config;
use crate::jobs::ship;

/// How often it is written while the server runs.
const WRITE_EVERY: Duration = Duration::from_secs(60);

/// Lines of text: stream, last record that was on disk, and a hash of both. The name sorts before
/// that of the journal's folder, so that a copy made name by name never says more than its journal
/// holds.
fn path(data: &Path) -> PathBuf {
    data.join("_streams")
}

/// Tells the journal what this node knows of it: from its own file, and from copies of segments.
///
/// # Errors
/// When the journal's folder cannot be written.
pub(crate) fn recall(config: &Config) -> Result<()> {
    for (stream, seq) in known(config) {
        journal::promise(&config.journal_dir(), &stream, seq)?;
    }
    Ok(())
}

/// Returns how far this node's streams are known to have been on disk, without asking the journal.
pub(crate) fn known(config: &Config) -> BTreeMap<StreamName, u64> {
    let mut known = read(&config.data);
    // Several nodes may copy to one place.
    let node = fs::read_to_string(config.data.join("node")).unwrap_or_default();
    let is_ours = |stream: &StreamName| stream.as_str().split('-').nth(1) == Some(node.trim());
    for (stream, seq) in config.ship.iter().flat_map(ship::copied) {
        if is_ours(&stream) {
            let held = known.entry(stream).or_default();
            *held = seq.max(*held);
        }
    }
    known
}

/// Returns what is written down. A line that is not as it was written says nothing.
fn read(data: &Path) -> BTreeMap<StreamName, u64> {
    let text = fs::read_to_string(path(data)).unwrap_or_default();
    text.lines().filter_map(parse).collect()
}

fn parse(line: &str) -> Option<(StreamName, u64)> {
    let (said, hash) = line.rsplit_once(' ')?;
    let (stream, seq) = said.split_once(' ')?;
    if auth::hash(said) != hash {
        return None;
    }
    Some((StreamName::new(stream).ok()?, seq.parse().ok()?))
}

/// Writes down now and then how far the streams are on disk.
pub(crate) struct Memory {
    data: PathBuf,
    healths: Vec<Health>,
    written_at: Option<Instant>,
}

impl Memory {
    pub(crate) fn new(data: &Path, healths: Vec<Health>) -> Self {
        Self { data: data.to_owned(), healths, written_at: None }
    }

    /// Writes when it is time. A failure makes the file lag and nothing worse.
    pub(crate) fn write_now_and_then(&mut self) {
        if self.written_at.is_none_or(|at| at.elapsed() >= WRITE_EVERY) {
            self.write();
        }
    }

    /// Writes now.
    pub(crate) fn write(&mut self) {
        self.written_at = Some(Instant::now());
        // Streams that another start wrote are not forgotten.
        let mut known = read(&self.data);
        for health in &self.healths {
            known.insert(health.stream().clone(), health.last_synced());
        }
        if let Err(error) = replace(&path(&self.data), &text(&known)) {
            tracing::warn!("{} is not written for now: {error}", path(&self.data).display());
        }
    }
}

fn text(known: &BTreeMap<StreamName, u64>) -> String {
    let mut text = String::new();
    for (stream, seq) in known {
        let said = format!("{stream} {seq}");
        // Writing to a String cannot fail.
        _ = writeln!(text, "{said} {}", auth::hash(&said));
    }
    text
}

/// Replaces a file in one step.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file: File =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_a_changed_line_says_nothing() {
        let data = tempfile::tempdir().unwrap();
        assert!(read(data.path()).is_empty());
        let name = |text: &str| StreamName::new(text).unwrap();
        let known = BTreeMap::from([(name("catalog-0c1m8y5v"), 7), (name("facts-0c1m8y5v"), 40)]);
        replace(&path(data.path()), &text(&known)).unwrap();
        assert_eq!(read(data.path()), known);
        let whole = text(&known).into_bytes();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(path(data.path()), flipped).unwrap();
            let read = read(data.path());
            assert!(read.iter().all(|(stream, seq)| known.get(stream) == Some(seq)), "bit {bit}");
        }
    }
}
