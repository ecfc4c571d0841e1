//! The one value that tells everybody to stop.

use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How often a sleeping thread looks whether it is to stop.
const TICK: Duration = Duration::from_millis(50);

/// Tells those who hold its [`Stop`] to stop. So does dropping it.
pub struct Stopper(watch::Sender<bool>);

/// Says whether its holder is to stop. It never goes back.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

/// A pair that nobody has told anything yet.
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

    /// Waits until it is set.
    pub async fn wait(&self) {
        // An error means that the stopper is gone, which is a stop too.
        _ = self.0.clone().wait_for(|stop| *stop).await;
    }

    /// Sleeps, but no longer than until it is set.
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
