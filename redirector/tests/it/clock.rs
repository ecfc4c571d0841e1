//! A clock that jumps, as after a wrong time server or when a machine wakes up: nothing is refused,
//! lost or counted twice.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::Launch;
use serde_json::json;
use tokio::time::{Duration, sleep};

use crate::support::{Stage, launch, now_ms, until, woo_order};

/// Debian's package `faketime`, without its wrapper. The time is in a file that the test rewrites.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

fn is_installed() -> bool {
    let is_installed = Path::new(LIBRARY).exists();
    if !is_installed {
        eprintln!("SKIPPED clock: faketime is not installed");
    }
    is_installed
}

/// Sets a stage whose server has a clock that starts at `to`. Returns also how to start the server
/// again, and what lets the clock jump.
async fn stage_with_a_clock(to: &str) -> (Stage, Launch, impl Fn(&str) + use<>) {
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    let file = clock.clone();
    let jump = move |to: &str| std::fs::write(&file, to).unwrap();
    jump(to);
    let launch = launch(&folder)
        .environment("LD_PRELOAD", LIBRARY)
        .environment("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap())
        .environment("FAKETIME_NO_CACHE", "1")
        .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .environment("FAKETIME_DONT_RESET", "1");
    let stage = Stage::set_on(folder, launch.clone(), json!({})).await;
    (stage, launch, jump)
}

#[tokio::test]
async fn a_click_from_before_the_clock_was_set_back_earns() {
    if !is_installed() {
        return;
    }
    let (stage, _, jump) = stage_with_a_clock("+0").await;
    let token = stage.token().await;
    for (order, back) in [(1, "-1h"), (2, "-23h"), (3, "+0")] {
        jump(back);
        sleep(Duration::from_millis(50)).await;
        let body = woo_order(order, json!({}), &[("_ac", &token)]);
        assert_eq!(stage.webhook("order.updated", &body).await.status, 200, "{back}");
        let order = order.to_string();
        assert_eq!(stage.commission(&order).await, 270, "{back}: {}", stage.order(&order).await);
    }
    jump("-3d");
    sleep(Duration::from_millis(50)).await;
    stage.webhook("order.updated", &woo_order(4, json!({}), &[("_ac", &token)])).await;
    let order = stage.order("4").await;
    assert!(order["facts"][0]["notes"].to_string().contains("more than a day"), "{order}");
}

#[tokio::test]
async fn a_commission_that_is_changed_after_a_set_up_a_year_ahead_counts_at_once() {
    if !is_installed() {
        return;
    }
    let (stage, _, jump) = stage_with_a_clock("+365d").await;
    let path = format!("/api/v1/campaigns/{}", stage.campaign);
    let change = async |rate: &str| {
        let body = json!({ "commission": { "kind": "percent", "rate": rate } }).to_string();
        let changed =
            stage.product.ask(hyper::Method::PATCH, &path, "application/json", body).await.unwrap();
        assert_eq!(changed.status, 200, "{}", changed.body);
        serde_json::from_str::<serde_json::Value>(&changed.body).unwrap()
    };
    let order = async |id: u64| {
        let token = stage.token().await;
        stage.webhook("order.updated", &woo_order(id, json!({}), &[("_ac", &token)])).await;
        stage.commission(&id.to_string()).await
    };
    assert_eq!(change("20").await["warnings"], json!(null), "nothing contradicts the clock yet");
    jump("+0");
    // Also the change from before counts, once it is noticed that the clock was set back.
    let counts = async || {
        let campaign = stage.product.read(&path).await.unwrap();
        let until =
            campaign["earlier_commissions"][0]["until"].as_str().unwrap_or_default().to_owned();
        until.parse().is_ok_and(|until: jiff::Timestamp| until.as_millisecond() <= now_ms())
    };
    until("the change is dated again", counts).await;
    assert_eq!(order(1).await, 360, "20 % of 18.00");
    change("25").await;
    assert_eq!(order(2).await, 450, "25 % of 18.00");
    assert_eq!(stage.commission("1").await, 360, "an order keeps its terms");
    jump("-2d");
    sleep(Duration::from_millis(50)).await;
    let warned = change("30").await["warnings"].to_string();
    assert!(warned.contains("behind the latest record"), "{warned}");
    assert_eq!((stage.commission("1").await, stage.commission("2").await), (360, 450));
    let ready = harness::http::send(stage.product.admin, hyper::Method::GET, "/readyz", &[], "");
    let ready = ready.await.unwrap();
    assert!(ready.status == 200 && ready.body.contains("clock: "), "{}", ready.body);
}

#[tokio::test]
async fn a_jumping_clock_loses_and_doubles_nothing() {
    if !is_installed() {
        return;
    }
    let (stage, launch, jump) = stage_with_a_clock("+0").await;
    let mut tokens = Vec::new();
    for (number, to) in ["+0", "-1d", "+2d", "+0", "-400d", "+0"].into_iter().enumerate() {
        jump(to);
        sleep(Duration::from_millis(50)).await;
        let click = stage.click(&[]).await;
        assert_eq!(click.status, 302, "{to}");
        tokens.push(crate::support::token_of(&click));
        let order = woo_order(100 + number as u64, json!({}), &[("_ac", &tokens[number])]);
        let answer = stage.webhook("order.updated", &order).await;
        assert_eq!(answer.status, 200, "{to}: {}", answer.body);
    }
    let day = 86_400_000;
    assert!(issued_ms(&tokens[0]) - issued_ms(&tokens[1]) > day - 60_000, "the clock did jump");
    let paid = async |stage: &Stage| {
        let mut paid = Vec::new();
        for number in 0..tokens.len() {
            paid.push(stage.commission(&(100 + number).to_string()).await);
        }
        (paid, stage.figures().await["clicks"]["raw"].clone())
    };
    let before = paid(&stage).await;
    assert_eq!(before.1, tokens.len(), "every click once");
    assert!(
        before.0.iter().all(|&amount| amount == 270),
        "each order by the click that led to it: {before:?}"
    );
    // The figures stay the same after a restart and a rebuild at another time of day.
    jump("+3h");
    let Stage { product, folder, merchant, key, influencer, campaign, link } = stage;
    product.stop().await.unwrap();
    std::fs::remove_dir_all(folder.path().join("data/state")).unwrap();
    let product = launch.start().await.unwrap();
    let stage = Stage { product, folder, merchant, key, influencer, campaign, link };
    assert_eq!(paid(&stage).await, before);
}

/// Returns when a token was issued: bytes 4 to 9, as documented.
fn issued_ms(token: &str) -> i64 {
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    bytes[4..9].iter().fold(0, |ms, &byte| ms << 8 | i64::from(byte))
}
