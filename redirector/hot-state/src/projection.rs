//! Projection: what journal records change in the hot state.
//!
//! Taking a record in is pure; [`Projection::store`] then reads what it must and writes. Everything
//! written is either put once and never changed (windows, reports), or absolute (what an order
//! counts for, counters): so a batch that was half stored before a crash is stored again to the
//! same end, and nodes that share a store need no lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result, bail};
use journal::StreamName;
use serde::{Deserialize, Serialize};
use shared::attribution::Method;
use shared::catalog::Catalog;
use shared::event::EventName;
use shared::id::{ClickId, LinkId, MerchantId, UnparsedId};
use shared::ledger::{Settled, settle};
use shared::money::Currency;
use shared::order::{OrderFact, PATH_TOUCHES_MAX, Status, Visit};
use shared::platform::Platform;
use shared::record::{Click, EventFact, Record, Unparsed};
use shared::time::Timestamp;

use crate::model::{
    CounterKey, Entry, FirstBringer, Metric, NameKey, Position, Stored, Window, event_expires_at,
    name_key, totals_to_bytes, window_expires_at,
};
use crate::orders::{Group, NamedEntries, keys_of};
use crate::state::HotState;

/// How often what was read is read again because another node added to it.
const ATTEMPTS: usize = 20;
/// Groups settled at once.
const GROUPS_AT_ONCE: usize = 1000;

/// A report that nobody could read, as it is listed; its body stands in the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnreadArrival {
    pub id: UnparsedId,
    merchant: MerchantId,
    platform: Platform,
    pub received_at: Timestamp,
    topic: Option<String>,
    reason: String,
    /// Whether it was read after a fix.
    pub reread: bool,
}

/// What the list of such reports holds. Which of the two becomes known first does not matter.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub enum ListedArrival {
    Arrival(UnreadArrival),
    /// The report before this could be read after a fix.
    Read {
        read: UnparsedId,
    },
}

impl UnreadArrival {
    /// Where it is listed: by time of arrival.
    pub fn key(id: UnparsedId, received_at: Timestamp) -> Vec<u8> {
        [&received_at.as_ms().to_be_bytes()[..], id.as_bytes()].concat()
    }
}

/// Visits by click. Nobody but us chooses click ids, so a quick hash is safe.
type Visits = HashMap<ClickId, Visit, foldhash::fast::RandomState>;

/// Gathers records of one stream until they are stored as one batch.
pub(crate) struct Projection {
    stream: StreamName,
    /// The last record whose counts the state has.
    counted: Position,
    seq: u64,
    visits: Visits,
    bringers: Vec<(FirstBringer, CounterKey)>,
    unparsed: Vec<UnreadArrival>,
    reread: Vec<(UnparsedId, Timestamp)>,
    facts: Vec<OrderFact>,
    counts: BTreeMap<CounterKey, i64>,
    /// Merchants whose orders are settled anew.
    recount: BTreeSet<MerchantId>,
}

impl Projection {
    /// Nothing gathered yet. Counters contain the stream's records up to `counted`.
    pub(crate) fn new(stream: &StreamName, counted: Position) -> Self {
        Self {
            stream: stream.clone(),
            counted,
            seq: 0,
            visits: Visits::default(),
            bringers: vec![],
            unparsed: vec![],
            reread: vec![],
            facts: vec![],
            counts: BTreeMap::new(),
            recount: BTreeSet::new(),
        }
    }

    /// Takes in a record. Catalog changes change nothing here.
    pub(crate) fn take(&mut self, seq: u64, record: Record<'_>, catalog: &Catalog) {
        self.seq = seq;
        match record {
            Record::Click(click) => self.click(&click, catalog),
            Record::Event(event) => self.event(&event, catalog),
            Record::Order(fact) => {
                self.reread.extend(fact.reread.map(|report| (report, fact.received_at)));
                self.facts.push(*fact);
            }
            Record::Unparsed(report) => self.unparsed(report),
            Record::Catalog(_) => {}
        }
    }

    /// Settles every order of a merchant anew, after a change of what could be credited.
    pub(crate) fn recount_orders_of(&mut self, merchant: MerchantId) {
        self.recount.insert(merchant);
    }

    fn click(&mut self, click: &Click<'_>, catalog: &Catalog) {
        if let Some(key) = counter_of(click.link, click.at, Metric::Clicks(click.class), catalog) {
            self.count(key, 1);
        }
        if let Some(visit) = click.visit() {
            self.visits.insert(click.id, visit);
        }
    }

