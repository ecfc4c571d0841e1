//! Measures afterclick side by side with what people would use instead: all answer the same
//! requests in turn, on one core, in one run.
//!
//! What counts is the ratio of medians: machines differ and are noisy, but a ratio within one run
//! varies much less. The server under test is pinned to the first core, wrk to the second.
//! afterclick signs, classifies, writes the journal (`os`) and runs the projector. The program
//! never connects to an address other than loopback, and ends by itself.

#![expect(clippy::float_arithmetic, reason = "rates and ratios of measurements, no money")]

mod measure;
mod report;
mod servers;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use benches::api::metric;
use benches::product::TOKEN;

use crate::servers::Connections;

const BROWSERS_HEADERS: &[&str] = &[
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: de-DE,de;q=0.9",
    "Accept-Encoding: gzip, deflate, br",
    "Referer: https://l.instagram.com/",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: cross-site",
];

/// A form in which the requests come.
struct Profile {
    name: &'static str,
    headers: &'static [&'static str],
    connections: Connections,
}

const PROFILES: [Profile; 3] = [
    Profile { name: "few headers", headers: &[], connections: Connections::StayOpen },
    Profile {
        name: "a browser's headers",
        headers: BROWSERS_HEADERS,
        connections: Connections::StayOpen,
    },
    Profile {
        name: "TLS 1.3, a new connection and a full handshake for every request",
        headers: BROWSERS_HEADERS,
        connections: Connections::TlsAnew,
    },
];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(afterclick), Some(out)) = (arguments.next(), arguments.next()) else {
        bail!("usage: side-by-side PATH-OF-AFTERCLICK RESULT-FILE [ROUNDS] [SECONDS]");
    };
    let rounds = arguments.next().map_or(Ok(5), |n| n.parse()).context("ROUNDS")?;
    let seconds = arguments.next().map_or(Ok(5), |n| n.parse()).context("SECONDS")?;
    let afterclick = Path::new(&afterclick);
    let folder = tempfile::tempdir()?;
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    servers::write_certificate(folder.path())?;
    let (ours, admin) = servers::afterclick(afterclick, folder.path())?;
    // Ours is the last one: the table compares all others with it.
    let all = [
        servers::floor(&afterclick.with_file_name("floor"))?,
        servers::nginx("nginx bare", "nginx-bare.conf", &peers, folder.path())?,
        servers::nginx("nginx map + userid + log", "nginx-map.conf", &peers, folder.path())?,
        servers::haproxy(&peers, folder.path())?,
        servers::nginx("nginx + Lua + Redis", "nginx-lua.conf", &peers, folder.path())?,
        ours,
    ];
    let mut report = report::heading(rounds, seconds);
    for profile in PROFILES {
        let servers: Vec<_> =
            all.iter().filter(|server| server.speaks(profile.connections)).collect();
        let mut samples = vec![Vec::new(); servers.len()];
        for round in 1..=rounds {
            for (server, samples) in servers.iter().zip(&mut samples) {
                let sample =
                    measure::measure(server, profile.connections, profile.headers, seconds)?;
                let (name, rate) = (server.name, sample.requests_per_second);
                eprintln!("{}, round {round}: {name:25} {rate:8.0} requests/s", profile.name);
                samples.push(sample);
            }
        }
        let names: Vec<_> = servers.iter().map(|server| server.name).collect();
        report.push_str(&report::describe(profile.name, &names, &samples));
    }
    let clicks = metric(admin, TOKEN, "afterclick_clicks_total")?;
    _ = writeln!(report, "\nClicks counted by afterclick over all runs: {clicks}.");
    fs::write(&out, &report)?;
    print!("{report}");
    Ok(())
}
