//! What the hot state writes to Redis and reads from it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use journal::StreamName;
use shared::id::{ClickId, MerchantId};
use shared::order::Visit;
use shared::time::Timestamp;

use crate::model::{
    CounterKey, Entry, EntryKey, FirstBringer, NameKey, Position, Stored, visit_from_bytes,
    visit_to_bytes,
};
use crate::redis::buckets::{Buckets, in_order};
use crate::redis::client::Redis;
use crate::redis::keys::{
    BUCKETS, COUNTED, FIRST, TOTALS, bucket_of, counters_of, earlier_counters_of, key, key_of,
};
use crate::redis::watch::{Lost, told};

/// Returns what an entry is sealed under: where it stands.
pub(super) fn sealed_name(name: &[u8], entry: &[u8]) -> Vec<u8> {
    [&(name.len() as u64).to_be_bytes()[..], name, entry].concat()
}

/// Reads a counter: zero where there is none, `None` where it is no number.
fn number(held: Option<&[u8]>) -> Option<i64> {
    let Some(held) = held else { return Some(0) };
    str::from_utf8(held).ok()?.parse().ok()
}

impl Redis {
    /// Deletes afterclick's data and nothing else. Windows and events stay until they expire:
    /// windows never change, and events of an older generation are not read.
    pub fn clear(&self) -> Result<()> {
        // The buckets do not know yet what was counted within the last second.
        let mut streams: BTreeSet<Vec<u8>> = self.progress().reached.keys().cloned().collect();
        self.forget();
        for bucket in 0..BUCKETS {
            let known: Vec<Vec<u8>> =
                self.run(|c| redis::cmd("HKEYS").arg(key(bucket, b'p', &[])).query(c))?;
            streams.extend(known);
            let names: Vec<Vec<u8>> =
                self.run(|c| redis::cmd("SMEMBERS").arg(key(bucket, b'k', &[])).query(c))?;
            let mut keys: Vec<Vec<u8>> =
                b"ptakugoi".iter().map(|&kind| key(bucket, kind, &[])).collect();
            keys.extend(names.iter().map(|name| key(bucket, b'n', name)));
            for some in keys.chunks(1000) {
                self.run(|c| redis::cmd("UNLINK").arg(some).query::<()>(c))?;
            }
        }
        for stream in streams {
            let [utc, by_day] = earlier_counters_of(&stream);
            let counters = [counters_of(&stream), utc, by_day];
            self.run(|c| redis::cmd("UNLINK").arg(&counters).query::<()>(c))?;
        }
        Ok(())
    }

    pub fn store(&self, stored: &Stored, now: Timestamp) -> Result<()> {
        let mut buckets = Buckets::default();
        for window in stored.windows.iter().filter(|window| window.expires_at > now) {
            #[cfg(feature = "faults")]
            if crate::fault::forgets_window() {
                continue;
            }
            let id = window.visit.touch.click;
            let set = buckets.of(id.as_bytes()).cmd("SET").arg(key_of(b'w', id.as_bytes()));
            set.arg(visit_to_bytes(&window.visit))
                .arg("NX")
                .arg("PXAT")
                .arg(window.expires_at.as_ms())
                .ignore();
        }
        for (name, entry) in &stored.entries {
            let pipeline = buckets.of(name);
            let put = pipeline.cmd("HSETNX").arg(key_of(b'n', name)).arg(&entry.key()[..]);
            put.arg(self.sealer.seal(&sealed_name(name, &entry.key()), &entry.to_bytes()?))
                .ignore();
            pipeline.cmd("SADD").arg(key(bucket_of(name), b'k', &[])).arg(name).ignore();
        }
        for (id, bytes) in &stored.unparsed {
            let set = buckets.at(FIRST).cmd("HSET").arg(key(FIRST, b'u', &[]));
            set.arg(id).arg(bytes).ignore();
        }
        buckets.write::<()>(self).map(|_| ())
    }

    pub fn remove_entries(&self, entries: &[(NameKey, EntryKey)]) -> Result<()> {
        let mut buckets = Buckets::default();
        for (name, entry) in entries {
            buckets.of(name).cmd("HDEL").arg(key_of(b'n', name)).arg(&entry[..]).ignore();
        }
        buckets.write::<()>(self).map(|_| ())
    }

