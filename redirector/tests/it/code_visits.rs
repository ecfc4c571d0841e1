//! Visits that a discount code opened, from the pixel's event to the payout, and what somebody makes
//! of them who owns a code and knows orders' numbers.

use hyper::Method;
use serde_json::{Value, json};

use crate::inflation::rows_below;
use crate::support::{Stage, key_of, now_ms, text, token_of, woo_order};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A stage on which an influencer without a link owns a code.
struct Scene {
    stage: Stage,
    owner: String,
    coupon: String,
}

impl Scene {
    async fn set() -> Self {
        let stage = Stage::set().await;
        let owner = json!({ "name": "Ben" });
        let owner = text(&stage.product.create("influencers", &owner).await.unwrap()["id"]);
        let coupon = json!({ "campaign": stage.campaign, "influencer": owner, "code": "BEN15" });
        let coupon = text(&stage.product.create("coupons", &coupon).await.unwrap()["id"]);
        Self { stage, owner, coupon }
    }

    /// Sends an event as the pixel does in a visit that a code opened so many milliseconds ago.
    /// Returns why it was dropped, or an empty text.
    async fn says(&self, number: u32, name: &str, (code, ago): (&str, i64), more: Value) -> String {
        let now = now_ms();
        let mut event = json!({
            "id": format!("0193a0c4-8f9e-7d3a-9b1c-{number:012x}"), "n": name, "ts": now,
            "code": code, "code_at": now - ago,
        });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.sends("", &event).await
    }

    async fn sends(&self, token: &str, event: &Value) -> String {
        let body = json!({ "v": 1, "k": self.stage.key, "t": token, "c": "granted", "e": [event] });
        let answer = self.stage.events(&[], &body.to_string()).await;
        assert!(matches!(answer.status, 202 | 204), "{}", answer.body);
        answer.header("x-afterclick-dropped").to_owned()
    }

    /// What the thank-you page says of an order. `key` is the proof.
    async fn buys(&self, order: u64, visit: (&str, i64), key: Option<&str>) {
        let o = json!({ "id": order.to_string(), "value": "18.00", "currency": "EUR", "key": key });
        let id = u32::try_from(order).unwrap();
        assert_eq!(self.says(id, "purchase", visit, json!({ "o": o })).await, "");
    }

    async fn ships(&self, order: u64) {
        self.stage.webhook("order.updated", &woo_order(order, placed_now(), &[])).await;
    }

    /// What the live figures say of the code's owner.
    async fn figures(&self) -> Value {
        self.stage.figures().await;
        let stats = self.stage.product.read("/api/v1/stats?by=influencer").await.unwrap();
        let rows = stats["rows"].as_array().unwrap();
        rows.iter().find(|row| row["influencer"] == self.owner).cloned().unwrap_or_default()
    }

    /// Returns the rows of an exported table.
    async fn exported(&self, table: &str) -> Vec<Value> {
        let out = tempfile::tempdir().unwrap();
        let folder = out.path().to_str().unwrap();
        let export = ["export", "--out", folder, "--format", "ndjson"];
        self.stage.product.report(&export).await.unwrap();
        rows_below(&out.path().join(table))
    }
}

/// The fields of an order that is placed in a second, by a shop that counts whole seconds.
fn placed_now() -> Value {
    let next = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
    let next = next.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    json!({ "date_created_gmt": next, "date_modified_gmt": next, "date_paid_gmt": next })
}

#[tokio::test]
async fn a_code_opens_a_session_of_its_owner_and_no_click() {
    let scene = Scene::set().await;
    // Retries with other ids are one session, and so is another spelling.
    let opened_at = now_ms();
    for (number, code) in [(1, "BEN15"), (2, " ben15 "), (2, "BEN15")] {
        let moment = json!({ "code_at": opened_at, "ts": opened_at });
        assert_eq!(scene.says(number, "session", (code, 0), moment).await, "");
    }
    assert_eq!(scene.says(3, "page", ("BEN15", 0), json!({})).await, "");
    for (number, code) in [(4, ""), (5, "SUMMER"), (6, "B")] {
        assert_eq!(scene.says(number, "session", (code, 0), json!({})).await, "no_click", "{code}");
    }
    let long = "B".repeat(129);
    assert_eq!(scene.says(7, "session", (&long, 0), json!({})).await, "no_click");
    // Nobody's visit is older than its window.
    assert_eq!(scene.says(8, "session", ("BEN15", 30 * DAY_MS), json!({})).await, "no_click");
    let figures = scene.figures().await;
    assert_eq!((&figures["sessions"], &figures["sessions_by_code"]), (&json!(1), &json!(1)));
    assert_eq!((&figures["clicks"]["raw"], &figures["leads"]), (&json!(0), &json!(0)));

    // The same visitor clicks a link: the later of both opened what comes then.
    let token = scene.stage.token().await;
    let session = |number: u32, at: i64| {
        json!({ "id": format!("0193a0c4-8f9e-7d3a-9b1c-{number:012x}"), "n": "session", "ts": now_ms(),
            "code": "BEN15", "code_at": at })
    };
    assert_eq!(scene.sends(&token, &session(9, opened_at)).await, "");
    let link = scene.stage.figures().await;
    assert_eq!((&link["sessions"], &link["sessions_by_code"]), (&json!(1), &json!(0)));
    assert_eq!(scene.figures().await["sessions"], 1);

    let mut rows = scene.exported("sessions").await;
    rows.sort_by_key(|row| row["coupon_id"].is_null());
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(
        (&rows[0]["coupon_id"], &rows[0]["influencer_id"]),
        (&json!(scene.coupon), &json!(scene.owner))
    );
    assert_eq!((&rows[0]["click_id"], &rows[0]["link_id"]), (&Value::Null, &Value::Null));
    assert_eq!((rows[1]["click_id"].is_string(), &rows[1]["coupon_id"]), (true, &Value::Null));
    assert_eq!(scene.exported("clicks").await.len(), 1, "a click is never invented");
}

