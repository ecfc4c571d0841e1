//! One measured stretch: wrk on the second core, the server's own time beside it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::servers::{LINKS, Server, pinned};

/// Connections that stay open.
pub(crate) const CONNECTIONS: usize = 64;
const BROWSER: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
    Version/18.1 Mobile/15E148 Safari/604.1";

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connections {
    /// Plain HTTP; the next request comes on it.
    StayOpen,
    /// TLS; it is closed, and the next request makes another, without a ticket.
    TlsAnew,
}

/// One measured stretch.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) requests_per_second: f64,
    pub(crate) cpu_us_per_request: f64,
    pub(crate) p99_ms: f64,
}

/// Measures a server for some seconds.
pub(crate) fn measure(
    server: &Server,
    connections: Connections,
    headers: &[&str],
    seconds: u64,
    peers: &Path,
) -> Result<Sample> {
    let before = cpu_of(server)?;
    let mut command = pinned(1, Path::new("wrk"));
    command.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), "--latency"]);
    command.args(["-H", "Host: go.shop.test", "-H", &format!("User-Agent: {BROWSER}")]);
    headers.iter().for_each(|header| _ = command.args(["-H", header]));
    command.arg("-s").arg(peers.join("followers.lua"));
    match connections {
        Connections::StayOpen => command.arg(format!("http://127.0.0.1:{}", server.port)),
        Connections::TlsAnew => {
            command.args(["-H", "Connection: close"]).arg(format!("https://127.0.0.1:{}", server.tls_port))
        }
    };
    command.arg("--").arg(LINKS.to_string());
    let output = command.output().context("wrk: install it with the system's package manager")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success() && !text.contains("Socket errors"), "wrk: {text}");
    let cpu = cpu_of(server)? - before;
    let requests: f64 = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "))
        .context("wrk's report")?
        .0
        .parse()?;
    let rate = field(&text, "Requests/sec:").and_then(|t| t.parse().ok()).context("wrk's rate")?;
    let p99 = field(&text, "99%").and_then(milliseconds).context("wrk's latency")?;
    Ok(Sample { requests_per_second: rate, cpu_us_per_request: cpu * 1e6 / requests, p99_ms: p99 })
}

fn cpu_of(server: &Server) -> Result<f64> {
    server.process_ids().into_iter().map(cpu_seconds).sum()
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim)
}

fn milliseconds(text: &str) -> Option<f64> {
    let (number, factor) = if let Some(number) = text.strip_suffix("us") {
        (number, 0.001)
    } else if let Some(number) = text.strip_suffix("ms") {
        (number, 1.0)
    } else {
        (text.strip_suffix('s')?, 1000.0)
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

/// User and system time of a process and all its threads.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').context("/proc stat")?.1;
    let ticks = |field: usize| -> Result<f64> {
        Ok(after_name.split_whitespace().nth(field).context("/proc stat")?.parse()?)
    };
    let per_second = f64::from(u32::try_from(rustix::param::clock_ticks_per_second())?);
    Ok((ticks(11)? + ticks(12)?) / per_second)
}
