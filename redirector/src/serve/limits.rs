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

/// Connections that one address may have at a worker by default. Phones share addresses: a mobile
/// network puts hundreds behind one.
const PER_ADDRESS: usize = 1024;

/// Returns how many connections of a worker's `connections_max` one address may have, so that a
/// single one cannot shut all others out.
pub(crate) fn per_address_max(connections_max: usize) -> usize {
    PER_ADDRESS.min(connections_max / 4).max(1)
}
