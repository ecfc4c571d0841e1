//! Start, restart, replay, failure and end.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use harness::{Launch, http};
use hyper::Method;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::sleep;

use crate::support::{PATIENCE, Stage, launch, until, woo_order};

async fn afterclick(arguments: &[&str]) -> (Option<i32>, String) {
    let program = harness::default_bin_dir().unwrap().join("afterclick");
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().await.unwrap();
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code(), text.concat())
}

#[tokio::test]
async fn everything_is_there_again_after_a_restart() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    stage.webhook("order.updated", &woo_order(727, json!({}), &[("_ac", &token)])).await;
    let Stage { product, merchant, folder, link, .. } = stage;
    product.stop().await.unwrap();
    let again = launch(&folder).start().await.unwrap();
    let order = again.read(&format!("/api/v1/orders/{merchant}/727")).await.unwrap();
    assert_eq!(order["commission"][0]["amount"], "2.70");
    let stats = again.read("/api/v1/stats?by=link").await.unwrap();
    assert_eq!(
        (&stats["rows"][0]["link"], &stats["rows"][0]["clicks"]["raw"]),
        (&json!(link), &json!(1))
    );
    again.stop().await.unwrap();
}

#[tokio::test]
async fn a_wiped_hot_state_is_rebuilt_from_the_journal_to_the_same_figures() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    stage.click(&[("cookie", &format!("ac={token}"))]).await;
    for status in ["processing", "cancelled", "completed"] {
        stage
            .webhook(
                "order.updated",
                &woo_order(727, json!({ "status": status }), &[("_ac", &token)]),
            )
            .await;
    }
    stage.figures().await;
    let paths = [
        "/api/v1/stats?by=day",
        "/api/v1/stats?by=link",
        &format!("/api/v1/orders/{}/727", stage.merchant),
    ];
    let mut before = Vec::new();
    for path in paths {
        before.push(stage.product.read(path).await.unwrap());
    }
    let data = stage.product.data().display().to_string();
    let refused = afterclick(&["replay", "--data", &data]).await;
    assert_eq!(refused.0, Some(1), "a running server's state is not wiped: {}", refused.1);
    stage.product.stop().await.unwrap();
    let (status, said) = afterclick(&["replay", "--data", &data]).await;
    assert_eq!((status, said.contains("records replayed")), (Some(0), true), "{said}");
    let again = launch(&stage.folder).start().await.unwrap();
    for (path, before) in paths.iter().zip(before) {
        let mut after = again.read(path).await.unwrap();
        after["up_to_date"] = json!(true);
        assert_eq!(after, before, "{path}");
    }
}

#[tokio::test]
async fn an_emptied_redis_is_filled_again_from_the_journal() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut redis = Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let stage = Stage::set().await;
    let token = stage.token().await;
    stage.webhook("order.updated", &woo_order(727, json!({}), &[("_ac", &token)])).await;
    let (merchant, folder) = (stage.merchant.clone(), stage.folder);
    stage.product.stop().await.unwrap();
    let product = launch(&folder)
        .arguments(&["--state", &format!("redis://127.0.0.1:{port}")])
        .start()
        .await
        .unwrap();
    let order = format!("/api/v1/orders/{merchant}/727");
    let commission = async || {
        until("the order is projected", async || product.read(&order).await.is_ok()).await;
        product.read(&order).await.unwrap()["commission"][0]["amount"].clone()
    };
    assert_eq!(commission().await, "2.70");
    let flushed = Command::new("redis-cli")
        .args(["-p", &port.to_string(), "flushall"])
        .output()
        .await
        .unwrap();
    assert!(flushed.status.success());
    assert_eq!(commission().await, "2.70", "filled again");
    product.stop().await.unwrap();
    redis.kill().await.unwrap();
}

