//! File descriptors: raises their limit, and says how many of them connections may take.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The share of file descriptors that connections may take, in percent.
const CONNECTIONS_PERCENT: usize = 60;

/// Raises the limit of file descriptors as far as the system allows. The usual 1,024 are enough for
/// few visitors only.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) =
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::warn!("the limit of file descriptors stays at {:?}: {error}", limit.current);
    }
}

/// Returns how many connections a worker may hold, so that files and the journal always find a
/// descriptor.
pub(crate) fn connections_max(workers: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    usize::try_from(limit).unwrap_or(usize::MAX).saturating_mul(CONNECTIONS_PERCENT) / 100 / workers
}