#[tokio::test]
async fn refused_consent_and_other_pages_record_no_code() {
    let scene = Scene::set().await;
    let event = json!({ "id": "0193a0c4-8f9e-7d3a-9b1c-000000000001", "n": "session",
        "ts": now_ms(), "code": "BEN15", "code_at": now_ms() });
    let body = json!({ "v": 1, "k": scene.stage.key, "c": "denied", "e": [event] }).to_string();
    for (headers, body, dropped) in [
        (&[][..], body.clone(), "consent_denied"),
        (&[("origin", "https://evil.test")], body.replace("denied", "granted"), "foreign_origin"),
    ] {
        let answer = scene.stage.events(headers, &body).await;
        assert_eq!((answer.status, answer.header("x-afterclick-dropped")), (202, dropped));
    }
    let image = format!("/_ac/e.gif?k={}&n=session&code=BEN15", scene.stage.key);
    let shop = [("referer", "https://shop.test/")];
    assert_eq!(
        scene.stage.visit(Method::GET, &image, &shop).await.header("x-afterclick-dropped"),
        ""
    );
    assert_eq!(scene.figures().await["sessions_by_code"], 1, "an image says the same");
}

#[tokio::test]
async fn the_order_of_a_visit_by_a_code_is_its_owners_with_the_buyers_proof() {
    for page_first in [true, false] {
        let scene = Scene::set().await;
        let key = key_of("1001");
        if page_first {
            scene.buys(1001, ("BEN15", 3 * DAY_MS), Some(&key)).await;
            assert_eq!(scene.stage.commission("1001").await, 0, "only claimed");
        }
        scene.ships(1001).await;
        if !page_first {
            scene.buys(1001, ("BEN15", 3 * DAY_MS), Some(&key)).await;
        }
        assert_eq!(scene.stage.commission("1001").await, 270, "page first: {page_first}");
        let decision = scene.stage.order("1001").await["decision"].clone();
        assert_eq!(decision["method"], "code_visit", "{decision}");
        let reason = text(&decision["reason"]);
        assert!(reason.contains("BEN15, which opened the shop") && reason.contains(" days before"));
        let figures = scene.figures().await;
        assert_eq!(
            (&figures["orders"], &figures["commission"]),
            (&json!(1), &json!({ "EUR": "2.70" }))
        );
        assert_eq!((&figures["clicks"]["raw"], &figures["sessions"]), (&json!(0), &json!(0)));
        // The batch, which decides from the journal alone, says the same.
        let rows = scene.exported("conversions").await;
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((&row["method"], &row["coupon"]), (&json!("code_visit"), &json!("BEN15")));
        assert_eq!((&row["influencer_id"], &row["click_id"]), (&json!(scene.owner), &Value::Null));
        assert_eq!(text(&row["decision"]).parse::<Value>().unwrap(), decision);
        let paid = scene.exported("commissions").await;
        let paid: i64 = paid.iter().map(|row| row["amount_minor"].as_i64().unwrap()).sum();
        assert_eq!(paid, 270);
    }
}

/// Eve owns a code, knows the numbers of others' orders, and sends whatever a browser could.
#[tokio::test]
async fn a_visit_claimed_by_number_earns_nothing() {
    let scene = Scene::set().await;
    scene.ships(1001).await;
    let attempts = [None, Some(""), Some("1001"), Some("wc_order_guessed00000")];
    for (number, key) in (0..).zip(attempts) {
        for ago in [0, DAY_MS, -DAY_MS] {
            let o = json!({ "id": "1001", "value": "18.00", "currency": "EUR", "key": key });
            let id = 100 * number + u32::try_from(ago / DAY_MS + 1).unwrap();
            let said = scene.says(id, "purchase", ("BEN15", ago), json!({ "o": o })).await;
            assert_eq!(said, "");
        }
    }
    let image = format!("/_ac/e.gif?k={}&n=purchase&o.id=1001&code=BEN15", scene.stage.key);
    let answer =
        scene.stage.visit(Method::GET, &image, &[("referer", "https://shop.test/thanks")]).await;
    assert_eq!(answer.header("x-afterclick-dropped"), "unproven");
    assert_eq!(scene.stage.commission("1001").await, 0);
    let decision = scene.stage.order("1001").await["decision"].clone();
    assert_eq!((&decision["method"], &decision["label"]), (&json!("none"), &json!("unproven")));
    let candidates = decision["candidates"].as_array().unwrap();
    assert!(!candidates.is_empty() && candidates.iter().all(|c| c["verdict"] == "unproven"));
    let figures = scene.figures().await;
    assert!(figures.is_null() || figures["orders"] == 0, "{figures}");
    assert!(scene.exported("commissions").await.is_empty());
    // The buyer's own page then brings the click, which nobody has taken.
    let token = scene.stage.token().await;
    scene.ships(1002).await;
    scene.buys(1002, ("BEN15", DAY_MS), None).await;
    scene.stage.claim("1002", "18.00", &token).await;
    let decision = scene.stage.order("1002").await["decision"].clone();
    assert_eq!(decision["method"], "click", "{decision}");
}

