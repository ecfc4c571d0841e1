//! Channels beside webhooks: postbacks of networks, the server API, tables, orders that the shop's
//! page carries signed, and deliveries that are read again.

use harness::Answer;
use hyper::Method;
use serde_json::{Value, json};
use shared::platform::Platform;
use shared::record::{Record, Unparsed};
use shared::time::Timestamp;

use crate::support::{SECRET, Stage, click_of, hex_mac, launch, now_ms, text, until, woo_order};

/// Returns the token for senders that cannot sign. It is shown when a merchant is made, so this
/// makes another merchant with the same secret.
async fn postback_token(stage: &Stage) -> String {
    let secret = json!({ "name": "x", "domains": ["other.test"], "currency": "EUR", "timezone": "UTC", "webhook_secret": SECRET });
    text(&stage.product.create("merchants", &secret).await.unwrap()["postback_token"])
}

#[tokio::test]
async fn networks_send_facts_in_their_own_words_and_with_a_click_id() {
    let stage = Stage::set().await;
    let (token, secret) = (click_of(&stage.token().await), postback_token(&stage).await);
    let send = async |path: String| stage.get(&path).await;
    let keitaro =
        format!("/_ac/pb/keitaro/{}?subid={token}&tid=7&revenue=100&token={secret}", stage.key);
    assert_eq!(send(format!("{keitaro}&status=lead&return=OK")).await.body, "OK");
    let order = stage.order("7").await;
    assert_eq!(
        (&order["order"]["status"], &order["decision"]["method"]),
        (&json!("unpaid"), &json!("click"))
    );
    assert_eq!(stage.commission("7").await, 1500, "accrued, and not payable before it is sold");
    assert_eq!(send(format!("{keitaro}&status=sale")).await.status, 200);
    assert_eq!(
        send(format!("{keitaro}&status=sale")).await.status,
        200,
        "a repeated postback is welcome"
    );
    let order = stage.order("7").await;
    assert_eq!(
        (&order["order"]["status"], order["facts"].as_array().unwrap().len()),
        (&json!("paid"), 2)
    );
    send(format!("{keitaro}&status=rejected")).await;
    assert_eq!(stage.commission("7").await, 0);
    let tune = format!(
        "/_ac/pb/tune/{}?transaction_id={token}&amount=10&security_token={secret}",
        stage.key
    );
    assert_eq!(send(tune.clone()).await.body, "success=true;");
    assert_eq!(
        stage.commission(&format!("click:{token}")).await,
        150,
        "without an order id one order a click"
    );
    let wrong = send(tune.replace("amount=10", "amount=ten")).await;
    assert_eq!(
        (wrong.status, wrong.body.starts_with("success=false; err_msg=amount")),
        (400, true)
    );
    let everflow = format!(
        "/_ac/pb/everflow/{}?transaction_id={token}&order_id=8&amount=12,34&token={secret}",
        stage.key
    );
    assert_eq!(send(everflow.clone()).await.status, 200);
    assert_eq!(stage.commission("8").await, 185);
    assert_eq!(send(everflow.replace(&secret, "guessed")).await.status, 401);
    assert_eq!(send(everflow.replace("everflow", "unheard-of")).await.status, 404);
    assert_eq!(stage.metric("afterclick_reports_refused_total").await, 1, "a counted trace");
}

async fn orders(stage: &Stage, secret: &str, age: i64, body: &Value) -> Answer {
    let body = body.to_string();
    let time = now_ms() / 1000 - age;
    let signature = format!("t={time},v1={}", hex_mac(secret, &format!("{time}.{body}")));
    let path = format!("/_ac/orders/{}", stage.key);
    stage.post(&path, &[("x-afterclick-signature", signature.as_str())], &body).await
}

