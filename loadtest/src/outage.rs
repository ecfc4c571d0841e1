//! Disturbs Redis under load: it hangs, dies, is emptied, loses a cluster's master, or moves slots.
//! Redirects must not be affected. Afterwards Redis must have every window again, as the journal
//! gives it.
//!
//! The expected keys and values are computed here from their documented layout, never by the
//! product's code.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::http::Connection;
use harness::{Launch, Product, Redis, RedisCluster};
use hyper::Method;
use shared::record::{Click, Record};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::followers::{BROWSER, click_of};
use crate::scene::{self, HOST, LINKS, slug};

/// How long it may take until one more window is there. The time until all are there depends on how
/// busy the machine is, since the projector leaves the processor to everything else.
const PATIENCE: Duration = Duration::from_secs(15);
/// The number of followers, and the time between two clicks of each.
const FOLLOWERS: usize = 8;
const CLICK_EVERY: Duration = Duration::from_millis(4);

/// The settings of an outage test.
#[derive(Debug, Clone)]
pub struct OutagePlan {
    /// Folder of the binaries.
    pub bin_dir: PathBuf,
    /// Folder of the data.
    pub data: PathBuf,
    /// How long each fault lasts.
    pub lasts: Duration,
    /// A cluster of three masters and three replicas, instead of one server.
    pub cluster: bool,
    /// A fault to plant into the product. The product must be built with its feature `faults`.
    pub fault: Option<String>,
}

/// A disturbance and its result.
#[derive(Debug, Clone)]
pub struct Phase {
    /// What was done to Redis.
    pub name: &'static str,
    /// Clicks sent.
    pub sent: usize,
    /// Clicks that were not answered with a redirect and a token.
    pub failed: usize,
    /// The 99th percentile of the latency of redirects.
    pub p99: Duration,
    /// The latency of the slowest redirect.
    pub slowest: Duration,
    /// The time from the end of the disturbance until every window was there; `None` if some never
    /// were.
    pub whole_after: Option<Duration>,
    /// Windows that are missing or wrong at the end.
    pub wrong: usize,
}

/// Disturbs Redis in every way, one after the other. Stops early if windows stay missing or wrong.
///
/// # Errors
/// When the product or Redis cannot be started, or the journal cannot be read.
pub async fn outage(plan: &OutagePlan, mut on_phase: impl FnMut(&Phase)) -> Result<Vec<Phase>> {
    let mut servers = if plan.cluster {
        Servers::Cluster(RedisCluster::start(3, 1)?)
    } else {
        Servers::One(Redis::start(&[])?)
    };
    let mut launch = Launch::new(&plan.bin_dir, &plan.data);
    if let Some(fault) = &plan.fault {
        launch = launch.environment("AFTERCLICK_FAULT", fault);
    }
    let url = servers.url();
    let product = launch.arguments(&["--state", &url]).start().await?;
    scene::set(&product).await?;
    let mut phases = Vec::new();
    for fault in servers.faults() {
        let load = Load::start(&product);
        servers.begin(*fault)?;
        sleep(plan.lasts).await;
        let (sent, failed, mut latencies) = load.stop().await;
        servers.end(*fault)?;
        let (whole_after, wrong) = wait_for_windows(&servers, &plan.data).await?;
        latencies.sort_unstable();
        let at = |share: usize| {
            latencies.get(latencies.len() * share / 1000).copied().unwrap_or_default()
        };
        let slowest = latencies.last().copied().unwrap_or_default();
        let phase =
            Phase { name: fault.name(), sent, failed, p99: at(990), slowest, whole_after, wrong };
        on_phase(&phase);
        let is_over = phase.wrong > 0;
        phases.push(phase);
        if is_over {
            break;
        }
    }
    product.stop().await?;
    Ok(phases)
}

/// What is done to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Calm,
    Hang,
    Dead,
    Emptied,
    MasterLost,
    SlotsMoved,
}

impl Fault {
    const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Hang => "hanging",
            Self::Dead => "dead, back empty",
            Self::Emptied => "emptied",
            Self::MasterLost => "a master lost",
            Self::SlotsMoved => "slots moved",
        }
    }
}

enum Servers {
    One(Redis),
    Cluster(RedisCluster),
}

impl Servers {
    fn url(&self) -> String {
        match self {
            Self::One(redis) => redis.url(),
            Self::Cluster(cluster) => cluster.url(),
        }
    }

