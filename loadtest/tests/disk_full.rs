//! A disk that is full for a while: nothing is promised that is not kept, redirects go on, and with
//! room again so do promises.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

use std::process::Command;

use loadtest::{FullReport, full_disk};

/// A small file system in memory; needs the right to mount.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"]).arg(folder.path());
        mount.output().is_ok_and(|done| done.status.success()).then_some(Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily, because a process that is just ending may still hold it.
        _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

async fn filled(fault: Option<&str>) -> Option<FullReport> {
    let Some(small) = Small::mount() else {
        eprintln!("SKIPPED disk_full: no right to mount a small file system");
        return None;
    };
    let report =
        full_disk(&harness::default_bin_dir().unwrap(), small.0.path(), fault).await.unwrap();
    println!("{report:?}");
    Some(report)
}

#[tokio::test]
async fn a_full_disk_breaks_no_promise() {
    let Some(report) = filled(None).await else { return };
    assert!(report.promised > 100 && report.refused > 100, "{report:?}");
    assert_eq!((report.lost, report.doubled), (0, 0), "{report:?}");
    assert_eq!(report.redirects_failed, 0, "{report:?}");
    assert!(report.promised_after > 0, "{report:?}");
}

#[tokio::test]
async fn a_product_that_promises_early_is_caught() {
    // The disk can also become full just when a segment is sealed. Then every order that was
    // promised is on disk, and the bug does no harm that time.
    for _ in 0..3 {
        let Some(report) = filled(Some("ack-early")).await else { return };
        if report.lost > 0 {
            return;
        }
    }
    panic!("three full disks did not show the bug");
}