    fn event(&mut self, event: &EventFact, catalog: &Catalog) {
        let metric = match event.name {
            EventName::Session => Metric::Sessions,
            EventName::Lead => Metric::Leads,
            EventName::Page | EventName::Purchase => return,
        };
        let Some(touch) = event.touch else { return };
        let Some(key) = counter_of(touch.link, event.at, metric, catalog) else { return };
        let origin =
            [self.stream.as_str().as_bytes(), b"/", self.seq.to_string().as_bytes()].concat();
        let bringer =
            FirstBringer { event: event.id, origin, seq: self.seq, received_at: event.received_at };
        self.bringers.push((bringer, key));
    }

    fn unparsed(&mut self, report: Unparsed) {
        let (id, Unparsed { merchant, platform, received_at, topic, reason, body: _ }) =
            (report.id(), report);
        self.unparsed.push(UnreadArrival {
            id,
            merchant,
            platform,
            received_at,
            topic,
            reason,
            reread: false,
        });
    }

    fn count(&mut self, key: CounterKey, amount: i64) {
        if self.seq > self.counted.seq {
            *self.counts.entry(key).or_default() += amount;
        }
    }

    /// Stores everything gathered, up to and with the stream's record `position`.
    ///
    /// # Errors
    /// When the state cannot be read or written; what was stored until then does no harm.
    pub(crate) fn store(
        mut self,
        state: &HotState,
        position: Position,
        catalog: &Catalog,
        now: Timestamp,
    ) -> Result<()> {
        let mut stored = Stored::default();
        stored.windows.extend(self.visits.values().map(|visit| Window {
            visit: *visit,
            expires_at: window_expires_at(&visit.touch, now),
        }));
        let mut known = NamedEntries::default();
        let touched = self.take_in_facts(state, &mut known, &mut stored)?;
        self.list_unparsed(&mut stored)?;
        state.store(&stored, now)?;
        self.settle_groups(state, &mut known, touched, catalog)?;
        for merchant in std::mem::take(&mut self.recount) {
            let mut known = NamedEntries::default();
            let names = state.names_with_totals(merchant)?;
            self.settle_groups(state, &mut known, names.into_iter().collect(), catalog)?;
        }
        let bringers: Vec<FirstBringer> =
            self.bringers.iter().map(|(bringer, _)| bringer.clone()).collect();
        let first =
            state.are_first(&bringers, &|bringer| event_expires_at(bringer.received_at, now))?;
        for ((bringer, key), is_first) in std::mem::take(&mut self.bringers).into_iter().zip(first)
        {
            if is_first && bringer.seq > self.counted.seq {
                *self.counts.entry(key).or_default() += 1;
            }
        }
        state.count(&self.stream, (self.counted, position), &self.counts)
    }

    /// Puts reports under their names; the names whose orders are to be settled anew.
    fn take_in_facts(
        &mut self,
        state: &HotState,
        known: &mut NamedEntries,
        stored: &mut Stored,
    ) -> Result<BTreeSet<NameKey>> {
        let facts = std::mem::take(&mut self.facts);
        known.read(state, facts.iter().flat_map(keys_of))?;
        let visits = self.visits_leading_to(state, &facts)?;
        let mut touched = BTreeSet::new();
        for fact in facts {
            let names = keys_of(&fact);
            let Some((home, others)) = names.split_first() else { continue };
            touched.insert(home.clone());
            let mut put = |name: &NameKey, entry: Entry| {
                if known.add(name, entry.clone()) {
                    stored.entries.push((name.clone(), entry));
                }
            };
            others.iter().for_each(|name| put(name, Entry::Elsewhere(fact.id, home.clone())));
            let clicks =
                fact.touches.iter().map(|touch| touch.click).chain(fact.clicks.iter().copied());
            for click in clicks.collect::<Vec<_>>() {
                path(&visits, click).into_iter().for_each(|visit| put(home, Entry::Led(visit)));
            }
            put(home, Entry::Fact(Box::new(fact)));
        }
        Ok(touched)
    }

    /// The clicks that reports bring along, and those that led to them.
    fn visits_leading_to(&self, state: &HotState, facts: &[OrderFact]) -> Result<Visits> {
        let mut visits = Visits::default();
        let mut wanted: BTreeSet<ClickId> = facts
            .iter()
            .flat_map(|fact| {
                fact.touches.iter().map(|touch| touch.click).chain(fact.clicks.iter().copied())
            })
            .collect();
        for _ in 0..PATH_TOUCHES_MAX {
            wanted.retain(|click| !visits.contains_key(click));
            if wanted.is_empty() {
                break;
            }
            let (here, elsewhere): (Vec<ClickId>, Vec<ClickId>) = std::mem::take(&mut wanted)
                .into_iter()
                .partition(|click| self.visits.contains_key(click));
            let mut found: Vec<Visit> = here.iter().map(|click| self.visits[click]).collect();
            found.extend(state.visits(&elsewhere)?);
            wanted.extend(found.iter().filter_map(|visit| visit.previous));
            visits.extend(found.into_iter().map(|visit| (visit.touch.click, visit)));
        }
        Ok(visits)
    }

