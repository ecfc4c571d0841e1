//! Who is a new customer by the recorded orders: the API, the live figures, the batch and an erased
//! journal say the same, also when older orders come later.

use hyper::Method;
use serde_json::{Value, json};

use crate::damage::afterclick;
use crate::support::{Stage, launch, now_ms, text, token_of, until, woo_order};
use shared::time::{Span, Timestamp};

const CARLA: &str = "carla@mail.example";

/// A campaign that pays 15 percent, and 5.00 for a new customer, with a link `/carla`.
async fn campaign_with_a_bonus(stage: &Stage) -> Value {
    let rules = json!([
        { "kind": "percent", "rate": "15" },
        { "kind": "per_sale", "amount": "5.00", "when": { "new_customer": true } },
    ]);
    let campaign = json!({ "merchant": stage.merchant, "name": "Bonus", "commission": rules });
    let campaign = stage.product.create("campaigns", &campaign).await.unwrap();
    let link = json!({
        "campaign": campaign["id"], "influencer": stage.influencer, "slug": "carla",
        "destination": "https://shop.test/",
    });
    stage.product.create("links", &link).await.unwrap();
    campaign
}

/// Sends an order of 18.00 that was placed so many seconds ago.
async fn order(stage: &Stage, id: u64, email: &str, seconds_ago: i64) {
    let token = token_of(&stage.visit(Method::GET, "/carla", &[]).await);
    let placed = Timestamp::from_ms(now_ms()).plus(Span::seconds(-seconds_ago)).to_string();
    let changes = json!({
        "date_created_gmt": placed[..19], "date_modified_gmt": placed[..19], "billing": { "email": email },
    });
    let order = woo_order(id, changes, &[("_ac", &token)]);
    let answer = stage.webhook("order.created", &order).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Returns what the decision says of the customer, and the commission in cents.
async fn told(stage: &Stage, id: &str) -> (Value, i64) {
    let known = stage.order(id).await;
    assert_eq!(known["order"]["new_customer"], known["decision"]["new_customer"], "{known}");
    (known["decision"]["new_customer"].clone(), stage.commission(id).await)
}

/// Returns the commission of all links, in cents, by the live figures.
async fn live_commission(stage: &Stage) -> Value {
    stage.figures().await;
    let stats = stage.product.read("/api/v1/stats?by=campaign").await.unwrap();
    let rows = stats["rows"].as_array().unwrap();
    rows.iter().find(|row| row["orders"] != 0).unwrap()["commission"].clone()
}

/// Returns the rows of an exported table.
async fn exported(stage: &Stage, table: &str) -> Vec<Value> {
    let folder = stage.folder.path().join("export");
    let out = folder.to_str().unwrap();
    stage.product.report(&["export", "--out", out, "--format", "ndjson"]).await.unwrap();
    let audited = stage.product.report(&["audit", out]).await.unwrap();
    assert!(audited.contains("all agree"), "{audited}");
    let manifest = std::fs::read(folder.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let files = manifest["files"].as_array().unwrap().iter().filter(|file| file["table"] == table);
    let texts = files
        .map(|file| std::fs::read_to_string(folder.join(file["path"].as_str().unwrap())).unwrap());
    let lines = texts.collect::<String>();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn recorded_orders_say_who_is_new_live_in_the_batch_and_after_an_erasure() {
    let mut stage = Stage::set().await;
    let campaign = campaign_with_a_bonus(&stage).await;
    assert_eq!(campaign["warnings"], Value::Null);
    let note = text(&campaign["notes"][0]);
    assert!(note.contains("`new_customer`") && note.contains("import"), "{note}");

    let by_orders = |is_new: bool| json!({ "is_new": is_new, "by": "recorded_orders" });
    order(&stage, 727, CARLA, 20).await;
    order(&stage, 728, "Carla@Mail.example", 10).await;
    assert_eq!(told(&stage, "727").await, (by_orders(true), 770));
    assert_eq!(told(&stage, "728").await, (by_orders(false), 270));
    let before = live_commission(&stage).await;

    let path = format!("/api/v1/orders/import?merchant={}", stage.merchant);
    let table = format!(
        "order_id,status,currency,ordered_at,customer_email\nA-1,paid,EUR,2025-01-01T10:00:00Z,{CARLA}\n"
    );
    let answer = stage.product.ask(Method::POST, &path, "text/csv", table).await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(told(&stage, "727").await, (by_orders(false), 270));
    assert_eq!(told(&stage, "728").await, (by_orders(false), 270));
    let booked = stage.order("727").await["commission"].clone();
    let booked: Vec<_> = booked.as_array().unwrap().iter().map(|b| text(&b["reason"])).collect();
    assert_eq!(booked, ["accrued", "history"]);
    let after = live_commission(&stage).await;
    assert_eq!(
        (&before["EUR"], &after["EUR"]),
        (&json!("10.40"), &json!("5.40")),
        "{before} {after}"
    );

    let rows = exported(&stage, "commissions").await;
    let sum: i64 = rows.iter().map(|row| row["amount_minor"].as_i64().unwrap()).sum();
    assert_eq!((rows.len(), sum), (3, 540));
    for row in exported(&stage, "conversions").await {
        let decision: Value = serde_json::from_str(row["decision"].as_str().unwrap()).unwrap();
        let shown = stage.order(row["order_id"].as_str().unwrap()).await["decision"].clone();
        assert_eq!(decision, shown);
    }

    let data = stage.folder.path().join("data");
    let address = format!("http://{}", stage.product.public);
    let (status, said) = afterclick(&["doctor", "--url", &address], &data).await;
    let line = format!("note   campaign {} (Bonus): {note}", text(&campaign["id"]));
    assert!(status == Some(0) && said.contains(&line), "{said}");

    stage.product.stop().await.unwrap();
    let erase = ["erase", "--merchant", &stage.merchant, "--email", CARLA];
    let (status, said) = afterclick(&erase, &data).await;
    assert_eq!((status, said.contains("3 records are erased")), (Some(0), true), "{said}");
    stage.product = launch(&stage.folder).start().await.unwrap();
    let path = format!("/api/v1/orders/{}/727", stage.merchant);
    until("it is there", async || stage.product.read(&path).await.is_ok()).await;
    for id in ["727", "728"] {
        assert_eq!(told(&stage, id).await, (by_orders(false), 270), "what was decided stays");
    }
    order(&stage, 729, CARLA, 1).await;
    assert_eq!(told(&stage, "729").await, (by_orders(true), 770), "nobody knows them any more");
}

#[tokio::test]
async fn a_browser_cannot_make_somebody_new_and_the_shops_api_can() {
    let stage = Stage::set().await;
    campaign_with_a_bonus(&stage).await;
    order(&stage, 727, CARLA, 20).await;
    let token = token_of(&stage.visit(Method::GET, "/carla", &[]).await);
    let event = json!({
        "v": 1, "k": stage.key, "t": token, "c": "granted",
        "e": [{
            "id": "0190a000-0000-7000-8000-000000000002", "n": "purchase", "ts": 1,
            "u": "https://shop.test/thanks",
            "o": { "id": "728", "value": "18.00", "currency": "EUR", "new_customer": true },
        }],
    });
    assert_eq!(stage.events(&[], &event.to_string()).await.status, 204);
    order(&stage, 728, CARLA, 10).await;
    let (newness, commission) = told(&stage, "728").await;
    assert_eq!((newness, commission), (json!({ "is_new": false, "by": "recorded_orders" }), 270));
    let path = format!("/api/v1/orders/import?merchant={}", stage.merchant);
    let table = "order_id,currency,goods,new_customer\n728,EUR,18.00,true\n".to_owned();
    stage.product.ask(Method::POST, &path, "text/csv", table).await.unwrap();
    let (newness, commission) = told(&stage, "728").await;
    assert_eq!((newness, commission), (json!({ "is_new": true, "by": "shop" }), 770));
}
