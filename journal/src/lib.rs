//! The append-only log. It has many streams, each with one writer and any number of readers that
//! follow it. It never looks inside a payload, never changes a byte that was committed (but for
//! an [`erase()`], which somebody orders), and never yields a record whose checksum is wrong.
//!
//! ```text
//! <journal dir>/<stream>/lock                         held by the stream's writer
//! <journal dir>/<stream>/00000000000000000001.seg     a segment, named after its first sequence number
//! <journal dir>/<stream>/….seg.cut-<offset>           bytes that a recovery took out of a segment
//! <journal dir>/<stream>/gaps                         the records that repairs gave up
//! <journal dir>/_marks/<stream>.mark                  how far the stream was on disk
//! ```
//!
//! A record's identity is (stream, sequence). Sequences are dense, start at 1 and continue from
//! segment to segment. `format.rs` describes the file format.
//!
//! A recovery cuts what a kill or a power cut left unfinished, and nothing that was known to be on
//! disk: in front of such damage [`Writer::open`] fails, and [`repair()`] is the way out.
//!
//! After [`Writer::commit`] a record survives a kill of the process. After [`Writer::sync`] it
//! survives a power cut. [`Durability`] names these two promises. A failed write or fsync poisons
//! the stream: it is never retried, because the kernel may already have dropped the data and would
//! report success.
//!
//! ```
//! use journal::{Options, Reader, StreamName, Writer};
//!
//! # let folder = tempfile::tempdir()?;
//! # let journal_dir = folder.path();
//! let stream = StreamName::new("main")?;
//! let (mut writer, _) = Writer::open(journal_dir, &stream, 1_700_000_000_000, Options::default())?;
//! writer.append(b"a click")?;
//! writer.commit(1_700_000_000_001)?;
//!
//! let mut reader = Reader::open(journal_dir, &stream, 0)?;
//! let record = reader.next()?.expect("one record was committed");
//! assert_eq!((record.seq, record.payload), (1, &b"a click"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod committer;
mod cursor;
mod durability;
mod erase;
mod error;
mod fault;
mod format;
mod gaps;
mod layout;
mod mark;
mod queue;
mod reader;
mod recover;
mod repair;
mod salvage;
mod sealed;
mod stream_name;
mod sync;
mod verify;
mod writer;

pub use committer::{Committer, Shutdown};
pub use durability::{Durability, SYNC_DELAY};
pub use erase::{Erased, erase};
pub use error::{Behind, Error};
#[cfg(feature = "faults")]
pub use fault::Fault;
pub use format::{PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES};
pub use layout::streams;
pub use mark::{holds_records, known_streams, promise};
pub use queue::{QUEUE_BYTES_MAX, QUEUE_RECORDS_MAX};
pub use reader::{Reader, Record};
pub use recover::{Recovery, check};
pub use repair::{Loss, Repairing, lost, repair};
pub use sealed::{Sealed, oldest_seq, remove_oldest, sealed};
pub use stream_name::{InvalidStreamName, StreamName};
pub use sync::{Health, Syncer};
pub use verify::{Damage, Findings, Progress, StreamFindings, verify};
pub use writer::{Options, Writer};
