//! The handle on Redis that everything else here uses: runs commands, and leaves marks that show
//! later whether what was written is still there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use redis::{ConnectionLike, Pipeline};

use crate::redis::check::WrongSetting;
use crate::redis::connection::{Connection, Servers};
use crate::redis::keys::key;
use crate::url::without_password;

/// A handle; cheap to clone. Commands take turns on one connection, which is made anew after a
/// failure.
#[derive(Clone)]
pub struct Redis {
    servers: Arc<Servers>,
    connection: Arc<Mutex<Connection>>,
    progress: Arc<Mutex<Progress>>,
    /// The field of this node's marks.
    pub mark: Arc<[u8]>,
}

impl Redis {
    /// Looks at the servers, if they answer. One that does not may come later.
    ///
    /// # Errors
    /// When the address is wrong, or a server's settings would lose windows.
    pub fn open(url: &str, node: &str) -> Result<Self> {
        let servers =
            Servers::of(url).with_context(|| format!("hot state `{}`", without_password(url)))?;
        let redis = Self {
            servers: Arc::new(servers),
            connection: Arc::default(),
            progress: Arc::default(),
            mark: format!("~{node}").into_bytes().into(),
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
        commands: impl FnOnce(&mut dyn ConnectionLike) -> redis::RedisResult<T>,
    ) -> Result<T> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).run(&self.servers, commands)
    }

    /// Ends writes to a bucket with a new mark, which is there only if they are.
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

/// What the buckets said last, and what they may be told.
#[derive(Default)]
pub struct Progress {
    /// By bucket: stream → position. Empty until they were asked.
    pub said: Vec<HashMap<Vec<u8>, Vec<u8>>>,
    pub generation: Vec<u8>,
    /// By bucket: the mark that this node left last.
    pub marks: HashMap<u8, u64>,
    /// Up to where everything of a stream is stored.
    pub reached: HashMap<Vec<u8>, Vec<u8>>,
}
