//! One core of the edge: its listener, its runtime, its connections. Cores share the catalog
//! snapshot and nothing else.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, UNIX_EPOCH};

use arc_swap::ArcSwap;
use bytes::BytesMut;
use hyper::Request;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use hyper_util::server::graceful::GracefulConnection;
use journal::{Committer, Writer};
use rand::rngs::ThreadRng;
use shared::agent::Agents;
use shared::time::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::catalog::{Live, Snapshot};
use crate::clock;
use crate::config::{Config, Scheme};
use crate::edge::agents::AgentCache;
use crate::edge::counters::Counters;
use crate::edge::gate::{Gate, GatedStream, Step};
use crate::edge::handshake::Handshakes;
use crate::edge::redirect::header_bytes;
use crate::edge::request::{Headers, OverTls};
use crate::edge::{quick, route};
use crate::tls::{ACME_TLS_1, HTTP_2, Tls};

/// How long a connection may take to send a request's head, idle time between requests included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of a request's head, and of hyper's buffers for a connection.
const HEAD_BYTES_MAX: u32 = 16 * 1024;
/// Requests that a connection may have under way, by HTTP/2.
const STREAMS_MAX: u32 = 32;
/// The answer where there is no room for another connection.
const NO_ROOM: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// Pause after the system refused a connection, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often connections are looked through for peers that read nothing.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// How long answers that are under way may take once the server is told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// What all cores are given.
pub(crate) struct Edge {
    pub(crate) live: Arc<Live>,
    pub(crate) facts: Committer,
    pub(crate) agents: Arc<Agents>,
    pub(crate) config: Config,
    /// Connections a core may hold.
    pub(crate) connections_max: usize,
    pub(crate) tls: Option<Arc<Tls>>,
    /// Turns true when the server is to stop.
    pub(crate) stop: watch::Receiver<bool>,
}

/// What one core's handlers use.
pub(crate) struct Core {
    pub(crate) gate: Rc<Gate>,
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) live: Arc<Live>,
    pub(crate) facts: Committer,
    pub(crate) agents: AgentCache,
    pub(crate) random: RefCell<ThreadRng>,
    pub(crate) header_bytes: RefCell<BytesMut>,
    pub(crate) counters: &'static Counters,
    pub(crate) security_contact: Option<String>,
    scheme: Scheme,
    listens_on_loopback: bool,
    connections: Connections,
    connections_max: usize,
    handshakes: Handshakes,
    now: Cell<Timestamp>,
    /// The second that was last written as a date, and the date.
    date: RefCell<(i64, String)>,
}

impl Core {
    fn new(edge: &Edge, writer: Writer, counters: &'static Counters) -> Rc<Self> {
        Rc::new(Self {
            gate: Gate::new(writer, edge.config.clicks, counters),
            snapshot: edge.live.snapshot(),
            live: Arc::clone(&edge.live),
            facts: edge.facts.clone(),
            agents: AgentCache::new(Arc::clone(&edge.agents)),
            random: RefCell::new(rand::rng()),
            header_bytes: header_bytes(),
            counters,
            security_contact: edge.config.security_contact.clone(),
            scheme: edge.config.scheme,
            listens_on_loopback: edge.config.listen.ip().is_loopback(),
            connections: Connections::default(),
            connections_max: edge.connections_max,
            handshakes: Handshakes::new(counters),
            now: Cell::new(clock::now()),
            date: RefCell::default(),
        })
    }

    /// Now; an answer that is written next bears the same time.
    pub(crate) fn look_at_clock(&self) -> Timestamp {
        let now = clock::now();
        self.now.set(now);
        now
    }

    /// Writes the time that was last looked at, as HTTP has it.
    pub(crate) fn put_date(&self, out: &mut Vec<u8>) {
        let second = self.now.get().as_ms() / 1000;
        let mut date = self.date.borrow_mut();
        if date.0 != second {
            let since_epoch = Duration::from_secs(u64::try_from(second).unwrap_or(0));
            *date = (second, httpdate::fmt_http_date(UNIX_EPOCH + since_epoch));
        }
        out.extend_from_slice(date.1.as_bytes());
    }

    /// Whether the visitor's browser speaks HTTPS, as far as can be told.
    pub(crate) fn is_https(&self, headers: &Headers<'_>) -> bool {
        match self.scheme {
            _ if headers.over_tls => true,
            Scheme::Https => true,
            Scheme::Http => false,
            Scheme::Auto => !self.listens_on_loopback || headers.forwarded_proto == Some(b"https"),
        }
    }
}

