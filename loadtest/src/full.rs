//! Fills the disk for a while. A file takes the space that is left, while orders are delivered all
//! the time. Then the file is removed and the product is started again, as its documentation says.
//! No promised order may be lost.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use harness::Launch;
use hyper::Method;

use crate::calls::deliver;
use crate::followers::BROWSER;
use crate::scene::{self, HOST, slug};
use crate::truth;
use crate::webhooks::merchant_key_of;

/// Orders in each part.
const ORDERS: usize = 300;
/// Bytes that stay free on the full disk; not enough for all orders.
const ROOM: u64 = 128 * 1024;

/// The result of a test with a full disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FullReport {
    /// Orders answered 200 before and while the disk was full.
    pub promised: usize,
    /// Orders answered otherwise.
    pub refused: usize,
    /// Redirects that failed while the disk was full.
    pub redirects_failed: usize,
    /// Orders answered 200 after the disk had space again and the product was restarted.
    pub promised_after: usize,
    /// Promised orders that the journal does not have.
    pub lost: usize,
    /// Orders that the journal has more than once.
    pub doubled: usize,
}

/// Runs the test on the file system of `disk`, which must be small and must serve only this test.
///
/// # Errors
/// When the product does not start, or does not start again.
pub async fn full_disk(bin_dir: &Path, disk: &Path, fault: Option<&str>) -> Result<FullReport> {
    let data = disk.join("data");
    let launch =
        Launch::new(bin_dir, &data).arguments(&["--workers", "1", "--segment-bytes", "262144"]);
    let faulty = match fault {
        Some(fault) => launch.clone().environment("AFTERCLICK_FAULT", fault),
        None => launch.clone(),
    };
    let product = faulty.start().await?;
    scene::set(&product).await?;
    let key = merchant_key_of(&product, "other.test").await?;
    let mut promised = deliver(&product, &key, 1..=ORDERS).await;
    let filler = disk.join("filler");
    fill(&filler)?;
    promised.extend(deliver(&product, &key, ORDERS + 1..=3 * ORDERS).await);
    let mut redirects_failed = 0;
    for number in 0..50 {
        let headers = [("host", HOST), ("user-agent", BROWSER)];
        let path = format!("/{}", slug(number % scene::LINKS));
        let answer = harness::http::send(product.public, Method::GET, &path, &headers, "").await;
        redirects_failed += usize::from(!answer.is_ok_and(|answer| answer.status == 302));
    }
    fs::remove_file(&filler).context("the filler")?;
    product.kill().await?;
    let again = launch.start().await.context("the start after the disk had space again")?;
    let after = deliver(&again, &key, 3 * ORDERS + 1..=4 * ORDERS).await;
    again.stop().await?;
    let recorded = truth::orders(&data.join("journal"))?;
    let all = promised.iter().chain(&after);
    Ok(FullReport {
        promised: promised.len(),
        refused: 3 * ORDERS - promised.len(),
        redirects_failed,
        promised_after: after.len(),
        lost: all.filter(|id| !recorded.contains_key(&id.to_string())).count(),
        doubled: recorded.values().filter(|&&times| times > 1).count(),
    })
}

/// Fills the disk, up to `ROOM` bytes.
fn fill(filler: &Path) -> Result<()> {
    let mut file = File::create(filler)?;
    let block = vec![0; 64 * 1024];
    while file.write_all(&block).is_ok() {}
    let length = file.metadata()?.len();
    Ok(file.set_len(length.saturating_sub(ROOM))?)
}
