//! The thread that compares the clock with what is recorded. It says when the clock was set back, and
//! lets terms count that were changed while the clock was ahead.
//!
//! It never changes terms for what is recorded already, and none at all where several nodes share a
//! catalog: a single node cannot tell whose clock is wrong.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use journal::{Health, Reader};
use live::status::Lag;
use live::{Live, Stop, clock, dates};
use shared::catalog::{Campaign, Catalog, Change, Entity, Moment};
use shared::record::Record;
use shared::time::{Span, Timestamp};

/// How often the clock is compared.
const EVERY: Duration = Duration::from_secs(1);

pub(crate) struct ClockWatch {
    pub(crate) live: Arc<Live>,
    pub(crate) lag: Arc<Lag>,
    pub(crate) journal_dir: PathBuf,
    pub(crate) journals: Vec<Health>,
    /// No other node changes the catalog.
    pub(crate) is_alone: bool,
}

impl ClockWatch {
    pub(crate) fn run(&self, stop: &Stop) {
        let ends = self.journals.iter().filter_map(|stream| self.end_of(stream));
        ends.for_each(|at| self.lag.saw(at));
        let mut was_strange = false;
        while !stop.is_set() {
            was_strange = self.compare(was_strange);
            stop.sleep(EVERY);
        }
    }

    /// Returns the time of the last record in a stream.
    fn end_of(&self, stream: &Health) -> Option<Timestamp> {
        let before = stream.last_committed().checked_sub(1)?;
        let mut reader = Reader::open(&self.journal_dir, stream.stream(), before).ok()?;
        let record = reader.next().ok()??;
        Record::decode(record.payload).ok()?.at()
    }

    /// Compares the clock once. Returns whether it is strange.
    fn compare(&self, was_strange: bool) -> bool {
        let (now, latest) = (clock::now(), self.lag.latest());
        let remark = dates::remark(now, latest.max(self.live.last_change()));
        if let Some(remark) = remark.as_ref().filter(|_| !was_strange) {
            tracing::warn!("{remark}");
        }
        if self.is_alone {
            self.redate(Moment { now, latest });
        }
        remark.is_some()
    }

    /// Corrects the terms that were dated by a clock that was ahead.
    fn redate(&self, moment: Moment) {
        if redated(&self.live.read(), moment).is_empty() {
            return;
        }
        let changed = self.live.change_blocking(|catalog| {
            let entities = redated(catalog, moment);
            let change =
                || Change { at: moment.now, entities: entities.clone(), request: None, by: None };
            (!entities.is_empty()).then(change)
        });
        match changed {
            Ok(()) => tracing::warn!(
                "terms of campaigns were changed while the clock was ahead: they count from {} on",
                moment.now
            ),
            Err(error) => tracing::error!("terms cannot be dated by the clock: {error:?}"),
        }
    }
}

/// Returns new versions of the campaigns whose latest terms are dated ahead.
fn redated(catalog: &Catalog, moment: Moment) -> Vec<Entity> {
    let is_dated_ahead = |campaign: &&Arc<Campaign>| {
        campaign.earlier_commissions.iter().any(|terms| moment.now < terms.until)
    };
    let redated = |campaign: &Arc<Campaign>| {
        let mut campaign = Campaign::clone(campaign);
        campaign.updated_at = moment.now.max(campaign.updated_at.plus(Span::ms(1)));
        campaign.redate_terms(moment).then_some(Entity::Campaign(campaign))
    };
    catalog.campaigns.values().filter(is_dated_ahead).filter_map(redated).collect()
}
