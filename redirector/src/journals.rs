//! The streams that this process writes, and their folder.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::{Context, Result};
use journal::{Committer, Health, Shutdown, StreamName, Writer};
use live::clock;
use shared::stream::StreamKind;

use crate::config::Config;

/// Makes the data folder and lets only its owner read it: the journal holds webhook secrets and the
/// bodies of deliveries.
pub(crate) fn make_data_folder(data: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("data folder {}", data.display()))
}

/// The streams this process writes.
pub(crate) struct Journals {
    /// Clicks: one stream for each worker.
    pub(crate) edges: Vec<Writer>,
    /// Events, order facts and unparsed deliveries.
    pub(crate) facts: (Committer, Shutdown),
    /// Catalog changes.
    pub(crate) catalog: (Committer, Shutdown),
}

impl Journals {
    pub(crate) fn open(config: &Config, node: &str) -> Result<Self> {
        let committer = |kind: StreamKind| -> Result<_> {
            Ok(Committer::spawn(open_stream(config, &kind.name(node))?, clock::now_ms))
        };
        let edge = |worker| open_stream(config, &StreamKind::Edge.part_name(node, worker));
        Ok(Self {
            edges: (0..config.workers).map(edge).collect::<Result<_>>()?,
            facts: committer(StreamKind::Facts)?,
            catalog: committer(StreamKind::Catalog)?,
        })
    }

    pub(crate) fn healths(&self) -> Vec<Health> {
        let edges = self.edges.iter().map(Writer::health);
        edges.chain([self.facts.0.health(), self.catalog.0.health()]).collect()
    }
}

/// Opens a stream for writing and logs what recovery had to do.
pub(crate) fn open_stream(config: &Config, name: &str) -> Result<Writer> {
    let stream = StreamName::new(name)?;
    let (writer, recovery) =
        Writer::open(&config.journal_dir(), &stream, clock::now_ms(), config.journal_options())?;
    if recovery.damaged {
        tracing::error!(
            "stream {stream}: damaged end set aside in {:?}; check the disk",
            recovery.set_aside
        );
    } else if recovery.cut_bytes > 0 {
        tracing::info!("stream {stream}: cut {} bytes of an unfinished record", recovery.cut_bytes);
    }
    Ok(writer)
}
