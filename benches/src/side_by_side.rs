//! Side-by-side runs: afterclick and nginx answer the same requests in turn, on one core, in one run.
//!
//! What counts is the ratio of medians: machines differ and are noisy, a ratio in one run much less. The server under
//! test is pinned to the first core with everything on (sign, classify, journal `os`, projector), wrk to the second.
//! Never touches an address other than loopback, and ends by itself.

#![expect(clippy::float_arithmetic, reason = "rates and ratios of measurements, no money")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

const LINKS: usize = 100_000;
const CONNECTIONS: usize = 64;
const TOKEN: &str = "side-by-side";
const BROWSER: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
    Version/18.1 Mobile/15E148 Safari/604.1";

/// Which headers the requests carry.
const PROFILES: [(&str, &[&str]); 2] = [
    ("few headers", &[]),
    (
        "a browser's headers",
        &[
            "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "Accept-Language: de-DE,de;q=0.9",
            "Accept-Encoding: gzip, deflate, br",
            "Referer: https://l.instagram.com/",
            "Sec-Fetch-Dest: document",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Site: cross-site",
        ],
    ),
];

/// A running server.
struct Server {
    name: &'static str,
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about that here.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// One measured stretch.
#[derive(Clone, Copy)]
struct Sample {
    requests_per_second: f64,
    cpu_us_per_request: f64,
    p99_ms: f64,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(afterclick), Some(out)) = (arguments.next(), arguments.next()) else {
        bail!("usage: side-by-side PATH-OF-AFTERCLICK RESULT-FILE [ROUNDS] [SECONDS]");
    };
    let rounds = arguments.next().map_or(Ok(5), |n| n.parse()).context("ROUNDS")?;
    let seconds = arguments.next().map_or(Ok(5), |n| n.parse()).context("SECONDS")?;
    let folder = tempfile::tempdir()?;
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let nginx = start_nginx(&peers, folder.path())?;
    let (ours, admin) = start_afterclick(Path::new(&afterclick), folder.path())?;
    let mut report = heading(rounds, seconds);
    for (profile, headers) in PROFILES {
        let mut samples = [Vec::new(), Vec::new()];
        for round in 1..=rounds {
            for (server, samples) in [&nginx, &ours].into_iter().zip(&mut samples) {
                let sample = measure(server, headers, seconds, &peers)?;
                eprintln!(
                    "{profile}, round {round}: {:11} {:8.0} requests/s",
                    server.name, sample.requests_per_second
                );
                samples.push(sample);
            }
        }
        describe(&mut report, profile, &samples);
    }
    let clicks = recorded_clicks(admin)?;
    _ = writeln!(report, "Clicks counted by afterclick over all runs: {clicks}.");
    fs::write(&out, &report)?;
    print!("{report}");
    Ok(())
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A command on one core.
fn pinned(core: usize, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

fn start_nginx(peers: &Path, folder: &Path) -> Result<Server> {
    let port = free_port()?;
    let prefix = folder.join("nginx");
    fs::create_dir_all(&prefix)?;
    let config = fs::read_to_string(peers.join("nginx-bare.conf"))?.replace("PORT", &port.to_string());
    fs::write(prefix.join("nginx.conf"), config)?;
    let mut command = pinned(0, Path::new("nginx"));
    command.arg("-p").arg(&prefix).args(["-c", "nginx.conf", "-g", "master_process off;"]);
    let child = command
        .stderr(Stdio::null())
        .spawn()
        .context("nginx: install it with the system's package manager")?;
    let server = Server { name: "nginx bare", child, port };
    wait_until_open(port)?;
    Ok(server)
}

fn start_afterclick(program: &Path, folder: &Path) -> Result<(Server, u16)> {
    let mut command = pinned(0, program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "1", "--data"]);
    command.arg(folder.join("data")).env("AFTERCLICK_ADMIN_TOKEN", TOKEN).env("AFTERCLICK_LOG", "error");
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| program.display().to_string())?;
    let stdout = child.stdout.take().context("no standard output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let ready: Value = serde_json::from_str(&line).context("the ready line")?;
    let port = |listener: &str| -> Result<u16> {
        let address = ready[listener].as_str().context("the ready line")?;
        Ok(address.rsplit(':').next().unwrap_or_default().parse()?)
    };
    let admin = port("admin")?;
    let server = Server { name: "afterclick", child, port: port("public")? };
    fill_catalog(admin)?;
    Ok((server, admin))
}

fn fill_catalog(admin: u16) -> Result<()> {
    let create = |resource: &str, body: Value| -> Result<String> {
        let answer =
            ask(admin, "POST", &format!("/api/v1/{resource}"), "application/json", &body.to_string())?;
        let answer: Value = serde_json::from_str(&answer).context(answer)?;
        Ok(answer["id"].as_str().with_context(|| format!("{resource}: {answer}"))?.to_owned())
    };
    let merchant = json!({ "name": "Shop", "domains": ["shop.test"], "currency": "EUR", "timezone": "UTC" });
    let merchant = create("merchants", merchant)?;
    let influencer = create("influencers", json!({ "name": "Anna" }))?;
    let commission = json!({ "kind": "percent", "rate": "15", "base": "net_goods" });
    let campaign = json!({ "merchant": merchant, "name": "Autumn", "commission": commission });
    let campaign = create("campaigns", campaign)?;
    let mut csv = String::from("campaign,influencer,destination,slug\n");
    for link in 0..LINKS {
        _ = writeln!(
            csv,
            "{campaign},{influencer},https://shop.test/product/{link}?utm_campaign=autumn,l{link}"
        );
    }
    let answer = ask(admin, "POST", "/api/v1/links/import", "text/csv", &csv)?;
    ensure!(answer.contains(&format!("{LINKS}")), "import: {answer}");
    Ok(())
}

/// One request on a connection of its own; the body of the answer.
fn ask(port: u16, method: &str, path: &str, content_type: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\
         content-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map_or(answer.clone(), |(_, body)| body.to_owned()))
}

