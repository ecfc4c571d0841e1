//! The disturbances of the product while followers come: segments roll, the catalog grows, or Redis
//! hangs.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;

use anyhow::{Context, Result, ensure};
use harness::{Product, Redis};
use hyper::Method;

use crate::follow::stage::Stage;

/// The number of rows in one import request.
const BATCH: usize = 10_000;

/// The kind of disturbance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Disturb {
    /// No disturbance.
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
    /// Returns the name of the part of the load in which it happens.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "all along",
            Self::Roll => "segments roll",
            Self::Import => "links are imported",
            Self::Redis => "Redis hangs",
        }
    }
}

/// A disturbance that is running and must be ended.
pub(crate) enum Disturbance<'a> {
    Nothing,
    Import(Arc<AtomicBool>, JoinHandle<Result<()>>),
    Hang(&'a Redis),
}

impl<'a> Disturbance<'a> {
    /// Makes Redis hang.
    pub(crate) fn hang(redis: &'a Redis) -> Result<Self> {
        redis.hang()?;
        Ok(Self::Hang(redis))
    }

    /// Imports links on a thread of its own.
    pub(crate) fn import(product: &Product, batches: Vec<String>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (admin, token, set_over) = (product.admin, product.token.clone(), Arc::clone(&is_over));
        let importer = std::thread::spawn(move || {
            let imported = import(admin, &token, batches);
            set_over.store(true, Relaxed);
            imported
        });
        Self::Import(is_over, importer)
    }

    /// Returns whether it may be ended: an import when it is complete, any other at any time.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Import(is_over, _) => is_over.load(Relaxed),
            Self::Nothing | Self::Hang(_) => true,
        }
    }

    /// Ends the disturbance.
    ///
    /// # Errors
    /// When an import was refused, or Redis cannot continue.
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

/// Makes CSV tables of links that nobody follows.
pub(crate) fn tables(stage: &Stage, name: &str, links: usize) -> Vec<String> {
    let table = |begin: usize| {
        let mut csv = "slug,campaign,influencer,destination\n".to_owned();
        for number in begin..links.min(begin + BATCH) {
            let (campaign, influencer) = (&stage.campaign, &stage.influencer);
            // Writing into a `String` does not fail.
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