    pub fn are_first(
        &self,
        bringers: &[FirstBringer],
        expires_at: &dyn Fn(&FirstBringer) -> Timestamp,
    ) -> Result<Vec<bool>> {
        self.ask_buckets()?;
        let generation = self.progress().generation.clone();
        let mut buckets = Buckets::default();
        for bringer in bringers {
            let id = bringer.event.as_bytes();
            let place = key(bucket_of(id), b'e', &[&generation[..], id].concat());
            let set = buckets.of(id).cmd("SET").arg(place).arg(&bringer.origin);
            set.arg("NX").arg("GET").arg("PXAT").arg(expires_at(bringer).as_ms());
        }
        let ids = bringers.iter().map(|bringer| &bringer.event.as_bytes()[..]);
        let held: Vec<Option<Vec<u8>>> = in_order(buckets.write(self)?, ids)?;
        let first = |(bringer, held): (&FirstBringer, Option<Vec<u8>>)| {
            held.is_none_or(|held| held == bringer.origin)
        };
        Ok(bringers.iter().zip(held).map(first).collect())
    }

    /// Writes counters, and the position up to which they count, in one step.
    ///
    /// # Errors
    /// `Lost` when the counters are not those that were stored last.
    pub fn count(
        &self,
        stream: &StreamName,
        (from, position): (Position, Position),
        counts: &BTreeMap<CounterKey, i64>,
    ) -> Result<()> {
        let name = stream.as_str().as_bytes();
        let place = counters_of(name);
        let fields: Vec<Vec<u8>> = counts.keys().map(|counter| counter.to_bytes()).collect();
        let held: Vec<Option<Vec<u8>>> = if fields.is_empty() {
            vec![]
        } else {
            self.run(|c| redis::cmd("HMGET").arg(&place).arg(&fields).query(c))?
        };
        let numbers: Vec<Option<i64>> = held.iter().map(|held| number(held.as_deref())).collect();
        let are_numbers = numbers.iter().all(Option::is_some);
        // Counted records stay counted, even when records before them are projected again.
        let said = if position.seq > from.seq { position } else { from }.to_bytes();
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        if from == Position::default() {
            pipeline.cmd("UNLINK").arg(&earlier_counters_of(name)).ignore();
        }
        pipeline.cmd("HGET").arg(&place).arg(COUNTED);
        let set = pipeline.cmd("HSET").arg(&place).arg(COUNTED).arg(&said);
        for ((field, amount), held) in fields.iter().zip(counts.values()).zip(numbers) {
            set.arg(field).arg(held.unwrap_or(0).saturating_add(*amount));
        }
        pipeline.ignore();
        let bucket = bucket_of(name);
        let mark = self.add_mark(bucket, &mut pipeline);
        let (found,): (Option<Vec<u8>>,) = self.run(|c| pipeline.query(c))?;
        self.progress().marks.insert(bucket, mark);
        let expected = (from != Position::default()).then(|| from.to_bytes());
        let is_whole = are_numbers && (found == expected || found.as_ref() == Some(&said));
        #[cfg(feature = "faults")]
        let is_whole = is_whole || crate::fault::is_blind();
        if !is_whole {
            // The counters are incomplete now, so they are deleted and counted again from the
            // beginning.
            self.run(|c| redis::cmd("UNLINK").arg(&place).query::<()>(c))?;
            self.forget();
            return Err(Lost.into());
        }
        self.progress().reached.insert(name.to_vec(), told(position));
        Ok(())
    }

    pub fn visits(&self, clicks: &[ClickId]) -> Result<Vec<Visit>> {
        let mut buckets = Buckets::default();
        for click in clicks {
            buckets.of(click.as_bytes()).cmd("GET").arg(key_of(b'w', click.as_bytes()));
        }
        let found: Vec<Option<Vec<u8>>> =
            buckets.answers(self, clicks.iter().map(|c| &c.as_bytes()[..]))?;
        let mut visits = Vec::new();
        for (click, bytes) in clicks.iter().zip(found) {
            let Some(bytes) = bytes else { continue };
            let place = key_of(b'w', click.as_bytes());
            match visit_from_bytes(*click, &bytes) {
                Some(visit) => visits.push(visit),
                None => {
                    self.count_foreign(&place);
                    self.run(|c| redis::cmd("UNLINK").arg(&place).query::<()>(c))?;
                }
            }
        }
        Ok(visits)
    }

