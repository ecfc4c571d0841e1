//! Followers: connections that click one link after another and remember what they were promised.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::http::Connection;
use hyper::Method;
use shared::id::ClickId;
use tokio::task::JoinSet;

use crate::scene::{HOST, LINKS, slug};

pub(crate) const BROWSER: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/130.0.0.0 Mobile Safari/537.36";

/// The clicks that followers were promised so far.
#[derive(Clone, Default)]
pub(crate) struct Promises(Arc<Mutex<Vec<ClickId>>>);

impl Promises {
    fn add(&self, click: ClickId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(click);
    }

    /// Returns every promised click, in the order in which the answers were read.
    pub(crate) fn all(&self) -> Vec<ClickId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts followers that click until the product is gone. Dropping the set ends them.
pub(crate) fn start(address: SocketAddr, count: usize, promises: &Promises) -> JoinSet<Result<()>> {
    let mut followers = JoinSet::new();
    for number in 0..count {
        followers.spawn(follow(address, number, promises.clone()));
    }
    followers
}

/// Clicks until the product dies. It then ends with an error, as expected.
async fn follow(address: SocketAddr, number: usize, promises: Promises) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    for click in 0usize.. {
        let path = format!("/{}?s=f{number}-{click}", slug((number + click) % LINKS));
        let headers = [("host", HOST), ("user-agent", BROWSER)];
        let answer = connection.send(Method::GET, &path, &headers, "").await?;
        ensure!(answer.status == 302, "{path} answered {}: {}", answer.status, answer.body);
        promises.add(click_of(answer.header("location"))?);
    }
    Ok(())
}

/// Returns the click that the token in a location names. The token is read by its documented
/// layout, without the product's code.
pub(crate) fn click_of(location: &str) -> Result<ClickId> {
    let token = location.split_once("ac=").context("no token in the location")?.1;
    let bytes = URL_SAFE_NO_PAD.decode(token.split(['&', '#']).next().unwrap_or_default())?;
    let click = bytes
        .get(25..41)
        .and_then(|bytes| bytes.try_into().ok())
        .context("a token of another length")?;
    Ok(ClickId::from_bytes(click))
}
