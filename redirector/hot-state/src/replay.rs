//! Rebuilds the hot state from the journal, in one go.

use std::path::Path;

use anyhow::Result;
use journal::Reader;
use live::{clock, for_each_change};
use shared::catalog::Catalog;
use shared::stream::StreamKind;

use crate::model::Position;
use crate::projector::{BATCH_RECORDS, gather};
use crate::state::HotState;

/// Rebuilds an empty state from the whole journal and returns the number of records projected.
/// Calls `progress` after each batch with the number of its records.
///
/// # Errors
/// When the journal is damaged or the state cannot be written.
pub fn replay(journal_dir: &Path, state: &HotState, progress: &dyn Fn(u64)) -> Result<u64> {
    let streams = journal::streams(journal_dir)?;
    let mut catalog = Catalog::default();
    for stream in
        streams.iter().filter(|stream| StreamKind::of(stream.as_str()) == Some(StreamKind::Catalog))
    {
        for_each_change(journal_dir, stream, |change| catalog.apply(change))?;
    }
    let mut projected = 0;
    for stream in &streams {
        let oldest = journal::oldest_seq(journal_dir, stream)?;
        let (mut reader, mut counted) =
            (Reader::open(journal_dir, stream, oldest - 1)?, Position::default());
        loop {
            let taken = gather(
                &mut reader,
                &mut counted,
                |seq, record, projection| projection.take(seq, record, &catalog),
                &|projection, position| {
                    projection.store(state, position, &|| &catalog, clock::now())
                },
            )?;
            projected += taken;
            progress(taken);
            if taken < BATCH_RECORDS {
                break;
            }
        }
    }
    state.sweep()?;
    Ok(projected)
}