    fn faults(&self) -> &'static [Fault] {
        match self {
            Self::One(_) => &[Fault::Calm, Fault::Hang, Fault::Dead, Fault::Emptied],
            Self::Cluster(_) => &[Fault::Calm, Fault::MasterLost, Fault::SlotsMoved],
        }
    }

    fn begin(&mut self, fault: Fault) -> Result<()> {
        match (self, fault) {
            (Self::One(redis), Fault::Hang) => redis.hang(),
            (Self::One(redis), Fault::Dead) => redis.kill(),
            (Self::One(redis), Fault::Emptied) => redis.cli(&["flushall"]).map(|_| ()),
            (Self::Cluster(cluster), Fault::MasterLost) => cluster.nodes[0].kill(),
            (Self::Cluster(cluster), Fault::SlotsMoved) => move_slots(cluster),
            _ => Ok(()),
        }
    }

    fn end(&mut self, fault: Fault) -> Result<()> {
        match (self, fault) {
            (Self::One(redis), Fault::Hang) => redis.go_on(),
            (Self::One(redis), Fault::Dead) => redis.start_again(),
            // It comes back as a replica of the node that took its place.
            (Self::Cluster(cluster), Fault::MasterLost) => {
                cluster.nodes[0].start_again()?;
                cluster.wait_until_ok()
            }
            _ => Ok(()),
        }
    }

    /// Returns how many keys the living masters have.
    fn count(&self) -> Result<usize> {
        let nodes = match self {
            Self::One(redis) => std::slice::from_ref(redis),
            Self::Cluster(cluster) => &cluster.nodes,
        };
        let mut count = 0;
        for node in nodes {
            let Ok(role) = node.cli(&["role"]) else { continue };
            if role.starts_with("master") {
                count += node.cli(&["dbsize"])?.trim().parse::<usize>()?;
            }
        }
        Ok(count)
    }

    /// Returns the values of keys, whichever node has them.
    fn values(&self, keys: &[Vec<u8>]) -> redis::RedisResult<Vec<Option<Vec<u8>>>> {
        match self {
            Self::One(server) => {
                let mut connection = redis::Client::open(server.url())?.get_connection()?;
                let mut found = Vec::with_capacity(keys.len());
                for some in keys.chunks(1000) {
                    found.extend(
                        redis::cmd("MGET")
                            .arg(some)
                            .query::<Vec<Option<Vec<u8>>>>(&mut connection)?,
                    );
                }
                Ok(found)
            }
            Self::Cluster(cluster) => {
                let nodes: Vec<String> = cluster.nodes.iter().map(Redis::url).collect();
                let mut connection = redis::cluster::ClusterClient::new(nodes)?.get_connection()?;
                let mut found = Vec::with_capacity(keys.len());
                for some in keys.chunks(1000) {
                    let mut pipeline = redis::cluster::cluster_pipe();
                    some.iter().for_each(|key| _ = pipeline.cmd("GET").arg(key));
                    found.extend(pipeline.query::<Vec<Option<Vec<u8>>>>(&mut connection)?);
                }
                Ok(found)
            }
        }
    }
}

