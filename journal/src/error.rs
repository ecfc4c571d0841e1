//! Why a journal operation fails, each with the way out; it never carries payload bytes.

use std::path::PathBuf;
use std::{fmt, io};

use crate::format::PAYLOAD_BYTES_MAX;
use crate::stream_name::{InvalidStreamName, StreamName};

/// Why a journal operation failed.
///
/// An expected outcome is no error: a reader that has caught up gets `None`, and a torn tail is
/// reported in [`Recovery`](crate::Recovery).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A segment must not be removed, because it is not the oldest or is not sealed.
    #[error("{path} is not the oldest sealed segment of its stream, and is kept")]
    NotOldest {
        /// The segment.
        path: PathBuf,
    },
    /// A stream name is invalid.
    #[error(transparent)]
    InvalidName(#[from] InvalidStreamName),
    /// Another writer holds the stream.
    #[error(
        "{dir} is in use by another writer; stop that process first, or give this one its own stream"
    )]
    InUse {
        /// The stream's folder.
        dir: PathBuf,
    },
    /// The operating system refused a call.
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
    /// A file no longer holds what was written to it.
    #[error(
        "{path} is damaged at byte {offset} (record {seq}): {reason}{behind}; restore the segment \
         from a copy, or give up what cannot be read by a repair"
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where in the segment the damage begins.
        offset: u64,
        /// The sequence number that was expected there.
        seq: u64,
        /// Which check failed.
        reason: &'static str,
        /// What is known about the records behind the place.
        behind: Behind,
    },
    /// A newer release wrote the segment.
    #[error(
        "{path} has format version {version}, which this release cannot read; use the newer release"
    )]
    Unsupported {
        /// The segment.
        path: PathBuf,
        /// The version in its header.
        version: u16,
    },
    /// A reader was told to start after a record that the stream does not have (any more).
    ///
    /// If it went on, it would silently skip the records that will get these numbers.
    #[error(
        "{dir} ends at record {last_seq}, but reading was to go on after {position}: the end was \
         lost in a power cut or this is another journal; rebuild what was derived from this \
         stream, from record 1"
    )]
    Ahead {
        /// The stream's folder.
        dir: PathBuf,
        /// The record after which reading was to go on.
        position: u64,
        /// The last record of the stream.
        last_seq: u64,
    },
    /// A reader was told to go on after a record, and another record has its number now.
    ///
    /// If it went on, it would silently skip the records that replaced lost ones.
    #[error(
        "record {seq} of {dir} is not the one that was read before: the end was lost in a power \
         cut, or this is another journal; rebuild what was derived from this stream, from record 1"
    )]
    Replaced {
        /// The stream's folder.
        dir: PathBuf,
        /// The record.
        seq: u64,
    },
    /// The segment that holds the next record was removed.
    #[error(
        "{dir} begins at record {first_seq}, but record {seq} is wanted; bring the older segments back"
    )]
    Missing {
        /// The stream's folder.
        dir: PathBuf,
        /// The record that was to come next.
        seq: u64,
        /// The oldest record of the stream.
        first_seq: u64,
    },
    /// A payload is above [`PAYLOAD_BYTES_MAX`].
    #[error("a payload of {bytes} bytes is above the limit of {PAYLOAD_BYTES_MAX}; split it")]
    TooLarge {
        /// The size of the payload.
        bytes: usize,
    },
    /// An earlier write or fsync failed. The stream accepts nothing until it is opened again.
    #[error("stream {stream} stopped recording: {cause}; remove the cause and restart")]
    Poisoned {
        /// The stream.
        stream: StreamName,
        /// The text of the first failure.
        cause: String,
    },
    /// The queue is full. Nothing that was offered to it was recorded.
    #[error("stream {stream} has a full queue; the disk is slower than the load, try again later")]
    Busy {
        /// The stream.
        stream: StreamName,
    },
    /// The committer was shut down. Whether a record that still waited was written is unknown.
    #[error("stream {stream} is closed; the process is shutting down")]
    Closed {
        /// The stream.
        stream: StreamName,
    },
}

/// What is known about the records behind a damaged place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Behind {
    /// Nobody has looked.
    Unread,
    /// Records behind it are whole.
    Whole {
        /// The first of them.
        first_seq: u64,
        /// The last of them in the same segment.
        last_seq: u64,
    },
    /// Nothing whole is behind it, but records were known to be on disk.
    Promised {
        /// The last of them.
        last_seq: u64,
    },
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread => Ok(()),
            Self::Whole { first_seq, last_seq } if first_seq == last_seq => {
                write!(f, "; behind it, record {first_seq} is whole")
            }
            Self::Whole { first_seq, last_seq } => {
                write!(f, "; behind it, records {first_seq} to {last_seq} are whole")
            }
            Self::Promised { last_seq } => {
                write!(f, "; all records up to {last_seq} were known to be on disk")
            }
        }
    }
}

impl Error {
    /// Returns a closure for `map_err` that says what was tried and on which path.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.into(), source }
    }
}
