//! `afterclick serve`: bind, open, start the list of threads, wait for a signal, then end the list
//! backwards.
//!
//! Sockets are bound before anything starts. So a second server on the same address fails at once.

mod job;
mod limits;
mod signals;

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use agents::Agents;
use anyhow::{Context, Result};
use console::{Console, Guesses, Hosts, LastOwed, auth};
use edge::tls::Tls;
use edge::{Edge, Listeners};
use hot_state::{HotState, LazyState, StateUrl};
use journal::Writer;
use live::seal::{Purpose, Sealer};
use live::status::{CertificateStatus, Counters, ExchangeStatus, Lag, Reconciliations};
use live::{Live, keys, node};

use crate::config::Config;
use crate::jobs::acme::Acme;
use crate::jobs::clock::ClockWatch;
use crate::jobs::exchange::Exchange;
use crate::jobs::project::Projecting;
use crate::jobs::reconcile::Reconciler;
use crate::jobs::ship::{Shipper, Store};
use crate::jobs::{certificates, sync};
use crate::journals::{Journals, make_data_folder, with_way_out};
use crate::memory::{self, Memory};
use crate::serve::job::{End, Job, Jobs, Priority};
use crate::serve::signals::Signals;

/// A token with fewer characters can be guessed.
const GUESSABLE_TOKEN: usize = 20;
/// How long a stopping server may take to bring its hot state up to date. The next start can do
/// this too.
const PROJECTING_REST_MAX: Duration = Duration::from_secs(5);

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// When something cannot be opened or bound, or the journal cannot be synced to the disk at the
/// end.
pub(crate) fn serve(config: Config) -> Result<()> {
    serve_and_say(config, &|_| Ok(()))
}

/// Like [`serve`], and says more once everything is open.
///
/// # Errors
/// As [`serve`], and when nothing can be said.
pub(crate) fn serve_and_say(config: Config, say: &dyn Fn(&Addresses) -> Result<()>) -> Result<()> {
    let signals = Signals::catch()?;
    limits::raise_descriptor_limit();
    if config.admin_token.as_ref().is_some_and(|token| token.len() < GUESSABLE_TOKEN) {
        tracing::warn!(
            "the configured admin token is so short that it can be guessed: use it for tests only"
        );
    }
    #[cfg(feature = "faults")]
    if let Some(crate::config::Fault::State(fault)) = config.fault {
        fault.plant();
    }
    make_data_folder(&config.data)?;
    let bound = Bound::bind(&config)?;
    let certificates = Arc::new(CertificateStatus::default());
    let open_tls = |files| Tls::open(files, Arc::clone(&certificates)).map(Arc::new);
    let tls = config.tls.as_ref().map(|tls| open_tls(&tls.files)).transpose()?;
    memory::recall(&config)?;
    let ring = keys::load_or_create(&config.data, &config.journal_dir())?;
    let journals = Journals::open(&config, &node::name(&config.data)?)?;
    let exchange_sealer = Sealer::new(&ring, Purpose::Exchange);
    let (hosts, catalog) = (config.hosts.clone(), journals.catalog.0.clone());
    let live = Live::open(&config.journal_dir(), hosts, ring, catalog).map_err(with_way_out)?;
    let live = Arc::new(live);
    let counters = (0..config.workers).map(|_| Counters::leak()).collect();
    let server = Server {
        config,
        live,
        tls,
        certificates,
        counters,
        lag: Arc::default(),
        state: LazyState::default(),
        reconciliations: Reconciliations::default(),
        exchange: Arc::default(),
    };
    server.run(signals, journals, bound, exchange_sealer, say)
}

/// The bound sockets.
struct Bound {
    workers: Vec<Listeners>,
    admin: Vec<TcpListener>,
    addresses: Addresses,
}

/// The addresses on which the server listens.
pub(crate) struct Addresses {
    pub(crate) public: SocketAddr,
    tls: Option<SocketAddr>,
    pub(crate) admin: SocketAddr,
}

