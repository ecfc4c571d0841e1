//! Shopify webhooks, from the signature to the cent.

use harness::Answer;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{SECRET, Stage, segment, sign};

const PARTLY_REFUNDED: &str = include_str!(
    "../fixtures/shopify/shopify_api_ruby_order_partially_refunded_discount_noteattrs.json"
);
pub(crate) const PAID_WITH_CODE: &str =
    include_str!("../fixtures/shopify/shopify_api_ruby_order_paid_discount_code.json");
const PENDING: &str = include_str!("../fixtures/shopify/shopify_api_ruby_order_pending.json");
const TEST: &str = include_str!("../fixtures/shopify/docs_2026-01_orders_paid.json");
const TEST_REFUND: &str = include_str!("../fixtures/shopify/docs_2026-01_refunds_create.json");
const YEN: &str = include_str!("../fixtures/shopify/DERIVED_order_JPY_shop_JPY.json");
const SHOWN_IN_EUR: &str =
    include_str!("../fixtures/shopify/DERIVED_order_USD_shop_EUR_presentment.json");
const MALFORMED: &str = include_str!("../fixtures/shopify/anonymised_2025-04_orders_1.json");
const TWO_LINES: &str = include_str!("../fixtures/shopify/shopify_api_ruby_refund_two_lines.json");
const CASH_BACK: &str =
    include_str!("../fixtures/shopify/shopify_api_ruby_refund_amount_only_lines_zero.json");
const SHIPPING: &str =
    include_str!("../fixtures/shopify/shopify_api_ruby_refund_shipping_only.json");

/// Returns a published order with changes: fields to replace, and the click token as a cart
/// attribute.
pub(crate) fn order(published: &str, changes: Value, token: &str) -> String {
    let mut order: Value = serde_json::from_str(published).unwrap();
    for field in ["created_at", "processed_at", "updated_at"] {
        order[field] = "2024-01-01T10:00:00+01:00".into();
    }
    order["note_attributes"] = json!([{ "name": "ac", "value": token }]);
    order.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    order.to_string()
}

async fn deliver(stage: &Stage, secret: &str, topic: &str, body: &str) -> Answer {
    let signature = sign(secret, body);
    let headers = [("X-Shopify-Topic", topic), ("X-Shopify-Hmac-SHA256", signature.as_str())];
    stage.post(&format!("/_ac/hooks/shopify/{}", stage.key), &headers, body).await
}

async fn take(stage: &Stage, topic: &str, body: &str) {
    let answer = deliver(stage, SECRET, topic, body).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"), "{topic}");
}

#[tokio::test]
async fn a_paid_order_with_a_cart_attribute_earns_to_the_cent_once() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let body = order(PAID_WITH_CODE, json!({}), &token);
    for topic in ["orders/create", "orders/paid", "orders/updated", "orders/paid"] {
        take(&stage, topic, &body).await;
    }
    let order = stage.order("1073459981").await;
    assert_eq!(
        (&order["order"]["goods"], &order["order"]["status"]),
        (&json!("181.09"), &json!("paid"))
    );
    assert_eq!(order["decision"]["method"], "click");
    assert_eq!(order["commission"][0]["amount"], "27.16", "15 % of 181.09 is 27.1635");
    assert_eq!(
        order["facts"].as_array().unwrap().len(),
        1,
        "one state under three topics is one fact"
    );
}

#[tokio::test]
async fn the_token_is_found_in_both_attributes_and_in_the_address_of_the_first_page() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let carriers = [
        json!({ "note_attributes": [{ "name": "_ac", "value": token }] }),
        json!({ "landing_site": format!("/products/red?x=1&ac={token}&utm_source=anna") }),
        json!({ "landing_site": format!("https://shop.test/products/red?_ac={token}#reviews") }),
        json!({ "referring_site": format!("https://shop.test/?ac={token}") }),
        json!({ "landing_site": format!("/p?ac=&utm_source=x&ac={token}&amp;ac=other") }),
        json!({ "landing_site": format!("/p?x=1&amp;ac={token}") }),
    ];
    for (id, carrier) in (1u64..).zip(carriers) {
        let mut changes = json!({ "id": id, "note_attributes": [] });
        changes.as_object_mut().unwrap().extend(carrier.as_object().unwrap().clone());
        take(&stage, "orders/paid", &order(PAID_WITH_CODE, changes, "")).await;
        assert_eq!(stage.commission(&id.to_string()).await, 2716, "{carrier}");
    }
}

#[tokio::test]
async fn a_discount_code_credits_its_owner_without_a_token() {
    let stage = Stage::set().await;
    let coupon =
        json!({ "campaign": stage.campaign, "influencer": stage.influencer, "code": "fake30" });
    stage.product.create("coupons", &coupon).await.unwrap();
    take(&stage, "orders/paid", &order(PAID_WITH_CODE, json!({ "note_attributes": [] }), "")).await;
    let order = stage.order("1073459981").await;
    assert_eq!(order["decision"]["method"], "coupon");
    assert_eq!(order["commission"][0]["amount"], "27.16");
}

