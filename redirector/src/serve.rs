//! `afterclick serve`: build everything, run it, drain it.
//!
//! Sockets are bound before anything starts, so that a second server on the same address fails at
//! once. On shutdown: stop accepting, finish what is under way, bring every stream to the disk,
//! project what is left if that is soon done, exit 0.

use std::fs::DirBuilder;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::SendError;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use journal::{Committer, Health, Shutdown, StreamName, Syncer, Writer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shared::agent::Agents;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::admin::{self, Admin, auth};
use crate::catalog::{Live, STREAM_PREFIX};
use crate::clock;
use crate::config::{Config, StateUrl};
use crate::edge::{self, Counters, Edge, Listeners};
use crate::exchange::Exchange;
use crate::keys;
use crate::node;
use crate::reconcile::{Looks, Reconciler};
use crate::ship::{Shipper, Store};
use crate::state::{HotState, Lag, Opening, Projector};
use crate::tls::{Acme, Tls};

/// How long a click that is in the system's hands may wait for the disk.
const SYNC_EVERY: Duration = Duration::from_millis(40);
/// Characters below which somebody may guess a token.
const GUESSABLE_TOKEN: usize = 20;
/// How long to wait before a hot state that cannot be opened is tried again.
const PAUSE_BEFORE_OPENING_AGAIN: Duration = Duration::from_millis(600);
/// How long a stopping server may take for its hot state, which is no more than convenience.
const PROJECTING_REST_MAX: Duration = Duration::from_secs(5);
/// The share of file descriptors that connections may take, in percent.
const CONNECTIONS_PERCENT: usize = 60;

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// When something cannot be opened or bound, or could not be brought to the disk at the end.
pub(crate) fn serve(config: Config) -> Result<()> {
    let signals = Signals::catch()?;
    raise_descriptor_limit();
    if config.admin_token.as_ref().is_some_and(|token| token.len() < GUESSABLE_TOKEN) {
        tracing::warn!(
            "the configured admin token is short enough to be guessed: use it for tests only"
        );
    }
    #[cfg(feature = "faults")]
    if let Some(crate::config::Fault::State(fault)) = config.fault {
        fault.plant();
    }
    make_data_folder(&config.data)?;
    let (public, listeners) = edge::bind(config.listen, config.workers)?;
    let tls_bound =
        config.tls.as_ref().map(|tls| edge::bind(tls.listen, config.workers)).transpose()?;
    let (tls_address, tls_listeners) = tls_bound.unzip();
    let (admin, admin_listeners) = edge::bind(config.admin, 1)?;
    let tls = config.tls.as_ref().map(|tls| Tls::open(&tls.files).map(Arc::new)).transpose()?;
    let node = node::name(&config.data)?;
    let journals = Journals::open(&config, &node)?;
    let ring = keys::load_or_create(&config.data)?;
    let live =
        Live::open(&config.journal_dir(), config.hosts.clone(), ring, journals.catalog.0.clone())?;
    let mut tls_listeners = tls_listeners.into_iter().flatten();
    let with_tls = |plain| Listeners { plain, tls: tls_listeners.next() };
    let listeners = listeners.into_iter().map(with_tls).collect();
    let server = Server { config, live: Arc::new(live), tls, stop: watch::channel(false).0 };
    server.run(
        signals,
        journals,
        listeners,
        admin_listeners,
        Addresses { public, tls: tls_address, admin },
    )
}

/// Makes the data folder, for its owner alone: the journal holds webhook secrets and what shops
/// sent.
pub(crate) fn make_data_folder(data: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("data folder {}", data.display()))
}

/// The streams this process writes.
struct Journals {
    /// Clicks, one stream a core.
    edges: Vec<Writer>,
    /// Events, order facts, unparsed reports.
    facts: (Committer, Shutdown),
    /// Catalog changes.
    catalog: (Committer, Shutdown),
}

impl Journals {
    fn open(config: &Config, node: &str) -> Result<Self> {
        let committer = |kind: &str| -> Result<_> {
            Ok(Committer::spawn(open_stream(config, &format!("{kind}-{node}"))?, clock::now_ms))
        };
        let edge = |core| open_stream(config, &format!("edge-{node}-{core}"));
        Ok(Self {
            edges: (0..config.workers).map(edge).collect::<Result<_>>()?,
            facts: committer("facts")?,
            catalog: committer(STREAM_PREFIX)?,
        })
    }

