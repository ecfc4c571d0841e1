//! The thread that syncs clicks to the disk soon after they were written.

use std::time::Duration;

use anyhow::Result;
use journal::Syncer;
use live::Stop;

use crate::memory::Memory;

/// How long a click that was written to the system may wait for the disk.
const SYNC_EVERY: Duration = Duration::from_millis(40);

/// Syncs all streams again and again until told to stop. Writes down now and then how far they are.
///
/// # Errors
/// Never; a failure poisons its stream, which the worker, `/readyz` and the log report.
pub(crate) fn run(syncers: &[Syncer], mut memory: Memory, stop: &Stop) -> Result<()> {
    while !stop.is_set() {
        memory.write_now_and_then();
        for syncer in syncers {
            if let Err(error) = syncer.sync() {
                tracing::debug!("{error}");
            }
        }
        std::thread::sleep(SYNC_EVERY);
    }
    Ok(())
}
