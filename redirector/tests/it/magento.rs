//! Magento's module, from the signature to the cent.

use serde_json::{Value, json};

use crate::support::{SECRET, Stage, hex_mac, now_ms};

/// Posts a body as the module signs it, `age` seconds ago.
async fn post(stage: &Stage, secret: &str, age: i64, body: &Value) -> u16 {
    let body = body.to_string();
    let time = now_ms() / 1000 - age;
    let signature = format!("t={time},v1={}", hex_mac(secret, &format!("{time}.{body}")));
    let path = format!("/_ac/hooks/magento/{}", stage.key);
    stage.post(&path, &[("x-afterclick-signature", signature.as_str())], &body).await.status
}

fn order(token: &str, changes: Value) -> Value {
    let mut order = json!({
        "entity_id": 31, "increment_id": "000000031", "state": "processing", "base_currency_code": "EUR",
        "base_grand_total": 139.9, "base_total_due": 0, "updated_at": "2026-05-01 10:00:05",
        "items": [{ "item_id": 1, "sku": "S1", "base_row_total": 129.9 }],
        "custom_attributes": [{ "attribute_code": "ac", "value": token }],
    });
    order.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    order
}

#[tokio::test]
async fn an_order_earns_a_credit_memo_takes_back_and_a_cancellation_takes_all() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    assert_eq!(post(&stage, SECRET, 0, &json!({ "order": order(&token, json!({})) })).await, 200);
    assert_eq!(stage.commission("000000031").await, 1949, "also by the number that customers see");
    let memo = json!({ "creditmemo": {
        "entity_id": 5, "order_id": "31", "base_currency_code": "EUR", "base_grand_total": "29.90",
        "items": [{ "order_item_id": 1, "base_row_total": "29.90" }],
    }});
    assert_eq!(post(&stage, SECRET, 0, &memo).await, 200);
    assert_eq!(stage.commission("31").await, 1500, "15 % of 100.00");
    let canceled = json!({ "state": "canceled", "updated_at": "2026-05-09 10:00:05" });
    assert_eq!(post(&stage, SECRET, 0, &order(&token, canceled)).await, 200);
    assert_eq!(stage.commission("31").await, 0);
}

#[tokio::test]
async fn bundles_cancelled_pieces_and_residues_of_binary_fractions_are_worth_what_was_paid() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let bundle = json!({ "entity_id": 41, "increment_id": "41", "items": [
        { "item_id": 1, "product_type": "bundle", "base_row_total": 61, "base_discount_amount": 0 },
        { "item_id": 2, "base_row_total": 23, "base_discount_amount": 2.3, "parent_item_id": 1 },
        { "item_id": 3, "base_row_total": 38, "base_discount_amount": 3.8, "parent_item_id": 1 },
    ]});
    let partly = json!({ "entity_id": 42, "increment_id": "42", "state": "complete", "items": [
        { "item_id": 1, "base_row_total": 100, "qty_ordered": 2, "qty_canceled": 1 },
    ]});
    let residue =
        json!({ "entity_id": 43, "increment_id": "43", "base_total_due": 2.842_170_943_040_4e-14 });
    for (changes, id, commission) in
        [(bundle, "41", 824), (partly, "42", 750), (residue, "43", 1949)]
    {
        assert_eq!(post(&stage, SECRET, 0, &order(&token, changes)).await, 200);
        assert_eq!(stage.commission(id).await, commission, "{id}");
        assert_eq!(stage.order(id).await["order"]["status"], "paid", "{id}");
    }
}

#[tokio::test]
async fn a_signature_must_be_the_merchants_and_of_now() {
    let stage = Stage::set().await;
    let body = order("", json!({}));
    assert_eq!(post(&stage, "another", 0, &body).await, 401);
    assert_eq!(post(&stage, SECRET, 301, &body).await, 401, "stale");
    assert_eq!(post(&stage, SECRET, -301, &body).await, 401, "from the future");
    let path = format!("/_ac/hooks/magento/{}", stage.key);
    assert_eq!(stage.post(&path, &[], &body.to_string()).await.status, 401);
    assert_eq!(post(&stage, SECRET, 0, &json!({ "hello": 1 })).await, 400, "kept as unparsed");
    stage.figures().await;
    assert_eq!(stage.product.read("/api/v1/unparsed").await.unwrap()["count"], 1);
}
