//! The gate: no byte of an answer leaves before the journal has the click that it answers.
//!
//! One event-loop turn of a worker serves many connections. Each handler appends its click to the
//! worker's journal buffer and writes its answer; the answers wait in memory. When the turn's
//! connections are done, the gate commits the buffer with one write and then sends all waiting
//! answers. So a click costs no system call of its own, and no connection is polled twice.
//!
//! If the journal fails, answers still leave: a redirect with a signed token is better than no
//! redirect. The stream's health keeps the failure. Deliveries and pixel events must be recorded
//! before they are acknowledged. Their own handlers record them, and answer 503 if that fails.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use journal::{Durability, Writer};
use live::clock;
use live::status::Counters;
use shared::record::{Click, encode_click};

use crate::outbox::{Outbox, State};

/// How long a peer may take to accept an answer.
const STALL_MAX: Duration = Duration::from_secs(20);
/// Bytes read from a connection at a time.
pub(crate) const READ_BYTES: usize = 16 * 1024;

/// One worker's journal stream, and the connections whose answers wait for it.
pub(crate) struct Gate {
    writer: RefCell<Writer>,
    durability: Durability,
    waiting: RefCell<Vec<Rc<Outbox>>>,
    /// The list of the previous turn, kept for its capacity.
    spare: RefCell<Vec<Rc<Outbox>>>,
    /// A buffer for what a connection has sent, as it arrived.
    pub scratch: RefCell<Box<[u8]>>,
    /// A buffer for the same bytes, decrypted.
    pub decrypted: RefCell<Vec<u8>>,
    turn: RefCell<Option<Waker>>,
    turn_is_due: Cell<bool>,
    /// Connections whose peer did not take an answer at once.
    slow: RefCell<Vec<Weak<Outbox>>>,
    /// Clicks appended and not yet committed.
    uncommitted: Cell<u64>,
    counters: &'static Counters,
}

impl Gate {
    pub(crate) fn new(
        writer: Writer,
        durability: Durability,
        counters: &'static Counters,
    ) -> Rc<Self> {
        Rc::new(Self {
            writer: RefCell::new(writer),
            durability,
            waiting: RefCell::default(),
            spare: RefCell::default(),
            scratch: RefCell::new(vec![0; READ_BYTES].into()),
            decrypted: RefCell::default(),
            turn: RefCell::default(),
            turn_is_due: Cell::new(false),
            slow: RefCell::default(),
            uncommitted: Cell::new(0),
            counters,
        })
    }

    /// Appends a click; it is committed before any answer of this turn leaves.
    pub(crate) fn record(&self, click: &Click<'_>) {
        self.counters.count(click.class);
        let appended = self.writer.borrow_mut().append_with(|buffer| encode_click(click, buffer));
        match appended {
            Ok(_) => self.uncommitted.set(self.uncommitted.get() + 1),
            Err(_) => self.counters.unrecorded(1),
        }
    }

    /// Runs the turns. It is spawned once on the worker's runtime and never completes.
    pub(crate) async fn run(self: Rc<Self>) {
        poll_fn(|context| {
            self.turn.replace(Some(context.waker().clone()));
            if self.turn_is_due.replace(false) {
                self.turn();
            }
            Poll::<()>::Pending
        })
        .await;
    }

    fn turn(&self) {
        self.commit();
        let mut outboxes = self.waiting.replace(self.spare.take());
        for outbox in outboxes.drain(..) {
            outbox.send();
            if outbox.state.get() == State::AwaitsPeer && outbox.stalled_since.get().is_none() {
                outbox.stalled_since.set(Some(Instant::now()));
                self.slow.borrow_mut().push(Rc::downgrade(&outbox));
            }
        }
        self.spare.replace(outboxes);
    }

    /// Drops peers that have not taken an answer for `STALL_MAX`. The worker calls it every few
    /// seconds.
    pub(crate) fn drop_stalled(&self) {
        self.slow.borrow_mut().retain(|outbox| {
            let Some(outbox) = outbox.upgrade() else { return false };
            let stalled = outbox.stalled_since.get().map(|since| since.elapsed());
            if stalled.is_some_and(|stalled| stalled > STALL_MAX) {
                outbox.state.set(State::Broken);
                outbox.task.borrow().wake_by_ref();
                return false;
            }
            stalled.is_some()
        });
    }

    fn commit(&self) {
        let mut writer = self.writer.borrow_mut();
        if writer.pending() == 0 {
            return;
        }
        let committed = writer.commit(clock::now_ms()).and_then(|_| match self.durability {
            Durability::Os => Ok(()),
            Durability::Disk => writer.sync(),
        });
        let clicks = self.uncommitted.take();
        if let Err(error) = committed {
            self.counters.unrecorded(clicks);
            self.counters.failed_commit(&error);
        }
    }

    /// Commits and syncs what is left. Nothing can be recorded afterwards.
    pub(crate) fn close(&self) -> Result<(), journal::Error> {
        let mut writer = self.writer.borrow_mut();
        writer.commit(clock::now_ms())?;
        writer.sync()
    }

    pub(crate) fn await_turn(&self, outbox: &Rc<Outbox>) {
        self.waiting.borrow_mut().push(Rc::clone(outbox));
        if !self.turn_is_due.replace(true)
            && let Some(waker) = &*self.turn.borrow()
        {
            // The runtime runs tasks in the sequence in which they were woken. So connections that
            // are ready now run before the turn.
            waker.wake_by_ref();
        }
    }
}
