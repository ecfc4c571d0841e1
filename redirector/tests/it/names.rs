//! One order that each channel calls by another name.

use serde_json::json;

use crate::support::{Stage, key_of, text, woo_order};

#[tokio::test]
async fn a_page_that_knows_the_order_by_its_key_brings_the_click() {
    for webhook_first in [true, false] {
        let stage = Stage::set().await;
        let token = stage.token().await;
        let order =
            woo_order(727, json!({ "number": "GB426092", "order_key": "wc_order_Abc123" }), &[]);
        if webhook_first {
            stage.webhook("order.updated", &order).await;
            assert_eq!(stage.commission("727").await, 0, "nobody led there yet");
        }
        stage.claim("wc_order_Abc123", "18.00", &token).await;
        if !webhook_first {
            assert_eq!(
                stage.order("wc_order_Abc123").await["order"]["confirmed"],
                false,
                "a claim by itself"
            );
            stage.webhook("order.updated", &order).await;
        }
        for name in ["727", "GB426092", "wc_order_Abc123", "%23GB426092"] {
            assert_eq!(stage.commission(name).await, 270, "{name}, webhook first: {webhook_first}");
            assert_eq!(stage.order(name).await["order_id"], "727");
        }
        assert_eq!(stage.figures().await["orders"], 1);
    }
}

#[tokio::test]
async fn a_number_that_is_another_orders_id_is_told_apart_by_the_key() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let second = stage.token().await;
    stage.webhook("order.updated", &woo_order(727, json!({ "number": "1001" }), &[])).await;
    let claim = async |key: &str, click: &str| {
        let event = json!({ "v": 1, "k": stage.key, "t": click, "e": [{
            "id": "0190a000-0000-7000-8000-000000000001", "n": "purchase", "ts": 1,
            "o": { "id": "1001", "key": key },
        }]});
        assert_eq!(stage.events(&[], &event.to_string()).await.status, 204);
    };
    claim(&key_of("727"), &token).await;
    assert_eq!(stage.commission("727").await, 270);
    stage.webhook("order.updated", &woo_order(1001, json!({ "number": "1276" }), &[])).await;
    assert_eq!(stage.commission("727").await, 270, "its key says whose click it was");
    assert_eq!(stage.commission("1276").await, 0);
    claim(&key_of("1001"), &second).await;
    assert_eq!((stage.commission("727").await, stage.commission("1276").await), (270, 270));
    assert_eq!(stage.figures().await["orders"], 2);
}

#[tokio::test]
async fn a_payment_and_its_order_are_one() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let order = woo_order(727, json!({ "transaction_id": "pi_42" }), &[("_ac", &token)]);
    stage.webhook("order.updated", &order).await;
    let session = json!({
        "id": "evt_1", "type": "checkout.session.completed", "created": 1_780_000_000, "livemode": true,
        "data": { "object": {
            "id": "cs_1", "payment_intent": "pi_42", "payment_status": "paid", "currency": "eur",
            "amount_subtotal": 1800, "amount_total": 2800,
        }},
    });
    crate::stripe::deliver(&stage, &session).await;
    assert_eq!(stage.commission("pi_42").await, 270, "not once more for the payment");
    assert_eq!(stage.commission("cs_1").await, 270);
    assert_eq!(stage.figures().await["orders"], 1);
    assert_eq!(text(&stage.order("cs_1").await["order_id"]), "727");
}
