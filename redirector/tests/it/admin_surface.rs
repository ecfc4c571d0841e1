//! The admin listener as those meet it who ask it: what its figures promise, and who gets an
//! answer.

use harness::{Answer, http};
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Stage, until, woo_order};

/// Returns whether the figures say that they are up to date, and the orders in them.
async fn orders(stage: &Stage) -> (bool, u64) {
    let stats = stage.product.read("/api/v1/stats?by=campaign").await.unwrap();
    let orders = stats["rows"].as_array().unwrap().iter().filter_map(|row| row["orders"].as_u64());
    (stats["up_to_date"] == json!(true), orders.sum())
}

#[tokio::test]
async fn figures_that_are_up_to_date_have_every_order_that_was_acknowledged() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    for acknowledged in 1..=60 {
        let body = woo_order(1000 + acknowledged, json!({}), &[("_ac", &token)]);
        assert_eq!(stage.webhook("order.updated", &body).await.status, 200);
        let (up_to_date, counted) = orders(&stage).await;
        assert!(
            !up_to_date || counted == acknowledged,
            "{counted} of {acknowledged} orders, and they say that they are up to date"
        );
        let path = format!("/api/v1/orders/{}/{}", stage.merchant, 1000 + acknowledged);
        let order: Option<Value> = stage.product.read(&path).await.ok();
        assert!(order.is_none_or(|order| order["order"]["goods"] == "18.00"));
    }
    until("the figures are up to date", async || orders(&stage).await == (true, 60)).await;
}

async fn ask(stage: &Stage, path: &str, host: &str, token: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("host", host), ("authorization", authorization.as_str())];
    http::send(stage.product.admin, Method::GET, path, &headers, "").await.unwrap()
}

#[tokio::test]
async fn only_our_own_hosts_are_answered() {
    let hosts = ["--admin-hosts", "Admin.agency.example, other.example"];
    let stage = Stage::set_up(&hosts, json!({})).await;
    let (port, token) = (stage.product.admin.port(), stage.product.token.clone());
    for host in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST:8081",
        "console.localhost",
        "[::1]",
        "admin.agency.example",
        "other.example:443",
        &format!("127.0.0.1:{port}"),
    ] {
        for path in ["/", "/metrics", "/api/v1/links"] {
            let answer = ask(&stage, path, host, &token).await;
            assert_eq!(answer.status, 200, "{host}{path}: {}", answer.body);
        }
    }
    for host in [
        "rebound.evil.example",
        "evil.admin.agency.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.0.2.1",
        "",
    ] {
        for path in ["/", "/metrics", "/api/v1/links", "/nowhere"] {
            let answer = ask(&stage, path, host, &token).await;
            assert_eq!(answer.status, 421, "{host}{path}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert!(answer.body.contains("admin_hosts"), "{}", answer.body);
        }
        // A load balancer asks by whatever address it has.
        for path in ["/healthz", "/readyz"] {
            assert_eq!(ask(&stage, path, host, &token).await.status, 200, "{host}{path}");
        }
    }
    // The target of a proxy's request counts too.
    let foreign = "http://rebound.evil.example/api/v1/links";
    assert_eq!(ask(&stage, foreign, "localhost", &token).await.status, 421);
    assert!(stage.metric("afterclick_admin_foreign_hosts_total").await >= 25);
}

#[tokio::test]
async fn wrong_tokens_are_slowed_and_counted_and_the_right_one_still_counts() {
    let stage = Stage::set().await;
    let (admin, token) = (stage.product.admin, stage.product.token.clone());
    let mut guesses = tokio::task::JoinSet::new();
    for number in 0..300 {
        guesses.spawn(async move {
            let authorization = format!("Bearer guess-{number}");
            let headers = [("authorization", authorization.as_str())];
            http::send(admin, Method::GET, "/api/v1/links", &headers, "").await.unwrap()
        });
    }
    let answers = guesses.join_all().await;
    let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!(with(401) + with(429), 300, "nothing else is said");
    assert!(with(401) >= 20 && with(429) >= 100, "{} and {}", with(401), with(429));
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert!(!refused.header("retry-after").is_empty());
    let counted = stage.metric("afterclick_admin_wrong_tokens_total").await;
    assert_eq!(counted, u64::try_from(with(401)).unwrap(), "429 says nothing about a token");
    assert_eq!(
        stage.metric("afterclick_admin_refused_requests_total").await,
        u64::try_from(with(429)).unwrap()
    );
    // From the same address, at once.
    let answer = ask(&stage, "/api/v1/links", "localhost", &token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    // Somebody without a token guesses nothing, and is not slowed.
    for _ in 0..50 {
        let answer = http::send(admin, Method::GET, "/api/v1/links", &[], "").await.unwrap();
        assert_eq!(answer.status, 401);
    }
    assert_eq!(stage.metric("afterclick_admin_wrong_tokens_total").await, counted);
    let log = std::fs::read_to_string(stage.product.data().join("afterclick.log")).unwrap();
    assert_eq!(log.matches("wrong access token").count(), 1, "{log}");
    assert!(!log.contains("guess-"), "a wrong token may be nearly a right one: {log}");
}
