//! Shipping: sealed segments are copied to another folder or an S3-compatible store. Copied
//! segments may then be removed here. The copy has the journal's own layout, so that it can be
//! read, checked and put back as it is.
//!
//! A segment is never removed before it was copied whole and the hot state has taken it in.
//! Segments of the catalog are never removed: the next start needs them.

mod store;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use journal::{Sealed, StreamName};
use live::status::Lag;
use live::{Stop, clock};
use shared::stream::StreamKind;

pub(crate) use store::{ShipTo, Store};

/// How often to look for sealed segments.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long to wait after a failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Which segments may be removed once they have been copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Retention {
    /// Segments that were written at least this many days ago.
    pub(crate) days: Option<u64>,
    /// The oldest segments, until at most this many bytes are left.
    pub(crate) bytes: Option<u64>,
}

pub(crate) struct Shipper {
    journal_dir: PathBuf,
    store: Store,
    retention: Retention,
    lag: Arc<Lag>,
    shipped: HashSet<PathBuf>,
}

/// Returns of each stream that was copied the first record of its newest copy, which the journal
/// must have. Empty where the place is no folder that can be read here and now.
pub(crate) fn copied(to: &ShipTo) -> Vec<(StreamName, u64)> {
    let ShipTo::Folder(folder) = to else { return Vec::new() };
    let first_seq = |name: std::ffi::OsString| -> Option<u64> {
        name.to_str()?.strip_suffix(".seg")?.parse().ok()
    };
    let newest = |stream: &StreamName| {
        let copies = std::fs::read_dir(folder.join(stream.as_str())).into_iter().flatten();
        copies.flatten().filter_map(|copy| first_seq(copy.file_name())).max()
    };
    let streams = journal::streams(folder).unwrap_or_default();
    streams.into_iter().filter_map(|stream| newest(&stream).map(|seq| (stream, seq))).collect()
}

impl Shipper {
    pub(crate) fn new(
        journal_dir: PathBuf,
        store: Store,
        retention: Retention,
        lag: Arc<Lag>,
    ) -> Self {
        Self { journal_dir, store, retention, lag, shipped: HashSet::new() }
    }

    pub(crate) fn run(mut self, stop: &Stop) {
        let mut failing = false;
        while !stop.is_set() {
            match self.look(stop) {
                Ok(()) => {
                    failing = false;
                    stop.sleep(LOOK_EVERY);
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(
                            "sealed segments are not copied for now, none is retired: {error:#}"
                        );
                    }
                    stop.sleep(PAUSE_AFTER_FAILURE);
                }
            }
        }
    }

    fn look(&mut self, stop: &Stop) -> Result<()> {
        let mut kept = Vec::new();
        for stream in journal::streams(&self.journal_dir)? {
            self.ship_given_up(&stream)?;
            for segment in journal::sealed(&self.journal_dir, &stream)? {
                if stop.is_set() {
                    return Ok(());
                }
                self.ship(&stream, &segment)?;
                kept.push((stream.clone(), segment));
            }
        }
        self.retire(kept, SystemTime::UNIX_EPOCH + Duration::from_millis(clock::now_ms()))
    }

    /// Copies the list of records that were given up, where a repair made one: without it, copies
    /// of a damaged segment could not be read.
    fn ship_given_up(&mut self, stream: &StreamName) -> Result<()> {
        let key = format!("{stream}/gaps");
        let path = self.journal_dir.join(&key);
        let Ok(about) = path.metadata() else { return Ok(()) };
        if self.shipped.contains(&path) || self.store.size(&key)? == Some(about.len()) {
            return Ok(());
        }
        self.store.put(&key, &path).with_context(|| format!("copying {key}"))?;
        self.shipped.insert(path);
        Ok(())
    }

    /// Copies a segment, unless its copy is already there.
    fn ship(&mut self, stream: &StreamName, segment: &Sealed) -> Result<()> {
        if self.shipped.contains(&segment.path) {
            return Ok(());
        }
        let name = segment.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let key = format!("{stream}/{name}");
        if self.store.size(&key)? != Some(segment.bytes) {
            self.store.put(&key, &segment.path).with_context(|| format!("copying {key}"))?;
            tracing::info!("segment {key} is copied, {} bytes", segment.bytes);
        }
        self.shipped.insert(segment.path.clone());
        Ok(())
    }

    /// Removes segments that are too old, and the oldest while there are too many bytes. `kept` are
    /// sealed segments that have been copied, oldest first in each stream.
    fn retire(&mut self, mut kept: Vec<(StreamName, Sealed)>, now: SystemTime) -> Result<()> {
        let mut bytes: u64 = kept.iter().map(|(_, segment)| segment.bytes).sum();
        // The oldest segments of all streams come first.
        kept.sort_by_key(|(stream, segment)| {
            (segment.written_at, stream.clone(), segment.first_seq)
        });
        for (stream, segment) in kept {
            if StreamKind::of(stream.as_str()) == Some(StreamKind::Catalog)
                || !self.lag.has_reached(&stream, segment.last_seq)
            {
                continue;
            }
            let age = now.duration_since(segment.written_at).unwrap_or_default();
            let is_old =
                self.retention.days.is_some_and(|days| age >= Duration::from_secs(days * 86_400));
            let is_too_much = self.retention.bytes.is_some_and(|most| bytes > most);
            if !(is_old || is_too_much) {
                continue;
            }
            journal::remove_oldest(&self.journal_dir, &stream, &segment)?;
            bytes -= segment.bytes;
            self.shipped.remove(&segment.path);
            tracing::info!(
                "segment {} of stream {stream} is retired; its copy stays",
                segment.first_seq
            );
        }
        Ok(())
    }
}
