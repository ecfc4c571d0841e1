//! `GET /{slug}` and the other paths of a link host.

use std::fmt::Write as _;
use std::time::Duration;

use hyper::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::inflation::rows_below;
use crate::support::{PATIENCE, Stage, now_ms, token_of, until, woo_order};

#[tokio::test]
async fn a_click_is_redirected_with_a_signed_token_in_query_and_cookie() {
    let stage = Stage::set().await;
    let answer =
        stage.visit(Method::GET, "/anna?utm_source=story&s=post-7&evil=1&fbclid=f", &[]).await;
    assert_eq!((answer.status, answer.body.as_str()), (302, ""));
    let token = token_of(&answer);
    assert_eq!(token.len(), 76);
    let location =
        format!("https://shop.test/product?ac={token}&color=red&utm_source=story#reviews");
    assert_eq!(answer.header("location"), location);
    let cookie =
        format!("ac={token}; Max-Age=2592000; Path=/; Domain=shop.test; HttpOnly; SameSite=Lax");
    assert_eq!(answer.header("set-cookie"), cookie);
    assert_eq!(answer.header("cache-control"), "private, no-store");
    assert_eq!(stage.figures().await["clicks"]["billable"], 1);
}

#[tokio::test]
async fn platforms_click_ids_are_passed_on_where_the_link_says_so() {
    let stage = Stage::set_with(json!({ "pass_click_ids": true })).await;
    let ends_with = async |end: &str| {
        let answer = stage.visit(Method::GET, "/anna?fbclid=f|1&evil=1", &[]).await;
        answer.header("location").ends_with(end)
    };
    assert!(ends_with("&color=red&fbclid=f%7C1#reviews").await);
    let link = format!("/api/v1/links/{}", stage.link);
    let change = json!({ "pass_click_ids": false }).to_string();
    let changed = stage.product.ask(Method::PATCH, &link, "application/json", change).await;
    assert!(changed.unwrap().body.contains(r#""pass_click_ids":false"#));
    until("the link has changed", async || ends_with("&color=red#reviews").await).await;
}

#[tokio::test]
async fn behind_tls_the_cookie_is_secure_and_has_the_secure_name() {
    let stage = Stage::set().await;
    let answer = stage.click(&[("x-forwarded-proto", "https")]).await;
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.starts_with("__Secure-ac=") && cookie.contains("; Secure; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
}

#[tokio::test]
async fn every_request_gets_one_class_and_only_people_get_tokens() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let cookie = format!("other=1; ac={token}");
    assert_eq!(stage.click(&[("cookie", &cookie)]).await.status, 302);
    for (headers, status) in [
        (("user-agent", "facebookexternalhit/1.1"), 302),
        (("user-agent", "Googlebot/2.1"), 302),
        (("sec-fetch-dest", "image"), 302),
        (("sec-purpose", "prefetch"), 503),
        (("user-agent", "afterclick-doctor/0.1"), 302),
    ] {
        let answer = stage.click(&[headers]).await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert_eq!(answer.header("set-cookie"), "", "{headers:?}");
        assert!(!answer.header("location").contains("ac="), "{headers:?}");
    }
    let head = stage.visit(Method::HEAD, "/anna", &[]).await;
    assert_eq!(
        (head.status, head.header("location")),
        (302, "https://shop.test/product?color=red#reviews")
    );
    assert_eq!(head.header("set-cookie"), "");
    let clicks = &stage.figures().await["clicks"];
    for class in [
        "billable",
        "duplicate",
        "preview",
        "bot",
        "not_navigation",
        "prefetch",
        "self_test",
        "head",
    ] {
        assert_eq!(clicks[class], 1, "{class} in {clicks}");
    }
    assert_eq!(clicks["raw"], 8);
}

#[tokio::test]
async fn hosts_paths_and_methods_that_are_no_link_get_404_421_or_405() {
    let stage = Stage::set().await;
    for (method, path, host, status) in [
        (Method::GET, "/nobody", "go.shop.test", 404),
        (Method::GET, "/", "go.shop.test", 404),
        (Method::GET, "/anna/more", "go.shop.test", 404),
        (Method::GET, "/anna", "evil.test", 421),
        (Method::GET, "/anna", "notshop.test", 421),
        (Method::GET, "/anna", "127.0.0.1", 421),
        (Method::POST, "/anna", "go.shop.test", 405),
        (Method::GET, "/ANNA", "GO.Shop.Test:8080", 302),
        (Method::GET, "/anna", "shop.test", 302),
        (Method::GET, "/_ac/nothing", "go.shop.test", 404),
    ] {
        let answer = stage.visit(method.clone(), path, &[("host", host)]).await;
        assert_eq!(answer.status, status, "{method} {host}{path}");
        assert!(
            !answer.body.contains("nobody") && !answer.body.contains("evil"),
            "no answer repeats the request"
        );
    }
}

#[tokio::test]
async fn a_paused_link_still_leads_to_the_shop_but_earns_nothing() {
    let stage = Stage::set().await;
    let path = format!("/api/v1/links/{}", stage.link);
    let changed = stage
        .product
        .ask(Method::PATCH, &path, "application/json", r#"{"paused":true}"#)
        .await
        .unwrap();
    assert_eq!(changed.status, 200, "{}", changed.body);
    let answer = stage.click(&[]).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, "https://shop.test/product?color=red#reviews")
    );
    assert_eq!(stage.figures().await["clicks"]["paused"], 1);
}

#[tokio::test]
async fn a_link_that_has_ended_leads_to_its_fallback_or_nowhere() {
    let over = json!({ "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2020-02-01T00:00:00Z" });
    let stage = Stage::set_with(over.clone()).await;
    assert_eq!(stage.click(&[]).await.status, 404);
    assert_eq!(stage.figures().await["clicks"]["out_of_dates"], 1);
    let mut with_fallback = over;
    with_fallback["fallback"] = "https://shop.test/over".into();
    let stage = Stage::set_with(with_fallback).await;
    let answer = stage.click(&[]).await;
    assert_eq!((answer.status, answer.header("location")), (302, "https://shop.test/over"));
    assert_eq!(answer.header("set-cookie"), "");
}

#[tokio::test]
async fn a_forged_or_foreign_cookie_is_no_earlier_click() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let forged = format!("ac={}A", &token[..75]);
    let forged =
        if forged == format!("ac={token}") { format!("ac={}B", &token[..75]) } else { forged };
    stage.click(&[("cookie", &forged)]).await;
    assert_eq!(stage.figures().await["clicks"]["billable"], 2);
}

