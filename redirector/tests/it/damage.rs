//! Damage to files of a journal: no promised record is lost in silence. The start refuses, says
//! where and what, and goes on only where the operator says so.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use harness::http;
use hyper::Method;
use serde_json::json;
use tokio::process::Command;

use crate::support::{Stage, launch, segment, woo_order};

const ORDERS: u64 = 40;

pub(crate) async fn afterclick(arguments: &[&str], data: &Path) -> (Option<i32>, String) {
    let program = harness::default_bin_dir().unwrap().join("afterclick");
    let mut command = Command::new(program);
    let output =
        command.args(arguments).arg("--data").arg(data).stdin(Stdio::null()).output().await;
    let output = output.unwrap();
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code(), text.concat())
}

/// Starts a server that is expected to refuse, and returns its exit status and what it said.
async fn serve(data: &Path) -> (Option<i32>, String) {
    let arguments =
        ["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "1"];
    let refused = tokio::time::timeout(crate::support::PATIENCE, afterclick(&arguments, data));
    refused.await.expect("it must not serve")
}

/// Sets a stage on which orders were promised, and stops it.
async fn stage_with_orders() -> (Stage, PathBuf) {
    let stage = Stage::set_up(&["--workers", "1"], json!({})).await;
    let token = stage.token().await;
    for id in 1..=ORDERS {
        let order = woo_order(id, json!({}), &[("_ac", &token)]);
        assert_eq!(stage.webhook("order.updated", &order).await.status, 200);
    }
    stage.figures().await;
    let data = stage.product.data().to_owned();
    (stage, data)
}

fn flip(path: &Path, byte: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[byte] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn one_flipped_bit_of_a_promised_order_stops_the_start_until_the_order_is_given_up() {
    let (stage, data) = stage_with_orders().await;
    let Stage { product, folder, merchant, key, .. } = stage;
    // A kill: nothing but the marks says what was on disk.
    product.kill().await.unwrap();
    let facts = segment(&data, "facts");
    let whole = std::fs::read(&facts).unwrap();
    flip(&facts, whole.len() / 3);
    let damaged = std::fs::read(&facts).unwrap();

    for _ in 0..2 {
        let (status, said) = serve(&data).await;
        assert_eq!(status, Some(1), "{said}");
        for part in [
            facts.to_str().unwrap(),
            "is damaged at byte",
            &format!("to {ORDERS} are whole"),
            "restore the segment from a copy",
            "`afterclick repair --give-up`",
        ] {
            assert!(said.contains(part), "{said} should contain {part}");
        }
        assert!(!said.contains("\"ready\":true"), "{said}");
    }
    assert_eq!(std::fs::read(&facts).unwrap(), damaged, "a refused start changes nothing");
    let (status, said) = afterclick(&["verify"], &data).await;
    assert_eq!((status, said.contains("DAMAGED")), (Some(1), true), "{said}");
    let (status, said) = afterclick(&["replay"], &data).await;
    assert_eq!((status, said.contains("repair")), (Some(1), true), "{said}");
    let (status, said) = afterclick(&["repair"], &data).await;
    assert_eq!((status, said.contains("1 records would be lost")), (Some(1), true), "{said}");
    assert_eq!(std::fs::read(&facts).unwrap(), damaged, "a look changes nothing");

    let (status, said) = afterclick(&["repair", "--give-up"], &data).await;
    assert_eq!((status, said.contains("1 records are given up")), (Some(0), true), "{said}");
    assert_eq!(std::fs::read(&facts).unwrap(), damaged, "the damaged bytes stay");
    let (status, said) = afterclick(&["replay"], &data).await;
    assert_eq!(status, Some(0), "{said}");

    let again = launch(&folder).arguments(&["--workers", "1"]).start().await.unwrap();
    let out = folder.path().join("all").display().to_string();
    let listed = again.report(&["export", "--out", &out]).await.unwrap();
    assert!(listed.contains(&format!("order_facts: {} rows", ORDERS - 1)), "{listed}");
    let mut readable = 0;
    for id in 1..=ORDERS {
        let path = format!("/api/v1/orders/{merchant}/{id}");
        let order = again.ask(Method::GET, &path, "", "").await.unwrap();
        readable += u64::from(order.status == 200);
    }
    assert_eq!(readable, ORDERS - 1);
    let ready = http::send(again.admin, Method::GET, "/readyz", &[], "").await.unwrap();
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert!(ready.body.contains("1 records are lost"), "{}", ready.body);
    let metrics = http::send(again.admin, Method::GET, "/metrics", &[], "").await.unwrap().body;
    assert!(metrics.contains("afterclick_journal_lost_records 1\n"), "{metrics}");

    // New orders are recorded behind the gap, and the loss is remembered.
    let order = woo_order(ORDERS + 1, json!({}), &[]);
    let signature = crate::support::sign(crate::support::SECRET, &order);
    let headers =
        [("x-wc-webhook-topic", "order.updated"), ("x-wc-webhook-signature", signature.as_str())];
    let path = format!("/_ac/hooks/woocommerce/{key}");
    let taken = http::send(again.public, Method::POST, &path, &headers, order).await.unwrap();
    assert_eq!(taken.status, 200);
    again.stop().await.unwrap();
    let (status, said) = afterclick(&["verify"], &data).await;
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("1 LOST") && !said.contains("all whole"), "{said}");

    // The bytes come back, and so does the order.
    let now = std::fs::read(&facts).unwrap();
    std::fs::write(&facts, [&whole[..], &now[whole.len()..]].concat()).unwrap();
    let again = launch(&folder).arguments(&["--workers", "1"]).start().await.unwrap();
    let listed = again.report(&["export", "--out", &out]).await.unwrap();
    assert!(listed.contains(&format!("order_facts: {} rows", ORDERS + 1)), "{listed}");
    again.stop().await.unwrap();
}

/// Puts a data folder back as it was.
fn restore(from: &Path, to: &Path) {
    std::fs::remove_dir_all(to).unwrap();
    copy(from, to);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

#[tokio::test]
async fn a_catalog_that_is_emptied_removed_or_damaged_stops_the_start() {
    let stage = Stage::set_up(&["--workers", "1"], json!({})).await;
    let data = stage.product.data().to_owned();
    stage.product.stop().await.unwrap();
    let kept = stage.folder.path().join("kept");
    copy(&data, &kept);
    let catalog = segment(&data, "catalog");
    let stream = catalog.parent().unwrap().to_owned();
    let empty = |path: &Path| std::fs::write(path, "").unwrap();
    let cut = |path: &Path, bytes: usize| {
        let whole = std::fs::read(path).unwrap();
        std::fs::write(path, &whole[..bytes]).unwrap();
    };
    let harms: [(&str, &dyn Fn()); 8] = [
        ("emptied", &|| empty(&catalog)),
        ("cut to its header", &|| cut(&catalog, 64)),
        ("cut in its last record", &|| {
            cut(&catalog, std::fs::read(&catalog).unwrap().len() - 1);
        }),
        ("damaged in its header", &|| flip(&catalog, 20)),
        ("damaged in its last record", &|| {
            flip(&catalog, std::fs::read(&catalog).unwrap().len() - 1);
        }),
        ("removed", &|| std::fs::remove_file(&catalog).unwrap()),
        ("removed with its folder", &|| std::fs::remove_dir_all(&stream).unwrap()),
        ("gone with the whole journal", &|| {
            std::fs::remove_dir_all(data.join("journal")).unwrap();
            std::fs::create_dir(data.join("journal")).unwrap();
        }),
    ];
    for (what, harm) in harms {
        restore(&kept, &data);
        harm();
        let (status, said) = serve(&data).await;
        assert_eq!((status, said.contains("repair --give-up")), (Some(1), true), "{what}: {said}");
        assert!(!said.contains("\"ready\":true"), "{what}: {said}");
        for look in ["verify", "repair"] {
            let (status, said) = afterclick(&[look], &data).await;
            assert_eq!(status, Some(1), "{what}, {look}: {said}");
        }
    }
    restore(&kept, &data);
    let again = launch(&stage.folder).arguments(&["--workers", "1"]).start().await.unwrap();
    assert!(again.read("/api/v1/merchants").await.unwrap().to_string().contains("shop.test"));
    again.stop().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_nobody_writes_any_more_is_missed_too() {
    let stage = Stage::set_up(&["--workers", "2"], json!({})).await;
    for _ in 0..20 {
        stage.click(&[]).await;
    }
    let data = stage.product.data().to_owned();
    stage.product.stop().await.unwrap();
    let journal = data.join("journal");
    let name = |worker: &str| {
        let node = std::fs::read_to_string(data.join("node")).unwrap();
        journal.join(format!("edge-{}-{worker}", node.trim()))
    };
    // Whichever worker took the clicks, its stream is lost while another number of workers runs.
    for worker in ["0", "1"] {
        std::fs::remove_dir_all(name(worker)).unwrap();
    }
    let (status, said) = serve(&data).await;
    assert_eq!((status, said.contains("edge-")), (Some(1), true), "{said}");
}

#[tokio::test]
async fn keys_that_are_missing_beside_a_journal_stop_the_start() {
    let stage = Stage::set_up(&["--workers", "1"], json!({})).await;
    let data = stage.product.data().to_owned();
    stage.product.stop().await.unwrap();
    let keys = data.join("keys.json");
    let kept = std::fs::read(&keys).unwrap();
    std::fs::remove_file(&keys).unwrap();
    let (status, said) = serve(&data).await;
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("keys.json") && said.contains("repair --new-keys"), "{said}");
    assert!(!keys.exists(), "no keys are made unasked");
    let (status, said) = afterclick(&["repair", "--new-keys"], &data).await;
    assert_eq!((status, said.contains("new keys")), (Some(0), true), "{said}");
    assert_ne!(std::fs::read(&keys).unwrap(), kept);
    let (status, said) = afterclick(&["repair", "--new-keys"], &data).await;
    assert_eq!(status, Some(1), "keys that are there are kept: {said}");
    launch(&stage.folder).start().await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn a_token_made_before_the_first_start_does_not_stop_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (status, said) = afterclick(&["token", "create", "--role", "admin"], &data).await;
    assert_eq!((status, said.starts_with("ac_")), (Some(0), true), "{said}");
    launch(&folder).start().await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn removing_the_lock_file_lets_no_second_server_in() {
    let stage = Stage::set_up(&["--workers", "1"], json!({})).await;
    let data = stage.product.data().to_owned();
    for kind in ["edge", "facts", "catalog"] {
        let lock = segment(&data, kind).with_file_name("lock");
        std::fs::remove_file(&lock).unwrap();
        std::fs::write(&lock, "").unwrap();
    }
    let (status, said) = serve(&data).await;
    assert_eq!((status, said.contains("in use by another writer")), (Some(1), true), "{said}");
}
