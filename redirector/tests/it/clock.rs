//! A clock that jumps, as after a wrong time server or when a machine wakes up: nothing is refused,
//! lost or counted twice.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tokio::time::{Duration, sleep};

use crate::support::{Stage, launch, woo_order};

/// Debian's package `faketime`, without its wrapper. The time is in a file that the test rewrites.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

#[tokio::test]
async fn a_jumping_clock_loses_and_doubles_nothing() {
    if !Path::new(LIBRARY).exists() {
        eprintln!("SKIPPED clock: faketime is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    let jump = |to: &str| std::fs::write(&clock, to).unwrap();
    jump("+0");
    let launch = launch(&folder)
        .environment("LD_PRELOAD", LIBRARY)
        .environment("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap())
        .environment("FAKETIME_NO_CACHE", "1")
        .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .environment("FAKETIME_DONT_RESET", "1");
    let stage = Stage::set_on(folder, launch.clone(), json!({})).await;
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