/// Moves a thousand slots from one living master to another.
fn move_slots(cluster: &RedisCluster) -> Result<()> {
    let living = &cluster.nodes[1];
    let nodes = living.cli(&["cluster", "nodes"])?;
    let masters: Vec<&str> = nodes
        .lines()
        .filter(|line| line.contains("master") && !line.contains("fail"))
        .filter_map(|line| line.split(' ').next())
        .collect();
    ensure!(masters.len() >= 2, "fewer than two masters:\n{nodes}");
    let mut command = std::process::Command::new("redis-cli");
    command.args([
        "--cluster",
        "reshard",
        &living.address().to_string(),
        "--cluster-from",
        masters[0],
    ]);
    command.args(["--cluster-to", masters[1], "--cluster-slots", "1000", "--cluster-yes"]);
    let output = command.output()?;
    ensure!(output.status.success(), "reshard: {}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

/// Followers that click at a steady pace.
struct Load {
    followers: JoinSet<()>,
    state: Arc<LoadState>,
}

#[derive(Default)]
struct LoadState {
    stop: AtomicBool,
    failed: Mutex<usize>,
    latencies: Mutex<Vec<Duration>>,
}

impl Load {
    fn start(product: &Product) -> Self {
        let state = Arc::new(LoadState::default());
        let mut followers = JoinSet::new();
        for number in 0..FOLLOWERS {
            followers.spawn(follow(product.public, number, Arc::clone(&state)));
        }
        Self { followers, state }
    }

    async fn stop(mut self) -> (usize, usize, Vec<Duration>) {
        self.state.stop.store(true, Relaxed);
        while self.followers.join_next().await.is_some() {}
        let failed = *self.state.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let latencies = std::mem::take(
            &mut *self.state.latencies.lock().unwrap_or_else(PoisonError::into_inner),
        );
        (failed + latencies.len(), failed, latencies)
    }
}

async fn follow(address: std::net::SocketAddr, number: usize, state: Arc<LoadState>) {
    let mut pace = interval(CLICK_EVERY);
    // A slow answer delays the next click. The latency of that click then counts from the moment
    // when it should have been sent.
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut connection = None;
    let mut latencies = Vec::new();
    while !state.stop.load(Relaxed) {
        let due = pace.tick().await;
        let path = format!("/{}", slug(number % LINKS));
        match click(&mut connection, address, &path).await {
            Ok(()) => latencies.push(due.elapsed()),
            Err(_) => {
                connection = None;
                *state.failed.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            }
        }
    }
    state.latencies.lock().unwrap_or_else(PoisonError::into_inner).extend(latencies);
}

async fn click(
    connection: &mut Option<Connection>,
    address: std::net::SocketAddr,
    path: &str,
) -> Result<()> {
    if connection.is_none() {
        *connection = Some(Connection::open(address).await?);
    }
    let open = connection.as_mut().context("no connection")?;
    let answer =
        open.send(Method::GET, path, &[("host", HOST), ("user-agent", BROWSER)], "").await?;
    ensure!(answer.status == 302, "{path} answered {}", answer.status);
    click_of(answer.header("location")).map(|_| ())
}

/// Waits until Redis holds every window of the journal. Returns how long that took, and how many
/// windows are missing or wrong at the end.
async fn wait_for_windows(servers: &Servers, data: &Path) -> Result<(Option<Duration>, usize)> {
    let windows = windows(&data.join("journal"))?;
    let (keys, expected): (Vec<_>, Vec<_>) = windows.into_iter().unzip();
    ensure!(!keys.is_empty(), "no window to look for");
    let begun = Instant::now();
    let (mut most, mut progress_at) = (0, begun);
    loop {
        // Counting keys costs Redis nothing; comparing values does.
        let count = servers.count().unwrap_or_default();
        if count > most {
            (most, progress_at) = (count, Instant::now());
        }
        let is_over = progress_at.elapsed() > PATIENCE;
        if count < keys.len() && !is_over {
            sleep(Duration::from_millis(20)).await;
            continue;
        }
        let wrong = match servers.values(&keys) {
            Ok(found) => found
                .iter()
                .zip(&expected)
                .filter(|(found, want)| found.as_ref() != Some(want))
                .count(),
            Err(_) => keys.len(),
        };
        match wrong {
            0 => return Ok((Some(begun.elapsed()), 0)),
            _ if is_over => return Ok((None, wrong)),
            _ => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Returns key and value of every window that the journal's clicks open, by the documented layout.
fn windows(journal_dir: &Path) -> Result<HashMap<Vec<u8>, Vec<u8>>> {
    let mut windows = HashMap::new();
    for stream in journal::streams(journal_dir)? {
        let mut reader = journal::Reader::open(journal_dir, &stream, 0)?;
        while let Some(record) = reader.next()? {
            if let Record::Click(click) = Record::decode(record.payload)?
                && click.class.earns()
            {
                windows.insert(window_key(click.id.as_bytes()), window_value(&click));
            }
        }
    }
    Ok(windows)
}

/// Returns the key of a window: `ac:{2f}w` and the click id. The bucket is the upper half of the
/// FNV-1a hash, modulo 64.
pub(crate) fn window_key(click: &[u8; 16]) -> Vec<u8> {
    let hash = click.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    [format!("ac:{{{:02x}}}w", (hash >> 32) % 64).as_bytes(), click].concat()
}

fn window_value(click: &Click<'_>) -> Vec<u8> {
    let mut value = click.link.bits().to_be_bytes().to_vec();
    value.extend(click.at.as_ms().to_be_bytes());
    value.extend(click.window_minutes.to_be_bytes());
    value.extend(click.previous.iter().flat_map(|previous| previous.as_bytes()));
    value
}
