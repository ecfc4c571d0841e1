//! Leads of which a shop's own server tells: by the server API and by tables, from the click to the
//! commission.

use harness::Answer;
use hyper::Method;
use serde_json::{Value, json};

use crate::inflation::rows_below;
use crate::support::{SECRET, Stage, click_of, hex_mac, now_ms, text, token_of};

/// Adds a campaign that pays 2.50 for a lead, with one link, and returns a click's token.
async fn set(stage: &Stage) -> String {
    let campaign = json!({
        "merchant": stage.merchant, "name": "Sign-ups",
        "commission": { "kind": "per_lead", "amount": "2.50" },
    });
    let campaign = text(&stage.product.create("campaigns", &campaign).await.unwrap()["id"]);
    let link = json!({
        "campaign": campaign, "influencer": stage.influencer, "slug": "join",
        "destination": "https://shop.test/join",
    });
    stage.product.create("links", &link).await.unwrap();
    token_of(&stage.visit(Method::GET, "/join", &[]).await)
}

async fn tell(stage: &Stage, secret: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let time = now_ms() / 1000;
    let signature = format!("t={time},v1={}", hex_mac(secret, &format!("{time}.{body}")));
    let path = format!("/_ac/leads/{}", stage.key);
    stage.post(&path, &[("x-afterclick-signature", signature.as_str())], &body).await
}

async fn exported(stage: &Stage, table: &str) -> Vec<Value> {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    stage.product.report(&["export", "--out", folder, "--format", "ndjson"]).await.unwrap();
    rows_below(&out.path().join(table))
}

/// Returns what was booked, in cents, in all.
async fn booked(stage: &Stage) -> i64 {
    let rows = exported(stage, "commissions").await;
    rows.iter().map(|row| row["amount_minor"].as_i64().unwrap()).sum()
}

#[tokio::test]
async fn a_shops_server_tells_what_becomes_of_leads_and_each_earns_when_it_is_qualified() {
    let stage = Stage::set().await;
    let token = set(&stage).await;
    // Seven of one click: the bound of three is for what browsers tell.
    let leads: Vec<_> = (0..7)
        .map(|n| json!({ "lead_id": format!("L-{n}"), "status": "open", "ac": token }))
        .collect();
    let answer = tell(&stage, SECRET, &json!({ "leads": leads })).await;
    assert_eq!((answer.status, answer.body.contains("\"recorded\":7")), (200, true));
    assert_eq!(booked(&stage).await, 0, "nobody has judged them");
    for (id, status, due) in [
        ("L-0", "qualified", 250),
        ("L-0", "qualified", 250),
        ("L-1", "Won", 500),
        ("L-2", "lost", 500),
        ("L-0", "not_qualified", 250),
        ("L-0", "qualified", 500),
    ] {
        let told = json!({ "lead_id": id, "status": status });
        assert_eq!(tell(&stage, SECRET, &told).await.status, 200);
        assert_eq!(booked(&stage).await, due, "{id} {status}");
    }
    let leads = exported(&stage, "leads").await;
    let of = |id: &str| leads.iter().find(|row| row["lead_id"] == id).unwrap();
    assert_eq!(leads.len(), 7);
    assert_eq!((&of("L-1")["status"], &of("L-1")["source"]), (&json!("won"), &json!("server")));
    assert_eq!(of("L-0")["click_id"], click_of(&token).as_str());
    stage.figures().await;
    let stats = stage.product.read("/api/v1/stats?by=influencer").await.unwrap();
    assert_eq!(stats["rows"][0]["leads"], 7, "{stats}");
}

#[tokio::test]
async fn a_lead_that_cannot_be_read_is_refused_by_name_and_kept() {
    let stage = Stage::set().await;
    let token = set(&stage).await;
    let call = json!({ "leads": [
        { "lead_id": "L-1", "status": "qualified", "ac": token },
        { "lead_id": "L-2", "status": "qualified", "made_at": "2026-05-01 10:00" },
        { "lead_id": "L-3", "status": "warm" },
        { "lead_id": "L-4", "status": "won", "email": "anna@example.org" },
    ] });
    let answer = tell(&stage, SECRET, &call).await;
    assert_eq!((answer.status, answer.body.contains("\"recorded\":1")), (200, true));
    for named in ["made_at: ", "status: `warm`", "email: no such field"] {
        assert!(answer.body.contains(named), "{named} in {}", answer.body);
    }
    assert_eq!(booked(&stage).await, 250);
    assert_eq!(tell(&stage, "another-secret-of-nobody", &call).await.status, 401);
    assert_eq!(tell(&stage, SECRET, &json!({ "leads": [] })).await.status, 400);
    stage.figures().await;
    assert_eq!(stage.product.read("/api/v1/unparsed").await.unwrap()["count"], 4);
}

