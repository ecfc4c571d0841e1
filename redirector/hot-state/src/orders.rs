//! Orders in the hot state: which entries stand under their names, and which facts are one order.
//!
//! A fact stands under its own order id; every other name that it bears points there. So the facts
//! that could matter to each other are found by following names. `shared::order::by_order` decides
//! which of them are one order. Facts are only ever added, and removed only where they change
//! nothing, so nodes that share a store need not agree on anything.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher;

use anyhow::Result;
use settlement::history::Heard;
use shared::id::{ClickId, FactId, MerchantId, ProofId};
use shared::order::{
    BROWSER_FACTS_MAX, OrderFact, OrderKey, PATH_TOUCHES_MAX, Visit, by_order, deliveries,
    distinct, fold_name, folded_of_key, normal_order_id, proof_name, repetitions,
};
use shared::time::{Span, Timestamp};

use crate::model::{Entry, EntryKey, NameKey, fact_entry_key, name_key};
use crate::state::HotState;

/// A name is not followed when it leads to more than this number of other names. A shop may give
/// many orders the same name, and all of them must not be read at once. Such a name identifies no
/// order anyway.
const BEARERS_MAX: usize = 500;
/// Claims of browsers are kept under a name up to a bound for each of these spans of arrival. So
/// claims of an order that does not exist yet cannot shut its buyer out.
const CLAIMS_SPAN: Span = Span::minutes(5);
/// Names read at once.
const NAMES_AT_ONCE: usize = 1000;

/// The entries under some names, and under all names that they lead to.
#[derive(Debug, Default)]
pub(crate) struct NamedEntries {
    names: HashMap<NameKey, HashMap<EntryKey, Entry>>,
}

/// Facts that share names, directly or through other facts.
#[derive(Debug, Default)]
pub(crate) struct Group<'k> {
    pub names: BTreeSet<NameKey>,
    pub facts: Vec<&'k OrderFact>,
    pub visits: HashMap<ClickId, Visit>,
}

impl NamedEntries {
    /// Reads the entries under names, and under all names that they lead to.
    pub(crate) fn read(
        &mut self,
        state: &HotState,
        roots: impl IntoIterator<Item = NameKey>,
    ) -> Result<()> {
        let mut wanted: BTreeSet<NameKey> = roots.into_iter().collect();
        loop {
            wanted.retain(|name| !self.names.contains_key(name));
            let some: Vec<NameKey> = wanted.iter().take(NAMES_AT_ONCE).cloned().collect();
            if some.is_empty() {
                return Ok(());
            }
            let entries = state.entries(&some)?;
            for (name, entries) in some.into_iter().zip(entries) {
                let entries: HashMap<_, _> =
                    entries.into_iter().map(|entry| (entry.key(), entry)).collect();
                wanted.extend(leads_to(&entries));
                self.names.insert(name, entries);
            }
        }
    }

    /// Returns whether an entry is there already or may be added.
    pub(crate) fn takes(&self, name: &NameKey, entry: &Entry) -> bool {
        let may_add = |entries: &HashMap<EntryKey, Entry>| {
            entries.contains_key(&entry.key()) || !is_one_too_many(entries, entry)
        };
        self.names.get(name).is_none_or(may_add)
    }

    /// Returns whether facts that stand elsewhere bear a name.
    pub(crate) fn leads_elsewhere(&self, name: &NameKey) -> bool {
        let entries = self.names.get(name).into_iter().flat_map(HashMap::values);
        entries.into_iter().any(|entry| matches!(entry, Entry::Elsewhere(..)))
    }

    /// Returns what was heard of the orders that stand under a customer's key.
    pub(crate) fn heard(&self, customer: &NameKey) -> BTreeSet<Heard> {
        let entries = self.names.get(customer).into_iter().flat_map(HashMap::values);
        let heard = entries.filter_map(|entry| match entry {
            Entry::Bought(heard) => Some(heard.clone()),
            _ => None,
        });
        heard.collect()
    }

    /// Adds an entry. Returns whether it is new and was kept.
    pub(crate) fn add(&mut self, name: &NameKey, entry: Entry) -> bool {
        let entries = self.names.entry(name.clone()).or_default();
        if entries.contains_key(&entry.key()) || is_one_too_many(entries, &entry) {
            return false;
        }
        entries.insert(entry.key(), entry);
        true
    }

    /// Returns the number of entries under a name.
    pub(crate) fn count(&self, name: &NameKey) -> usize {
        self.names.get(name).map_or(0, HashMap::len)
    }

    /// Drops the entries that were read under a name, so that they are read again.
    pub(crate) fn forget(&mut self, name: &NameKey) {
        self.names.remove(name);
    }

    /// Drops an entry that was removed from the state.
    pub(crate) fn remove(&mut self, name: &NameKey, entry: &EntryKey) {
        self.names.get_mut(name).and_then(|entries| entries.remove(entry));
    }

