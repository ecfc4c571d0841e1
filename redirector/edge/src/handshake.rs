//! The beginning of an encrypted connection: the visitor's hello, a slot, the answer.
//!
//! SECURITY: a handshake costs as much as twenty redirects. So a worker computes only a few between
//! two polls of its sockets, lets a bounded number wait, and drops the rest. A peer that has not
//! sent its hello takes no slot. Redirects on open connections are served in between, so handshakes
//! cannot starve them.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use live::status::Counters;
use rustls::ServerConnection;
use rustls::server::{Accepted, Acceptor};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::tls::Tls;

/// How long a visitor may take to send the hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(3);
/// Handshakes that are computed between two polls of the sockets.
const SLOTS: usize = 4;
/// Handshakes that may wait: a tenth of a second's work.
const WAITING_MAX: usize = 512;
/// Bytes read at a time; a hello is shorter.
const READ_BYTES: usize = 4096;

pub(crate) struct Handshakes {
    slots: Semaphore,
    waiting: Cell<usize>,
    counters: &'static Counters,
}

impl Handshakes {
    pub(crate) fn new(counters: &'static Counters) -> Self {
        Self { slots: Semaphore::new(SLOTS), waiting: Cell::new(0), counters }
    }

    /// Waits for a hello and answers it. Returns `None` when the hello does not arrive in time,
    /// when it cannot be answered, or when too many handshakes wait. The caller frees the slot
    /// after it has sent the answer.
    pub(crate) async fn begin(
        &self,
        stream: &TcpStream,
        tls: &Tls,
    ) -> Option<(Box<ServerConnection>, Slot<'_>)> {
        let hello = timeout(HELLO_TIMEOUT, hello(stream)).await;
        let Ok(Ok(accepted)) = hello else {
            self.counters.failed_handshake();
            return None;
        };
        if self.waiting.get() >= WAITING_MAX {
            self.counters.refused_connection();
            return None;
        }
        self.waiting.set(self.waiting.get() + 1);
        let slot = Slot(self.slots.acquire().await.ok()?);
        self.waiting.set(self.waiting.get() - 1);
        let begun = answer(stream, tls, accepted);
        match begun {
            Some(_) => self.counters.handshake(),
            None => self.counters.failed_handshake(),
        }
        Some((begun?, slot))
    }
}

/// The right to compute one handshake before the sockets are polled again.
pub(crate) struct Slot<'a>(#[expect(dead_code, reason = "held, not read")] SemaphorePermit<'a>);

impl Slot<'_> {
    /// Frees the slot after the sockets were polled.
    pub(crate) async fn free(self) {
        yield_now().await;
    }
}

async fn hello(stream: &TcpStream) -> io::Result<Accepted> {
    let mut acceptor = Acceptor::default();
    loop {
        stream.readable().await?;
        if let Some(accepted) = read_hello(stream, &mut acceptor)? {
            return Ok(accepted);
        }
    }
}

fn read_hello(stream: &TcpStream, acceptor: &mut Acceptor) -> io::Result<Option<Accepted>> {
    let mut bytes = [0; READ_BYTES];
    let count = match stream.try_read(&mut bytes) {
        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(count) => count,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut arrived = &bytes[..count];
    while !arrived.is_empty() {
        acceptor.read_tls(&mut arrived)?;
        match acceptor.accept() {
            // Without early data nothing may follow a hello before it is answered.
            Ok(Some(accepted)) if arrived.is_empty() => return Ok(Some(accepted)),
            Ok(None) => {}
            Ok(Some(_)) => return Err(io::ErrorKind::InvalidData.into()),
            Err((error, mut alert)) => {
                _ = alert.write_all(&mut TryWriter(stream));
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }
    Ok(None)
}

/// Computes the key exchange and the signature. This is the expensive part.
fn answer(stream: &TcpStream, tls: &Tls, accepted: Accepted) -> Option<Box<ServerConnection>> {
    let config = std::sync::Arc::clone(tls.config_for(&accepted.client_hello()));
    match accepted.into_connection(config) {
        Ok(mut begun) => {
            // The outbox limits the bytes that wait.
            begun.set_buffer_limit(None);
            Some(Box::new(begun))
        }
        Err((_, mut alert)) => {
            _ = alert.write_all(&mut TryWriter(stream));
            None
        }
    }
}

/// A socket as the standard library's `Write`. It never waits.
struct TryWriter<'a>(&'a TcpStream);

impl io::Write for TryWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
