//! One worker: a thread of the edge with its own listeners, runtime and journal stream.

use std::net::{IpAddr, TcpListener as StdListener};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use journal::Writer;
use live::Stop;
use live::status::Counters;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::addresses::Place;
use crate::bind::Listeners;
use crate::connection;
use crate::context::{Edge, WorkerContext};
use crate::drain::Member;
use crate::tls::Tls;

/// The answer when there is no room for another connection.
const NO_ROOM: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// Pause after the system refused a connection, usually because it has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often the worker searches its connections for peers that read nothing.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Runs a worker until the server stops and the worker's connections are finished. Then closes its
/// journal stream.
///
/// # Errors
/// When the runtime cannot be created, or the journal could not be written to disk.
pub fn run(
    edge: &Edge,
    listeners: Listeners,
    writer: Writer,
    counters: &'static Counters,
    stop: &Stop,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(Default::default())?;
    runtime.block_on(async {
        let worker = WorkerContext::new(edge, writer, counters);
        let turns = tokio::task::spawn_local(Rc::clone(&worker.gate).run());
        let sweeps = tokio::task::spawn_local(sweep(Rc::clone(&worker)));
        let plain = accept(&worker, listeners.plain, stop, None);
        let encrypted = async {
            let Some(listener) = listeners.tls else { return Ok(()) };
            accept(&worker, listener, stop, edge.tls.as_ref()).await
        };
        tokio::try_join!(plain, encrypted)?;
        worker.connections.drain().await;
        turns.abort();
        sweeps.abort();
        Ok(worker.gate.close()?)
    })
}

/// Drops peers that read nothing. Otherwise they could hold their connections for ever. Also
/// forgets what was counted of floods, when it is time.
async fn sweep(worker: Rc<WorkerContext>) {
    loop {
        sleep(SWEEP_EVERY).await;
        worker.gate.drop_stalled();
        worker.renew_flood();
    }
}

/// Accepts connections until the server stops: encrypted ones with `tls`, plain ones without.
async fn accept(
    worker: &Rc<WorkerContext>,
    listener: StdListener,
    stop: &Stop,
    tls: Option<&Arc<Tls>>,
) -> anyhow::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut stopped = pin!(stop.wait());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => return Ok(()),
        };
        match accepted {
            Ok((stream, _)) if worker.connections.open.get() >= worker.connections_max => {
                worker.counters.refused_connection();
                if tls.is_none() {
                    refuse(&stream);
                }
            }
            Ok((stream, peer)) => {
                let of_address = match place_of(worker, peer.ip()) {
                    Ok(of_address) => of_address,
                    Err(TooMany) => {
                        if tls.is_none() {
                            refuse(&stream);
                        }
                        continue;
                    }
                };
                worker.counters.connected();
                let member = Member::join(&worker.connections, of_address);
                tokio::task::spawn_local(connection::serve(
                    Rc::clone(worker),
                    member,
                    stream,
                    tls.cloned(),
                ));
            }
            Err(error) => {
                if let Some(left_out) = worker.logs.unaccepted.permit() {
                    tracing::warn!(left_out, "cannot accept connections for the moment: {error}");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The address has as many connections as it may have.
struct TooMany;

/// Takes a place for a peer's address. A trusted proxy needs none.
fn place_of(worker: &WorkerContext, peer: IpAddr) -> Result<Option<Place>, TooMany> {
    if worker.trusted_proxies.contains(peer) {
        return Ok(None);
    }
    worker.addresses.take(peer).map(Some).ok_or_else(|| {
        worker.counters.refused_by_address();
        if let Some(left_out) = worker.logs.refused_addresses.permit() {
            tracing::warn!(
                left_out,
                "an address has too many connections, and further ones are refused; if it is a \
                 proxy of yours, name it in `trusted_proxies`"
            );
        }
        TooMany
    })
}

/// Answers that there is no room, if the peer has already sent a request. Over TLS that would cost
/// a handshake, so the connection is only closed.
fn refuse(stream: &TcpStream) {
    // The request must be read first: with unread bytes the system would discard the answer.
    if stream.try_read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
        _ = stream.try_write(NO_ROOM);
    }
}