fn wait_until_open(port: u16) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        ensure!(Instant::now() < until, "nothing listens on port {port}");
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn measure(server: &Server, headers: &[&str], seconds: u64, peers: &Path) -> Result<Sample> {
    let before = cpu_seconds(server.child.id())?;
    let mut command = pinned(1, Path::new("wrk"));
    command.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), "--latency"]);
    command.args(["-H", "Host: go.shop.test", "-H", &format!("User-Agent: {BROWSER}")]);
    headers.iter().for_each(|header| _ = command.args(["-H", header]));
    command.arg("-s").arg(peers.join("followers.lua"));
    command.arg(format!("http://127.0.0.1:{}", server.port)).arg("--").arg(LINKS.to_string());
    let output = command.output().context("wrk: install it with the system's package manager")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success() && !text.contains("Socket errors"), "wrk: {text}");
    let cpu = cpu_seconds(server.child.id())? - before;
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

fn recorded_clicks(admin: u16) -> Result<u64> {
    let metrics = ask(admin, "GET", "/metrics", "text/plain", "")?;
    let clicks = metrics.lines().filter(|line| line.starts_with("afterclick_clicks_total"));
    Ok(clicks.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}

fn heading(rounds: usize, seconds: u64) -> String {
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "# Redirects side by side\n\nMachine: {}, {cores} cores, Linux {}. Server on core 0, wrk on core 1, loopback, \
         {CONNECTIONS} keep-alive connections, {rounds} rounds of {seconds} s each in turn; medians.\n\nafterclick: \
         release build, {LINKS} links, every click classified, signed and journaled as `os`, fsync at most every 40 ms \
         and projector on the same core. nginx: one worker, `return 302`, no log.\n",
        model.trim_start_matches([' ', '\t', ':']),
        kernel.trim()
    )
}

fn describe(report: &mut String, profile: &str, samples: &[Vec<Sample>; 2]) {
    let [nginx, ours] = samples.each_ref().map(|samples| medians(samples));
    _ = writeln!(
        report,
        "\n## {profile}\n\n| | requests/s | CPU µs/request | p99 ms |\n|---|---:|---:|---:|\n\
         | nginx bare | {:.0} | {:.2} | {:.2} |\n| afterclick | {:.0} | {:.2} | {:.2} |\n| ratio | {:.2} | {:.2} | |\n",
        nginx.requests_per_second,
        nginx.cpu_us_per_request,
        nginx.p99_ms,
        ours.requests_per_second,
        ours.cpu_us_per_request,
        ours.p99_ms,
        ours.requests_per_second / nginx.requests_per_second,
        ours.cpu_us_per_request / nginx.cpu_us_per_request,
    );
}

fn medians(samples: &[Sample]) -> Sample {
    let median = |pick: &dyn Fn(&Sample) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Sample {
        requests_per_second: median(&|s| s.requests_per_second),
        cpu_us_per_request: median(&|s| s.cpu_us_per_request),
        p99_ms: median(&|s| s.p99_ms),
    }
}
