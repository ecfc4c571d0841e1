//! Pages of lists of orders, the newest first.
//!
//! A page reads the parts of one list that may have orders that are wanted, and merges them by time.
//! It reads hardly more keys than it shows orders, however many there are. It never shows an order
//! whose row says something else than the list.

use std::collections::VecDeque;

use anyhow::Result;
use settlement::attribution::Method;
use shared::id::MerchantId;
use shared::order::{Status, fold_name};
use shared::time::Timestamp;

use crate::listed::{Facet, Listed, Scope, SortKey, anchor_of, merchant_of, newest_first};
use crate::model::{KeyRange, NameKey, name_key};
use crate::orders::keys_of_orders;
use crate::state::HotState;

/// Keys that are read of each part of a list at once, at least.
const KEYS_AT_ONCE: usize = 32;
/// Keys that are looked at for one page, at most: others may write to a store that nodes share.
const KEYS_MAX: usize = 20_000;
/// Names that are looked up at once.
const NAMES_AT_ONCE: usize = 1000;

/// Which page of a list is asked for.
pub struct ListQuestion<'q> {
    pub scope: Scope,
    /// Whether orders of this method and status, confirmed by the shop or not, are wanted.
    pub is_wanted: &'q dyn Fn(Method, Status, bool) -> bool,
    /// Orders that were placed from here on.
    pub from: Option<Timestamp>,
    /// Orders that were placed before here.
    pub until: Option<Timestamp>,
    /// Orders that stand behind this one.
    pub after: Option<SortKey>,
    /// How many orders a page has.
    pub limit: usize,
    /// What else must hold of an order.
    pub keep: &'q dyn Fn(&ListedOrder) -> bool,
}

/// An order in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedOrder {
    pub merchant: MerchantId,
    pub key: SortKey,
    pub row: Listed,
}

impl ListedOrder {
    /// Returns what stays the same when the order changes its place in lists.
    pub fn identity(&self) -> (NameKey, u8) {
        (self.key.name(), self.row.anchor)
    }
}

/// A page of a list.
#[derive(Debug, Default)]
pub struct ListPage {
    pub orders: Vec<ListedOrder>,
    /// Where the next page begins; `None` on the last one. A page may have fewer orders than were
    /// asked for and still not be the last one.
    pub next: Option<SortKey>,
    /// How many keys of lists were read.
    pub keys_read: usize,
}

/// Reads a page of a list.
///
/// # Errors
/// When the state cannot be read.
pub fn page(state: &HotState, question: &ListQuestion<'_>) -> Result<ListPage> {
    let mut merge = Merge::of(question);
    let mut page = ListPage::default();
    while page.orders.len() <= question.limit && page.next.is_none() {
        let missing = question.limit + 1 - page.orders.len();
        let keys = merge.next(state, missing)?;
        let Some((_, last)) = keys.last() else { break };
        // A store that others filled must not keep a report busy.
        page.next = Some(last.clone()).filter(|_| merge.keys_read >= KEYS_MAX);
        page.orders.extend(orders_at(state, question, keys)?);
    }
    page.keys_read = merge.keys_read;
    if page.orders.len() > question.limit {
        page.orders.truncate(question.limit);
        page.next = page.orders.last().map(|last| last.key.clone());
    }
    Ok(page)
}

/// Returns the orders whose rows say that they stand at these keys, if they are wanted.
fn orders_at(
    state: &HotState,
    question: &ListQuestion<'_>,
    keys: Vec<(Facet, SortKey)>,
) -> Result<Vec<ListedOrder>> {
    let names: Vec<NameKey> = keys.iter().map(|(_, key)| key.name()).collect();
    let rows = state.listed(&names)?;
    let mut orders = Vec::with_capacity(keys.len());
    for (((facet, key), name), rows) in keys.into_iter().zip(names).zip(rows) {
        let is_here = |row: &Listed| row.is_at(question.scope, facet, &key, &name);
        let row = rows.into_iter().find(is_here);
        let order = row.zip(merchant_of(&name));
        let order = order.map(|(row, merchant)| ListedOrder { merchant, key, row });
        orders.extend(order.filter(|order| (question.keep)(order)));
    }
    Ok(orders)
}

/// The parts of a list, merged by time.
struct Merge {
    parts: Vec<Part>,
    keys_at_once: usize,
    keys_read: usize,
    last: Option<SortKey>,
}

/// A part of a list while it is read.
struct Part {
    facet: Facet,
    /// Bytes before the sort key.
    prefix: usize,
    rest: KeyRange,
    read: VecDeque<SortKey>,
    /// Whether everything of it was read.
    is_whole: bool,
}

