//! Redis as the hot state: one server or a cluster, shared by nodes and by tools that want to look at it.
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
//! A part may lose what it was given: emptied, started without its data, or failed over to a replica that lags. Writes
//! reach a replica in order, so what a bucket says in `p` it has: after each write a node leaves a new mark there. Every
//! second each bucket is asked whether it still says what it said last ([`Redis::sweep`]); where it does not, the projector
//! goes back to what the slowest bucket has.
//!
//! Commands may be sent twice. The redirect path never comes here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use journal::StreamName;
use redis::cluster::{ClusterClient, ClusterConnection};
use redis::{Client, ConnectionLike, FromRedisValue, Pipeline};
use shared::id::{ClickId, MerchantId};
use shared::order::Visit;
use shared::time::Timestamp;

use crate::exchange::ChangeId;
use crate::state::model::{CounterKey, Entry, NameKey, Position, Reach, visit_from_bytes, visit_to_bytes};
use crate::state::{Claim, Stored};

/// How long a command may take: a hang is not a refusal, and the projector can wait and catch up.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long nothing is asked after a failure, so that a server which hangs does not hold up whoever asks next.
const BREAK: Duration = Duration::from_millis(500);
/// Parts that may lose what they were given apart from each other.
const BUCKETS: u8 = 64;
/// The oldest server whose `SET` takes `NX` and `GET` together.
const OLDEST: (u32, u32) = (7, 0);
/// The bucket of what has no other.
const FIRST: u8 = 0;
/// The field of a stream's counters that says up to which record they count.
const COUNTED: &[u8] = b"@";

/// A handle; cheap to clone. Commands take turns on one connection, which is made anew after a failure.
#[derive(Clone)]
pub(crate) struct Redis {
    servers: Arc<Servers>,
    link: Arc<Mutex<Link>>,
    progress: Arc<Mutex<Progress>>,
    /// The field of this node's marks.
    mark: Arc<[u8]>,
}

/// Where they are.
enum Servers {
    One(Client),
    Cluster(ClusterClient, Vec<Client>),
}

#[derive(Default)]
struct Link {
    connection: Option<Box<dyn ConnectionLike + Send>>,
    failed_at: Option<Instant>,
    /// Whether the servers' settings were looked at.
    checked: bool,
}

/// What the buckets said last, and what they may be told.
#[derive(Default)]
struct Progress {
    /// By bucket: stream → position. Empty until they were asked.
    said: Vec<HashMap<Vec<u8>, Vec<u8>>>,
    generation: Vec<u8>,
    /// By bucket: the mark that this node left last.
    marks: HashMap<u8, u64>,
    /// Up to where everything of a stream is stored.
    reached: HashMap<Vec<u8>, Vec<u8>>,
}

/// A server lost what it was given.
#[derive(Debug, thiserror::Error)]
#[error("Redis lost some of what it was given; it is projected again")]
pub(crate) struct Lost;

