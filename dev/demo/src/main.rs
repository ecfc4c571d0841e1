//! `afterclick-demo`: runs the product, a shop and a browser on this machine. It stays open to look
//! around, or checks itself.
//!
//! It never connects to anything but loopback, and everything that it starts ends with it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use demo::browser::Engine;
use demo::scene::{BENS_CODE, Scene, Setting};
use demo::walk::walk;
use harness::{Row, default_bin_dir};
use tokio::signal::unix::{SignalKind, signal};

/// Starts afterclick with a demo shop, two influencers, their links and a discount code.
#[derive(Parser)]
#[command(name = "afterclick-demo", version)]
struct Arguments {
    /// Walks the whole loop in a headless browser, prints the statement and ends. The exit status
    /// is 0 if every figure is right.
    #[arg(long)]
    check: bool,
    /// Folder with the binaries afterclick and afterclick-report [default: beside this program].
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,
    /// Stores the product's data in this folder instead of a temporary one.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// With --check: writes pictures of the landing page and the thank-you page into this folder.
    #[arg(long, value_name = "DIR", requires = "check")]
    screenshots: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = if arguments.check {
        check_unless_interrupted(arguments).await
    } else {
        stay(arguments).await
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("afterclick-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Walks the loop and returns whether every figure was right. An interrupted walk, too, ends all
/// that it started.
async fn check_unless_interrupted(arguments: Arguments) -> Result<bool> {
    tokio::select! {
        outcome = check(arguments) => outcome,
        signal = interrupted() => { signal?; bail!("interrupted") }
    }
}

async fn check(arguments: Arguments) -> Result<bool> {
    let screenshots = arguments.screenshots.clone();
    let scene = Scene::set(setting(arguments, false)?).await?;
    let outcome = walk(&scene, Engine::Chromium, screenshots.as_deref()).await?;
    scene.strike().await?;
    println!("\n{}", table(&outcome.statement));
    let (passed, failed) = (outcome.checks.passed(), outcome.checks.failed());
    failed.iter().for_each(|what| println!("✗ {what}"));
    println!("{passed} checks right, {} wrong", failed.len());
    Ok(failed.is_empty())
}

/// Starts everything and leaves it running until an interrupt.
async fn stay(arguments: Arguments) -> Result<bool> {
    let scene = Scene::set(setting(arguments, true)?).await?;
    print_welcome(&scene);
    interrupted().await?;
    println!("\nstopping");
    scene.strike().await?;
    Ok(true)
}

fn setting(arguments: Arguments, confirms_by_itself: bool) -> Result<Setting> {
    let bin_dir = arguments.bin_dir.map_or_else(default_bin_dir, Ok)?;
    Ok(Setting { bin_dir, data: arguments.data, confirms_by_itself })
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupted() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => Ok(pressed?),
        _ = terminate.recv() => Ok(()),
    }
}

fn print_welcome(scene: &Scene) {
    let Scene { product, shop, anna, ben, .. } = scene;
    println!("afterclick is running, with a demo shop beside it.\n");
    println!("  Anna's link     {}", anna.url);
    println!("  Ben's link      {}      (and his discount code {BENS_CODE})", ben.url);
    println!("  the shop        {}", shop.address());
    println!("  its back office {}backoffice", shop.address());
    println!("  the dashboard   http://{}/", product.admin);
    println!("  admin token     {}", product.token);
    println!("  data            {}", scene.data().display());
    println!(
        "\nOpen a link, buy something, then cancel or refund it in the back office. Ctrl-C stops everything."
    );
}

/// The columns of a statement, in their order.
const COLUMNS: [&str; 11] = [
    "influencer",
    "clicks_billable",
    "sessions",
    "orders",
    "orders_cancelled",
    "goods",
    "commission_pending",
    "commission_approved",
    "commission_reversed",
    "payable",
    "currency",
];

/// Returns the statement as a table with aligned columns.
fn table(rows: &[Row]) -> String {
    let cell = |row: &Row, column: &str| row.get(column).cloned().unwrap_or_default();
    let width = |column: &str| {
        rows.iter()
            .map(|row| cell(row, column).chars().count())
            .max()
            .unwrap_or(0)
            .max(column.len())
    };
    let line = |value: &dyn Fn(&str) -> String| {
        let cells = COLUMNS.iter().map(|column| {
            let (text, width) = (value(column), width(column));
            if *column == "influencer" {
                format!("{text:<width$}")
            } else {
                format!("{text:>width$}")
            }
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    let head = line(&|column| column.to_owned());
    let body = rows.iter().map(|row| line(&|column| cell(row, column)));
    std::iter::once(head).chain(body).collect::<Vec<_>>().join("\n")
}