    fn healths(&self) -> Vec<Health> {
        let edges = self.edges.iter().map(Writer::health);
        edges.chain([self.facts.0.health(), self.catalog.0.health()]).collect()
    }
}

/// Opens a stream for writing and says what recovery had to do.
pub(crate) fn open_stream(config: &Config, name: &str) -> Result<Writer> {
    let stream = StreamName::new(name)?;
    let (writer, recovery) =
        Writer::open(&config.journal_dir(), &stream, clock::now_ms(), config.journal_options())?;
    if recovery.damaged {
        tracing::error!(
            "stream {stream}: damaged end set aside in {:?}; look at the disk",
            recovery.set_aside
        );
    } else if recovery.cut_bytes > 0 {
        tracing::info!("stream {stream}: cut {} bytes of an unfinished record", recovery.cut_bytes);
    }
    Ok(writer)
}

struct Server {
    config: Config,
    live: Arc<Live>,
    tls: Option<Arc<Tls>>,
    stop: watch::Sender<bool>,
}

/// Where the server listens.
struct Addresses {
    public: SocketAddr,
    tls: Option<SocketAddr>,
    admin: SocketAddr,
}

impl Server {
    fn run(
        self,
        signals: Signals,
        mut journals: Journals,
        listeners: Vec<Listeners>,
        admin_listeners: Vec<std::net::TcpListener>,
        addresses: Addresses,
    ) -> Result<()> {
        let healths = journals.healths();
        let counters: Vec<_> = (0..self.config.workers).map(|_| Counters::leak()).collect();
        let lag = Arc::new(Lag::default());
        let projecting = Projecting::start(&self.config, &self.live, &lag)?;
        let exchanging = self.start_exchange(&projecting.state, &journals.catalog.0)?;
        let syncing = Syncing::start(journals.edges.iter().map(Writer::syncer).collect())?;
        let shipping = self.start_shipper(&lag)?;
        let writers = std::mem::take(&mut journals.edges);
        self.start_acme()?;
        let cores = self.start_cores(&journals.facts.0, listeners, writers, &counters)?;
        self.start_watching_certificates()?;
        let looks = Looks::default();
        self.start_reconciler(&projecting.state, &journals.facts.0, &looks)?;
        let admin = Admin {
            live: Arc::clone(&self.live),
            looks,
            state: projecting.state.clone(),
            facts: journals.facts.0.clone(),
            journal_dir: self.config.journal_dir(),
            first_token: self.config.admin_token.as_deref().map(auth::hash),
            counters,
            journals: healths,
            tls: self.tls.clone(),
            lag,
        };
        let stop = self.stop.subscribe();
        let admin = Arc::new(admin);
        let run_admin = |listener| {
            let (admin, stop) = (Arc::clone(&admin), stop.clone());
            spawn("admin", move || admin::run(admin, listener, stop))
        };
        let admin = admin_listeners.into_iter().map(run_admin).collect::<Result<_>>()?;
        announce(addresses)?;
        signals.wait_and_stop(&self.stop)?;
        let drained = [join_all(cores), join_all(admin), syncing.finish()];
        for (stop, thread) in exchanging.into_iter().chain(shipping) {
            stop.store(true, Relaxed);
            _ = thread.join();
        }
        // The projector goes last: it takes in what the others wrote at the end.
        let closed = [journals.facts.1.shutdown(), journals.catalog.1.shutdown()];
        projecting.finish();
        drained.into_iter().collect::<Result<()>>()?;
        closed.into_iter().collect::<Result<(), journal::Error>>()?;
        tracing::info!("drained and synced");
        Ok(())
    }

