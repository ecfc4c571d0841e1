//! SIGTERM and SIGINT: the first signal drains, the second ends the process at once.

use std::thread;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, caught from the moment this value is made.
pub(crate) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches the signals. This comes first, so that no signal ends the process before it can
    /// drain.
    pub(crate) fn catch() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let catch = |kind| {
            let _inside = runtime.enter();
            signal(kind).context("cannot catch signals")
        };
        let (terminate, interrupt) =
            (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?);
        Ok(Self { runtime, terminate, interrupt })
    }

    fn wait(&mut self) {
        let (terminate, interrupt) = (&mut self.terminate, &mut self.interrupt);
        self.runtime.block_on(async {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        });
    }

    /// Waits for the first signal. From then on a second one ends the process at once.
    pub(crate) fn wait_for_first(mut self) -> Result<()> {
        self.wait();
        let wait_for_second = move || {
            self.wait();
            // The journal survives a kill, and no other part may delay the end.
            _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
        };
        let thread = thread::Builder::new().name("second-signal".to_owned());
        thread.spawn(wait_for_second).context("cannot start thread second-signal")?;
        Ok(())
    }
}
