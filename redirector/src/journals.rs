//! The streams that this process writes, and their folder.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::{Context, Error, Result, ensure};
use journal::{Committer, Health, Loss, Shutdown, StreamName, Writer};
use live::clock;
use shared::stream::StreamKind;

use crate::config::Config;

/// Makes the data folder and lets only its owner read it: the journal holds webhook secrets and the
/// bodies of deliveries.
pub(crate) fn make_data_folder(data: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("data folder {}", data.display()))
}

/// Checks that there is a journal: a wrong place must not look like an empty one.
///
/// # Errors
/// Names the place.
pub(crate) fn must_exist(config: &Config) -> Result<()> {
    let data = config.data.display();
    ensure!(
        config.journal_dir().is_dir(),
        "{data}: there is no journal; name the data folder with --data, AFTERCLICK_DATA or `data` \
         in the configuration file"
    );
    Ok(())
}

/// The streams this process writes.
pub(crate) struct Journals {
    /// Clicks: one stream for each worker.
    pub(crate) edges: Vec<Writer>,
    /// Events, order facts and unparsed deliveries.
    pub(crate) facts: (Committer, Shutdown),
    /// Catalog changes.
    pub(crate) catalog: (Committer, Shutdown),
    /// The records that repairs gave up, in all streams.
    pub(crate) lost: Vec<Loss>,
}

impl Journals {
    pub(crate) fn open(config: &Config, node: &str) -> Result<Self> {
        let journal_dir = config.journal_dir();
        let edges: Vec<String> =
            (0..config.workers).map(|worker| StreamKind::Edge.part_name(node, worker)).collect();
        let (facts, catalog) = (StreamKind::Facts.name(node), StreamKind::Catalog.name(node));
        let ours = edges.iter().chain([&facts, &catalog]).map(|name| StreamName::new(name));
        // Streams that nobody writes any more must be as whole as ours. Ours are looked at when
        // they are opened.
        journal::check(&journal_dir, &ours.collect::<Result<Vec<_>, _>>()?)
            .map_err(|error| with_way_out(error.into()))?;
        let committer = |name: &str| -> Result<_> {
            Ok(Committer::spawn(open_stream(config, name)?, clock::now_ms))
        };
        Ok(Self {
            edges: edges.iter().map(|name| open_stream(config, name)).collect::<Result<_>>()?,
            facts: committer(&facts)?,
            catalog: committer(&catalog)?,
            lost: journal::lost(&journal_dir)?,
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
    let options = config.journal_options();
    let (writer, recovery) = Writer::open(&config.journal_dir(), &stream, clock::now_ms(), options)
        .map_err(|error| with_way_out(error.into()))?;
    if recovery.lost_records > 0 {
        tracing::warn!(
            "stream {stream}: {} records are lost, given up; `afterclick verify` names them",
            recovery.lost_records
        );
    }
    if recovery.damaged {
        tracing::error!(
            "stream {stream}: damaged end behind record {} set aside in {:?}; it was never \
             promised to survive a power cut. Without a power cut, check the disk",
            recovery.last_seq,
            recovery.set_aside
        );
    } else if recovery.cut_bytes > 0 {
        tracing::info!("stream {stream}: cut {} bytes of an unfinished record", recovery.cut_bytes);
    }
    Ok(writer)
}

/// Adds to an error what an operator can do where records that were promised cannot be read.
pub(crate) fn with_way_out(error: Error) -> Error {
    match error.downcast_ref() {
        Some(journal::Error::Damaged { .. } | journal::Error::Missing { .. }) => error.context(
            "nothing was changed, because going on would lose records that were promised; \
             `afterclick repair` shows what cannot be read, `afterclick repair --give-up` goes on \
             without it",
        ),
        _ => error,
    }
}
