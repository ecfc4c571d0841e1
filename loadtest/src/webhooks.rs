//! Delivers webhooks as fast as they are answered. Each is for another order, and each answer 200
//! is a promise: the journal must have every promised order once.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::{Launch, Product};
use hmac::{Hmac, KeyInit, Mac};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::truth;

pub(crate) const SECRET: &str = "a-secret-of-the-shop";
/// WooCommerce's published example order. It is as large as usual orders.
pub(crate) const EXAMPLE: &str =
    include_str!("../../dev/demo/fixtures/woocommerce/docs_v3_order_created_processing.json");

/// The settings of a delivery test.
#[derive(Debug, Clone)]
pub struct WebhookPlan {
    /// Folder of the binaries.
    pub bin_dir: PathBuf,
    /// Folder of the data.
    pub data: PathBuf,
    /// How many orders.
    pub orders: usize,
    /// Connections that deliver at once.
    pub connections: usize,
    /// Whether the server gets a core of its own, and this program another.
    pub pin: bool,
    /// A fault to plant into the product. The product must be built with its feature `faults`.
    pub fault: Option<String>,
}

/// The result of a delivery test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WebhookReport {
    /// Orders answered 200; the answer promises that they are on disk.
    pub promised: usize,
    /// Promised orders that the journal does not have.
    pub lost: usize,
    /// Orders that the journal has more than once.
    pub doubled: usize,
    /// The time from the first byte sent to the last answer read.
    pub elapsed: Duration,
}

impl WebhookReport {
    /// Returns how many orders were promised in a second.
    pub fn a_second(&self) -> u128 {
        self.promised as u128 * 1_000_000 / self.elapsed.as_micros().max(1)
    }
}

/// Delivers every order once, and compares what was promised with the journal.
///
/// # Errors
/// When the product cannot be started, does not answer, or its journal cannot be read afterwards.
pub async fn deliver(plan: &WebhookPlan) -> Result<WebhookReport> {
    if plan.pin {
        run_on(0)?;
    }
    let mut launch = Launch::new(&plan.bin_dir, &plan.data).arguments(&["--workers", "1"]);
    if let Some(fault) = &plan.fault {
        launch = launch.environment("AFTERCLICK_FAULT", fault);
    }
    let product = launch.start().await?;
    if plan.pin {
        run_on(1)?;
    }
    let key = merchant_key(&product).await?;
    let deliveries =
        Rc::new((1..=plan.orders).map(|id| delivery(&key, id)).collect::<Result<Vec<_>>>()?);
    let begun = Instant::now();
    let promised = send_all(product.public, &deliveries, plan.connections).await?;
    let elapsed = begun.elapsed();
    product.stop().await?;
    let recorded = truth::orders(&plan.data.join("journal"))?;
    Ok(WebhookReport {
        promised: promised.len(),
        lost: promised.iter().filter(|id| !recorded.contains_key(&id.to_string())).count(),
        doubled: recorded.values().filter(|&&times| times > 1).count(),
        elapsed,
    })
}

/// Keeps this process, and those it starts from now on, on one core.
pub(crate) fn run_on(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).context("cannot pin to a core; two cores are needed")
}

/// Returns the body of an order's webhook, and its signature.
pub(crate) fn signed_order(id: usize) -> Result<(String, String)> {
    let mut order: Value = serde_json::from_str(EXAMPLE)?;
    (order["id"], order["number"], order["currency"]) =
        (id.into(), id.to_string().into(), "EUR".into());
    let body = order.to_string();
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).context("a key")?;
    let signature = STANDARD.encode(mac.chain_update(&body).finalize().into_bytes());
    Ok((body, signature))
}

/// Creates the merchant who sends the webhooks. Returns its public key.
pub(crate) async fn merchant_key(product: &Product) -> Result<String> {
    merchant_key_of(product, "shop.test").await
}

/// Creates such a merchant with a shop at this domain. Returns its public key.
pub(crate) async fn merchant_key_of(product: &Product, domain: &str) -> Result<String> {
    let merchant = json!({
        "name": "Shop", "domains": [domain], "currency": "EUR", "timezone": "UTC", "platform": "woocommerce",
        "webhook_secret": SECRET,
    });
    let merchant = product.create("merchants", &merchant).await?;
    merchant["key"].as_str().map(str::to_owned).context("no key")
}

/// Makes a whole request in advance, so that sending costs as little as possible.
fn delivery(key: &str, id: usize) -> Result<Vec<u8>> {
    let (body, signature) = signed_order(id)?;
    let request = format!(
        "POST /_ac/hooks/woocommerce/{key} HTTP/1.1\r\nHost: go.shop.test\r\nContent-Type: application/json\r\n\
         X-WC-Webhook-Topic: order.updated\r\nX-WC-Webhook-Signature: {signature}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Ok(request.into_bytes())
}

/// Sends every request over some connections. Returns the ids of the promised orders.
async fn send_all(
    to: std::net::SocketAddr,
    deliveries: &Rc<Vec<Vec<u8>>>,
    connections: usize,
) -> Result<Vec<usize>> {
    let next = Rc::new(std::cell::Cell::new(0usize));
    let local = LocalSet::new();
    let mut senders = Vec::new();
    for _ in 0..connections {
        let (next, deliveries) = (Rc::clone(&next), Rc::clone(deliveries));
        senders.push(local.spawn_local(async move { send(to, &deliveries, &next).await }));
    }
    local
        .run_until(async {
            let mut promised = Vec::new();
            for sender in senders {
                promised.extend(sender.await??);
            }
            Ok(promised)
        })
        .await
}

async fn send(
    to: std::net::SocketAddr,
    deliveries: &[Vec<u8>],
    next: &std::cell::Cell<usize>,
) -> Result<Vec<usize>> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let mut promised = Vec::new();
    let mut answer = Vec::with_capacity(1024);
    while let Some(delivery) = deliveries.get(next.replace(next.get() + 1)) {
        let id = next.get();
        stream.write_all(delivery).await?;
        answer.clear();
        while !answer.ends_with(b"ok\n") {
            if stream.read_buf(&mut answer).await? == 0 {
                bail!(
                    "the server ended the connection after {:?}",
                    String::from_utf8_lossy(&answer)
                );
            }
            ensure!(
                answer.len() < 4096,
                "an answer without end: {}",
                String::from_utf8_lossy(&answer)
            );
        }
        ensure!(
            answer.starts_with(b"HTTP/1.1 200"),
            "refused: {}",
            String::from_utf8_lossy(&answer)
        );
        promised.push(id);
    }
    Ok(promised)
}