#[tokio::test]
async fn no_browser_says_that_a_code_opened_the_shop_in_the_future_or_before_its_window() {
    let scene = Scene::set().await;
    let visit_of = async |order: u64, ago: i64, ts: Option<i64>| {
        let key = key_of(&order.to_string());
        let o = json!({ "id": order.to_string(), "key": key });
        let moment = ts.map_or(json!({}), |ts| json!({ "ts": ts, "code_at": ts - ago }));
        let mut more = json!({ "o": o });
        more.as_object_mut().unwrap().extend(moment.as_object().unwrap().clone());
        let id = u32::try_from(order).unwrap();
        assert_eq!(scene.says(id, "purchase", ("BEN15", ago), more).await, "");
        let order = scene.stage.order(&order.to_string()).await;
        let visit = order["facts"][0]["code_visit"]["opened_at"].clone();
        let opened_at = visit.as_str().map(|at| at.parse::<jiff::Timestamp>().unwrap());
        opened_at.map(|at| now_ms() - at.as_millisecond())
    };
    let is_about = |found: Option<i64>, ago: i64| {
        found.is_some_and(|found| (ago..ago + 60_000).contains(&found))
    };
    assert!(is_about(visit_of(1, 3 * DAY_MS, None).await, 3 * DAY_MS));
    assert!(is_about(visit_of(2, -DAY_MS, None).await, 0), "never after the event");
    assert!(is_about(visit_of(3, i64::MIN / 4, None).await, 0));
    assert_eq!(visit_of(4, 30 * DAY_MS, None).await, None);
    assert_eq!(visit_of(5, i64::MAX / 4, None).await, None);
    // A clock that is wrong in all is right between two moments.
    assert!(is_about(visit_of(6, 3 * DAY_MS, Some(0)).await, 3 * DAY_MS));
    assert!(is_about(visit_of(7, 3 * DAY_MS, Some(now_ms() + 400 * DAY_MS)).await, 3 * DAY_MS));
}

#[tokio::test]
async fn the_precedence_may_name_visits_by_a_code() {
    let scene = Scene::set().await;
    let stage = &scene.stage;
    let campaign = |precedence: Value| {
        let commission = json!({ "kind": "percent", "rate": "15" });
        json!({ "merchant": stage.merchant, "name": "Winter", "commission": commission,
            "precedence": precedence })
    };
    for refused in [json!(["code_visit", "code_visit"]), json!(["existing_customer"])] {
        let body = campaign(refused).to_string();
        let asked = stage.product.ask(Method::POST, "/api/v1/campaigns", "application/json", body);
        let answer = asked.await.unwrap();
        assert!(answer.status == 422 && answer.body.contains("`code_visit`"), "{}", answer.body);
    }
    // The click came later, and counts first in one of the two campaigns.
    for (order, precedence, method) in [
        (1001_u64, json!(["click", "code_visit", "coupon"]), "click"),
        (1002, json!(["code_visit", "click", "coupon"]), "code_visit"),
    ] {
        let id =
            text(&stage.product.create("campaigns", &campaign(precedence)).await.unwrap()["id"]);
        let slug = format!("to-{order}");
        let link = json!({ "campaign": id, "influencer": stage.influencer, "slug": slug,
            "destination": "https://shop.test/" });
        stage.product.create("links", &link).await.unwrap();
        let token = token_of(&stage.visit(Method::GET, &format!("/{slug}"), &[]).await);
        scene.ships(order).await;
        let key = key_of(&order.to_string());
        let o = json!({ "id": order.to_string(), "value": "18.00", "currency": "EUR", "key": key });
        let event = json!({ "id": format!("0193a0c4-8f9e-7d3a-9b1c-{order:012x}"), "n": "purchase",
            "ts": now_ms(), "code": "BEN15", "code_at": now_ms() - DAY_MS, "o": o });
        assert_eq!(scene.sends(&token, &event).await, "");
        let decision = stage.order(&order.to_string()).await["decision"].clone();
        assert_eq!(decision["method"], method, "{decision}");
    }
}