impl Merge {
    fn of(question: &ListQuestion<'_>) -> Self {
        let facets = Facet::all_of(question.is_wanted).into_iter();
        Self {
            parts: facets.map(|facet| Part::of(question, facet)).collect(),
            keys_at_once: KEYS_AT_ONCE.max(question.limit / 4),
            keys_read: 0,
            last: question.after.clone(),
        }
    }

    /// Returns the next keys, so many at most. None means that there are no more.
    fn next(&mut self, state: &HotState, count: usize) -> Result<Vec<(Facet, SortKey)>> {
        let mut keys = Vec::with_capacity(count.min(NAMES_AT_ONCE));
        while keys.len() < count.min(NAMES_AT_ONCE) {
            self.fill(state)?;
            let parts = self.parts.iter_mut().filter(|part| !part.read.is_empty());
            let Some(part) = parts.min_by(|a, b| a.read.front().cmp(&b.read.front())) else {
                break;
            };
            let Some(key) = part.read.pop_front() else { break };
            // A list may change between two reads: what was passed is not shown again.
            if self.last.as_ref().is_none_or(|last| key >= *last) {
                self.last = Some(key.clone());
                keys.push((part.facet, key));
            }
        }
        Ok(keys)
    }

    /// Reads on where everything that was read of a part is used up.
    fn fill(&mut self, state: &HotState) -> Result<()> {
        let is_due = |part: &&mut Part| part.read.is_empty() && !part.is_whole;
        let mut due: Vec<&mut Part> = self.parts.iter_mut().filter(is_due).collect();
        if due.is_empty() {
            return Ok(());
        }
        let ranges: Vec<KeyRange> = due.iter().map(|part| part.rest.clone()).collect();
        let found = state.list_keys(&ranges, self.keys_at_once)?;
        for (part, keys) in due.iter_mut().zip(found) {
            self.keys_read += keys.len();
            part.take(keys, self.keys_at_once);
        }
        Ok(())
    }
}

impl Part {
    fn of(question: &ListQuestion<'_>, facet: Facet) -> Self {
        let prefix = [&question.scope.to_bytes()[..], &[facet.0]].concat();
        let at = |key: &[u8]| [&prefix, key].concat();
        let newest = question.until.map_or_else(|| at(&[]), |until| at(&after(until)));
        let behind = question.after.as_ref().map(|key| [&at(key.as_bytes())[..], &[0]].concat());
        let from = behind.map_or(newest.clone(), |behind| behind.max(newest));
        let next_part = [&question.scope.to_bytes()[..], &[facet.0 + 1]].concat();
        let until = question.from.map_or(next_part, |from| at(&after(from)));
        let (prefix, rest) = (prefix.len(), KeyRange { from, until });
        Self { facet, prefix, rest, read: VecDeque::new(), is_whole: false }
    }

    fn take(&mut self, keys: Vec<Vec<u8>>, asked: usize) {
        self.is_whole = keys.len() < asked;
        if let Some(last) = keys.last() {
            self.rest.from = [last, &[0][..]].concat();
        }
        let sort_key = |key: Vec<u8>| SortKey::from_bytes(key.get(self.prefix..)?.to_vec());
        self.read.extend(keys.into_iter().filter_map(sort_key));
    }
}

/// Returns the first bytes behind every key of orders that were placed at this time or later.
fn after(at: Timestamp) -> [u8; 8] {
    u64::from_be_bytes(newest_first(at)).saturating_add(1).to_be_bytes()
}

/// Returns the orders of these merchants that bear a name: as their id, or as another name. They
/// come as in lists.
///
/// # Errors
/// When the state cannot be read.
pub fn listed_under(
    state: &HotState,
    merchants: &[MerchantId],
    name: &str,
) -> Result<Vec<ListedOrder>> {
    let folded = fold_name(name);
    let mut found = Vec::new();
    for some in merchants.chunks(NAMES_AT_ONCE) {
        let roots: Vec<NameKey> =
            some.iter().map(|merchant| name_key(*merchant, &folded)).collect();
        let entries = state.entries(&roots)?;
        for (merchant, entries) in some.iter().zip(entries) {
            if entries.is_empty() {
                continue;
            }
            let keys = keys_of_orders(state, *merchant, &folded)?;
            let names: Vec<NameKey> =
                keys.iter().map(|key| name_key(*merchant, &key.name)).collect();
            for ((key, name), rows) in keys.iter().zip(&names).zip(state.listed(&names)?) {
                let rows = rows.into_iter().filter(|row| row.anchor == anchor_of(key));
                found.extend(rows.map(|row| {
                    let key = row.sort_key(name);
                    ListedOrder { merchant: *merchant, key, row }
                }));
            }
        }
    }
    found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Ok(found)
}
