//! Webhooks that were signed and sent by Shopify's and Stripe's own libraries.
//!
//! Needs Node and the folder `node_modules` that `AFTERCLICK_TEST_NODE_MODULES` names, which
//! `scripts/test` fills. Without it the test says so and passes, because a laptop may not have it.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::support::{SECRET, Stage};
use crate::{shopify, stripe};

#[tokio::test]
async fn webhooks_signed_by_the_platforms_own_libraries_are_accepted() {
    let modules = std::env::var("AFTERCLICK_TEST_NODE_MODULES").unwrap_or_default();
    if !std::path::Path::new(&modules).join("stripe").is_dir() {
        eprintln!("SKIPPED platform_libraries: AFTERCLICK_TEST_NODE_MODULES holds no stripe");
        return;
    }
    let stage = Stage::set().await;
    let token = stage.token().await;
    let task = json!({
        "base": format!("http://{}", stage.product.public), "key": stage.key, "secret": SECRET,
        "shopify": shopify::order(shopify::PAID_WITH_CODE, json!({}), &token),
        "stripe": stripe::plain_session(&token).to_string(),
    });
    assert_eq!(
        answers(&modules, &task).await,
        json!({ "shopify": 200, "shopify_wrong": 401, "stripe": 200, "stripe_wrong": 401, "stripe_stale": 401 })
    );
    assert_eq!(stage.commission("1073459981").await, 2716);
    assert_eq!(stage.commission("cs_live_1").await, 1500);
    assert_eq!(stage.metric("afterclick_reports_refused_total").await, 3, "a counted trace");
}

async fn answers(modules: &str, task: &Value) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/platforms/sender.cjs");
    let mut node = Command::new("node")
        .arg(script)
        .env("NODE_PATH", modules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    node.stdin.take().unwrap().write_all(task.to_string().as_bytes()).await.unwrap();
    let output = node.wait_with_output().await.unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}
