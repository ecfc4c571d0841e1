//! Measures how fast an emptied Redis is filled again from the journal, how much memory a window
//! takes, and how long a start with a large journal takes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{Launch, Redis};
use hyper::Method;
use journal::{Options, StreamName, Writer};
use shared::agent::{Device, InApp};
use shared::class::Class;
use shared::consent::Consent;
use shared::id::{ClickId, LinkId};
use shared::record::{Click, encode_click};
use shared::stream::StreamKind;
use shared::time::{Span, Timestamp};
use tokio::time::sleep;

use crate::followers::BROWSER;
use crate::scene::{self, HOST, slug};

/// How long a rebuild may take in all.
const PATIENCE: Duration = Duration::from_secs(600);

/// The result of a rebuild.
#[derive(Debug, Clone, Copy)]
pub struct RebuildReport {
    /// Windows that were filled in again.
    pub windows: u64,
    /// The time from the moment when Redis was emptied until the last window was there.
    pub took: Duration,
    /// Bytes of memory that Redis uses for a window, including key and overhead.
    pub bytes_a_window: u64,
}

impl RebuildReport {
    /// Returns how many windows were filled in a second.
    pub fn a_second(&self) -> u128 {
        u128::from(self.windows) * 1_000_000 / self.took.as_micros().max(1)
    }
}

/// Measures the time from a start to the first redirect, with this many clicks in the node's own
/// journal. Returns it with the size of the journal in bytes.
///
/// # Errors
/// When the product cannot be started.
pub async fn restart(bin_dir: &Path, data: &Path, clicks: u64) -> Result<(Duration, u64)> {
    let launch = Launch::new(bin_dir, data).arguments(&["--workers", "1"]);
    let first = launch.start().await?;
    scene::set(&first).await?;
    first.stop().await?;
    let node = std::fs::read_to_string(data.join("node"))?;
    let stream = StreamKind::Edge.part_name(node.trim(), 0);
    write_clicks(&data.join("journal"), &stream, clicks)?;
    let begun = Instant::now();
    let product = launch.start().await?;
    let headers = [("host", HOST), ("user-agent", BROWSER)];
    let answer =
        harness::http::send(product.public, Method::GET, &format!("/{}", slug(0)), &headers, "")
            .await?;
    let took = begun.elapsed();
    ensure!(answer.status == 302, "the first redirect answered {}", answer.status);
    product.kill().await?;
    let mut bytes = 0;
    for segment in std::fs::read_dir(data.join("journal").join(&stream))? {
        bytes += segment?.metadata()?.len();
    }
    Ok((took, bytes))
}

/// Writes a journal of clicks, lets the product fill Redis from it, empties Redis, and waits until
/// it is full again.
///
/// # Errors
/// When the product or Redis cannot be started, or windows stay missing.
pub async fn rebuild(bin_dir: &Path, data: &Path, windows: u64) -> Result<RebuildReport> {
    // Makes the keys: a journal without keys beside it would stop the start.
    Launch::new(bin_dir, data).arguments(&["--workers", "1"]).start().await?.stop().await?;
    write_clicks(&data.join("journal"), &StreamKind::Edge.part_name("load", 0), windows)?;
    let redis = Redis::start(&[])?;
    let empty = used_memory(&redis)?;
    let product = Launch::new(bin_dir, data)
        .arguments(&["--workers", "1", "--state", &redis.url()])
        .start()
        .await?;
    wait_for(&redis, windows).await?;
    let bytes_a_window = (used_memory(&redis)? - empty) / windows.max(1);
    // Gives the product time for its last check of the buckets.
    sleep(Duration::from_secs(2)).await;
    redis.cli(&["flushall"])?;
    let begun = Instant::now();
    wait_for(&redis, windows).await?;
    let took = begun.elapsed();
    product.stop().await?;
    Ok(RebuildReport { windows, took, bytes_a_window })
}

fn write_clicks(journal_dir: &Path, stream: &str, count: u64) -> Result<()> {
    let (mut writer, _) =
        Writer::open(journal_dir, &StreamName::new(stream)?, 1, Options::default())?;
    let begin = now().plus(Span::days(-1));
    let mut record = Vec::new();
    for number in 0..count {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        id[8..].copy_from_slice(&number.to_be_bytes());
        let click = Click {
            id: ClickId::from_bytes(id),
            at: begin.plus(Span::ms(i64::try_from(number % 86_400_000)?)),
            link: LinkId::from_bits(number % 1000 + 1),
            class: Class::Billable,
            window_minutes: 30 * 24 * 60,
            previous: (number % 3 == 0).then(|| ClickId::from_bytes([7; 16])),
            sub_id: None,
            country: None,
            device: Device::Mobile,
            in_app: InApp::Instagram,
            referrer_host: "l.instagram.com",
            consent: Consent::Unknown,
            branch: None,
        };
        record.clear();
        encode_click(&click, &mut record);
        writer.append(&record)?;
        if number % 10_000 == 9_999 {
            writer.commit(1)?;
        }
    }
    writer.commit(1)?;
    Ok(writer.sync()?)
}

#[expect(clippy::disallowed_methods, reason = "the product does not fill in windows that are over")]
pub(crate) fn now() -> Timestamp {
    let since =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

async fn wait_for(redis: &Redis, windows: u64) -> Result<()> {
    let begun = Instant::now();
    loop {
        let keys: u64 = redis.cli(&["dbsize"])?.trim().parse().context("dbsize")?;
        // Besides windows, Redis has a few keys with the progress of the projector.
        if keys >= windows {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "{keys} of {windows} windows after {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn used_memory(redis: &Redis) -> Result<u64> {
    let info = redis.cli(&["info", "memory"])?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    used.context("no used_memory")?.trim().parse().context("used_memory")
}
