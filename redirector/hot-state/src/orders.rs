//! Orders in the hot state: what stands under their names, and what is one order.
//!
//! A report stands under its own order id; every other name it bears points there. So the reports
//! that could matter to each other are found by following names, and which of them are one order is
//! decided by `shared::order::by_order`. Reports are only ever added: nodes that share a store need
//! not agree on anything.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;
use shared::id::{ClickId, MerchantId};
use shared::order::{OrderFact, OrderKey, Visit, by_order, distinct, fold_name};

use crate::model::{Entry, EntryKey, NameKey, name_key};
use crate::state::HotState;

/// A name that so many reports bear which are about other ids leads nowhere: a shop that gives many
/// orders one name must not have them all read at once. Such a name names no order anyway.
const BEARERS_MAX: usize = 500;
/// Reports of browsers kept under one name: anybody can send more. Of these the first few count.
const BROWSER_ENTRIES_MAX: usize = 200;
/// Names read at once.
const NAMES_AT_ONCE: usize = 1000;

/// What is known under some names, and under all that they lead to.
#[derive(Debug, Default)]
pub(crate) struct NamedEntries {
    names: HashMap<NameKey, HashMap<EntryKey, Entry>>,
}

/// Reports that share names, directly or by others.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub names: BTreeSet<NameKey>,
    pub facts: Vec<OrderFact>,
    pub visits: HashMap<ClickId, Visit>,
}

impl NamedEntries {
    /// Reads what stands under names and under those they lead to.
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

    /// Adds an entry; whether it is new.
    pub(crate) fn add(&mut self, name: &NameKey, entry: Entry) -> bool {
        let entries = self.names.entry(name.clone()).or_default();
        if entries.contains_key(&entry.key()) || is_one_too_many(entries, &entry) {
            return false;
        }
        entries.insert(entry.key(), entry);
        true
    }

    /// How many entries each name has.
    pub(crate) fn count(&self, name: &NameKey) -> usize {
        self.names.get(name).map_or(0, HashMap::len)
    }

    /// Forgets what was read, so that it is read anew.
    pub(crate) fn forget(&mut self, name: &NameKey) {
        self.names.remove(name);
    }

    /// The group of a name.
    pub(crate) fn group(&self, root: &NameKey) -> Group {
        let mut group = Group::default();
        let mut wanted = vec![root.clone()];
        while let Some(name) = wanted.pop() {
            let Some(entries) = self.names.get(&name) else { continue };
            if !group.names.insert(name) {
                continue;
            }
            for entry in entries.values() {
                match entry {
                    Entry::Fact(fact) => group.facts.push(fact.as_ref().clone()),
                    Entry::Led(visit) => _ = group.visits.insert(visit.touch.click, *visit),
                    Entry::Elsewhere(..) => {}
                }
            }
            wanted.extend(leads_to(entries));
        }
        group
    }
}

/// The names that entries lead to.
fn leads_to(entries: &HashMap<EntryKey, Entry>) -> BTreeSet<NameKey> {
    let bearers = entries.values().filter(|entry| matches!(entry, Entry::Elsewhere(..))).count();
    let mut names = BTreeSet::new();
    for entry in entries.values() {
        match entry {
            Entry::Fact(fact) => names.extend(keys_of(fact)),
            Entry::Elsewhere(_, home) if bearers <= BEARERS_MAX => _ = names.insert(home.clone()),
            Entry::Elsewhere(..) | Entry::Led(_) => {}
        }
    }
    names
}

fn is_one_too_many(entries: &HashMap<EntryKey, Entry>, entry: &Entry) -> bool {
    let by_browser = |entry: &Entry| matches!(entry, Entry::Fact(fact) if !fact.source.confirms());
    by_browser(entry) && entries.values().filter(|e| by_browser(e)).count() >= BROWSER_ENTRIES_MAX
}

/// The keys of every name of a report, its own order id first.
pub(crate) fn keys_of(fact: &OrderFact) -> Vec<NameKey> {
    fact.names().iter().map(|name| name_key(fact.merchant, name)).collect()
}

impl Group {
    /// The facts of each order, repeated deliveries and what is too much left out.
    pub(crate) fn orders(&self) -> Vec<(OrderKey, Vec<OrderFact>)> {
        let of_order = |(key, facts): (OrderKey, Vec<&OrderFact>)| {
            let facts: Vec<OrderFact> = facts.into_iter().cloned().collect();
            (key, distinct(&facts).into_iter().cloned().collect())
        };
        by_order(&self.facts).into_iter().map(of_order).collect()
    }
}

/// What the hot state knows of an order.
pub struct FoundOrder {
    /// The reports, each once.
    pub facts: Vec<OrderFact>,
    visits: HashMap<ClickId, Visit>,
}

impl FoundOrder {
    /// A click that led to the order, or that is remembered still.
    pub fn visit(&self, state: &HotState, click: &ClickId) -> Option<Visit> {
        self.visits.get(click).copied().or_else(|| state.visit(click).ok().flatten())
    }
}

/// The order that a merchant's name stands for: the one whose id it is, else one that bears it.
///
/// # Errors
/// When the state cannot be read.
pub fn find_order(
    state: &HotState,
    merchant: MerchantId,
    name: &str,
) -> Result<Option<FoundOrder>> {
    let name = fold_name(name);
    let root = name_key(merchant, &name);
    let mut known = NamedEntries::default();
    known.read(state, [root.clone()])?;
    let group = known.group(&root);
    let mut orders = group.orders();
    let own = orders.iter().position(|(key, _)| key.name == name);
    let bears =
        |(_, facts): &(OrderKey, Vec<OrderFact>)| facts.iter().any(|f| f.names().contains(&name));
    let found = own.or_else(|| orders.iter().position(bears));
    Ok(found.map(|index| FoundOrder { facts: orders.swap_remove(index).1, visits: group.visits }))
}
