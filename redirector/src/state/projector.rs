//! The projector: follows every stream of the journal and keeps the hot state up with it.
//!
//! It runs behind the redirects, at the lowest priority: under load it falls behind and catches up afterwards, and says
//! how far behind it is. It resumes where the last applied batch ended.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use journal::{Health, Reader, StreamName};
use shared::catalog::{Catalog, Change, Entity, Merchant};
use shared::id::MerchantId;
use shared::record::Record;

use crate::catalog::{self, Live};
use crate::state::model::Position;
use crate::state::{Batch, HotState, Projection, Space};

/// Records gathered into one batch.
const BATCH_RECORDS: u64 = 4096;
/// How long to wait when there is nothing to do.
const IDLE: Duration = Duration::from_millis(20);
/// How long to wait before trying again after a failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How far the hot state is behind the journal.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    /// Records projected since start.
    pub(crate) projected: AtomicU64,
    /// Whether the last look found nothing left to project.
    pub(crate) caught_up: AtomicBool,
    /// Whether projecting fails at the moment.
    pub(crate) failing: AtomicBool,
    /// The last record projected of each stream.
    positions: Mutex<BTreeMap<StreamName, u64>>,
}

impl Lag {
    /// How many records of these streams are not projected yet.
    pub(crate) fn behind(&self, streams: &[Health]) -> u64 {
        let positions = self.positions();
        let position = |stream: &StreamName| positions.get(stream).copied().unwrap_or(0);
        let behind = streams.iter().map(|s| s.last_committed().saturating_sub(position(s.stream())));
        behind.sum()
    }

    fn reached(&self, stream: &StreamName, seq: u64) {
        let mut positions = self.positions();
        match positions.get_mut(stream) {
            Some(position) => *position = seq,
            None => _ = positions.insert(stream.clone(), seq),
        }
    }

    /// A panic of another holder leaves the map whole.
    fn positions(&self) -> MutexGuard<'_, BTreeMap<StreamName, u64>> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows the journal.
pub(crate) struct Projector {
    journal_dir: PathBuf,
    state: HotState,
    live: Arc<Live>,
    readers: BTreeMap<StreamName, Reader>,
    lag: Arc<Lag>,
    layout_is_ours: bool,
}

impl Projector {
    /// A projector that goes on where the state says.
    pub(crate) fn new(journal_dir: PathBuf, state: HotState, live: Arc<Live>, lag: Arc<Lag>) -> Self {
        Self { journal_dir, state, live, readers: BTreeMap::new(), lag, layout_is_ours: false }
    }

    /// Projects until told to stop, then once more, so that a clean shutdown leaves nothing behind.
    pub(crate) fn run(mut self, stop: &AtomicBool) {
        loop {
            let stopping = stop.load(Relaxed);
            match self.catch_up() {
                Ok(()) => {
                    self.lag.failing.store(false, Relaxed);
                    self.lag.caught_up.store(true, Relaxed);
                    if stopping {
                        return;
                    }
                    std::thread::sleep(IDLE);
                }
                Err(error) if is_ahead(&error) => {
                    tracing::warn!("the journal lost its end, the hot state is built anew: {error:#}");
                    self.readers.clear();
                    if let Err(error) = self.state.clear() {
                        tracing::error!("the hot state cannot be emptied: {error:#}");
                        std::thread::sleep(PAUSE_AFTER_FAILURE);
                    }
                }
                Err(error) => {
                    if !self.lag.failing.swap(true, Relaxed) {
                        tracing::error!("the hot state falls behind, nothing is lost: {error:#}");
                    }
                    // What was read but not applied is read again.
                    self.readers.clear();
                    if stopping {
                        return;
                    }
                    std::thread::sleep(PAUSE_AFTER_FAILURE);
                }
            }
        }
    }

    /// Projects everything the journal has now.
    fn catch_up(&mut self) -> Result<()> {
        if !self.layout_is_ours {
            self.state.refresh_layout()?;
            self.layout_is_ours = true;
        }
        for stream in journal::streams(&self.journal_dir)? {
            while self.project(&stream)? == BATCH_RECORDS {
                self.lag.caught_up.store(false, Relaxed);
            }
        }
        Ok(())
    }

