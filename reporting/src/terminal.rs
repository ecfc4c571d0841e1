//! Shows the progress of long work on standard error. It prints nothing when that is not a
//! terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A progress line. Dropping it removes the line.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Shows the line; `what` names the work.
    pub(crate) fn begin(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {prefix} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// Shows how far the work is.
    pub(crate) fn show(&self, done: impl ToString) {
        self.0.set_prefix(done.to_string());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
