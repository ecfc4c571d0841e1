//! A connection's answers on their way out. They stay in memory until the gate's turn, and then
//! until the peer has taken them. On an encrypted connection they wait as plain text and are
//! encrypted when they leave.
//!
//! Never sends by itself: the gate decides when answers leave.

use std::cell::{Cell, RefCell};
use std::io::{self, Read as _, Write as _};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use rustls::ServerConnection;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

/// What an outbox waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing waits.
    Empty,
    /// Waits for the gate's turn.
    AwaitsTurn,
    /// Waits for the peer to read.
    AwaitsPeer,
    /// The peer is gone.
    Broken,
}

pub(crate) struct Outbox {
    socket: OwnedWriteHalf,
    /// Encrypts what leaves and decrypts what arrives. `None` on a plain connection.
    tls: Option<RefCell<ServerConnection>>,
    pub bytes: RefCell<Vec<u8>>,
    pub state: Cell<State>,
    /// Wakes the connection's task.
    pub task: RefCell<Waker>,
    /// The task waits until this outbox is empty.
    task_waits: Cell<bool>,
    /// The time since when the peer has not taken everything.
    pub stalled_since: Cell<Option<Instant>>,
}

impl Outbox {
    pub(crate) fn new(socket: OwnedWriteHalf, tls: Option<Box<ServerConnection>>) -> Self {
        Self {
            socket,
            tls: tls.map(|tls| RefCell::new(*tls)),
            bytes: RefCell::default(),
            state: Cell::new(State::Empty),
            task: RefCell::new(Waker::noop().clone()),
            task_waits: Cell::new(false),
            stalled_since: Cell::new(None),
        }
    }

    /// Sends the bytes that wait. Bytes that the socket does not take stay, and the task is woken
    /// to send them later.
    pub(crate) fn send(&self) {
        let state = match self.push() {
            Ok(()) if self.bytes.borrow().is_empty() => {
                self.stalled_since.set(None);
                State::Empty
            }
            Ok(()) => State::AwaitsPeer,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => State::AwaitsPeer,
            Err(_) => State::Broken,
        };
        self.state.set(state);
        if state != State::Empty || self.task_waits.take() {
            self.task.borrow().wake_by_ref();
        }
    }

    fn push(&self) -> io::Result<()> {
        let mut bytes = self.bytes.borrow_mut();
        let Some(tls) = &self.tls else {
            let sent = self.socket.try_write(&bytes)?;
            bytes.drain(..sent);
            return Ok(());
        };
        let mut tls = tls.borrow_mut();
        tls.writer().write_all(&bytes)?;
        bytes.clear();
        while tls.wants_write() {
            tls.write_tls(&mut TryWriter(&self.socket))?;
        }
        Ok(())
    }

    /// Returns what arrived, in plain text. On a plain connection these are the bytes themselves.
    ///
    /// # Errors
    /// When the bytes are not what the peer's TLS must send next. The peer gets an alert.
    pub(crate) fn decrypt<'a>(
        &self,
        arrived: &'a [u8],
        decrypted: &'a mut Vec<u8>,
    ) -> io::Result<Arrived<'a>> {
        let Some(tls) = &self.tls else {
            return Ok(Arrived { plain: arrived, ended: arrived.is_empty() });
        };
        let mut tls = tls.borrow_mut();
        decrypted.clear();
        let (mut encrypted, mut ended) = (arrived, arrived.is_empty());
        while !encrypted.is_empty() && !ended {
            tls.read_tls(&mut encrypted)?;
            let state = tls.process_new_packets().map_err(|error| {
                // Send the alert, if the socket takes it.
                _ = tls.write_tls(&mut TryWriter(&self.socket));
                io::Error::new(io::ErrorKind::InvalidData, error)
            })?;
            ended = state.peer_has_closed();
            let count = state.plaintext_bytes_to_read();
            let before = decrypted.len();
            decrypted.resize(before + count, 0);
            tls.reader().read_exact(&mut decrypted[before..])?;
        }
        Ok(Arrived { plain: decrypted, ended })
    }

    /// Returns whether TLS itself has something to send: the next part of the handshake, or an
    /// answer to a change of keys.
    pub(crate) fn tls_has_output(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.borrow().wants_write())
    }

    /// Tells the peer that nothing more follows, if the socket takes it.
    pub(crate) fn send_end(&self) {
        if let Some(tls) = &self.tls {
            let mut tls = tls.borrow_mut();
            tls.send_close_notify();
            _ = tls.write_tls(&mut TryWriter(&self.socket));
        }
    }

    /// Returns whether the peer has not finished the handshake yet.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.borrow().is_handshaking())
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        self.socket.as_ref()
    }

    /// Continues to send to a slow peer. Ready when nothing waits for the peer any more.
    pub(crate) fn poll_send(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.state.get() == State::AwaitsPeer {
            ready!(self.socket.as_ref().poll_write_ready(context))?;
            self.send();
        }
        if self.state.get() == State::Broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn remember_task(&self, context: &Context<'_>) {
        let mut task = self.task.borrow_mut();
        if !task.will_wake(context.waker()) {
            task.clone_from(context.waker());
        }
    }

    pub(crate) fn wait(&self, context: &Context<'_>) {
        self.remember_task(context);
        self.task_waits.set(true);
    }
}

/// What has arrived on a connection.
pub(crate) struct Arrived<'a> {
    pub plain: &'a [u8],
    /// The peer sends nothing after it.
    pub ended: bool,
}

/// A socket as the standard library's `Write`. It never waits.
struct TryWriter<'a>(&'a OwnedWriteHalf);

impl io::Write for TryWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
