//! `afterclick-loadtest`: puts load on the product, disturbs or kills it, and reports what was
//! lost.

mod follow_command;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use follow_command::FollowArguments;
use indicatif::ProgressBar;
use loadtest::{
    LedgerPlan, OutagePlan, Plan, Plant, WebhookPlan, compare_ledgers, deliver, failing_calls,
    kill_cycles, outage, rebuild, restart,
};

#[derive(Parser)]
#[command(
    name = "afterclick-loadtest",
    version,
    about = "Puts load on afterclick and checks that nothing it promised is lost",
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Follow links as followers do, at moments that are drawn in advance; exit 1 if answers,
    /// journal and figures differ.
    Follow(Box<FollowArguments>),
    /// Kill the product under load, again and again; exit 1 if a promised click is missing or
    /// doubled.
    Kill {
        /// How often to kill.
        #[arg(long, default_value_t = 20)]
        cycles: usize,
        /// Connections that click at once.
        #[arg(long, default_value_t = 16)]
        followers: usize,
        /// Folder of the binaries [default: the folder of this program].
        #[arg(long)]
        bin_dir: Option<PathBuf>,
        /// A fault to plant, e.g. `skip-write`; the product must be built with its feature
        /// `faults`.
        #[arg(long)]
        fault: Option<String>,
    },
    /// Deliver signed webhooks, each for another order, to a server on one core; exit 1 if an order
    /// that was answered 200 is missing.
    Webhooks {
        /// How many orders.
        #[arg(long, default_value_t = 100_000)]
        orders: usize,
        /// Connections that deliver at once.
        #[arg(long, default_value_t = 256)]
        connections: usize,
        /// Folder of the binaries [default: the folder of this program].
        #[arg(long)]
        bin_dir: Option<PathBuf>,
    },
    /// Disturb Redis under load in every way; exit 1 if a redirect fails or a window is missing for
    /// more than 5 seconds.
    Outage {
        /// Seconds each fault lasts.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Use a cluster of three masters and three replicas; one master is lost, and slots are
        /// moved.
        #[arg(long)]
        cluster: bool,
        /// Folder of the binaries [default: the folder of this program].
        #[arg(long)]
        bin_dir: Option<PathBuf>,
        /// A fault to plant: `state-blind` or `state-forgets:1000`; the product must be built with
        /// its feature `faults`.
        #[arg(long)]
        fault: Option<String>,
    },
    /// Empty a full Redis. Measure how fast it is filled again from the journal, and the memory of
    /// a window.
    Rebuild {
        /// Number of windows.
        #[arg(long, default_value_t = 500_000)]
        windows: u64,
        /// Folder of the binaries [default: the folder of this program].
        #[arg(long)]
        bin_dir: Option<PathBuf>,
    },
    /// Measure the time from a start with a large journal to the first redirect.
    Restart {
        /// Number of clicks in the journal; twelve million are about a gigabyte.
        #[arg(long, default_value_t = 12_000_000)]
        clicks: u64,
        /// Folder of the binaries [default: the folder of this program].
        #[arg(long)]
        bin_dir: Option<PathBuf>,
    },
    /// Make system calls on the journal fail, one after the other; exit 1 if a promised order is
    /// missing or doubled.
    Calls {
        /// Number of failing calls; the kinds of call take turns.
        #[arg(long, default_value_t = 300)]
        count: usize,
        /// Folder of the binaries [default: the folder of this program].
        #[arg(long)]
        bin_dir: Option<PathBuf>,
    },
    /// Book random orders and compare every amount with an oracle that computes with exact
    /// fractions; exit 1 on any difference.
    Ledger {
        /// Number of operations on orders: facts, refunds, cancellations, exchange rates.
        #[arg(long, default_value_t = 1_000_000)]
        operations: u64,
        /// Seed of the random numbers: the same seed makes the same orders.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// A fault to plant: lose-refund, count-twice or one-off.
        #[arg(long)]
        plant: Option<Plant>,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Follow(arguments) => follow_command::run(*arguments).await,
        Command::Kill { cycles, followers, bin_dir, fault } => {
            kill(cycles, followers, bin_dir, fault).await
        }
        Command::Webhooks { orders, connections, bin_dir } => {
            webhooks(orders, connections, bin_dir).await
        }
        Command::Outage { seconds, cluster, bin_dir, fault } => {
            disturb_redis(seconds, cluster, bin_dir, fault).await
        }
        Command::Rebuild { windows, bin_dir } => measure_rebuild(windows, bin_dir).await,
        Command::Restart { clicks, bin_dir } => measure_restart(clicks, bin_dir).await,
        Command::Calls { count, bin_dir } => let_calls_fail(count, bin_dir).await,
        Command::Ledger { operations, seed, plant } => {
            ledger(LedgerPlan { operations, seed, plant })
        }
    }
}

