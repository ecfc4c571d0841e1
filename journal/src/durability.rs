//! The promises that an acknowledgement can make; how they are kept stands elsewhere.

use std::time::Duration;

/// The promise that an acknowledgement makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Written to the operating system. Survives a kill of the process. A power cut loses at most
    /// the last 50 ms: [`SYNC_DELAY`] and the fsync itself.
    Os,
    /// Fsynced. Survives a kill of the process and a power cut, as far as the disk keeps its word.
    Disk,
}

/// How long a commit may wait for its fsync when nobody asked for [`Durability::Disk`].
pub const SYNC_DELAY: Duration = Duration::from_millis(40);