/// Runs a core until the server is told to stop and its connections are done, then closes its
/// stream.
///
/// # Errors
/// When the runtime cannot be made, or the journal could not be brought to the disk.
pub(crate) fn run(
    edge: &Edge,
    listeners: Listeners,
    writer: Writer,
    counters: &'static Counters,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(Default::default())?;
    runtime.block_on(async {
        let core = Core::new(edge, writer, counters);
        let turns = tokio::task::spawn_local(Rc::clone(&core.gate).run());
        let sweeps = tokio::task::spawn_local(sweep(Rc::clone(&core)));
        let plain = accept(&core, listeners.plain, &edge.stop, None);
        let encrypted = async {
            let Some(listener) = listeners.tls else { return Ok(()) };
            accept(&core, listener, &edge.stop, edge.tls.as_ref()).await
        };
        tokio::try_join!(plain, encrypted)?;
        core.connections.drain().await;
        turns.abort();
        sweeps.abort();
        Ok(core.gate.close()?)
    })
}

/// Drops peers that read nothing; otherwise they could hold connections, and the end, up for ever.
async fn sweep(core: Rc<Core>) {
    loop {
        sleep(SWEEP_EVERY).await;
        core.gate.drop_stalled();
    }
}

/// Takes connections until the server is to stop; with `tls` encrypted ones.
async fn accept(
    core: &Rc<Core>,
    listener: StdListener,
    stop: &watch::Receiver<bool>,
    tls: Option<&Arc<Tls>>,
) -> anyhow::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut stop = stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        match accepted {
            Ok((stream, _)) if core.connections.open.get() >= core.connections_max => {
                core.counters.refused_connection();
                if tls.is_none() {
                    refuse(&stream);
                }
            }
            Ok((stream, _)) => {
                core.counters.connected();
                tokio::task::spawn_local(serve(Member::join(core), stream, tls.cloned()));
            }
            Err(error) => {
                tracing::warn!("cannot accept connections for the moment: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Says that there is no room, if the peer has already asked. Over TLS that would cost a handshake,
/// so there the connection is just closed.
fn refuse(stream: &TcpStream) {
    // Unread bytes would make the system take the answer back.
    if stream.try_read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
        _ = stream.try_write(NO_ROOM);
    }
}

/// Serves one connection until it closes, fails or is told to finish.
async fn serve(member: Member, stream: TcpStream, tls: Option<Arc<Tls>>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let core = &member.core;
    let Some(tls) = tls else {
        return serve_http_1(&member, GatedStream::new(stream, Rc::clone(&core.gate))).await;
    };
    let Some((handshake, slot)) = core.handshakes.begin(&stream, &tls).await else { return };
    let speaks = |protocol| handshake.alpn_protocol() == Some(protocol);
    let (is_http_2, is_validator) = (speaks(HTTP_2), speaks(ACME_TLS_1));
    let stream = GatedStream::encrypted(stream, Rc::clone(&core.gate), handshake);
    slot.free().await;
    if is_http_2 {
        serve_http_2(&member, stream).await;
    } else if is_validator {
        finish_handshake(&member, stream).await;
    } else {
        serve_http_1(&member, stream).await;
    }
}

/// Lets a validator finish the handshake, which is all it came for.
async fn finish_handshake(member: &Member, mut stream: GatedStream) {
    let finished = poll_fn(|context| {
        while stream.is_handshaking() && !member.is_draining(context.waker()) {
            match ready!(stream.poll_answer(context, |_, _| (0, Step::HandOn))) {
                Ok(Step::Partial) => {}
                _ => break,
            }
        }
        Poll::Ready(())
    });
    _ = timeout(HEAD_TIMEOUT, finished).await;
    _ = poll_fn(|context| stream.poll_end(context)).await;
}

async fn serve_http_1(member: &Member, stream: GatedStream) {
    let core = &member.core;
    let is_draining = |context: &Context<'_>| member.is_draining(context.waker());
    let Some(stream) = quick::serve(core, stream, HEAD_TIMEOUT, is_draining).await else { return };
    let over_tls = stream.is_encrypted();
    let service = service_fn(|request| {
        let answer = route::answer(core, marked(request, over_tls));
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        // Without a timer hyper's time-out does nothing.
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX as usize)
        .serve_connection(stream, service);
    finish(member, connection, pending()).await;
}

/// Serves HTTP/2, which browsers speak where they may.
async fn serve_http_2(member: &Member, mut stream: GatedStream) {
    let core = &member.core;
    // Hyper cannot be told to finish before it has read something.
    let begins = timeout(HEAD_TIMEOUT, begins(member, &mut stream)).await;
    if begins != Ok(true) {
        _ = poll_fn(|context| stream.poll_end(context)).await;
        return;
    }
    let requests = Cell::new(0_u64);
    let service = service_fn(|request| {
        requests.set(requests.get() + 1);
        let answer = route::answer(core, marked(request, true));
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http2::Builder::new(OnThisCore)
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_send_buf_size(HEAD_BYTES_MAX as usize)
        .serve_connection(stream, service);
    // SECURITY: without this a peer could hold connections that ask for nothing.
    let idle = async {
        let mut seen = None;
        while seen.replace(requests.get()) != Some(requests.get()) {
            sleep(HEAD_TIMEOUT).await;
        }
    };
    finish(member, connection, idle).await;
}

/// Whether a peer says anything before the server is to stop.
async fn begins(member: &Member, stream: &mut GatedStream) -> bool {
    poll_fn(|context| {
        loop {
            if member.is_draining(context.waker()) {
                return Poll::Ready(false);
            }
            match ready!(stream.poll_answer(context, |_, _| (0, Step::HandOn))) {
                Ok(Step::Partial) => {}
                Ok(step) => return Poll::Ready(step == Step::HandOn),
                Err(_) => return Poll::Ready(false),
            }
        }
    })
    .await
}

/// A request, marked if it came over TLS.
fn marked<B>(mut request: Request<B>, over_tls: bool) -> Request<B> {
    if over_tls {
        request.extensions_mut().insert(OverTls);
    }
    request
}

/// Drives a connection to its end; tells it to finish when `idle` is done or the server is to stop.
/// A connection's own failure (a peer gone, a malformed request) is answered by hyper and of no
/// further interest.
async fn finish(
    member: &Member,
    connection: impl GracefulConnection,
    idle: impl Future<Output = ()>,
) {
    let (mut connection, mut idle) = (pin!(connection), pin!(idle));
    let is_told = poll_fn(|context| {
        if member.is_draining(context.waker()) || idle.as_mut().poll(context).is_ready() {
            connection.as_mut().graceful_shutdown();
            return Poll::Ready(true);
        }
        connection.as_mut().poll(context).map(|_| false)
    })
    .await;
    if is_told {
        _ = timeout(DRAIN_TIMEOUT, connection).await;
    }
}

/// Runs what hyper wants run on the core it came from.
#[derive(Clone, Copy)]
struct OnThisCore;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for OnThisCore {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// The connections of a core, so that they can be told to finish.
#[derive(Default)]
struct Connections {
    open: Cell<usize>,
    draining: Cell<bool>,
    /// Each connection's task, registered once: so being told costs nothing while nobody is told.
    tasks: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
}

/// A connection's place among the others of its core; leaves when dropped.
struct Member {
    core: Rc<Core>,
    place: usize,
    registered: Cell<bool>,
}

impl Member {
    fn join(core: &Rc<Core>) -> Self {
        let place = core.connections.take_place();
        Self { core: Rc::clone(core), place, registered: Cell::new(false) }
    }

    /// Whether the server is to stop; the task is woken when it is.
    fn is_draining(&self, task: &Waker) -> bool {
        let connections = &self.core.connections;
        if !self.registered.replace(true) {
            connections.tasks.borrow_mut()[self.place] = Some(task.clone());
        }
        connections.draining.get()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.core.connections.leave(self.place);
    }
}

impl Connections {
    fn take_place(&self) -> usize {
        self.open.set(self.open.get() + 1);
        self.free.borrow_mut().pop().unwrap_or_else(|| {
            self.tasks.borrow_mut().push(None);
            self.tasks.borrow().len() - 1
        })
    }

    fn leave(&self, place: usize) {
        self.open.set(self.open.get() - 1);
        self.tasks.borrow_mut()[place] = None;
        self.free.borrow_mut().push(place);
    }

    /// Tells every connection to finish its answer, and waits for them, but not for ever.
    async fn drain(&self) {
        self.draining.set(true);
        self.tasks.borrow().iter().flatten().for_each(Waker::wake_by_ref);
        let all_left = async {
            while self.open.get() > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(DRAIN_TIMEOUT, all_left).await.is_err() {
            tracing::warn!("{} connections did not finish in time", self.open.get());
        }
    }
}

/// A core's listeners.
pub(crate) struct Listeners {
    pub(crate) plain: StdListener,
    /// For encrypted connections.
    pub(crate) tls: Option<StdListener>,
}

/// Binds one listener for each core to the same address; the kernel spreads connections over them.
///
/// # Errors
/// When the address cannot be bound.
pub(crate) fn bind(
    address: SocketAddr,
    cores: usize,
) -> anyhow::Result<(SocketAddr, Vec<StdListener>)> {
    if address.port() != 0 {
        // A plain socket finds out whether another process has the address; sockets that share it
        // would not notice.
        bind_one(address, Sharing::Alone)?;
    }
    let first = bind_one(address, Sharing::WithOurCores)?;
    // Port 0 has become a real one, which the others must share.
    let bound = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..cores {
        listeners.push(bind_one(bound, Sharing::WithOurCores)?);
    }
    Ok((bound, listeners))
}

/// Whether other sockets may bind the same address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    WithOurCores,
}

fn bind_one(address: SocketAddr, sharing: Sharing) -> anyhow::Result<StdListener> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::WithOurCores)?;
    socket.set_nonblocking(true)?;
    let bound = socket.bind(&address.into()).and_then(|()| socket.listen(4096));
    bound.map_err(|error| anyhow::anyhow!("cannot listen on {address}: {error}"))?;
    Ok(socket.into())
}