/// The published order of 587.00 net of goods (3 × 199.00 - 10.00) under each published refund, at
/// 15 %.
#[tokio::test]
async fn each_refund_takes_back_its_goods_and_shipping_takes_back_nothing() {
    let rows = [
        (&[][..], 8805),                           // 15 % of 587.00
        (&[TWO_LINES], 2935),                      // of 587.00 - 391.33 = 195.67: 29.3505
        (&[CASH_BACK], 8176),                      // of 587.00 - 41.94 = 545.06: 81.759
        (&[SHIPPING], 8805),                       // of 587.00
        (&[SHIPPING, CASH_BACK, TWO_LINES], 2306), // of 195.67 - 41.94 = 153.73: 23.0595
        (&[TWO_LINES, TWO_LINES, SHIPPING], 2935), // the same refund twice is one
    ];
    for (refunds, due) in rows {
        let stage = Stage::set().await;
        let paid = json!({ "refunds": [], "financial_status": "paid" });
        take(&stage, "orders/paid", &order(PARTLY_REFUNDED, paid, &stage.token().await)).await;
        for refund in refunds {
            take(&stage, "refunds/create", refund).await;
        }
        assert_eq!(stage.commission("450789469").await, due);
    }
}

#[tokio::test]
async fn a_refund_may_come_before_its_order_and_again_within_it() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    take(&stage, "refunds/create", TWO_LINES).await;
    assert_eq!(stage.commission("450789469").await, 0, "nothing is known of the order yet");
    let paid = json!({ "refunds": [], "financial_status": "paid" });
    take(&stage, "orders/paid", &order(PARTLY_REFUNDED, paid, &token)).await;
    assert_eq!(stage.commission("450789469").await, 2935);
    take(&stage, "orders/updated", &order(PARTLY_REFUNDED, json!({}), &token)).await;
    assert_eq!(
        stage.commission("450789469").await,
        2935,
        "the nested refund is the one already known"
    );
    take(&stage, "refunds/create", CASH_BACK).await;
    assert_eq!(stage.commission("450789469").await, 2306);
}

#[tokio::test]
async fn a_refund_counts_by_the_goods_given_back_and_not_by_the_money() {
    let stage = Stage::set().await;
    let live =
        json!({ "test": false, "cancelled_at": null, "financial_status": "partially_refunded" });
    take(&stage, "orders/paid", &order(TEST, live, &stage.token().await)).await;
    // 15 % of 414.95: 62.2425
    assert_eq!(stage.commission("820982911946154500").await, 6224);
    // All five lines, 414.95, are given back, for 85.00 of money.
    take(&stage, "refunds/create", TEST_REFUND).await;
    assert_eq!(stage.commission("820982911946154500").await, 0);
}

#[tokio::test]
async fn a_pending_order_is_unpaid_until_it_is_paid_and_void_when_cancelled() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let state = |status: &str, minute: u8, cancelled_at: Value| {
        let updated_at = format!("2024-01-01T10:{minute:02}:00+01:00");
        let changes = json!({ "financial_status": status, "updated_at": updated_at, "cancelled_at": cancelled_at });
        order(PENDING, changes, &token)
    };
    let status = async || stage.order("1073459983").await["order"]["status"].clone();
    for (minute, unpaid) in (0..).zip(["pending", "authorized", "partially_paid", "a new word"]) {
        take(&stage, "orders/updated", &state(unpaid, minute, Value::Null)).await;
        assert_eq!(status().await, "unpaid", "{unpaid}");
    }
    assert_eq!(stage.commission("1073459983").await, 2985, "accrues; the batch never approves it");
    take(&stage, "orders/paid", &state("paid", 10, Value::Null)).await;
    take(&stage, "orders/create", &state("pending", 0, Value::Null)).await;
    assert_eq!(status().await, "paid", "an older state that arrives late changes nothing");
    take(&stage, "orders/cancelled", &state("paid", 11, json!("2024-01-01T10:11:00+01:00"))).await;
    assert_eq!((status().await, stage.commission("1073459983").await), (json!("void"), 0));
}

#[tokio::test]
async fn refunded_and_voided_orders_earn_nothing() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    for (id, status) in [(1, "refunded"), (2, "voided")] {
        let changes = json!({ "id": id, "financial_status": status });
        take(&stage, "orders/updated", &order(PAID_WITH_CODE, changes, &token)).await;
        let order = stage.order(&id.to_string()).await;
        assert_eq!(order["order"]["status"], "void", "{status}");
        assert_eq!(stage.commission(&id.to_string()).await, 0, "{status}");
    }
}

