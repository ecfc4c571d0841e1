//! What the handlers of one worker share: the gate, the catalog's snapshot, counters, the clock.
//!
//! A worker is one thread of the edge. Workers share the snapshot and nothing else, so that none
//! waits for another.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use agents::Agents;
use arc_swap::ArcSwap;
use bytes::BytesMut;
use journal::{Committer, Writer};
use live::status::{Counters, RefusedDelivery};
use live::{Live, Rarely, Snapshot, clock};
use rand::RngExt;
use rand::rngs::ThreadRng;
use shared::time::Timestamp;
use tokio::sync::Semaphore;

use crate::addresses::Addresses;
use crate::agents::AgentCache;
use crate::drain::Connections;
use crate::flood::Flood;
use crate::gate::Gate;
use crate::handshake::Handshakes;
use crate::held::Bodies;
use crate::request::Headers;
use crate::settings::{Proxies, Scheme, Settings};
use crate::tls::Tls;

/// Bytes of the buffer in which a worker builds header values.
const HEADER_BYTES: usize = 64 * 1024;

/// What every worker gets at the start.
pub struct Edge {
    pub live: Arc<Live>,
    pub facts: Committer,
    pub agents: Arc<Agents>,
    pub settings: Settings,
    /// Connections that a worker may hold open at once.
    pub connections_max: usize,
    /// Connections that one address may have open at a worker. Behind a proxy, its requests that
    /// are not answered yet.
    pub per_address_max: usize,
    pub tls: Option<Arc<Tls>>,
}

/// The lines of the log that anybody outside can cause.
#[derive(Default)]
pub(crate) struct Logs {
    /// One for each reason, so that none hides another.
    pub refused_deliveries: [Rarely; RefusedDelivery::ALL.len()],
    pub refused_addresses: Rarely,
    pub unrecorded: Rarely,
    pub unaccepted: Rarely,
}

pub(crate) struct WorkerContext {
    pub gate: Rc<Gate>,
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    pub live: Arc<Live>,
    pub facts: Committer,
    pub agents: AgentCache,
    pub random: RefCell<ThreadRng>,
    pub header_bytes: RefCell<BytesMut>,
    pub counters: &'static Counters,
    pub security_contact: Option<String>,
    scheme: Scheme,
    listens_on_loopback: bool,
    pub flood: RefCell<Flood>,
    pub connections: Rc<Connections>,
    pub connections_max: usize,
    pub trusted_proxies: Proxies,
    pub addresses: Rc<Addresses>,
    pub bodies: Bodies,
    /// The turn to hash a piece of a body before the sockets are polled again.
    pub hashing: Semaphore,
    /// The turn to read a large body on a thread that may take its time.
    pub large: Semaphore,
    pub logs: Logs,
    pub handshakes: Handshakes,
    now: Cell<Timestamp>,
    /// The second that was last written as a date, and the date's text.
    date: RefCell<(i64, String)>,
}

impl WorkerContext {
    pub(crate) fn new(edge: &Edge, writer: Writer, counters: &'static Counters) -> Rc<Self> {
        let mut random = rand::rng();
        let flood = Flood::new(edge.settings.flood, random.random(), clock::now());
        Rc::new(Self {
            gate: Gate::new(writer, edge.settings.clicks, counters),
            snapshot: edge.live.snapshot(),
            live: Arc::clone(&edge.live),
            facts: edge.facts.clone(),
            agents: AgentCache::new(Arc::clone(&edge.agents)),
            random: RefCell::new(random),
            header_bytes: RefCell::new(BytesMut::with_capacity(HEADER_BYTES)),
            counters,
            security_contact: edge.settings.security_contact.clone(),
            scheme: edge.settings.scheme,
            listens_on_loopback: edge.settings.listens_on_loopback,
            flood: RefCell::new(flood),
            connections: Rc::default(),
            connections_max: edge.connections_max,
            trusted_proxies: edge.settings.trusted_proxies.clone(),
            addresses: Addresses::new(edge.per_address_max),
            bodies: Bodies::default(),
            hashing: Semaphore::new(1),
            large: Semaphore::new(1),
            logs: Logs::default(),
            handshakes: Handshakes::new(counters),
            now: Cell::new(clock::now()),
            date: RefCell::default(),
        })
    }

    /// Reads the clock. Answers that are written next have the same time as their date.
    pub(crate) fn read_clock(&self) -> Timestamp {
        let now = clock::now();
        self.now.set(now);
        now
    }

    /// Throws the salt of the flood's counts away when it has served its time.
    pub(crate) fn renew_flood(&self) {
        let (now, mut flood) = (clock::now(), self.flood.borrow_mut());
        if flood.is_worn(now) {
            flood.renew(self.random.borrow_mut().random(), now);
        }
    }

    /// Writes the time that was last read, in HTTP's form of a date.
    pub(crate) fn put_date(&self, out: &mut Vec<u8>) {
        let second = self.now.get().as_ms() / 1000;
        let mut date = self.date.borrow_mut();
        if date.0 != second {
            let since_epoch = Duration::from_secs(u64::try_from(second).unwrap_or(0));
            *date = (second, httpdate::fmt_http_date(UNIX_EPOCH + since_epoch));
        }
        out.extend_from_slice(date.1.as_bytes());
    }

    /// Returns whether the visitor's browser uses HTTPS, as far as the server can tell.
    pub(crate) fn is_https(&self, headers: &Headers<'_>) -> bool {
        match self.scheme {
            _ if headers.over_tls => true,
            Scheme::Https => true,
            Scheme::Http => false,
            Scheme::Auto => !self.listens_on_loopback || headers.forwarded_https,
        }
    }
}