impl Bound {
    fn bind(config: &Config) -> Result<Self> {
        let (public, plain) = edge::bind(config.listen, config.workers)?;
        let bind_tls = |tls: &crate::config::TlsSettings| edge::bind(tls.listen, config.workers);
        let (tls, encrypted) = config.tls.as_ref().map(bind_tls).transpose()?.unzip();
        let (admin, admin_listeners) = edge::bind(config.admin, 1)?;
        let mut encrypted = encrypted.into_iter().flatten();
        let workers = plain.into_iter().map(|plain| Listeners { plain, tls: encrypted.next() });
        Ok(Self {
            workers: workers.collect(),
            admin: admin_listeners,
            addresses: Addresses { public, tls, admin },
        })
    }
}

/// The parts that the threads share.
struct Server {
    config: Config,
    live: Arc<Live>,
    tls: Option<Arc<Tls>>,
    certificates: Arc<CertificateStatus>,
    counters: Vec<&'static Counters>,
    lag: Arc<Lag>,
    state: LazyState,
    reconciliations: Reconciliations,
    exchange: Arc<ExchangeStatus>,
}

impl Server {
    /// Starts the threads, waits for a signal, and ends them in the opposite order.
    fn run(
        self,
        signals: Signals,
        mut journals: Journals,
        bound: Bound,
        exchange_sealer: Sealer,
        say: &dyn Fn(&Addresses) -> Result<()>,
    ) -> Result<()> {
        // The projector ends last: it takes in what the other threads wrote at the end.
        let mut projection = Jobs::default();
        let (projecting, opening) =
            Projecting::new(&self.config, &self.live, &self.lag, &self.state);
        let rest = End::WaitAtMost(PROJECTING_REST_MAX);
        projection.start(Job::behind("projector", rest, |stop| projecting.run(stop)))?;
        opening.wait()?;

        let healths = journals.healths();
        let mut behind = Jobs::default();
        let syncers: Vec<_> = journals.edges.iter().map(Writer::syncer).collect();
        let memory = Memory::new(&self.config.data, healths.clone());
        let mut last_memory = Memory::new(&self.config.data, healths.clone());
        behind.start(Job::new("syncer", move |stop| sync::run(&syncers, memory, stop)))?;
        self.exchange(&journals, exchange_sealer)?.map_or(Ok(()), |job| behind.start(job))?;
        self.shipper()?.map_or(Ok(()), |job| behind.start(job))?;
        self.acme()?.map_or(Ok(()), |job| behind.start(job))?;
        self.certificate_watch().map_or(Ok(()), |job| behind.start(job))?;
        behind.start(self.clock_watch(healths.clone()))?;

        let mut front = Jobs::default();
        let writers = std::mem::take(&mut journals.edges);
        self.workers(&journals, bound.workers, writers)?
            .into_iter()
            .try_for_each(|job| front.start(job))?;
        front.start(self.reconciler(&journals))?;
        self.console(&journals, healths, bound.admin)
            .into_iter()
            .try_for_each(|job| front.start(job))?;
        announce(&bound.addresses)?;
        say(&bound.addresses)?;

        signals.wait_for_first()?;
        tracing::info!("stopping: finishing what is under way");
        let drained = [front.drain(), behind.drain()];
        let closed = [journals.facts.1.shutdown(), journals.catalog.1.shutdown()];
        let projected = projection.drain();
        drained.into_iter().collect::<Result<()>>()?;
        closed.into_iter().collect::<Result<(), journal::Error>>()?;
        last_memory.write();
        projected?;
        tracing::info!("drained and synced");
        Ok(())
    }

    /// Exchanges catalogs between nodes that share a Redis.
    fn exchange(&self, journals: &Journals, sealer: Sealer) -> Result<Option<Job>> {
        let Ok(HotState::Redis(redis)) = self.state.get() else { return Ok(None) };
        let (live, catalog) = (Arc::clone(&self.live), journals.catalog.0.clone());
        let (journal_dir, status) = (self.config.journal_dir(), Arc::clone(&self.exchange));
        let exchange = Exchange::new(journal_dir, redis.clone(), live, catalog, sealer, status);
        Ok(Some(Job::new("exchange", move |stop| {
            exchange.run(stop);
            Ok(())
        })))
    }

    fn shipper(&self) -> Result<Option<Job>> {
        let Some(to) = &self.config.ship else { return Ok(None) };
        let (store, lag) = (Store::open(to)?, Arc::clone(&self.lag));
        let shipper = Shipper::new(self.config.journal_dir(), store, self.config.retention, lag);
        Ok(Some(Job::behind("shipper", End::Wait, |stop| shipper.run(stop))))
    }

