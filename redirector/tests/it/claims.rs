//! Orders that are claimed by somebody who knows their numbers, has a link of his own, and sends
//! whatever a browser could send.

use harness::Answer;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{BROWSER, Stage, key_of, text, token_of, woo_order};

/// Somebody who wants to be paid for orders that he did not bring.
struct Eve {
    influencer: String,
    token: String,
}

async fn join(stage: &Stage, name: &str) -> Eve {
    let influencer = json!({ "name": name });
    let influencer = text(&stage.product.create("influencers", &influencer).await.unwrap()["id"]);
    let link = json!({
        "campaign": stage.campaign, "influencer": influencer, "slug": name, "destination": "https://shop.test/",
    });
    stage.product.create("links", &link).await.unwrap();
    let answer = stage.visit(Method::GET, &format!("/{name}"), &[("user-agent", BROWSER)]).await;
    Eve { influencer, token: token_of(&answer) }
}

impl Eve {
    /// One GET, as `curl` sends it.
    async fn asks_for_the_image(
        &self,
        stage: &Stage,
        order: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let path = format!("/_ac/e.gif?k={}&n=purchase&t={}&o.id={order}", stage.key, self.token);
        stage.visit(Method::GET, &path, headers).await
    }

    /// Claims of these orders, each with another event id, from what looks like the shop's page.
    async fn posts(&self, stage: &Stage, orders: &[(String, Option<&str>)]) {
        let event = |(index, (order, key)): (usize, &(String, Option<&str>))| {
            json!({
                "id": format!("0190a000-0000-7000-8000-{index:012x}"), "n": "purchase", "ts": 1,
                "o": { "id": order, "value": "18.00", "currency": "EUR", "key": key },
            })
        };
        let events: Vec<_> = orders.iter().enumerate().map(event).collect();
        let body = json!({ "v": 1, "k": stage.key, "t": self.token, "e": events });
        assert_eq!(stage.events(&[], &body.to_string()).await.status, 204);
    }

    /// Everything that he can do about an order whose number he knows.
    async fn claims(&self, stage: &Stage, order: &str) {
        let bare = self.asks_for_the_image(stage, order, &[]).await;
        assert_eq!((bare.status, bare.header("x-afterclick-dropped")), (200, "no_origin"));
        let page = [("referer", "https://shop.test/thanks")];
        let image = self.asks_for_the_image(stage, order, &page).await;
        assert_eq!((image.status, image.header("x-afterclick-dropped")), (200, "unproven"));
        let keys = [None, Some(""), Some("wc_order_guessed00000"), Some(order)];
        self.posts(stage, &keys.map(|key| (order.to_owned(), key))).await;
    }

