//! `POST /_ac/e`, and the image for pages without scripts.

use harness::Answer;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::Stage;

fn body(stage: &Stage, token: &str, events: Value) -> String {
    json!({ "v": 1, "k": stage.key, "t": token, "c": "granted", "e": events }).to_string()
}

fn event(number: u8, name: &str) -> Value {
    json!({ "id": format!("0193a0c4-8f9e-7d3a-9b1c-2f4e6a8c0d{number:02x}"), "n": name, "ts": 1_763_800_000_000u64 })
}

async fn send(stage: &Stage, body: &str, headers: &[(&str, &str)]) -> Answer {
    stage.events(headers, body).await
}

#[tokio::test]
async fn a_session_counts_once_however_often_it_is_sent() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let session = body(&stage, &token, json!([event(1, "session")]));
    for _ in 0..3 {
        assert_eq!(send(&stage, &session, &[("content-type", "text/plain")]).await.status, 204);
    }
    assert_eq!(stage.figures().await["sessions"], 1);
}

#[tokio::test]
async fn the_cookie_alone_is_enough_and_without_a_click_the_drop_is_counted() {
    let stage = Stage::set().await;
    let cookie = format!("ac={}", stage.token().await);
    let session = body(&stage, "", json!([event(1, "session")]));
    assert_eq!(send(&stage, &session, &[("cookie", &cookie)]).await.status, 204);
    let answer = send(&stage, &session, &[]).await;
    assert_eq!((answer.status, answer.header("x-afterclick-dropped")), (202, "no_click"));
    assert_eq!(answer.header("set-cookie"), "", "the collector never touches the cookie");
}

#[tokio::test]
async fn a_purchase_is_a_claim_that_pays_nothing() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let mut purchase = event(1, "purchase");
    purchase["o"] = json!({ "id": "#1001", "value": "129.90", "currency": "EUR", "key": "k-1", "items": [
        { "sku": "A1", "qty": 1, "price": "129.90" },
    ]});
    assert_eq!(send(&stage, &body(&stage, &token, json!([purchase])), &[]).await.status, 204);
    let order = stage.order("1001").await;
    assert_eq!(order["order"]["confirmed"], false);
    assert_eq!(order["decision"]["method"], "click");
    assert_eq!(order["commission"], json!([]));
}

#[tokio::test]
async fn malformed_bodies_are_refused_with_the_name_of_the_field() {
    let stage = Stage::set().await;
    let mut purchase = event(1, "purchase");
    purchase["o"] = json!({ "id": "undefined", "value": "1", "currency": "EUR" });
    for (body, status, named) in [
        ("{".to_owned(), 400, "body"),
        (body(&stage, "", json!([])), 400, "e: expected"),
        (body(&stage, "", json!([{ "id": "x", "n": "session", "ts": 1 }])), 400, "e[0].id"),
        (body(&stage, "", json!([event(1, "sale")])), 400, "sale"),
        (body(&stage, "", json!([purchase])), 400, "e[0].o.id"),
        (
            body(&stage, "", json!([event(1, "session")])).replace(&stage.key, "nobody"),
            400,
            "k: no merchant",
        ),
        ("x".repeat(70_000), 413, "65536"),
    ] {
        let answer = send(&stage, &body, &[]).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(named), "{} should name {named}", answer.body);
    }
}

#[tokio::test]
async fn shops_may_read_the_answer_with_credentials_sandboxes_without_and_strangers_not() {
    let stage = Stage::set().await;
    let session = body(&stage, &stage.token().await, json!([event(1, "session")]));
    let shop = send(&stage, &session, &[("origin", "https://www.shop.test")]).await;
    assert_eq!(shop.header("access-control-allow-origin"), "https://www.shop.test");
    assert_eq!(shop.header("access-control-allow-credentials"), "true");
    let sandbox = send(&stage, &session, &[("origin", "null")]).await;
    assert_eq!((sandbox.status, sandbox.header("access-control-allow-origin")), (204, "null"));
    assert_eq!(sandbox.header("access-control-allow-credentials"), "");
    let stranger = send(&stage, &session, &[("origin", "https://evil.test")]).await;
    assert_eq!((stranger.status, stranger.header("x-afterclick-dropped")), (202, "foreign_origin"));
    assert_eq!(stranger.header("access-control-allow-origin"), "");
    let preflight =
        stage.visit(Method::OPTIONS, "/_ac/e", &[("origin", "https://shop.test")]).await;
    assert_eq!(
        (preflight.status, preflight.header("access-control-allow-headers")),
        (204, "content-type")
    );
}

