//! Facts about one order come in every sequence, twice, and the product is killed between them. The
//! result is the same order, the same decision to the byte, and the same balance.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use shared::time::{Span, Timestamp};
use tokio::time::sleep;

use crate::support::{Stage, launch, now_ms, woo_order};

/// A delivery about the order with this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    /// The thank-you page.
    Claim,
    /// The shop, before the money came.
    Unpaid,
    /// The shop, after.
    Paid,
    /// The shop, with 5.00 of 29.35 given back.
    Refunded,
    /// A network.
    Postback,
}

const ALL: [Delivery; 5] =
    [Delivery::Claim, Delivery::Unpaid, Delivery::Paid, Delivery::Refunded, Delivery::Postback];

impl Delivery {
    async fn send(self, stage: &Stage, token: &str, begin: Timestamp, order: u64) {
        let shop = async |status: &str, second: u8, refunds: Value| {
            let at = |second: u8| gmt(begin, second);
            let changes = json!({
                "status": status, "date_created_gmt": at(0), "date_modified_gmt": at(second), "refunds": refunds,
                "date_paid_gmt": (status == "processing").then_some(at(2)),
                // Each order is another customer's, and so their first.
                "billing": { "email": format!("{order}@mail.example") },
            });
            let answer =
                stage.webhook("order.updated", &woo_order(order, changes, &[("_ac", token)])).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        };
        match self {
            Self::Claim => stage.claim(&order.to_string(), "18.00", token).await,
            Self::Unpaid => shop("on-hold", 1, json!([])).await,
            Self::Paid => shop("processing", 2, json!([])).await,
            Self::Refunded => shop("processing", 3, json!([{ "id": 1, "total": "-5.00" }])).await,
            Self::Postback => {
                let query = format!("amount=18.00&click_id={token}&currency=EUR&txid={order}");
                let signature = crate::support::hex_mac(crate::support::SECRET, &query);
                let path = format!("/_ac/pb/{}?{query}&sig={signature}", stage.key);
                assert_eq!(stage.get(&path).await.status, 200);
            }
        }
    }
}

/// Returns the time so many seconds later, as WooCommerce writes it.
fn gmt(begin: Timestamp, seconds: u8) -> String {
    begin.plus(Span::seconds(seconds.into())).to_string()[..19].to_owned()
}

/// Returns the decision with the bytes of the API.
async fn decision_bytes(stage: &Stage, order: u64) -> String {
    stage.order(&order.to_string()).await;
    let path = format!("/api/v1/orders/{}/{order}", stage.merchant);
    let body = stage.product.ask(hyper::Method::GET, &path, "", "").await.unwrap().body;
    let parsed: BTreeMap<String, Box<serde_json::value::RawValue>> =
        serde_json::from_str(&body).unwrap();
    parsed["decision"].get().to_owned()
}

async fn killed_and_started_again(stage: Stage) -> Stage {
    let Stage { product, folder, merchant, key, influencer, campaign, link } = stage;
    product.kill().await.unwrap();
    let product = launch(&folder).start().await.unwrap();
    Stage { product, folder, merchant, key, influencer, campaign, link }
}

#[tokio::test]
async fn every_sequence_of_deliveries_ends_in_the_same_decision_and_balance_over_kills() {
    let mut stage = Stage::set().await;
    let token = stage.token().await;
    let begin = Timestamp::from_ms(now_ms());
    // A fact from the future is not accepted, so the facts' times must have passed.
    sleep(Duration::from_secs(4)).await;
    let mut rng = StdRng::seed_from_u64(20_261_126);
    let orders = 9001..9013u64;
    for order in orders.clone() {
        let mut deliveries = [ALL, ALL].concat();
        deliveries.shuffle(&mut rng);
        let kill_after = rng.random_range(0..deliveries.len());
        for (number, delivery) in deliveries.iter().enumerate() {
            delivery.send(&stage, &token, begin, order).await;
            if number == kill_after {
                stage = killed_and_started_again(stage).await;
            }
        }
    }
    let (first, decision) = (stage.order("9001").await, decision_bytes(&stage, 9001).await);
    // 15 % of 18.00, of which 24.35 of 29.35 was kept.
    assert_eq!(stage.commission("9001").await, 224);
    for order in orders.clone() {
        let id = order.to_string();
        let known = stage.order(&id).await;
        let but_for_id = |known: &Value| {
            let mut told = known["order"].clone();
            told.as_object_mut()
                .unwrap()
                .retain(|field, _| field != "order_id" && field != "paid_at");
            told
        };
        assert_eq!(but_for_id(&known), but_for_id(&first), "{id}");
        assert_eq!(stage.commission(&id).await, 224, "{id}");
        assert_eq!(decision_bytes(&stage, order).await, decision, "{id}");
        assert_eq!(known["facts"].as_array().unwrap().len(), ALL.len(), "{id}: {known:#}");
    }
    exported_as_the_api_says(&stage, &decision, orders.count()).await;
}

/// Checks that the batch, which decides from the journal alone, comes to the same bytes.
async fn exported_as_the_api_says(stage: &Stage, decision: &str, orders: usize) {
    let out = stage.folder.path().join("export");
    let out = out.to_str().unwrap();
    stage.product.report(&["export", "--out", out, "--format", "ndjson"]).await.unwrap();
    let manifest: Value = serde_json::from_slice(
        &std::fs::read(stage.folder.path().join("export/manifest.json")).unwrap(),
    )
    .unwrap();
    let mut exported = Vec::new();
    for file in manifest["files"].as_array().unwrap() {
        if file["table"] == "conversions" {
            let path = stage.folder.path().join("export").join(file["path"].as_str().unwrap());
            let text = std::fs::read_to_string(path).unwrap();
            exported.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
    }
    assert_eq!(exported.len(), orders);
    for row in &exported {
        assert_eq!(row["decision"].as_str().unwrap(), decision);
    }
    let audited = stage.product.report(&["audit", out]).await.unwrap();
    assert!(audited.contains("all agree"), "{audited}");
}
