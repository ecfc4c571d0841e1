//! Projection: what the records of the journal change in the hot state.
//!
//! Taking a record in is pure; [`Projection::store`] then reads what it needs and writes. Windows
//! and facts are written once and never changed; a fact that changes nothing any more is removed. What an order counts for, and counters, are
//! written as whole numbers, never as additions. So a batch that was half stored before a crash can
//! be stored again with the same result, and nodes that share a store need no lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;

use anyhow::{Context, Result, bail};
use journal::StreamName;
use serde::{Deserialize, Serialize};
use settlement::attribution::Method;
use settlement::ledger::{Settled, settle};
use shared::catalog::Catalog;
use shared::commission::Caps;
use shared::event::EventName;
use shared::id::{ClickId, LinkId, MerchantId, UnparsedId};
use shared::lead::{Lead, LeadFact};
use shared::money::Currency;
use shared::order::{OrderFact, OrderKey, PATH_TOUCHES_MAX, Status, Visit};
use shared::platform::Platform;
use shared::record::{Click, EventFact, Record, Unparsed};
use shared::time::Timestamp;

use crate::customers::Brought;
use crate::events::Events;
use crate::model::{
    CounterKey, Entry, Metric, NameKey, Position, Stored, Window, name_key, totals_to_bytes,
    window_expires_at,
};
use crate::orders::{NamedEntries, clicks_of, keys_of, places_of, read_visits, superfluous};
use crate::state::HotState;

/// How many times names are read again because another node added to them.
const ATTEMPTS: usize = 20;
/// Groups of orders that are settled in one step.
const GROUPS_AT_ONCE: usize = 1000;

/// An unparsed delivery as it is listed. Its body is in the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnparsedDelivery {
    pub id: UnparsedId,
    merchant: MerchantId,
    platform: Platform,
    pub received_at: Timestamp,
    topic: Option<String>,
    reason: String,
    /// Whether it was read again after a fix.
    pub reread: bool,
}

/// An entry in the list of unparsed deliveries. Either of the two may become known first.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub enum ListedDelivery {
    Delivery(UnparsedDelivery),
    /// The delivery before this one could be read after a fix.
    Read {
        read: UnparsedId,
    },
}

impl UnparsedDelivery {
    /// Returns the key under which it is listed: by time of arrival.
    pub fn key(id: UnparsedId, received_at: Timestamp) -> Vec<u8> {
        [&received_at.as_ms().to_be_bytes()[..], id.as_bytes()].concat()
    }
}

/// Visits by click. Only this product chooses click ids, so a fast hash is safe.
type Visits = HashMap<ClickId, Visit, foldhash::fast::RandomState>;

/// Gathers records of one stream until they are stored as one batch.
pub(crate) struct Projection {
    stream: StreamName,
    /// The last record that the state's counters contain.
    counted: Position,
    seq: u64,
    visits: Visits,
    events: Events,
    unparsed: Vec<UnparsedDelivery>,
    reread: Vec<(UnparsedId, Timestamp)>,
    facts: Vec<OrderFact>,
    /// Facts about leads, with the numbers of their records.
    leads: Vec<(u64, LeadFact)>,
    counts: BTreeMap<CounterKey, i64>,
    /// Merchants whose orders are settled again.
    recount: BTreeSet<MerchantId>,
}

impl Projection {
    /// Makes an empty batch. The state's counters contain the stream's records up to `counted`.
    pub(crate) fn new(stream: &StreamName, counted: Position) -> Self {
        Self {
            stream: stream.clone(),
            counted,
            seq: 0,
            visits: Visits::default(),
            events: Events::default(),
            unparsed: vec![],
            reread: vec![],
            facts: vec![],
            leads: vec![],
            counts: BTreeMap::new(),
            recount: BTreeSet::new(),
        }
    }

    /// Takes in a record. Changes of the catalog have no effect here.
    pub(crate) fn take(&mut self, seq: u64, record: Record<'_>, catalog: &Catalog) {
        self.seq = seq;
        match record {
            Record::Click(click) => self.click(&click, catalog),
            Record::Event(event) => self.event(&event, catalog),
            Record::Order(fact) => {
                self.reread.extend(fact.reread.map(|delivery| (delivery, fact.received_at)));
                self.facts.push(*fact);
            }
            Record::Lead(fact) => {
                self.reread.extend(fact.reread.map(|delivery| (delivery, fact.received_at)));
                self.leads.push((seq, *fact));
            }
            Record::Unparsed(delivery) => self.unparsed(delivery),
            Record::Catalog(_) => {}
        }
    }

