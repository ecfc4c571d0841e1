//! The open connections of a worker. When the server stops, each is told to finish its answers.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::addresses::Place;

/// How long answers in progress may take after the server was told to stop.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(crate) struct Connections {
    pub open: Cell<usize>,
    draining: Cell<bool>,
    /// The task of each connection, which the drain wakes. A task is registered only once, so that
    /// a check for the drain costs almost nothing.
    tasks: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
}

/// A connection's place in the list of its worker. Dropping it frees the place.
pub(crate) struct Member {
    connections: Rc<Connections>,
    place: usize,
    registered: Cell<bool>,
    /// What the peer's address holds; `None` for a trusted proxy.
    _of_address: Option<Place>,
}

impl Member {
    pub(crate) fn join(connections: &Rc<Connections>, of_address: Option<Place>) -> Self {
        let place = connections.take_place();
        let registered = Cell::new(false);
        Self { connections: Rc::clone(connections), place, registered, _of_address: of_address }
    }

    /// Returns whether the server is stopping. Wakes `task` when that begins.
    pub(crate) fn is_draining(&self, task: &Waker) -> bool {
        let connections = &self.connections;
        if !self.registered.replace(true) {
            connections.tasks.borrow_mut()[self.place] = Some(task.clone());
        }
        connections.draining.get()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.connections.leave(self.place);
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

    /// Tells every connection to finish its answers. Waits for them, but at most for
    /// `DRAIN_TIMEOUT`.
    pub(crate) async fn drain(&self) {
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
