//! What the bodies of a worker's requests hold in memory together. It only counts.

use std::cell::Cell;
use std::rc::Rc;

/// Bytes of bodies that a worker may hold at once. A body takes part of it as it arrives, so who
/// sends nothing holds nothing.
const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The bytes of bodies that a worker holds.
#[derive(Default)]
pub(crate) struct Bodies(Rc<Cell<usize>>);

/// Part of what a worker may hold. Dropping it frees the part.
pub(crate) struct Held {
    all: Rc<Cell<usize>>,
    bytes: usize,
}

impl Bodies {
    /// Returns a part that holds nothing yet.
    pub(crate) fn nothing(&self) -> Held {
        Held { all: Rc::clone(&self.0), bytes: 0 }
    }
}

impl Held {
    /// Takes more. Returns false when there is no room for it.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let all = self.all.get() + bytes;
        if all > HELD_BYTES_MAX {
            return false;
        }
        self.all.set(all);
        self.bytes += bytes;
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.set(self.all.get() - self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_hold_no_more_than_their_bound_and_free_it_when_they_go() {
        let bodies = Bodies::default();
        let (mut one, mut other) = (bodies.nothing(), bodies.nothing());
        assert!(one.take(HELD_BYTES_MAX - 10) && other.take(10) && !other.take(1));
        drop(one);
        assert!(other.take(HELD_BYTES_MAX - 10));
        drop(other);
        assert_eq!(bodies.0.get(), 0);
    }
}
