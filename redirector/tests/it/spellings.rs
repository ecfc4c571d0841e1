//! One thing that is spelled in several ways: discount codes, host names, destinations, order ids,
//! and what a data layer says of an order.

use hyper::Method;
use serde_json::{Value, json};

use crate::support::{SECRET, Stage, click_of, key_of, text, woo_order};

#[tokio::test]
async fn a_code_credits_its_owner_however_the_shop_spells_it() {
    let stage = Stage::set().await;
    let coupon = |code: &str| json!({ "campaign": stage.campaign, "influencer": stage.influencer, "code": code });
    for (id, (code, kept, on_the_order)) in [
        ("TOM&ANNA", "TOM&ANNA", "tom&amp;anna"),
        ("ÄNNA15", "ÄNNA15", "a\u{308}nna15"),
        ("ZWSP15\u{200b}", "ZWSP15", "zwsp15"),
        ("STRASSE", "STRASSE", "straße"),
        ("SUMMER–26", "SUMMER–26", "summer-26"),
        ("INDIRIM", "INDIRIM", "ındırım"),
    ]
    .into_iter()
    .enumerate()
    {
        let created = stage.product.create("coupons", &coupon(code)).await.unwrap();
        assert_eq!(created["code"], kept);
        let id = 1001 + id as u64;
        let codes = json!({ "coupon_lines": [{ "code": on_the_order }] });
        stage.webhook("order.updated", &woo_order(id, codes, &[])).await;
        let order = stage.order(&id.to_string()).await;
        assert_eq!(order["decision"]["method"], "coupon", "{on_the_order}");
    }
    for taken in ["tom&amp;anna", "A\u{308}NNA15", "straße", "\u{200b}", "&nbsp;"] {
        let body = coupon(taken).to_string();
        let path = "/api/v1/coupons";
        let answer = stage.product.ask(Method::POST, path, "application/json", body).await.unwrap();
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(
            (answer.status, &problem["errors"][0]["field"]),
            (422, &json!("code")),
            "{taken}"
        );
    }
}

#[tokio::test]
async fn order_ids_that_differ_in_case_are_two_orders() {
    let stage = Stage::set().await;
    let click = click_of(&stage.token().await);
    let twin = json!({
        "name": "x", "domains": ["other.test"], "currency": "EUR", "timezone": "UTC", "webhook_secret": SECRET,
    });
    let token = text(&stage.product.create("merchants", &twin).await.unwrap()["postback_token"]);
    let sold = [("aB3xY9", "10.00", 150), ("Ab3Xy9", "20.00", 300)];
    for (id, amount, _) in sold {
        let query =
            format!("txid={id}&amount={amount}&currency=EUR&click_id={click}&token={token}");
        let answer = stage.get(&format!("/_ac/pb/{}?{query}", stage.key)).await;
        assert!(answer.status < 300, "{}", answer.body);
    }
    for (id, amount, commission) in sold {
        assert_eq!(stage.order(id).await["order"]["goods"], amount, "{id}");
        assert_eq!(stage.commission(id).await, commission);
    }
    assert_eq!(stage.figures().await["orders"], 2);
}

#[tokio::test]
async fn what_decorates_a_purchase_of_a_data_layer_does_not_lose_its_click() {
    for (field, value) in [
        ("value", json!("1,234.50")),
        ("value", json!("10,50")),
        ("currency", json!("EURO")),
        ("coupon", json!(["A1", "B2"])),
        ("items", json!([{ "sku": "A", "price": "64.95 €" }])),
    ] {
        let stage = Stage::set().await;
        let token = stage.token().await;
        let mut found = json!({ "id": "2001", "value": "18.00", "currency": "EUR", "source": "ga4", "key": key_of("2001") });
        found[field] = value.clone();
        let event = json!({ "v": 1, "k": stage.key, "t": token, "c": "granted", "e": [{
            "id": "0190a000-0000-7000-8000-000000000002", "n": "purchase", "ts": 1, "o": found,
        }]});
        let answer = stage.events(&[], &event.to_string()).await;
        assert_eq!(answer.status, 204, "{field} {value}: {}", answer.body);
        stage.webhook("order.updated", &woo_order(2001, json!({}), &[])).await;
        let order = stage.order("2001").await;
        assert_eq!(order["decision"]["method"], "click", "{field} {value}");
        assert_eq!(stage.commission("2001").await, 270, "the shop's own amounts count");
        let mut called = event;
        called["e"][0]["o"]["source"] = Value::Null;
        let refused = stage.events(&[], &called.to_string()).await.status;
        assert_eq!(
            refused,
            if field == "coupon" { 204 } else { 400 },
            "a page's own call: {field}"
        );
    }
}

#[tokio::test]
async fn hosts_and_destinations_are_kept_in_one_spelling() {
    let stage = Stage::set().await;
    let merchant = json!({
        "name": "B", "domains": ["bücher.example", "Laden.Example."], "currency": "EUR", "timezone": "UTC",
    });
    let created = stage.product.create("merchants", &merchant).await.unwrap();
    assert_eq!(created["domains"], json!(["xn--bcher-kva.example", "laden.example"]));
    let link = json!({
        "campaign": stage.campaign, "influencer": stage.influencer, "slug": "zw", "destination": "https://shop.test/p\u{200b}",
    });
    let created = stage.product.create("links", &link).await.unwrap();
    assert_eq!(created["destination"], "https://shop.test/p");
    for astray in [
        "https://a..shop.test/",
        "https://shop.test:0/",
        "https://shop.test./",
        "https://shop.test/a\u{200b}b",
    ] {
        let body = json!({ "destination": astray }).to_string();
        let path = format!("/api/v1/links/{}", text(&created["id"]));
        let answer =
            stage.product.ask(Method::PATCH, &path, "application/json", body).await.unwrap();
        assert_eq!(answer.status, 422, "{astray}: {}", answer.body);
    }
}
