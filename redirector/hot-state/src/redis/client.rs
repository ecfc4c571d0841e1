//! The handle on Redis that the other files here use. It runs commands. It also leaves marks, which
//! show later whether the data that was written is still there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use live::seal::Sealer;
use redis::{ConnectionLike, Pipeline};

use crate::redis::check::WrongSetting;
use crate::redis::connection::{Connection, Servers};
use crate::redis::keys::key;
use crate::url::without_password;

/// A handle; cheap to clone. Commands take turns on one connection, which is opened again after a
/// failure.
#[derive(Clone)]
pub struct Redis {
    servers: Arc<Servers>,
    connection: Arc<Mutex<Connection>>,
    progress: Arc<Mutex<Progress>>,
    /// The field in which this node keeps its marks.
    pub mark: Arc<[u8]>,
    /// Seals what stands under orders' names.
    pub sealer: Arc<Sealer>,
    foreign: Arc<AtomicU64>,
}

impl Redis {
    /// Checks the servers that answer. A server that does not answer may come later.
    ///
    /// # Errors
    /// When the address is wrong, or a server's settings would lose windows.
    pub fn open(url: &str, node: &str, sealer: Sealer) -> Result<Self> {
        let servers =
            Servers::of(url).with_context(|| format!("hot state `{}`", without_password(url)))?;
        let redis = Self {
            servers: Arc::new(servers),
            connection: Arc::default(),
            progress: Arc::default(),
            mark: format!("~{node}").into_bytes().into(),
            sealer: Arc::new(sealer),
            foreign: Arc::default(),
        };
        match redis.run(|connection| redis::cmd("PING").query::<()>(connection)) {
            Err(error) if error.is::<WrongSetting>() => {
                Err(error.context(format!("hot state `{}`", without_password(url))))
            }
            Err(error) => {
                tracing::warn!(
                    "hot state `{}` does not answer; it catches up when it does: {error:#}",
                    without_password(url)
                );
                Ok(redis)
            }
            Ok(()) => Ok(redis),
        }
    }

    /// Runs commands on the connection.
    pub fn run<T>(
        &self,
        commands: impl Fn(&mut dyn ConnectionLike) -> redis::RedisResult<T>,
    ) -> Result<T> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.run(&self.servers, commands, &|key| self.count_foreign(key))
    }

    /// Counts a value that none of our nodes wrote. The log shows the first one of a process.
    pub fn count_foreign(&self, key: &[u8]) {
        if self.foreign.fetch_add(1, Relaxed) == 0 {
            tracing::error!(
                "`{}` in Redis is not what afterclick writes there, and is deleted; if a node has \
                 other keys, give it the same `keys.json`, else find out who writes to Redis",
                key.escape_ascii()
            );
        }
    }

    /// Returns how many values were found since the start that none of our nodes wrote.
    pub fn foreign(&self) -> u64 {
        self.foreign.load(Relaxed)
    }

    /// Adds a new mark behind the writes to a bucket. The mark is there only if the writes are.
    pub fn add_mark(&self, bucket: u8, pipeline: &mut Pipeline) -> u64 {
        let mark = rand::random();
        let place = key(bucket, b'p', &[]);
        pipeline
            .cmd("HSET")
            .arg(place)
            .arg(&self.mark[..])
            .arg(&u64::to_be_bytes(mark)[..])
            .ignore();
        mark
    }

    pub fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the buckets last reported, and what may be written to them next.
#[derive(Default)]
pub struct Progress {
    /// By bucket: stream → position. Empty until the buckets are asked.
    pub said: Vec<HashMap<Vec<u8>, Vec<u8>>>,
    pub generation: Vec<u8>,
    /// By bucket: the mark that this node left last.
    pub marks: HashMap<u8, u64>,
    /// By stream: the position up to which everything is stored.
    pub reached: HashMap<Vec<u8>, Vec<u8>>,
}
