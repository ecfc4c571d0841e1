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
use shared::id::{ClickId, LinkId, MerchantId};
use shared::ledger::{Settled, settle};
use shared::money::Currency;
use shared::order::{OrderFact, Status, Visit, distinct};
use shared::record::{Click, EventFact, Record, Unparsed};
use shared::time::Timestamp;

use crate::state::model::{CounterKey, Metric, Position, order_key};
use crate::state::{Batch, HotState, Space};

/// An order as the hot state keeps it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct OrderDocument {
    /// Its facts, one an id.
    pub(crate) facts: Vec<OrderFact>,
    /// What it counts for now: counter key and amount.
    counted: Vec<(Vec<u8>, i64)>,
}

/// A report that nobody could read, as it is listed; its body stands in the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UnparsedReport {
    merchant: MerchantId,
    platform: Platform,
    received_at: Timestamp,
    topic: Option<String>,
    reason: String,
}

/// Gathers the changes of records until they are taken as one batch.
pub(crate) struct Projection<'a> {
    state: &'a HotState,
    batch: Batch,
    counts: HashMap<CounterKey, i64>,
    /// Orders that got facts, to be settled once at the end.
    orders: BTreeMap<Vec<u8>, OrderDocument>,
}

impl<'a> Projection<'a> {
    /// Nothing gathered yet.
    pub(crate) fn new(state: &'a HotState) -> Self {
        Self { state, batch: Batch::new(), counts: HashMap::new(), orders: BTreeMap::new() }
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
        let shown = UnparsedReport {
            merchant: report.merchant,
            platform: report.platform,
            received_at: report.received_at,
            topic: report.topic.clone(),
            reason: report.reason.clone(),
        };
        let bytes = serde_json::to_vec(&shown).context("an unparsed report could not be stored")?;
        let mut key = report.received_at.as_ms().to_be_bytes().to_vec();
        key.extend(&blake3::hash(report.body.as_bytes()).as_bytes()[..8]);
        self.batch.insert((Space::Unparsed, key), bytes);
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
        for (key, document) in std::mem::take(&mut self.orders) {
            self.recount(key, document, catalog)?;
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

    fn order_fact(&mut self, fact: &OrderFact) -> Result<()> {
        self.order(fact.merchant, &fact.order_id)?.facts.push(fact.clone());
        Ok(())
    }

    /// Settles an order anew and moves the counters by the difference.
    fn recount(&mut self, key: Vec<u8>, mut document: OrderDocument, catalog: &Catalog) -> Result<()> {
        document.facts = distinct(&document.facts).into_iter().cloned().collect();
        let settled = settle(&document.facts, catalog, &|click| self.visit(click));
        let counted = settled.as_ref().map_or_else(Vec::new, counts_for);
        for (key, amount) in document.counted.drain(..) {
            if let Some(key) = CounterKey::from_bytes(&key) {
                self.count(key, -amount);
            }
        }
        counted.iter().for_each(|(key, amount)| self.count(*key, *amount));
        document.counted = counted.into_iter().map(|(key, amount)| (key.to_bytes(), amount)).collect();
        let bytes = serde_json::to_vec(&document).context("an order could not be stored")?;
        self.batch.insert((Space::Orders, key), bytes);
        Ok(())
    }

    /// Settles every order of a merchant anew, after a change of what could be credited.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn recount_orders_of(&mut self, merchant: MerchantId) -> Result<()> {
        let mut ids = Vec::new();
        let prefix = merchant.bits().to_be_bytes();
        self.state.scan(Space::Orders, &prefix, &mut |key, _| {
            ids.push(String::from_utf8_lossy(&key[prefix.len()..]).into_owned());
        })?;
        ids.iter().try_for_each(|id| self.order(merchant, id).map(|_| ()))
    }

    /// An order's document, to be settled when the batch is finished.
    fn order(&mut self, merchant: MerchantId, order_id: &str) -> Result<&mut OrderDocument> {
        let key = order_key(merchant, order_id);
        if !self.orders.contains_key(&key) {
            let document = match self.value(Space::Orders, &key)? {
                None => OrderDocument::default(),
                Some(bytes) => serde_json::from_slice(&bytes)
                    .context("an order in the hot state is damaged: run `afterclick replay`")?,
            };
            self.orders.insert(key.clone(), document);
        }
        Ok(self.orders.entry(key).or_default())
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