    /// Collects the facts and clicks under a name and under all names that it leads to.
    pub(crate) fn group(&self, root: &NameKey) -> Group<'_> {
        let mut group = Group::default();
        let mut wanted = vec![root.clone()];
        while let Some(name) = wanted.pop() {
            let Some(entries) = self.names.get(&name) else { continue };
            if !group.names.insert(name) {
                continue;
            }
            for entry in entries.values() {
                match entry {
                    Entry::Fact(fact) => group.facts.push(fact),
                    Entry::Led(visit) => _ = group.visits.insert(visit.touch.click, *visit),
                    Entry::Elsewhere(..) | Entry::Bought(_) => {}
                }
            }
            wanted.extend(leads_to(entries));
        }
        group
    }
}

/// Returns the names that entries lead to.
fn leads_to(entries: &HashMap<EntryKey, Entry>) -> BTreeSet<NameKey> {
    let (mut names, mut elsewhere) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries.values() {
        match entry {
            Entry::Fact(fact) => names.extend(keys_of(fact)),
            Entry::Elsewhere(_, home) => _ = elsewhere.insert(home),
            // A customer's orders are many orders, not one.
            Entry::Led(_) | Entry::Bought(_) => {}
        }
    }
    // Many reports of one order are no reason to lose it.
    if elsewhere.len() <= BEARERS_MAX {
        names.extend(elsewhere.into_iter().cloned());
    }
    names
}

fn is_one_too_many(entries: &HashMap<EntryKey, Entry>, entry: &Entry) -> bool {
    let span_of_claim = |entry: &Entry| match entry {
        Entry::Fact(fact) if !fact.source.confirms() => {
            Some(fact.received_at.as_ms().div_euclid(CLAIMS_SPAN.as_ms()))
        }
        _ => None,
    };
    let Some(span) = span_of_claim(entry) else { return false };
    entries.values().filter(|entry| span_of_claim(entry) == Some(span)).count() >= BROWSER_FACTS_MAX
}

/// Returns the names under which a whole fact stands: its order id, and for a browser's claim also
/// its key, hashed. Whoever does not have the key cannot fill that place.
pub(crate) fn places_of(fact: &OrderFact) -> Vec<NameKey> {
    let home = name_key(fact.merchant, &fold_name(&fact.order_id));
    let proofs = fact.proofs.iter().filter(|_| !fact.source.confirms());
    let keys = proofs.map(|proof| name_key(fact.merchant, &proof_name(proof)));
    [home].into_iter().chain(keys).collect()
}

/// Returns the key of every name of a fact, its own order id first.
pub(crate) fn keys_of(fact: &OrderFact) -> Vec<NameKey> {
    fact.names().iter().map(|name| name_key(fact.merchant, name)).collect()
}

impl Group<'_> {
    /// Returns the deliveries of each order that may count, without those above the limits.
    pub(crate) fn orders(&self) -> Vec<(OrderKey, Vec<OrderFact>)> {
        let of_order = |(key, facts): (OrderKey, Vec<&OrderFact>)| {
            (key, deliveries(facts).into_iter().cloned().collect())
        };
        by_order(self.facts.iter().copied()).into_iter().map(of_order).collect()
    }
}

/// Returns where the entries of facts of one order stand that need not be kept.
pub(crate) fn superfluous(facts: &[OrderFact]) -> Vec<(NameKey, EntryKey)> {
    let gone: HashSet<(FactId, Timestamp)> = repetitions(facts).into_iter().collect();
    let of_fact = |fact: &OrderFact| {
        let entry = fact_entry_key(fact);
        places_of(fact).into_iter().map(move |place| (place, entry))
    };
    let is_gone = |fact: &&OrderFact| gone.contains(&(fact.id, fact.received_at));
    facts.iter().filter(is_gone).flat_map(of_fact).collect()
}

/// Orders with all their facts, and the names from which they were reached.
#[derive(Default)]
pub(crate) struct Gathered {
    pub orders: BTreeMap<OrderKey, Vec<OrderFact>>,
    pub names: BTreeSet<NameKey>,
}

impl Gathered {
    /// Adds the orders that are reached from names, which must have been read. `visits` gets the
    /// clicks that led to them.
    pub(crate) fn add<S: BuildHasher>(
        &mut self,
        known: &NamedEntries,
        roots: impl IntoIterator<Item = NameKey>,
        visits: &mut HashMap<ClickId, Visit, S>,
    ) {
        for root in roots {
            if self.names.contains(&root) {
                continue;
            }
            let group = known.group(&root);
            visits.extend(group.visits.iter());
            // Groups of several roots may hold the same order, each with other claims.
            for (key, facts) in group.orders() {
                self.orders.entry(key).or_default().extend(facts);
            }
            self.names.extend(group.names);
        }
    }

    /// Returns all facts of the orders.
    pub(crate) fn facts(&self) -> impl Iterator<Item = &OrderFact> {
        self.orders.values().flatten()
    }
}

/// What the hot state knows of an order.
pub struct FoundOrder {
    pub(crate) key: OrderKey,
    /// Each fact once, or once for each time that it was taken back and said anew.
    pub facts: Vec<OrderFact>,
    pub(crate) visits: HashMap<ClickId, Visit>,
}

