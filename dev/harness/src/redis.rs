//! A Redis server for one test, on a free port and in a folder of its own. It ends with the test.
//! It stores nothing on disk, so a killed server comes back empty.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a server may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A server, which may be running, hanging or dead.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    port: u16,
    arguments: Vec<String>,
    folder: TempDir,
}

impl Redis {
    /// Starts a server with additional arguments, such as `--maxmemory 100mb`.
    ///
    /// # Errors
    /// When `redis-server` is not installed, or does not listen in time.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        Self::start_with(|_| arguments.iter().map(|&argument| argument.to_owned()).collect())
    }

    /// Starts a server that speaks only TLS. `certificates` holds its certificate for `localhost`
    /// and the authority that signed it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_tls(certificates: &Certificates) -> Result<Self> {
        let file = |name: &str| certificates.0.path().join(name).display().to_string();
        Self::start_with(|port| {
            let port = port.to_string();
            let options = [
                ("--port", "0".to_owned()),
                ("--tls-port", port),
                ("--tls-cert-file", file("server.pem")),
                ("--tls-key-file", file("server.key")),
                ("--tls-ca-cert-file", file("ca.pem")),
                ("--tls-auth-clients", "no".to_owned()),
            ];
            options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
        })
    }

    fn start_with(arguments: impl FnOnce(u16) -> Vec<String>) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = tempfile::tempdir()?;
        let arguments = arguments(port);
        let child = spawn(port, &arguments, folder.path())?;
        Ok(Self { child, port, arguments, folder })
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address in the form that `--state` takes.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Makes it hang: connections stay open, but it answers nothing.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn hang(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it continue after [`Self::hang`].
    ///
    /// # Errors
    /// When the system refuses.
    pub fn go_on(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Kills it at once.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("cannot kill redis-server")?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again, empty, on the same port.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_again(&mut self) -> Result<()> {
        self.child = spawn(self.port, &self.arguments, self.folder.path())?;
        Ok(())
    }

    /// Runs a command through `redis-cli` and returns what it prints.
    ///
    /// # Errors
    /// When it fails.
    pub fn cli(&self, arguments: &[&str]) -> Result<String> {
        cli(self.port, arguments)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id =
            i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process")?;
        kill_process(id, signal).context("cannot signal redis-server")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // The server may hang or may already have ended. Neither matters here.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Runs a command through `redis-cli` on a port of loopback and returns what it prints.
///
/// # Errors
/// When it fails.
pub fn cli(port: u16, arguments: &[&str]) -> Result<String> {
    let output =
        Command::new("redis-cli").args(["-p", &port.to_string()]).args(arguments).output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("redis-cli {arguments:?}: {printed}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(printed)
}

fn spawn(port: u16, arguments: &[String], folder: &Path) -> Result<Child> {
    let mut command = Command::new("redis-server");
    command.args([
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ]);
    command.args(arguments).current_dir(folder).stdout(Stdio::null());
    let mut child =
        command.spawn().context("cannot start redis-server; `scripts/test` installs it")?;
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = child.try_wait()? {
            bail!("redis-server {arguments:?} ended with {status}");
        }
        if begun.elapsed() > START_TIMEOUT {
            bail!("redis-server did not listen in time");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(child)
}

/// A certificate authority for one test, and a certificate for `localhost` that it signed.
#[derive(Debug)]
pub struct Certificates(TempDir);

impl Certificates {
    /// Makes both with `openssl`.
    ///
    /// # Errors
    /// When `openssl` is not installed, or fails.
    pub fn make() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let run = |arguments: &[&str]| -> Result<()> {
            let output =
                Command::new("openssl").args(arguments).current_dir(folder.path()).output();
            let output = output.context("openssl")?;
            if !output.status.success() {
                bail!("openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            }
            Ok(())
        };
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let authority =
            ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2"];
        run(&[&["req", "-x509"][..], &key, &authority].concat())?;
        run(&[
            &["req"][..],
            &key,
            &["-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost"],
        ]
        .concat())?;
        std::fs::write(folder.path().join("names"), "subjectAltName=DNS:localhost\n")?;
        let sign = [
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
        ];
        run(&[&sign[..], &["-out", "server.pem", "-days", "2", "-extfile", "names"]].concat())?;
        Ok(Self(folder))
    }

    /// The path of the authority's certificate.
    pub fn authority(&self) -> std::path::PathBuf {
        self.0.path().join("ca.pem")
    }
}

/// A Redis cluster for one test.
#[derive(Debug)]
pub struct RedisCluster {
    /// The servers, masters first.
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts `masters` masters with `replicas` replicas each.
    ///
    /// # Errors
    /// When a server does not start, or they do not become a cluster in time.
    pub fn start(masters: usize, replicas: usize) -> Result<Self> {
        let arguments =
            ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-config-file"];
        let count = masters * (1 + replicas);
        let config = |number: usize| format!("nodes-{number}.conf");
        let start = |number| Redis::start(&[&arguments[..], &[&config(number)]].concat());
        let nodes = (0..count).map(start).collect::<Result<Vec<_>>>()?;
        let addresses: Vec<String> = nodes.iter().map(|node| node.address().to_string()).collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(&addresses);
        create.args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"]);
        let output = create.output()?;
        if !output.status.success() {
            bail!("redis-cli --cluster create: {}", String::from_utf8_lossy(&output.stdout));
        }
        let cluster = Self { nodes };
        cluster.wait_until_ok()?;
        Ok(cluster)
    }

    /// The address in the form that `--state` takes.
    pub fn url(&self) -> String {
        let addresses: Vec<String> =
            self.nodes.iter().map(|node| node.address().to_string()).collect();
        format!("redis+cluster://{}", addresses.join(","))
    }

    /// Waits until every living node says that all slots are served.
    ///
    /// # Errors
    /// When that takes longer than 30 seconds.
    pub fn wait_until_ok(&self) -> Result<()> {
        let begun = Instant::now();
        let is_ok = |node: &Redis| match node.cli(&["cluster", "info"]) {
            Ok(info) => info.contains("cluster_state:ok"),
            Err(_) => true,
        };
        while !self.nodes.iter().all(is_ok) {
            if begun.elapsed() > Duration::from_secs(30) {
                bail!("the cluster is not ok after 30 seconds");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}
