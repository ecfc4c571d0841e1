//! Redis as the hot state: one server or a cluster, shared by nodes and by tools that want to look
//! at it.
//!
//! Keys lie in 64 buckets, each one slot of a cluster by its tag, `{00}` to `{3f}`:
//!
//! | key | type | holds |
//! |---|---|---|
//! | `ac:{2f}w<click id>` | string, expires | a window: link, time, length, the click before it |
//! | `ac:{2f}e<generation><event id>` | string, expires | the record that brought the event first |
//! | `ac:{2f}n<merchant, name>` | hash | what stands under an order's name |
//! | `ac:{2f}k` | set | the names that have such a hash |
//! | `ac:{2f}t` | hash | name → what its order counts for |
//! | `ac:{2f}c<stream>` | hash | counter → how many, and `@`: up to which record |
//! | `ac:{2f}p` | hash | stream → up to which record this bucket has all; `~` and node → its last mark |
//! | `ac:{00}u` | hash | reports that nobody could read |
//! | `ac:{00}x` | hash | the catalog's changes by their hash, from node to node |
//! | `ac:{00}g` | string | the generation: another one each time that all is built anew |
//!
//! A part may lose what it was given: emptied, started without its data, or failed over to a
//! replica that lags. Writes reach a replica in order, so what a bucket says in `p` it has: after
//! each write a node leaves a new mark there. Every second each bucket is asked whether it still
//! says what it said last ([`Redis::sweep`]); where it does not, the projector goes back to what
//! the slowest bucket has.
//!
//! Commands may be sent twice. The redirect path never comes here.

mod buckets;
mod check;
mod link;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use journal::StreamName;
use redis::ConnectionLike;
use shared::catalog::ChangeId;
use shared::id::{ClickId, MerchantId};
use shared::order::Visit;
use shared::time::Timestamp;

use crate::state::model::{CounterKey, Entry, NameKey, Position, visit_from_bytes, visit_to_bytes};
use crate::state::{Claim, Stored};
use buckets::{BUCKETS, Buckets, FIRST, bucket_of, counters_of, in_order, key, key_of};
use link::{Link, Servers};
use watch::Progress;

pub(crate) use check::WrongSetting;
pub(crate) use link::without_password;
pub(crate) use watch::Lost;

/// The field of a stream's counters that says up to which record they count.
const COUNTED: &[u8] = b"@";

/// A handle; cheap to clone. Commands take turns on one connection, which is made anew after a
/// failure.
#[derive(Clone)]
pub(crate) struct Redis {
    servers: Arc<Servers>,
    link: Arc<Mutex<Link>>,
    progress: Arc<Mutex<Progress>>,
    /// The field of this node's marks.
    mark: Arc<[u8]>,
}

impl Redis {
    /// Looks at the servers, if they answer. One that does not may come later.
    ///
    /// # Errors
    /// When the address is wrong, or a server's settings would lose windows.
    pub(crate) fn open(url: &str, node: &str) -> Result<Self> {
        let servers =
            Servers::of(url).with_context(|| format!("hot state `{}`", without_password(url)))?;
        let redis = Self {
            servers: Arc::new(servers),
            link: Arc::default(),
            progress: Arc::default(),
            mark: format!("~{node}").into_bytes().into(),
        };
        match redis.run(|connection| redis::cmd("PING").query::<()>(connection)) {
            Err(error) if error.is::<WrongSetting>() => {
                Err(error.context(format!("hot state `{}`", without_password(url))))
            }
            Err(error) => {
                tracing::warn!(
                    "hot state `{}` is away, and is caught up with later: {error:#}",
                    without_password(url)
                );
                Ok(redis)
            }
            Ok(()) => Ok(redis),
        }
    }

    /// Forgets everything of ours, and nothing else. Windows and events stay until they expire:
    /// windows never change, and events of another generation are not asked for.
    pub(crate) fn clear(&self) -> Result<()> {
        self.forget();
        for bucket in 0..BUCKETS {
            let streams: Vec<Vec<u8>> =
                self.run(|c| redis::cmd("HKEYS").arg(key(bucket, b'p', &[])).query(c))?;
            let names: Vec<Vec<u8>> =
                self.run(|c| redis::cmd("SMEMBERS").arg(key(bucket, b'k', &[])).query(c))?;
            let mut keys: Vec<Vec<u8>> =
                b"ptkug".iter().map(|&kind| key(bucket, kind, &[])).collect();
            keys.extend(names.iter().map(|name| key(bucket, b'n', name)));
            for some in keys.chunks(1000) {
                self.run(|c| redis::cmd("UNLINK").arg(some).query::<()>(c))?;
            }
            for stream in streams {
                let counters = key(bucket_of(&stream), b'c', &stream);
                self.run(|c| redis::cmd("UNLINK").arg(&counters).query::<()>(c))?;
            }
        }
        Ok(())
    }

