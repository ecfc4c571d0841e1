//! The projector: follows every stream of the journal and keeps the hot state up to date.
//!
//! It runs at the lowest priority, so that redirects come first. Under load it falls behind,
//! reports how far, and catches up afterwards. It resumes after the last batch that was stored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use journal::{Reader, StreamName};
use live::status::Lag;
use live::{Live, Stop, clock};
use shared::catalog::{
    Catalog, Change, Entity, Hold, HoldTarget, Merchant, Suspendable, Suspension,
};
use shared::id::{InfluencerId, MerchantId};
use shared::record::Record;

use crate::model::Position;
use crate::projection::Projection;
use crate::state::{HotState, is_lost};

/// Records in one batch, at most.
pub(crate) const BATCH_RECORDS: u64 = 4096;
/// How long to wait when there is nothing to do.
const IDLE: Duration = Duration::from_millis(20);
/// How long to wait before trying again after a failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(600);
/// How often the store is checked for lost data.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How often the state is built anew at most because values in it were not ours. Whoever writes to
/// Redis could otherwise keep the projector busy for ever.
const REBUILD_EVERY: Duration = Duration::from_secs(3600);
/// How often expired data is deleted.
const RETIRE_EVERY: Duration = Duration::from_secs(24 * 3600);

pub struct Projector {
    journal_dir: PathBuf,
    state: HotState,
    live: Arc<Live>,
    /// For each stream: the reader at its next record, and the position up to which its counters
    /// count.
    readers: BTreeMap<StreamName, (Reader, Position)>,
    lag: Arc<Lag>,
    swept_at: Instant,
    retired_at: Instant,
    /// When the state was last built anew because of foreign values, and how many there were.
    rebuilt: Option<(Instant, u64)>,
}

impl Projector {
    /// Makes a projector that resumes where the state says.
    pub fn new(journal_dir: PathBuf, state: HotState, live: Arc<Live>, lag: Arc<Lag>) -> Self {
        let now = Instant::now();
        Self {
            journal_dir,
            state,
            live,
            readers: BTreeMap::new(),
            lag,
            swept_at: now,
            retired_at: now,
            rebuilt: None,
        }
    }

    /// Projects until told to stop, then once more, so that a clean shutdown leaves nothing behind.
    pub fn run(mut self, stop: &Stop) {
        loop {
            let stopping = stop.is_set();
            match self.catch_up() {
                Ok(()) => {
                    self.lag.failing.store(false, Relaxed);
                    self.lag.caught_up.store(true, Relaxed);
                    if stopping {
                        return;
                    }
                    std::thread::sleep(IDLE);
                }
                Err(error) if is_ahead(&error) && !has_lost_promised(&self.journal_dir, &error) => {
                    tracing::error!(
                        "the journal lost records that the hot state had seen, and the hot state \
                         is rebuilt without them. They were never known to be on disk: after a power \
                         cut this is expected, else check the disk: {error:#}"
                    );
                    self.lag.caught_up.store(false, Relaxed);
                    self.begin_anew();
                    if let Err(error) = self.state.clear() {
                        tracing::error!("the hot state cannot be emptied: {error:#}");
                        std::thread::sleep(PAUSE_AFTER_FAILURE);
                    }
                }
                Err(error) if is_lost(&error) => {
                    tracing::warn!("{error:#}");
                    self.lag.caught_up.store(false, Relaxed);
                    self.begin_anew();
                }
                Err(error) => {
                    if !self.lag.failing.swap(true, Relaxed) {
                        let of_journal = error.is::<journal::Error>();
                        let what = if of_journal {
                            "the journal cannot be read"
                        } else {
                            "nothing is lost"
                        };
                        tracing::error!("the hot state falls behind, {what}: {error:#}");
                    }
                    // Records that were read but not stored are read again.
                    self.begin_anew();
                    if stopping {
                        return;
                    }
                    std::thread::sleep(PAUSE_AFTER_FAILURE);
                }
            }
        }
    }

    /// Asks the state again where each stream resumes.
    fn begin_anew(&mut self) {
        self.readers.clear();
        self.state.forget();
    }

    /// Projects all records that the journal has now.
    fn catch_up(&mut self) -> Result<()> {
        self.rebuild_after_foreign()?;
        for stream in journal::streams(&self.journal_dir)? {
            while self.project(&stream)? == BATCH_RECORDS {
                self.lag.caught_up.store(false, Relaxed);
                self.sweep_now_and_then()?;
            }
        }
        self.sweep_now_and_then()?;
        if self.retired_at.elapsed() >= RETIRE_EVERY {
            self.retired_at = Instant::now();
            self.state.retire(clock::now())?;
        }
        Ok(())
    }

