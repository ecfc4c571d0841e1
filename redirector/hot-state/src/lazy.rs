//! A hot state that may not be open yet.

use std::sync::{Arc, OnceLock};

use anyhow::{Result, bail};

use crate::state::HotState;

/// The hot state of a running server. Redirects do not wait for it: an embedded store first reads
/// its own log.
#[derive(Clone, Default)]
pub struct LazyState(Arc<OnceLock<HotState>>);

impl LazyState {
    /// Returns the state once it is open.
    ///
    /// # Errors
    /// When it is not open yet.
    pub fn get(&self) -> Result<&HotState> {
        let Some(state) = self.0.get() else { bail!("the hot state is still being opened") };
        Ok(state)
    }

    /// Gives the state to everyone who holds this handle.
    pub fn set(&self, state: HotState) {
        _ = self.0.set(state);
    }
}
