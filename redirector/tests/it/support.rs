//! A running product with a merchant, an influencer, a campaign and a link, and the steps that
//! tests are made of.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use harness::{Answer, Launch, Product, http};
use hmac::{Hmac, KeyInit, Mac};
use hyper::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::sleep;

pub(crate) const BROWSER: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 \
    (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";
pub(crate) const SECRET: &str = "a-secret-of-the-shop";

/// A product with one entity of each kind.
pub(crate) struct Stage {
    pub(crate) product: Product,
    pub(crate) merchant: String,
    pub(crate) key: String,
    pub(crate) influencer: String,
    pub(crate) campaign: String,
    pub(crate) link: String,
    pub(crate) folder: TempDir,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::set_with(json!({})).await
    }

    /// Sets the stage with more fields of the link.
    pub(crate) async fn set_with(link_fields: Value) -> Self {
        Self::set_up(&[], link_fields).await
    }

    /// Sets the stage with more arguments of the server, and more fields of the link.
    pub(crate) async fn set_up(arguments: &[&str], link_fields: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let launch = launch(&folder).arguments(arguments);
        Self::set_on(folder, launch, link_fields).await
    }

    /// Sets the stage with a server that is started like this.
    pub(crate) async fn set_on(folder: TempDir, launch: Launch, link_fields: Value) -> Self {
        let product = launch.start().await.unwrap();
        let merchant = product
            .create(
                "merchants",
                &json!({
                    "name": "Shop", "domains": ["shop.test"], "currency": "EUR", "timezone": "Europe/Berlin",
                    "platform": "woocommerce", "webhook_secret": SECRET,
                }),
            )
            .await
            .unwrap();
        let influencer =
            text(&product.create("influencers", &json!({ "name": "Anna" })).await.unwrap()["id"]);
        let commission = json!({ "kind": "percent", "rate": "15", "base": "net_goods" });
        let campaign =
            json!({ "merchant": merchant["id"], "name": "Autumn", "commission": commission });
        let campaign = text(&product.create("campaigns", &campaign).await.unwrap()["id"]);
        let mut link = json!({
            "campaign": campaign, "influencer": influencer, "slug": "anna",
            "destination": "https://shop.test/product?color=red#reviews",
        });
        link.as_object_mut().unwrap().extend(link_fields.as_object().unwrap().clone());
        let link = text(&product.create("links", &link).await.unwrap()["id"]);
        let (key, merchant) = (text(&merchant["key"]), text(&merchant["id"]));
        Self { product, merchant, key, influencer, campaign, link, folder }
    }

    /// Sends a visitor's request on the links' host.
    pub(crate) async fn visit(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut all = vec![("host", "go.shop.test")];
        if !headers.iter().any(|(name, _)| *name == "user-agent") {
            all.push(("user-agent", BROWSER));
        }
        all.extend(headers.iter().filter(|(name, _)| *name != "host"));
        if let Some(host) = headers.iter().find(|(name, _)| *name == "host") {
            all[0] = *host;
        }
        http::send(self.product.public, method, path, &all, "").await.unwrap()
    }

    /// Clicks with a browser that sends these headers.
    pub(crate) async fn click(&self, headers: &[(&str, &str)]) -> Answer {
        self.visit(Method::GET, "/anna", headers).await
    }

    /// Returns the token of a new click.
    pub(crate) async fn token(&self) -> String {
        token_of(&self.click(&[]).await)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        http::send(self.product.public, Method::GET, path, &[], "").await.unwrap()
    }

    /// Sends a purchase as the pixel on the thank-you page does, with the order's key.
    pub(crate) async fn claim(&self, order_id: &str, value: &str, token: &str) {
        let event = json!({
            "v": 1, "k": self.key, "t": token, "c": "granted",
            "e": [{
                "id": "0190a000-0000-7000-8000-000000000001", "n": "purchase", "ts": 1, "u": "https://shop.test/thanks",
                "o": { "id": order_id, "value": value, "currency": "EUR", "key": key_of(order_id) },
            }],
        });
        assert_eq!(self.events(&[], &event.to_string()).await.status, 204);
    }

    /// Sends events as a page of the shop does, unless the headers name another origin.
    pub(crate) async fn events(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = headers.to_vec();
        if !headers.iter().any(|(name, _)| *name == "origin") {
            all.push(("origin", "https://shop.test"));
        }
        self.post("/_ac/e", &all, body).await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        http::send(self.product.public, Method::POST, path, headers, body.to_owned()).await.unwrap()
    }

    /// Sends a webhook as WooCommerce signs it.
    pub(crate) async fn webhook(&self, topic: &str, body: &str) -> Answer {
        let signature = sign(SECRET, body);
        let headers =
            [("x-wc-webhook-topic", topic), ("x-wc-webhook-signature", signature.as_str())];
        self.post(&format!("/_ac/hooks/woocommerce/{}", self.key), &headers, body).await
    }

    /// Returns what the admin API knows of an order, once everything is projected.
    pub(crate) async fn order(&self, id: &str) -> Value {
        self.wait_until_projected().await;
        self.product.read(&format!("/api/v1/orders/{}/{id}", self.merchant)).await.unwrap()
    }

    /// Returns the figures of the link, once everything is projected.
    pub(crate) async fn figures(&self) -> Value {
        self.wait_until_projected().await;
        let stats = self.product.read("/api/v1/stats?by=link").await.unwrap();
        let rows = stats["rows"].as_array().unwrap();
        rows.iter().find(|row| row["link"] == self.link).cloned().unwrap_or_default()
    }

    /// Waits until the projector has taken in everything recorded so far.
    async fn wait_until_projected(&self) {
        let is_level = async || self.metric("afterclick_hot_state_behind_records").await == 0;
        until("the hot state has caught up", is_level).await;
    }

    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let metrics =
            http::send(self.product.admin, Method::GET, "/metrics", &[], "").await.unwrap().body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        line.unwrap_or_else(|| panic!("no metric {name} in {metrics}"))
    }

    /// Returns the commission that is booked for an order, in cents.
    pub(crate) async fn commission(&self, order: &str) -> i64 {
        let order = self.order(order).await;
        order["commission"]
            .as_array()
            .unwrap()
            .iter()
            .map(|booking| booking["amount_minor"].as_i64().unwrap())
            .sum()
    }
}

