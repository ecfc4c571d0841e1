//! The admin API.

use harness::{Answer, http};
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Stage, text, until};

async fn post(stage: &Stage, path: &str, content_type: &str, body: &str) -> Answer {
    stage.product.ask(Method::POST, path, content_type, body.to_owned()).await.unwrap()
}

fn parse(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.body))
}

#[tokio::test]
async fn a_request_without_a_known_token_is_refused() {
    let stage = Stage::set().await;
    for authorization in ["", "Bearer wrong", "Basic abc", "Bearer"] {
        let headers = [("authorization", authorization)];
        let answer = http::send(stage.product.admin, Method::GET, "/api/v1/links", &headers, "")
            .await
            .unwrap();
        assert_eq!(answer.status, 401, "{authorization}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn only_who_sent_a_token_is_told_that_it_is_wrong() {
    let stage = Stage::set().await;
    for (authorization, challenge) in [
        ("", "Bearer"),
        ("Basic abc", "Bearer"),
        ("Bearer wrong", r#"Bearer error="invalid_token""#),
    ] {
        let headers = [("authorization", authorization)];
        let answer = http::send(stage.product.admin, Method::GET, "/api/v1/links", &headers, "")
            .await
            .unwrap();
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, challenge));
    }
}

#[tokio::test]
async fn every_refusal_is_a_problem_document_that_says_why() {
    let stage = Stage::set().await;
    for (method, path, status, said) in [
        (Method::DELETE, "/api/v1/links", 405, "GET"),
        (Method::PUT, "/api/v1/stats", 405, "GET"),
        (Method::GET, "/api/v1/orders/import", 405, "POST"),
        (Method::POST, "/healthz", 405, "GET"),
        (Method::DELETE, "/", 405, "GET"),
        (Method::GET, "/api/v1/a/b/c/d/e", 404, "/api/v1"),
        (Method::GET, "/nothing", 404, "/api/v1"),
        (Method::GET, "/api/v1/links/%FF", 400, "UTF-8"),
    ] {
        let answer = stage.product.ask(method, path, "application/json", "").await.unwrap();
        let kind = answer.header("content-type").to_owned();
        assert_eq!((answer.status, kind.as_str()), (status, "application/problem+json"), "{path}");
        let problem = parse(&answer);
        assert_eq!(problem["status"], status, "{path}");
        assert!(problem["detail"].as_str().unwrap().contains(said), "{path}: {problem}");
        assert_eq!(status == 405, !answer.header("allow").is_empty(), "{path}");
    }
}

#[tokio::test]
async fn what_an_address_asks_for_is_known_or_refused_by_name() {
    let stage = Stage::set().await;
    let Stage { merchant, link, .. } = &stage;
    for (path, named) in [
        ("stats?merchnat=x".to_owned(), "merchnat"),
        ("stats?from=2026-11-30&to=2026-11-01".to_owned(), "from"),
        ("stats?link=anna".to_owned(), "anna"),
        ("stats?link=lnk_0000000000001".to_owned(), "does not exist"),
        (format!("stats?campaign={merchant}"), "campaign"),
        ("stats?merchant=mer_00000000".to_owned(), "does not exist"),
        ("links?limit=0".to_owned(), "limit"),
        ("links?limit=1001".to_owned(), "limit"),
        ("links?page=2".to_owned(), "page"),
        ("links?cursor=rubbish".to_owned(), "cursor"),
        (format!("links?cursor=000001763800000.{merchant}"), "cursor"),
        ("tokens?cursor=1.tok_0".to_owned(), "cursor"),
        ("unparsed?limit=0".to_owned(), "limit"),
        (format!("links/{link}?fields=slug"), "fields"),
        (format!("orders/{merchant}/1?full=1"), "full"),
        ("reconcile?since=2026-01-01T00:00:00Z".to_owned(), "since"),
    ] {
        let path = format!("/api/v1/{path}");
        let answer = stage.product.ask(Method::GET, &path, "application/json", "").await.unwrap();
        assert!(matches!(answer.status, 400 | 422), "{path}: {} {}", answer.status, answer.body);
        assert!(parse(&answer)["detail"].as_str().unwrap().contains(named), "{}", answer.body);
    }
    let posted = post(&stage, "/api/v1/influencers?name=Ben", "application/json", "{}").await;
    assert!(matches!(posted.status, 400 | 422) && posted.body.contains("takes none"));
    let day = "2026-11-30";
    let path = format!("/api/v1/stats?merchant={merchant}&link={link}&from={day}&to={day}");
    assert_eq!(stage.product.read(&path).await.unwrap()["by"], "link");
}

#[tokio::test]
async fn every_mistake_is_named_at_once() {
    let stage = Stage::set().await;
    let answer = post(
        &stage,
        "/api/v1/campaigns",
        "application/json",
        r#"{"merchant":"mer_00000000","window_days":0,
        "commission":{"kind":"percent","rate":"101"},"hold":3}"#,
    )
    .await;
    assert_eq!(answer.status, 422);
    let problem = parse(&answer);
    let fields: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|e| text(&e["field"])).collect();
    for field in ["merchant", "name", "window_days", "hold"] {
        assert!(fields.contains(&field.to_owned()), "{fields:?} should have {field}");
    }
    assert_eq!(post(&stage, "/api/v1/links", "application/json", "{").await.status, 400);
    assert_eq!(post(&stage, "/api/v1/things", "application/json", "{}").await.status, 404);
    for (method, path) in
        [(Method::DELETE, "/api/v1/links"), (Method::GET, "/api/v1/links?limit=many")]
    {
        let answer = stage.product.ask(method, path, "application/json", "").await.unwrap();
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{path}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn a_field_inside_a_field_is_known_or_refused() {
    let stage = Stage::set().await;
    let api = json!({ "shop_api": {
        "url": "https://shop.test", "token": "ck_x", "scret": "cs_x",
    }});
    let path = format!("/api/v1/merchants/{}", stage.merchant);
    let answer =
        stage.product.ask(Method::PATCH, &path, "application/json", api.to_string()).await.unwrap();
    assert_eq!((answer.status, answer.body.contains("scret")), (422, true), "{}", answer.body);
}

#[tokio::test]
async fn money_that_makes_no_sense_is_refused() {
    let stage = Stage::set().await;
    for commission in [
        json!({ "kind": "percent", "rate": "101" }),
        json!({ "kind": "percent", "rate": "-1" }),
        json!({ "kind": "percent", "rate": "abc" }),
        json!({ "kind": "per_sale", "amount": "-5.00" }),
        json!({ "kind": "per_lead", "amount": "5.00", "when": { "category": ["Shoes"] } }),
        json!({ "kind": "per_lead", "rate": "5" }),
        json!({ "kind": "percent", "rate": "15", "when": { "weather": "fine" } }),
        json!([]),
        json!("15 %"),
    ] {
        let campaign = json!({ "merchant": stage.merchant, "name": "x", "commission": commission });
        let answer =
            post(&stage, "/api/v1/campaigns", "application/json", &campaign.to_string()).await;
        assert_eq!(answer.status, 422, "{commission}");
        assert!(answer.body.contains("commission"), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_slug_belongs_to_one_link_of_a_merchant() {
    let stage = Stage::set().await;
    let link = json!({ "campaign": stage.campaign, "influencer": stage.influencer, "slug": "ANNA",
        "destination": "https://shop.test/" });
    let answer = post(&stage, "/api/v1/links", "application/json", &link.to_string()).await;
    assert_eq!(answer.status, 409, "{}", answer.body);
    let without_slug = json!({ "campaign": stage.campaign, "influencer": stage.influencer,
        "destination": "https://shop.test/" });
    let made = stage.product.create("links", &without_slug).await.unwrap();
    assert_eq!(text(&made["slug"]).len(), 11);
}

#[tokio::test]
async fn two_merchants_may_use_the_same_slug_on_their_own_hosts() {
    let stage = Stage::set().await;
    let other =
        json!({ "name": "B", "domains": ["other.test"], "currency": "EUR", "timezone": "UTC" });
    let other = stage.product.create("merchants", &other).await.unwrap();
    let commission = json!({ "kind": "per_sale", "amount": "5.00" });
    let campaign = json!({ "merchant": other["id"], "name": "B", "commission": commission });
    let campaign = stage.product.create("campaigns", &campaign).await.unwrap();
    let link = json!({ "campaign": campaign["id"], "influencer": stage.influencer, "slug": "anna",
        "destination": "https://other.test/" });
    stage.product.create("links", &link).await.unwrap();
    let location = |answer: Answer| answer.header("location").split('?').next().unwrap().to_owned();
    assert_eq!(location(stage.click(&[]).await), "https://shop.test/product");
    assert_eq!(location(stage.click(&[("host", "go.other.test")]).await), "https://other.test/");
}

#[tokio::test]
async fn a_repeated_request_with_its_key_is_answered_and_not_done_again() {
    let stage = Stage::set().await;
    let authorization = format!("Bearer {}", stage.product.token);
    let keyed = async |key: &str, body: &str| {
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", key)];
        let admin = stage.product.admin;
        http::send(admin, Method::POST, "/api/v1/influencers", &headers, body.to_owned())
            .await
            .unwrap()
    };
    let send = async |body: &str| keyed("k-1", body).await;
    let (first, second) = (send(r#"{"name":"Ben"}"#).await, send(r#"{"name":"Ben"}"#).await);
    let quoted = keyed("\"k-1\"", r#"{"name":"Ben"}"#).await;
    assert_eq!(parse(&quoted)["id"], parse(&first)["id"], "quoted or not is one key");
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(parse(&first)["id"], parse(&second)["id"]);
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(
        send(r#"{"name":"Cleo"}"#).await.status,
        409,
        "the key was used for another request"
    );
    let listed = stage.product.read("/api/v1/influencers").await.unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn ten_thousand_links_are_imported_at_once_or_not_at_all() {
    let stage = Stage::set().await;
    let (campaign, influencer) = (&stage.campaign, &stage.influencer);
    let row = |slug: &str| format!("{campaign},{influencer},https://shop.test/p,{slug}\n");
    let header = "campaign,influencer,destination,slug\n";
    let good: String = (0..10_000).map(|n| row(&format!("bulk-{n}"))).collect();
    let bad = format!("{header}{}{}{}", row("fine"), row("no slug!"), row("anna"));
    let refused = post(&stage, "/api/v1/links/import", "text/csv", &bad).await;
    assert!(matches!(refused.status, 409 | 422), "{}", refused.body);
    assert!(
        refused.body.contains("line 3: slug") && refused.body.contains("line 4: slug"),
        "{}",
        refused.body
    );
    assert_eq!(
        stage.visit(Method::GET, "/fine", &[]).await.status,
        404,
        "nothing of a bad file is kept"
    );
    let imported =
        post(&stage, "/api/v1/links/import", "text/csv", &format!("{header}{good}")).await;
    assert_eq!((imported.status, parse(&imported)["imported"].as_u64()), (201, Some(10_000)));
    assert_eq!(stage.visit(Method::GET, "/bulk-9999", &[]).await.status, 302);
}

#[tokio::test]
async fn lists_are_paged_by_cursor_without_gaps_and_repeats() {
    let stage = Stage::set().await;
    for number in 0..7 {
        stage
            .product
            .create("influencers", &json!({ "name": format!("I{number}") }))
            .await
            .unwrap();
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = stage
            .product
            .read(&format!("/api/v1/influencers?limit=3&cursor={cursor}"))
            .await
            .unwrap();
        names.extend(page["items"].as_array().unwrap().iter().map(|i| text(&i["name"])));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    // Links that were made within one millisecond come in the order of their random ids.
    names.sort_unstable();
    assert_eq!(names, ["Anna", "I0", "I1", "I2", "I3", "I4", "I5", "I6"]);
}

#[tokio::test]
async fn secrets_are_shown_once_and_figures_to_their_owners_only() {
    let stage = Stage::set().await;
    let merchant =
        stage.product.read(&format!("/api/v1/merchants/{}", stage.merchant)).await.unwrap();
    assert_eq!(
        (&merchant["webhook_secret"], &merchant["has_webhook_secret"]),
        (&Value::Null, &json!(true))
    );
    stage.click(&[]).await;
    stage.figures().await;
    let data = stage.product.data().to_owned();
    let create = async |role: &str, holder: &str| {
        let arguments = ["token", "create", "--role", role, "--for", holder];
        let bin_dir = harness::default_bin_dir().unwrap();
        let token = harness::product::run(&bin_dir, "afterclick", &data, "--data", &arguments)
            .await
            .unwrap();
        format!("Bearer {}", token.trim())
    };
    let read = async |authorization: &str, path: &str| {
        let headers = [("authorization", authorization)];
        let ask = async || {
            http::send(stage.product.admin, Method::GET, path, &headers, "").await.unwrap()
        };
        // A running server follows the command line's stream, when it gets to it.
        until("the token is known", async || ask().await.status != 401).await;
        ask().await
    };
    let own = create("influencer", &stage.influencer).await;
    let stats = read(&own, "/api/v1/stats?by=link").await;
    assert_eq!(parse(&stats)["rows"].as_array().unwrap().len(), 1, "{}", stats.body);
    for (path, status) in [
        ("/api/v1/links/stats", 404),
        ("/api/v1/tokens/stats", 403),
        (&format!("/api/v1/orders/{}/stats", stage.merchant), 403),
    ] {
        assert_eq!(read(&own, path).await.status, status, "{path}");
    }
    let other = stage.product.create("influencers", &json!({ "name": "Ben" })).await.unwrap();
    let stranger = create("influencer", other["id"].as_str().unwrap()).await;
    assert_eq!(parse(&read(&stranger, "/api/v1/stats?by=link").await)["rows"], json!([]));
}

#[tokio::test]
async fn values_that_could_not_be_read_back_are_refused() {
    let stage = Stage::set().await;
    let deep = format!(r#"{{"name":"x","payout":{}{}}}"#, "[".repeat(120), "]".repeat(120));
    let answer = post(&stage, "/api/v1/influencers", "application/json", &deep).await;
    assert!(matches!(answer.status, 400 | 422), "{}", answer.body);
    let folder = stage.folder;
    stage.product.stop().await.unwrap();
    crate::support::launch(&folder).start().await.unwrap();
}

#[tokio::test]
async fn terms_that_decide_money_do_not_change_under_orders() {
    let stage = Stage::set().await;
    let coupon =
        json!({ "campaign": stage.campaign, "influencer": stage.influencer, "code": "ANNA15" });
    let coupon = text(&stage.product.create("coupons", &coupon).await.unwrap()["id"]);
    let patch = async |path: String, body: &str| {
        stage.product.ask(Method::PATCH, &path, "application/json", body.to_owned()).await.unwrap()
    };
    for (path, body, status) in [
        (format!("/api/v1/merchants/{}", stage.merchant), r#"{"currency":"JPY"}"#, 422),
        (format!("/api/v1/merchants/{}", stage.merchant), r#"{"trust_pixel":true}"#, 422),
        (
            format!("/api/v1/merchants/{}", stage.merchant),
            r#"{"name":"New","currency":"EUR"}"#,
            200,
        ),
        (format!("/api/v1/coupons/{coupon}"), r#"{"ends_at":"2020-01-01T00:00:00Z"}"#, 422),
        (format!("/api/v1/coupons/{coupon}"), r#"{"starts_at":"2026-01-01T00:00:00Z"}"#, 422),
        (format!("/api/v1/coupons/{coupon}"), r#"{"ends_at":"2099-01-01T00:00:00Z"}"#, 200),
        (format!("/api/v1/coupons/{coupon}"), r#"{"ends_at":null}"#, 200),
        (format!("/api/v1/campaigns/{}", stage.campaign), r#"{"dedupe_minutes":1}"#, 422),
    ] {
        let answer = patch(path.clone(), body).await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.body);
    }
    // Until the first order or lead, what decides about them may be corrected.
    let numbers = r#"{"window_days":14,"hold_days":7,"minimum_payout":"5.00"}"#;
    let campaign = format!("/api/v1/campaigns/{}", stage.campaign);
    stage.token().await;
    stage.figures().await;
    let answer = patch(campaign.clone(), numbers).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let codes = json!({ "coupon_lines": [{ "id": 1, "code": "ANNA15", "discount": "0" }] });
    stage.webhook("order.updated", &crate::support::woo_order(728, codes, &[])).await;
    stage.figures().await;
    for body in [r#"{"window_days":7}"#, r#"{"hold_days":0}"#, r#"{"minimum_payout":null}"#] {
        let answer = patch(campaign.clone(), body).await;
        assert!(answer.status == 422 && answer.body.contains("orders or leads"), "{}", answer.body);
    }
    assert_eq!(patch(campaign, numbers).await.status, 200, "what stays is no change");
    let shown = stage.product.read(&format!("/api/v1/coupons/{coupon}")).await.unwrap();
    assert_eq!(shown["ends_at"], Value::Null, "null clears");
}

#[tokio::test]
async fn a_new_commission_is_for_orders_placed_from_then_on() {
    let stage = Stage::set().await;
    let order = async |id, token: &str| {
        let ordered = json!({ "date_created_gmt": null });
        stage
            .webhook("order.updated", &crate::support::woo_order(id, ordered, &[("_ac", token)]))
            .await;
    };
    let token = stage.token().await;
    order(727, &token).await;
    assert_eq!(stage.commission("727").await, 270, "15 % of 18.00");
    let path = format!("/api/v1/campaigns/{}", stage.campaign);
    let rules =
        r#"{"commission":[{"kind":"percent","rate":10},{"kind":"per_sale","amount":"1.00"}]}"#;
    let answer = stage
        .product
        .ask(Method::PATCH, &path, "application/json", rules.to_owned())
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("10 % of net goods; 1.00 per sale"), "{}", answer.body);
    order(728, &token).await;
    assert_eq!(stage.commission("728").await, 280, "10 % of 18.00 and 1.00");
    assert_eq!(stage.commission("727").await, 270, "what was earned stays");
    let (before, after) = (stage.order("727").await, stage.order("728").await);
    assert_eq!(
        (&before["decision"]["terms_version"], &after["decision"]["terms_version"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(before["decision"]["terms"], "15 % of net goods");
}

#[tokio::test]
async fn an_order_in_another_currency_waits_for_its_exchange_rate() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let dollars = json!({ "currency": "USD" });
    stage
        .webhook("order.updated", &crate::support::woo_order(727, dollars, &[("_ac", &token)]))
        .await;
    let order = stage.order("727").await;
    assert_eq!(
        (&order["unconverted"], &order["commission"][0]["currency"]),
        (&json!(true), &json!("USD"))
    );
    let today = order["order"]["placed_at"].as_str().unwrap()[..10].to_owned();
    let csv = format!("date,from,to,rate,source\n{today},EUR,USD,1.25,ECB\n");
    let answer = post(&stage, "/api/v1/rates/import", "text/csv", &csv).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let order = stage.order("727").await;
    assert_eq!(order["unconverted"], false, "{order}");
    assert_eq!(order["conversion"]["source"], "ECB");
    let booked: Vec<_> = order["commission"].as_array().unwrap().iter().collect();
    let of = |currency: &str| -> i64 {
        let of_currency = booked.iter().filter(|booking| booking["currency"] == currency);
        of_currency.map(|booking| booking["amount_minor"].as_i64().unwrap()).sum()
    };
    assert_eq!((of("USD"), of("EUR")), (0, 216), "15 % of 18.00 USD at 1.25");
    assert_eq!(booked.last().unwrap()["reason"], "converted");
    let figures = stage.figures().await;
    assert_eq!(figures["commission"]["EUR"], "2.16", "{figures}");
    let changed = csv.replace("1.25", "1.30");
    let answer = post(&stage, "/api/v1/rates/import", "text/csv", &changed).await;
    assert_eq!(answer.status, 422, "a rate never changes: {}", answer.body);
    assert_eq!(
        post(&stage, "/api/v1/rates/import", "text/csv", &csv).await.status,
        201,
        "the same is the same"
    );
    assert_eq!(
        stage.product.read("/api/v1/rates").await.unwrap()["items"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn fields_that_this_version_does_not_support_must_be_empty() {
    let stage = Stage::set().await;
    let rule = json!({ "kind": "percent", "rate": "15" });
    let campaign = |commission: Value, caps: Value| {
        json!({ "merchant": stage.merchant, "name": "x", "commission": commission, "caps": caps })
            .to_string()
    };
    let capped = json!({ "clicks_per_day": 5 });
    let conditional = json!([{ "kind": "percent", "rate": "15", "when": "sku = A1" }]);
    for (body, status) in [
        (campaign(rule.clone(), Value::Null), 201),
        (campaign(json!([rule]), json!({})), 201),
        (campaign(rule.clone(), capped), 422),
        (campaign(conditional, Value::Null), 422),
    ] {
        let answer = post(&stage, "/api/v1/campaigns", "application/json", &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_hundred_deliveries_of_one_order_at_once_are_one_order() {
    let stage = Stage::set().await;
    let body = crate::support::woo_order(727, json!({}), &[("_ac", &stage.token().await)]);
    let (public, path) = (stage.product.public, format!("/_ac/hooks/woocommerce/{}", stage.key));
    let signature = crate::support::sign(crate::support::SECRET, &body);
    let mut deliveries = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (path, signature, body) = (path.clone(), signature.clone(), body.clone());
        deliveries.spawn(async move {
            let headers = [
                ("x-wc-webhook-topic", "order.updated"),
                ("x-wc-webhook-signature", signature.as_str()),
            ];
            http::send(public, Method::POST, &path, &headers, body).await.unwrap().status
        });
    }
    assert!(deliveries.join_all().await.into_iter().all(|status| status == 200));
    assert_eq!(stage.commission("727").await, 270);
    assert_eq!(stage.figures().await["orders"], 1);
}

#[tokio::test]
async fn every_answer_of_the_admin_listener_guards_the_browser_that_asked() {
    let stage = Stage::set().await;
    for path in ["/", "/healthz", "/metrics", "/api/v1/merchants", "/nowhere"] {
        let answer = http::send(stage.product.admin, Method::GET, path, &[], "").await.unwrap();
        let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
    }
}
