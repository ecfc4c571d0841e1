//! The report: tables of medians, and of their ratios to afterclick's.

use std::fmt::Write as _;

use benches::process::machine;

use crate::measure::{CONNECTIONS, Sample};
use crate::servers::LINKS;

/// Returns the heading: what was measured, and on which machine.
pub(crate) fn heading(rounds: usize, seconds: u64) -> String {
    format!(
        "# Redirects side by side\n\nMachine: {}. Server on core 0, wrk on core 1, loopback, \
         {CONNECTIONS} keep-alive connections, {rounds} rounds of {seconds} s each in turn; medians.\n\nafterclick: \
         release build, {LINKS} links, every click classified, signed and journaled as `os`, fsync at most every 40 ms. \
         CPU is the time for answering and recording (the edge and syncer threads). The column *with what follows* also \
         has the time of the projector, on the same core, until it has caught up. The others: `benches/peers`, one \
         thread each. Where a peer uses Redis, the time of Redis on the same core is counted too.\n",
        machine()
    )
}

/// Returns the table of a profile.
pub(crate) fn describe(profile: &str, names: &[&str], samples: &[Vec<Sample>]) -> String {
    let all: Vec<_> = samples.iter().map(|samples| medians(samples)).collect();
    let Some(ours) = all.last().copied() else { return String::new() };
    let mut text = format!(
        "\n## {profile}\n\n| | requests/s | ours to theirs | CPU µs/request | ours to theirs | with what follows | p99 ms |\n|---|---:|---:|---:|---:|---:|---:|\n"
    );
    for (name, them) in names.iter().zip(&all) {
        _ = writeln!(
            text,
            "| {name} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            them.requests_per_second,
            ours.requests_per_second / them.requests_per_second,
            them.cpu_us_per_request,
            ours.cpu_us_per_request / them.cpu_us_per_request,
            them.all_cpu_us_per_request,
            them.p99_ms
        );
    }
    text
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
        all_cpu_us_per_request: median(&|s| s.all_cpu_us_per_request),
        p99_ms: median(&|s| s.p99_ms),
    }
}
