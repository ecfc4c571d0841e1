//! Projection: what the records of the journal change in the hot state.
//!
//! Taking a record in is pure; [`Projection::store`] then reads what it needs and writes. Windows
//! and facts are written once and never changed; a fact that changes nothing any more is removed. What an order counts for, and counters, are
//! written as whole numbers, never as additions. So a batch that was half stored before a crash can
//! be stored again with the same result, and nodes that share a store need no lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::iter;
use std::ops::Deref;

use anyhow::{Context, Result, bail};
use journal::StreamName;
use serde::{Deserialize, Serialize};
use settlement::history::newness;
use settlement::ledger::{CampaignAccount, Settled, settle};
use shared::catalog::Catalog;
use shared::commission::Caps;
use shared::event::EventName;
use shared::id::{CampaignId, ClickId, LinkId, MerchantId, UnparsedId};
use shared::lead::{Lead, LeadFact};
use shared::order::{
    Opening, OrderFact, OrderKey, PATH_TOUCHES_MAX, Status, Visit, fold_name, twin_name,
};
use shared::platform::Platform;
use shared::record::{Click, EventFact, Record, Unparsed};
use shared::time::Timestamp;
use shared::zone::Zone;

use crate::customers::Brought;
use crate::events::Events;
use crate::histories::{self, customers_of, is_customer};
use crate::listed::{Credited, Listed, rows_to_bytes};
use crate::model::{
    CounterKey, Entry, Metric, NameKey, Position, SettledOrder, Stored, Window, name_key,
    totals_to_bytes, window_expires_at,
};
use crate::orders::{
    Gathered, NamedEntries, clicks_of, keys_of, places_of, read_visits, superfluous,
};
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

/// The time zones of campaigns' merchants, kept from their first use on: they never change.
#[derive(Default)]
struct Zones(HashMap<CampaignId, Zone, foldhash::fast::RandomState>);

impl Zones {
    /// Returns the hour by the clock of the campaign's merchant: the days of the figures are those of
    /// the statement.
    fn hour(&mut self, campaign: CampaignId, at: Timestamp, catalog: &Catalog) -> u32 {
        self.0.entry(campaign).or_insert_with(|| zone_of(campaign, catalog)).hour(at)
    }
}

/// Gathers records of one stream until they are stored as one batch.
pub(crate) struct Projection {
    stream: StreamName,
    /// The last record that the state's counters contain.
    counted: Position,
    seq: u64,
    visits: Visits,
    events: Events,
    zones: Zones,
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
            zones: Zones::default(),
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
        let metric = Metric::Clicks(click.class);
        if let Some(key) = counter_of(click.link, click.at, metric, catalog, &mut self.zones) {
            self.count(key, 1);
        }
        if let Some(visit) = click.visit() {
            self.visits.insert(click.id, visit);
        }
    }

    fn event(&mut self, event: &EventFact, catalog: &Catalog) {
        let (at, zones) = (event.happened_at(), &mut self.zones);
        let by_click = event.touch.map(Opening::Click);
        let key = match event.name {
            EventName::Session => {
                counter_of_opening(event.opening(), at, Metric::Sessions, catalog, zones)
            }
            // A code alone brings no lead.
            EventName::Lead => counter_of_opening(by_click, at, Metric::Leads, catalog, zones),
            EventName::Page | EventName::Purchase => return,
        };
        let Some(key) = key else { return };
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
            if let Some(key) = counter_of(touch.link, at, Metric::Leads, catalog, &mut self.zones)
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
        let touched = (touched, With::OthersOfCustomers);
        settle_groups(state, &mut known, &mut visits, touched, (catalog, now))?;
        for merchant in std::mem::take(&mut self.recount) {
            let mut known = NamedEntries::default();
            let names = state.names_with_totals(merchant)?.into_iter().collect();
            settle_groups(state, &mut known, &mut visits, (names, With::None), (catalog, now))?;
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
            touched.extend(roots_of(&kept, &places, known).cloned());
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

/// Returns the names from which the orders that a new fact could change are reached: its own order
/// id. A claim for which there was no room left under that id stands under its key alone; it
/// changes an order only if a report of the shop bears the key.
fn roots_of<'n>(
    kept: &[&'n NameKey],
    places: &'n [NameKey],
    known: &NamedEntries,
) -> impl Iterator<Item = &'n NameKey> {
    let home = places.first().filter(|home| kept.contains(home));
    let by_key = |place: &&NameKey| home.is_none() && known.leads_elsewhere(place);
    home.into_iter().chain(kept.iter().copied().filter(by_key).collect::<Vec<_>>())
}

/// Which orders are settled with those that are reached from names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum With {
    /// The other orders of their customers: a fact of one order may decide whether another one is
    /// the customer's first.
    OthersOfCustomers,
    /// None. No change of the catalog decides who is a new customer.
    None,
}

