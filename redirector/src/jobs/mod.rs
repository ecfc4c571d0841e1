//! The long-running threads beside the listeners. Each has its own file.

pub(crate) mod acme;
pub(crate) mod certificates;
pub(crate) mod clock;
pub(crate) mod exchange;
pub(crate) mod project;
pub(crate) mod reconcile;
pub(crate) mod ship;
pub(crate) mod sync;