    /// Nodes that share a Redis exchange their catalogs.
    fn start_exchange(
        &self,
        state: &Opening,
        catalog: &Committer,
    ) -> Result<Option<(Arc<AtomicBool>, JoinHandle<()>)>> {
        let Ok(HotState::Redis(redis)) = state.get() else { return Ok(None) };
        let (live, redis) = (Arc::clone(&self.live), redis.clone());
        let exchange = Exchange::new(self.config.journal_dir(), redis, live, catalog.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = spawn("exchange", move || exchange.run(&stopped))?;
        Ok(Some((stop, thread)))
    }

    fn start_shipper(&self, lag: &Arc<Lag>) -> Result<Option<(Arc<AtomicBool>, JoinHandle<()>)>> {
        let Some(to) = &self.config.ship else { return Ok(None) };
        let (store, lag) = (Store::open(to)?, Arc::clone(lag));
        let shipper = Shipper::new(self.config.journal_dir(), store, self.config.retention, lag);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = spawn("shipper", move || {
            yield_to_redirects();
            shipper.run(&stopped);
        })?;
        Ok(Some((stop, thread)))
    }

    /// Nobody waits for this thread in the end: what it has not kept is ordered again.
    fn start_acme(&self) -> Result<()> {
        let Some((tls, settings)) = self.tls.as_ref().zip(self.config.tls.as_ref()) else {
            return Ok(());
        };
        let Some(settings) = &settings.acme else { return Ok(()) };
        let acme = Acme::open(settings, &self.config.data, Arc::clone(tls))?;
        spawn("acme", move || {
            yield_to_redirects();
            acme.run();
        })?;
        Ok(())
    }

    /// Nobody waits for this thread in the end: it only reads.
    fn start_watching_certificates(&self) -> Result<()> {
        let (Some(tls), Some(settings)) = (self.tls.clone(), self.config.tls.clone()) else {
            return Ok(());
        };
        if !settings.files.is_empty() {
            spawn("certificates", move || tls.watch(&settings.files))?;
        }
        Ok(())
    }

    /// Nobody waits for this thread in the end: a shop may take its time, and what it says is asked
    /// for again.
    fn start_reconciler(&self, state: &Opening, facts: &Committer, looks: &Looks) -> Result<()> {
        let (live, stop) = (Arc::clone(&self.live), self.stop.subscribe());
        let reconciler =
            Reconciler::new(&self.config, live, state.clone(), facts.clone(), looks.clone());
        spawn("reconciler", move || {
            yield_to_redirects();
            reconciler.run(&stop);
        })?;
        Ok(())
    }

    fn start_cores(
        &self,
        facts: &Committer,
        listeners: Vec<Listeners>,
        writers: Vec<Writer>,
        counters: &[&'static Counters],
    ) -> Result<Vec<JoinHandle<Result<()>>>> {
        let agents = Arc::new(Agents::new()?);
        let cores = listeners.into_iter().zip(writers).zip(counters).enumerate();
        let start = |(core, ((listener, writer), &counters))| {
            let edge = Edge {
                live: Arc::clone(&self.live),
                facts: facts.clone(),
                agents: Arc::clone(&agents),
                config: self.config.clone(),
                connections_max: connections_max(self.config.workers),
                tls: self.tls.clone(),
                stop: self.stop.subscribe(),
            };
            spawn(&format!("edge-{core}"), move || edge::run(&edge, listener, writer, counters))
        };
        cores.map(start).collect()
    }
}

/// Raises the limit of file descriptors as far as the system lets us: the usual 1,024 are few
/// visitors.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) =
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::warn!("the limit of file descriptors stays at {:?}: {error}", limit.current);
    }
}

/// Connections a core may hold, so that files and the journal always find a descriptor.
fn connections_max(workers: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    usize::try_from(limit).unwrap_or(usize::MAX).saturating_mul(CONNECTIONS_PERCENT) / 100 / workers
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .with_context(|| format!("cannot start thread {name}"))
}

fn join_all(threads: Vec<JoinHandle<Result<()>>>) -> Result<()> {
    let joined = threads.into_iter().map(|thread| {
        thread
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked; the log says more")))
    });
    joined.collect()
}

