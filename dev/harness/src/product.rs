//! Runs the product as its operator does: starts the binaries, speaks the admin API, reads
//! statements, stops the product.
//!
//! It never uses the product's code and never leaves a process behind.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use hyper::Method;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::http::{self, Answer};

/// How long the product may take to say that it is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the product may take to drain.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// How to start the product.
#[derive(Debug, Clone)]
pub struct Launch {
    bin_dir: PathBuf,
    data: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    token_in_file: bool,
}

impl Launch {
    /// Describes a start of the binaries in `bin_dir`: on free ports, with the data in `data`.
    pub fn new(bin_dir: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        Self {
            bin_dir: bin_dir.into(),
            data: data.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            token_in_file: false,
        }
    }

    /// Adds arguments to `serve`.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// Sets an environment variable of `serve`.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Hands the admin token over by a file in the folder of the data, not by the environment.
    #[must_use]
    pub fn token_in_file(mut self) -> Self {
        self.token_in_file = true;
        self
    }

    /// Starts `afterclick serve`. It may be called again after the product has ended: the data are
    /// kept.
    ///
    /// # Errors
    /// When it cannot be started or does not get ready. The error holds the end of its log.
    pub async fn start(&self) -> Result<Product> {
        let program = binary(&self.bin_dir, "afterclick")?;
        std::fs::create_dir_all(&self.data)
            .with_context(|| format!("cannot make {}", self.data.display()))?;
        let log = self.data.join("afterclick.log");
        let token = random_token()?;
        let mut command = Command::new(&program);
        if self.token_in_file {
            command.env("AFTERCLICK_ADMIN_TOKEN_FILE", token_file(&self.data, &token)?);
        } else {
            command.env("AFTERCLICK_ADMIN_TOKEN", &token);
        }
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"])
            .arg(&self.data)
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::OpenOptions::new().create(true).append(true).open(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let ready = tokio::time::timeout(READY_TIMEOUT, ready_line(&mut child)).await;
        let ready = ready.context("it was not ready within 30 seconds").and_then(|line| line);
        let Addresses { public, tls, admin } =
            ready.with_context(|| format!("afterclick did not start\n{}", end_of(&log)))?;
        Ok(Product {
            child,
            bin_dir: self.bin_dir.clone(),
            data: self.data.clone(),
            public,
            tls,
            admin,
            token,
        })
    }
}

/// A running product.
pub struct Product {
    child: Child,
    bin_dir: PathBuf,
    data: PathBuf,
    /// The public listener.
    pub public: SocketAddr,
    /// The public listener for TLS; `None` unless the arguments ask for one.
    pub tls: Option<SocketAddr>,
    /// The admin listener.
    pub admin: SocketAddr,
    /// The access token of the admin API.
    pub token: String,
}

/// A row of a statement: its texts by column name.
pub type Row = BTreeMap<String, String>;

impl Product {
    /// Creates an entity through the admin API and returns the answer.
    ///
    /// # Errors
    /// When the API refuses. The error holds its reason.
    pub async fn create(&self, resource: &str, fields: &Value) -> Result<Value> {
        let path = format!("/api/v1/{resource}");
        self.call(Method::POST, &path, serde_json::to_vec(fields)?).await
    }

    /// Reads from the admin API.
    ///
    /// # Errors
    /// When the API refuses. The error holds its reason.
    pub async fn read(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, Vec::new()).await
    }

    async fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Value> {
        let answer = self.ask(method.clone(), path, "application/json", body).await?;
        ensure!(
            (200..300).contains(&answer.status),
            "{method} {path} answered {}: {}",
            answer.status,
            answer.body
        );
        serde_json::from_str(&answer.body)
            .with_context(|| format!("{method} {path} did not answer JSON: {}", answer.body))
    }

