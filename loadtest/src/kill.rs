//! Kills the product under load, starts it again, and checks that no promised click is missing.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use harness::Launch;
use rand::RngExt;
use tokio::time::sleep;

use crate::followers::{self, Promises};
use crate::{scene, truth};

/// The settings of a kill test.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Folder of the binaries.
    pub bin_dir: PathBuf,
    /// Folder of the data, kept over all cycles.
    pub data: PathBuf,
    /// How often to kill.
    pub cycles: usize,
    /// Connections that click at once.
    pub followers: usize,
    /// A fault to plant into the product. The product must be built with its feature `faults`.
    pub fault: Option<String>,
}

/// The result of a kill test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KillReport {
    /// Clicks whose whole answer was read.
    pub promised: usize,
    /// Promised clicks that the journal does not have.
    pub lost: usize,
    /// Clicks that the journal has more than once.
    pub doubled: usize,
    /// Clicks in the journal, including those whose answer nobody read.
    pub recorded: usize,
}

/// Starts the product, puts load on it and kills it, again and again on the same data. Then
/// compares promises and journal.
///
/// # Errors
/// When the product cannot be started, or its journal cannot be read afterwards.
pub async fn kill_cycles(plan: &Plan, mut on_cycle: impl FnMut(usize)) -> Result<KillReport> {
    let mut launch = Launch::new(&plan.bin_dir, &plan.data);
    let first = launch.start().await?;
    scene::set(&first).await?;
    first.stop().await?;
    if let Some(fault) = &plan.fault {
        launch = launch.environment("AFTERCLICK_FAULT", fault);
    }
    let promises = Promises::default();
    for cycle in 1..=plan.cycles {
        let product =
            launch.start().await.with_context(|| format!("start {cycle} after a kill"))?;
        let followers = followers::start(product.public, plan.followers, &promises);
        let lifetime = rand::rng().random_range(30..300);
        sleep(Duration::from_millis(lifetime)).await;
        product.kill().await?;
        drop(followers);
        on_cycle(cycle);
    }
    // The journal is judged after a restart, which repairs it. This restart has no planted fault.
    let last = Launch::new(&plan.bin_dir, &plan.data).start().await?;
    last.stop().await?;
    compare(&promises, plan)
}

fn compare(promises: &Promises, plan: &Plan) -> Result<KillReport> {
    let recorded = truth::recorded(&plan.data.join("journal"))?;
    let promised = promises.all();
    Ok(KillReport {
        promised: promised.len(),
        lost: promised.iter().filter(|click| !recorded.contains_key(click)).count(),
        doubled: recorded.values().filter(|&&times| times > 1).count(),
        recorded: recorded.len(),
    })
}
