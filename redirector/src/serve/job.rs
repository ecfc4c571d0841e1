//! One kind of long-running thread: a name, a priority, its work, and whether the end of the
//! process waits for it.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use live::{Stop, Stopper, stop};

/// What a thread does until it is told to stop.
type Run = Box<dyn FnOnce(&Stop) -> Result<()> + Send>;

/// A thread to be started.
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) priority: Priority,
    pub(crate) end: End,
    pub(crate) run: Run,
}

/// How a thread shares its processor core with redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    Normal,
    /// The lowest priority, for this thread and all threads that it starts.
    BehindRedirects,
}

/// What happens to a thread when the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The process waits: the thread has something to finish.
    Wait,
    /// The process waits up to this time: what is left can also be done after the next start.
    WaitAtMost(Duration),
    /// The process does not wait: unfinished work is done again after the next start.
    Leave,
}

impl Job {
    /// Makes a thread that is waited for and may fail.
    pub(crate) fn new(
        name: impl Into<String>,
        run: impl FnOnce(&Stop) -> Result<()> + Send + 'static,
    ) -> Self {
        let (priority, end) = (Priority::Normal, End::Wait);
        Self { name: name.into(), priority, end, run: Box::new(run) }
    }

    /// Makes a thread that yields to redirects and cannot fail.
    pub(crate) fn behind(
        name: impl Into<String>,
        end: End,
        run: impl FnOnce(&Stop) + Send + 'static,
    ) -> Self {
        let run = Box::new(move |stop: &Stop| {
            run(stop);
            Ok(())
        });
        Self { name: name.into(), priority: Priority::BehindRedirects, end, run }
    }

    fn start(self) -> Result<Running> {
        let Self { name, priority, end, run } = self;
        let (stopper, stop) = stop::pair();
        let work = move || {
            if priority == Priority::BehindRedirects {
                yield_to_redirects();
            }
            run(&stop)
        };
        let thread = thread::Builder::new().name(name.clone()).spawn(work);
        let thread = thread.with_context(|| format!("cannot start thread {name}"))?;
        Ok(Running { name, end, stopper, thread })
    }
}

/// A thread that runs.
struct Running {
    name: String,
    end: End,
    stopper: Stopper,
    thread: JoinHandle<Result<()>>,
}

impl Running {
    fn finish(self) -> Result<()> {
        match self.end {
            End::Leave => return Ok(()),
            End::Wait => {}
            End::WaitAtMost(most) => {
                let told_at = Instant::now();
                while !self.thread.is_finished() {
                    if told_at.elapsed() > most {
                        tracing::warn!(
                            "{} has not finished; it goes on after the next start, nothing is lost",
                            self.name
                        );
                        return Ok(());
                    }
                    thread::sleep(Duration::from_millis(1));
                }
            }
        }
        let panicked = |_| Err(anyhow!("thread {} panicked; the log says more", self.name));
        self.thread.join().unwrap_or_else(panicked)
    }
}

/// Threads that are told to stop together.
#[derive(Default)]
pub(crate) struct Jobs(Vec<Running>);

impl Jobs {
    pub(crate) fn start(&mut self, job: Job) -> Result<()> {
        self.0.push(job.start()?);
        Ok(())
    }

    /// Tells all threads to stop, and waits for those that must be waited for.
    ///
    /// # Errors
    /// The first failure; the others are waited for all the same.
    pub(crate) fn drain(self) -> Result<()> {
        self.0.iter().for_each(|running| running.stopper.stop());
        let finished: Vec<_> = self.0.into_iter().map(Running::finish).collect();
        finished.into_iter().collect()
    }
}

/// Lowers this thread's priority, so that redirects come first when the processor is busy.
fn yield_to_redirects() {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19) {
        tracing::warn!("a thread that should yield runs at normal priority: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_are_told_to_stop_before_any_is_waited_for() {
        let mut jobs = Jobs::default();
        let (first_saw, seen) = std::sync::mpsc::channel();
        // The first thread waits for the second. Stopped one after the other, they would never end.
        jobs.start(Job::new("first", move |stop| {
            stop.sleep(Duration::from_secs(60));
            Ok(seen.recv()?)
        }))
        .unwrap();
        jobs.start(Job::new("second", move |stop| {
            stop.sleep(Duration::from_secs(60));
            Ok(first_saw.send(())?)
        }))
        .unwrap();
        jobs.drain().unwrap();
    }

    #[test]
    fn failures_and_panics_are_reported_and_threads_to_leave_are_not_waited_for() {
        let failing = || Job::new("failing", |_: &Stop| Err(anyhow!("disk")));
        let mut jobs = Jobs::default();
        jobs.start(failing()).unwrap();
        assert_eq!(jobs.drain().unwrap_err().to_string(), "disk");
        let mut jobs = Jobs::default();
        jobs.start(Job::new("panicking", |_: &Stop| panic!("a bug"))).unwrap();
        assert!(jobs.drain().unwrap_err().to_string().contains("panicking"));
        let mut jobs = Jobs::default();
        let forever = |_: &Stop| thread::sleep(Duration::from_secs(3600));
        jobs.start(Job::behind("left", End::Leave, forever)).unwrap();
        let short = End::WaitAtMost(Duration::from_millis(1));
        jobs.start(Job::behind("slow", short, forever)).unwrap();
        jobs.drain().unwrap();
    }
}
