//! Settled orders in the embedded store: what they count for, also together, how lists show them, and
//! which orders a list has. All of it is written in one step.

use std::collections::BTreeMap;

use anyhow::Result;
use fjall::OwnedWriteBatch;
use shared::id::MerchantId;

use crate::embedded::counters::{ORDERS, amount_of, beginning};
use crate::embedded::store::{Embedded, each_of};
use crate::listed::{Listed, keys_of_rows, rows_from_bytes};
use crate::model::{CounterKey, KeyRange, NameKey, SettledOrder, totals_from_bytes};

impl Embedded {
    /// Writes amounts, their sums, rows and lists in one step.
    pub fn put_orders(&self, orders: &[SettledOrder]) -> Result<()> {
        let mut writes = self.database.batch();
        let mut sums: BTreeMap<CounterKey, OrdersSum> = BTreeMap::new();
        for SettledOrder { name, totals, rows } in orders {
            let before = self.totals.get(name)?;
            for (sign, totals) in [(-1, before.as_deref().unwrap_or_default()), (1, totals)] {
                for (key, amount) in totals_from_bytes(totals) {
                    let change = OrdersSum { amount: sign * amount, orders: sign };
                    let sum = sums.entry(key).or_default();
                    *sum = sum.plus(change);
                }
            }
            writes.insert(&self.totals, name.as_slice(), totals.as_slice());
            let row_key = row_key(name);
            let held = self.lists.get(&row_key)?;
            if held.as_deref() == rows.as_deref() {
                continue;
            }
            let before = keys_of_rows(name, held.as_deref());
            let after = keys_of_rows(name, rows.as_deref());
            before.difference(&after).for_each(|key| writes.remove(&self.lists, key.as_slice()));
            after
                .difference(&before)
                .for_each(|key| writes.insert(&self.lists, key.as_slice(), []));
            match rows {
                Some(rows) => writes.insert(&self.lists, row_key, rows.as_slice()),
                None => writes.remove(&self.lists, row_key),
            }
        }
        self.add_to_sums(&mut writes, &sums)?;
        Ok(writes.commit()?)
    }

    /// Adds to the sums over all orders.
    fn add_to_sums(
        &self,
        writes: &mut OwnedWriteBatch,
        changes: &BTreeMap<CounterKey, OrdersSum>,
    ) -> Result<()> {
        self.note_promoted(writes, changes.keys())?;
        for (counter, change) in
            changes.iter().filter(|(_, change)| **change != OrdersSum::default())
        {
            let key = [beginning(ORDERS), counter.to_bytes()].concat();
            let held = self.counters.get(&key)?;
            let held = held.map_or_else(OrdersSum::default, |bytes| OrdersSum::from_bytes(&bytes));
            let sum = held.plus(*change);
            if sum.orders > 0 {
                writes.insert(&self.counters, key, sum.to_bytes());
            } else {
                writes.remove(&self.counters, key);
            }
        }
        Ok(())
    }

    pub fn list_keys(&self, ranges: &[KeyRange], count: usize) -> Result<Vec<Vec<Vec<u8>>>> {
        let of_range = |range: &KeyRange| -> Result<Vec<Vec<u8>>> {
            if range.from >= range.until {
                return Ok(vec![]);
            }
            let keys = self.lists.range(&range.from[..]..&range.until[..]).take(count);
            keys.map(|entry| Ok(entry.key()?.to_vec())).collect()
        };
        ranges.iter().map(of_range).collect()
    }

    pub fn listed(&self, names: &[NameKey]) -> Result<Vec<Vec<Listed>>> {
        let of_name = |name: &NameKey| -> Result<Vec<Listed>> {
            let rows = self.lists.get(row_key(name))?.and_then(|rows| rows_from_bytes(&rows));
            Ok(rows.unwrap_or_default())
        };
        names.iter().map(of_name).collect()
    }

    pub fn names_with_totals(&self, merchant: MerchantId) -> Result<Vec<NameKey>> {
        let mut names = Vec::new();
        each_of(&self.totals, &merchant.bits().to_be_bytes(), &mut |name, _| {
            names.push(name.to_vec());
        })?;
        Ok(names)
    }
}

/// What orders count for together, and how many of them count for it. A sum to which no order adds
/// is not there, as if it had never been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct OrdersSum {
    amount: i64,
    orders: i64,
}

impl OrdersSum {
    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.amount.to_be_bytes());
        bytes[8..].copy_from_slice(&self.orders.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        Self { amount: amount_of(bytes), orders: bytes.get(8..).map_or(0, amount_of) }
    }

    const fn plus(self, change: Self) -> Self {
        Self {
            amount: self.amount.saturating_add(change.amount),
            orders: self.orders + change.orders,
        }
    }
}

/// Returns the key of the rows under a name. No list is of this kind.
fn row_key(name: &[u8]) -> Vec<u8> {
    [&[ROWS][..], name].concat()
}

/// The kind of the keys of rows.
const ROWS: u8 = 0x40;