    /// Sends a request to the admin API and returns the answer, whatever its status.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Result<Answer> {
        let authorization = format!("Bearer {}", self.token);
        let headers = [("authorization", authorization.as_str()), ("content-type", content_type)];
        http::send(self.admin, method, path, &headers, body).await
    }

    /// The process id.
    ///
    /// # Errors
    /// When it has ended.
    pub fn id(&self) -> Result<u32> {
        self.child.id().context("afterclick had already ended")
    }

    /// The folder of its data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Kills it at once, as a crash would.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("cannot kill afterclick")
    }

    /// Returns the statement of a campaign for a month, with one row per influencer.
    ///
    /// # Errors
    /// When `afterclick-report` fails. The error holds what it printed.
    pub async fn statement(&self, campaign: &str, period: &str) -> Result<Vec<Row>> {
        let arguments =
            ["statement", "--campaign", campaign, "--period", period, "--format", "csv"];
        read_csv(self.report(&arguments).await?.as_bytes())
    }

    /// Runs `afterclick-report` on this product's journal and returns what it prints.
    ///
    /// # Errors
    /// When it fails. The error holds what it printed.
    pub async fn report(&self, arguments: &[&str]) -> Result<String> {
        run(&self.bin_dir, "afterclick-report", &self.data.join("journal"), "--journal", arguments)
            .await
    }

    /// Stops the product as an operator does and waits until it has ended.
    ///
    /// # Errors
    /// When it does not exit with status 0 in time. The error holds the end of its log.
    pub async fn stop(mut self) -> Result<()> {
        let log = self.data.join("afterclick.log");
        let id =
            self.child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
        let id = id.with_context(|| format!("afterclick had already ended\n{}", end_of(&log)))?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM)
            .context("cannot signal afterclick")?;
        let status = tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await;
        let status = status.context("afterclick did not end within 20 seconds of SIGTERM")??;
        ensure!(
            status.code() == Some(0),
            "afterclick ended with {status} after SIGTERM\n{}",
            end_of(&log)
        );
        Ok(())
    }
}

/// Runs a command of the product to its end and returns what it printed.
///
/// # Errors
/// When it fails. The error holds what it printed.
pub async fn run(
    bin_dir: &Path,
    program: &str,
    folder: &Path,
    flag: &str,
    arguments: &[&str],
) -> Result<String> {
    let mut command = Command::new(binary(bin_dir, program)?);
    let output = command.args(arguments).arg(flag).arg(folder).output().await;
    let output = output.with_context(|| format!("cannot run {program}"))?;
    let printed = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{program} {arguments:?} failed ({}): {printed}",
        output.status
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns the folder of this build's binaries: the folder of the running program or, in a test,
/// the folder above cargo's `deps`.
///
/// # Errors
/// When the system does not tell the path of the running program.
pub fn default_bin_dir() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find the path of this program")?;
    let folder = program.parent().context("this program has no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_path_buf())
}

fn binary(bin_dir: &Path, name: &str) -> Result<PathBuf> {
    let path = bin_dir.join(name);
    ensure!(
        path.is_file(),
        "{} is missing: build it with `cargo build --workspace --bins`, or set --bin-dir",
        path.display()
    );
    Ok(path)
}

/// The addresses on which a product says that it listens.
struct Addresses {
    public: SocketAddr,
    tls: Option<SocketAddr>,
    admin: SocketAddr,
}

/// Reads standard output up to the line that says that the product is ready. A task reads and drops
/// the rest, so that the pipe does not fill up.
async fn ready_line(child: &mut Child) -> Result<Addresses> {
    let output = child.stdout.take().context("standard output is not piped")?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        let Ok(ready) = serde_json::from_str::<Value>(&line) else { continue };
        if ready["ready"] != true {
            continue;
        }
        let address = |field: &str| -> Result<SocketAddr> {
            let text = ready[field]
                .as_str()
                .with_context(|| format!("the ready line has no {field}: {line}"))?;
            text.parse()
                .with_context(|| format!("{field} in the ready line is not an address: {line}"))
        };
        let tls = ready.get("tls").map(|_| address("tls")).transpose()?;
        let addresses = Addresses { public: address("public")?, tls, admin: address("admin")? };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        return Ok(addresses);
    }
    bail!("it ended before it was ready");
}

fn read_csv(bytes: &[u8]) -> Result<Vec<Row>> {
    let mut reader = csv::Reader::from_reader(bytes);
    let rows = reader.deserialize().collect::<Result<_, _>>();
    rows.with_context(|| format!("the statement is not CSV: {}", String::from_utf8_lossy(bytes)))
}

/// Writes the token to a file that only its owner can read.
fn token_file(data: &Path, token: &str) -> Result<PathBuf> {
    let path = data.join("admin-token");
    _ = std::fs::remove_file(&path);
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(token.as_bytes())?;
    Ok(path)
}

fn random_token() -> Result<String> {
    let mut bytes = [0; 16];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn end_of(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_read_by_column() {
        let rows = read_csv(b"influencer,payable\nAnna,19.49\n\"Ben, B.\",0.00\n").expect("CSV");
        assert_eq!(rows[1]["influencer"], "Ben, B.");
        assert_eq!(rows[0]["payable"], "19.49");
    }

    #[tokio::test]
    async fn a_missing_binary_is_named_with_the_way_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = Launch::new(folder.path(), folder.path().join("data"))
            .start()
            .await
            .err()
            .expect("no binary");
        assert!(error.to_string().contains("cargo build"), "{error}");
    }
}
