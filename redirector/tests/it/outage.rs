//! Redis hangs, dies or loses its data. Followers and shops notice nothing, and afterwards nothing
//! is missing.

use std::time::{Duration, Instant};

use harness::{Certificates, Redis, SlowWire};
use hyper::Method;
use serde_json::json;

use crate::support::{Stage, launch, until, woo_order};

/// Who waited for Redis would wait a second, until its connection gives up.
const PROMPT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn webhooks_are_answered_promptly_while_redis_hangs_or_is_dead() {
    let mut redis = Redis::start(&[]).unwrap();
    let stage = Stage::set_up(&["--state", &redis.url()], json!({})).await;
    let token = stage.token().await;
    // Delivers three orders, and says how long the slowest took.
    let deliver = async |ids: [u64; 3]| {
        let mut slowest = Duration::ZERO;
        for id in ids {
            let begun = Instant::now();
            let answer =
                stage.webhook("order.updated", &woo_order(id, json!({}), &[("_ac", &token)])).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_eq!(stage.click(&[]).await.status, 302);
            slowest = slowest.max(begun.elapsed());
        }
        slowest
    };
    let calm = deliver([1, 2, 3]).await;
    assert_eq!(stage.commission("1").await, 270);
    redis.hang().unwrap();
    let hanging = deliver([4, 5, 6]).await;
    redis.go_on().unwrap();
    redis.kill().unwrap();
    let dead = deliver([7, 8, 9]).await;
    // A busy machine is slow while Redis is well, too.
    let is_prompt = |took: Duration| took < PROMPT || took < 5 * calm;
    assert!(is_prompt(hanging) && is_prompt(dead), "{calm:?} {hanging:?} {dead:?}");
    redis.start_again().unwrap();
    for id in ["1", "4", "5", "6", "7", "8", "9"] {
        assert_eq!(
            stage.commission(id).await,
            270,
            "{id}: Redis came back empty, the journal did not"
        );
    }
}

#[tokio::test]
async fn figures_say_why_there_are_none_while_redis_is_dead() {
    let mut redis = Redis::start(&[]).unwrap();
    let stage = Stage::set_up(&["--state", &redis.url()], json!({})).await;
    assert_eq!(stage.click(&[]).await.status, 302);
    stage.figures().await;
    redis.kill().unwrap();
    let order = format!("/api/v1/orders/{}/1", stage.merchant);
    for path in ["/api/v1/stats", "/api/v1/unparsed", &order] {
        let answer = stage.product.ask(Method::GET, path, "application/json", "").await.unwrap();
        let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{path}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("the hot state cannot be read: "), "{path}: {detail}");
    }
    redis.start_again().unwrap();
    // A dead server is asked again after half a second, and came back empty.
    let asked = || stage.product.ask(Method::GET, "/api/v1/stats", "application/json", "");
    let is_there = async || {
        let answer = asked().await.unwrap();
        answer.status == 200 && answer.body.contains(r#""raw":1"#)
    };
    until("the click is counted again", is_there).await;
}