#[tokio::test]
async fn previews_are_answered_while_the_catalog_changes() {
    let stage = Stage::set().await;
    let mut csv = "slug,campaign,influencer,destination\n".to_owned();
    for n in 0..20_000 {
        _ = writeln!(csv, "many-{n},{},{},https://shop.test/{n}", stage.campaign, stage.influencer);
    }
    // The projector takes the change in too, a moment after the answer.
    let import = async {
        let answer = stage.product.ask(Method::POST, "/api/v1/links/import", "text/csv", csv).await;
        sleep(Duration::from_millis(300)).await;
        answer.unwrap()
    };
    tokio::pin!(import);
    let imported = loop {
        tokio::select! {
            imported = &mut import => break imported,
            page = stage.visit(Method::GET, "/anna+", &[]) => assert_eq!(page.status, 200, "{}", page.body),
        }
    };
    assert_eq!(imported.status, 201, "{}", imported.body);
    assert_eq!(stage.visit(Method::GET, "/many-19999+", &[]).await.status, 200);
}

#[tokio::test]
async fn a_link_has_a_preview_and_a_qr_code() {
    let stage = Stage::set().await;
    let page = stage.visit(Method::GET, "/anna+", &[]).await;
    assert!(
        page.body.contains("Anna") && page.body.contains("https://shop.test/product"),
        "{}",
        page.body
    );
    let code = stage.visit(Method::GET, "/anna.qr", &[]).await;
    assert_eq!(code.header("content-type"), "image/svg+xml");
    assert!(code.body.starts_with("<svg"));
    for (path, status, content_type) in [
        ("/anna.qr.png", 200, "image/png"),
        ("/anna.qr.png?size=64", 200, "image/png"),
        ("/anna.qr.png?size=2049", 400, "text/plain; charset=utf-8"),
        ("/nobody.qr.png", 404, "text/html; charset=utf-8"),
    ] {
        let picture = stage.visit(Method::GET, path, &[]).await;
        assert_eq!(
            (picture.status, picture.header("content-type")),
            (status, content_type),
            "{path}"
        );
        assert_eq!(picture.body.contains("IHDR"), status == 200, "{path}");
    }
    assert_eq!(
        stage.visit(Method::GET, "/robots.txt", &[]).await.body,
        "User-agent: *\nDisallow: /\n"
    );
    assert_eq!(
        stage.figures().await["clicks"]["raw"].as_u64().unwrap_or(0),
        0,
        "a preview is no click"
    );
}

