//! A connection behind the gate. What arrives is read, decrypted and passed on; answers wait in the
//! outbox for the gate's turn.
//!
//! Never writes to the socket by itself.

use std::io;
use std::net::{IpAddr, Shutdown};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use rustls::ServerConnection;
use socket2::SockRef;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use crate::gate::{Gate, READ_BYTES};
use crate::outbox::{Arrived, Outbox, State};

/// Bytes of answers that may wait before the connection itself must wait.
const OUTBOX_BYTES_MAX: usize = 256 * 1024;

/// The result of one read from a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Every complete request was answered, and there was at least one.
    Answered,
    /// Only the beginning of a request has arrived.
    Partial,
    /// Something has arrived that the reader hands on.
    HandOn,
    /// The peer sends no more.
    Ended,
}

/// A connection behind the gate, as hyper reads and writes it.
pub(crate) struct GatedStream {
    gate: Rc<Gate>,
    inbox: OwnedReadHalf,
    outbox: Rc<Outbox>,
    /// Bytes that were read from the socket and are not used yet.
    unread: Vec<u8>,
    /// The peer has said that it sends no more.
    ended: bool,
}

impl GatedStream {
    /// Puts a connection behind the gate.
    pub(crate) fn new(stream: TcpStream, gate: Rc<Gate>) -> Self {
        Self::with(stream, gate, None)
    }

    /// Puts an encrypted connection behind the gate. The answer to the hello leaves at once.
    pub(crate) fn encrypted(stream: TcpStream, gate: Rc<Gate>, tls: Box<ServerConnection>) -> Self {
        let stream = Self::with(stream, gate, Some(tls));
        stream.outbox.send();
        stream
    }

    fn with(stream: TcpStream, gate: Rc<Gate>, tls: Option<Box<ServerConnection>>) -> Self {
        let (inbox, socket) = stream.into_split();
        Self {
            gate,
            inbox,
            outbox: Rc::new(Outbox::new(socket, tls)),
            unread: Vec::new(),
            ended: false,
        }
    }

    /// Returns the address of the other end, if the system still knows it.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.inbox.peer_addr().ok().map(|address| address.ip())
    }

    /// Reads what has arrived, and passes it to `answer` together with a buffer for answers.
    /// `answer` returns how many bytes it has used. The rest is kept, and passed again together
    /// with the bytes that arrive later. Answers leave with the gate's turn.
    pub(crate) fn poll_answer(
        &mut self,
        context: &mut Context<'_>,
        answer: impl FnOnce(&[u8], &mut Vec<u8>) -> (usize, Step),
    ) -> Poll<io::Result<Step>> {
        let mut scratch = self.gate.scratch.borrow_mut();
        let mut buffer = ReadBuf::new(&mut scratch);
        if self.ended {
            return Poll::Ready(Ok(Step::Ended));
        }
        ready!(Pin::new(&mut self.inbox).poll_read(context, &mut buffer))?;
        let mut decrypted = self.gate.decrypted.borrow_mut();
        let Arrived { plain: arrived, ended } =
            self.outbox.decrypt(buffer.filled(), &mut decrypted)?;
        self.ended = ended;
        if arrived.is_empty() {
            if self.outbox.tls_has_output() {
                self.await_turn(context);
            }
            return Poll::Ready(Ok(if ended { Step::Ended } else { Step::Partial }));
        }
        let mut out = self.outbox.bytes.borrow_mut();
        let before = out.len();
        let mut step = if self.unread.is_empty() {
            let (done, step) = answer(arrived, &mut out);
            self.unread.extend_from_slice(&arrived[done..]);
            step
        } else {
            self.unread.extend_from_slice(arrived);
            let (done, step) = answer(&self.unread, &mut out);
            self.unread.drain(..done);
            step
        };
        if self.unread.len() >= READ_BYTES {
            step = Step::HandOn;
        }
        let has_answers = out.len() > before;
        drop(out);
        if has_answers || self.outbox.tls_has_output() {
            self.await_turn(context);
        }
        if !has_answers && step == Step::Answered {
            step = Step::Partial;
        }
        Poll::Ready(Ok(step))
    }

    /// Returns whether the peer of an encrypted connection has not finished the handshake yet.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.outbox.is_handshaking()
    }

    /// Returns whether bytes were read that are not used yet.
    pub(crate) const fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Replaces the bytes that are not used yet by what `spell` makes of them, if anything.
    pub(crate) fn respell(&mut self, spell: impl FnOnce(&[u8]) -> Option<Vec<u8>>) {
        if let Some(spelled) = spell(&self.unread) {
            self.unread = spelled;
        }
    }

    /// Ready when the peer has taken what was sent to it, and more may be written.
    pub(crate) fn poll_room(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.outbox.poll_send(context))?;
        if self.outbox.bytes.borrow().len() >= OUTBOX_BYTES_MAX {
            self.outbox.wait(context);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when everything has been sent.
    pub(crate) fn poll_empty(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.outbox.poll_send(context))?;
        if self.outbox.state.get() == State::AwaitsTurn {
            self.outbox.wait(context);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when everything has been sent. Over TLS, the peer was then told that nothing follows.
    pub(crate) fn poll_end(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_empty(context))?;
        self.outbox.send_end();
        Poll::Ready(Ok(()))
    }

    fn await_turn(&self, context: &Context<'_>) {
        self.outbox.remember_task(context);
        if self.outbox.state.get() == State::Empty {
            self.outbox.state.set(State::AwaitsTurn);
            self.gate.await_turn(&self.outbox);
        }
    }

    fn poll_put(
        &self,
        context: &Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outbox = &self.outbox;
        if outbox.state.get() == State::Broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut bytes = outbox.bytes.borrow_mut();
        if bytes.len() >= OUTBOX_BYTES_MAX {
            outbox.wait(context);
            return Poll::Pending;
        }
        let before = bytes.len();
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        self.await_turn(context);
        Poll::Ready(Ok(bytes.len() - before))
    }
}

impl Read for GatedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.unread.is_empty() && !this.ended {
            let mut scratch = this.gate.scratch.borrow_mut();
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut this.inbox).poll_read(context, &mut buffer))?;
            let mut decrypted = this.gate.decrypted.borrow_mut();
            let Arrived { plain, ended } = this.outbox.decrypt(buffer.filled(), &mut decrypted)?;
            this.ended = ended;
            if this.outbox.tls_has_output() {
                this.await_turn(context);
            }
            let now = into.remaining().min(plain.len());
            into.put_slice(&plain[..now]);
            this.unread.extend_from_slice(&plain[now..]);
            if now > 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let count = into.remaining().min(this.unread.len());
        into.put_slice(&this.unread[..count]);
        this.unread.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl Write for GatedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_put(context, &[io::IoSlice::new(bytes)])
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_put(context, parts)
    }

    /// Also ready while answers wait for the turn. For the connection they count as sent, so that
    /// it may read the next request meanwhile.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outbox.poll_send(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_end(context))?;
        Poll::Ready(SockRef::from(self.outbox.socket()).shutdown(Shutdown::Write))
    }
}