#[tokio::test]
async fn health_and_changes_do_not_wait_for_a_redis_that_is_slow() {
    let redis = Redis::start(&[]).unwrap();
    let wire = SlowWire::to(redis.port()).unwrap();
    let url = format!("redis://127.0.0.1:{}", wire.port());
    let stage = std::sync::Arc::new(Stage::set_up(&["--state", &url], json!({})).await);
    assert_eq!(stage.click(&[]).await.status, 302);
    wire.delay(Duration::from_millis(200));
    // A report reads 64 buckets, one after the other.
    let reports: Vec<_> = (0..24)
        .map(|_| {
            let stage = std::sync::Arc::clone(&stage);
            tokio::spawn(async move {
                let path = "/api/v1/stats";
                stage.product.ask(Method::GET, path, "application/json", "").await
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    for number in 0..5 {
        let begun = Instant::now();
        let ready = harness::http::send(stage.product.admin, Method::GET, "/readyz", &[], "")
            .await
            .unwrap();
        assert_eq!(ready.status, 200, "{}", ready.body);
        let healthy = begun.elapsed();
        stage.product.create("influencers", &json!({ "name": number.to_string() })).await.unwrap();
        let changed = begun.elapsed();
        assert!(healthy < 4 * PROMPT && changed < 8 * PROMPT, "{healthy:?}, {changed:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    wire.delay(Duration::ZERO);
    let mut refused = 0;
    for report in reports {
        let Ok(answer) = report.await.unwrap() else { continue };
        refused += u32::from(answer.status == 503 && answer.header("retry-after") == "5");
    }
    assert!(refused >= 8, "{refused} of 24 reports were refused: 16 may be under way");
    assert!(stage.figures().await["clicks"]["raw"].is_number(), "it goes on when Redis does");
}

/// The rights that docs/run/operate.md names.
const RIGHTS: &str = "+get +set +hget +hset +hsetnx +hdel +hlen +hkeys +hmget +hgetall +sadd +smembers \
    +zadd +zrem +zrange +type +unlink +multi +exec +info +ping +cluster|slots";

#[tokio::test]
async fn a_user_with_few_rights_is_enough() {
    let redis = Redis::start(&[]).unwrap();
    let rights: Vec<&str> = RIGHTS.split_whitespace().collect();
    let user = [&["acl", "setuser", "ac", "on", ">secret", "~ac:*"][..], &rights].concat();
    redis.cli(&user).unwrap();
    redis.cli(&["acl", "setuser", "default", "off"]).unwrap();
    let url = format!("redis://ac:secret@127.0.0.1:{}", redis.port());
    works_on(launch_on(&url)).await;
}

#[tokio::test]
async fn redis_works_over_tls() {
    let certificates = Certificates::make().unwrap();
    let redis = Redis::start_tls(&certificates).unwrap();
    let authority = certificates.authority();
    let (folder, launch) = launch_on(&format!("rediss://localhost:{}", redis.port()));
    works_on((folder, launch.environment("SSL_CERT_FILE", authority.to_str().unwrap()))).await;
}

fn launch_on(url: &str) -> (tempfile::TempDir, harness::Launch) {
    let folder = tempfile::tempdir().unwrap();
    let launch = launch(&folder).arguments(&["--state", url]);
    (folder, launch)
}

/// Checks clicks, orders, unparsed deliveries, a restart and a replay.
async fn works_on((folder, launch): (tempfile::TempDir, harness::Launch)) {
    let stage = Stage::set_on(folder, launch.clone(), json!({})).await;
    let token = stage.token().await;
    stage.webhook("order.updated", &woo_order(1, json!({}), &[("_ac", &token)])).await;
    stage.webhook("order.updated", "[]").await;
    assert_eq!(stage.commission("1").await, 270);
    assert_eq!(stage.figures().await["clicks"]["raw"], 1);
    let unparsed = stage.product.read("/api/v1/unparsed").await.unwrap();
    assert_eq!(unparsed["count"], 1, "{unparsed}");
    let Stage { product, folder, merchant, .. } = stage;
    product.stop().await.unwrap();
    let again = launch.start().await.unwrap();
    let order = again.read(&format!("/api/v1/orders/{merchant}/1")).await.unwrap();
    assert_eq!(order["commission"][0]["amount"], "2.70");
    again.stop().await.unwrap();
    drop(folder);
}

#[tokio::test]
async fn a_server_that_would_lose_windows_is_refused_and_one_that_is_away_is_waited_for() {
    let evicting =
        Redis::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]).unwrap();
    let (_folder, launch) = launch_on(&evicting.url());
    let error = format!("{:#}", launch.start().await.err().unwrap());
    assert!(error.contains("maxmemory_policy is allkeys-lru"), "{error}");

    let mut redis = Redis::start(&[]).unwrap();
    redis.kill().unwrap();
    let (folder, launch) = launch_on(&redis.url());
    let stage = Stage::set_on(folder, launch, json!({})).await;
    let token = stage.token().await;
    let answer = stage.webhook("order.updated", &woo_order(1, json!({}), &[("_ac", &token)])).await;
    assert_eq!(answer.status, 200, "redirects and webhooks need no Redis");
    redis.start_again().unwrap();
    assert_eq!(stage.commission("1").await, 270);
}