    /// Projects one batch of a stream; the number of records it had.
    fn project(&mut self, stream: &StreamName) -> Result<u64> {
        let after = position(&self.state, stream)?;
        // A state that was emptied under us says an earlier position: what it lost is projected again.
        if self.readers.get(stream).is_none_or(|reader| reader.position() != after.seq) {
            let reader = Reader::resume(&self.journal_dir, stream, after.seq, after.checksum)?;
            self.readers.insert(stream.clone(), reader);
        }
        let Some(reader) = self.readers.get_mut(stream) else { return Ok(0) };
        let live = &self.live;
        let taken = gather(
            reader,
            &self.state,
            |record, projection| {
                if let Record::Catalog(change) = record {
                    // Another process may have made it; and of our own the record can be seen before the change is.
                    live.apply(change);
                    return recount_after(change, &live.read(), projection);
                }
                projection.take(record, &live.read())
            },
            &|projection| projection.finish(&live.read()),
        )?;
        self.lag.projected.fetch_add(taken, Relaxed);
        self.lag.reached(stream, reader.position());
        Ok(taken)
    }
}

/// Reads up to one batch of records, hands each to `take`, and applies what came of them.
fn gather(
    reader: &mut Reader,
    state: &HotState,
    mut take: impl FnMut(&Record<'_>, &mut Projection<'_>) -> Result<()>,
    finish: &dyn Fn(Projection<'_>) -> Result<Batch>,
) -> Result<u64> {
    let mut projection = Projection::new(state);
    let (mut taken, stream) = (0, reader.stream().clone());
    while taken < BATCH_RECORDS {
        let Some(record) = reader.next()? else { break };
        let (seq, checksum) = (record.seq, record.checksum);
        let decoded =
            Record::decode(record.payload).with_context(|| format!("stream {stream}, record {seq}"))?;
        take(&decoded, &mut projection)?;
        projection.advance(&stream, Position { seq, checksum });
        taken += 1;
    }
    if taken > 0 {
        state.apply(finish(projection)?)?;
    }
    Ok(taken)
}

/// A coupon or a campaign's terms may come after the orders they decide.
fn recount_after(change: &Change, catalog: &Catalog, projection: &mut Projection<'_>) -> Result<()> {
    let merchant_of = |entity: &Entity| match entity {
        Entity::Coupon(coupon) => catalog.campaigns.get(&coupon.campaign).map(|campaign| campaign.merchant),
        Entity::Campaign(campaign) => Some(campaign.merchant),
        Entity::Merchant(merchant) => Some(merchant.id),
        Entity::Influencer(_) | Entity::Link(_) | Entity::AccessToken(_) | Entity::Rate(_) => None,
    };
    let mut merchants: Vec<MerchantId> = change.entities.iter().filter_map(merchant_of).collect();
    for rate in
        change.entities.iter().filter_map(|e| if let Entity::Rate(rate) = e { Some(rate) } else { None })
    {
        let paid_in = |merchant: &&Arc<Merchant>| [rate.from, rate.to].contains(&merchant.currency);
        merchants.extend(catalog.merchants.values().filter(paid_in).map(|merchant| merchant.id));
    }
    merchants.sort_unstable();
    merchants.dedup();
    merchants.into_iter().try_for_each(|merchant| projection.recount_orders_of(merchant))
}

fn position(state: &HotState, stream: &StreamName) -> Result<Position> {
    let stored = state.value(Space::Positions, stream.as_str().as_bytes())?;
    Ok(stored.map_or_else(Position::default, |bytes| Position::from_bytes(&bytes)))
}

/// Whether the state has seen records that the journal no longer has, as after a power cut.
fn is_ahead(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(journal::Error::Ahead { .. } | journal::Error::Replaced { .. }))
}

/// Rebuilds an empty state from the whole journal; the number of records projected.
///
/// # Errors
/// When the journal is damaged or the state cannot be written.
pub(crate) fn replay(journal_dir: &Path, state: &HotState, progress: &ProgressBar) -> Result<u64> {
    let streams = journal::streams(journal_dir)?;
    let mut catalog = Catalog::default();
    for stream in streams.iter().filter(|stream| stream.as_str().starts_with(catalog::STREAM_PREFIX)) {
        catalog::for_each_change(journal_dir, stream, |change| catalog.apply(change))?;
    }
    let mut projected = 0;
    for stream in &streams {
        let mut reader = Reader::open(journal_dir, stream, 0)?;
        loop {
            let taken = gather(
                &mut reader,
                state,
                |record, projection| projection.take(record, &catalog),
                &|projection| projection.finish(&catalog),
            )?;
            projected += taken;
            progress.inc(taken);
            if taken < BATCH_RECORDS {
                break;
            }
        }
    }
    Ok(projected)
}
