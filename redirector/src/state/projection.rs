//! Projection: what one journal record changes in the hot state. Pure but for reading the state it changes.
//!
//! A batch gathers the changes of many records; reads see the batch first. Counters are kept as absolute values and an
//! order's share in them as what it last counted for, so that a repeated or late fact moves them by the difference.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use journal::StreamName;
use serde::{Deserialize, Serialize};
use shared::attribution::Method;
use shared::catalog::{Catalog, Platform};
use shared::event::EventName;
use shared::id::{ClickId, LinkId, MerchantId, UnparsedId};
use shared::ledger::{Settled, settle};
use shared::money::Currency;
use shared::order::{OrderFact, Status, Visit};
use shared::record::{Click, EventFact, Record, Unparsed};
use shared::time::Timestamp;

use crate::state::dossier::Dossier;
use crate::state::model::{CounterKey, Metric, Position, name_key};
use crate::state::{Batch, HotState, Space};

/// A report that nobody could read, as it is listed; its body stands in the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UnparsedReport {
    id: UnparsedId,
    merchant: MerchantId,
    platform: Platform,
    received_at: Timestamp,
    topic: Option<String>,
    reason: String,
    /// Whether it was read after a fix.
    reread: bool,
}

/// Gathers the changes of records until they are taken as one batch.
pub(crate) struct Projection<'a> {
    state: &'a HotState,
    batch: Batch,
    counts: HashMap<CounterKey, i64>,
    /// Dossiers that got facts, to be settled once at the end.
    dossiers: BTreeMap<Vec<u8>, Dossier>,
}

impl<'a> Projection<'a> {
    /// Nothing gathered yet.
    pub(crate) fn new(state: &'a HotState) -> Self {
        Self { state, batch: Batch::new(), counts: HashMap::new(), dossiers: BTreeMap::new() }
    }

