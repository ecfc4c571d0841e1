//! The command `follow`: its flags, its progress on the terminal, and the files of its report.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use loadtest::{Bursts, Disturb, FollowPlan, Load, News, Question, Second, Step, follow};

/// The flags of `follow`.
#[derive(Debug, Args)]
pub(crate) struct FollowArguments {
    /// Clicks a second.
    #[arg(long, default_value_t = 500.0)]
    rate: f64,
    /// A share of the server's capacity, e.g. `60%`, instead of --rate. The capacity is measured
    /// first.
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "rate")]
    load: Option<f64>,
    /// Seconds that each part lasts.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Only measure the server's capacity, in clicks a second.
    #[arg(long, conflicts_with_all = ["load", "rate", "overload"])]
    find_capacity: bool,
    /// Measure the server's capacity, then send so many times as much.
    #[arg(long, value_name = "TIMES", conflicts_with_all = ["load", "rate"])]
    overload: Option<u32>,
    /// Milliseconds. The server can take a rate if 99 of 100 clicks take no longer.
    #[arg(long, value_name = "MS", default_value_t = 5)]
    bound: u64,
    /// The disturbance of the server in the second of three parts.
    #[arg(long, value_enum, default_value_t = Disturb::None)]
    disturb: Disturb,
    /// Number of links that `--disturb import` imports.
    #[arg(long, default_value_t = 100_000)]
    import: usize,
    /// Number of links in the catalog besides those that are followed.
    #[arg(long, default_value_t = 0)]
    catalog: usize,
    /// Seconds between two influencers' posts; 0 for none.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    post_every: f64,
    /// By what factor the rate jumps at a post.
    #[arg(long, default_value_t = 3.0)]
    post_factor: f64,
    /// Seconds after which a third (1/e) of the additional clicks is left.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    post_decay: f64,
    /// So many of a hundred requests go over connections that stay open. The others open one each.
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    keep_alive: u8,
    /// Connections that may have a request at the same time.
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// Followers use TLS.
    #[arg(long)]
    tls: bool,
    /// So many of a hundred new TLS connections resume a TLS session.
    #[arg(long, value_name = "PERCENT", default_value_t = 30, value_parser = clap::value_parser!(u8).range(0..=100))]
    resume: u8,
    /// Seconds that a follower waits for an answer.
    #[arg(long, default_value_t = 10.0)]
    patience: f64,
    /// Run the server on core 0 and the followers on core 1.
    #[arg(long)]
    pin: bool,
    /// Seed of the random numbers: the same seed draws the same moments and followers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Also write the report to this file, as one HTML page.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Folder of the binaries [default: the folder of this program].
    #[arg(long)]
    bin_dir: Option<PathBuf>,
    /// A fault to plant, e.g. `skip-write`; the product must be built with its feature `faults`.
    #[arg(long)]
    fault: Option<String>,
}

/// Runs the command. The exit status is 1 if anything differs.
pub(crate) async fn run(arguments: FollowArguments) -> Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let plan = plan(&arguments, folder.path().join("data"))?;
    let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {prefix}: {msg}")?;
    let bar = ProgressBar::new_spinner().with_style(style);
    let report = follow(&plan, &mut |news| show(&bar, news)).await;
    bar.finish_and_clear();
    let report = report?;
    print!("{}", report.text());
    if let Some(file) = &arguments.report {
        std::fs::write(file, report.page())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn show(bar: &ProgressBar, news: News<'_>) {
    match news {
        News::Begins(name) => bar.set_prefix(name.to_owned()),
        News::Second(Second { sent, p50, p99, in_flight, refused, .. }) => {
            bar.set_message(format!(
                "{sent} sent, p50 {p50:.2?}, p99 {p99:.2?}, {in_flight} in flight, {refused} refused"
            ));
        }
        News::Tried(Step { rate, p99, limit, .. }) => {
            bar.set_prefix("capacity");
            let verdict = limit.map_or("taken", loadtest::Limit::name);
            bar.set_message(format!("{rate:.0} clicks/s, p99 {p99:.2?}: {verdict}"));
        }
    }
    bar.tick();
}

fn plan(arguments: &FollowArguments, data: PathBuf) -> Result<FollowPlan> {
    let bin_dir = arguments.bin_dir.clone().map_or_else(harness::default_bin_dir, Ok)?;
    ensure!(arguments.rate > 0.0, "--rate: expected a number above 0");
    ensure!(arguments.connections > 0, "--connections: expected at least one");
    let question = match arguments.overload {
        Some(factor) => Question::Overload(factor),
        None if arguments.find_capacity => Question::Capacity,
        None => Question::Follow,
    };
    let every = seconds(arguments.post_every, "--post-every")?;
    let decay = seconds(arguments.post_decay, "--post-decay")?;
    let bursts =
        (!every.is_zero()).then_some(Bursts { every, factor: arguments.post_factor, decay });
    Ok(FollowPlan {
        bin_dir,
        data,
        question,
        load: arguments.load.map_or(Load::Rate(arguments.rate), Load::OfCapacity),
        lasts: seconds(arguments.seconds, "--seconds")?,
        bursts,
        keep_alive: arguments.keep_alive,
        connections: arguments.connections,
        tls: arguments.tls.then_some(arguments.resume),
        pin: arguments.pin,
        disturb: arguments.disturb,
        catalog: (arguments.catalog, arguments.import),
        bound: Duration::from_millis(arguments.bound),
        patience: seconds(arguments.patience, "--patience")?,
        seed: arguments.seed,
        fault: arguments.fault.clone(),
    })
}

fn seconds(number: f64, flag: &str) -> Result<Duration> {
    Duration::try_from_secs_f64(number)
        .with_context(|| format!("{flag}: expected seconds, not {number}"))
}

/// `60%` is 0.6.
#[expect(clippy::float_arithmetic, reason = "a share of a rate, and no money")]
fn share(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    let share = number.filter(|share| *share > 0.0 && *share <= 1000.0);
    share
        .map(|share| share / 100.0)
        .ok_or_else(|| format!("`{text}`: expected a share such as 60%"))
}
