//! The stop signal: one value that tells all threads and tasks to stop. It is never taken back.

use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How often a sleeping thread checks the signal.
const TICK: Duration = Duration::from_millis(50);

/// The side that gives the signal. Dropping it gives the signal too.
pub struct Stopper(watch::Sender<bool>);

/// The side that receives the signal. All clones receive it.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

/// Returns the two sides of a signal that is not given yet.
pub fn pair() -> (Stopper, Stop) {
    let (stopper, stop) = watch::channel(false);
    (Stopper(stopper), Stop(stop))
}

impl Stopper {
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    pub fn is_set(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until the signal is given.
    pub async fn wait(&self) {
        // An error means that the stopper was dropped, which is a signal too.
        _ = self.0.clone().wait_for(|stop| *stop).await;
    }

    /// Sleeps for `duration`, or until the signal is given.
    pub fn sleep(&self, duration: Duration) {
        let until = Instant::now() + duration;
        while !self.is_set() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(TICK));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_seen_by_every_holder_and_ends_a_sleep() {
        let (stopper, stop) = pair();
        let holder = stop.clone();
        let sleeper = thread::spawn(move || holder.sleep(Duration::from_secs(60)));
        assert!(!stop.is_set());
        stopper.stop();
        sleeper.join().unwrap();
        assert!(stop.is_set());
    }

    #[test]
    fn a_lost_stopper_is_a_stop() {
        let (stopper, stop) = pair();
        drop(stopper);
        assert!(stop.is_set());
    }
}
