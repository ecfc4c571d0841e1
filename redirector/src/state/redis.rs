//! Redis as the hot state: one server, shared by tools that want to look at it.
//!
//! Keys: `ac:w:<click id>` windows, `ac:o:<merchant and order id>` orders, `ac:e:<event id>` events, `ac:u:…` unparsed reports, each with an expiry
//! that is garbage collection and never a decision; the hashes `ac:counters` and `ac:positions`. A batch is one
//! transaction of absolute values: sent twice it ends the same. The redirect path never comes here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use redis::{Client, Connection, Pipeline};

use crate::clock;
use crate::state::{Batch, Space};

/// How long a command may take: a hang is not a refusal, and the projector can wait and catch up.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Keys asked for at a time while scanning.
const SCAN_COUNT: usize = 1000;
/// Windows and events outlive the longest attribution window; the decision goes by the touch's own time.
const KEPT_DAYS: i64 = 367;

/// A handle; cheap to clone. Commands take turns on one connection, which is made anew after a failure.
#[derive(Clone)]
pub(crate) struct Redis {
    client: Client,
    connection: Arc<Mutex<Option<Connection>>>,
}

/// Where the keys of a space lie.
enum Layout {
    /// A key each, under this prefix; whether it expires.
    Keys(&'static str, bool),
    /// Fields of one hash.
    Hash(&'static str),
}

const fn layout(space: Space) -> Layout {
    match space {
        Space::Windows => Layout::Keys("ac:w:", true),
        Space::Orders => Layout::Keys("ac:o:", false),
        Space::Names => Layout::Keys("ac:n:", false),
        Space::Events => Layout::Keys("ac:e:", true),
        Space::Unparsed => Layout::Keys("ac:u:", true),
        Space::Counters => Layout::Hash("ac:counters"),
        Space::Positions => Layout::Hash("ac:positions"),
    }
}

impl Redis {
    /// Connects.
    ///
    /// # Errors
    /// When the address is wrong or nobody answers there.
    pub(crate) fn open(url: &str) -> Result<Self> {
        let shown = without_password(url);
        let client = Client::open(url).with_context(|| format!("hot state `{shown}`"))?;
        let redis = Self { client, connection: Arc::default() };
        redis
            .run(|connection| redis::cmd("PING").query::<()>(connection))
            .with_context(|| format!("hot state `{shown}`"))?;
        Ok(redis)
    }

    /// Deletes everything of ours, and nothing else.
    pub(crate) fn wipe(&self) -> Result<()> {
        let mut keys = vec![b"ac:counters".to_vec(), b"ac:positions".to_vec()];
        for prefix in ["ac:w:", "ac:o:", "ac:n:", "ac:e:", "ac:u:"] {
            self.each_key(prefix.as_bytes(), &mut |key| keys.push(key.to_vec()))?;
        }
        for some in keys.chunks(SCAN_COUNT) {
            self.run(|connection| redis::cmd("UNLINK").arg(some).query::<()>(connection))?;
        }
        Ok(())
    }

    pub(crate) fn value(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.run(|connection| match layout(space) {
            Layout::Keys(prefix, _) => redis::cmd("GET").arg(under(prefix, key)).query(connection),
            Layout::Hash(name) => redis::cmd("HGET").arg(name).arg(key).query(connection),
        })
    }

    pub(crate) fn scan(&self, space: Space, prefix: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = match layout(space) {
            Layout::Hash(name) => self.run(|connection| redis::cmd("HGETALL").arg(name).query(connection))?,
            Layout::Keys(space_prefix, _) => self.scan_keys(space_prefix, prefix)?,
        };
        found.retain(|(key, _)| key.starts_with(prefix));
        found.sort_unstable();
        found.iter().for_each(|(key, value)| each(key, value));
        Ok(())
    }

    fn scan_keys(&self, space_prefix: &str, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut keys = Vec::new();
        self.each_key(&under(space_prefix, prefix), &mut |key| keys.push(key.to_vec()))?;
        let mut found = Vec::new();
        for some in keys.chunks(SCAN_COUNT) {
            let values: Vec<Option<Vec<u8>>> =
                self.run(|connection| redis::cmd("MGET").arg(some).query(connection))?;
            let present = some.iter().zip(values).filter_map(|(key, value)| Some((key.clone(), value?)));
            found.extend(present.map(|(key, value)| (key[space_prefix.len()..].to_vec(), value)));
        }
        Ok(found)
    }

    /// Calls `each` with every key under a prefix, some perhaps twice.
    fn each_key(&self, prefix: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<()> {
        let pattern = escaped(prefix);
        let mut cursor: u64 = 0;
        loop {
            let (next, keys): (u64, Vec<Vec<u8>>) = self.run(|connection| {
                let mut scan = redis::cmd("SCAN");
                scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT);
                scan.query(connection)
            })?;
            keys.iter().for_each(|key| each(key));
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    pub(crate) fn apply(&self, batch: &Batch) -> Result<()> {
        let expires_at = clock::now().plus(shared::time::Span::days(KEPT_DAYS)).as_ms();
        let mut pipeline = Pipeline::with_capacity(batch.len());
        pipeline.atomic();
        for ((space, key), value) in batch {
            match layout(*space) {
                Layout::Keys(prefix, true) => pipeline
                    .cmd("SET")
                    .arg(under(prefix, key))
                    .arg(value)
                    .arg("PXAT")
                    .arg(expires_at)
                    .ignore(),
                Layout::Keys(prefix, false) => {
                    pipeline.cmd("SET").arg(under(prefix, key)).arg(value).ignore()
                }
                Layout::Hash(name) => pipeline.cmd("HSET").arg(name).arg(key).arg(value).ignore(),
            };
        }
        self.run(|connection| pipeline.query::<()>(connection))
    }

    /// Runs a command on the connection; a failure drops it, and the next command makes a new one.
    fn run<T>(&self, command: impl FnOnce(&mut Connection) -> redis::RedisResult<T>) -> Result<T> {
        let mut held = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connection = match held.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let answer = command(&mut connection).context("redis")?;
        *held = Some(connection);
        Ok(answer)
    }

    fn connect(&self) -> Result<Connection> {
        let connection = self.client.get_connection_with_timeout(TIMEOUT).context("redis")?;
        connection.set_read_timeout(Some(TIMEOUT)).context("redis")?;
        connection.set_write_timeout(Some(TIMEOUT)).context("redis")?;
        Ok(connection)
    }
}

/// An address as logs may show it.
pub(crate) fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, server))) => format!("{scheme}://…@{server}"),
        _ => url.to_owned(),
    }
}

fn under(prefix: &str, key: &[u8]) -> Vec<u8> {
    [prefix.as_bytes(), key].concat()
}

/// A pattern that matches what starts with `prefix`, byte by byte.
fn escaped(prefix: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(prefix.len() + 1);
    for &byte in prefix {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.push(b'*');
    pattern
}