#[tokio::test]
async fn loopback_names_are_hosts_where_a_merchant_has_them() {
    let stage = Stage::set().await;
    let domains = r#"{"domains":["shop.test","127.0.0.1","localhost"]}"#;
    let path = format!("/api/v1/merchants/{}", stage.merchant);
    assert_eq!(
        stage.product.ask(Method::PATCH, &path, "application/json", domains).await.unwrap().status,
        200
    );
    for host in ["127.0.0.1:8080", "localhost:8080", "localhost"] {
        let answer = stage.click(&[("host", host)]).await;
        assert_eq!(answer.status, 302, "{host}");
        let cookie = answer.header("set-cookie");
        assert!(cookie.starts_with("ac=") && !cookie.contains("Domain"), "{host}: {cookie}");
    }
}

/// Sends these bytes in pieces. Returns each of the server's answers, without date and token.
async fn exchange(stage: &Stage, pieces: &[&str], answers: usize) -> Vec<String> {
    let mut stream = TcpStream::connect(stage.product.public).await.unwrap();
    for piece in pieces {
        stream.write_all(piece.as_bytes()).await.unwrap();
        sleep(Duration::from_millis(2)).await;
    }
    let (mut text, mut bytes) = (String::new(), [0; 4096]);
    while text.matches("HTTP/1.1 ").count() < answers || !is_whole(&text) {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut bytes)).await;
        let read = read.unwrap_or_else(|_| panic!("{answers} answers, but only: {text}")).unwrap();
        assert!(read > 0, "closed after: {text}");
        text.push_str(str::from_utf8(&bytes[..read]).unwrap());
    }
    text.split("HTTP/1.1 ").skip(1).map(plain).collect()
}