    /// Settles every order of a merchant again, after a change of what may be credited.
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
        let Some(key) = counter_of(touch.link, event.happened_at(), metric, catalog) else {
            return;
        };
        let origin = self.origin(self.seq);
        let campaign = catalog.campaigns.get(&key.campaign);
        let none = Caps::default();
        let caps = campaign.map_or(&none, |campaign| &campaign.caps);
        self.events.add(event, (self.seq, origin), key, caps);
    }

    /// Names a record of the stream.
    fn origin(&self, seq: u64) -> Vec<u8> {
        [self.stream.as_str().as_bytes(), b"/", seq.to_string().as_bytes()].concat()
    }

    /// Looks up the clicks that leads name by id.
    fn read_lead_visits(&self, state: &HotState, visits: &mut Visits) -> Result<()> {
        let named = self.leads.iter().flat_map(|(_, fact)| &fact.clicks);
        let unknown: BTreeSet<ClickId> =
            named.filter(|click| !visits.contains_key(*click)).copied().collect();
        if !unknown.is_empty() {
            let found = state.visits(&unknown.into_iter().collect::<Vec<_>>())?;
            visits.extend(found.into_iter().map(|visit| (visit.touch.click, visit)));
        }
        Ok(())
    }

    /// Adds the leads of which shops' servers told, each to the latest click that it names.
    fn take_in_leads(&mut self, visits: &Visits, catalog: &Catalog) {
        let leads = std::mem::take(&mut self.leads);
        for (seq, fact) in leads.iter().filter(|(_, fact)| !fact.test) {
            let mut lead = Lead::default();
            lead.add(fact, &|click| visits.get(click).copied());
            let Some(touch) = lead.touch() else { continue };
            let at = lead.happened_at(&touch);
            if let Some(key) = counter_of(touch.link, at, Metric::Leads, catalog)
                && is_of(fact.merchant, &key, catalog)
            {
                let origin = self.origin(*seq);
                self.events.add_lead((fact, &touch), (*seq, origin), key);
            }
        }
    }

    fn unparsed(&mut self, delivery: Unparsed) {
        let (id, Unparsed { merchant, platform, received_at, topic, reason, body: _ }) =
            (delivery.id(), delivery);
        self.unparsed.push(UnparsedDelivery {
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

    /// Stores everything gathered, up to and including the stream's record `position`. `catalog`
    /// locks the catalog; it is never locked while the state is read or written, which may hang.
    ///
    /// # Errors
    /// When the state cannot be read or written; what was stored until then does no harm.
    pub(crate) fn store<C: Deref<Target = Catalog>>(
        mut self,
        state: &HotState,
        position: Position,
        catalog: &dyn Fn() -> C,
        now: Timestamp,
    ) -> Result<()> {
        let mut stored = Stored::default();
        stored.windows.extend(self.visits.values().map(|visit| Window {
            visit: *visit,
            expires_at: window_expires_at(&visit.touch, now),
        }));
        let mut known = NamedEntries::default();
        let mut visits = std::mem::take(&mut self.visits);
        let touched = self.take_in_facts(state, &mut known, &mut visits, &mut stored)?;
        self.list_unparsed(&mut stored)?;
        if !self.leads.is_empty() {
            self.read_lead_visits(state, &mut visits)?;
            self.take_in_leads(&visits, &catalog());
        }
        state.store(&stored, now)?;
        settle_groups(state, &mut known, &mut visits, touched, (catalog, now))?;
        for merchant in std::mem::take(&mut self.recount) {
            let mut known = NamedEntries::default();
            let names = state.names_with_totals(merchant)?.into_iter().collect();
            settle_groups(state, &mut known, &mut visits, names, (catalog, now))?;
        }
        for (seq, key) in std::mem::take(&mut self.events).counted(state, now)? {
            if seq > self.counted.seq {
                *self.counts.entry(key).or_default() += 1;
            }
        }
        state.count(&self.stream, (self.counted, position), &self.counts)
    }

    /// Adds facts under their names. Returns the names whose orders must be settled again.
    fn take_in_facts(
        &mut self,
        state: &HotState,
        known: &mut NamedEntries,
        visits: &mut Visits,
        stored: &mut Stored,
    ) -> Result<BTreeSet<NameKey>> {
        let facts = std::mem::take(&mut self.facts);
        known.read(state, facts.iter().flat_map(keys_of))?;
        read_visits(state, visits, &facts)?;
        let mut touched = BTreeSet::new();
        for fact in facts {
            let names = keys_of(&fact);
            let places = places_of(&fact);
            let clicks: Vec<ClickId> = clicks_of(&fact).collect();
            let whole = Entry::Fact(Box::new(fact));
            // Of a claim that is one too many everywhere, nothing is kept.
            let kept: Vec<&NameKey> =
                places.iter().filter(|place| known.takes(place, &whole)).collect();
            touched.extend(kept.iter().copied().cloned());
            let mut put = |name: &NameKey, entry: Entry| {
                if known.add(name, entry.clone()) {
                    stored.entries.push((name.clone(), entry));
                }
            };
            if let Some(home) = names.first().filter(|home| kept.contains(home)) {
                let others = names.iter().filter(|name| !places.contains(name));
                others.for_each(|name| put(name, Entry::elsewhere(home)));
            }
            for place in kept {
                let led = clicks.iter().flat_map(|click| path(visits, *click));
                led.for_each(|visit| put(place, Entry::Led(visit)));
                put(place, whole.clone());
            }
        }
        Ok(touched)
    }

    fn list_unparsed(&mut self, stored: &mut Stored) -> Result<()> {
        let deliveries = self.unparsed.drain(..).map(|delivery| {
            let key = UnparsedDelivery::key(delivery.id, delivery.received_at);
            (key, ListedDelivery::Delivery(delivery))
        });
        let read = self.reread.drain(..).map(|(id, received_at)| {
            // This entry follows right after its delivery.
            let key = [UnparsedDelivery::key(id, received_at), b"r".to_vec()].concat();
            (key, ListedDelivery::Read { read: id })
        });
        for (key, listed) in deliveries.chain(read) {
            let bytes =
                serde_json::to_vec(&listed).context("an unparsed delivery could not be stored")?;
            stored.unparsed.push((key, bytes));
        }
        Ok(())
    }
}

/// Settles the orders under names again and writes what they count for. If another node added a
/// fact meanwhile, it does so again: whoever writes last has seen all facts.
fn settle_groups<C: Deref<Target = Catalog>>(
    state: &HotState,
    known: &mut NamedEntries,
    visits: &mut Visits,
    mut roots: BTreeSet<NameKey>,
    (catalog, now): (&dyn Fn() -> C, Timestamp),
) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let mut changed = BTreeSet::new();
        while !roots.is_empty() {
            let some: Vec<NameKey> = roots.iter().take(GROUPS_AT_ONCE).cloned().collect();
            known.read(state, some.iter().cloned())?;
            let mut orders = Vec::new();
            let mut names = BTreeSet::new();
            for root in some {
                roots.remove(&root);
                if names.contains(&root) {
                    continue;
                }
                let group = known.group(&root);
                visits.extend(group.visits.iter());
                orders.extend(group.orders());
                names.extend(group.names);
            }
            for (_, facts) in &orders {
                read_visits(state, visits, facts)?;
            }
            let mut brought = Brought::default();
            let totals = totals(&orders, visits, &catalog(), &mut brought);
            let gone: Vec<_> = orders.iter().flat_map(|(_, facts)| superfluous(facts)).collect();
            state.put_totals(&totals)?;
            brought.store(state, now)?;
            state.remove_entries(&gone)?;
            gone.iter().for_each(|(name, entry)| known.remove(name, entry));
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
    bail!("orders change faster than they can be settled; it is tried again soon")
}

/// Returns what orders count for, under each name that could be an order's id, and adds them to
/// those that their clicks brought.
fn totals(
    orders: &[(OrderKey, Vec<OrderFact>)],
    visits: &Visits,
    catalog: &Catalog,
    brought: &mut Brought,
) -> Vec<(NameKey, Vec<u8>)> {
    let facts = || orders.iter().flat_map(|(_, facts)| facts);
    let own = facts().filter_map(|fact| keys_of(fact).into_iter().next());
    let mut totals: BTreeMap<NameKey, Vec<u8>> = own.map(|name| (name, vec![])).collect();
    for (key, facts) in orders {
        let Some(settled) = settle(facts, catalog, &|click| visits.get(click).copied()) else {
            continue;
        };
        let name = name_key(key.merchant, &key.name);
        brought.add(&settled, &name);
        totals.entry(name).or_default().extend(totals_to_bytes(&counts_for(&settled)));
    }
    totals.into_iter().collect()
}

/// Returns a click and the clicks that led to it, as far as they are known.
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

/// Returns whether a counter may be of this merchant: its campaign is of no other one.
fn is_of(merchant: MerchantId, key: &CounterKey, catalog: &Catalog) -> bool {
    catalog.campaigns.get(&key.campaign).is_none_or(|campaign| campaign.merchant == merchant)
}

fn day(at: Timestamp) -> u32 {
    u32::try_from(at.utc_day()).unwrap_or(0)
}

/// Returns what a settled order counts for.
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
        // Goods that are unknown are in no sum; the order counts as held.
        let goods = if stands { order.net_goods_minor() } else { Some(0) };
        counts.extend(revenue.zip(goods));
    }
    if !settled.holding.held.is_empty() {
        counts.extend(key(Metric::Held).map(|key| (key, 1)));
    }
    // A booking counts for the influencer it was booked for, even if the credit has moved to
    // another since.
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
