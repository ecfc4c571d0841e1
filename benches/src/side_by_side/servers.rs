//! The servers that are compared. Each runs on the first core and answers the same links.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use benches::api::{campaign, import_links, link_of};
use benches::process::{cpu_seconds, cpu_seconds_of_threads, free_port, pinned};
use benches::product::{Product, TOKEN};

/// The number of links in the catalog of every server that has one.
pub(crate) const LINKS: usize = 100_000;

/// What happens to a connection after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connections {
    /// Plain HTTP; the connection carries the next request.
    StayOpen,
    /// TLS; the connection is closed. The next request opens another, without a ticket.
    TlsAnew,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    /// The port for TLS; 0 if the server does not speak it.
    pub(crate) tls_port: u16,
    runs: Runs,
}

/// The processor time of a server, in seconds.
#[derive(Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) answering: f64,
    pub(crate) all: f64,
}

/// The processes of a server.
enum Runs {
    /// A peer, with the store that it uses, if any.
    Peer(Vec<Child>),
    Product(Product),
}

impl Server {
    /// Waits until the server has done all work of earlier requests.
    pub(crate) fn wait_until_idle(&self) -> Result<()> {
        match &self.runs {
            Runs::Peer(_) => Ok(()),
            Runs::Product(product) => product.caught_up(),
        }
    }

    /// Returns the processor time so far: for answering and recording, and for everything.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        match &self.runs {
            Runs::Peer(children) => {
                let all =
                    children.iter().map(|child| cpu_seconds(child.id())).sum::<Result<f64>>()?;
                Ok(Cpu { answering: all, all })
            }
            Runs::Product(product) => Ok(Cpu {
                answering: cpu_seconds_of_threads(product.id(), &["edge-", "syncer"])?,
                all: cpu_seconds(product.id())?,
            }),
        }
    }

    /// Returns whether the server takes such connections.
    pub(crate) fn speaks(&self, connections: Connections) -> bool {
        connections == Connections::StayOpen || self.tls_port != 0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Runs::Peer(children) = &mut self.runs else { return };
        for child in children {
            // It may have ended by itself; there is nothing to do about that here.
            _ = child.kill();
            _ = child.wait();
        }
    }
}

fn slugs() -> impl Iterator<Item = (String, String)> {
    (0..LINKS).map(link_of)
}

/// Starts the event loop that does nothing but answer.
pub(crate) fn floor(program: &Path) -> Result<Server> {
    let port = free_port()?;
    let child = pinned(0, program)
        .arg(port.to_string())
        .spawn()
        .with_context(|| program.display().to_string())?;
    opened(Server { name: "epoll floor", port, tls_port: 0, runs: Runs::Peer(vec![child]) })
}

/// Starts nginx with one of the configurations in `peers`.
pub(crate) fn nginx(
    name: &'static str,
    config: &str,
    peers: &Path,
    folder: &Path,
) -> Result<Server> {
    let (port, tls_port) = (free_port()?, free_port()?);
    let prefix = folder.join(config);
    fs::create_dir_all(&prefix)?;
    let socket = prefix.join("redis.sock");
    let text = fs::read_to_string(peers.join(config))?;
    let speaks_tls = text.contains("TLS_PORT");
    let text = text.replace("TLS_PORT", &tls_port.to_string()).replace("PORT", &port.to_string());
    let text = text.replace("CERTIFICATES", &folder.display().to_string());
    let asks_redis = text.contains("REDIS");
    fs::write(prefix.join("nginx.conf"), text.replace("REDIS", &socket.display().to_string()))?;
    let map: String = slugs().map(|(slug, to)| format!("/{slug} {to};\n")).collect();
    fs::write(prefix.join("links.map"), map)?;
    let mut children = Vec::new();
    if asks_redis {
        children.push(redis_with_links(&socket, &prefix)?);
    }
    let mut command = pinned(0, Path::new("nginx"));
    command.arg("-p").arg(&prefix).args(["-c", "nginx.conf", "-g", "master_process off;"]);
    let child = command
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start nginx; scripts/bench installs it")?;
    children.push(child);
    opened(Server {
        name,
        port,
        tls_port: if speaks_tls { tls_port } else { 0 },
        runs: Runs::Peer(children),
    })
}

/// Writes a certificate for the links' host, with ECDSA on P-256. Every server with TLS uses it.
pub(crate) fn write_certificate(folder: &Path) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(vec!["go.shop.test".to_owned()])?;
    fs::write(folder.join("chain.pem"), made.cert.pem())?;
    Ok(fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())?)
}

/// Starts a Redis with all links on the same core, as in a small installation.
fn redis_with_links(socket: &Path, folder: &Path) -> Result<Child> {
    let mut command = pinned(0, Path::new("redis-server"));
    command
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(socket)
        .arg("--dir")
        .arg(folder);
    let child = command
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start redis-server; scripts/bench installs it")?;
    let until = Instant::now() + Duration::from_secs(5);
    let mut stream = loop {
        match std::os::unix::net::UnixStream::connect(socket) {
            Ok(stream) => break stream,
            Err(error) => ensure!(Instant::now() < until, "redis-server: {error}"),
        }
        sleep(Duration::from_millis(20));
    };
    for (slug, to) in slugs() {
        let key = format!("link:/{slug}");
        write!(stream, "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n{to}\r\n", key.len(), to.len())?;
        stream.read_exact(&mut [0; 5])?;
    }
    Ok(child)
}

/// Starts HAProxy with a map file.
pub(crate) fn haproxy(peers: &Path, folder: &Path) -> Result<Server> {
    let port = free_port()?;
    let map: String = slugs().map(|(slug, to)| format!("/{slug} {to}\n")).collect();
    fs::write(folder.join("haproxy.map"), map)?;
    let config = fs::read_to_string(peers.join("haproxy-map.cfg"))?;
    let config =
        config.replace("PORT", &port.to_string()).replace("FOLDER", &folder.display().to_string());
    fs::write(folder.join("haproxy.cfg"), config)?;
    let mut command = pinned(0, Path::new("haproxy"));
    command.arg("-db").arg("-q").arg("-f").arg(folder.join("haproxy.cfg")).stderr(Stdio::null());
    let child = command.spawn().context("cannot start haproxy; scripts/bench installs it")?;
    opened(Server { name: "HAProxy map", port, tls_port: 0, runs: Runs::Peer(vec![child]) })
}

/// Starts afterclick with nothing switched off. Returns it with the port of its API.
pub(crate) fn afterclick(program: &Path, folder: &Path) -> Result<(Server, u16)> {
    let file = |name: &str| folder.join(name).display().to_string();
    let tls = [
        "--listen-tls",
        "127.0.0.1:0",
        "--tls-cert",
        &file("chain.pem"),
        "--tls-key",
        &file("key.pem"),
    ];
    let product = Product::start(program, &folder.join("data"), &tls)?;
    let owner = campaign(product.admin, TOKEN)?;
    import_links(product.admin, TOKEN, &owner, 0..LINKS)?;
    let (port, tls_port, admin) = (product.public, product.tls, product.admin);
    Ok((Server { name: "afterclick", port, tls_port, runs: Runs::Product(product) }, admin))
}

/// Returns the server as soon as its port is open.
fn opened(server: Server) -> Result<Server> {
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", server.port)).is_err() {
        ensure!(Instant::now() < until, "{}: nothing listens on port {}", server.name, server.port);
        sleep(Duration::from_millis(20));
    }
    Ok(server)
}