impl Redis {
    /// Looks at the servers, if they answer. One that does not may come later.
    ///
    /// # Errors
    /// When the address is wrong, or a server's settings would lose windows.
    pub(crate) fn open(url: &str, node: &str) -> Result<Self> {
        let servers = Servers::of(url).with_context(|| format!("hot state `{}`", without_password(url)))?;
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

    /// Forgets everything of ours, and nothing else. Windows and events stay until they expire: windows never change, and
    /// events of another generation are not asked for.
    pub(crate) fn clear(&self) -> Result<()> {
        self.forget();
        for bucket in 0..BUCKETS {
            let streams: Vec<Vec<u8>> =
                self.run(|c| redis::cmd("HKEYS").arg(key(bucket, b'p', &[])).query(c))?;
            let names: Vec<Vec<u8>> =
                self.run(|c| redis::cmd("SMEMBERS").arg(key(bucket, b'k', &[])).query(c))?;
            let mut keys: Vec<Vec<u8>> = b"ptkug".iter().map(|&kind| key(bucket, kind, &[])).collect();
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

    /// Forgets what the buckets said: they are asked anew.
    pub(crate) fn forget(&self) {
        *self.progress() = Progress::default();
    }

    pub(crate) fn reach(&self, stream: &StreamName) -> Result<Reach> {
        let name = stream.as_str().as_bytes();
        let counted: Option<Vec<u8>> =
            self.run(|c| redis::cmd("HGET").arg(counters_of(name)).arg(COUNTED).query(c))?;
        let counted = counted.map_or_else(Position::default, |bytes| Position::from_bytes(&bytes));
        self.ask_buckets()?;
        let progress = self.progress();
        let of_bucket = |said: &HashMap<Vec<u8>, Vec<u8>>| {
            said.get(name).map_or_else(Position::default, |bytes| Position::from_bytes(bytes))
        };
        let positions = || progress.said.iter().map(of_bucket).chain([counted]);
        let least = positions().min_by_key(|position| position.seq).unwrap_or_default();
        let most = positions().max_by_key(|position| position.seq).unwrap_or_default();
        Ok(Reach { least, most, counted })
    }

    fn ask_buckets(&self) -> Result<()> {
        if !self.progress().said.is_empty() {
            return Ok(());
        }
        let mut said = Vec::with_capacity(usize::from(BUCKETS));
        for bucket in 0..BUCKETS {
            let mut of_bucket: HashMap<Vec<u8>, Vec<u8>> =
                self.run(|c| redis::cmd("HGETALL").arg(key(bucket, b'p', &[])).query(c))?;
            // What other nodes say of their own is not ours to expect.
            of_bucket.retain(|field, _| !field.starts_with(b"~"));
            said.push(of_bucket);
        }
        let place = key(FIRST, b'g', &[]);
        let new = rand::random::<[u8; 8]>().to_vec();
        let held: Option<Vec<u8>> =
            self.run(|c| redis::cmd("SET").arg(place).arg(&new).arg("NX").arg("GET").query(c))?;
        let mut progress = self.progress();
        (progress.said, progress.generation) = (said, held.unwrap_or(new));
        Ok(())
    }

    /// Asks every bucket whether it still says what it said last, and tells it how far it is now.
    ///
    /// # Errors
    /// [`Lost`] when one does not; then everything is asked anew. Or when a server does not answer.
    pub(crate) fn sweep(&self) -> Result<()> {
        self.ask_buckets()?;
        for bucket in 0..BUCKETS {
            let (said, reached, mark) = {
                let progress = self.progress();
                let mark = progress.marks.get(&bucket).copied();
                (progress.said[usize::from(bucket)].clone(), progress.reached.clone(), mark)
            };
            let place = key(bucket, b'p', &[]);
            let mut pipeline = redis::pipe();
            pipeline.atomic().cmd("HGETALL").arg(&place);
            if !reached.is_empty() {
                let told = pipeline.cmd("HSET").arg(&place);
                reached.iter().for_each(|(stream, position)| _ = told.arg(stream).arg(position));
                pipeline.ignore();
            }
            let (found,): (HashMap<Vec<u8>, Vec<u8>>,) = self.run(|c| pipeline.query(c))?;
            // A command that was sent twice finds what it has said itself.
            let is_as_said = |(stream, position): (&Vec<u8>, &Vec<u8>)| {
                found.get(stream).is_some_and(|found| found == position || Some(found) == reached.get(stream))
            };
            let is_marked =
                |mark: u64| found.get(&self.mark[..]).is_some_and(|found| *found == mark.to_be_bytes());
            let is_whole = said.iter().all(is_as_said) && mark.is_none_or(is_marked);
            #[cfg(feature = "faults")]
            let is_whole = is_whole || super::fault::is_blind();
            if !is_whole {
                self.unsay(&place, &found, reached.keys())?;
                self.forget();
                return Err(Lost.into());
            }
            self.progress().said[usize::from(bucket)].extend(reached);
        }
        Ok(())
    }

    /// Takes back what a bucket was told after it had lost what it should have.
    fn unsay<'s>(
        &self,
        place: &[u8],
        found: &HashMap<Vec<u8>, Vec<u8>>,
        told: impl Iterator<Item = &'s Vec<u8>>,
    ) -> Result<()> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for stream in told {
            match found.get(stream) {
                Some(position) => pipeline.cmd("HSET").arg(place).arg(stream).arg(position).ignore(),
                None => pipeline.cmd("HDEL").arg(place).arg(stream).ignore(),
            };
        }
        self.run(|c| pipeline.query::<()>(c))
    }

    pub(crate) fn store(&self, stored: &Stored, now: Timestamp) -> Result<()> {
        let mut buckets = Buckets::default();
        for window in stored.windows.iter().filter(|window| window.expires_at > now) {
            #[cfg(feature = "faults")]
            if super::fault::forgets_window() {
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
        let held: Vec<Option<Vec<u8>>> =
            buckets.answers(self, claims.iter().map(|c| &c.event.as_bytes()[..]))?;
        let first = |(claim, held): (&Claim, Option<Vec<u8>>)| held.is_none_or(|held| held == claim.origin);
        Ok(claims.iter().zip(held).map(first).collect())
    }

    pub(crate) fn put_totals(&self, totals: &[(NameKey, Vec<u8>)]) -> Result<()> {
        let mut buckets = Buckets::default();
        for (name, value) in totals {
            buckets.of(name).cmd("HSET").arg(key(bucket_of(name), b't', &[])).arg(name).arg(value).ignore();
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
        let is_whole = is_whole || super::fault::is_blind();
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
        let found: Vec<Option<Vec<u8>>> = buckets.answers(self, clicks.iter().map(|c| &c.as_bytes()[..]))?;
        let read = |(click, bytes): (&ClickId, Option<Vec<u8>>)| visit_from_bytes(*click, &bytes?);
        Ok(clicks.iter().zip(found).filter_map(read).collect())
    }

    pub(crate) fn entries(&self, names: &[NameKey]) -> Result<Vec<Vec<Entry>>> {
        let mut buckets = Buckets::default();
        for name in names {
            buckets.of(name).cmd("HGETALL").arg(key_of(b'n', name));
        }
        let found: Vec<Vec<(Vec<u8>, Vec<u8>)>> = buckets.answers(self, names.iter().map(Vec::as_slice))?;
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
            found.extend(names.into_iter().filter(|name| name.starts_with(&merchant.bits().to_be_bytes())));
        }
        Ok(found)
    }

    pub(crate) fn each_counter(&self, each: &mut dyn FnMut(CounterKey, i64)) -> Result<()> {
        // Every bucket knows every stream, but for those that began within the last second.
        let streams: Vec<Vec<u8>> = self.run(|c| redis::cmd("HKEYS").arg(key(FIRST, b'p', &[])).query(c))?;
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

    pub(crate) fn unparsed_report(&self, report: &[u8]) -> Result<Option<Vec<u8>>> {
        self.run(|c| redis::cmd("HGET").arg(key(FIRST, b'u', &[])).arg(report).query(c))
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
        self.run(|c| redis::cmd("HSETNX").arg(key(FIRST, b'x', &[])).arg(&id[..]).arg(payload).query::<()>(c))
    }

    /// Ends writes to a bucket with a new mark, which is there only if they are.
    fn add_mark(&self, bucket: u8, pipeline: &mut Pipeline) -> u64 {
        let mark = rand::random();
        let place = key(bucket, b'p', &[]);
        pipeline.cmd("HSET").arg(place).arg(&self.mark[..]).arg(&u64::to_be_bytes(mark)[..]).ignore();
        mark
    }

    /// Runs commands on the connection; a failure drops it, and after a moment a new one is made.
    fn run<T>(&self, commands: impl FnOnce(&mut dyn ConnectionLike) -> redis::RedisResult<T>) -> Result<T> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if link.failed_at.is_some_and(|at| at.elapsed() < BREAK) {
            bail!("redis was away a moment ago");
        }
        let answer = self.connected(&mut link).and_then(|mut connection| {
            let answer = commands(connection.as_mut()).context("redis")?;
            Ok((connection, answer))
        });
        match answer {
            Ok((connection, answer)) => {
                (link.connection, link.failed_at) = (Some(connection), None);
                Ok(answer)
            }
            Err(error) => {
                link.failed_at = Some(Instant::now());
                Err(error)
            }
        }
    }

    fn connected(&self, link: &mut Link) -> Result<Box<dyn ConnectionLike + Send>> {
        if let Some(connection) = link.connection.take() {
            return Ok(connection);
        }
        if !link.checked {
            self.servers.check()?;
            link.checked = true;
        }
        self.servers.connect()
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Servers {
    fn of(url: &str) -> Result<Self> {
        let Some((scheme, servers)) = url.split_once("+cluster://") else {
            return Ok(Self::One(Client::open(url)?));
        };
        let (user, servers) = match servers.rsplit_once('@') {
            Some((user, servers)) => (format!("{user}@"), servers),
            None => (String::new(), servers),
        };
        let nodes: Vec<String> = servers
            .trim_end_matches('/')
            .split(',')
            .map(|server| format!("{scheme}://{user}{}", server.trim()))
            .collect();
        let each = nodes.iter().map(|node| Client::open(node.as_str())).collect::<Result<_, _>>()?;
        let cluster = ClusterClient::builder(nodes)
            .connection_timeout(TIMEOUT)
            .response_timeout(TIMEOUT)
            .retries(2)
            .build()?;
        Ok(Self::Cluster(cluster, each))
    }

    fn connect(&self) -> Result<Box<dyn ConnectionLike + Send>> {
        match self {
            Self::One(client) => {
                let connection = client.get_connection_with_timeout(TIMEOUT).context("redis")?;
                connection.set_read_timeout(Some(TIMEOUT)).context("redis")?;
                connection.set_write_timeout(Some(TIMEOUT)).context("redis")?;
                Ok(Box::new(connection))
            }
            Self::Cluster(client, _) => {
                Ok(Box::new(Clustered(client.get_connection().context("redis cluster")?)))
            }
        }
    }

    /// Looks at the settings of every server that was named.
    fn check(&self) -> Result<()> {
        let clients = match self {
            Self::One(client) => std::slice::from_ref(client),
            Self::Cluster(_, clients) => clients,
        };
        let mut answered = false;
        for client in clients {
            // Of a cluster some nodes may be away.
            let Ok(mut connection) = client.get_connection_with_timeout(TIMEOUT) else { continue };
            connection.set_read_timeout(Some(TIMEOUT)).context("redis")?;
            let info: String = redis::cmd("INFO").query(&mut connection).context("redis")?;
            answered = true;
            let of_cluster = matches!(self, Self::Cluster(..));
            for warning in check_info(&info, of_cluster)? {
                tracing::warn!("hot state on Redis at {}: {warning}", client.get_connection_info().addr());
            }
        }
        if answered { Ok(()) } else { bail!("no server answers") }
    }
}

/// A cluster's connection that takes pipelines: all of ours go to one slot, which the first command names.
struct Clustered(ClusterConnection);

impl ConnectionLike for Clustered {
    fn req_packed_command(&mut self, command: &[u8]) -> redis::RedisResult<redis::Value> {
        self.0.req_packed_command(command)
    }

    fn req_packed_commands(
        &mut self,
        commands: &[u8],
        offset: usize,
        count: usize,
    ) -> redis::RedisResult<Vec<redis::Value>> {
        self.0.req_packed_commands(commands, offset, count)
    }

    fn req_command(&mut self, command: &redis::Cmd) -> redis::RedisResult<redis::Value> {
        self.0.req_command(command)
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }

    fn check_connection(&mut self) -> bool {
        self.0.check_connection()
    }

    fn is_open(&self) -> bool {
        self.0.is_open()
    }
}

/// A setting with which windows would be lost.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongSetting(String);

/// What is wrong with a server, by what `INFO` says: an error where windows would be lost, else warnings.
fn check_info(info: &str, of_cluster: bool) -> Result<Vec<String>, WrongSetting> {
    let value = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim()
    };
    let mut parts = value("redis_version").split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if version < OLDEST {
        return Err(WrongSetting(format!(
            "redis_version is {}: 7.0 is the oldest that afterclick speaks to",
            value("redis_version")
        )));
    }
    if value("role") != "master" && !of_cluster {
        return Err(WrongSetting("it is a replica and takes no writes: name the master".to_owned()));
    }
    if (value("cluster_enabled") == "1") != of_cluster {
        let scheme = if of_cluster { "redis://" } else { "redis+cluster://" };
        return Err(WrongSetting(format!(
            "cluster_enabled is {}: write the address as {scheme}…",
            value("cluster_enabled")
        )));
    }
    let (policy, most) = (value("maxmemory_policy"), value("maxmemory"));
    if policy != "noeviction" && most != "0" {
        return Err(WrongSetting(format!(
            "maxmemory_policy is {policy}: windows would be thrown away when memory is short; set it to noeviction"
        )));
    }
    let mut warnings = Vec::new();
    if policy != "noeviction" {
        warnings.push(format!(
            "maxmemory_policy is {policy}, which throws windows away once maxmemory is set; set it to noeviction"
        ));
    }
    if value("aof_enabled") == "0" {
        warnings.push("appendonly is off: after a restart it is built anew from the journal".to_owned());
    }
    Ok(warnings)
}

/// Commands by bucket: one round trip each.
#[derive(Default)]
struct Buckets {
    pipelines: BTreeMap<u8, Pipeline>,
}

impl Buckets {
    fn at(&mut self, bucket: u8) -> &mut Pipeline {
        self.pipelines.entry(bucket).or_default()
    }

    fn of(&mut self, id: &[u8]) -> &mut Pipeline {
        self.at(bucket_of(id))
    }

    fn read<T: FromRedisValue>(self, redis: &Redis) -> Result<BTreeMap<u8, T>> {
        let answer = |(bucket, pipeline): (u8, Pipeline)| Ok((bucket, redis.run(|c| pipeline.query(c))?));
        self.pipelines.into_iter().map(answer).collect()
    }

    fn write<T: FromRedisValue>(self, redis: &Redis) -> Result<BTreeMap<u8, T>> {
        let answer = |(bucket, mut pipeline): (u8, Pipeline)| {
            let mark = redis.add_mark(bucket, &mut pipeline);
            let answer = redis.run(|c| pipeline.query(c))?;
            redis.progress().marks.insert(bucket, mark);
            Ok((bucket, answer))
        };
        self.pipelines.into_iter().map(answer).collect()
    }

    /// The answers in the order of the ids that were asked for.
    fn answers<'i, T: FromRedisValue>(
        self,
        redis: &Redis,
        ids: impl Iterator<Item = &'i [u8]>,
    ) -> Result<Vec<T>> {
        in_order(self.read(redis)?, ids)
    }
}

/// Answers by bucket in the order of the ids that were asked for.
fn in_order<'i, T>(answers: BTreeMap<u8, Vec<T>>, ids: impl Iterator<Item = &'i [u8]>) -> Result<Vec<T>> {
    let mut answers: BTreeMap<u8, _> =
        answers.into_iter().map(|(bucket, answers)| (bucket, answers.into_iter())).collect();
    let next = |id: &[u8]| answers.get_mut(&bucket_of(id)).and_then(Iterator::next);
    ids.map(next).collect::<Option<Vec<T>>>().context("redis gave fewer answers than it was asked")
}

/// FNV-1a: spreads ids and names over the buckets.
fn bucket_of(id: &[u8]) -> u8 {
    let hash = id.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    u8::try_from((hash >> 32) % u64::from(BUCKETS)).unwrap_or(FIRST)
}

fn key(bucket: u8, kind: u8, id: &[u8]) -> Vec<u8> {
    [format!("ac:{{{bucket:02x}}}").as_bytes(), &[kind], id].concat()
}

fn key_of(kind: u8, id: &[u8]) -> Vec<u8> {
    key(bucket_of(id), kind, id)
}

fn counters_of(stream: &[u8]) -> Vec<u8> {
    key_of(b'c', stream)
}

/// An address as logs may show it.
pub(crate) fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, server))) => format!("{scheme}://…@{server}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_would_lose_windows_is_refused_by_name() {
        let sound = "redis_version:7.0.15\r\nrole:master\r\ncluster_enabled:0\r\nmaxmemory:100\r\n\
                     maxmemory_policy:noeviction\r\naof_enabled:1\r\n";
        assert_eq!(check_info(sound, false).unwrap(), Vec::<String>::new());
        for (from, to, named) in [
            ("7.0.15", "6.2.6", "redis_version is 6.2.6"),
            ("role:master", "role:slave", "a replica"),
            ("cluster_enabled:0", "cluster_enabled:1", "redis+cluster://"),
            ("noeviction", "allkeys-lru", "maxmemory_policy is allkeys-lru"),
        ] {
            let error = check_info(&sound.replace(from, to), false).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        let unbounded = sound.replace("maxmemory:100", "maxmemory:0").replace("noeviction", "allkeys-lru");
        assert_eq!(check_info(&unbounded, false).unwrap().len(), 1);
        assert!(
            check_info(&sound.replace("aof_enabled:1", "aof_enabled:0"), false).unwrap()[0]
                .contains("appendonly")
        );
    }
}