#[tokio::test]
async fn a_program_that_names_no_page_is_no_pixel() {
    let stage = Stage::set().await;
    let session = body(&stage, &stage.token().await, json!([event(1, "session")]));
    for (headers, dropped) in [
        (&[][..], "no_origin"),
        (&[("sec-fetch-site", "cross-site")], "no_origin"),
        (&[("sec-fetch-site", "none")], "no_origin"),
        (&[("referer", "https://evil.test/"), ("sec-fetch-site", "same-site")], "foreign_origin"),
        (&[("sec-fetch-site", "same-origin")], ""),
        (&[("sec-fetch-site", "same-site")], ""),
        (&[("referer", "https://www.shop.test/thanks")], ""),
    ] {
        let answer = stage.post("/_ac/e", headers, &session).await;
        let expected = if dropped.is_empty() { 204 } else { 202 };
        let found = (answer.status, answer.header("x-afterclick-dropped"));
        assert_eq!(found, (expected, dropped), "{headers:?}");
    }
}

#[tokio::test]
async fn refused_consent_records_nothing() {
    let stage = Stage::set().await;
    let session = body(&stage, &stage.token().await, json!([event(1, "session")]))
        .replace("granted", "denied");
    let answer = send(&stage, &session, &[]).await;
    assert_eq!((answer.status, answer.header("x-afterclick-dropped")), (202, "consent_denied"));
    assert_eq!(stage.figures().await["sessions"], 0);
}

#[tokio::test]
async fn the_image_records_the_same_as_a_body() {
    let stage = Stage::set().await;
    let (key, token) = (&stage.key, stage.token().await);
    let image = |query: &str| format!("/_ac/e.gif?k={key}&t={token}&{query}");
    let shop = [("referer", "https://shop.test/thanks")];
    let order =
        image("n=purchase&o.id=%231001&o.key=wc_order_1&o.value=129.90&o.currency=EUR&o.tax=20.74");
    for path in [&image("n=session"), &order, &order] {
        let answer = stage.visit(Method::GET, path, &shop).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "image/gif"), "{path}");
        assert_eq!(
            (answer.header("cache-control"), answer.header("set-cookie")),
            ("private, no-cache", "")
        );
    }
    assert_eq!(stage.figures().await["sessions"], 1);
    let order = stage.order("1001").await;
    assert_eq!(order["decision"]["method"], "click");
    assert_eq!(order["facts"].as_array().map(Vec::len), Some(1), "{order}: a reload adds no fact");
    for (query, headers, dropped) in [
        ("n=page", &[("referer", "https://elsewhere.example/")][..], "foreign_origin"),
        ("n=page", &[], "no_origin"),
        ("n=page", &[("sec-fetch-site", "cross-site")], "no_origin"),
        ("n=page", &[("sec-fetch-site", "same-site")], ""),
        ("n=purchase&o.id=1002", &shop, "unproven"),
        ("n=purchase&o.id=1002&o.key=%20", &shop, "unproven"),
        ("n=page&c=denied", &shop, "consent_denied"),
        ("n=page", &[("sec-purpose", "prefetch;prerender")], "prefetch"),
    ] {
        let answer = stage.visit(Method::GET, &image(query), headers).await;
        assert_eq!(
            (answer.status, answer.header("x-afterclick-dropped")),
            (200, dropped),
            "{query}"
        );
    }
    for (query, field) in
        [("n=purchase", "o: "), ("n=sale", "sale"), ("n=page&id=7", "id: "), ("", "`n`")]
    {
        let answer = stage.visit(Method::GET, &image(query), &shop).await;
        assert!(answer.status == 400 && answer.body.contains(field), "{query}: {}", answer.body);
        let said = answer.body.as_str();
        let speaks_of_a_body = ["body", "e[0]", "column"].iter().any(|word| said.contains(word));
        assert!(!speaks_of_a_body, "{query}: {said}");
    }
    assert_eq!(stage.visit(Method::POST, &image("n=page"), &shop).await.status, 405);
}