    /// Takes in a record. Catalog changes change nothing here.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn take(&mut self, record: &Record<'_>, catalog: &Catalog) -> Result<()> {
        match record {
            Record::Click(click) => self.click(click, catalog),
            Record::Event(event) => self.event(event, catalog),
            Record::Order(fact) => self.order_fact(fact),
            Record::Unparsed(report) => self.unparsed(report),
            Record::Catalog(_) => Ok(()),
        }
    }

    fn unparsed(&mut self, report: &Unparsed) -> Result<()> {
        let id = report.id();
        let shown = UnparsedReport {
            id,
            merchant: report.merchant,
            platform: report.platform,
            received_at: report.received_at,
            topic: report.topic.clone(),
            reason: report.reason.clone(),
            reread: false,
        };
        let bytes = serde_json::to_vec(&shown).context("an unparsed report could not be stored")?;
        let mut key = report.received_at.as_ms().to_be_bytes().to_vec();
        key.extend(id.as_bytes());
        self.batch.insert((Space::Unparsed, key), bytes);
        Ok(())
    }

    /// Notes that a report was read after all.
    fn mark_reread(&mut self, id: UnparsedId, received_at: Timestamp) -> Result<()> {
        let mut key = received_at.as_ms().to_be_bytes().to_vec();
        key.extend(id.as_bytes());
        let Some(bytes) = self.value(Space::Unparsed, &key)? else { return Ok(()) };
        let Ok(report) = serde_json::from_slice::<UnparsedReport>(&bytes) else { return Ok(()) };
        let bytes = serde_json::to_vec(&UnparsedReport { reread: true, ..report });
        self.batch.insert((Space::Unparsed, key), bytes.context("an unparsed report could not be stored")?);
        Ok(())
    }

    /// Notes how far a stream is projected.
    pub(crate) fn advance(&mut self, stream: &StreamName, position: Position) {
        self.batch.insert((Space::Positions, stream.as_str().as_bytes().to_vec()), position.to_bytes());
    }

    /// Everything gathered, as one batch.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn finish(mut self, catalog: &Catalog) -> Result<Batch> {
        for (key, dossier) in std::mem::take(&mut self.dossiers) {
            self.recount(key, dossier, catalog)?;
        }
        for (key, change) in std::mem::take(&mut self.counts) {
            let key = key.to_bytes();
            let held = self.value(Space::Counters, &key)?;
            let held = held.and_then(|bytes| bytes.try_into().ok()).map_or(0, i64::from_be_bytes);
            self.batch.insert((Space::Counters, key), (held + change).to_be_bytes().to_vec());
        }
        Ok(self.batch)
    }

    fn value(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.batch.get(&(space, key.to_vec())) {
            Some(value) => Ok(Some(value.clone())),
            None => self.state.value(space, key),
        }
    }

    fn click(&mut self, click: &Click<'_>, catalog: &Catalog) -> Result<()> {
        self.count_for_link(click.link, click.at, Metric::Clicks(click.class), catalog);
        let Some(visit) = click.visit() else { return Ok(()) };
        let window = postcard::to_allocvec(&visit).context("a window could not be stored")?;
        self.batch.insert((Space::Windows, click.id.as_bytes().to_vec()), window);
        Ok(())
    }

    fn visit(&self, click: &ClickId) -> Option<Visit> {
        let stored = self.value(Space::Windows, click.as_bytes()).ok().flatten()?;
        postcard::from_bytes(&stored).ok()
    }

    fn event(&mut self, event: &EventFact, catalog: &Catalog) -> Result<()> {
        let metric = match event.name {
            EventName::Session => Metric::Sessions,
            EventName::Lead => Metric::Leads,
            EventName::Page | EventName::Purchase => return Ok(()),
        };
        let key = event.id.as_bytes();
        let Some(touch) = event.touch else { return Ok(()) };
        if self.value(Space::Events, key)?.is_none() {
            self.batch.insert((Space::Events, key.to_vec()), vec![]);
            self.count_for_link(touch.link, event.at, metric, catalog);
        }
        Ok(())
    }

    /// Puts a fact into the dossier of those that share a name with it; several dossiers become one.
    fn order_fact(&mut self, fact: &OrderFact) -> Result<()> {
        if let Some(report) = fact.reread {
            self.mark_reread(report, fact.received_at)?;
        }
        let names = fact.names();
        let mut joined: Vec<Vec<u8>> = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let Some(key) = self.value(Space::Names, &name_key(fact.merchant, name))? else { continue };
            if !joined.contains(&key) && self.dossier(&key)?.takes(index == 0) {
                joined.push(key);
            }
        }
        let home = joined.first().cloned().unwrap_or_else(|| name_key(fact.merchant, &names[0]));
        for key in joined.iter().skip(1) {
            let mut other = std::mem::take(self.dossier(key)?);
            other.facts.iter().try_for_each(|fact| self.lead_names(fact, &joined, &home))?;
            self.dossier(&home)?.take_over(&mut other);
        }
        self.lead_names(fact, &joined, &home)?;
        self.dossier(&home)?.facts.push(fact.clone());
        Ok(())
    }

    /// Makes a fact's names lead to its dossier, but for those that lead to a dossier it could not join.
    fn lead_names(&mut self, fact: &OrderFact, joined: &[Vec<u8>], home: &[u8]) -> Result<()> {
        for name in fact.names() {
            let key = name_key(fact.merchant, &name);
            let leads_elsewhere = self.value(Space::Names, &key)?.is_some_and(|to| !joined.contains(&to));
            if !leads_elsewhere {
                self.batch.insert((Space::Names, key), home.to_vec());
            }
        }
        Ok(())
    }

    /// Settles a dossier's orders anew and moves the counters by the difference.
    fn recount(&mut self, key: Vec<u8>, mut dossier: Dossier, catalog: &Catalog) -> Result<()> {
        let orders = dossier.orders();
        let mut counted: Vec<(CounterKey, i64)> = Vec::new();
        for (_, facts) in &orders {
            let settled = settle(facts, catalog, &|click| self.visit(click));
            counted.extend(settled.as_ref().map_or_else(Vec::new, counts_for));
        }
        dossier.facts = orders.into_iter().flat_map(|(_, facts)| facts).collect();
        for (key, amount) in dossier.counted.drain(..) {
            if let Some(key) = CounterKey::from_bytes(&key) {
                self.count(key, -amount);
            }
        }
        counted.iter().for_each(|(key, amount)| self.count(*key, *amount));
        dossier.counted = counted.into_iter().map(|(key, amount)| (key.to_bytes(), amount)).collect();
        let bytes = serde_json::to_vec(&dossier).context("an order could not be stored")?;
        self.batch.insert((Space::Orders, key), bytes);
        Ok(())
    }

    /// Settles every order of a merchant anew, after a change of what could be credited.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn recount_orders_of(&mut self, merchant: MerchantId) -> Result<()> {
        let mut keys = Vec::new();
        let prefix = merchant.bits().to_be_bytes();
        self.state.scan(Space::Orders, &prefix, &mut |key, _| keys.push(key.to_vec()))?;
        keys.iter().try_for_each(|key| self.dossier(key).map(|_| ()))
    }

    /// A dossier, to be settled when the batch is finished.
    fn dossier(&mut self, key: &[u8]) -> Result<&mut Dossier> {
        if !self.dossiers.contains_key(key) {
            let stored = self.value(Space::Orders, key)?;
            let dossier = stored.as_deref().map_or_else(|| Ok(Dossier::default()), Dossier::from_bytes)?;
            self.dossiers.insert(key.to_vec(), dossier);
        }
        Ok(self.dossiers.entry(key.to_vec()).or_default())
    }

    fn count_for_link(&mut self, link: LinkId, at: Timestamp, metric: Metric, catalog: &Catalog) {
        let Some(link) = catalog.links.get(&link) else { return };
        let key = CounterKey {
            day: day(at),
            campaign: link.campaign,
            influencer: link.influencer,
            link: Some(link.id),
            metric,
        };
        self.count(key, 1);
    }

    fn count(&mut self, key: CounterKey, amount: i64) {
        if amount != 0 {
            *self.counts.entry(key).or_default() += amount;
        }
    }
}