async fn kill(
    cycles: usize,
    followers: usize,
    bin_dir: Option<PathBuf>,
    fault: Option<String>,
) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let bin_dir = bin_dir.map_or_else(harness::default_bin_dir, Ok)?;
    let plan = Plan { bin_dir, data: folder.path().join("data"), cycles, followers, fault };
    let bar = ProgressBar::new(cycles as u64);
    let report = kill_cycles(&plan, |_| bar.inc(1)).await?;
    bar.finish_and_clear();
    println!(
        "{cycles} kills: {} clicks promised, {} lost, {} doubled ({} recorded)",
        report.promised, report.lost, report.doubled, report.recorded
    );
    Ok(if report.lost + report.doubled == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn webhooks(
    orders: usize,
    connections: usize,
    bin_dir: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let bin_dir = bin_dir.map_or_else(harness::default_bin_dir, Ok)?;
    let data = folder.path().join("data");
    let plan = WebhookPlan { bin_dir, data, orders, connections, pin: true, fault: None };
    let report = deliver(&plan).await?;
    println!(
        "{} webhooks promised in {:.2?} = {} a second on one core; {} lost, {} doubled",
        report.promised,
        report.elapsed,
        report.a_second(),
        report.lost,
        report.doubled
    );
    Ok(if report.lost + report.doubled == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn ledger(plan: LedgerPlan) -> anyhow::Result<ExitCode> {
    let bar = ProgressBar::new(plan.operations);
    let report = compare_ledgers(plan, |operations| bar.inc(operations))?;
    bar.finish_and_clear();
    println!(
        "{} operations on {} orders in {} currencies: {} bookings differ from what is due, {} sums differ",
        report.operations,
        report.orders,
        report.currencies,
        report.differences,
        report.unbalanced.len()
    );
    if let Some(first) = &report.first {
        println!("the first: {first}");
    }
    let agrees = report.differences == 0 && report.unbalanced.is_empty();
    Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn disturb_redis(
    seconds: u64,
    cluster: bool,
    bin_dir: Option<PathBuf>,
    fault: Option<String>,
) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let bin_dir = bin_dir.map_or_else(harness::default_bin_dir, Ok)?;
    let (data, lasts) = (folder.path().join("data"), Duration::from_secs(seconds));
    let plan = OutagePlan { bin_dir, data, lasts, cluster, fault };
    println!("| Redis | clicks | failed | p99 | slowest | windows complete after | wrong |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let phases = outage(&plan, |phase| {
        let whole =
            phase.whole_after.map_or_else(|| "never".to_owned(), |after| format!("{after:.2?}"));
        println!(
            "| {} | {} | {} | {:.2?} | {:.2?} | {whole} | {} |",
            phase.name, phase.sent, phase.failed, phase.p99, phase.slowest, phase.wrong
        );
    })
    .await?;
    let is_good = |phase: &loadtest::Phase| {
        phase.failed == 0 && phase.whole_after.is_some_and(|after| after <= Duration::from_secs(5))
    };
    Ok(if phases.iter().all(is_good) { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn measure_rebuild(windows: u64, bin_dir: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let bin_dir = bin_dir.map_or_else(harness::default_bin_dir, Ok)?;
    let report = rebuild(&bin_dir, &folder.path().join("data"), windows).await?;
    println!(
        "{} windows filled again in {:.2?} = {} a second; {} bytes a window",
        report.windows,
        report.took,
        report.a_second(),
        report.bytes_a_window
    );
    Ok(ExitCode::SUCCESS)
}

async fn measure_restart(clicks: u64, bin_dir: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let bin_dir = bin_dir.map_or_else(harness::default_bin_dir, Ok)?;
    let (took, bytes) = restart(&bin_dir, &folder.path().join("data"), clicks).await?;
    println!(
        "{:.2?} from the start to the first redirect, with a journal of {} MB",
        took,
        bytes / 1_000_000
    );
    Ok(ExitCode::SUCCESS)
}

async fn let_calls_fail(count: usize, bin_dir: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let bin_dir = bin_dir.map_or_else(harness::default_bin_dir, Ok)?;
    let bar = ProgressBar::new(count as u64);
    let calls = failing_calls(&bin_dir, 0..count, None, |_| bar.inc(1)).await?;
    bar.finish_and_clear();
    let sum = |of: fn(&loadtest::FailedCall) -> usize| calls.iter().map(of).sum::<usize>();
    let (promised, refused) = (sum(|call| call.promised), sum(|call| call.refused));
    let (lost, doubled) = (sum(|call| call.lost), sum(|call| call.doubled));
    println!(
        "{count} failing calls: {promised} orders promised, {refused} refused, {lost} lost, {doubled} doubled"
    );
    Ok(if lost + doubled == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
