//! The floor: a bare event loop that answers whatever arrives with one fixed redirect. It never
//! parses a request, looks up no link, signs nothing and records nothing. A real server costs more;
//! the difference is the price of its work.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use rustix::event::epoll;

const ANSWER: &[u8] = b"HTTP/1.1 302 Found\r\nlocation: https://shop.test/product/1234?utm_campaign=autumn\r\n\
    set-cookie: ac=AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax\r\n\
    content-length: 0\r\n\r\n";
const LISTENER: u64 = u64::MAX;

/// Serves a port of loopback until it is killed.
fn main() -> Result<()> {
    let port = std::env::args().nth(1).context("usage: floor PORT")?.parse::<u16>()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
    // Indexed by file descriptor, a number that the kernel keeps small.
    let mut connections: Vec<Option<TcpStream>> = Vec::new();
    let mut events = Vec::with_capacity(1024);
    let mut bytes = [0; 16 * 1024];
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let id = event.data.u64();
            if id == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let place = usize::try_from(stream.as_raw_fd())?;
                    epoll::add(
                        &poll,
                        &stream,
                        epoll::EventData::new_u64(place as u64),
                        epoll::EventFlags::IN,
                    )?;
                    if connections.len() <= place {
                        connections.resize_with(place + 1, || None);
                    }
                    connections[place] = Some(stream);
                }
                continue;
            }
            let place = &mut connections[usize::try_from(id)?];
            if place.as_mut().is_some_and(|stream| !answer(stream, &mut bytes)) {
                *place = None;
            }
        }
    }
}

/// Answers what has arrived. Returns whether the connection stays open.
fn answer(stream: &mut TcpStream, bytes: &mut [u8]) -> bool {
    match stream.read(bytes) {
        Ok(0) => false,
        Ok(_) => stream.write_all(ANSWER).is_ok(),
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