#[tokio::test]
async fn damage_is_found_and_exits_with_1() {
    let stage = Stage::set().await;
    stage.click(&[]).await;
    let data = stage.product.data().to_owned();
    stage.product.stop().await.unwrap();
    let shown = data.display().to_string();
    let (status, said) = afterclick(&["verify", "--data", &shown]).await;
    assert_eq!((status, said.contains("all whole")), (Some(0), true), "{said}");
    let segment = crate::support::segment(&data, "catalog");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let (status, said) = afterclick(&["verify", "--data", &shown]).await;
    assert_eq!((status, said.contains("DAMAGED")), (Some(1), true), "{said}");
}

#[tokio::test]
async fn a_folder_without_a_journal_is_a_mistake_and_not_an_empty_journal() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere").display().to_string();
    let here = folder.path().display().to_string();
    for command in [&["verify"][..], &["replay"], &["repair"], &["token", "list"]] {
        for place in [&nowhere, &here] {
            let (status, said) = afterclick(&[command, &["--data", place]].concat()).await;
            let named = said.contains("there is no journal") && said.contains(place.as_str());
            assert_eq!((status, named), (Some(1), true), "{command:?} {said}");
        }
    }
    assert!(!Path::new(&nowhere).exists(), "looking makes nothing");
}

#[tokio::test]
async fn a_misspelt_variable_is_a_mistake_in_the_configuration() {
    let program = harness::default_bin_dir().unwrap().join("afterclick");
    let output = Command::new(program)
        .args(["serve", "--data", "/nowhere"])
        .env("AFTERCLICK_LISTEN_TSL", "[::]:443")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.contains("AFTERCLICK_LISTEN_TSL")), (Some(64), true));
}

#[tokio::test]
async fn wrong_usage_exits_with_2_and_an_invalid_configuration_with_64_and_every_mistake() {
    assert_eq!(afterclick(&["serve", "--no-such-flag"]).await.0, Some(2));
    assert_eq!(afterclick(&[]).await.0, Some(2));
    assert_eq!(afterclick(&["--version"]).await.0, Some(0));
    let (status, said) =
        afterclick(&["serve", "--listen", "here", "--workers", "no", "--state", "ram"]).await;
    assert_eq!(status, Some(64));
    assert!(["listen", "workers", "state"].iter().all(|setting| said.contains(setting)), "{said}");
}

#[tokio::test]
async fn two_servers_do_not_share_a_journal() {
    let stage = Stage::set().await;
    let error = format!("{:#}", launch(&stage.folder).start().await.err().unwrap());
    assert!(error.contains("in use by another writer"), "{error}");
}

#[tokio::test]
async fn a_server_told_to_stop_as_soon_as_it_is_ready_still_drains() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..20 {
        let product = launch(&folder).start().await.unwrap();
        product.stop().await.unwrap();
    }
}

#[tokio::test]
async fn requests_under_way_are_answered_before_the_end() {
    let stage = Stage::set().await;
    let mut connection = http::Connection::open(stage.product.public).await.unwrap();
    let headers = [("host", "go.shop.test")];
    assert_eq!(connection.send(Method::GET, "/anna", &headers, "").await.unwrap().status, 302);
    // An idle connection must not hold the end up: the server would wait ten seconds for it.
    let before = std::time::Instant::now();
    stage.product.stop().await.unwrap();
    assert!(before.elapsed().as_secs() < 10);
}

