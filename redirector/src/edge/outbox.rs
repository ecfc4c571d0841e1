//! A connection's answers on their way out: kept in memory until the gate's turn, then until the peer has taken them.
//!
//! Never sends before it is told to: what is told here is the gate's decision.

use std::cell::{Cell, RefCell};
use std::io;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use tokio::net::tcp::OwnedWriteHalf;

/// Where an outbox stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing waits.
    Empty,
    /// Waits for the turn.
    AwaitsTurn,
    /// Waits for the peer to read.
    AwaitsPeer,
    /// The peer is gone.
    Broken,
}

/// A connection's answers on their way out.
pub(super) struct Outbox {
    pub(super) socket: OwnedWriteHalf,
    pub(super) bytes: RefCell<Vec<u8>>,
    pub(super) state: Cell<State>,
    /// Wakes the connection's task.
    pub(super) task: RefCell<Waker>,
    /// Whether the task waits for this outbox to empty.
    task_waits: Cell<bool>,
    /// Since when the peer has not taken everything.
    pub(super) stalled_since: Cell<Option<Instant>>,
}

impl Outbox {
    /// An empty one.
    pub(super) fn new(socket: OwnedWriteHalf) -> Self {
        Self {
            socket,
            bytes: RefCell::default(),
            state: Cell::new(State::Empty),
            task: RefCell::new(Waker::noop().clone()),
            task_waits: Cell::new(false),
            stalled_since: Cell::new(None),
        }
    }

    /// Sends what waits. What the socket does not take stays, and the task is woken to see to it.
    pub(super) fn send(&self) {
        let mut bytes = self.bytes.borrow_mut();
        let state = match self.socket.try_write(&bytes) {
            Ok(sent) => {
                bytes.drain(..sent);
                if bytes.is_empty() {
                    self.stalled_since.set(None);
                    State::Empty
                } else {
                    State::AwaitsPeer
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => State::AwaitsPeer,
            Err(_) => State::Broken,
        };
        self.state.set(state);
        if state != State::Empty || self.task_waits.take() {
            self.task.borrow().wake_by_ref();
        }
    }

    /// Goes on sending to a slow peer; ready when nothing waits for it any more.
    pub(super) fn poll_send(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.state.get() == State::AwaitsPeer {
            ready!(self.socket.as_ref().poll_write_ready(context))?;
            self.send();
        }
        if self.state.get() == State::Broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn remember_task(&self, context: &Context<'_>) {
        let mut task = self.task.borrow_mut();
        if !task.will_wake(context.waker()) {
            task.clone_from(context.waker());
        }
    }

    pub(super) fn wait(&self, context: &Context<'_>) {
        self.remember_task(context);
        self.task_waits.set(true);
    }
}
