//! Somebody can be stopped: holds, suspensions, access tokens and keys, from outside.

use harness::{Answer, http};
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Stage, launch, run, text, until, woo_order};

impl Stage {
    async fn admin(&self, method: Method, path: &str, token: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        http::send(self.product.admin, method, path, &headers, body).await.unwrap()
    }

    async fn patch(&self, path: &str, fields: &Value) -> Value {
        let token = self.product.token.clone();
        let answer = self.admin(Method::PATCH, path, &token, fields).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    async fn sell(&self, id: u64, changes: Value, token: &str) {
        let body = woo_order(id, changes, &[("_ac", token)]);
        let answer = self.webhook("order.updated", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

fn afterclick() -> String {
    harness::default_bin_dir().unwrap().join("afterclick").display().to_string()
}

#[tokio::test]
async fn an_unreadable_amount_is_kept_listed_counted_and_resolved() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let line = |total: &str| json!({ "line_items": [{ "id": 1, "total": "5.00" }, { "id": 2, "total": total }] });
    let digits = "9".repeat(31);
    for (id, total) in [(1, "1,000.00"), (2, digits.as_str())] {
        stage.sell(id, line(total), &token).await;
        let order = stage.order(&id.to_string()).await;
        assert_eq!(order["decision"]["method"], "click", "{order}");
        assert_eq!(order["order"]["goods"], Value::Null, "unknown, not zero");
        assert_eq!(order["order"]["net_goods"], Value::Null);
        assert_eq!(order["commission"], json!([]));
        let held = &order["held"][0];
        assert_eq!(
            (&held["reason"], &held["field"]),
            (&json!("unreadable_amount"), &json!("line_items[1].total"))
        );
    }
    assert_eq!(stage.order("1").await["held"][0]["shape"], "9,999.99");
    let counted = "afterclick_unreadable_amounts_total{platform=\"woocommerce\"}";
    assert_eq!(stage.metric(counted).await, 2);
    let figures = stage.figures().await;
    assert_eq!((&figures["orders"], &figures["orders_held"]), (&json!(2), &json!(2)));
    let readable = json!({
        "date_modified_gmt": "2030-01-01T00:00:00",
        "line_items": [{ "id": 1, "total": "5.00" }, { "id": 2, "total": "1000.00" }],
    });
    stage.sell(1, readable, &token).await;
    let order = stage.order("1").await;
    assert_eq!((&order["held"], &order["order"]["goods"]), (&json!([]), &json!("1005.00")));
    assert_eq!(order["commission"][0]["amount"], "150.75");
    assert_eq!(stage.figures().await["orders_held"], 1);
}

#[tokio::test]
async fn commissions_of_an_order_a_link_or_an_influencer_are_held_and_released() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    stage.sell(727, json!({}), &token).await;
    let order = format!("{}/727", stage.merchant);
    for target in [
        json!({ "order": order }),
        json!({ "order": "727", "merchant": stage.merchant }),
        json!({ "link": stage.link }),
        json!({ "influencer": stage.influencer }),
    ] {
        let mut body = target.clone();
        body["reason"] = json!("forty orders of one token");
        let hold = stage.product.create("holds", &body).await.unwrap();
        let id = text(&hold["id"]);
        assert!(id.starts_with("hld_") && hold["released_at"].is_null(), "{hold}");
        let held = stage.order("727").await;
        assert_eq!(
            held["held"],
            json!([{ "reason": "by_hand", "hold": id, "note": "forty orders of one token" }]),
            "{target}"
        );
        assert_eq!(held["commission"][0]["amount"], "2.70", "it stays booked");
        assert_eq!(stage.figures().await["orders_held"], 1);
        let token = stage.product.token.clone();
        let path = format!("/api/v1/holds/{id}/release");
        let released =
            stage.admin(Method::POST, &path, &token, &json!({ "reason": "they are real" })).await;
        assert_eq!(released.status, 200, "{}", released.body);
        assert!(released.body.contains("they are real"), "{}", released.body);
        let again = stage.admin(Method::POST, &path, &token, &Value::Null).await;
        assert_eq!((again.status, again.body), (200, released.body), "released once");
        assert_eq!(stage.order("727").await["held"], json!([]));
        assert_eq!(stage.figures().await["orders_held"], 0);
    }
    let listed = stage.product.read("/api/v1/holds").await.unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 4, "{listed}");
    let token = stage.product.token.clone();
    for (body, named) in [
        (json!({ "reason": "x" }), "expected one of"),
        (json!({ "link": stage.link }), "reason"),
        (json!({ "reason": "x", "link": stage.link, "influencer": stage.influencer }), "one of"),
        (json!({ "reason": "x", "link": "lnk_0000000000000" }), "does not exist"),
        (json!({ "reason": "x", "order": "undefined" }), "order id"),
    ] {
        let refused = stage.admin(Method::POST, "/api/v1/holds", &token, &body).await;
        assert_eq!(refused.status, 422, "{body}: {}", refused.body);
        assert!(refused.body.contains(named), "{named} in {}", refused.body);
    }
    let missing = "/api/v1/holds/hld_0000000000000/release";
    assert_eq!(stage.admin(Method::POST, missing, &token, &Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_suspended_link_goes_on_redirecting_and_earns_no_more() {
    let stage = Stage::set().await;
    let before = stage.token().await;
    let path = format!("/api/v1/links/{}", stage.link);
    // Clicks of the same millisecond as the suspension are suspended.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let now = changed_at(stage.patch(&path, &json!({})).await);
    let shown = stage.patch(&path, &json!({ "suspended_from": now })).await;
    assert_eq!(shown["suspended_from"], json!(now));
    let clicked = stage.click(&[]).await;
    assert_eq!(clicked.status, 302, "followers are not punished");
    let after = crate::support::token_of(&clicked);
    stage.sell(1, json!({}), &before).await;
    stage.sell(2, json!({}), &after).await;
    assert_eq!(stage.commission("1").await, 270, "what was clicked before stays");
    let stopped = stage.order("2").await;
    assert_eq!(
        (&stopped["decision"]["label"], &stopped["commission"]),
        (&json!("suspended"), &json!([]))
    );
    assert_eq!(stopped["decision"]["candidates"][0]["verdict"], "suspended");
    let lifted = stage.patch(&path, &json!({ "suspended_from": null })).await;
    assert_eq!(lifted["suspended_from"], Value::Null);
    assert_eq!(stage.commission("2").await, 0, "the suspension was in force then");
    stage.sell(3, json!({}), &stage.token().await).await;
    assert_eq!(stage.commission("3").await, 270, "clicks after it earn again");
    let influencer = format!("/api/v1/influencers/{}", stage.influencer);
    stage.patch(&influencer, &json!({ "suspended_from": now })).await;
    assert_eq!(stage.commission("3").await, 0, "taken back");
    let order = stage.order("3").await;
    assert_eq!(order["commission"][1]["reason"], "suspended", "by a booking of its own");
}

/// The time of the last change of an entity.
fn changed_at(entity: Value) -> String {
    text(&entity["updated_at"])
}

#[tokio::test]
async fn access_tokens_are_listed_expire_and_are_revoked_at_once() {
    let stage = Stage::set().await;
    let admin = stage.product.token.clone();
    let body =
        json!({ "role": "merchant", "for": stage.merchant, "name": "the shop's bookkeeper" });
    let made = stage.product.create("tokens", &body).await.unwrap();
    let (id, secret) = (text(&made["id"]), text(&made["token"]));
    assert!(id.starts_with("tok_") && secret.starts_with("ac_"), "{made}");
    let stats = async |secret: &str| {
        stage.admin(Method::GET, "/api/v1/stats", secret, &Value::Null).await.status
    };
    assert_eq!(stats(&secret).await, 200);
    let listed = stage.admin(Method::GET, "/api/v1/tokens", &admin, &Value::Null).await.body;
    assert!(listed.contains(&id) && listed.contains("bookkeeper"), "{listed}");
    assert!(!listed.contains(&secret) && !listed.contains("hash"), "it is shown once: {listed}");
    let path = format!("/api/v1/tokens/{id}");
    assert_eq!(stage.admin(Method::DELETE, &path, &secret, &Value::Null).await.status, 403);
    assert_eq!(stage.admin(Method::DELETE, &path, &admin, &Value::Null).await.status, 204);
    assert_eq!(stats(&secret).await, 401, "at once");
    assert_eq!(stage.admin(Method::DELETE, &path, &admin, &Value::Null).await.status, 204);
    let gone = "/api/v1/tokens/tok_0000000000000";
    assert_eq!(stage.admin(Method::DELETE, gone, &admin, &Value::Null).await.status, 404);
    let soon = crate::support::now_ms() + 1500;
    let soon = shared::time::Timestamp::from_ms(soon).to_string();
    let brief = json!({ "role": "admin", "expires_at": soon });
    let brief = text(&stage.product.create("tokens", &brief).await.unwrap()["token"]);
    assert_eq!(stats(&brief).await, 200);
    until("the token has expired", async || stats(&brief).await == 401).await;
    for (body, named) in [
        (json!({ "role": "admin", "expires_at": "2020-01-01T00:00:00Z" }), "past"),
        (json!({ "role": "merchant" }), "whose token"),
        (json!({ "role": "merchant", "for": "mer_00000000" }), "does not exist"),
        (json!({ "role": "boss" }), "expected admin"),
    ] {
        let refused = stage.admin(Method::POST, "/api/v1/tokens", &admin, &body).await;
        assert_eq!(refused.status, 422, "{body}: {}", refused.body);
        assert!(refused.body.contains(named), "{named} in {}", refused.body);
    }
    let Stage { product, folder, .. } = stage;
    product.stop().await.unwrap();
    let again = launch(&folder).start().await.unwrap();
    let bearer = format!("Bearer {secret}");
    let headers = [("authorization", bearer.as_str())];
    let answer = http::send(again.admin, Method::GET, "/api/v1/stats", &headers, "").await.unwrap();
    assert_eq!(answer.status, 401, "it stays revoked");
}

#[tokio::test]
async fn the_command_line_makes_lists_and_revokes_tokens_of_a_running_server() {
    let stage = Stage::set().await;
    let data = stage.product.data().display().to_string();
    let token = async |arguments: &[&str]| {
        let all = [&["token"], arguments, &["--data", &data]].concat();
        let output = run(&afterclick(), &all).await;
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).trim().to_owned())
    };
    let (_, secret) = token(&["create", "--role", "admin", "--name", "night shift"]).await;
    let status =
        async || stage.admin(Method::GET, "/api/v1/stats", &secret, &Value::Null).await.status;
    until("the token is accepted", async || status().await == 200).await;
    let (_, listed) = token(&["list"]).await;
    let line = listed.lines().find(|line| line.contains("night shift")).unwrap().to_owned();
    assert!(!listed.contains(&secret), "{listed}");
    let id = line.split(' ').next().unwrap().to_owned();
    assert_eq!(token(&["revoke", &id]).await.0, Some(0));
    until("the token is refused", async || status().await == 401).await;
    assert!(token(&["list"]).await.1.contains("revoked"));
    assert_eq!(token(&["revoke", "tok_0000000000000"]).await.0, Some(1));
    let past = token(&["create", "--role", "admin", "--expires", "2020-01-01"]).await;
    assert_eq!((past.0, past.1.contains("lies in the past")), (Some(1), true), "{}", past.1);
    for (role, id) in [("merchant", "mer_00000000"), ("influencer", "inf_0000000000001")] {
        let unknown = token(&["create", "--role", role, "--for", id]).await;
        assert_eq!((unknown.0, unknown.1.contains(id)), (Some(1), true), "{}", unknown.1);
    }
    let known = token(&["create", "--role", "merchant", "--for", &stage.merchant]).await;
    assert_eq!(known.0, Some(0), "{}", known.1);
}

#[tokio::test]
async fn orders_that_tokens_of_a_revoked_key_bring_are_attributed_and_held() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    stage.sell(1, json!({}), &token).await;
    let data = stage.product.data().display().to_string();
    let keys = async |arguments: &[&str]| {
        let output = run(&afterclick(), &[&["keys"], arguments, &["--data", &data]].concat()).await;
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    assert_eq!(keys(&["list"]).await.1, "1  active\n");
    assert_eq!(keys(&["revoke", "9"]).await.0, Some(1), "there is no such key");
    let (status, said) = keys(&["revoke", "1", "--reason", "a laptop was stolen"]).await;
    assert_eq!((status, said.contains("key 2 signs")), (Some(0), true), "{said}");
    assert_eq!(keys(&["list"]).await.1, "1  revoked\n2  active\n");
    let Stage { product, folder, merchant, .. } = stage;
    product.stop().await.unwrap();
    let product = launch(&folder).start().await.unwrap();
    let stage = Stage { product, folder, merchant, ..stage };
    stage.sell(2, json!({}), &token).await;
    let order = stage.order("2").await;
    assert_eq!(order["decision"]["method"], "click", "{order}");
    assert_eq!(order["commission"][0]["amount"], "2.70");
    let held = &order["held"][0];
    assert_eq!(
        (&held["reason"], &held["key"], &held["note"]),
        (&json!("revoked_key"), &json!(1), &json!("a laptop was stolen"))
    );
    assert_eq!(stage.order("1").await["held"], json!([]), "it came before");
    stage.sell(3, json!({}), &stage.token().await).await;
    assert_eq!(stage.order("3").await["held"], json!([]), "another key signs now");
    let path = format!("/api/v1/holds/{}/release", text(&held["hold"]));
    let admin = stage.product.token.clone();
    assert_eq!(stage.admin(Method::POST, &path, &admin, &Value::Null).await.status, 200);
    assert_eq!(stage.order("2").await["held"], json!([]));
}