impl FoundOrder {
    /// Returns the window of a click that led to the order.
    pub fn visit(&self, click: &ClickId) -> Option<Visit> {
        self.visits.get(click).copied()
    }
}

/// Reads the clicks that facts bring along, and the clicks before them, as far as they are not
/// known and still remembered.
pub(crate) fn read_visits<S: BuildHasher>(
    state: &HotState,
    visits: &mut HashMap<ClickId, Visit, S>,
    facts: &[OrderFact],
) -> Result<()> {
    let mut wanted: BTreeSet<ClickId> = facts.iter().flat_map(clicks_of).collect();
    for _ in 0..PATH_TOUCHES_MAX {
        let unknown: Vec<ClickId> =
            wanted.iter().filter(|click| !visits.contains_key(*click)).copied().collect();
        if !unknown.is_empty() {
            let found = state.visits(&unknown)?;
            visits.extend(found.into_iter().map(|visit| (visit.touch.click, visit)));
        }
        let before = |click: &ClickId| visits.get(click).and_then(|visit| visit.previous);
        wanted = wanted.iter().filter_map(before).collect();
        if wanted.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Returns the clicks that a fact brings along, by token or by id.
pub(crate) fn clicks_of(fact: &OrderFact) -> impl Iterator<Item = ClickId> {
    fact.touches.iter().map(|touch| touch.click).chain(fact.clicks.iter().copied())
}

/// Returns the order that a merchant's name stands for: the order with this id, or else one that
/// bears the name, or has it as its key. An order that spells it the same comes before one that
/// differs in case.
///
/// # Errors
/// When the state cannot be read.
pub fn find_order(
    state: &HotState,
    merchant: MerchantId,
    name: &str,
) -> Result<Option<FoundOrder>> {
    let (spelled, folded) = (normal_order_id(name), fold_name(name));
    let found = find_under(state, merchant, &folded, |orders| {
        let position = |is_it: &dyn Fn(&OrderKey, &OrderFact) -> bool| {
            orders.iter().position(|(key, facts)| facts.iter().any(|fact| is_it(key, fact)))
        };
        let is_spelled =
            |fact: &OrderFact| fact.source.confirms() && fact.spelled_names().contains(&spelled);
        let is_own = |key: &OrderKey, fact: &OrderFact| {
            folded_of_key(&key.name) == folded && normal_order_id(&fact.order_id) == spelled
        };
        position(&|key, fact| is_own(key, fact) && fact.source.confirms())
            .or_else(|| position(&|_, fact| is_spelled(fact)))
            .or_else(|| position(&is_own))
            .or_else(|| position(&|key, _| key.name == folded))
            .or_else(|| position(&|_, fact| fact.names().contains(&folded)))
    })?;
    if found.is_some() {
        return Ok(found);
    }
    let Some(proof) = ProofId::of_key(merchant, name) else { return Ok(None) };
    let by_key = proof_name(&proof);
    find_under(state, merchant, &by_key, |orders| {
        orders.iter().position(|(_, facts)| facts.iter().any(|f| f.names().contains(&by_key)))
    })
}

/// Returns the keys of the orders that bear a folded name.
pub(crate) fn keys_of_orders(
    state: &HotState,
    merchant: MerchantId,
    folded: &str,
) -> Result<Vec<OrderKey>> {
    let root = name_key(merchant, folded);
    let mut known = NamedEntries::default();
    known.read(state, [root.clone()])?;
    let orders = known.group(&root).orders().into_iter();
    let bears = |facts: &[OrderFact]| {
        facts.iter().any(|fact| fact.names().iter().any(|name| name == folded))
    };
    let named = orders.filter(|(_, facts)| bears(facts));
    Ok(named.map(|(key, _)| key).collect())
}

/// Returns the order whose key has this name.
pub(crate) fn find_order_of_key(
    state: &HotState,
    merchant: MerchantId,
    name: &str,
) -> Result<Option<FoundOrder>> {
    let folded = folded_of_key(name);
    find_under(state, merchant, folded, |orders| {
        orders.iter().position(|(key, _)| key.name == name)
    })
}

/// Picks one of the orders that stand under a folded name or under names that it leads to.
fn find_under(
    state: &HotState,
    merchant: MerchantId,
    folded: &str,
    pick: impl FnOnce(&[(OrderKey, Vec<OrderFact>)]) -> Option<usize>,
) -> Result<Option<FoundOrder>> {
    let root = name_key(merchant, folded);
    let mut known = NamedEntries::default();
    known.read(state, [root.clone()])?;
    let group = known.group(&root);
    let mut orders = group.orders();
    let Some(index) = pick(&orders) else { return Ok(None) };
    let (key, facts) = orders.swap_remove(index);
    let facts = distinct(&facts).into_iter().cloned().collect();
    let mut found = FoundOrder { key, facts, visits: group.visits };
    read_visits(state, &mut found.visits, &found.facts)?;
    Ok(Some(found))
}