/// How long something may take that must happen. It only bounds a hang, so a busy machine has time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// What a program of others says.
pub(crate) async fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    output.unwrap_or_else(|error| panic!("{program}: {error}; scripts/test installs it"))
}

pub(crate) fn launch(folder: &TempDir) -> Launch {
    Launch::new(harness::default_bin_dir().unwrap(), folder.path().join("data"))
}

pub(crate) fn token_of(answer: &Answer) -> String {
    let location = answer.header("location");
    let token = location.split_once("ac=").unwrap_or_else(|| panic!("no token in {location:?}")).1;
    token.split(['&', '#']).next().unwrap().to_owned()
}

/// Returns the click of a token: bytes 25 to 41, as documented, written as an id.
pub(crate) fn click_of(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&URL_SAFE_NO_PAD.decode(token).unwrap()[25..41])
}

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a test speaks to a server that has a clock")]
pub(crate) fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// The day that it is for the merchant of the stage.
pub(crate) fn today() -> String {
    let now = jiff::Timestamp::from_millisecond(now_ms()).unwrap();
    now.in_tz("Europe/Berlin").unwrap().date().to_string()
}

/// Returns the HMAC in hex, as in our own signatures.
pub(crate) fn hex_mac(secret: &str, text: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(text);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn sign(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Returns the key that the shop gives to an order. It stands in the address of the thank-you page.
pub(crate) fn key_of(order: &str) -> String {
    format!("wc_order_58d2d042d{order}")
}

/// Returns the published example order with changes: fields to replace, and meta data to add.
pub(crate) fn woo_order(id: u64, changes: Value, meta: &[(&str, &str)]) -> String {
    let example = include_str!(
        "../../../dev/demo/fixtures/woocommerce/docs_v3_order_created_processing.json"
    );
    let mut order: Value = serde_json::from_str(example).unwrap();
    order["id"] = id.into();
    order["number"] = id.to_string().into();
    order["order_key"] = key_of(&id.to_string()).into();
    order["currency"] = "EUR".into();
    order.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let entries = order["meta_data"].as_array_mut().unwrap();
    entries.extend(meta.iter().map(|(key, value)| json!({ "id": 1, "key": key, "value": value })));
    order.to_string()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Returns the first segment of the stream whose name starts with `kind`.
pub(crate) fn segment(data: &Path, kind: &str) -> PathBuf {
    let folders = std::fs::read_dir(data.join("journal")).unwrap().map(|entry| entry.unwrap());
    let stream = folders
        .into_iter()
        .find(|entry| entry.file_name().to_string_lossy().starts_with(kind))
        .unwrap();
    stream.path().join("00000000000000000001.seg")
}
