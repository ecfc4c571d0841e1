//! Runs the load generator wrk on the second core. It sends requests as fast as they are answered,
//! over a fixed number of connections.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::process::pinned;

const BROWSER: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
    Version/18.1 Mobile/15E148 Safari/604.1";

/// The load that wrk makes.
#[derive(Clone, Copy)]
pub struct Load<'a> {
    /// Scheme, host and port.
    pub origin: &'a str,
    /// Headers besides host and user agent.
    pub headers: &'a [&'a str],
    /// Connections that stay open.
    pub connections: usize,
    /// How long the load lasts.
    pub seconds: u64,
    /// The number of links over which the requests are spread evenly.
    pub links: usize,
}

/// What wrk measured.
#[derive(Clone, Copy)]
pub struct Answered {
    /// Requests that were answered.
    pub requests: f64,
    /// Requests that were answered in a second.
    pub requests_per_second: f64,
    /// The 99th percentile of the latency, in milliseconds.
    pub p99_ms: f64,
}

impl Load<'_> {
    /// Runs wrk and reads its output.
    ///
    /// # Errors
    /// When wrk is not installed, or saw a connection fail.
    pub fn run(&self) -> Result<Answered> {
        let mut command = pinned(1, Path::new("wrk"));
        command.args([
            "-t1",
            &format!("-c{}", self.connections),
            &format!("-d{}s", self.seconds),
            "--latency",
        ]);
        command.args(["-H", "Host: go.shop.test", "-H", &format!("User-Agent: {BROWSER}")]);
        self.headers.iter().for_each(|header| _ = command.args(["-H", header]));
        command.arg("-s").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/followers.lua"));
        command.arg(self.origin).arg("--").arg(self.links.to_string());
        let output = command
            .output()
            .context("cannot run wrk; install it with the system's package manager")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success() && !text.contains("Socket errors"), "wrk: {text}");
        let requests = text.lines().find_map(|line| line.trim().split_once(" requests in "));
        Ok(Answered {
            requests: requests.context("wrk's report")?.0.parse()?,
            requests_per_second: field(&text, "Requests/sec:")
                .and_then(|t| t.parse().ok())
                .context("wrk's rate")?,
            p99_ms: field(&text, "99%").and_then(milliseconds).context("wrk's latency")?,
        })
    }
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
