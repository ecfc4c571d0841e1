//! Records in blocks of bytes that clones share. A record is written once and never changed in its
//! place.
//!
//! A new version of a record is written to another place, and the old one becomes garbage. The
//! owner of the records empties blocks that are mostly garbage (`sparse`, `release`). So garbage
//! never takes more bytes than valid records do, and a single change never moves more than half a
//! block.

use std::sync::Arc;

use super::chunks::Chunks;

/// The bytes of a block. The first change after a clone copies at most one block.
const BLOCK: usize = 64 << 10;
/// Records begin at multiples of this number of bytes, so that 32 bits address 32 GB.
const UNIT: usize = 8;
const UNITS: usize = BLOCK / UNIT;

/// The place of a record: the number of its block, and the unit inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position(u32);

impl Position {
    fn new(block: usize, offset: usize) -> Self {
        debug_assert!(
            offset.is_multiple_of(UNIT) && offset < BLOCK,
            "a record begins in its block"
        );
        let unit = block * UNITS + offset / UNIT;
        Self(u32::try_from(unit).expect("a catalog of 32 GB does not fit any machine this runs on"))
    }

    const fn block(self) -> usize {
        self.0 as usize / UNITS
    }

    const fn offset(self) -> usize {
        self.0 as usize % UNITS * UNIT
    }
}

#[derive(Debug, Clone, Default)]
struct Block {
    bytes: Arc<Vec<u8>>,
    /// The bytes of records that were not replaced.
    live: usize,
}

impl Block {
    fn is_sparse(&self) -> bool {
        self.live * 2 < self.bytes.len()
    }

    /// Returns the bytes, in memory that no clone shares, with room for a whole block.
    fn own(&mut self, room: usize) -> &mut Vec<u8> {
        if Arc::get_mut(&mut self.bytes).is_none_or(|bytes| bytes.capacity() == 0) {
            let mut copy = Vec::with_capacity(BLOCK.max(room));
            copy.extend_from_slice(&self.bytes);
            self.bytes = Arc::new(copy);
        }
        Arc::make_mut(&mut self.bytes)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Arena {
    blocks: Chunks<Block>,
    /// The number of the block to which records are appended.
    tail: usize,
    /// The blocks that were emptied.
    free: Vec<usize>,
    /// The blocks that may be mostly garbage.
    suspects: Vec<usize>,
}

impl Default for Arena {
    fn default() -> Self {
        Self {
            blocks: Chunks::filled(Block::default(), 1),
            tail: 0,
            free: Vec::new(),
            suspects: Vec::new(),
        }
    }
}

/// Returns the number of bytes that a record takes, including the rest of its last unit.
pub(super) const fn room_of(record_bytes: usize) -> usize {
    record_bytes.next_multiple_of(UNIT)
}

impl Arena {
    /// Returns all bytes from the first one of a record to the last one of its block. A record
    /// holds its own length.
    #[inline]
    pub(super) fn at(&self, position: Position) -> &[u8] {
        let block = self.blocks.get(position.block());
        block.and_then(|block| block.bytes.get(position.offset()..)).unwrap_or_default()
    }

    /// Appends a record.
    pub(super) fn append(&mut self, record: &[u8]) -> Position {
        let room = room_of(record.len());
        let used = self.used(self.tail);
        // A record that is larger than a block gets a block of its own size.
        if used > 0 && used + room > BLOCK {
            self.begin_block();
        }
        let tail = self.tail;
        let position = Position::new(tail, self.used(tail));
        if let Some(block) = self.blocks.get_mut(tail) {
            block.live += room;
            let bytes = block.own(room);
            bytes.extend_from_slice(record);
            bytes.resize(bytes.len().next_multiple_of(UNIT), 0);
        }
        position
    }

    fn used(&self, block: usize) -> usize {
        self.blocks.get(block).map_or(0, |block| block.bytes.len())
    }

    fn begin_block(&mut self) {
        self.suspects.push(self.tail);
        self.tail = self.free.pop().unwrap_or_else(|| {
            self.blocks.push(Block::default());
            self.blocks.len() - 1
        });
    }

    pub(super) fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.bytes.len()).sum()
    }

    /// Counts a record as garbage.
    pub(super) fn retire(&mut self, position: Position, record_bytes: usize) {
        if let Some(block) = self.blocks.get_mut(position.block()) {
            debug_assert!(block.live >= room_of(record_bytes), "a record is retired once");
            block.live = block.live.saturating_sub(room_of(record_bytes));
            self.suspects.push(position.block());
        }
    }

    /// Returns the next block that is mostly garbage. The caller must append its records again and
    /// then release it.
    pub(super) fn sparse(&mut self) -> Option<SparseBlock> {
        while let Some(number) = self.suspects.pop() {
            let block =
                self.blocks.get(number).filter(|block| number != self.tail && block.is_sparse());
            if let Some(block) = block {
                return Some(SparseBlock { number, bytes: Arc::clone(&block.bytes) });
            }
        }
        None
    }

    /// Frees a block whose records were appended again.
    pub(super) fn release(&mut self, emptied: &SparseBlock) {
        if let Some(block) = self.blocks.get_mut(emptied.number) {
            *block = Block::default();
            self.free.push(emptied.number);
        }
    }
}

/// A block that is mostly garbage.
pub(super) struct SparseBlock {
    number: usize,
    bytes: Arc<Vec<u8>>,
}

impl SparseBlock {
    /// Returns all records, including those that were replaced. `bytes_of` returns the length of
    /// the record with which a slice begins.
    pub(super) fn records(
        &self,
        bytes_of: impl Fn(&[u8]) -> Option<usize>,
    ) -> impl Iterator<Item = (Position, &[u8])> {
        let mut offset = 0;
        std::iter::from_fn(move || {
            let rest = self.bytes.get(offset..).filter(|rest| !rest.is_empty())?;
            let record = rest.get(..bytes_of(rest)?)?;
            let position = Position::new(self.number, offset);
            offset += room_of(record.len());
            Some((position, record))
        })
    }
}
