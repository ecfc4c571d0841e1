//! Makes system calls on the journal's files fail: the k-th write, fsync or open of each thread,
//! with EIO or ENOSPC. Whatever fails, an order that was answered 200 must be in the journal.
//!
//! `strace` makes the calls fail from its own process. The product is never changed for it: it is
//! the one that is shipped.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use harness::http::Connection;
use harness::{Launch, Product};
use hyper::Method;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::truth;
use crate::webhooks::{merchant_key, signed_order};

/// Orders delivered after each planted failure.
const ORDERS: usize = 150;
const SENDERS: usize = 4;
/// The calls that fail, and their error.
const CALLS: [(&str, &str); 6] = [
    ("write", "EIO"),
    ("write", "ENOSPC"),
    ("fdatasync", "EIO"),
    ("fdatasync", "ENOSPC"),
    ("openat", "ENOSPC"),
    ("fallocate,ftruncate,pwrite64,fsync,rename,renameat2", "EIO"),
];

/// A failing call and its result.
#[derive(Debug, Clone)]
pub struct FailedCall {
    /// The system call.
    pub call: &'static str,
    /// The error that it returned.
    pub error: &'static str,
    /// The number of the call among a thread's calls on the journal, from 1.
    pub number: usize,
    /// Orders answered 200.
    pub promised: usize,
    /// Orders answered otherwise, or not at all.
    pub refused: usize,
    /// Promised orders that the journal does not have.
    pub lost: usize,
    /// Orders that the journal has more than once.
    pub doubled: usize,
}

/// Makes one call fail for each of `numbers`. The kinds of call take turns; then comes the next
/// call of each thread.
///
/// # Errors
/// When the product does not start again after the failure, or its journal cannot be read.
pub async fn failing_calls(
    bin_dir: &Path,
    numbers: impl Iterator<Item = usize>,
    fault: Option<&str>,
    mut on_call: impl FnMut(&FailedCall),
) -> Result<Vec<FailedCall>> {
    let mut reports = Vec::new();
    for number in numbers {
        let (call, error) = CALLS[number % CALLS.len()];
        let report = failing_call(bin_dir, (call, error), number / CALLS.len() + 1, fault).await?;
        on_call(&report);
        reports.push(report);
    }
    Ok(reports)
}

async fn failing_call(
    bin_dir: &Path,
    (call, error): (&'static str, &'static str),
    number: usize,
    fault: Option<&str>,
) -> Result<FailedCall> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let launch =
        Launch::new(bin_dir, &data).arguments(&["--workers", "1", "--segment-bytes", "262144"]);
    let faulty = match fault {
        Some(fault) => launch.clone().environment("AFTERCLICK_FAULT", fault),
        None => launch.clone(),
    };
    let product = faulty.start().await?;
    let key = merchant_key(&product).await?;
    let strace = inject(&product, &data.join("journal"), (call, error), number).await?;
    let promised = deliver(&product, &key, 1..=ORDERS).await;
    drop(strace);
    product.kill().await?;
    // The journal is judged after a restart, which repairs it.
    launch.start().await.context("the start after a failed call")?.stop().await?;
    let recorded = truth::orders(&data.join("journal"))?;
    Ok(FailedCall {
        call,
        error,
        number,
        promised: promised.len(),
        refused: ORDERS - promised.len(),
        lost: promised.iter().filter(|id| !recorded.contains_key(&id.to_string())).count(),
        doubled: recorded.values().filter(|&&times| times > 1).count(),
    })
}

/// Attaches `strace` to every thread. From then on, its calls on files of the journal can fail.
async fn inject(
    product: &Product,
    journal: &Path,
    (call, error): (&str, &str),
    number: usize,
) -> Result<Child> {
    let mut command = Command::new("strace");
    command.args(["-f", "-p", &product.id()?.to_string(), "-o", "/dev/null"]);
    command.args(["-e", &format!("trace={call}")]);
    command.args(["-e", &format!("inject={call}:error={error}:when={number}")]);
    for path in files(journal)? {
        command.arg("-P").arg(path);
    }
    let mut strace = command
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start strace; `scripts/test` installs it")?;
    let mut lines = BufReader::new(strace.stderr.take().context("no pipe")?).lines();
    let attached = async {
        while let Some(line) = lines.next_line().await? {
            if line.contains("attached") {
                return Ok(());
            }
            if line.contains("attach:") || line.contains("invalid") {
                bail!("strace: {line}");
            }
        }
        bail!("strace ended before it was attached")
    };
    timeout(Duration::from_secs(10), attached).await.context("strace was not attached")??;
    // The rest of its output is read too, so that it does not fill the pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(strace)
}

/// Returns every file and folder of the journal.
fn files(journal: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![journal.to_owned()];
    for stream in std::fs::read_dir(journal)? {
        let stream = stream?.path();
        if stream.is_dir() {
            for file in std::fs::read_dir(&stream)? {
                found.push(file?.path());
            }
            // The segments that will be sealed next; their names are the sequence they begin with.
            found.push(stream);
        }
    }
    Ok(found)
}

/// Delivers each order once. Returns the orders that were answered 200.
pub(crate) async fn deliver(
    product: &Product,
    key: &str,
    ids: RangeInclusive<usize>,
) -> Vec<usize> {
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        let (address, key, ids) = (product.public, key.to_owned(), ids.clone());
        senders.spawn(async move {
            let mut promised = Vec::new();
            let mut connection = None;
            for id in ids.filter(|id| id % SENDERS == sender) {
                match send(&mut connection, address, &key, id).await {
                    Ok(200) => promised.push(id),
                    Ok(_) => {}
                    Err(_) => connection = None,
                }
            }
            promised
        });
    }
    senders.join_all().await.concat()
}

async fn send(
    connection: &mut Option<Connection>,
    address: std::net::SocketAddr,
    key: &str,
    id: usize,
) -> Result<u16> {
    if connection.is_none() {
        *connection = Some(Connection::open(address).await?);
    }
    let (body, signature) = signed_order(id)?;
    let headers =
        [("x-wc-webhook-topic", "order.updated"), ("x-wc-webhook-signature", signature.as_str())];
    let path = format!("/_ac/hooks/woocommerce/{key}");
    let open = connection.as_mut().context("no connection")?;
    Ok(open.send(Method::POST, &path, &headers, body).await?.status)
}
