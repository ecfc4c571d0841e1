//! Listening sockets: one for each worker, all on the same address.

use std::net::{SocketAddr, TcpListener as StdListener};

use socket2::{Domain, Socket, Type};

/// The listening sockets of one worker.
pub struct Listeners {
    pub plain: StdListener,
    /// For encrypted connections.
    pub tls: Option<StdListener>,
}

/// Binds one listener for each worker to the same address; the kernel spreads connections over
/// them.
///
/// # Errors
/// When the address cannot be bound.
pub fn bind(address: SocketAddr, workers: usize) -> anyhow::Result<(SocketAddr, Vec<StdListener>)> {
    if address.port() != 0 {
        // A socket that does not share the address fails if another process has it. Sockets that
        // share it would not notice.
        bind_one(address, Sharing::Alone)?;
    }
    let first = bind_one(address, Sharing::WithOurWorkers)?;
    // Port 0 has become a real port, which the other sockets must share.
    let bound = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..workers {
        listeners.push(bind_one(bound, Sharing::WithOurWorkers)?);
    }
    Ok((bound, listeners))
}

/// Whether other sockets may bind the same address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    WithOurWorkers,
}

fn bind_one(address: SocketAddr, sharing: Sharing) -> anyhow::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::WithOurWorkers)?;
    socket.set_nonblocking(true)?;
    let bound = socket.bind(&address.into()).and_then(|()| socket.listen(4096));
    bound.map_err(|error| anyhow::anyhow!("cannot listen on {address}: {error}"))?;
    Ok(socket.into())
}