#[tokio::test]
async fn a_shops_server_sends_orders_and_refunds_in_plain_words() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let order = json!({
        "order_id": "S-1", "currency": "EUR", "total": "139.90", "shipping": "10.00", "ac": token,
        "customer_email": "buyer@example.org",
    });
    let call =
        json!({ "orders": [order, { "order_id": "S-2", "currency": "EUR", "goods": "12,50" }] });
    let answer = orders(&stage, SECRET, 0, &call).await;
    assert_eq!(
        (answer.status, answer.body.contains("goods: `12,50`")),
        (200, true),
        "{}",
        answer.body
    );
    assert_eq!(stage.commission("S-1").await, 1949);
    assert!(
        !stage.order("S-1").await.to_string().contains("buyer@example.org"),
        "hashed, and never kept"
    );
    let refund = json!({ "order_id": "S-1", "currency": "EUR", "refunds": [{ "id": "r1", "amount": "29.90", "goods": "29.90" }] });
    orders(&stage, SECRET, 0, &refund).await;
    orders(&stage, SECRET, 0, &refund).await;
    assert_eq!(stage.commission("S-1").await, 1500, "the same refund twice is one");
    assert_eq!(orders(&stage, SECRET, 0, &json!({ "order_id": "" })).await.status, 400);
    assert_eq!(orders(&stage, SECRET, 301, &call).await.status, 401, "stale");
    assert_eq!(orders(&stage, "another", 0, &call).await.status, 401);
    stage.figures().await;
    assert_eq!(
        stage.product.read("/api/v1/unparsed").await.unwrap()["count"],
        2,
        "kept with the reason"
    );
}

#[tokio::test]
async fn a_status_taken_back_by_who_may_say_anything_stands_and_an_old_signed_postback_does_not() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let say = |id: &str, status: &str| json!({ "order_id": id, "status": status, "currency": "EUR", "goods": "100.00", "ac": token });
    let states = [("paid", 1500), ("rejected", 0), ("paid", 1500), ("paid", 1500), ("rejected", 0)];
    for (status, commission) in states {
        assert_eq!(orders(&stage, SECRET, 0, &say("S-1", status)).await.status, 200);
        assert_eq!(stage.commission("S-1").await, commission, "{status}");
    }
    let marked = format!("\u{feff}{}", say("S-2", "paid"));
    let time = now_ms() / 1000;
    let signature = format!("t={time},v1={}", hex_mac(SECRET, &format!("{time}.{marked}")));
    let headers = [("x-afterclick-signature", signature.as_str())];
    let answer = stage.post(&format!("/_ac/orders/{}", stage.key), &headers, &marked).await;
    assert_eq!((answer.status, stage.commission("S-2").await), (200, 1500), "{}", answer.body);

    let postback = async |credential: &dyn Fn(&str) -> String, id: &str, status: &str| {
        let query =
            format!("amount=100.00&click_id={token}&currency=EUR&status={status}&txid={id}");
        let path = format!("/_ac/pb/{}?{query}&{}", stage.key, credential(&query));
        assert_eq!(stage.get(&path).await.status, 200);
        stage.commission(id).await
    };
    let secret = postback_token(&stage).await;
    let with_token = |_: &str| format!("token={secret}");
    for (status, commission) in [("approved", 1500), ("rejected", 0), ("approved", 1500)] {
        assert_eq!(postback(&with_token, "P-1", status).await, commission, "{status}");
    }
    let signed = |query: &str| format!("sig={}", hex_mac(SECRET, query));
    for (status, commission) in [("approved", 1500), ("rejected", 0), ("approved", 0)] {
        assert_eq!(postback(&signed, "P-2", status).await, commission, "{status}");
    }
}

#[tokio::test]
async fn orders_and_refunds_are_imported_as_a_table_all_or_nothing() {
    let stage = Stage::set().await;
    let click = click_of(&stage.token().await);
    let path = format!("/api/v1/orders/import?merchant={}", stage.merchant);
    let import =
        async |csv: String| stage.product.ask(Method::POST, &path, "text/csv", csv).await.unwrap();
    let header = "order_id,status,currency,goods,click_id,refund_id,refund_amount,refund_goods\n";
    let wrong =
        import(format!("{header}1,paid,EUR,100.00,{click},,,\n2,paid,EUR,\"10,00\",,,,\n")).await;
    assert_eq!(
        (wrong.status, wrong.body.contains("line 3"), wrong.body.contains("`10,00`")),
        (422, true, true)
    );
    let table = format!(
        "{header}1,paid,EUR,100.00,{click},,,\n2,pending,EUR,10.00,{click},,,\n1,,EUR,,,r1,40.00,40.00\n"
    );
    for _ in 0..2 {
        let answer = import(table.clone()).await;
        assert_eq!((answer.status, answer.body.contains("3")), (201, true), "{}", answer.body);
    }
    assert_eq!((stage.commission("1").await, stage.commission("2").await), (900, 150));
    assert_eq!(stage.figures().await["orders"], 2, "twice is once");
    let void = "order_id,status,currency,goods\n2,rejected,EUR,10.00\n";
    assert_eq!((import(void.to_owned()).await.status, stage.commission("2").await), (201, 0));
    assert_eq!((import(table.clone()).await.status, stage.commission("2").await), (201, 0), "old");
    let unknown = stage
        .product
        .ask(Method::POST, "/api/v1/orders/import?merchant=mer_00000000", "text/csv", table)
        .await;
    assert_eq!(unknown.unwrap().status, 422);
}