#[tokio::test]
async fn a_slow_request_is_cut_off_and_a_large_head_refused() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stage = Stage::set().await;
    let mut large = TcpStream::connect(stage.product.public).await.unwrap();
    let head = format!(
        "GET /anna HTTP/1.1\r\nhost: go.shop.test\r\ncookie: {}\r\n\r\n",
        "x".repeat(40_000)
    );
    // The server may close the connection before it has read everything.
    _ = large.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    _ = large.read_to_end(&mut answer).await;
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let mut slow = TcpStream::connect(stage.product.public).await.unwrap();
    slow.write_all(b"GET /anna HTTP/1.1\r\nhost: go").await.unwrap();
    // A byte now and then does not extend the deadline, neither before a first answer nor after
    // one.
    let (mut reading, mut writing) = slow.into_split();
    let trickle = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(2)).await;
        }
    });
    let mut busy = TcpStream::connect(stage.product.public).await.unwrap();
    busy.write_all(b"GET /anna HTTP/1.1\r\nhost: go.shop.test\r\n\r\nGET /an").await.unwrap();
    let closed = tokio::time::timeout(PATIENCE, reading.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "the time-out for heads must fire");
    trickle.abort();
    answer.clear();
    let closed = tokio::time::timeout(PATIENCE, busy.read_to_end(&mut answer)).await;
    assert!(
        closed.is_ok() && answer.starts_with(b"HTTP/1.1 302"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

/// Needs a build with the feature `faults`, as `scripts/test` makes it.
#[tokio::test]
async fn clicks_can_wait_for_the_disk_and_a_failing_disk_is_reported() {
    let stage = Stage::set().await;
    let (link, folder) = (stage.link.clone(), stage.folder);
    stage.product.stop().await.unwrap();
    let headers = [("host", "go.shop.test"), ("user-agent", crate::support::BROWSER)];
    let product = launch(&folder).arguments(&["--clicks", "disk"]).start().await.unwrap();
    for _ in 0..5 {
        assert_eq!(
            http::send(product.public, Method::GET, "/anna", &headers, "").await.unwrap().status,
            302
        );
    }
    // A kill is no power cut. So this test shows that recording works this way, not that the disk
    // kept what it confirmed.
    product.kill().await.unwrap();
    let faulty = launch(&folder)
        .arguments(&["--clicks", "disk"])
        .environment("AFTERCLICK_FAULT", "fail-sync:0");
    let product = faulty.start().await.unwrap();
    let stats = product.read("/api/v1/stats?by=link").await.unwrap();
    assert!(stats["rows"].as_array().is_some(), "{stats}");
    let answer = http::send(product.public, Method::GET, "/anna", &headers, "").await.unwrap();
    assert_eq!(
        (answer.status, answer.header("location").contains("ac=")),
        (302, true),
        "redirects go on"
    );
    let ready = http::send(product.admin, Method::GET, "/readyz", &[], "").await.unwrap();
    assert_eq!(ready.status, 503, "planted with `--features redirector/faults`? {}", ready.body);
    product.kill().await.unwrap();
    let sound = launch(&folder).start().await.unwrap();
    until("the five clicks before the kill are there", async || {
        clicks_of(&sound, &link).await["raw"].as_u64() >= Some(5)
    })
    .await;
}

/// Needs a build with the feature `faults`, as `scripts/test` makes it.
#[tokio::test]
async fn when_the_journal_fails_redirects_go_on_and_recording_is_refused() {
    let stage = Stage::set().await;
    stage.product.stop().await.unwrap();
    let data = stage.folder.path().join("data");
    let launch = Launch::new(harness::default_bin_dir().unwrap(), data)
        .environment("AFTERCLICK_FAULT", "fail-write:1");
    let product = launch.start().await.unwrap();
    let headers = [("host", "go.shop.test"), ("user-agent", crate::support::BROWSER)];
    for _ in 0..20 {
        let answer = http::send(product.public, Method::GET, "/anna", &headers, "").await.unwrap();
        assert_eq!(answer.status, 302);
        assert!(answer.header("location").contains("ac="), "the token still earns");
    }
    let ready = http::send(product.admin, Method::GET, "/readyz", &[], "").await.unwrap();
    assert_eq!(ready.status, 503, "planted with `--features redirector/faults`? {}", ready.body);
    assert!(ready.body.contains("cannot record"), "{}", ready.body);
    let session = json!({ "v": 1, "k": stage.key, "t": "", "e": [
        { "id": "0193a0c4-8f9e-7d3a-9b1c-2f4e6a8c0d1e", "n": "purchase", "ts": 1, "o": { "id": "1" } },
    ]});
    let page = [("origin", "https://shop.test")];
    let mut refused = None;
    for _ in 0..3 {
        refused = Some(
            http::send(product.public, Method::POST, "/_ac/e", &page, session.to_string())
                .await
                .unwrap(),
        );
    }
    let refused = refused.unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"));
    assert_eq!(
        refused.header("access-control-expose-headers"),
        "retry-after",
        "the pixel reads it"
    );
}

#[tokio::test]
async fn an_unfinished_request_to_the_admin_listener_does_not_delay_the_end() {
    use tokio::io::AsyncWriteExt;
    let stage = Stage::set().await;
    let mut unfinished = TcpStream::connect(stage.product.admin).await.unwrap();
    unfinished.write_all(b"GET /healthz HT").await.unwrap();
    let mut body = TcpStream::connect(stage.product.admin).await.unwrap();
    body.write_all(b"POST /api/v1/links HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
        .await
        .unwrap();
    stage.product.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_target_that_is_not_a_path_is_answered() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stage = Stage::set().await;
    for target in ["x:80", "*", "http://go.shop.test", "//", "/%00", "/\u{e4}"] {
        let mut stream = TcpStream::connect(stage.product.public).await.unwrap();
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: go.shop.test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(b"HTTP/1.1 4"),
            "{target}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
}

#[tokio::test]
async fn a_taken_address_is_not_shared_with_another_process() {
    let stage = Stage::set().await;
    let folder = tempfile::tempdir().unwrap();
    let taken = stage.product.public.to_string();
    let data = folder.path().display().to_string();
    let arguments = ["serve", "--data", &data, "--admin", "127.0.0.1:0", "--listen", &taken];
    let (status, said) = afterclick(&arguments).await;
    assert_eq!((status, said.contains("cannot listen")), (Some(1), true), "{said}");
}

/// Does what a power cut does at worst to clicks that were not yet on disk: the ends of their
/// streams are gone. That they were on disk, as a clean stop writes it down, is forgotten.
fn cut_the_power(folder: &tempfile::TempDir) {
    std::fs::remove_file(folder.path().join("data/_streams")).unwrap();
    std::fs::remove_dir_all(folder.path().join("data/journal/_marks")).unwrap();
    for entry in std::fs::read_dir(folder.path().join("data/journal")).unwrap() {
        let stream = entry.unwrap();
        if stream.file_name().to_string_lossy().starts_with("edge-") {
            let segment = stream.path().join("00000000000000000001.seg");
            std::fs::OpenOptions::new().write(true).open(segment).unwrap().set_len(64).unwrap();
        }
    }
}

#[tokio::test]
async fn a_state_that_saw_more_than_the_journal_kept_is_rebuilt() {
    let stage = Stage::set().await;
    for _ in 0..3 {
        stage.click(&[]).await;
    }
    stage.figures().await;
    let (link, folder) = (stage.link.clone(), stage.folder);
    stage.product.stop().await.unwrap();
    cut_the_power(&folder);
    let product = launch(&folder).start().await.unwrap();
    let headers = [("host", "go.shop.test"), ("user-agent", crate::support::BROWSER)];
    for _ in 0..5 {
        assert_eq!(
            http::send(product.public, Method::GET, "/anna", &headers, "").await.unwrap().status,
            302
        );
    }
    until("the five clicks after the power cut are what is counted", async || {
        clicks_of(&product, &link).await["raw"] == 5
    })
    .await;
}

/// A link's clicks by class.
async fn clicks_of(product: &harness::Product, link: &str) -> serde_json::Value {
    let stats = product.read("/api/v1/stats?by=link").await.unwrap();
    let rows = stats["rows"].as_array().unwrap();
    rows.iter().find(|row| row["link"] == link).map(|row| row["clicks"].clone()).unwrap_or_default()
}

/// Clicks a number of times, waits until all is counted, and returns the link's clicks by class.
async fn click_and_count(
    product: &harness::Product,
    agent: &str,
    times: usize,
    link: &str,
) -> serde_json::Value {
    let headers = [("host", "go.shop.test"), ("user-agent", agent)];
    for _ in 0..times {
        assert_eq!(
            http::send(product.public, Method::GET, "/anna", &headers, "").await.unwrap().status,
            302
        );
    }
    // This is longer than the projector sleeps: when it is up to date afterwards, it has seen these
    // clicks.
    sleep(Duration::from_millis(500)).await;
    until("the figures are up to date", async || {
        product.read("/api/v1/stats?by=link").await.unwrap()["up_to_date"] == true
    })
    .await;
    clicks_of(product, link).await
}

#[tokio::test]
async fn a_state_that_saw_other_records_under_the_same_numbers_is_rebuilt() {
    let stage = Stage::set().await;
    let (link, folder) = (stage.link.clone(), stage.folder);
    stage.product.stop().await.unwrap();
    let one_worker = launch(&folder).arguments(&["--workers", "1"]);
    let (state, kept) = (folder.path().join("data/state"), folder.path().join("kept"));

    let product = one_worker.start().await.unwrap();
    assert_eq!(click_and_count(&product, crate::support::BROWSER, 3, &link).await["billable"], 3);
    product.stop().await.unwrap();
    std::fs::rename(&state, &kept).unwrap();

    // Five other clicks get the numbers of the three, while the state is moved away.
    cut_the_power(&folder);
    let product = one_worker.start().await.unwrap();
    assert_eq!(click_and_count(&product, "curl/8", 5, &link).await["bot"], 5);
    product.stop().await.unwrap();
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::rename(&kept, &state).unwrap();

    let product = one_worker.start().await.unwrap();
    let clicks = click_and_count(&product, "curl/8", 0, &link).await;
    assert_eq!((&clicks["billable"], &clicks["bot"]), (&json!(0), &json!(5)), "{clicks}");
}

#[tokio::test]
async fn a_hot_state_that_cannot_be_opened_delays_no_redirect_and_fails_no_reconciliation() {
    let mut stage = Stage::set().await;
    let path = format!("/api/v1/merchants/{}", stage.merchant);
    let shop_api = r#"{"shop_api":{"url":"http://127.0.0.1:9","token":"t","secret":"s"}}"#;
    let changed =
        stage.product.ask(Method::PATCH, &path, "application/json", shop_api).await.unwrap();
    assert_eq!(changed.status, 200, "{}", changed.body);
    stage.product.stop().await.unwrap();
    let state = stage.folder.path().join("data/state");
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::write(&state, "no folder").unwrap();
    stage.product = launch(&stage.folder).start().await.unwrap();
    assert_eq!(stage.click(&[]).await.status, 302);
    until("the hot state is said to fail", async || {
        let ready = http::send(stage.product.admin, Method::GET, "/readyz", &[], "").await.unwrap();
        assert_eq!(ready.status, 200, "{}", ready.body);
        ready.body.contains("hot state: failing")
    })
    .await;
    // Some turns of what looks at shops, which must not fail.
    sleep(Duration::from_secs(1)).await;
    let refused = stage.product.ask(Method::GET, "/api/v1/stats", "", "").await.unwrap();
    assert!(refused.status == 503 && refused.body.contains("not open yet"), "{}", refused.body);
    let metrics =
        http::send(stage.product.admin, Method::GET, "/metrics", &[], "").await.unwrap().body;
    assert!(
        !metrics.contains("afterclick_reconcile_failures_total"),
        "reconciliation waits for it too: {metrics}"
    );
    std::fs::remove_file(&state).unwrap();
    assert_eq!(stage.figures().await["clicks"]["billable"], 1, "taken in once it can be opened");
}

#[tokio::test]
async fn the_doctor_approves_a_good_installation_and_prints_what_a_shop_needs() {
    let stage = Stage::set().await;
    let origin = format!("http://{}", stage.product.public);
    let (status, text) = afterclick(&["doctor", "--url", &origin]).await;
    assert_eq!(status, Some(0), "{text}");
    let policy = format!("script-src {origin} 'wasm-unsafe-eval'; connect-src {origin}");
    for part in [&policy, "integrity=\"sha256-", "/_ac/px.js\" data-key=", ".wasm fits sha256-"] {
        assert!(text.contains(part), "{text} should say {part}");
    }
    let domains = r#"{"domains":["shop.test","127.0.0.1"]}"#;
    let merchant = format!("/api/v1/merchants/{}", stage.merchant);
    stage.product.ask(Method::PATCH, &merchant, "application/json", domains).await.unwrap();
    let (status, text) = afterclick(&["doctor", "--url", &format!("{origin}/anna")]).await;
    assert!(status == Some(0) && text.contains("ok     the link redirects"), "{text}");
    let (status, text) = afterclick(&["doctor", "--url", &format!("{origin}/no-such-link")]).await;
    assert!(status == Some(1) && text.contains("FAILED the link answers 404"), "{text}");
    let (status, text) = afterclick(&["doctor", "--url", "go.shop.example"]).await;
    assert!(status == Some(1) && text.contains("--url"), "{text}");
}

/// A proxy in front of the product that caches, rewrites and drops.
async fn bad_front() -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let asks_for = |path: &str| head[..read].starts_with(format!("GET {path} ").as_bytes());
            let loader =
                r#"load("/_ac/px-1.wasm","sha256-AAAA=");load("/_ac/px-2.js","sha256-BBBB=")"#;
            let (headers, body) = if asks_for("/_ac/px.js") {
                ("content-type: text/javascript\r\ncache-control: max-age=86400", loader)
            } else if asks_for("/_ac/px-2.js") {
                // This file is right, except for its content.
                (
                    "content-type: text/javascript\r\ncache-control: immutable\r\naccess-control-allow-origin: *",
                    "changed",
                )
            } else {
                ("content-type: text/html", "something else")
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\n{headers}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    origin
}

#[tokio::test]
async fn the_doctor_finds_a_proxy_that_changes_answers() {
    let (status, text) = afterclick(&["doctor", "--url", &bad_front().await]).await;
    assert_eq!(status, Some(1), "{text}");
    for part in [
        "FAILED px.js comes with another Cache-Control",
        "FAILED /_ac/px-1.wasm: expected 200, application/wasm, immutable",
        "FAILED /_ac/px-2.js: expected 200, text/javascript, immutable",
        "FAILED POST /_ac/e does not reach the collector",
    ] {
        assert!(text.contains(part), "{text} should say {part}");
    }
    let (status, text) = afterclick(&["doctor", "--url", "http://127.0.0.1:9"]).await;
    assert!(status == Some(1) && text.contains("http://127.0.0.1:9/_ac/px.js"), "{text}");
}

#[tokio::test]
async fn a_connection_above_the_limit_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let program = harness::default_bin_dir().unwrap().join("afterclick");
    let data = folder.path().join("data");
    let start = "ulimit -n 200; exec \"$0\" serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 --workers 1 --data \"$1\"";
    let mut server = Command::new("sh")
        .args(["-c", start])
        .args([&program, &data])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut ready).await.unwrap();
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let address: std::net::SocketAddr = ready["public"].as_str().unwrap().parse().unwrap();
    let ask = async || http::send(address, Method::GET, "/robots.txt", &[], "").await;
    let mut idle = Vec::new();
    for _ in 0..120 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let mut refused = 0;
    for _ in 0..20 {
        match ask().await {
            Ok(answer) => {
                assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
                refused += 1;
            }
            // The server closed the connection before the request was there.
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
    assert!(refused > 0, "no connection was refused");
    idle.clear();
    let is_served = async || ask().await.is_ok_and(|answer| answer.status == 200);
    until("places are free again", is_served).await;
}
