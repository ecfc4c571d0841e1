//! A connection behind the gate: what arrives is read, decrypted and handed on; what is answered
//! waits in the outbox for the gate's turn.
//!
//! Never writes to the socket by itself.

use std::io;
use std::net::Shutdown;
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

/// Bytes a connection may have waiting before it must wait itself.
const OUTBOX_BYTES_MAX: usize = 256 * 1024;

/// What came of reading once from a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Every whole request was answered, one at least.
    Answered,
    /// Only the beginning of a request is there.
    Partial,
    /// Something is there that the reader hands on.
    HandOn,
    /// The peer sends no more.
    Ended,
}

/// A connection behind the gate, as hyper reads and writes it.
pub(crate) struct GatedStream {
    gate: Rc<Gate>,
    inbox: OwnedReadHalf,
    outbox: Rc<Outbox>,
    /// What was read before and is to be read again.
    unread: Vec<u8>,
    /// The peer has said that it sends no more.
    ended: bool,
}

impl GatedStream {
    /// Puts a connection behind the gate.
    pub(crate) fn new(stream: TcpStream, gate: Rc<Gate>) -> Self {
        Self::with(stream, gate, None)
    }

    /// Puts an encrypted connection behind the gate; what it has to say leaves at once.
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

    /// Reads what has arrived and has it answered. `answer` gets the bytes and a place for answers,
    /// and returns how many bytes it has dealt with; the rest is kept, and comes again with what
    /// arrives later. Answers leave with the turn.
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
            if self.outbox.tls_speaks() {
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
        if has_answers || self.outbox.tls_speaks() {
            self.await_turn(context);
        }
        if !has_answers && step == Step::Answered {
            step = Step::Partial;
        }
        Poll::Ready(Ok(step))
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.outbox.is_encrypted()
    }

    /// Whether the peer has yet to finish the handshake of an encrypted connection.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.outbox.is_handshaking()
    }

    /// Whether something was read that nobody has dealt with.
    pub(crate) const fn has_unread(&self) -> bool {
        !self.unread.is_empty()
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

    /// Ready when everything has been sent, and the peer was told that nothing follows, where it
    /// can be told.
    pub(crate) fn poll_end(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_empty(context))?;
        self.outbox.say_end();
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
            if this.outbox.tls_speaks() {
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

    /// Ready while answers await their turn: for the connection they are as good as sent, and the
    /// next request may be read meanwhile.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outbox.poll_send(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_end(context))?;
        Poll::Ready(SockRef::from(self.outbox.socket()).shutdown(Shutdown::Write))
    }
}
