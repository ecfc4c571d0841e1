//! Settled orders in Redis: what they count for, how lists show them, and which orders a list has.
//!
//! A list lies in one bucket, so that a page is a range of one sorted set; rows lie where their name
//! does. Keys of lists are added before a row says them and removed after it no longer does, so an order that changes is in its lists all the time, and once.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::listed::{Listed, SortKey, keys_of_rows, rows_from_bytes, scope_of_key};
use crate::model::{KeyRange, NameKey, SettledOrder};
use crate::redis::buckets::Buckets;
use crate::redis::client::Redis;
use crate::redis::keys::{TOTALS, bucket_of, key};
use crate::redis::store::sealed_name;

/// Under what rows are sealed, beside their name.
const ROWS: &[u8] = b"rows";

/// Returns where the key of a list stands.
fn list_of(list_key: &[u8]) -> (u8, Vec<u8>) {
    let bucket = bucket_of(scope_of_key(list_key));
    (bucket, key(bucket, b'i', &[]))
}

impl Redis {
    pub fn put_orders(&self, orders: &[SettledOrder]) -> Result<()> {
        let names: Vec<NameKey> = orders.iter().map(|order| order.name.clone()).collect();
        let held = self.rows(&names)?;
        let (mut added, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for (order, held) in orders.iter().zip(&held) {
            let before = keys_of_rows(&order.name, held.as_deref());
            let after = keys_of_rows(&order.name, order.rows.as_deref());
            gone.extend(before.difference(&after).cloned());
            // Also those that are there already: the bucket may have lost them.
            added.extend(after);
        }
        let mut buckets = Buckets::default();
        for added in &added {
            let (bucket, list) = list_of(added);
            buckets.at(bucket).cmd("ZADD").arg(list).arg(0).arg(added).ignore();
        }
        buckets.write::<()>(self)?;
        self.put_rows(orders)?;
        let mut buckets = Buckets::default();
        for gone in &gone {
            let (bucket, list) = list_of(gone);
            buckets.at(bucket).cmd("ZREM").arg(list).arg(gone).ignore();
        }
        buckets.write::<()>(self).map(|_| ())
    }

    fn put_rows(&self, orders: &[SettledOrder]) -> Result<()> {
        let mut buckets = Buckets::default();
        for SettledOrder { name, totals, rows } in orders {
            let (bucket, pipeline) = (bucket_of(name), buckets.of(name));
            pipeline.cmd("HSET").arg(key(bucket, TOTALS, &[])).arg(name).arg(totals).ignore();
            let place = key(bucket, b'o', &[]);
            match rows {
                Some(rows) => {
                    let sealed = self.sealer.seal(&sealed_name(name, ROWS), rows);
                    pipeline.cmd("HSET").arg(place).arg(name).arg(sealed).ignore();
                }
                None => _ = pipeline.cmd("HDEL").arg(place).arg(name).ignore(),
            }
        }
        buckets.write::<()>(self).map(|_| ())
    }

    /// Returns the rows under names as bytes, and deletes what none of our nodes wrote.
    fn rows(&self, names: &[NameKey]) -> Result<Vec<Option<Vec<u8>>>> {
        let mut buckets = Buckets::default();
        for name in names {
            buckets.of(name).cmd("HGET").arg(key(bucket_of(name), b'o', &[])).arg(name);
        }
        let sealed: Vec<Option<Vec<u8>>> =
            buckets.answers(self, names.iter().map(Vec::as_slice))?;
        let mut all = Vec::with_capacity(names.len());
        for (name, sealed) in names.iter().zip(sealed) {
            let rows = sealed.as_ref().and_then(|sealed| {
                let rows = self.sealer.open(&sealed_name(name, ROWS), sealed)?;
                rows_from_bytes(&rows).map(|_| rows)
            });
            if sealed.is_some() && rows.is_none() {
                let place = key(bucket_of(name), b'o', &[]);
                self.count_foreign(&place);
                self.run(|c| redis::cmd("HDEL").arg(&place).arg(name).query::<()>(c))?;
            }
            all.push(rows);
        }
        Ok(all)
    }

    pub fn listed(&self, names: &[NameKey]) -> Result<Vec<Vec<Listed>>> {
        let rows = self.rows(names)?.into_iter();
        let read = |rows: Option<Vec<u8>>| rows.and_then(|rows| rows_from_bytes(&rows));
        Ok(rows.map(|rows| read(rows).unwrap_or_default()).collect())
    }

    pub fn list_keys(&self, ranges: &[KeyRange], count: usize) -> Result<Vec<Vec<Vec<u8>>>> {
        let mut buckets = Buckets::default();
        for KeyRange { from, until } in ranges {
            let (bucket, list) = list_of(from);
            let range = buckets.at(bucket).cmd("ZRANGE").arg(list);
            range.arg([b"[", &from[..]].concat()).arg([b"(", &until[..]].concat());
            range.arg("BYLEX").arg("LIMIT").arg(0).arg(count);
        }
        let lists = ranges.iter().map(|range| scope_of_key(&range.from));
        let found: Vec<Vec<Vec<u8>>> = buckets.answers(self, lists)?;
        found.into_iter().map(|keys| self.without_foreign(keys)).collect()
    }

    /// Deletes what is too short to be a key of ours.
    fn without_foreign(&self, keys: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        let is_ours = |list_key: &Vec<u8>| {
            let rest = list_key.get(scope_of_key(list_key).len() + 1..).unwrap_or_default();
            SortKey::from_bytes(rest.to_vec()).is_some()
        };
        let (ours, foreign): (Vec<_>, Vec<_>) = keys.into_iter().partition(is_ours);
        for foreign in foreign {
            let (_, list) = list_of(&foreign);
            self.count_foreign(&list);
            self.run(|c| redis::cmd("ZREM").arg(&list).arg(&foreign).query::<()>(c))?;
        }
        Ok(ours)
    }
}