    fn sweep_now_and_then(&mut self) -> Result<()> {
        if self.swept_at.elapsed() >= SWEEP_EVERY {
            self.swept_at = Instant::now();
            self.state.sweep()?;
        }
        Ok(())
    }

    /// Builds the state anew where values of it were not ours: what stood there before is lost.
    fn rebuild_after_foreign(&mut self) -> Result<()> {
        let found = self.state.foreign();
        self.lag.foreign.store(found, Relaxed);
        let is_due = match self.rebuilt {
            None => found > 0,
            Some((at, seen)) => found > seen && at.elapsed() >= REBUILD_EVERY,
        };
        if is_due {
            tracing::warn!(
                "{found} values in the hot state were not ours; it is built anew from the journal"
            );
            self.rebuilt = Some((Instant::now(), found));
            self.lag.caught_up.store(false, Relaxed);
            self.begin_anew();
            self.state.clear()?;
        }
        Ok(())
    }

    /// Projects one batch of a stream and returns the number of its records.
    fn project(&mut self, stream: &StreamName) -> Result<u64> {
        if !self.readers.contains_key(stream) {
            let begun = begin(&self.journal_dir, &self.state, stream)?;
            self.readers.insert(stream.clone(), begun);
        }
        let Some((reader, counted)) = self.readers.get_mut(stream) else { return Ok(0) };
        let (live, lag) = (&self.live, &self.lag);
        let taken = gather(
            reader,
            counted,
            |seq, record, projection| {
                if let Record::Catalog(change) = &record {
                    // Another process may have made the change. And a change of this process can be
                    // read from the journal before the live catalog has it.
                    live.apply(change);
                    recount_after(change, &live.read(), projection);
                }
                record.at().into_iter().for_each(|at| lag.saw(at));
                if let Record::Order(fact) = &record
                    && !fact.unreadable.is_empty()
                {
                    lag.unreadable(fact.platform, fact.unreadable.len());
                }
                projection.take(seq, record, &live.read());
            },
            &|projection, position| {
                projection.store(&self.state, position, &|| live.read(), clock::now())
            },
        )?;
        self.lag.projected.fetch_add(taken, Relaxed);
        self.lag.reached(stream, reader.position());
        Ok(taken)
    }
}

/// Returns a reader that resumes where the state says, and the position up to which the stream's
/// counters count.
fn begin(journal_dir: &Path, state: &HotState, stream: &StreamName) -> Result<(Reader, Position)> {
    let reach = state.reach(stream)?;
    let oldest = journal::oldest_seq(journal_dir, stream)?;
    // A record that some part of the store has seen must still be in the journal, unless it was
    // retired since.
    for seen in [reach.most, reach.counted].into_iter().filter(|seen| seen.seq >= oldest) {
        Reader::resume(journal_dir, stream, seen.seq, seen.checksum)?;
    }
    if reach.least.seq.saturating_add(1) < oldest {
        tracing::warn!(
            "stream {stream}: records before {oldest} are retired, and the hot state does not have all of them; put their \
             segments back and run `afterclick replay` for figures that contain them"
        );
        return Ok((Reader::open(journal_dir, stream, oldest - 1)?, reach.counted));
    }
    let reader = Reader::resume(journal_dir, stream, reach.least.seq, reach.least.checksum)?;
    Ok((reader, reach.counted))
}

