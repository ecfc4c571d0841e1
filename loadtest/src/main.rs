//! `afterclick-loadtest`: kills the product under load and reports what was lost.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use indicatif::ProgressBar;
use loadtest::{Plan, kill_cycles};

#[derive(Parser)]
#[command(
    name = "afterclick-loadtest",
    version,
    about = "Load that knows the truth",
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Kill the product under load, again and again; exit 1 if a promised click is missing or doubled.
    Kill {
        /// How often.
        #[arg(long, default_value_t = 20)]
        cycles: usize,
        /// Connections that click at once.
        #[arg(long, default_value_t = 16)]
        followers: usize,
        /// Folder of the binaries [default: this program's].
        #[arg(long)]
        bin_dir: Option<PathBuf>,
        /// A fault to plant, e.g. `skip-write`; the product must be built with its feature `faults`.
        #[arg(long)]
        fault: Option<String>,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let Command::Kill { cycles, followers, bin_dir, fault } = Cli::parse().command;
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