/// Returns whether the last answer has all of its body.
fn is_whole(text: &str) -> bool {
    let (_, last) = text.rsplit_once("HTTP/1.1 ").unwrap_or_default();
    let Some((head, body)) = last.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// Returns an answer's lines in order, without its date and its tokens.
fn plain(answer: &str) -> String {
    let is_token = |word: &&str| word.len() == 76;
    let mut words: Vec<_> = answer.split(['=', '&', ';', '#', '\r']).filter(is_token).collect();
    words.dedup();
    let answer =
        words.iter().fold(answer.to_owned(), |answer, token| answer.replace(token, "TOKEN"));
    let mut lines: Vec<_> =
        answer.lines().filter(|line| !line.starts_with("date: ") && !line.is_empty()).collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[tokio::test]
async fn plain_requests_are_answered_as_hyper_answers_them() {
    let stage = Stage::set().await;
    let head = "Host: go.shop.test\r\nUser-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Safari/604.1\r\n";
    // The same request with a header that changes nothing, but makes hyper read it.
    let others = format!("{head}Content-Length: 0\r\n");
    for extra in [
        "",
        "Sec-Purpose: prefetch\r\n",
        "Sec-Fetch-Dest: image\r\n",
        "X-Forwarded-Proto: https\r\n",
        "Referer: https://L.Instagram.com/x\r\n",
        "Cookie: ac=forged; other=1\r\n",
    ] {
        for path in ["/anna", "/ANNA?utm_source=a&s=b", "/nobody", "/anna?utm_source=%22"] {
            let request = |head: &str| format!("GET {path} HTTP/1.1\r\n{head}{extra}\r\n");
            let quick = exchange(&stage, &[&request(head)], 1).await;
            let by_hyper = exchange(&stage, &[&request(&others)], 1).await;
            assert_eq!(quick, by_hyper, "{path} {extra}");
        }
    }
    let foreign =
        exchange(&stage, &["GET /anna HTTP/1.1\r\nHost: nobody.example\r\n\r\n"], 1).await;
    assert!(foreign[0].contains("421 Misdirected Request"), "{foreign:?}");
}

#[tokio::test]
async fn a_request_that_names_no_host_or_two_is_refused() {
    let stage = Stage::set().await;
    let one = "Host: go.shop.test\r\n";
    for (version, hosts, status) in [
        ("1.1", one, "302"),
        ("1.1", "", "400"),
        ("1.1", "Host: go.shop.test\r\nHost: go.shop.test\r\n", "400"),
        ("1.1", "Host: go.shop.test\r\nHost: evil.test\r\n", "400"),
        ("1.1", "Host: evil@go.shop.test\r\n", "400"),
        ("1.1", "Host: nobody.example\r\n", "421"),
    ] {
        for path in ["/anna", "/_ac/robots.txt"] {
            let request = format!("GET {path} HTTP/{version}\r\n{hosts}User-Agent: x\r\n\r\n");
            let answer = &exchange(&stage, &[&request], 1).await[0];
            let own = path != "/anna" && status != "400";
            assert!(answer.contains(if own { "200" } else { status }), "{request} {answer}");
        }
    }
}

/// Browsers encode such queries; people's scripts, and some apps, do not.
#[tokio::test]
async fn a_query_with_raw_quotes_or_bytes_above_ascii_is_redirected_with_them_encoded() {
    let stage = Stage::set().await;
    // The header makes hyper read the request.
    for extra in ["", "Connection: close\r\n"] {
        for (query, spelled) in [
            (&b"utm_x=\"a\""[..], "utm_x=%22a%22"),
            (b"utm_x=<b>", "utm_x=%3Cb%3E"),
            (b"utm_x=J\xfcrgen", "utm_x=J%FCrgen"),
            ("utm_x=Jürgen".as_bytes(), "utm_x=J%C3%BCrgen"),
        ] {
            let head = format!("Host: go.shop.test\r\nUser-Agent: x\r\n{extra}\r\n");
            let one = [b"GET /anna?", query, b" HTTP/1.1\r\n", head.as_bytes()].concat();
            // The quick path keeps the connection, so it answers a second one too.
            let count = if extra.is_empty() { 2 } else { 1 };
            let mut stream = TcpStream::connect(stage.product.public).await.unwrap();
            stream.write_all(&one.repeat(count)).await.unwrap();
            if extra.is_empty() {
                stream.shutdown().await.unwrap();
            }
            let mut answers = String::new();
            stream.read_to_string(&mut answers).await.unwrap();
            assert_eq!(answers.matches("302 Found").count(), count, "{answers}");
            assert_eq!(answers.matches(spelled).count(), count, "{answers}");
        }
    }
}

#[tokio::test]
async fn split_pipelined_and_mixed_requests_get_one_answer_each() {
    let stage = Stage::set().await;
    let plain = "GET /anna HTTP/1.1\r\nHost: go.shop.test\r\nUser-Agent: Mozilla/5.0 (iPhone) Safari/604.1\r\n\r\n";
    let pieces: Vec<_> =
        plain.as_bytes().chunks(7).map(|piece| str::from_utf8(piece).unwrap()).collect();
    assert!(exchange(&stage, &pieces, 1).await[0].starts_with("302 Found"));
    let row = plain.repeat(50);
    assert_eq!(exchange(&stage, &[&row], 50).await.len(), 50);
    let cut = row.len() - 20;
    assert_eq!(exchange(&stage, &[&row[..cut], &row[cut..]], 50).await.len(), 50);
    let mixed = format!("{plain}{}{plain}", plain.replace("GET", "HEAD"));
    let answers = exchange(&stage, &[&mixed], 3).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.starts_with("302 Found") || answer.contains("302 Found")),
        "{answers:?}"
    );
    assert_eq!(stage.figures().await["clicks"]["raw"], 104);
    let mut closing = TcpStream::connect(stage.product.public).await.unwrap();
    closing.write_all(plain.as_bytes()).await.unwrap();
    closing.shutdown().await.unwrap();
    let mut answer = String::new();
    closing.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 302 Found"),
        "a peer that only listens is answered: {answer}"
    );
}