/// Settles the orders under names again and writes what they count for. If another node added a
/// fact meanwhile, it does so again: whoever writes last has seen all facts.
fn settle_groups<C: Deref<Target = Catalog>>(
    state: &HotState,
    known: &mut NamedEntries,
    visits: &mut Visits,
    (mut roots, mut with): (BTreeSet<NameKey>, With),
    (catalog, now): (&dyn Fn() -> C, Timestamp),
) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let mut changed = BTreeSet::new();
        while !roots.is_empty() {
            let some: BTreeSet<NameKey> = roots.iter().take(GROUPS_AT_ONCE).cloned().collect();
            roots.retain(|root| !some.contains(root));
            let Concerned { to_settle, others, names } =
                concerned(state, known, visits, (some, with), now)?;
            let mut brought = Brought::default();
            let settled = settled(&to_settle, &others, visits, &catalog(), &mut brought)?;
            let gone: Vec<_> = to_settle.values().flat_map(|facts| superfluous(facts)).collect();
            state.put_orders(&settled)?;
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
        (roots, with) = (changed, With::OthersOfCustomers);
    }
    bail!("orders change faster than they can be settled; it is tried again soon")
}

/// The orders that a step concerns.
struct Concerned {
    to_settle: BTreeMap<OrderKey, Vec<OrderFact>>,
    /// Orders that are only looked at: other orders of the same customers.
    others: BTreeMap<OrderKey, Vec<OrderFact>>,
    /// Everything that was looked at to settle them.
    names: BTreeSet<NameKey>,
}

/// Reads the orders that are reached from names, and those of the same customers. Puts orders under
/// their customers.
fn concerned(
    state: &HotState,
    known: &mut NamedEntries,
    visits: &mut Visits,
    (roots, with): (BTreeSet<NameKey>, With),
    now: Timestamp,
) -> Result<Concerned> {
    let (customers, mut roots): (BTreeSet<_>, BTreeSet<_>) =
        roots.into_iter().partition(is_customer);
    roots.extend(histories::read(state, known, &customers)?);
    let mut found = Gathered::default();
    known.read(state, roots.iter().cloned())?;
    found.add(known, roots, visits);
    let mut customers = customers_of(found.facts());
    let mut homes = histories::enter(state, known, &customers, now)?;
    if with == With::OthersOfCustomers {
        known.read(state, homes.iter().cloned())?;
        found.add(known, homes, visits);
        customers = customers_of(found.facts());
        homes = histories::read(state, known, customers.keys())?;
    }
    known.read(state, homes.iter().cloned())?;
    let mut others = Gathered::default();
    others.add(known, homes, visits);
    others.orders.retain(|key, _| !found.orders.contains_key(key));
    for facts in found.orders.values().chain(others.orders.values()) {
        read_visits(state, visits, facts)?;
    }
    let names = found.names.into_iter().chain(others.names).chain(customers.into_keys()).collect();
    Ok(Concerned { to_settle: found.orders, others: others.orders, names })
}

/// Returns what orders count for and how lists show them, under each name that could be an order's
/// id, and adds them to those that their clicks brought. `others` are other orders of their customers.
fn settled(
    orders: &BTreeMap<OrderKey, Vec<OrderFact>>,
    others: &BTreeMap<OrderKey, Vec<OrderFact>>,
    visits: &Visits,
    catalog: &Catalog,
    brought: &mut Brought,
) -> Result<Vec<SettledOrder>> {
    let no_order = |name: NameKey| SettledOrder { name, totals: vec![], rows: None };
    let mut of_names: BTreeMap<NameKey, SettledOrder> =
        own_names(orders.values().flatten()).map(|name| (name.clone(), no_order(name))).collect();
    let all = orders.values().chain(others.values());
    let all: Vec<Vec<&OrderFact>> = all.map(|facts| facts.iter().collect()).collect();
    let visit = |click: &ClickId| visits.get(click).copied();
    let newness = newness(&all, &visit);
    let mut rows: BTreeMap<NameKey, Vec<Listed>> = BTreeMap::new();
    for ((key, facts), newness) in orders.iter().zip(&newness) {
        let Some(settled) = settle(facts, catalog, &visit, newness) else { continue };
        let name = name_key(key.merchant, &key.name);
        brought.add(&settled, &name);
        rows.entry(name.clone()).or_default().push(Listed::of(key, &settled, facts));
        let of_name = of_names.entry(name.clone()).or_insert_with(|| no_order(name));
        of_name.totals.extend(totals_to_bytes(&counts_for(&settled, catalog)));
    }
    for (name, rows) in rows {
        let bytes = rows_to_bytes(&rows)?;
        of_names.entry(name).and_modify(|of_name| of_name.rows = Some(bytes));
    }
    Ok(of_names.into_values().collect())
}