/// Reads up to one batch of records, gives each to `take`, and then the whole batch to `store`.
/// Returns the number of records.
pub(crate) fn gather(
    reader: &mut Reader,
    counted: &mut Position,
    mut take: impl FnMut(u64, Record<'_>, &mut Projection),
    store: &dyn Fn(Projection, Position) -> Result<()>,
) -> Result<u64> {
    let stream = reader.stream().clone();
    let mut projection = Projection::new(&stream, *counted);
    let (mut taken, mut position) = (0, Position::default());
    while taken < BATCH_RECORDS {
        let Some(record) = reader.next()? else { break };
        let (seq, checksum) = (record.seq, record.checksum);
        let decoded = Record::decode(record.payload)
            .with_context(|| format!("stream {stream}, record {seq}"))?;
        take(seq, decoded, &mut projection);
        position = Position { seq, checksum };
        taken += 1;
    }
    if taken > 0 {
        store(projection, position)?;
        if position.seq > counted.seq {
            *counted = position;
        }
    }
    Ok(taken)
}

/// Settles the orders again that a change may decide: a coupon, a campaign's terms or a rate may
/// come after the orders.
fn recount_after(change: &Change, catalog: &Catalog, projection: &mut Projection) {
    let merchant_of = |entity: &Entity| match entity {
        Entity::Coupon(coupon) => {
            catalog.campaigns.get(&coupon.campaign).map(|campaign| campaign.merchant)
        }
        Entity::Campaign(campaign) => Some(campaign.merchant),
        Entity::Merchant(merchant) => Some(merchant.id),
        Entity::Hold(Hold { target: HoldTarget::Order { merchant, .. }, .. }) => Some(*merchant),
        Entity::Hold(Hold { target: HoldTarget::Link(link), .. })
        | Entity::Suspension(Suspension { of: Suspendable::Link(link), .. }) => {
            let campaign = catalog.links.get(*link).map(|link| link.campaign());
            campaign.and_then(|id| catalog.campaigns.get(&id)).map(|campaign| campaign.merchant)
        }
        Entity::Suspension(Suspension { of: Suspendable::Coupon(coupon), .. }) => {
            let campaign = catalog.coupons.get(coupon).map(|coupon| coupon.campaign);
            campaign.and_then(|id| catalog.campaigns.get(&id)).map(|campaign| campaign.merchant)
        }
        Entity::Hold(_)
        | Entity::Suspension(_)
        | Entity::Influencer(_)
        | Entity::Link(_)
        | Entity::AccessToken(_)
        | Entity::Payout(_)
        | Entity::Booking(_)
        | Entity::Person(_)
        | Entity::Archive(_)
        | Entity::Rate(_) => None,
    };
    let mut merchants: Vec<MerchantId> = change.entities.iter().filter_map(merchant_of).collect();
    for entity in &change.entities {
        match entity {
            Entity::Hold(Hold { target: HoldTarget::Influencer(id), .. })
            | Entity::Suspension(Suspension { of: Suspendable::Influencer(id), .. }) => {
                merchants.extend(promoted_by(*id, catalog));
            }
            // A key signs for every merchant.
            Entity::Hold(Hold { target: HoldTarget::Key(_), .. }) => {
                merchants.extend(catalog.merchants.keys().copied());
            }
            _ => {}
        }
    }
    for rate in change
        .entities
        .iter()
        .filter_map(|e| if let Entity::Rate(rate) = e { Some(rate) } else { None })
    {
        let paid_in = |merchant: &&Arc<Merchant>| [rate.from, rate.to].contains(&merchant.currency);
        merchants.extend(catalog.merchants.values().filter(paid_in).map(|merchant| merchant.id));
    }
    merchants.sort_unstable();
    merchants.dedup();
    merchants.into_iter().for_each(|merchant| projection.recount_orders_of(merchant));
}

/// Returns the merchants whom an influencer promotes by a link or a coupon.
fn promoted_by(influencer: InfluencerId, catalog: &Catalog) -> BTreeSet<MerchantId> {
    catalog.campaigns_of(influencer).map(|campaign| campaign.merchant).collect()
}

/// Returns whether the state has seen records that the journal no longer has, as after a power cut.
fn is_ahead(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(journal::Error::Ahead { .. } | journal::Error::Replaced { .. })
    )
}

/// Returns whether the journal lost records that were known to be on disk. Then the hot state is
/// the last that knows of them, and is kept.
fn has_lost_promised(journal_dir: &Path, error: &anyhow::Error) -> bool {
    let Some(journal::Error::Ahead { dir, last_seq, .. }) = error.downcast_ref() else {
        return false;
    };
    let known = journal::known_streams(journal_dir).unwrap_or_default();
    let of_dir = known.iter().find(|(name, _)| dir.ends_with(name.as_str()));
    of_dir.is_some_and(|(_, known_seq)| known_seq > last_seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_kept_when_the_journal_lost_what_was_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let stream = StreamName::new("facts-0c1m8y5v").unwrap();
        let options = journal::Options::default();
        let (mut writer, _) = journal::Writer::open(folder.path(), &stream, 1, options).unwrap();
        for synced in [true, false] {
            writer.append(b"an order").unwrap();
            writer.commit(1).unwrap();
            if synced {
                writer.sync().unwrap();
            }
        }
        let dir = folder.path().join(stream.as_str());
        let ahead = |last_seq| {
            let error = journal::Error::Ahead { dir: dir.clone(), position: 2, last_seq };
            assert!(is_ahead(&anyhow::Error::from(error)));
            let error = journal::Error::Ahead { dir: dir.clone(), position: 2, last_seq };
            has_lost_promised(folder.path(), &error.into())
        };
        assert!(ahead(0), "record 1 was on disk");
        assert!(!ahead(1), "record 2 was never known to be");
        let replaced = journal::Error::Replaced { dir: dir.clone(), seq: 2 };
        assert!(!has_lost_promised(folder.path(), &replaced.into()));
    }
}