#[tokio::test]
async fn a_head_request_for_the_image_records_nothing() {
    let stage = Stage::set().await;
    let (key, token) = (&stage.key, stage.token().await);
    let shop = [("referer", "https://shop.test/thanks")];
    for name in ["e.gif", "e.png"] {
        let path = format!("/_ac/{name}?k={key}&t={token}&n=session");
        let answer = stage.visit(Method::HEAD, &path, &shop).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "image/gif"), "{path}");
        assert_eq!((answer.header("content-length"), answer.body.as_str()), ("43", ""), "{path}");
    }
    assert_eq!(stage.figures().await["sessions"], 0);
}

/// Chromium gives up its back/forward cache of a page whose script was answered `no-store`.
#[tokio::test]
async fn no_answer_that_a_pages_script_sees_is_unkept() {
    let stage = Stage::set().await;
    let session = body(&stage, &stage.token().await, json!([event(1, "session")]));
    let shop = [("origin", "https://shop.test")];
    let image = format!("/_ac/e.gif?k={}&n=page", stage.key);
    for (answer, status) in [
        (stage.post("/_ac/e", &shop, &session).await, 204),
        (stage.post("/_ac/e", &[("origin", "https://evil.test")], &session).await, 202),
        (stage.post("/_ac/e", &shop, "{}").await, 400),
        (stage.post("/_ac/e", &shop, &"x".repeat(70_000)).await, 413),
        (stage.visit(Method::OPTIONS, "/_ac/e", &shop).await, 204),
        (stage.visit(Method::PUT, "/_ac/e", &shop).await, 405),
        (stage.visit(Method::GET, &image, &shop).await, 200),
        (stage.visit(Method::GET, "/_ac/e.png", &shop).await, 400),
        (stage.visit(Method::GET, "/_ac/px-0.wasm", &shop).await, 404),
    ] {
        let found = (answer.status, answer.header("cache-control"));
        assert_eq!(found, (status, "private, no-cache"), "{}", answer.body);
    }
    assert_eq!(stage.click(&[]).await.header("cache-control"), "private, no-store");
}

#[tokio::test]
async fn a_purchase_from_the_data_layer_is_marked_as_such() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let mut purchase = event(1, "purchase");
    purchase["o"] = json!({ "id": "1001", "value": "129.90", "currency": "EUR", "source": "ga4" });
    assert_eq!(send(&stage, &body(&stage, &token, json!([purchase])), &[]).await.status, 204);
    let order = stage.order("1001").await;
    assert_eq!(order["facts"][0]["source"], "data_layer", "{order}");
}

#[tokio::test]
async fn the_image_in_the_guide_works() {
    let stage = Stage::set().await;
    let guide = include_str!("../../../docs/shops/pixel.md");
    let (_, address) = guide
        .split_once("src=\"https://go.shop.example/_ac/e.png")
        .expect("the guide has an image");
    let (query, _) = address.split_once('"').expect("it ends");
    let path = format!("/_ac/e.png{}", query.replace("<merchant key>", &stage.key));
    let answer = stage.visit(Method::GET, &path, &[("referer", "https://shop.test/thanks")]).await;
    assert_eq!((answer.status, answer.header("x-afterclick-dropped")), (200, ""));
    assert_eq!(stage.order("1001").await["order"]["confirmed"], false);
}
