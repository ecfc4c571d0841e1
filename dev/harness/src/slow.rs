//! A wire that can be made slow: a proxy on loopback that holds back what the server answers.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// A proxy in front of a server on loopback. Its threads end with their connections, or with the
/// process.
pub struct SlowWire {
    port: u16,
    delay_ms: Arc<AtomicU64>,
}

impl SlowWire {
    /// Opens a wire to a port on loopback. It is quick until told otherwise.
    ///
    /// # Errors
    /// When no port is free.
    pub fn to(server: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port for a proxy")?;
        let port = listener.local_addr()?.port();
        let delay_ms = Arc::new(AtomicU64::new(0));
        let delay = Arc::clone(&delay_ms);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                join(&client, &server, &delay);
            }
        });
        Ok(Self { port, delay_ms })
    }

    /// The port on which the proxy listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Holds back every answer from now on for this long.
    pub fn delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }
}

fn join(client: &TcpStream, server: &TcpStream, delay: &Arc<AtomicU64>) {
    let ends = [client, server].map(|stream| {
        _ = stream.set_nodelay(true);
        (stream.try_clone(), stream.try_clone())
    });
    let [(Ok(from_client), Ok(to_client)), (Ok(from_server), Ok(to_server))] = ends else { return };
    thread::spawn(move || copy(from_client, to_server, &AtomicU64::new(0)));
    let delay = Arc::clone(delay);
    thread::spawn(move || copy(from_server, to_client, &delay));
}

fn copy(mut from: TcpStream, mut to: TcpStream, delay_ms: &AtomicU64) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        thread::sleep(Duration::from_millis(delay_ms.load(Relaxed)));
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    _ = to.shutdown(Shutdown::Write);
}
