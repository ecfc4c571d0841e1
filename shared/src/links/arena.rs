//! Records one after another in blocks that clones share: a record is written once, and never
//! changed where it lies.
//!
//! A new version of a record is written anew; what it replaces is garbage. A block that is mostly
//! garbage is emptied by whoever owns the records (`sparse`, `release`), so that garbage is never
//! more than what is alive, and a single change never moves more than half a block.

use std::sync::Arc;

use super::chunks::Chunks;

/// Bytes of a block: what the first change after a clone copies, at most.
const BLOCK: usize = 64 << 10;
/// Records begin at multiples of this, so that 32 bits reach 32 GB of them.
const UNIT: usize = 8;
const UNITS: usize = BLOCK / UNIT;

/// Where a record lies: the block's number and the unit inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position(u32);

impl Position {
    fn new(block: usize, offset: usize) -> Self {
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
    /// Bytes of records that were not replaced.
    live: usize,
}

impl Block {
    fn is_sparse(&self) -> bool {
        self.live * 2 < self.bytes.len()
    }

    /// The bytes, in memory of our own with room for as many as a block has.
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
    /// The block that is written to.
    tail: usize,
    /// Chunks that were emptied.
    free: Vec<usize>,
    /// Chunks that may have become mostly garbage.
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

/// The bytes a record takes, with what fills its last unit.
pub(super) const fn room_of(record_bytes: usize) -> usize {
    record_bytes.next_multiple_of(UNIT)
}

impl Arena {
    /// Everything from a record's first byte to its block's last; a record knows its own length.
    #[inline]
    pub(super) fn at(&self, position: Position) -> &[u8] {
        let block = self.blocks.get(position.block());
        block.and_then(|block| block.bytes.get(position.offset()..)).unwrap_or_default()
    }

    /// Appends a record.
    pub(super) fn append(&mut self, record: &[u8]) -> Position {
        let room = room_of(record.len());
        let used = self.used(self.tail);
        // A record larger than a block gets one of its own size.
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
            block.live = block.live.saturating_sub(room_of(record_bytes));
            self.suspects.push(position.block());
        }
    }

    /// The next block that is mostly garbage: its records have to be appended anew, and the block
    /// released.
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

    /// Gives up a block whose records lie elsewhere by now.
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
    /// The records, replaced ones too; `bytes_of` says how long the one is that begins a slice.
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
