//! The connection to the servers: their addresses, time-outs, and what happens after a failure.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use redis::cluster::{ClusterClient, ClusterConnection};
use redis::{Client, ConnectionLike, RedisError};

use crate::redis::check::check_info;
use crate::redis::foreign::{keys_of, type_of};

/// How long a command may take. A server may hang without refusing; the projector then waits and
/// catches up.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long no command is sent after a failure, so that a server that hangs does not delay the next
/// caller.
const BREAK: Duration = Duration::from_millis(500);

/// The servers' addresses.
pub(super) enum Servers {
    One(Client),
    Cluster(ClusterClient, Vec<Client>),
}

/// The one connection, made when it is needed.
#[derive(Default)]
pub(super) struct Connection {
    connection: Option<Box<dyn ConnectionLike + Send>>,
    failed_at: Option<Instant>,
    /// Whether the servers' settings have been checked.
    checked: bool,
}

impl Connection {
    /// Runs commands on the connection. A failure drops it; after a short pause a new one is made.
    ///
    /// SECURITY: a key of another type than we write is not ours, and no command works on it. It is
    /// deleted, `foreign` gets its name, and the commands run again.
    pub(super) fn run<T>(
        &mut self,
        servers: &Servers,
        commands: impl Fn(&mut dyn ConnectionLike) -> redis::RedisResult<T>,
        foreign: &dyn Fn(&[u8]),
    ) -> Result<T> {
        if self.failed_at.is_some_and(|at| at.elapsed() < BREAK) {
            bail!("Redis did not answer a moment ago; it is asked again soon");
        }
        let answer = self.connected(servers).and_then(|mut connection| {
            let answer = match commands(connection.as_mut()) {
                Err(error) if is_wrong_type(&error) => {
                    delete_foreign(connection.as_mut(), &commands, foreign).context("redis")?;
                    commands(connection.as_mut())
                }
                answer => answer,
            };
            Ok((connection, answer.context("redis")?))
        });
        match answer {
            Ok((connection, answer)) => {
                (self.connection, self.failed_at) = (Some(connection), None);
                Ok(answer)
            }
            Err(error) => {
                self.failed_at = Some(Instant::now());
                Err(error)
            }
        }
    }

    fn connected(&mut self, servers: &Servers) -> Result<Box<dyn ConnectionLike + Send>> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        if !self.checked {
            servers.check()?;
            self.checked = true;
        }
        servers.connect()
    }
}

fn is_wrong_type(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE") || error.to_string().contains("WRONGTYPE")
}

/// Deletes those keys of the commands that have another type than we write.
fn delete_foreign<T>(
    connection: &mut dyn ConnectionLike,
    commands: &impl Fn(&mut dyn ConnectionLike) -> redis::RedisResult<T>,
    foreign: &dyn Fn(&[u8]),
) -> redis::RedisResult<()> {
    for key in keys_of(commands) {
        let Some(ours) = type_of(&key) else { continue };
        let held: String = redis::cmd("TYPE").arg(&key).query(connection)?;
        if held != ours && held != "none" {
            redis::cmd("UNLINK").arg(&key).query::<()>(connection)?;
            foreign(&key);
        }
    }
    Ok(())
}

impl Servers {
    pub(super) fn of(url: &str) -> Result<Self> {
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
        let each =
            nodes.iter().map(|node| Client::open(node.as_str())).collect::<Result<_, _>>()?;
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

    /// Checks the settings of every server in the address.
    fn check(&self) -> Result<()> {
        let clients = match self {
            Self::One(client) => std::slice::from_ref(client),
            Self::Cluster(_, clients) => clients,
        };
        let mut answered = false;
        for client in clients {
            // Some nodes of a cluster may be down.
            let Ok(mut connection) = client.get_connection_with_timeout(TIMEOUT) else { continue };
            connection.set_read_timeout(Some(TIMEOUT)).context("redis")?;
            let info: String = redis::cmd("INFO").query(&mut connection).context("redis")?;
            answered = true;
            let of_cluster = matches!(self, Self::Cluster(..));
            for warning in check_info(&info, of_cluster)? {
                tracing::warn!(
                    "hot state on Redis at {}: {warning}",
                    client.get_connection_info().addr()
                );
            }
        }
        if answered { Ok(()) } else { bail!("no server answers") }
    }
}

/// A connection to a cluster that takes pipelines. All commands of a pipeline go to one slot, which
/// the first command names.
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
