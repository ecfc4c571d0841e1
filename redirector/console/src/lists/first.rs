//! The first few of many entries, without a copy of all of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use shared::time::Timestamp;

use super::order::{By, Key, Sort};

/// The first few of many keys.
pub(super) struct First {
    sort: Sort,
    count: usize,
    forwards: BinaryHeap<Key>,
    backwards: BinaryHeap<Reverse<Key>>,
}

impl First {
    pub(super) const fn new(sort: Sort, count: usize) -> Self {
        Self { sort, count, forwards: BinaryHeap::new(), backwards: BinaryHeap::new() }
    }

    fn last(&self) -> Option<&Key> {
        if self.sort.backwards {
            self.backwards.peek().map(|key| &key.0)
        } else {
            self.forwards.peek()
        }
    }

    fn is_full(&self) -> bool {
        self.forwards.len() + self.backwards.len() >= self.count
    }

    /// Returns whether what was created then has no place any more.
    pub(super) fn is_beyond(&self, at: Timestamp) -> bool {
        let Some(By::Time(last)) = self.last().map(|key| &key.by) else { return false };
        let ms = at.as_ms();
        self.is_full() && if self.sort.backwards { ms < *last } else { ms > *last }
    }

    /// Takes a key that stands behind `after`, if it has a place.
    pub(super) fn offer(&mut self, key: Key, after: &Option<Key>) {
        if after.as_ref().is_some_and(|after| !self.sort.is_before(after, &key)) {
            return;
        }
        if self.is_full() {
            let has_place = self.last().is_some_and(|last| self.sort.is_before(&key, last));
            if !has_place {
                return;
            }
            if self.sort.backwards {
                self.backwards.pop();
            } else {
                self.forwards.pop();
            }
        }
        if self.sort.backwards {
            self.backwards.push(Reverse(key));
        } else {
            self.forwards.push(key);
        }
    }

    pub(super) fn sorted(self) -> Vec<Key> {
        if self.sort.backwards {
            self.backwards.into_sorted_vec().into_iter().map(|key| key.0).collect()
        } else {
            self.forwards.into_sorted_vec()
        }
    }
}
