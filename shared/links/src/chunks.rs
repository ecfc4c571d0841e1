//! A vector in chunks that clones share. A clone counts one reference; a change copies one chunk
//! and the list of chunks. It never changes a chunk that a clone still reads.

use std::sync::Arc;

/// The number of items in a chunk. A vector of 100,000 items has 1,600 chunks, so that chunk and
/// list are both copied within microseconds.
const CHUNK: usize = 64;

#[derive(Debug, Clone)]
pub(super) struct Chunks<T>(Arc<Vec<Arc<Vec<T>>>>);

impl<T: Clone> Chunks<T> {
    /// Makes a vector that holds the same item `count` times.
    pub(super) fn filled(item: T, count: usize) -> Self {
        let mut chunks = Self(Arc::default());
        (0..count).for_each(|_| chunks.push(item.clone()));
        chunks
    }

    pub(super) fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * CHUNK + last.len())
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.0.get(index / CHUNK)?.get(index % CHUNK)
    }

    /// Returns the item to be changed, in a chunk that no clone shares.
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let chunk = Arc::make_mut(&mut self.0).get_mut(index / CHUNK)?;
        Arc::make_mut(chunk).get_mut(index % CHUNK)
    }

    pub(super) fn push(&mut self, item: T) {
        let chunks = Arc::make_mut(&mut self.0);
        match chunks.last_mut() {
            Some(last) if last.len() < CHUNK => Arc::make_mut(last).push(item),
            _ => chunks.push(Arc::new(vec![item])),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|chunk| chunk.iter())
    }
}