    pub fn entries(&self, names: &[NameKey]) -> Result<Vec<Vec<Entry>>> {
        let mut buckets = Buckets::default();
        for name in names {
            buckets.of(name).cmd("HGETALL").arg(key_of(b'n', name));
        }
        let found: Vec<Vec<(Vec<u8>, Vec<u8>)>> =
            buckets.answers(self, names.iter().map(Vec::as_slice))?;
        names.iter().zip(found).map(|(name, found)| self.read_entries(name, found)).collect()
    }

    /// Reads what stands under a name, and deletes what none of our nodes wrote.
    fn read_entries(&self, name: &[u8], found: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Vec<Entry>> {
        let mut entries = Vec::with_capacity(found.len());
        let place = key_of(b'n', name);
        for (key, sealed) in found {
            let bytes = self.sealer.open(&sealed_name(name, &key), &sealed);
            match bytes.and_then(|bytes| Entry::from_bytes(&key, &bytes).ok()) {
                Some(entry) => entries.push(entry),
                None => {
                    self.count_foreign(&place);
                    self.run(|c| redis::cmd("HDEL").arg(&place).arg(&key).query::<()>(c))?;
                }
            }
        }
        Ok(entries)
    }

    pub fn entry_counts(&self, names: &[NameKey]) -> Result<Vec<usize>> {
        let mut buckets = Buckets::default();
        for name in names {
            buckets.of(name).cmd("HLEN").arg(key_of(b'n', name));
        }
        buckets.answers(self, names.iter().map(Vec::as_slice))
    }

    pub fn each_total(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        for bucket in 0..BUCKETS {
            let totals: Vec<(Vec<u8>, Vec<u8>)> =
                self.run(|c| redis::cmd("HGETALL").arg(key(bucket, TOTALS, &[])).query(c))?;
            totals.iter().for_each(|(name, value)| each(name, value));
        }
        Ok(())
    }

    pub fn names_with_totals(&self, merchant: MerchantId) -> Result<Vec<NameKey>> {
        let mut found = Vec::new();
        for bucket in 0..BUCKETS {
            let names: Vec<Vec<u8>> =
                self.run(|c| redis::cmd("HKEYS").arg(key(bucket, TOTALS, &[])).query(c))?;
            found.extend(
                names.into_iter().filter(|name| name.starts_with(&merchant.bits().to_be_bytes())),
            );
        }
        Ok(found)
    }

    /// Returns the names of all streams, of all nodes.
    pub fn streams(&self) -> Result<BTreeSet<Vec<u8>>> {
        // Every bucket knows every stream, except those that began within the last second.
        let streams: Vec<Vec<u8>> =
            self.run(|c| redis::cmd("HKEYS").arg(key(FIRST, b'p', &[])).query(c))?;
        let mut streams: BTreeSet<Vec<u8>> =
            streams.into_iter().filter(|stream| !stream.starts_with(b"~")).collect();
        streams.extend(self.progress().reached.keys().cloned());
        Ok(streams)
    }

    pub fn each_counter(&self, each: &mut dyn FnMut(CounterKey, i64)) -> Result<()> {
        for stream in self.streams()? {
            let counters: Vec<(Vec<u8>, Vec<u8>)> =
                self.run(|c| redis::cmd("HGETALL").arg(counters_of(&stream)).query(c))?;
            for (counter, amount) in counters {
                let amount = str::from_utf8(&amount).ok().and_then(|text| text.parse().ok());
                if let (Some(counter), Some(amount)) = (CounterKey::from_bytes(&counter), amount) {
                    each(counter, amount);
                }
            }
        }
        Ok(())
    }

    pub fn each_unparsed(&self, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        let mut deliveries: Vec<(Vec<u8>, Vec<u8>)> =
            self.run(|c| redis::cmd("HGETALL").arg(key(FIRST, b'u', &[])).query(c))?;
        deliveries.sort_unstable();
        deliveries.iter().for_each(|(_, delivery)| each(delivery));
        Ok(())
    }
}