/// Returns every name that the key of an order of these facts may have. Where ids differ only in
/// case, orders have their own spelling in it; which of them needs it may change with a later fact.
fn own_names<'f>(facts: impl Iterator<Item = &'f OrderFact>) -> impl Iterator<Item = NameKey> {
    let mut spelled: BTreeMap<NameKey, BTreeSet<NameKey>> = BTreeMap::new();
    for fact in facts {
        let name = name_key(fact.merchant, &fold_name(&fact.order_id));
        let twin = name_key(fact.merchant, &twin_name(&fact.order_id));
        spelled.entry(name).or_default().insert(twin);
    }
    let with_twins = |(name, twins): (NameKey, BTreeSet<NameKey>)| {
        let has_twins = twins.len() > 1;
        iter::once(name).chain(twins.into_iter().filter(move |_| has_twins))
    };
    spelled.into_iter().flat_map(with_twins)
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
    zones: &mut Zones,
) -> Option<CounterKey> {
    let link = catalog.links.get(link)?;
    let (campaign, influencer) = (link.campaign(), link.influencer());
    let hour = zones.hour(campaign, at, catalog);
    Some(CounterKey { campaign, hour, influencer, link: Some(link.id()), metric })
}

/// As [`counter_of`]. What a code opened counts for its owner, and for no link.
fn counter_of_opening(
    opening: Option<Opening>,
    at: Timestamp,
    metric: Metric,
    catalog: &Catalog,
    zones: &mut Zones,
) -> Option<CounterKey> {
    let visit = match opening? {
        Opening::Click(touch) => return counter_of(touch.link, at, metric, catalog, zones),
        Opening::Code(visit) => visit,
    };
    let coupon = catalog.coupons.get(&visit.coupon)?;
    let (campaign, influencer) = (coupon.campaign, coupon.influencer);
    let hour = zones.hour(campaign, at, catalog);
    Some(CounterKey { campaign, hour, influencer, link: None, metric })
}

/// Returns whether a counter may be of this merchant: its campaign is of no other one.
fn is_of(merchant: MerchantId, key: &CounterKey, catalog: &Catalog) -> bool {
    catalog.campaigns.get(&key.campaign).is_none_or(|campaign| campaign.merchant == merchant)
}

/// Returns the time zone of a campaign's merchant.
fn zone_of(campaign: CampaignId, catalog: &Catalog) -> Zone {
    let merchant = catalog.campaign_and_merchant(campaign).map(|(_, merchant)| merchant);
    merchant.map_or(Zone::UTC, |merchant| Zone::named(&merchant.timezone))
}