#[tokio::test]
async fn a_word_an_id_and_a_time_mean_what_their_sender_means_or_are_refused() {
    let stage = Stage::set().await;
    let secret = postback_token(&stage).await;
    let postback = format!("/_ac/pb/{}?amount=10.00&currency=EUR&token={secret}", stage.key);
    for (parameters, id, status) in [
        ("status=Approved", "S1", "paid"),
        ("status=DECLINED", "S2", "void"),
        ("status=2", "S3", "unpaid"),
        ("status=approved", "REPLACEMENT-12", "paid"),
    ] {
        let answer = stage.get(&format!("{postback}&{parameters}&txid={id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(stage.order(id).await["order"]["status"], status, "{parameters}");
    }
    let zoneless = json!({ "order_id": "P7", "currency": "EUR", "goods": "10.00", "ordered_at": "2026-11-20 10:00:00" });
    let answer = orders(&stage, SECRET, 0, &zoneless).await;
    assert_eq!(
        (answer.status, answer.body.contains("ordered_at: ")),
        (400, true),
        "{}",
        answer.body
    );
    let coupons =
        json!({ "order_id": "P8", "currency": "EUR", "goods": "10.00", "coupons": "AAA" });
    assert_eq!(orders(&stage, SECRET, 0, &coupons).await.status, 200);
    assert_eq!(stage.order("P8").await["order"]["coupons"], json!(["AAA"]));
    let unread = json!({ "order_id": "P9", "currency": "EUR", "goods": "10.00", "voucher": "AAA" });
    let answer = orders(&stage, SECRET, 0, &unread).await;
    assert_eq!((answer.status, answer.body.contains("voucher: ")), (400, true), "{}", answer.body);
}

#[tokio::test]
async fn tables_come_as_spreadsheets_write_them_and_shortened_ids_are_refused() {
    let stage = Stage::set().await;
    let path = format!("/api/v1/orders/import?merchant={}", stage.merchant);
    let import = async |csv: &str| {
        stage.product.ask(Method::POST, &path, "text/csv", csv.to_owned()).await.unwrap()
    };
    let shortened =
        import("order_id,currency,total\n8.20983E+17,EUR,100.00\n8.20983E+17,EUR,40.00\n").await;
    assert_eq!((shortened.status, shortened.body.contains("spreadsheets")), (422, true));
    let table = "sep=;\r\nORDER_ID;Currency;Goods;Coupons\r\n77;EUR;10.00;AAA,BBB\r\n";
    let answer = import(table).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(stage.order("77").await["order"]["coupons"], json!(["AAA", "BBB"]));
    let unknown = import("order_id,currency,goods,voucher\n78,EUR,10.00,AAA\n").await;
    assert_eq!((unknown.status, unknown.body.contains("voucher")), (422, true), "{}", unknown.body);
}

#[tokio::test]
async fn an_order_that_the_page_carries_signed_counts_and_no_other() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let purchase = async |id: &str, value: &str, sig: &str| {
        let event = json!({
            "v": 1, "k": stage.key, "t": token, "c": "granted",
            "e": [{
                "id": format!("0190a000-0000-7000-8000-00000000{id}"), "n": "purchase", "ts": 1, "u": "https://shop.test/",
                "o": { "id": id, "value": value, "currency": "EUR", "shipping": "10.00", "coupon": "FREE", "sig": sig,
                       "items": [{ "sku": "A1", "qty": "1", "price": "999999.00" }] },
            }],
        });
        assert_eq!(stage.events(&[], &event.to_string()).await.status, 204);
    };
    let sig = |id: &str, value: &str| {
        hex_mac(SECRET, &format!("currency=EUR&id={id}&shipping=10.00&value={value}"))
    };
    purchase("1001", "110.00", &sig("1001", "110.00")).await;
    let order = stage.order("1001").await;
    assert_eq!(
        (&order["order"]["confirmed"], &order["order"]["goods"]),
        (&json!(true), &json!("100.00")),
        "{order}"
    );
    assert_eq!((&order["order"]["coupons"], stage.commission("1001").await), (&json!([]), 1500));
    // The same purchase again, its signature spelled otherwise, is the same fact.
    purchase("1001", "110.00", &sig("1001", "110.00").to_uppercase()).await;
    assert_eq!(stage.order("1001").await["facts"].as_array().unwrap().len(), 1);
    purchase("1002", "1110.00", &sig("1002", "110.00")).await;
    let order = stage.order("1002").await;
    assert_eq!(
        (&order["order"]["confirmed"], stage.commission("1002").await),
        (&json!(false), 0),
        "tampered"
    );
    assert!(order["facts"][0]["notes"][0].as_str().unwrap().starts_with("sig: "), "{order}");
}

#[tokio::test]
async fn the_time_that_a_page_says_is_not_signed_and_dates_no_signed_order() {
    let stage = Stage::set().await;
    let ordered_at = now_ms() - 5 * 86_400_000;
    let sig = hex_mac(SECRET, "currency=EUR&id=1003&value=110.00");
    let event = json!({
        "v": 1, "k": stage.key, "t": stage.token().await, "c": "granted",
        "e": [{
            "id": "0190a000-0000-7000-8000-000000001003", "n": "purchase", "ts": ordered_at,
            "u": "https://shop.test/",
            "o": { "id": "1003", "value": "110.00", "currency": "EUR", "sig": sig },
        }],
    });
    assert_eq!(stage.events(&[], &event.to_string()).await.status, 204);
    let order = stage.order("1003").await;
    let placed_at: Timestamp = order["order"]["placed_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(order["order"]["confirmed"], true, "{order}");
    assert!(now_ms() - placed_at.as_ms() < 3_600_000, "a suspension would be got round: {order}");
}

#[tokio::test]
async fn unparsed_deliveries_are_read_once_after_a_fix() {
    // A rebuild reads streams by name. So it finds unparsed deliveries before and after the facts
    // that were read from them.
    read_after_a_fix("facts-00").await;
    read_after_a_fix("facts-zz").await;
}

async fn read_after_a_fix(older_stream: &str) {
    use base64::Engine;
    let mut stage = Stage::set().await;
    let token = stage.token().await;
    stage.product.stop().await.unwrap();
    // Deliveries as an older version would have kept them.
    let merchant = stage.merchant.parse().unwrap();
    let delivery = |topic: &str, received_at: i64, body: &str| {
        Record::Unparsed(Unparsed {
            merchant,
            platform: Platform::Woocommerce,
            received_at: Timestamp::from_ms(received_at),
            topic: Some(topic.to_owned()),
            reason: "an older version could not read it".to_owned(),
            body: base64::engine::general_purpose::STANDARD.encode(body),
        })
    };
    let now = now_ms();
    let journal_dir = stage.folder.path().join("data/journal");
    let stream = journal::StreamName::new(older_stream).unwrap();
    let (mut writer, _) =
        journal::Writer::open(&journal_dir, &stream, 1, journal::Options::default()).unwrap();
    for record in [
        delivery("order.updated", now, &woo_order(727, json!({}), &[("_ac", &token)])),
        delivery("postback", now + 1, "txid=9&amount=10.00&currency=EUR"),
        delivery("order.updated", now + 2, "{"),
    ] {
        writer.append(&record.encode()).unwrap();
    }
    writer.commit(1).unwrap();
    drop(writer);
    stage.product = launch(&stage.folder).start().await.unwrap();
    for expected in
        [json!({ "reread": 2, "still_unparsed": 1 }), json!({ "reread": 0, "still_unparsed": 1 })]
    {
        let answer = stage
            .product
            .ask(Method::POST, "/api/v1/unparsed/replay", "application/json", "")
            .await
            .unwrap();
        assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), expected);
    }
    // This server does not know the stream that was written by hand, so the test waits for its
    // records one by one.
    let path = |order: &str| format!("/api/v1/orders/{}/{order}", stage.merchant);
    for (order, goods) in [("727", "18.00"), ("9", "10.00")] {
        until(order, async || stage.product.read(&path(order)).await.is_ok()).await;
        assert_eq!(stage.product.read(&path(order)).await.unwrap()["order"]["goods"], goods);
    }
    assert_listed(&stage).await;
    stage.product.stop().await.unwrap();
    std::fs::remove_dir_all(stage.folder.path().join("data/state")).unwrap();
    stage.product = launch(&stage.folder).start().await.unwrap();
    assert_listed(&stage).await;
}

async fn assert_listed(stage: &Stage) {
    let mut listed = Value::Null;
    until("three are listed", async || {
        listed = stage.product.read("/api/v1/unparsed").await.unwrap();
        listed["up_to_date"] == true && listed["count"] == 3
    })
    .await;
    let read: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|item| item["reread"].clone()).collect();
    assert_eq!(read, [json!(false), json!(true), json!(true)], "the latest first: {listed}");
}
