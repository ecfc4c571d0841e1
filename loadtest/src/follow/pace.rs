//! Waits until a moment, exact to some microseconds: the runtime's own timers know only whole
//! milliseconds.

use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// Shorter waits need no timer: when the other tasks have had a turn, the moment has come.
const SHORT: Duration = Duration::from_micros(30);

/// A timer of the kernel that the runtime waits for together with its sockets.
pub(crate) struct Pace(AsyncFd<OwnedFd>);

impl Pace {
    /// # Errors
    /// When the system has no such timers.
    pub(crate) fn new() -> Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags).context("no timerfd")?;
        #[expect(
            deprecated,
            reason = "an OwnedFd is valid and closed with it; what replaces this is marked unsafe"
        )]
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        Ok(Self(timer))
    }

    /// Returns at `at`, or at once if that has passed. Other tasks always get a turn.
    ///
    /// # Errors
    /// When the timer cannot be set.
    pub(crate) async fn until(&self, at: Instant) -> Result<()> {
        let left = at.saturating_duration_since(Instant::now());
        if left < SHORT {
            tokio::task::yield_now().await;
            return Ok(());
        }
        let it_value = Timespec::try_from(left).context("too long a wait")?;
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        // An earlier wait may have been cancelled. What it left behind must not end this one.
        loop {
            self.0.readable().await?.clear_ready();
            let mut count = [0; 8];
            match rustix::io::read(self.0.get_ref(), &mut count) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_moment_is_met_better_than_by_the_runtimes_own_timer() {
        let pace = Pace::new().unwrap();
        let (mut late, mut late_by_timer) = (Vec::new(), Vec::new());
        // In turn, so that a busy machine makes both late.
        for _ in 0..50 {
            let at = Instant::now() + Duration::from_micros(700);
            pace.until(at).await.unwrap();
            late.push(at.elapsed());
            assert!(Instant::now() >= at, "never early");
            let at = Instant::now() + Duration::from_micros(700);
            tokio::time::sleep_until(at).await;
            late_by_timer.push(at.elapsed());
        }
        late.sort_unstable();
        late_by_timer.sort_unstable();
        assert!(late[10] < late_by_timer[10], "{late:?} {late_by_timer:?}");
    }
}