fn day(at: Timestamp) -> u32 {
    u32::try_from(at.utc_day()).unwrap_or(0)
}

/// What a settled order counts for.
fn counts_for(settled: &Settled) -> Vec<(CounterKey, i64)> {
    let mut counts = Vec::new();
    let order = &settled.order;
    let credited = settled.decision.subject().filter(|_| settled.decision.method != Method::None);
    let key = |metric| {
        let credited = credited?;
        let (campaign, influencer) = (credited.campaign?, credited.influencer?);
        Some(CounterKey { day: day(order.placed_at), campaign, influencer, link: credited.link, metric })
    };
    if settled.accepted && matches!(order.status, Status::Paid | Status::Unpaid) && !order.test {
        counts.extend(key(Metric::Orders).map(|key| (key, 1)));
        let revenue = order.currency.and_then(|currency| key(Metric::Revenue(currency)));
        counts.extend(revenue.map(|key| (key, order.net_goods_minor())));
    }
    // A booking counts for whom it was booked, also where the credit has moved on since.
    let mut balances: HashMap<_, i64> = HashMap::new();
    for booking in &settled.bookings {
        *balances.entry(booking.account).or_default() += booking.amount_minor;
    }
    let mut balances: Vec<_> = balances.into_iter().collect();
    balances.sort_unstable();
    for (account, amount) in balances {
        let currency: Currency = account.currency;
        if let Some(key) = key(Metric::Commission(currency)) {
            counts.push((
                CounterKey { campaign: account.campaign, influencer: account.influencer, ..key },
                amount,
            ));
        }
    }
    counts
}