    /// Not waited for at the end: a certificate that was not stored yet is ordered again.
    fn acme(&self) -> Result<Option<Job>> {
        let settings = self.config.tls.as_ref().and_then(|tls| tls.acme.as_ref());
        let Some((settings, tls)) = settings.zip(self.tls.as_ref()) else { return Ok(None) };
        let (tls, status) = (Arc::clone(tls), Arc::clone(&self.certificates));
        let acme = Acme::open(settings, &self.config.data, tls, status)?;
        Ok(Some(Job::behind("acme", End::Leave, |stop| acme.run(stop))))
    }

    /// Not waited for at the end: it only reads.
    fn certificate_watch(&self) -> Option<Job> {
        let files = self.config.tls.as_ref().map(|tls| tls.files.clone());
        let (tls, files) = self.tls.clone().zip(files.filter(|files| !files.is_empty()))?;
        let watch = Job::behind("certificates", End::Leave, move |stop| {
            certificates::run(&tls, &files, stop);
        });
        Some(Job { priority: Priority::Normal, ..watch })
    }

    fn clock_watch(&self, journals: Vec<journal::Health>) -> Job {
        let watch = ClockWatch {
            live: Arc::clone(&self.live),
            lag: Arc::clone(&self.lag),
            journal_dir: self.config.journal_dir(),
            journals,
            is_alone: self.config.state == StateUrl::Embedded,
        };
        Job::behind("clock", End::Wait, move |stop| watch.run(stop))
    }

    /// Not waited for at the end: a shop may answer slowly, and the next start asks it again.
    fn reconciler(&self, journals: &Journals) -> Job {
        let reconciler = Reconciler::new(
            self.config.reconcile,
            Arc::clone(&self.live),
            self.state.clone(),
            journals.facts.0.clone(),
            self.reconciliations.clone(),
        );
        Job::behind("reconciler", End::Leave, move |stop| reconciler.run(stop))
    }

    /// The edge: one thread for each worker.
    fn workers(
        &self,
        journals: &Journals,
        listeners: Vec<Listeners>,
        writers: Vec<Writer>,
    ) -> Result<Vec<Job>> {
        let agents = Arc::new(Agents::new()?);
        let connections_max = limits::connections_max(self.config.workers);
        let parts = listeners.into_iter().zip(writers).zip(&self.counters).enumerate();
        let job = |(worker, ((listeners, writer), &counters))| {
            let edge = Edge {
                live: Arc::clone(&self.live),
                facts: journals.facts.0.clone(),
                agents: Arc::clone(&agents),
                settings: self.config.edge.clone(),
                connections_max,
                per_address_max: self
                    .config
                    .connections_per_address
                    .unwrap_or_else(|| limits::per_address_max(connections_max)),
                tls: self.tls.clone(),
            };
            Job::new(format!("edge-{worker}"), move |stop| {
                edge::run(&edge, listeners, writer, counters, stop)
            })
        };
        Ok(parts.map(job).collect())
    }

    fn console(
        self,
        journals: &Journals,
        healths: Vec<journal::Health>,
        listeners: Vec<TcpListener>,
    ) -> Vec<Job> {
        let console = Arc::new(Console {
            live: self.live,
            reconciliations: self.reconciliations,
            state: self.state,
            facts: journals.facts.0.clone(),
            journal_dir: self.config.journal_dir(),
            other_journals: self.config.other_journals,
            owed: LastOwed::default(),
            hosts: Hosts::new(self.config.admin.ip(), self.config.admin_hosts),
            guesses: Guesses::default(),
            first_token: self.config.admin_token.as_deref().map(auth::hash),
            counters: self.counters,
            journals: healths,
            lost: journals.lost.clone(),
            certificates: self.tls.is_some().then_some(self.certificates),
            lag: self.lag,
            exchange: self.exchange,
        });
        let job = |listener| {
            let console = Arc::clone(&console);
            Job::new("admin", move |stop| console::run(console, listener, stop))
        };
        listeners.into_iter().map(job).collect()
    }
}

/// Writes to standard output where the server listens, as one line of JSON.
fn announce(Addresses { public, tls, admin }: &Addresses) -> Result<()> {
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