    pub(crate) fn store(&self, stored: &Stored, now: Timestamp) -> Result<()> {
        let mut buckets = Buckets::default();
        for window in stored.windows.iter().filter(|window| window.expires_at > now) {
            #[cfg(feature = "faults")]
            if crate::state::fault::forgets_window() {
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
            put.arg(entry.to_bytes()?).ignore();
            pipeline.cmd("SADD").arg(key(bucket_of(name), b'k', &[])).arg(name).ignore();
        }
        for (report, bytes) in &stored.unparsed {
            let set = buckets.at(FIRST).cmd("HSET").arg(key(FIRST, b'u', &[]));
            set.arg(report).arg(bytes).ignore();
        }
        buckets.write::<()>(self).map(|_| ())
    }

    pub(crate) fn claim(
        &self,
        claims: &[Claim],
        expires_at: &dyn Fn(&Claim) -> Timestamp,
    ) -> Result<Vec<bool>> {
        self.ask_buckets()?;
        let generation = self.progress().generation.clone();
        let mut buckets = Buckets::default();
        for claim in claims {
            let id = claim.event.as_bytes();
            let place = key(bucket_of(id), b'e', &[&generation[..], id].concat());
            let set = buckets.of(id).cmd("SET").arg(place).arg(&claim.origin);
            set.arg("NX").arg("GET").arg("PXAT").arg(expires_at(claim).as_ms());
        }
        let ids = claims.iter().map(|claim| &claim.event.as_bytes()[..]);
        let held: Vec<Option<Vec<u8>>> = in_order(buckets.write(self)?, ids)?;
        let first =
            |(claim, held): (&Claim, Option<Vec<u8>>)| held.is_none_or(|held| held == claim.origin);
        Ok(claims.iter().zip(held).map(first).collect())
    }

    pub(crate) fn put_totals(&self, totals: &[(NameKey, Vec<u8>)]) -> Result<()> {
        let mut buckets = Buckets::default();
        for (name, value) in totals {
            buckets
                .of(name)
                .cmd("HSET")
                .arg(key(bucket_of(name), b't', &[]))
                .arg(name)
                .arg(value)
                .ignore();
        }
        buckets.write::<()>(self).map(|_| ())
    }

    /// Counters and how far they count in one step.
    ///
    /// # Errors
    /// [`Lost`] when the counters are not those that were stored last.
    pub(crate) fn count(
        &self,
        stream: &StreamName,
        (from, position): (Position, Position),
        counts: &BTreeMap<CounterKey, i64>,
    ) -> Result<()> {
        let name = stream.as_str().as_bytes();
        let place = counters_of(name);
        let fields: Vec<Vec<u8>> = counts.keys().map(|counter| counter.to_bytes()).collect();
        let held: Vec<Option<i64>> = if fields.is_empty() {
            vec![]
        } else {
            self.run(|c| redis::cmd("HMGET").arg(&place).arg(&fields).query(c))?
        };
        // What was counted stays counted, also when records before that are projected again.
        let said = if position.seq > from.seq { position } else { from }.to_bytes();
        let mut pipeline = redis::pipe();
        pipeline.atomic().cmd("HGET").arg(&place).arg(COUNTED);
        let set = pipeline.cmd("HSET").arg(&place).arg(COUNTED).arg(&said);
        for ((field, amount), held) in fields.iter().zip(counts.values()).zip(held) {
            set.arg(field).arg(held.unwrap_or(0) + amount);
        }
        pipeline.ignore();
        let bucket = bucket_of(name);
        let mark = self.add_mark(bucket, &mut pipeline);
        let (found,): (Option<Vec<u8>>,) = self.run(|c| pipeline.query(c))?;
        self.progress().marks.insert(bucket, mark);
        let expected = (from != Position::default()).then(|| from.to_bytes());
        let is_whole = found == expected || found.as_ref() == Some(&said);
        #[cfg(feature = "faults")]
        let is_whole = is_whole || crate::state::fault::is_blind();
        if !is_whole {
            // The counters hold a part now: they are counted anew from the beginning.
            self.run(|c| redis::cmd("UNLINK").arg(&place).query::<()>(c))?;
            self.forget();
            return Err(Lost.into());
        }
        self.progress().reached.insert(name.to_vec(), position.to_bytes());
        Ok(())
    }

    pub(crate) fn visits(&self, clicks: &[ClickId]) -> Result<Vec<Visit>> {
        let mut buckets = Buckets::default();
        for click in clicks {
            buckets.of(click.as_bytes()).cmd("GET").arg(key_of(b'w', click.as_bytes()));
        }
        let found: Vec<Option<Vec<u8>>> =
            buckets.answers(self, clicks.iter().map(|c| &c.as_bytes()[..]))?;
        let read = |(click, bytes): (&ClickId, Option<Vec<u8>>)| visit_from_bytes(*click, &bytes?);
        Ok(clicks.iter().zip(found).filter_map(read).collect())
    }

    pub(crate) fn entries(&self, names: &[NameKey]) -> Result<Vec<Vec<Entry>>> {
        let mut buckets = Buckets::default();
        for name in names {
            buckets.of(name).cmd("HGETALL").arg(key_of(b'n', name));
        }
        let found: Vec<Vec<(Vec<u8>, Vec<u8>)>> =
            buckets.answers(self, names.iter().map(Vec::as_slice))?;
        let read = |entries: Vec<(Vec<u8>, Vec<u8>)>| -> Result<Vec<Entry>> {
            entries.iter().map(|(key, bytes)| Entry::from_bytes(key, bytes)).collect()
        };
        found.into_iter().map(read).collect()
    }

    pub(crate) fn entry_counts(&self, names: &[NameKey]) -> Result<Vec<usize>> {
        let mut buckets = Buckets::default();
        for name in names {
            buckets.of(name).cmd("HLEN").arg(key_of(b'n', name));
        }
        buckets.answers(self, names.iter().map(Vec::as_slice))
    }

    pub(crate) fn each_total(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        for bucket in 0..BUCKETS {
            let totals: Vec<(Vec<u8>, Vec<u8>)> =
                self.run(|c| redis::cmd("HGETALL").arg(key(bucket, b't', &[])).query(c))?;
            totals.iter().for_each(|(name, value)| each(name, value));
        }
        Ok(())
    }

    pub(crate) fn names_with_totals(&self, merchant: MerchantId) -> Result<Vec<NameKey>> {
        let mut found = Vec::new();
        for bucket in 0..BUCKETS {
            let names: Vec<Vec<u8>> =
                self.run(|c| redis::cmd("HKEYS").arg(key(bucket, b't', &[])).query(c))?;
            found.extend(
                names.into_iter().filter(|name| name.starts_with(&merchant.bits().to_be_bytes())),
            );
        }
        Ok(found)
    }

    pub(crate) fn each_counter(&self, each: &mut dyn FnMut(CounterKey, i64)) -> Result<()> {
        // Every bucket knows every stream, but for those that began within the last second.
        let streams: Vec<Vec<u8>> =
            self.run(|c| redis::cmd("HKEYS").arg(key(FIRST, b'p', &[])).query(c))?;
        let mut streams: BTreeSet<Vec<u8>> =
            streams.into_iter().filter(|stream| !stream.starts_with(b"~")).collect();
        streams.extend(self.progress().reached.keys().cloned());
        for stream in streams {
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

    pub(crate) fn each_unparsed(&self, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        let mut reports: Vec<(Vec<u8>, Vec<u8>)> =
            self.run(|c| redis::cmd("HGETALL").arg(key(FIRST, b'u', &[])).query(c))?;
        reports.sort_unstable();
        reports.iter().for_each(|(_, report)| each(report));
        Ok(())
    }

    /// How many changes of the catalog are offered.
    pub(crate) fn changes_count(&self) -> Result<usize> {
        self.run(|c| redis::cmd("HLEN").arg(key(FIRST, b'x', &[])).query(c))
    }

    /// The changes that are offered.
    pub(crate) fn change_ids(&self) -> Result<Vec<ChangeId>> {
        self.run(|c| redis::cmd("HKEYS").arg(key(FIRST, b'x', &[])).query(c))
    }

    /// What changes hold.
    pub(crate) fn changes(&self, ids: &[ChangeId]) -> Result<Vec<Option<Vec<u8>>>> {
        let ids: Vec<&[u8]> = ids.iter().map(|id| &id[..]).collect();
        self.run(|c| redis::cmd("HMGET").arg(key(FIRST, b'x', &[])).arg(&ids).query(c))
    }

    /// Offers a change to other nodes.
    pub(crate) fn offer_change(&self, id: &ChangeId, payload: &[u8]) -> Result<()> {
        self.run(|c| {
            redis::cmd("HSETNX").arg(key(FIRST, b'x', &[])).arg(&id[..]).arg(payload).query::<()>(c)
        })
    }

    /// Runs commands on the connection.
    fn run<T>(
        &self,
        commands: impl FnOnce(&mut dyn ConnectionLike) -> redis::RedisResult<T>,
    ) -> Result<T> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).run(&self.servers, commands)
    }
}
