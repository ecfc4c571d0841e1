//! Paths behind a slug: where they lead, and where they must not.

use hyper::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Stage, token_of};

/// Sends a path as it stands, byte by byte, and returns the answer's head.
async fn raw(stage: &Stage, path: &str) -> String {
    let mut stream = TcpStream::connect(stage.product.public).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: go.shop.test\r\nUser-Agent: Mozilla/5.0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_path_behind_the_slug_goes_on_with_the_destinations() {
    let rule =
        json!({ "if": { "language": "es" }, "destination": "https://shop.test/es?color=red" });
    let stage = Stage::set_with(json!({ "deep_links": true, "rules": [rule] })).await;
    let answer = stage.visit(Method::GET, "/anna/shoes/42?utm_source=ig&s=1", &[]).await;
    let token = token_of(&answer);
    assert_eq!(
        answer.header("location"),
        format!("https://shop.test/product/shoes/42?ac={token}&color=red&utm_source=ig#reviews")
    );
    let spanish = [("accept-language", "es")];
    let answer = stage.visit(Method::GET, "/anna/zapatos", &spanish).await;
    assert!(answer.header("location").starts_with("https://shop.test/es/zapatos?ac="));
    let answer = stage.visit(Method::GET, "/anna/", &[]).await;
    assert!(answer.header("location").starts_with("https://shop.test/product?ac="));
    assert_eq!(stage.figures().await["clicks"]["billable"], 3);
}

#[tokio::test]
async fn what_climbs_out_or_is_not_allowed_is_unknown_and_no_click() {
    let stage = Stage::set_with(json!({ "deep_links": true })).await;
    let plain = json!({
        "campaign": stage.campaign, "influencer": stage.influencer, "slug": "ben",
        "destination": "https://shop.test/",
    });
    stage.product.create("links", &plain).await.unwrap();
    for path in [
        "/ben/shoes",
        "/nobody/shoes",
        "/anna/../x",
        "/anna/%2e%2e/x",
        "/anna/..%2fx",
        "/anna/%252e%252e/x",
        "/anna/a/..;/x",
        "/anna//evil.test/",
        "/anna/a//b",
        "/anna/%5cevil.test",
        "/anna/a%0d%0aX:y",
        "/anna/a%3fac=forged",
        "/anna/a%23x",
    ] {
        let answer = raw(&stage, path).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    assert!(stage.figures().await.is_null(), "nothing was recorded");
    let go = "https://go.shop.test/page";
    let link = json!({
        "campaign": stage.campaign, "influencer": stage.influencer, "destination": go,
        "deep_links": true,
    });
    let refused = stage.product.create("links", &link).await.unwrap_err().to_string();
    assert!(refused.contains("deep_links") && refused.contains("go.shop.test"), "{refused}");
}