/// The thread that keeps the hot state up with the journal.
struct Projecting {
    state: Opening,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Projecting {
    /// Starts it. A Redis server with settings that would lose windows is refused at once; an
    /// embedded store takes its time to open, and nobody waits for it.
    fn start(config: &Config, live: &Arc<Live>, lag: &Arc<Lag>) -> Result<Self> {
        let (url, data, journal_dir) =
            (config.state.clone(), config.data.clone(), config.journal_dir());
        let (live, lag) = (Arc::clone(live), Arc::clone(lag));
        let (state, stop) = (Opening::default(), Arc::new(AtomicBool::new(false)));
        let (opening, stopped) = (state.clone(), Arc::clone(&stop));
        let (refused, refusal) = std::sync::mpsc::channel();
        let refusal = matches!(url, StateUrl::Redis(_)).then_some(refusal);
        let thread = spawn("projector", move || {
            // The store's own threads are started here too and are as polite.
            yield_to_redirects();
            while !stopped.load(Relaxed) {
                match HotState::open(&url, &data) {
                    Ok(state) => {
                        opening.set(state.clone());
                        drop(refused);
                        return Projector::new(journal_dir, state, live, lag).run(&stopped);
                    }
                    Err(error) => {
                        let Err(SendError(error)) = refused.send(error) else { return };
                        if !lag.failing.swap(true, Relaxed) {
                            tracing::error!(
                                "the hot state cannot be opened, nothing is lost: {error:#}"
                            );
                        }
                        thread::sleep(PAUSE_BEFORE_OPENING_AGAIN);
                    }
                }
            }
        })?;
        match refusal.and_then(|refusal| refusal.recv().ok()) {
            Some(error) => Err(error),
            None => Ok(Self { state, stop, thread }),
        }
    }

    /// Lets it take in the rest, but not for long: what it does not reach is taken in after the
    /// next start.
    fn finish(self) {
        self.stop.store(true, Relaxed);
        let told_at = Instant::now();
        while !self.thread.is_finished() {
            if told_at.elapsed() > PROJECTING_REST_MAX {
                tracing::warn!(
                    "the hot state is behind and catches up after the next start; nothing is lost"
                );
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        if self.thread.join().is_err() {
            tracing::error!("the projector panicked; `afterclick replay` rebuilds the hot state");
        }
    }
}

/// Lowers this thread's priority, so that redirects come first when there is not enough for both.
fn yield_to_redirects() {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19) {
        tracing::warn!("a thread that should yield runs at normal priority: {error}");
    }
}

/// The thread that brings clicks to the disk soon after they were written.
struct Syncing {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Syncing {
    fn start(syncers: Vec<Syncer>) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = spawn("syncer", move || {
            while !stopped.load(Relaxed) {
                for syncer in &syncers {
                    // A failure poisons the stream, which its core, `/readyz` and the log report.
                    if let Err(error) = syncer.sync() {
                        tracing::debug!("{error}");
                    }
                }
                thread::sleep(SYNC_EVERY);
            }
        })?;
        Ok(Self { stop, thread })
    }

    fn finish(self) -> Result<()> {
        self.stop.store(true, Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the syncer panicked"))
    }
}

/// Says on standard output where the server listens, as one line of JSON.
fn announce(Addresses { public, tls, admin }: Addresses) -> Result<()> {
    let mut ready = serde_json::json!({ "ready": true, "public": public.to_string(), "admin": admin.to_string() });
    if let Some(tls) = tls {
        ready["tls"] = tls.to_string().into();
        tracing::info!("public listener for TLS on {tls}");
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{ready}").and_then(|()| out.flush()).context("standard output")?;
    tracing::info!("public listener on {public}, admin listener on {admin}");
    Ok(())
}

/// SIGTERM and SIGINT, caught from the moment this is made.
struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches the signals; done first of all, so that none ends the process before it can drain.
    fn catch() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let catch = |kind| {
            let _inside = runtime.enter();
            signal(kind).context("cannot catch signals")
        };
        let (terminate, interrupt) =
            (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?);
        Ok(Self { runtime, terminate, interrupt })
    }

    fn wait(&mut self) {
        let (terminate, interrupt) = (&mut self.terminate, &mut self.interrupt);
        self.runtime.block_on(async {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        });
    }

    /// Waits for a signal and tells everyone to stop; a second signal ends the process at once.
    fn wait_and_stop(mut self, stop: &watch::Sender<bool>) -> Result<()> {
        self.wait();
        tracing::info!("stopping: finishing what is under way");
        stop.send_replace(true);
        spawn("second-signal", move || {
            self.wait();
            // The journal survives a kill, and nothing else may hold the end up.
            _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
        })?;
        Ok(())
    }
}