#[tokio::test]
async fn test_deliveries_never_earn() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let paid = json!({ "cancelled_at": null, "financial_status": "paid" });
    let body = order(TEST, paid, &token);
    take(&stage, "orders/paid", &body).await;
    let shown = stage.order("820982911946154500").await;
    assert_eq!(
        (&shown["order"]["test"], &shown["order"]["status"]),
        (&json!(true), &json!("paid"))
    );
    assert_eq!(stage.commission("820982911946154500").await, 0);
    let body = order(PAID_WITH_CODE, json!({ "id": 77 }), &token);
    let signature = sign(SECRET, &body);
    let headers = [
        ("x-shopify-topic", "orders/paid"),
        ("x-shopify-hmac-sha256", signature.as_str()),
        ("x-shopify-test", "true"),
    ];
    let answer = stage.post(&format!("/_ac/hooks/shopify/{}", stage.key), &headers, &body).await;
    assert_eq!((answer.status, stage.commission("77").await), (200, 0));
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_a_replaced_one_is_accepted() {
    let stage = Stage::set().await;
    let body = order(PAID_WITH_CODE, json!({}), &stage.token().await);
    assert_eq!(deliver(&stage, "another", "orders/paid", &body).await.status, 401);
    let path = format!("/_ac/hooks/shopify/{}", stage.key);
    assert_eq!(stage.post(&path, &[("x-shopify-topic", "orders/paid")], &body).await.status, 401);
    let change = json!({ "webhook_secret": "the next secret of the shop" }).to_string();
    let merchant = format!("/api/v1/merchants/{}", stage.merchant);
    let answer =
        stage.product.ask(Method::PATCH, &merchant, "application/json", change).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    for secret in ["the next secret of the shop", SECRET] {
        assert_eq!(deliver(&stage, secret, "orders/paid", &body).await.status, 200, "{secret}");
    }
    assert_eq!(deliver(&stage, "another", "orders/paid", &body).await.status, 401);
    assert_eq!(stage.commission("1073459981").await, 2716);
}

#[tokio::test]
async fn yen_have_no_decimals() {
    let stage = Stage::set().await;
    take(&stage, "orders/paid", &order(YEN, json!({}), &stage.token().await)).await;
    let order = stage.order("1073459976").await;
    let shown =
        (&order["order"]["currency"], &order["order"]["goods"], &order["commission"][0]["amount"]);
    // 3 × 7499; 15 % are 3374.55.
    assert_eq!(shown, (&json!("JPY"), &json!("22497"), &json!("3375")));
}

#[tokio::test]
async fn what_the_customer_saw_in_euros_is_counted_in_the_shops_dollars() {
    let stage = Stage::set().await;
    take(&stage, "orders/paid", &order(SHOWN_IN_EUR, json!({}), &stage.token().await)).await;
    let order = stage.order("1073459976").await;
    let shown = (&order["order"]["currency"], &order["order"]["goods"], &order["order"]["total"]);
    assert_eq!(shown, (&json!("USD"), &json!("241.38"), &json!("255.88")));
    let figures = stage.figures().await;
    // 15 % of 241.38: 36.207
    assert_eq!(figures["commission"], json!({ "USD": "36.21" }), "nothing in EUR: {figures}");
    assert_eq!(figures["revenue"], json!({ "USD": "241.38" }), "nothing in EUR: {figures}");
}

#[tokio::test]
async fn a_malformed_order_is_noted_and_what_has_no_id_is_kept_as_unparsed() {
    let stage = Stage::set().await;
    take(&stage, "orders/updated", MALFORMED).await;
    let order = stage.order("123").await;
    assert_eq!(order["order"]["status"], "unpaid");
    let notes = order["facts"][0]["notes"].to_string();
    assert!(notes.contains("currency") && notes.contains("financial_status"), "{notes}");
    let answer = deliver(&stage, SECRET, "orders/updated", r#"{"id":"x"}"#).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("id: expected") && answer.body.contains("kept as unparsed"));
    let ignored = deliver(&stage, SECRET, "orders/edited", r#"{"order_edit":{}}"#).await;
    assert!(ignored.status == 200 && ignored.body.starts_with("ignored: "), "{}", ignored.body);
    let data = stage.product.data().to_owned();
    stage.product.stop().await.unwrap();
    let facts = std::fs::read(segment(&data, "facts")).unwrap();
    assert!(String::from_utf8_lossy(&facts).contains("expected the order's number"));
}

#[tokio::test]
async fn the_order_ids_last_digits_are_kept() {
    let stage = Stage::set().await;
    let body =
        order(PAID_WITH_CODE, json!({ "id": 820_982_911_946_154_508_u64 }), &stage.token().await);
    take(&stage, "orders/paid", &body).await;
    assert_eq!(stage.commission("820982911946154508").await, 2716);
}