#[tokio::test]
async fn leads_are_imported_as_a_table_all_or_nothing() {
    let stage = Stage::set().await;
    let click = click_of(&set(&stage).await);
    let path = format!("/api/v1/leads/import?merchant={}", stage.merchant);
    let import =
        async |csv: String| stage.product.ask(Method::POST, &path, "text/csv", csv).await.unwrap();
    let header = "lead_id,status,click_id,order_id,updated_at\n";
    let wrong = import(format!("{header}1,won,{click},,\n2,maybe,{click},,\n")).await;
    assert_eq!((wrong.status, wrong.body.contains("line 3")), (422, true), "{}", wrong.body);
    assert_eq!(booked(&stage).await, 0);
    let at = "2026-01-02T10:00:00Z";
    let table = format!("{header}1,won,{click},1001,{at}\n2,qualified,{click},,{at}\n");
    for _ in 0..2 {
        assert_eq!(import(table.clone()).await.status, 201);
    }
    let leads = exported(&stage, "leads").await;
    assert_eq!(leads.len(), 2, "twice is once");
    let won = leads.iter().find(|row| row["lead_id"] == "1").unwrap();
    assert_eq!(won["order_id"], "1001", "the sale is linked to its lead");
}

#[tokio::test]
async fn a_signed_postback_tells_of_a_lead_and_an_old_one_changes_nothing() {
    let stage = Stage::set().await;
    let click = click_of(&set(&stage).await);
    let send = async |status: &str, ts: i64| {
        let sorted = format!("click_id={click}&event=lead&status={status}&ts={ts}&txid=L-1");
        let sig = hex_mac(SECRET, &sorted);
        stage.get(&format!("/_ac/pb/{}?{sorted}&sig={sig}", stage.key)).await.status
    };
    let now = now_ms() / 1000;
    for (status, ts, due) in [
        ("qualified", now - 20, 250),
        ("rejected", now - 10, 0),
        ("qualified", now - 20, 0),
        ("won", now, 250),
    ] {
        assert_eq!(send(status, ts).await, 200);
        assert_eq!(booked(&stage).await, due, "{status} {ts}");
    }
    assert_eq!(send("maybe", now).await, 400);
}

#[tokio::test]
async fn a_merchant_who_trusts_its_pages_leads_pays_for_no_invented_order() {
    let stage = Stage::set().await;
    let merchant = json!({
        "name": "Forms", "domains": ["forms.test"], "currency": "EUR", "timezone": "UTC",
        "trust_leads": true,
    });
    let merchant = stage.product.create("merchants", &merchant).await.unwrap();
    assert_eq!((&merchant["trust_pixel"], &merchant["trust_leads"]), (&json!(false), &json!(true)));
    let campaign = json!({
        "merchant": merchant["id"], "name": "Both",
        "commission": [
            { "kind": "per_lead", "amount": "2.00" }, { "kind": "percent", "rate": "15" },
        ],
    });
    let campaign = stage.product.create("campaigns", &campaign).await.unwrap();
    let link = json!({
        "campaign": campaign["id"], "influencer": stage.influencer, "slug": "form",
        "destination": "https://forms.test/",
    });
    stage.product.create("links", &link).await.unwrap();
    let token = token_of(&stage.visit(Method::GET, "/form", &[("host", "go.forms.test")]).await);
    let event = |n: u32, name: &str, order: Value| {
        let id = format!("0193a0c4-8f9e-7d3a-9b1c-{n:012x}");
        json!({ "id": id, "n": name, "ts": now_ms(), "o": order })
    };
    let order = json!({ "id": "9001", "value": "100.00", "currency": "EUR" });
    let body = json!({
        "v": 1, "k": merchant["key"], "t": token, "c": "granted",
        "e": [event(1, "lead", Value::Null), event(2, "purchase", order)],
    });
    let origin = [("origin", "https://forms.test")];
    assert_eq!(stage.post("/_ac/e", &origin, &body.to_string()).await.status, 204);
    assert_eq!(booked(&stage).await, 200, "the lead, and not the order");
    let path = format!("/api/v1/merchants/{}", text(&merchant["id"]));
    let change =
        stage.product.ask(Method::PATCH, &path, "application/json", r#"{"trust_leads":false}"#);
    assert_eq!(change.await.unwrap().status, 422, "what was earned must stay earned");
}

#[tokio::test]
async fn a_postback_tells_of_a_lead_and_takes_it_back() {
    let stage = Stage::set().await;
    let token = set(&stage).await;
    let send = async |parameters: &str| {
        let sig = hex_mac(SECRET, parameters);
        stage.get(&format!("/_ac/pb/{}?{parameters}&sig={sig}", stage.key)).await.status
    };
    assert_eq!(send(&format!("click_id={token}&event=lead&txid=L-1")).await, 200);
    assert_eq!(booked(&stage).await, 250);
    assert_eq!(send("event=lead&status=declined&txid=L-1").await, 200);
    assert_eq!(booked(&stage).await, 0);
    assert_eq!(send(&format!("click_id={token}&event=lead&txid=L-1")).await, 200);
    assert_eq!(booked(&stage).await, 0, "a signed postback that is sent again brings nothing back");
    assert_eq!(send("amount=5.00&event=lead&txid=L-2").await, 400);
}
