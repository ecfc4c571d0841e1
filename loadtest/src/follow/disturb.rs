//! What is done to the product while followers come: segments that roll, a catalog that grows, a
//! Redis that hangs.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;

use anyhow::{Context, Result, ensure};
use harness::{Product, Redis};
use hyper::Method;

use crate::follow::stage::Stage;

/// Rows of one import.
const BATCH: usize = 10_000;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Disturb {
    /// Nothing.
    #[default]
    None,
    /// Segments are sealed after 256 KB.
    Roll,
    /// Links are imported by the admin API.
    Import,
    /// Redis hangs.
    Redis,
}

impl Disturb {
    /// What goes on meanwhile.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "all along",
            Self::Roll => "segments roll",
            Self::Import => "links are imported",
            Self::Redis => "Redis hangs",
        }
    }
}

/// What goes on, and must be ended.
pub(crate) enum Disturbance<'a> {
    Nothing,
    Import(Arc<AtomicBool>, JoinHandle<Result<()>>),
    Hang(&'a Redis),
}

impl<'a> Disturbance<'a> {
    /// Lets Redis hang.
    pub(crate) fn hang(redis: &'a Redis) -> Result<Self> {
        redis.hang()?;
        Ok(Self::Hang(redis))
    }

    /// Imports links, from a thread of its own.
    pub(crate) fn import(product: &Product, batches: Vec<String>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (admin, token, told) = (product.admin, product.token.clone(), Arc::clone(&is_over));
        let importer = std::thread::spawn(move || {
            let imported = import(admin, &token, batches);
            told.store(true, Relaxed);
            imported
        });
        Self::Import(is_over, importer)
    }

    /// Whether it has ended by itself; what has no end of its own is always ready to be ended.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Import(is_over, _) => is_over.load(Relaxed),
            Self::Nothing | Self::Hang(_) => true,
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// When an import was refused, or Redis cannot go on.
    pub(crate) fn end(self) -> Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Import(_, importer) => {
                importer.join().ok().context("the importer ended early")?
            }
            Self::Hang(redis) => redis.go_on(),
        }
    }
}

/// Tables of links that nobody follows.
pub(crate) fn tables(stage: &Stage, name: &str, links: usize) -> Vec<String> {
    let table = |begin: usize| {
        let mut csv = "slug,campaign,influencer,destination\n".to_owned();
        for number in begin..links.min(begin + BATCH) {
            let (campaign, influencer) = (&stage.campaign, &stage.influencer);
            // Writing into a text does not fail.
            _ = writeln!(
                csv,
                "{name}-{number},{campaign},{influencer},https://shop.test/{name}/{number}"
            );
        }
        csv
    };
    (0..links).step_by(BATCH).map(table).collect()
}

/// Imports one table after the other.
///
/// # Errors
/// When one is refused.
pub(crate) fn import(admin: SocketAddr, token: &str, tables: Vec<String>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "text/csv")];
    for table in tables {
        let answer =
            harness::http::send(admin, Method::POST, "/api/v1/links/import", &headers, table);
        let answer = runtime.block_on(answer)?;
        ensure!(answer.status == 201, "an import was answered {}: {}", answer.status, answer.body);
    }
    Ok(())
}