/// Returns what a settled order counts for: in the hour when it was placed, and its commission in
/// the hours when it was booked.
pub(crate) fn counts_for(settled: &Settled, catalog: &Catalog) -> Vec<(CounterKey, i64)> {
    let mut counts = Vec::new();
    let order = &settled.order;
    let credited = Credited::of(settled).map(|it| (it, zone_of(it.campaign, catalog)));
    let key_at = |at, metric| {
        let (Credited { campaign, influencer, link }, zone) = credited.as_ref()?;
        let (campaign, influencer, link) = (*campaign, *influencer, *link);
        Some(CounterKey { campaign, hour: zone.hour(at), influencer, link, metric })
    };
    let key = |metric| key_at(order.placed_at, metric);
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
    let mut booked: BTreeMap<CounterKey, i64> = BTreeMap::new();
    for booking in &settled.bookings {
        let CampaignAccount { campaign, influencer, currency } = booking.account;
        if let Some(key) = key_at(booking.booked_at, Metric::Commission(currency)) {
            *booked.entry(CounterKey { campaign, influencer, ..key }).or_default() +=
                booking.amount_minor;
        }
    }
    counts.extend(booked);
    counts
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use settlement::history::Newness;
    use shared::catalog::{Change, Entity};
    use shared::class::Class;
    use shared::id::{FactId, InfluencerId};
    use shared::money::Currency;
    use shared::order::{Source, Touch};

    use super::*;

    const MERCHANT: MerchantId = MerchantId::from_bits(1);
    const CAMPAIGN: CampaignId = CampaignId::from_bits(2);
    const LINK: LinkId = LinkId::from_bits(5);

    /// A merchant in a time zone, with a link that earns 10 percent.
    fn catalog(timezone: &str) -> Catalog {
        let at = Timestamp::from_ms(0);
        let merchant = json!({
            "id": MERCHANT, "key": "key", "name": "Shop", "domains": [], "currency": "EUR",
            "timezone": timezone, "platform": null, "webhook_secret": null, "created_at": at,
            "updated_at": at,
        });
        let campaign = json!({
            "id": CAMPAIGN, "merchant": MERCHANT, "name": "Autumn", "window_days": 30,
            "dedupe_minutes": 30, "hold_days": 30, "starts_at": null, "ends_at": null,
            "commission": [{ "kind": "percent", "rate": "10" }], "precedence": ["click", "coupon"],
            "model": "last_click", "created_at": at, "updated_at": at,
        });
        let link = json!({
            "id": LINK, "campaign": CAMPAIGN, "influencer": InfluencerId::from_bits(3),
            "destination": "https://shop.test/", "slug": "anna", "starts_at": null,
            "ends_at": null, "fallback": null, "paused": false, "created_at": at, "updated_at": at,
        });
        let entities = vec![
            Entity::Merchant(serde_json::from_value(merchant).unwrap()),
            Entity::Campaign(serde_json::from_value(campaign).unwrap()),
            Entity::Link(serde_json::from_value(link).unwrap()),
        ];
        let mut catalog = Catalog::default();
        catalog.apply(&Change { at, entities, request: None, by: None });
        catalog
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn date(day: u32) -> String {
        Timestamp::from_ms(i64::from(day) * 86_400_000).utc_date()
    }

    #[test]
    fn a_click_counts_on_the_day_of_the_merchants_calendar() {
        for (timezone, at, day) in [
            ("UTC", "2026-11-30T23:30:00Z", "2026-11-30"),
            ("Europe/Berlin", "2026-11-30T22:59:59.999Z", "2026-11-30"),
            ("Europe/Berlin", "2026-11-30T23:00:00Z", "2026-12-01"),
            ("Europe/Berlin", "2026-07-31T22:00:00Z", "2026-08-01"),
            ("America/Los_Angeles", "2026-12-01T07:59:59Z", "2026-11-30"),
            ("Pacific/Auckland", "2026-11-30T11:00:00Z", "2026-12-01"),
        ] {
            let metric = Metric::Clicks(Class::Billable);
            let (catalog, mut zones) = (catalog(timezone), Zones::default());
            for _ in 0..2 {
                let key = counter_of(LINK, time(at), metric, &catalog, &mut zones).unwrap();
                assert_eq!(date(key.day()), day, "{timezone} {at}");
            }
        }
    }

    #[test]
    fn an_order_counts_on_the_day_it_was_placed_and_its_commission_when_it_was_booked() {
        let catalog = catalog("Europe/Berlin");
        let touch = Touch {
            clicked_at: time("2026-11-20T10:00:00Z"),
            click: ClickId::from_bytes([1; 16]),
            link: LINK,
            window_minutes: 43_200,
            key: None,
        };
        let said = |number, received_at, status| OrderFact {
            ordered_at: Some(time("2026-11-29T23:30:00Z")),
            status: Some(status),
            currency: Some("EUR".parse().unwrap()),
            goods_minor: Some(10_000),
            touches: vec![touch],
            ..OrderFact::blank(
                FactId::from_bytes([number; 16]),
                MERCHANT,
                (Platform::Woocommerce, "727".into()),
                Source::Webhook,
                time(received_at),
            )
        };
        let facts = [
            said(1, "2026-11-30T22:59:00Z", Status::Paid),
            said(2, "2026-11-30T23:00:00Z", Status::Void),
        ];
        let settled = settle(&facts, &catalog, &|_| None, &Newness::default()).unwrap();
        let mut counts: Vec<_> = counts_for(&settled, &catalog)
            .into_iter()
            .map(|(key, amount)| (date(key.day()), key.metric, amount))
            .collect();
        counts.sort_unstable();
        let euro: Currency = "EUR".parse().unwrap();
        let day = |day: &str| day.to_owned();
        let expected = [
            (day("2026-11-30"), Metric::Orders, 0),
            (day("2026-11-30"), Metric::Revenue(euro), 0),
            (day("2026-11-30"), Metric::Commission(euro), 1_000),
            (day("2026-12-01"), Metric::Commission(euro), -1_000),
        ];
        assert_eq!(counts, expected);
    }
}
