//! The one seam through which segments are written and synced, where test builds plant faults;
//! without the feature `faults` it is nothing but the two system calls, and it never retries one
//! that failed.

use std::{fs::File, io, io::Write};

#[cfg(feature = "faults")]
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::Options;

/// A bug or a broken disk, planted to see whether the tests around the journal notice.
#[cfg(feature = "faults")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A commit acknowledges without writing.
    SkipWrite,
    /// A [`Committer`](crate::Committer) acknowledges, waits a moment, and only then writes.
    AckEarly,
    /// Writes fail after so many that worked.
    FailWriteAfter(u64),
    /// Fsyncs fail after so many that worked.
    FailSyncAfter(u64),
    /// After so many writes that worked, one writes half its bytes and fails.
    ShortWriteAfter(u64),
}

#[cfg(feature = "faults")]
impl Fault {
    /// Reads `skip-write`, `ack-early`, `fail-write:3`, `fail-sync:3` or `short-write:3`.
    pub fn parse(text: &str) -> Option<Fault> {
        let (name, after) = match text.split_once(':') {
            Some((name, after)) => (name, Some(after.parse().ok()?)),
            None => (text, None),
        };
        match (name, after) {
            ("skip-write", None) => Some(Fault::SkipWrite),
            ("ack-early", None) => Some(Fault::AckEarly),
            ("fail-write", Some(after)) => Some(Fault::FailWriteAfter(after)),
            ("fail-sync", Some(after)) => Some(Fault::FailSyncAfter(after)),
            ("short-write", Some(after)) => Some(Fault::ShortWriteAfter(after)),
            _ => None,
        }
    }
}

/// How a stream's files are written: as they should be, unless a fault is planted.
#[derive(Debug)]
pub(crate) struct Plan {
    #[cfg(feature = "faults")]
    fault: Option<Fault>,
    #[cfg(feature = "faults")]
    writes: AtomicU64,
    #[cfg(feature = "faults")]
    syncs: AtomicU64,
}

#[cfg(not(feature = "faults"))]
impl Plan {
    pub(crate) fn new(_options: &Options) -> Plan {
        Plan {}
    }

    /// Writes all bytes at the end of the file.
    pub(crate) fn write_all(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Brings the file's bytes to the disk.
    pub(crate) fn sync_data(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Tells a committer whether to acknowledge before it writes.
    pub(crate) fn acks_early(&self) -> bool {
        false
    }

    /// Gives a kill the time to strike between an early acknowledgement and the write.
    pub(crate) fn linger(&self) {}
}

#[cfg(feature = "faults")]
impl Plan {
    pub(crate) fn new(options: &Options) -> Plan {
        Plan { fault: options.fault, writes: AtomicU64::new(0), syncs: AtomicU64::new(0) }
    }

    /// Writes all bytes at the end of the file, unless a fault says otherwise.
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

    /// Brings the file's bytes to the disk, unless a fault says otherwise.
    pub(crate) fn sync_data(&self, file: &File) -> io::Result<()> {
        let before = self.syncs.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Some(Fault::FailSyncAfter(after)) if before >= after => Err(planted("fsync")),
            _ => file.sync_data(),
        }
    }

    /// Tells a committer whether to acknowledge before it writes.
    pub(crate) fn acks_early(&self) -> bool {
        self.fault == Some(Fault::AckEarly)
    }

    /// Gives a kill the time to strike between an early acknowledgement and the write.
    pub(crate) fn linger(&self) {
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