#[tokio::test]
async fn a_link_is_found_as_people_copy_it() {
    let stage = Stage::set().await;
    for path in [
        "/anna/",
        "//anna",
        "/anna.",
        "/anna,",
        "/anna)",
        "/anna%20",
        "/anna%E2%80%8B",
        "/%61nna",
        "/anna%2B",
        "/anna&utm_source=x",
        "/anna?s=story?utm_source=ig",
        "/anna?utm_x=a|b&amp;utm_source='x'",
    ] {
        let answer = stage.visit(Method::GET, path, &[]).await;
        let location = answer.header("location");
        assert_eq!(answer.status, 302, "{path}");
        assert!(location.starts_with("https://shop.test/product?ac="), "{path}: {location}");
        assert_eq!(location.contains("utm_source="), path.contains("utm_source="), "{location}");
    }
    for path in ["/an%20na", "/anna/b", "/%2F", "/anna%00b"] {
        assert_eq!(stage.visit(Method::GET, path, &[]).await.status, 404, "{path}");
    }
    let final_dot = stage.click(&[("host", "go.shop.test.")]).await;
    assert_eq!(final_dot.status, 302);
    let cookies = format!("{}; theme=x", "shop=1234567890; ".repeat(1200));
    assert_eq!(stage.click(&[("cookie", &cookies)]).await.status, 302, "20 KB of cookies");
}

#[tokio::test]
async fn whoever_refuses_to_be_tracked_gets_no_cookie_and_the_order_says_so() {
    let stage = Stage::set().await;
    let answer = stage.click(&[("sec-gpc", "1")]).await;
    assert_eq!((answer.status, answer.header("set-cookie")), (302, ""));
    let token = token_of(&answer);
    assert!(token.as_bytes()[5] > b'f', "the token bears the flag: {token}");
    let asked = stage.click(&[("sec-gpc", "0")]).await;
    assert_ne!(asked.header("set-cookie"), "");
    let session = json!({
        "v": 1, "k": stage.key, "t": token,
        "e": [{ "id": "0193a0c4-8f9e-7d3a-9b1c-000000000001", "n": "session", "ts": now_ms() }],
    });
    assert_eq!(stage.events(&[], &session.to_string()).await.status, 204);
    let order = woo_order(727, json!({}), &[("_ac", &token)]);
    assert_eq!(stage.webhook("order.updated", &order).await.status, 200);
    assert!(stage.commission("727").await > 0, "what it earned stays earned");
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    stage.product.report(&["export", "--out", folder, "--format", "ndjson"]).await.unwrap();
    for table in ["sessions", "conversions", "commissions"] {
        let rows = rows_below(&out.path().join(table));
        let said: Vec<_> = rows.iter().map(|row| row["consent"].clone()).collect();
        assert_eq!(said, [json!("denied")], "{table}");
    }
}
