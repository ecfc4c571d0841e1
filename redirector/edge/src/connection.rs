//! Serves one connection from its first byte to its last, in the protocol of its peer: HTTP/1.1 by
//! the quick path and then by hyper, HTTP/2, or the handshake of an ACME validator.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::TokioTimer;
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::answer::{self, Answer};
use crate::context::WorkerContext;
use crate::drain::{DRAIN_TIMEOUT, Member};
use crate::encrypted::{Encrypted, may_pin};
use crate::request::{self, OverTls};
use crate::stream::{GatedStream, Step};
use crate::tls::{ACME_TLS_1, HTTP_2, Tls};
use crate::visitor::Peer;
use crate::{quick, route};

/// How long a connection may take to send a request's head, idle time between requests included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of a request's head, which has all cookies of the shop's domain, and of hyper's buffers for a connection.
const HEAD_BYTES_MAX: u32 = 32 * 1024;
/// Requests that an HTTP/2 connection may have in progress at once.
const STREAMS_MAX: u32 = 32;

/// Serves one connection until it closes, fails, or the server stops.
pub(crate) async fn serve(
    worker: Rc<WorkerContext>,
    member: Member,
    stream: TcpStream,
    tls: Option<Arc<Tls>>,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Some(tls) = tls else {
        let stream = GatedStream::new(stream, Rc::clone(&worker.gate));
        return serve_http_1(&worker, &member, stream, None).await;
    };
    let Some((handshake, slot)) = worker.handshakes.begin(&stream, &tls).await else { return };
    let speaks = |protocol| handshake.alpn_protocol() == Some(protocol);
    let (is_http_2, is_validator) = (speaks(HTTP_2), speaks(ACME_TLS_1));
    let encrypted = Encrypted::new(&handshake, &tls.certificates);
    let stream = GatedStream::encrypted(stream, Rc::clone(&worker.gate), handshake);
    slot.free().await;
    if is_http_2 {
        serve_http_2(&worker, &member, stream, &encrypted).await;
    } else if is_validator {
        finish_handshake(&member, stream).await;
    } else {
        serve_http_1(&worker, &member, stream, Some(&encrypted)).await;
    }
}

/// Lets an ACME validator finish the handshake. It sends no request.
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

async fn serve_http_1(
    worker: &Rc<WorkerContext>,
    member: &Member,
    stream: GatedStream,
    encrypted: Option<&Encrypted>,
) {
    let is_draining = |context: &Context<'_>| member.is_draining(context.waker());
    let served = quick::serve(worker, stream, encrypted, HEAD_TIMEOUT, is_draining);
    let Some(stream) = served.await else { return };
    let peer = Peer::of(&stream, &worker.trusted_proxies);
    let service = service_fn(|request| answer(worker, peer, encrypted, request));
    let connection = http1::Builder::new()
        // Without a timer hyper's timeout has no effect.
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX as usize)
        .serve_connection(stream, service);
    finish(member, connection, pending()).await;
}

/// Serves HTTP/2, which browsers prefer.
async fn serve_http_2(
    worker: &Rc<WorkerContext>,
    member: &Member,
    mut stream: GatedStream,
    encrypted: &Encrypted,
) {
    // Hyper cannot shut down gracefully before it has read something.
    let begins = timeout(HEAD_TIMEOUT, begins(member, &mut stream)).await;
    if begins != Ok(true) {
        _ = poll_fn(|context| stream.poll_end(context)).await;
        return;
    }
    let requests = Cell::new(0_u64);
    let peer = Peer::of(&stream, &worker.trusted_proxies);
    let service = service_fn(|request| {
        requests.set(requests.get() + 1);
        answer(worker, peer, Some(encrypted), request)
    });
    let connection = http2::Builder::new(OnThisWorker)
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_send_buf_size(HEAD_BYTES_MAX as usize)
        .serve_connection(stream, service);
    // SECURITY: without this a peer could hold connections open without sending requests.
    let idle = async {
        let mut seen = None;
        while seen.replace(requests.get()) != Some(requests.get()) {
            sleep(HEAD_TIMEOUT).await;
        }
    };
    finish(member, connection, idle).await;
}

/// Returns whether a peer sends anything before the server stops.
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

/// Answers a request that hyper has read. Behind a trusted proxy, what one client may have under
/// way is bounded by the address for which the proxy asks; its connections are the proxy's.
fn answer(
    worker: &Rc<WorkerContext>,
    peer: Peer,
    encrypted: Option<&Encrypted>,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Answer, Infallible>> + use<> {
    let is_head = request.method() == Method::HEAD;
    let client = peer.client_of_proxy(request.headers(), &worker.trusted_proxies);
    let place = client.map(|client| worker.addresses.take(client));
    request.extensions_mut().insert(peer);
    let is_for_scripts = route::is_for_scripts(request.uri().path());
    let mut is_pinned = false;
    let mut is_elsewhere = false;
    if let Some(encrypted) = encrypted {
        let host = request::host(&request);
        is_elsewhere = host.as_deref().is_some_and(|host| !encrypted.is_for(host));
        is_pinned = host.is_some_and(|host| may_pin(&worker.snapshot.load(), &host));
        request.extensions_mut().insert(OverTls);
    }
    let answering = if !request::names_hosts_validly(&request) {
        answer::invalid_host().into()
    } else if is_elsewhere {
        answer::misconnected().into()
    } else if let Some(None) = place {
        worker.counters.refused_by_address();
        answer::unavailable().into()
    } else {
        route::answer(worker, request)
    };
    async move {
        let answer = answering.await;
        drop(place);
        let answer = if is_for_scripts { answer::for_scripts(answer) } else { answer };
        let answer = if is_head { answer::without_body(answer) } else { answer };
        Ok(if is_pinned && !is_elsewhere { answer::pin(answer) } else { answer })
    }
}

/// Drives a connection to its end. Shuts it down gracefully when `idle` completes or the server
/// stops. Ignores failures of the connection itself (the peer is gone, a malformed request),
/// because hyper has answered them.
async fn finish(
    member: &Member,
    connection: impl GracefulConnection,
    idle: impl Future<Output = ()>,
) {
    let (mut connection, mut idle) = (pin!(connection), pin!(idle));
    let is_shutting_down = poll_fn(|context| {
        if member.is_draining(context.waker()) || idle.as_mut().poll(context).is_ready() {
            connection.as_mut().graceful_shutdown();
            return Poll::Ready(true);
        }
        connection.as_mut().poll(context).map(|_| false)
    })
    .await;
    if is_shutting_down {
        _ = timeout(DRAIN_TIMEOUT, connection).await;
    }
}

/// Runs hyper's tasks on the worker that they come from.
#[derive(Clone, Copy)]
struct OnThisWorker;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for OnThisWorker {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}
