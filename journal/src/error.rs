//! What can go wrong with a journal, each with the way out; it never carries payload bytes.

use std::{io, path::PathBuf};

use crate::{PAYLOAD_BYTES_MAX, StreamName};

/// Why a journal operation failed.
///
/// Expected outcomes are no errors: a reader that has caught up gets `None`, a torn tail is part of
/// [`Recovery`](crate::Recovery).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A segment that must not be removed.
    #[error("{path} is not the oldest sealed segment of its stream, and is kept")]
    NotOldest {
        /// The segment.
        path: PathBuf,
    },
    /// A stream name that cannot be a folder name everywhere.
    #[error("{name:?} is no stream name; use 1 to 63 of a-z, 0-9 and -, not beginning with -")]
    InvalidName {
        /// What was given.
        name: String,
    },
    /// Another writer holds the stream.
    #[error(
        "{dir} is in use by another writer; stop that process first, or give this one its own stream"
    )]
    InUse {
        /// The stream's folder.
        dir: PathBuf,
    },
    /// The operating system refused.
    #[error(
        "cannot {action} {path}: {source}; check free space, permissions and the disk's health"
    )]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Bytes that were once whole are not what was written.
    #[error(
        "{path} is damaged at byte {offset} (record {seq}): {reason}; restore the segment from a copy"
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where in the segment the damage begins.
        offset: u64,
        /// The sequence number that was expected there.
        seq: u64,
        /// What does not fit.
        reason: &'static str,
    },
    /// A segment written by a newer release.
    #[error(
        "{path} has format version {version}, which this release cannot read; use the newer release"
    )]
    Unsupported {
        /// The segment.
        path: PathBuf,
        /// The version found in its header.
        version: u16,
    },
    /// A reader was told to start after a record that the stream does not have (any more).
    ///
    /// Going on would silently skip the records that will be given these numbers.
    #[error(
        "{dir} ends at record {last_seq}, but reading was to go on after {position}: the end was lost in a power \
         cut or this is another journal; rebuild what was derived from this stream, from record 1"
    )]
    Ahead {
        /// The stream's folder.
        dir: PathBuf,
        /// After which record reading was to go on.
        position: u64,
        /// The last record that is there.
        last_seq: u64,
    },
    /// The record after which a reader was told to go on is not the one that was read then.
    ///
    /// Going on would silently skip the records that took the place of lost ones.
    #[error(
        "record {seq} of {dir} is not the one that was read before: the end was lost in a power cut, or this is \
         another journal; rebuild what was derived from this stream, from record 1"
    )]
    Replaced {
        /// The stream's folder.
        dir: PathBuf,
        /// The record.
        seq: u64,
    },
    /// The segments that hold the wanted record were removed.
    #[error(
        "{dir} begins at record {first_seq}, but record {seq} is wanted; bring the older segments back"
    )]
    Missing {
        /// The stream's folder.
        dir: PathBuf,
        /// The record that was to come next.
        seq: u64,
        /// The oldest record that is there.
        first_seq: u64,
    },
    /// A payload above [`PAYLOAD_BYTES_MAX`].
    #[error("a payload of {bytes} bytes is above the limit of {PAYLOAD_BYTES_MAX}; split it")]
    TooLarge {
        /// The size of the payload.
        bytes: usize,
    },
    /// An earlier write or fsync failed; nothing is accepted until the stream is opened again.
    #[error("stream {stream} stopped recording: {cause}; cure the cause and restart")]
    Poisoned {
        /// The stream.
        stream: StreamName,
        /// The first failure, in words.
        cause: String,
    },
    /// More is waiting to be written than the queue may hold. Nothing was recorded.
    #[error("stream {stream} has a full queue; the disk is slower than the load, try again later")]
    Busy {
        /// The stream.
        stream: StreamName,
    },
    /// The committer was shut down. Whether a record that was waiting got written is not known.
    #[error("stream {stream} is closed; the process is shutting down")]
    Closed {
        /// The stream.
        stream: StreamName,
    },
}

impl Error {
    /// Returns a closure for `map_err` that says what was tried and on which path.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { action, path: path.into(), source }
    }
}
