//! The system calls that write and fsync a segment, in one place, so that test builds can plant
//! faults there; without the feature `faults` it makes the two calls and nothing else, and it never
//! retries a call that failed.

use std::fs::File;
use std::io::{self, Write};
#[cfg(feature = "faults")]
use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(feature = "faults")]
use std::time::Duration;

/// A bug or a broken disk, planted to see whether the tests notice it.
#[cfg(feature = "faults")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A commit acknowledges and writes nothing.
    SkipWrite,
    /// A [`Committer`](crate::Committer) acknowledges, waits a moment, and only then writes.
    AckEarly,
    /// Writes fail after this many that worked.
    FailWriteAfter(u64),
    /// Fsyncs fail after this many that worked.
    FailSyncAfter(u64),
    /// After this many writes that worked, each further one writes half its bytes and fails.
    ShortWriteAfter(u64),
    /// A recovery cuts everything behind the first damaged place, promised or not.
    CutTooMuch,
}

#[cfg(feature = "faults")]
impl Fault {
    /// Parses `skip-write`, `ack-early`, `cut-too-much`, `fail-write:3`, `fail-sync:3` or
    /// `short-write:3`. Returns `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, after) = match text.split_once(':') {
            Some((name, after)) => (name, Some(after.parse().ok()?)),
            None => (text, None),
        };
        match (name, after) {
            ("skip-write", None) => Some(Self::SkipWrite),
            ("ack-early", None) => Some(Self::AckEarly),
            ("cut-too-much", None) => Some(Self::CutTooMuch),
            ("fail-write", Some(after)) => Some(Self::FailWriteAfter(after)),
            ("fail-sync", Some(after)) => Some(Self::FailSyncAfter(after)),
            ("short-write", Some(after)) => Some(Self::ShortWriteAfter(after)),
            _ => None,
        }
    }
}

/// Writes and fsyncs the segments of one stream: correctly, unless a fault is planted.
#[derive(Debug, Default)]
pub(crate) struct SegmentIo {
    #[cfg(feature = "faults")]
    fault: Option<Fault>,
    /// How many writes were tried.
    #[cfg(feature = "faults")]
    writes: AtomicU64,
    /// How many fsyncs were tried.
    #[cfg(feature = "faults")]
    syncs: AtomicU64,
}

#[cfg(not(feature = "faults"))]
impl SegmentIo {
    /// Writes all bytes at the end of the file.
    pub(crate) fn write_all(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Fsyncs the file's bytes.
    pub(crate) fn sync_data(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Returns whether a committer must acknowledge before it writes.
    pub(crate) fn acks_early(&self) -> bool {
        false
    }

    /// Returns whether nothing at all may be written.
    pub(crate) fn skips_writes(&self) -> bool {
        false
    }

    /// Returns whether a recovery must not care what was promised.
    pub(crate) fn cuts_too_much(&self) -> bool {
        false
    }

    /// Waits between an early acknowledgement and the write, so that a kill can fall in between.
    pub(crate) fn wait_after_early_ack(&self) {}
}

#[cfg(feature = "faults")]
impl SegmentIo {
    /// Plants `fault`, if there is one.
    pub(crate) fn with_fault(fault: Option<Fault>) -> Self {
        Self { fault, ..Self::default() }
    }

    /// Writes all bytes at the end of the file, unless a planted fault prevents it.
    pub(crate) fn write_all(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        let before = self.writes.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Some(Fault::SkipWrite) => Ok(()),
            Some(Fault::FailWriteAfter(after)) if before >= after => Err(planted("write")),
            Some(Fault::ShortWriteAfter(after)) if before >= after => {
                file.write_all(&bytes[..bytes.len() / 2])?;
                Err(planted("short write"))
            }
            _ => file.write_all(bytes),
        }
    }

    /// Fsyncs the file's bytes, unless a planted fault prevents it.
    pub(crate) fn sync_data(&self, file: &File) -> io::Result<()> {
        let before = self.syncs.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Some(Fault::FailSyncAfter(after)) if before >= after => Err(planted("fsync")),
            _ => file.sync_data(),
        }
    }

    /// Returns whether a committer must acknowledge before it writes.
    pub(crate) fn acks_early(&self) -> bool {
        self.fault == Some(Fault::AckEarly)
    }

    /// Returns whether nothing at all may be written.
    pub(crate) fn skips_writes(&self) -> bool {
        self.fault == Some(Fault::SkipWrite)
    }

    /// Returns whether a recovery must not care what was promised.
    pub(crate) fn cuts_too_much(&self) -> bool {
        self.fault == Some(Fault::CutTooMuch)
    }

    /// Waits between an early acknowledgement and the write, so that a kill can fall in between.
    pub(crate) fn wait_after_early_ack(&self) {
        std::thread::sleep(Duration::from_millis(30));
    }
}

#[cfg(feature = "faults")]
fn planted(call: &str) -> io::Error {
    io::Error::other(format!("planted {call} failure"))
}

#[cfg(all(test, feature = "faults"))]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_written_as_on_the_command_line() {
        let good = [
            ("skip-write", Fault::SkipWrite),
            ("ack-early", Fault::AckEarly),
            ("cut-too-much", Fault::CutTooMuch),
            ("fail-write:3", Fault::FailWriteAfter(3)),
            ("fail-sync:0", Fault::FailSyncAfter(0)),
            ("short-write:7", Fault::ShortWriteAfter(7)),
        ];
        for (text, fault) in good {
            assert_eq!(Fault::parse(text), Some(fault), "{text}");
        }
        for bad in [
            "",
            "skip-write:1",
            "fail-write",
            "fail-write:",
            "fail-write:x",
            "fail-write:-1",
            "fire",
        ] {
            assert_eq!(Fault::parse(bad), None, "{bad}");
        }
    }
}
