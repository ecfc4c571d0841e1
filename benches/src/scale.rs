//! Measures how cost grows: with ten thousand to ten million links, and with one node and two.
//! Writes the results into a file.
//!
//! It never measures more than one thing at a time, and computes only from what it has just
//! measured.

#![expect(clippy::float_arithmetic, reason = "rates and ratios of measurements, no money")]
#![expect(clippy::cast_precision_loss, reason = "counts far below 2^52 become averages")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use benches::api::{campaign, import_links};
use benches::process::{cpu_seconds, free_port, machine, pinned, resident_bytes};
use benches::product::{Product, TOKEN};
use benches::wrk::Load;

/// The number of links in one import request.
const BATCH: usize = 100_000;
const LINKS: [usize; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
const CONNECTIONS: usize = 64;
const SECONDS: u64 = 4;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(afterclick), Some(out)) = (arguments.next(), arguments.next()) else {
        bail!("usage: scale PATH-OF-AFTERCLICK RESULT-FILE [LINKS-AT-MOST]");
    };
    let most = arguments.next().map_or(Ok(10_000_000), |n| n.parse()).context("LINKS-AT-MOST")?;
    let afterclick = Path::new(&afterclick);
    let mut report = format!(
        "# How cost grows\n\nMachine: {}. One worker on core 0, wrk on core 1.\n",
        machine()
    );
    links(afterclick, most, &mut report)?;
    nodes(afterclick, &mut report)?;
    fs::write(&out, &report)?;
    print!("{report}");
    Ok(())
}

/// Measures a catalog of each size: the memory of a link, the cost of a redirect, and the time of
/// import and start.
fn links(afterclick: &Path, most: usize, report: &mut String) -> Result<()> {
    report.push_str(
        "\n## Links\n\n| links | memory a link beyond its text, bytes | of the journal, bytes | imported, links/s | \
         redirect, CPU µs | p99 ms | ready again after, s |\n|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for links in LINKS.into_iter().filter(|links| *links <= most) {
        eprintln!("{links} links …");
        let folder = tempfile::tempdir()?;
        let product = Product::start(afterclick, folder.path(), &[])?;
        let owner = campaign(product.admin, TOKEN)?;
        let empty = resident_bytes(product.id())?;
        let (begun, mut text) = (Instant::now(), 0);
        for batch in (0..links).step_by(BATCH) {
            text += import_links(product.admin, TOKEN, &owner, batch..links.min(batch + BATCH))?;
        }
        let imported = links as f64 / begun.elapsed().as_secs_f64();
        product.caught_up()?;
        // The product frees the memory of the imports within seconds.
        sleep(Duration::from_secs(6));
        let grown = resident_bytes(product.id())?.saturating_sub(empty);
        let journal = folder_bytes(&folder.path().join("journal"))?;
        let before = cpu_seconds(product.id())?;
        let answered = load(&format!("http://127.0.0.1:{}", product.public), links).run()?;
        product.caught_up()?;
        let cpu_us = (cpu_seconds(product.id())? - before) * 1e6 / answered.requests;
        product.stop()?;
        let begun = Instant::now();
        let again = Product::start(afterclick, folder.path(), &[])?;
        let ready = begun.elapsed().as_secs_f64();
        again.stop()?;
        _ = writeln!(
            report,
            "| {links} | {:.0} | {:.0} | {imported:.0} | {cpu_us:.2} | {:.2} | {ready:.2} |",
            (grown as f64 - text as f64) / links as f64,
            journal as f64 / links as f64,
            answered.p99_ms,
        );
    }
    Ok(())
}

/// Measures the whole cost of a click with one node and with two nodes at the same Redis.
fn nodes(afterclick: &Path, report: &mut String) -> Result<()> {
    report.push_str(
        "\n## Nodes\n\nAll nodes share core 0 with one Redis. The figures contain the time of Redis, and that of the \
         projectors until they have caught up.\n\n| nodes | clicks/s | CPU µs a click, nodes | … Redis |\n|---:|---:|---:|---:|\n",
    );
    for count in [1, 2] {
        eprintln!("{count} nodes …");
        let folder = tempfile::tempdir()?;
        let redis = Redis::start(folder.path())?;
        let start = |node: usize| {
            let data = folder.path().join(node.to_string());
            Product::start(afterclick, &data, &["--state", &redis.url()])
        };
        let nodes = (0..count).map(start).collect::<Result<Vec<_>>>()?;
        let owner = campaign(nodes[0].admin, TOKEN)?;
        import_links(nodes[0].admin, TOKEN, &owner, 0..1000)?;
        nodes.iter().try_for_each(Product::caught_up)?;
        // By then every node has the whole catalog.
        sleep(Duration::from_secs(2));
        let cpu = || -> Result<(f64, f64)> {
            let of_nodes = nodes.iter().map(|node| cpu_seconds(node.id())).sum::<Result<f64>>()?;
            Ok((of_nodes, cpu_seconds(redis.0.id())?))
        };
        let before = cpu()?;
        let answered = scope(|scope| -> Result<Vec<_>> {
            let asking: Vec<_> = nodes
                .iter()
                .map(|node| {
                    let origin = format!("http://127.0.0.1:{}", node.public);
                    scope.spawn(move || load(&origin, 1000).run())
                })
                .collect();
            asking
                .into_iter()
                .map(|asked| asked.join().map_err(|_| anyhow::anyhow!("a panic"))?)
                .collect()
        })?;
        nodes.iter().try_for_each(Product::caught_up)?;
        let (of_nodes, of_redis) = cpu()?;
        let clicks: f64 = answered.iter().map(|answered| answered.requests).sum();
        let rate: f64 = answered.iter().map(|answered| answered.requests_per_second).sum();
        let us = |seconds: f64| seconds * 1e6 / clicks;
        _ = writeln!(
            report,
            "| {count} | {rate:.0} | {:.2} | {:.2} |",
            us(of_nodes - before.0),
            us(of_redis - before.1)
        );
    }
    Ok(())
}

fn load(origin: &str, links: usize) -> Load<'_> {
    Load { origin, headers: &[], connections: CONNECTIONS, seconds: SECONDS, links }
}

fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { folder_bytes(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

/// A Redis on the same core; it ends when it is dropped.
struct Redis(Child, u16);

impl Redis {
    fn start(folder: &Path) -> Result<Self> {
        let port = free_port()?;
        let mut command: Command = pinned(0, Path::new("redis-server"));
        command
            .args(["--port", &port.to_string(), "--save", "", "--appendonly", "no", "--dir"])
            .arg(folder);
        let child = command
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start redis-server; scripts/bench installs it")?;
        let redis = Self(child, port);
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(begun.elapsed() < Duration::from_secs(5), "redis-server does not answer");
            sleep(Duration::from_millis(20));
        }
        Ok(redis)
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.1)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