    fn list_unparsed(&mut self, stored: &mut Stored) -> Result<()> {
        let reports = self.unparsed.drain(..).map(|report| {
            let key = UnreadArrival::key(report.id, report.received_at);
            (key, ListedArrival::Arrival(report))
        });
        let read = self.reread.drain(..).map(|(id, received_at)| {
            // ListedArrival right behind its report.
            let key = [UnreadArrival::key(id, received_at), b"r".to_vec()].concat();
            (key, ListedArrival::Read { read: id })
        });
        for (key, listed) in reports.chain(read) {
            let bytes =
                serde_json::to_vec(&listed).context("an unparsed report could not be stored")?;
            stored.unparsed.push((key, bytes));
        }
        Ok(())
    }

    /// Settles the orders of names anew, and writes what they count for. Where another node added a
    /// report meanwhile, once more: whoever writes last has seen all.
    fn settle_groups(
        &self,
        state: &HotState,
        known: &mut NamedEntries,
        mut roots: BTreeSet<NameKey>,
        catalog: &Catalog,
    ) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let mut changed = BTreeSet::new();
            while !roots.is_empty() {
                let some: Vec<NameKey> = roots.iter().take(GROUPS_AT_ONCE).cloned().collect();
                known.read(state, some.iter().cloned())?;
                let mut totals = Vec::new();
                let mut names = BTreeSet::new();
                for root in some {
                    if names.contains(&root) {
                        roots.remove(&root);
                        continue;
                    }
                    let group = known.group(&root);
                    roots.remove(&root);
                    totals.extend(self.totals(state, &group, catalog));
                    names.extend(group.names);
                }
                state.put_totals(&totals)?;
                let names: Vec<NameKey> = names.into_iter().collect();
                for (name, count) in names.iter().zip(state.entry_counts(&names)?) {
                    if count.is_some_and(|count| count != known.count(name)) {
                        changed.insert(name.clone());
                    }
                }
            }
            if changed.is_empty() {
                return Ok(());
            }
            changed.iter().for_each(|name| known.forget(name));
            roots = changed;
        }
        bail!("orders change faster than they can be settled; trying again in a moment")
    }

    /// What the orders of a group count for, under each name that could be an order's.
    fn totals(
        &self,
        state: &HotState,
        group: &Group,
        catalog: &Catalog,
    ) -> Vec<(NameKey, Vec<u8>)> {
        let own = group.facts.iter().filter_map(|fact| keys_of(fact).into_iter().next());
        let mut totals: BTreeMap<NameKey, Vec<u8>> = own.map(|name| (name, vec![])).collect();
        let visit = |click: &ClickId| {
            let known = group.visits.get(click).or_else(|| self.visits.get(click)).copied();
            known.or_else(|| state.visit(click).ok().flatten())
        };
        for (key, facts) in group.orders() {
            let Some(settled) = settle(&facts, catalog, &visit) else { continue };
            let name = name_key(key.merchant, &key.name);
            totals.entry(name).or_default().extend(totals_to_bytes(&counts_for(&settled)));
        }
        totals.into_iter().collect()
    }
}

/// A click and those that led to it, as far as is known.
fn path(visits: &Visits, click: ClickId) -> Vec<Visit> {
    let mut path: Vec<Visit> = Vec::new();
    let mut next = Some(click);
    while let Some(visit) = next.and_then(|click| visits.get(&click)) {
        if path.len() >= PATH_TOUCHES_MAX || path.contains(visit) {
            break;
        }
        path.push(*visit);
        next = visit.previous;
    }
    path
}

fn counter_of(
    link: LinkId,
    at: Timestamp,
    metric: Metric,
    catalog: &Catalog,
) -> Option<CounterKey> {
    let link = catalog.links.get(link)?;
    let (campaign, influencer) = (link.campaign(), link.influencer());
    Some(CounterKey { day: day(at), campaign, influencer, link: Some(link.id()), metric })
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
        Some(CounterKey {
            day: day(order.placed_at),
            campaign,
            influencer,
            link: credited.link,
            metric,
        })
    };
    if settled.accepted && order.status != Status::Draft && !order.test {
        let stands = order.status != Status::Void;
        counts.extend(key(Metric::Orders).map(|key| (key, i64::from(stands))));
        let revenue = order.currency.and_then(|currency| key(Metric::Revenue(currency)));
        counts.extend(revenue.map(|key| (key, if stands { order.net_goods_minor() } else { 0 })));
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