    /// What the figures say of him.
    async fn figures(&self, stage: &Stage) -> (Value, Value, Value) {
        stage.figures().await;
        let stats = stage.product.read("/api/v1/stats?by=influencer").await.unwrap();
        let rows = stats["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["influencer"] == self.influencer).cloned().unwrap();
        (row["orders"].clone(), row["revenue"].clone(), row["commission"].clone())
    }

    async fn has_nothing(&self, stage: &Stage) {
        assert_eq!(self.figures(stage).await, (json!(0), json!({}), json!({})));
    }
}

#[tokio::test]
async fn numbers_earn_nothing_before_the_order_nor_after_it_was_confirmed() {
    let stage = Stage::set().await;
    let eve = join(&stage, "eve").await;
    eve.posts(&stage, &[("1001".to_owned(), None)]).await;
    let order = stage.order("1001").await;
    assert_eq!(order["decision"]["label"], "unproven", "kept and shown: {order}");
    eve.claims(&stage, "1001").await;
    stage.webhook("order.updated", &woo_order(1001, json!({}), &[])).await;
    stage.webhook("order.updated", &woo_order(1002, json!({}), &[])).await;
    assert_eq!(stage.commission("1002").await, 0);
    eve.claims(&stage, "1002").await;
    for order in ["1001", "1002"] {
        assert_eq!(stage.commission(order).await, 0);
        let decision = stage.order(order).await["decision"].clone();
        assert_eq!((&decision["method"], &decision["label"]), (&json!("none"), &json!("unproven")));
        assert!(decision["reason"].as_str().unwrap().contains("without a proof"), "{decision}");
        let candidates = decision["candidates"].as_array().unwrap();
        assert!(candidates.iter().all(|c| c["verdict"] == "unproven"), "{decision}");
        assert_eq!(candidates[0]["influencer"], eve.influencer.as_str());
    }
    eve.has_nothing(&stage).await;
    exported_as_unproven(&stage).await;
}

/// Checks that the batch, which decides from the journal alone, says the same.
async fn exported_as_unproven(stage: &Stage) {
    let out = stage.folder.path().join("export");
    stage
        .product
        .report(&["export", "--out", out.to_str().unwrap(), "--format", "ndjson"])
        .await
        .unwrap();
    let manifest = std::fs::read(out.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let mut seen = 0;
    for file in manifest["files"].as_array().unwrap() {
        assert!(file["table"] != "commissions" || file["rows"] == 0, "nobody earned anything");
        if file["table"] == "conversions" {
            let rows = std::fs::read_to_string(out.join(file["path"].as_str().unwrap())).unwrap();
            for row in rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap()) {
                assert_eq!((&row["label"], &row["method"]), (&json!("unproven"), &json!("none")));
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 2);
}

#[tokio::test]
async fn all_numbers_of_a_shop_earn_nothing() {
    let stage = Stage::set().await;
    let eve = join(&stage, "eve").await;
    let numbers: Vec<_> = (1000..1050).map(|n: u32| (n.to_string(), None)).collect();
    eve.posts(&stage, &numbers).await;
    for number in 1000..1005 {
        stage.webhook("order.updated", &woo_order(number, json!({}), &[])).await;
    }
    eve.posts(&stage, &numbers).await;
    eve.has_nothing(&stage).await;
    for number in 1000..1005 {
        assert_eq!(stage.commission(&number.to_string()).await, 0);
    }
}

#[tokio::test]
async fn a_claim_takes_no_order_from_the_owner_of_a_coupon() {
    let stage = Stage::set().await;
    let eve = join(&stage, "eve").await;
    let coupon =
        json!({ "campaign": stage.campaign, "influencer": stage.influencer, "code": "ANNA15" });
    stage.product.create("coupons", &coupon).await.unwrap();
    for (number, before) in [(1001, true), (1002, false)] {
        let order = woo_order(number, json!({ "coupon_lines": [{ "code": "anna15" }] }), &[]);
        let number = number.to_string();
        if before {
            eve.claims(&stage, &number).await;
        }
        stage.webhook("order.updated", &order).await;
        eve.claims(&stage, &number).await;
        let decision = stage.order(&number).await["decision"].clone();
        assert_eq!(decision["method"], "coupon", "{decision}");
        let credited = decision["candidates"].as_array().unwrap().iter();
        let credited: Vec<_> = credited.filter(|c| c["verdict"] == "credited").collect();
        assert_eq!(credited[0]["influencer"], stage.influencer.as_str());
        assert_eq!(stage.commission(&number).await, 270);
    }
    eve.has_nothing(&stage).await;
}

#[tokio::test]
async fn early_claims_do_not_shut_the_buyer_out() {
    let stage = Stage::set().await;
    let eve = join(&stage, "eve").await;
    let made_up: Vec<String> = (0..25).map(|n| format!("wc_order_made_up_{n:03}")).collect();
    for number in ["1001", "1002"] {
        let bare: Vec<_> = (0..25).map(|_| (number.to_owned(), None)).collect();
        let keyed: Vec<_> =
            made_up.iter().map(|key| (number.to_owned(), Some(key.as_str()))).collect();
        eve.posts(&stage, &[bare, keyed].concat()).await;
    }
    // One buyer's browser runs scripts, the other one's loads the image.
    stage.claim("1001", "18.00", &stage.token().await).await;
    let image = format!(
        "/_ac/e.gif?k={}&n=purchase&t={}&o.id=1002&o.key={}",
        stage.key,
        stage.token().await,
        key_of("1002")
    );
    let page = [("referer", "https://shop.test/thanks")];
    let answer = stage.visit(Method::GET, &image, &page).await;
    assert_eq!((answer.status, answer.header("x-afterclick-dropped")), (200, ""));
    for number in [1001, 1002] {
        stage.webhook("order.updated", &woo_order(number, json!({}), &[])).await;
        let order = stage.order(&number.to_string()).await;
        assert!(order["facts"].as_array().unwrap().len() <= 21, "bounded: {order}");
        assert_eq!(stage.commission(&number.to_string()).await, 270);
    }
    eve.has_nothing(&stage).await;
    assert_eq!(stage.figures().await["orders"], 2);
}

#[tokio::test]
async fn a_key_is_kept_and_shown_nowhere() {
    let stage = Stage::set().await;
    stage.claim("1001", "18.00", &stage.token().await).await;
    stage.webhook("order.updated", &woo_order(1001, json!({}), &[])).await;
    let key = key_of("1001");
    let order = stage.order("1001").await;
    assert_eq!(order["decision"]["candidates"][0]["claim"], "proven", "{order}");
    assert!(!order.to_string().contains(&key), "{order}");
    assert_eq!(stage.order(&key).await["order_id"], "1001", "who has the key finds the order");
    let segment = crate::support::segment(stage.product.data(), "facts");
    let bytes = std::fs::read(segment).unwrap();
    assert!(bytes.windows(4).any(|part| part == b"1001"), "the order is there");
    assert!(!bytes.windows(key.len()).any(|part| part == key.as_bytes()));
}

#[tokio::test]
async fn a_page_that_knows_only_stripes_session_brings_the_click() {
    for page_first in [true, false] {
        let stage = Stage::set().await;
        let eve = join(&stage, "eve").await;
        let id = "cs_live_a1b2c3d4e5f6";
        let mut session = crate::stripe::plain_session("cart-17");
        session["data"]["object"]["id"] = json!(id);
        let token = stage.token().await;
        eve.claims(&stage, "pi_1").await;
        if !page_first {
            crate::stripe::deliver(&stage, &session).await;
        }
        let event = json!({ "v": 1, "k": stage.key, "t": token, "e": [{
            "id": "0190a000-0000-7000-8000-000000000001", "n": "purchase", "ts": 1,
            "o": { "id": id, "key": id },
        }]});
        assert_eq!(stage.events(&[], &event.to_string()).await.status, 204);
        if page_first {
            assert_eq!(stage.order(id).await["order"]["confirmed"], false);
            crate::stripe::deliver(&stage, &session).await;
        }
        for name in ["pi_1", id] {
            assert_eq!(stage.commission(name).await, 1500, "page first: {page_first}");
        }
        let bytes = std::fs::read(crate::support::segment(stage.product.data(), "facts")).unwrap();
        let has_id = bytes.windows(id.len()).any(|part| part == id.as_bytes());
        assert!(!has_id, "kept as a hash only");
    }
}

#[tokio::test]
async fn a_merchant_may_accept_numbers_and_then_two_claimants_get_nothing() {
    let stage = Stage::set().await;
    let (eve, mallory) = (join(&stage, "eve").await, join(&stage, "mallory").await);
    let merchant = format!("/api/v1/merchants/{}", stage.merchant);
    let patch = async |body: &str| {
        let answer =
            stage.product.ask(Method::PATCH, &merchant, "application/json", body.to_owned());
        answer.await.unwrap()
    };
    assert_eq!(stage.product.read(&merchant).await.unwrap()["claims"], "proof", "by default");
    assert_eq!(patch(r#"{"claims":"anything"}"#).await.status, 422);
    // What was placed before the change is judged by the rule of its time.
    stage.webhook("order.updated", &woo_order(1000, placed_now(), &[])).await;
    assert_eq!(patch(r#"{"claims":"number"}"#).await.status, 200);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    stage.webhook("order.updated", &woo_order(1001, placed_now(), &[])).await;
    eve.posts(&stage, &[("1000".to_owned(), None), ("1001".to_owned(), None)]).await;
    assert_eq!((stage.commission("1000").await, stage.commission("1001").await), (0, 270));
    let order = stage.order("1001").await;
    assert_eq!(order["decision"]["candidates"][0]["claim"], "by_number", "{order}");
    mallory.posts(&stage, &[("1001".to_owned(), None)]).await;
    assert_eq!(stage.commission("1001").await, 0);
    assert_eq!(stage.order("1001").await["decision"]["label"], "contested");
}

/// The fields of an order that is placed now, by a shop that counts whole seconds.
fn placed_now() -> Value {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S").to_string();
    json!({ "date_created_gmt": now, "date_modified_gmt": now, "date_paid_gmt": now })
}
