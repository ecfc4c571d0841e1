//! WooCommerce webhooks, from the signature to the cent.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::support::{SECRET, Stage, click_of, hex_mac, segment, sign, text, woo_order};

#[tokio::test]
async fn a_signed_order_with_its_token_earns_to_the_cent() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let answer =
        stage.webhook("order.updated", &woo_order(727, json!({}), &[("_ac", &token)])).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let order = stage.order("727").await;
    assert_eq!(order["order"]["goods"], "18.00");
    assert_eq!(order["decision"]["method"], "click");
    assert_eq!(order["commission"][0]["amount"], "2.70", "15 % of 18.00");
    let figures = stage.figures().await;
    assert_eq!((&figures["orders"], &figures["commission"]["EUR"]), (&json!(1), &json!("2.70")));
}

#[tokio::test]
async fn the_same_delivery_ten_times_is_one_order() {
    let stage = Stage::set().await;
    let body = woo_order(727, json!({}), &[("ac", &stage.token().await)]);
    let deliveries = (0..10).map(|_| stage.webhook("order.updated", &body));
    for delivery in deliveries {
        assert_eq!(delivery.await.status, 200);
    }
    assert_eq!(stage.commission("727").await, 270);
    assert_eq!(stage.figures().await["orders"], 1);
    assert_eq!(stage.order("727").await["facts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn refunds_replace_each_other_and_a_cancelled_order_earns_nothing() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let state = |modified: &str, status: &str, refunds: serde_json::Value| {
        let time = format!("2026-01-01T10:{modified}:00");
        let changes = json!({ "status": status, "date_modified_gmt": time, "refunds": refunds, "total": "29.35" });
        woo_order(727, changes, &[("_ac", &token)])
    };
    let refund = json!([{ "id": 1, "reason": "", "total": "-14.67" }]);
    stage.webhook("order.updated", &state("00", "processing", json!([]))).await;
    stage.webhook("order.updated", &state("01", "processing", refund)).await;
    // 15 % of 18.00, of which (29.35 - 14.67) / 29.35 was kept: 1.3504…
    assert_eq!(stage.commission("727").await, 135);
    stage.webhook("order.updated", &state("02", "processing", json!([]))).await;
    assert_eq!(stage.commission("727").await, 270, "the refund was deleted");
    stage.webhook("order.updated", &state("03", "cancelled", json!([]))).await;
    assert_eq!(stage.commission("727").await, 0);
    stage.webhook("order.updated", &state("01", "completed", json!([]))).await;
    assert_eq!(
        stage.commission("727").await,
        0,
        "an older state that arrives late changes nothing"
    );
    let figures = stage.figures().await;
    assert_eq!((&figures["orders"], &figures["revenue"]), (&json!(0), &json!({ "EUR": "0.00" })));
}

/// An order as the shop has it since `modified`, a time in 2017.
fn woo_state(token: &str, modified: &str, changes: serde_json::Value) -> String {
    let mut all = json!({ "date_modified_gmt": format!("2017-03-22T{modified}") });
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    woo_order(727, all, &[("_ac", token)])
}

#[tokio::test]
async fn an_order_may_be_deleted_restored_and_deleted_again() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let status = async |topic: &str, body: &str| {
        assert_eq!(stage.webhook(topic, body).await.status, 200);
        // Deletions are told apart by the second in which they come.
        sleep(Duration::from_millis(1100)).await;
        stage.order("727").await["order"]["status"].clone()
    };
    // WooCommerce dates the order anew when it restores it. Its clock says 2017.
    let (placed, restored) =
        (woo_state(&token, "19:28:08", json!({})), woo_state(&token, "19:40:00", json!({})));
    assert_eq!(status("order.updated", &placed).await, "paid");
    assert_eq!(status("order.deleted", r#"{"id":727}"#).await, "void");
    assert_eq!(status("order.restored", &placed).await, "void", "that is an old delivery");
    assert_eq!(status("order.restored", &restored).await, "paid");
    assert_eq!(status("order.deleted", r#"{"id":727}"#).await, "void");
    assert_eq!(status("order.restored", &restored).await, "void", "that is an old delivery now");
    let again = woo_state(&token, "19:50:00", json!({}));
    assert_eq!(status("order.updated", &again).await, "paid", "the topic does not matter");
    assert_eq!(stage.commission("727").await, 270);
}

#[tokio::test]
async fn an_old_delivery_under_another_header_pays_nothing_again() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let paid = woo_state(&token, "19:28:08", json!({}));
    // The shop signed this one too, but it never reached us.
    let lost = woo_state(&token, "19:30:00", json!({ "customer_note": "wrap it" }));
    let refunded = woo_state(&token, "20:00:00", json!({ "status": "refunded" }));
    stage.webhook("order.updated", &paid).await;
    assert_eq!(stage.commission("727").await, 270);
    stage.webhook("order.updated", &refunded).await;
    assert_eq!(stage.commission("727").await, 0);
    for topic in ["order.restored", "order.created", "order.updated", "order.deleted"] {
        for body in [&paid, &lost] {
            stage.webhook(topic, body).await;
            assert_eq!(stage.commission("727").await, 0, "{topic}");
        }
    }
    assert_eq!(stage.order("727").await["order"]["status"], "void");
    assert_eq!(stage.order("727").await["facts"].as_array().unwrap().len(), 3, "one fact a body");
}

#[tokio::test]
async fn what_is_taken_back_without_a_new_date_stands_as_it_was_last_delivered() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let state = |changes| woo_state(&token, "19:28:08", changes);
    let placed = state(json!({}));
    let edited = state(json!({ "line_items": [{ "id": 315, "total": "10.00" }] }));
    let on_hold = state(json!({ "status": "on-hold" }));
    let after = async |body: &str| {
        assert_eq!(stage.webhook("order.updated", body).await.status, 200);
        let commission = stage.commission("727").await;
        let order = stage.order("727").await;
        let facts = order["facts"].as_array().unwrap().len();
        (commission, text(&order["order"]["status"]), facts)
    };
    let paid = || "paid".to_owned();
    assert_eq!(after(&placed).await, (270, paid(), 1));
    assert_eq!(after(&edited).await, (150, paid(), 2));
    assert_eq!(after(&placed).await, (270, paid(), 3), "the edit was taken back");
    assert_eq!(after(&placed).await, (270, paid(), 3), "that is said already");
    assert_eq!(after(&on_hold).await, (270, "unpaid".to_owned(), 4));
    assert_eq!(after(&placed).await, (270, paid(), 5));
    // Sent again after the shop dated the order anew, none of them is newer than its date.
    let cancelled = woo_state(&token, "20:00:00", json!({ "status": "cancelled" }));
    assert_eq!(after(&cancelled).await, (0, "void".to_owned(), 6));
    for body in [&placed, &edited, &on_hold, &placed] {
        assert_eq!((after(body).await.0, after(body).await.1), (0, "void".to_owned()));
    }
}

#[tokio::test]
async fn a_body_that_was_cut_inside_an_emoji_or_begins_with_a_mark_is_read() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let noted = |id: u64, note: &str| {
        let body = woo_order(id, json!({ "customer_note": "thanks" }), &[("_ac", &token)]);
        body.replace("\"thanks\"", note)
    };
    let bodies =
        [(1, noted(1, r#""thanks \ud83d""#)), (2, format!("\u{feff}{}", noted(2, "\"x\"")))];
    for (id, body) in bodies {
        assert_eq!(stage.webhook("order.updated", &body).await.status, 200, "{id}");
        assert_eq!(stage.commission(&id.to_string()).await, 270, "{id}");
    }
    // What the pixel made of a name that it cut.
    let event = json!({
        "v": 1, "k": stage.key, "t": token, "c": "granted",
        "e": [{ "id": "0190a000-0000-7000-8000-000000000001", "n": "purchase", "ts": 1, "u": "https://shop.test/",
                "o": { "id": "3", "value": "10.00", "currency": "EUR", "items": [{ "name": "CUT", "qty": "1" }] } }],
    });
    let event = event.to_string().replace("CUT", r"x\ud83d");
    assert_eq!(stage.events(&[], &event).await.status, 204);
}

#[tokio::test]
async fn a_signed_body_is_no_deletion_because_a_header_says_so() {
    let stage = Stage::set().await;
    let body = woo_order(727, json!({}), &[("_ac", &stage.token().await)]);
    assert_eq!(stage.webhook("order.deleted", &body).await.status, 200);
    assert_eq!(stage.order("727").await["order"]["status"], "paid");
}

#[tokio::test]
async fn claims_of_browsers_change_nothing_that_the_shop_said() {
    let stage = Stage::set().await;
    let (annas, later) = (stage.token().await, stage.token().await);
    let coupon =
        json!({ "campaign": stage.campaign, "influencer": stage.influencer, "code": "MAL5" });
    stage.product.create("coupons", &coupon).await.unwrap();
    let forged = json!({ "v": 1, "k": stage.key, "t": later, "e": [{
        "id": "0193a0c4-8f9e-7d3a-9b1c-2f4e6a8c0d1e", "n": "purchase", "ts": 1,
        "o": { "id": "727", "value": "5000.00", "currency": "EUR", "coupon": "MAL5" },
    }]});
    assert_eq!(stage.events(&[], &forged.to_string()).await.status, 204);
    stage.webhook("order.updated", &woo_order(727, json!({}), &[("_ac", &annas)])).await;
    let order = stage.order("727").await;
    assert_eq!(
        (&order["order"]["goods"], &order["commission"][0]["amount"]),
        (&json!("18.00"), &json!("2.70"))
    );
    let verdict_of = |token: &str| {
        let candidates = order["decision"]["candidates"].as_array().unwrap();
        let click = click_of(token);
        candidates.iter().find(|c| c["click"] == click.as_str()).unwrap()["verdict"].clone()
    };
    assert_eq!(
        (verdict_of(&annas), verdict_of(&later)),
        (json!("credited"), json!("less_trusted"))
    );
    stage
        .webhook(
            "order.updated",
            &woo_order(728, json!({ "line_items": null }), &[("_ac", &annas)]),
        )
        .await;
    let forged = forged.to_string().replace("\"727\"", "\"728\"").replace("0d1e", "0d1f");
    assert_eq!(stage.events(&[], &forged).await.status, 204);
    assert_eq!(
        stage.commission("728").await,
        0,
        "unreadable goods are not made up for by a browser"
    );
}

#[tokio::test]
async fn a_forged_claim_does_not_change_when_the_real_order_was_placed() {
    let stage = Stage::set().await;
    let forged = json!({ "v": 1, "k": stage.key, "t": "", "e": [{
        "id": "0193a0c4-8f9e-7d3a-9b1c-2f4e6a8c0d1e", "n": "purchase", "ts": 1, "o": { "id": "727" },
    }]});
    assert_eq!(stage.events(&[], &forged.to_string()).await.status, 204);
    let token = stage.token().await;
    stage.webhook("order.updated", &woo_order(727, json!({}), &[("_ac", &token)])).await;
    assert_eq!(stage.commission("727").await, 270);
}

#[tokio::test]
async fn a_coupon_that_the_shop_takes_off_no_longer_pays() {
    let stage = Stage::set().await;
    let coupon =
        json!({ "campaign": stage.campaign, "influencer": stage.influencer, "code": "ANNA15" });
    stage.product.create("coupons", &coupon).await.unwrap();
    let with = json!({ "coupon_lines": [{ "code": "anna15" }], "date_modified_gmt": "2026-01-01T10:00:00" });
    stage.webhook("order.updated", &woo_order(5, with, &[])).await;
    assert_eq!(stage.commission("5").await, 270);
    let without = json!({ "coupon_lines": [], "date_modified_gmt": "2026-01-01T10:01:00" });
    stage.webhook("order.updated", &woo_order(5, without, &[])).await;
    assert_eq!(stage.commission("5").await, 0);
}

#[tokio::test]
async fn the_token_is_found_in_the_address_of_the_first_page_in_both_spellings() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    for (id, name) in [(1, "ac"), (2, "_ac")] {
        let entry = format!("https://shop.test/p?x=1&{name}={token}#top");
        let meta = [("_wc_order_attribution_session_entry", entry.as_str())];
        stage.webhook("order.updated", &woo_order(id, json!({}), &meta)).await;
        assert_eq!(stage.commission(&id.to_string()).await, 270, "{name}");
    }
}

#[tokio::test]
async fn many_claims_of_one_order_cost_little_and_count_for_nothing() {
    let stage = Stage::set().await;
    // 500 claims from here on, of the orders that are named; how long until all are taken in.
    let claim = async |from: u32, order_of: fn(u32) -> u32| {
        let begun = std::time::Instant::now();
        for batch in 0..10u32 {
            let event = |n: u32| {
                let number = from + batch * 50 + n;
                json!({
                    "id": format!("0193a0c4-8f9e-7d3a-9b1c-{number:012x}"), "n": "purchase", "ts": 1,
                    "o": { "id": order_of(number).to_string(), "value": "1.00", "currency": "EUR" },
                })
            };
            let events: Vec<_> = (0..50).map(event).collect();
            let body = json!({ "v": 1, "k": stage.key, "t": stage.token().await, "e": events });
            assert_eq!(stage.events(&[], &body.to_string()).await.status, 204);
        }
        stage.figures().await;
        begun.elapsed()
    };
    let of_many = claim(1000, |number| number).await;
    let of_one = claim(2000, |_| 727).await;
    println!("500 claims of 500 orders: {of_many:?}, of one: {of_one:?}");
    let order = stage.order("727").await;
    assert!(order["facts"].as_array().unwrap().len() <= 20, "claims are kept up to a bound");
    assert_eq!(stage.figures().await["orders"], 0, "a claim is no order");
    assert!(of_one < 5 * of_many, "{of_one:?} against {of_many:?} for as many orders");
}

#[tokio::test]
async fn a_deleted_order_earns_nothing() {
    let stage = Stage::set().await;
    let body = woo_order(727, json!({}), &[("_ac", &stage.token().await)]);
    stage.webhook("order.updated", &body).await;
    assert_eq!(stage.webhook("order.deleted", r#"{"id":727}"#).await.status, 200);
    assert_eq!(stage.commission("727").await, 0);
    assert_eq!(stage.order("727").await["order"]["status"], "void");
}

#[tokio::test]
async fn unpaid_orders_accrue_and_test_and_draft_orders_do_not() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    stage
        .webhook("order.updated", &woo_order(1, json!({ "status": "on-hold" }), &[("_ac", &token)]))
        .await;
    assert_eq!(stage.order("1").await["order"]["status"], "unpaid");
    assert_eq!(stage.commission("1").await, 270, "accrues; the batch never approves it");
    stage
        .webhook(
            "order.updated",
            &woo_order(2, json!({}), &[("_ac", &token), ("_wcpay_mode", "test")]),
        )
        .await;
    assert_eq!(stage.commission("2").await, 0);
    let draft = stage
        .webhook("order.updated", &woo_order(3, json!({ "status": "checkout-draft" }), &[]))
        .await;
    assert_eq!((draft.status, draft.body.as_str()), (200, "ignored: a draft is no order yet\n"));
}

#[tokio::test]
async fn only_the_merchants_own_signature_is_accepted() {
    let stage = Stage::set().await;
    let path = format!("/_ac/hooks/woocommerce/{}", stage.key);
    let body = woo_order(727, json!({}), &[]);
    let signed_for_another_body = sign(SECRET, "{}");
    let signed_by_another = sign("another secret", &body);
    for signature in ["", "nonsense", signed_for_another_body.as_str(), signed_by_another.as_str()]
    {
        let answer = stage.post(&path, &[("x-wc-webhook-signature", signature)], &body).await;
        assert_eq!(answer.status, 401, "{signature}");
    }
    assert_eq!(stage.post(&path, &[], &body).await.status, 401);
    assert_eq!(stage.post("/_ac/hooks/woocommerce/nobody", &[], &body).await.status, 404);
    assert_eq!(
        stage.post(&path, &[], "webhook_id=17").await.status,
        200,
        "the unsigned ping wants 200"
    );
}

#[tokio::test]
async fn unreadable_deliveries_are_refused_with_the_field_and_kept() {
    let stage = Stage::set().await;
    for (body, named) in [
        ("{", "body"),
        ("[]", "JSON object"),
        (r#"{"status":"x"}"#, "id:"),
        (r#"{"id":5}"#, "status:"),
    ] {
        let answer = stage.webhook("order.updated", body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(
            answer.body.contains(named) && answer.body.contains("kept as unparsed"),
            "{}",
            answer.body
        );
        // Two deliveries of the same millisecond would be listed in any order.
        sleep(Duration::from_millis(2)).await;
    }
    stage.figures().await;
    let listed = stage.product.read("/api/v1/unparsed?limit=2").await.unwrap();
    assert_eq!(
        (&listed["count"], listed["items"].as_array().unwrap().len()),
        (&json!(4), 2),
        "{listed}"
    );
    assert_eq!(
        listed["items"][0]["reason"], "status: expected a word such as processing",
        "the latest first"
    );
    assert_eq!(listed["items"][0]["topic"], "order.updated");
    let data = stage.product.data().to_owned();
    stage.product.stop().await.unwrap();
    let facts = std::fs::read(segment(&data, "facts")).unwrap();
    let kept = String::from_utf8_lossy(&facts).matches("expected the order's number").count();
    assert_eq!(kept, 1, "the reason stands in the journal");
}

#[tokio::test]
async fn an_invalid_field_is_left_out_and_the_order_counts() {
    let stage = Stage::set().await;
    let changes = json!({ "total_tax": {}, "shipping_total": "ten", "date_created_gmt": "yesterday", "coupon_lines": 5 });
    let answer = stage
        .webhook("order.updated", &woo_order(9, changes, &[("_ac", &stage.token().await)]))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let order = stage.order("9").await;
    assert_eq!(order["commission"][0]["amount"], "2.70");
    let notes = order["facts"][0]["notes"].to_string();
    for field in ["total_tax", "shipping_total", "date_created_gmt"] {
        assert!(notes.contains(field), "{notes} should name {field}");
    }
}

#[tokio::test]
async fn a_coupon_alone_credits_its_owner_also_when_it_is_entered_late() {
    let stage = Stage::set().await;
    let changes = json!({ "coupon_lines": [{ "id": 1, "code": "anna15", "discount": "1.00" }] });
    stage.webhook("order.updated", &woo_order(5, changes, &[])).await;
    assert_eq!(stage.order("5").await["decision"]["method"], "none");
    let coupon =
        json!({ "campaign": stage.campaign, "influencer": stage.influencer, "code": "ANNA15" });
    stage.product.create("coupons", &coupon).await.unwrap();
    let order = stage.order("5").await;
    assert_eq!(order["decision"]["method"], "coupon");
    assert_eq!(order["commission"][0]["amount"], "2.70");
    let by_influencer = stage.product.read("/api/v1/stats?by=influencer").await.unwrap();
    assert_eq!(by_influencer["rows"][0]["commission"]["EUR"], "2.70", "{by_influencer}");
}

#[tokio::test]
async fn a_token_of_another_merchant_credits_nobody() {
    let (stage, other) = (Stage::set().await, Stage::set().await);
    let foreign = other.token().await;
    stage.webhook("order.updated", &woo_order(6, json!({}), &[("_ac", &foreign)])).await;
    let order = stage.order("6").await;
    assert_eq!(order["decision"]["method"], "none");
    assert!(
        order["facts"][0]["notes"].to_string().contains("meta_data._ac"),
        "the refusal is noted"
    );
}

#[tokio::test]
async fn a_signed_postback_confirms_an_order_and_an_unsigned_one_is_refused() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let path = format!("/_ac/pb/{}", stage.key);
    let query = format!("amount=129.90&click_id={token}&currency=EUR&status=approved&txid=1001");
    let signed = format!("{query}&sig={}", hex_mac(SECRET, &query));
    let get =
        async |query: &str| stage.visit(hyper::Method::GET, &format!("{path}?{query}"), &[]).await;
    assert_eq!(get(&query).await.status, 401);
    assert_eq!(get(&signed.replace("129.90", "999.90")).await.status, 401);
    for _ in 0..3 {
        assert_eq!(get(&signed).await.status, 200);
    }
    assert_eq!(stage.commission("1001").await, 1949);
    let rejected = "status=rejected&txid=1001";
    let form = format!("{rejected}&sig={}", hex_mac(SECRET, rejected));
    assert_eq!(
        stage
            .post(&path, &[("content-type", "application/x-www-form-urlencoded")], &form)
            .await
            .status,
        200
    );
    assert_eq!(stage.commission("1001").await, 0);
    let unfilled = "txid={order_id}";
    let answer =
        get(&format!("txid=%7Border_id%7D&sig={}", hex_mac(SECRET, "txid=%7Border_id%7D"))).await;
    assert_eq!(
        (answer.status, answer.body.contains(unfilled.trim_start_matches("txid="))),
        (400, true),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_replaced_secret_is_still_accepted_for_a_while() {
    let stage = Stage::set().await;
    let path = format!("/api/v1/merchants/{}", stage.merchant);
    let body = r#"{"webhook_secret":"a new secret of the shop"}"#;
    let changed =
        stage.product.ask(hyper::Method::PATCH, &path, "application/json", body).await.unwrap();
    assert_eq!(
        (changed.status, changed.body.contains("secret of the shop")),
        (200, false),
        "{}",
        changed.body
    );
    let hook = format!("/_ac/hooks/woocommerce/{}", stage.key);
    let order = woo_order(1, json!({}), &[]);
    for (secret, status) in [(SECRET, 200), ("a new secret of the shop", 200), ("another", 401)] {
        let signature = sign(secret, &order);
        assert_eq!(
            stage.post(&hook, &[("x-wc-webhook-signature", &signature)], &order).await.status,
            status
        );
    }
}

#[tokio::test]
async fn a_signed_postback_sent_to_another_dialect_is_no_second_fact() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let query = format!("amount=129.90&click_id={token}&currency=EUR&status=approved&txid=1001");
    let plain = "amount=50.00&currency=EUR&status=approved&txid=1002";
    let rejected = |order: u32| format!("status=rejected&txid={order}");
    let signed = |query: &str| format!("{query}&sig={}", hex_mac(SECRET, query));
    let send = async |dialect: &str, query: &str| {
        let path = format!("/_ac/pb/{dialect}{}?{}", stage.key, signed(query));
        stage.visit(hyper::Method::GET, &path, &[]).await.status
    };
    for query in [query.as_str(), plain, &rejected(1001), &rejected(1002)] {
        assert_eq!(send("", query).await, 200);
    }
    for dialect in ["", "voluum/", "keitaro/", "tune/", "everflow/"] {
        for query in [query.as_str(), plain] {
            send(dialect, query).await;
        }
        assert_eq!(stage.commission("1001").await, 0, "{dialect}");
        assert_eq!(stage.order("1001").await["order"]["status"], "void", "{dialect}");
        assert_eq!(stage.order("1002").await["order"]["status"], "void", "{dialect}");
    }
    let by_click = format!("amount=5&currency=EUR&order_id=7&transaction_id={token}");
    assert_eq!(send("everflow/", &by_click).await, 200);
    assert_eq!(send("tune/", &by_click).await, 400, "it would be an order of its own there");
    assert_eq!(stage.figures().await["orders"], 1);
}

#[tokio::test]
async fn a_signed_page_that_a_buyer_holds_back_does_not_undo_a_cancellation() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let rejected = "status=rejected&txid=1001";
    let form = format!("{rejected}&sig={}", hex_mac(SECRET, rejected));
    let path = format!("/_ac/pb/{}", stage.key);
    assert_eq!(stage.post(&path, &[], &form).await.status, 200);
    let sig = hex_mac(SECRET, "currency=EUR&id=1001&value=129.90");
    let purchase = json!({ "v": 1, "k": stage.key, "t": token, "c": "granted", "e": [{
        "id": "0190a000-0000-7000-8000-000000000001", "n": "purchase", "ts": crate::support::now_ms(),
        "o": { "id": "1001", "value": "129.90", "currency": "EUR", "sig": sig },
    }]});
    let page = [("origin", "https://shop.test")];
    assert_eq!(stage.post("/_ac/e", &page, &purchase.to_string()).await.status, 204);
    let order = stage.order("1001").await;
    assert_eq!(order["order"]["status"], "void", "{order}");
    assert_eq!(stage.commission("1001").await, 0);
    let approved = "status=approved&txid=1001";
    let form = format!("{approved}&sig={}", hex_mac(SECRET, approved));
    assert_eq!(stage.post(&path, &[], &form).await.status, 200);
    assert_eq!(stage.commission("1001").await, 1949, "the shop's server approves it");
}
