//! What one person can make of many requests: clicks, sessions, leads and orders are bounded, and
//! people who share addresses still earn for their influencer.

use std::path::Path;
use std::time::Instant;

use harness::http::Connection;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{BROWSER, Stage, click_of, text, token_of, until, woo_order};

/// A campaign of its own, whose merchant trusts its pixel, with one link.
struct Scene {
    stage: Stage,
    key: String,
    link: String,
    host: &'static str,
}

impl Scene {
    async fn set(arguments: &[&str], commission: Value) -> Self {
        let stage = Stage::set_up(arguments, json!({})).await;
        let create = async |resource: &str, fields: Value| {
            stage.product.create(resource, &fields).await.unwrap()
        };
        let merchant = create(
            "merchants",
            json!({
                "name": "Trusting", "domains": ["trusting.test"], "currency": "EUR",
                "timezone": "UTC", "trust_pixel": true, "trust_leads": true,
            }),
        )
        .await;
        let campaign = json!({
            "merchant": merchant["id"], "name": "Actions", "commission": commission,
        });
        let campaign = text(&create("campaigns", campaign).await["id"]);
        let link = json!({
            "campaign": campaign, "influencer": stage.influencer, "slug": "act",
            "destination": "https://trusting.test/offer",
        });
        let link = text(&create("links", link).await["id"]);
        Self { key: text(&merchant["key"]), stage, link, host: "go.trusting.test" }
    }

    /// Follows the link and returns the token.
    async fn token(&self) -> String {
        token_of(&self.stage.visit(Method::GET, "/act", &[("host", self.host)]).await)
    }

    /// Sends events of one name with new ids, fifty at once.
    async fn send(&self, token: &str, name: &str, ids: std::ops::Range<u32>, order: &Value) {
        for first in ids.clone().step_by(50) {
            let events: Vec<Value> = (first..ids.end.min(first + 50))
                .map(|id| {
                    let id = format!("0193a0c4-8f9e-7d3a-9b1c-{id:012x}");
                    json!({ "id": id, "n": name, "ts": crate::support::now_ms(), "o": order })
                })
                .collect();
            let body = json!({
                "v": 1, "k": self.key, "t": token, "c": "granted", "e": events,
            });
            let origin = [("origin", "https://trusting.test")];
            let answer = self.stage.post("/_ac/e", &origin, &body.to_string()).await;
            assert_eq!(answer.status, 204, "{}", answer.body);
        }
    }

    /// Returns the figures of the link, once everything is projected.
    async fn figures(&self) -> Value {
        let mut row = Value::Null;
        until("the figures are up to date", async || {
            let stats = self.stage.product.read("/api/v1/stats?by=link").await.unwrap();
            let rows = stats["rows"].as_array().unwrap();
            row = rows.iter().find(|row| row["link"] == self.link).cloned().unwrap_or_default();
            stats["up_to_date"] == true
                && self.stage.metric("afterclick_hot_state_behind_records").await == 0
        })
        .await;
        row
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

pub(crate) fn rows_below(folder: &Path) -> Vec<Value> {
    let Ok(entries) = std::fs::read_dir(folder) else { return vec![] };
    let mut rows = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            rows.extend(rows_below(&path));
        } else {
            let lines = std::fs::read_to_string(&path).unwrap();
            rows.extend(lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
    }
    rows
}

const WORKERS: u64 = 2;

#[tokio::test]
async fn a_flood_is_billed_as_a_few_clicks_and_a_crowd_as_all_its_people() {
    let per_click = json!({ "kind": "per_click", "amount": "0.10" });
    let scene = Scene::set(&["--workers", &WORKERS.to_string()], per_click).await;
    let begun = Instant::now();
    for _ in 0..6 {
        let mut connection = Connection::open(scene.stage.product.public).await.unwrap();
        for _ in 0..500 {
            let headers = [("host", scene.host), ("user-agent", BROWSER)];
            let answer = connection.send(Method::GET, "/act", &headers, "").await.unwrap();
            assert_eq!(token_of(&answer).len(), 76, "a flood may bring a sale");
        }
    }
    let clicks = scene.figures().await["clicks"].clone();
    let (billable, flood) = (clicks["billable"].as_u64().unwrap(), clicks["flood"].as_u64());
    let most = WORKERS * (61 + begun.elapsed().as_secs());
    assert!((60..=most).contains(&billable), "{billable} of 3,000, at most {most}");
    assert_eq!((flood, &clicks["raw"]), (Some(3000 - billable), &json!(3000)));

    // Three hundred people with the same browser, each behind another block of a carrier.
    for person in 0..300 {
        let address = format!("100.{}.{}.7", 1 + person / 256, person % 256);
        let headers = [
            ("host", scene.host),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", address.as_str()),
        ];
        assert_eq!(scene.stage.visit(Method::GET, "/act", &headers).await.status, 302);
    }
    let figures = scene.figures().await;
    assert_eq!(figures["clicks"]["billable"].as_u64(), Some(billable + 300));
    let paid = scene.exported("commissions").await;
    let counted: i64 = paid.iter().map(|row| row["base_minor"].as_i64().unwrap()).sum();
    assert_eq!(u64::try_from(counted).unwrap(), billable + 300, "only billable clicks are paid");
}

#[tokio::test]
async fn new_agents_pass_no_limit_of_a_block() {
    let per_click = json!({ "kind": "per_click", "amount": "0.10" });
    let limits = ["--workers", "1", "--flood-per-minute", "5", "--flood-per-hour", "20"];
    let scene = Scene::set(&limits, per_click).await;
    for number in 0..100 {
        let agent = format!("{BROWSER} Version/{number}");
        let headers = [("host", scene.host), ("user-agent", agent.as_str())];
        assert_eq!(scene.stage.visit(Method::GET, "/act", &headers).await.status, 302);
    }
    let clicks = scene.figures().await["clicks"].clone();
    assert_eq!((&clicks["billable"], &clicks["flood"]), (&json!(20), &json!(80)));
}

#[tokio::test]
async fn the_limits_can_be_switched_off() {
    let per_click = json!({ "kind": "per_click", "amount": "0.10" });
    let off = ["--workers", "1", "--flood-per-minute", "0", "--flood-per-hour", "0"];
    let scene = Scene::set(&off, per_click).await;
    for _ in 0..100 {
        scene.token().await;
    }
    assert_eq!(scene.figures().await["clicks"]["billable"], 100);
}

#[tokio::test]
async fn sessions_and_leads_of_one_click_count_a_few_times_everywhere_alike() {
    let per_lead = json!({ "kind": "per_lead", "amount": "2.00" });
    let scene = Scene::set(&[], per_lead).await;
    let token = scene.token().await;
    scene.send(&token, "session", 0..2000, &Value::Null).await;
    scene.send(&token, "lead", 0..2000, &Value::Null).await;
    let figures = scene.figures().await;
    let sessions = figures["sessions"].as_u64().unwrap();
    assert!((1..=2).contains(&sessions), "{sessions} half hours");
    assert_eq!(figures["leads"], 3);

    assert_eq!(scene.exported("sessions").await.len() as u64, sessions);
    let leads = scene.exported("conversions").await;
    let labelled = |label: &str| leads.iter().filter(|row| row["label"] == label).count();
    assert_eq!((labelled(""), labelled("lead_limit"), leads.len()), (3, 1997, 2000));
    let refused = leads.iter().find(|row| row["label"] == "lead_limit").unwrap();
    assert_eq!(refused["method"], "none");
    assert!(text(&refused["decision"]).contains("had brought 3 leads before"), "{refused}");
    let paid: Vec<_> = scene.exported("commissions").await;
    assert_eq!(
        paid.iter().map(|row| row["amount_minor"].as_i64()).collect::<Vec<_>>(),
        [Some(200), Some(200), Some(200)]
    );
}

#[tokio::test]
async fn a_lead_with_an_id_counts_once_for_its_click_and_takes_nothing_from_others() {
    let per_lead = json!({ "kind": "per_lead", "amount": "2.00" });
    let scene = Scene::set(&[], per_lead).await;
    let (thief, buyer) = (scene.token().await, scene.token().await);
    let form = json!({ "id": "form-7" });
    scene.send(&thief, "lead", 0..3, &form).await;
    scene.send(&buyer, "lead", 3..6, &form).await;
    assert_eq!(scene.figures().await["leads"], 2);
    let leads = scene.exported("conversions").await;
    let clicks: Vec<_> = leads.iter().map(|row| text(&row["click_id"])).collect();
    assert_eq!(clicks.len(), 2);
    assert!(clicks.contains(&click_of(&thief)) && clicks.contains(&click_of(&buyer)));
}

#[tokio::test]
async fn a_click_of_a_flood_is_paid_for_a_sale_but_for_no_lead() {
    let limits = ["--workers", "1", "--flood-per-minute", "1"];
    let per_lead = json!({ "kind": "per_lead", "amount": "2.00" });
    let scene = Scene::set(&limits, per_lead).await;
    let (first, second) = (scene.token().await, scene.token().await);
    scene.send(&first, "lead", 0..1, &Value::Null).await;
    scene.send(&second, "lead", 1..2, &Value::Null).await;
    let leads = scene.exported("conversions").await;
    let label_of = |token: &str| {
        let click = click_of(token);
        leads.iter().find(|row| row["click_id"] == click.as_str()).unwrap()["label"].clone()
    };
    assert_eq!((label_of(&first), label_of(&second)), (json!(""), json!("flood")));
    assert_eq!(scene.exported("commissions").await.len(), 1);

    let stage = &scene.stage;
    let (_, of_flood) = (stage.token().await, stage.token().await);
    assert_eq!(stage.figures().await["clicks"]["flood"], 1);
    stage.webhook("order.updated", &woo_order(727, json!({}), &[("_ac", &of_flood)])).await;
    assert_eq!(stage.commission("727").await, 270, "a purchase proves a person");
}

#[tokio::test]
async fn a_click_that_brings_orders_of_many_customers_is_shown() {
    let scene = Scene::set(&[], json!({ "kind": "per_sale", "amount": "1.00" })).await;
    let stage = &scene.stage;
    let token = stage.token().await;
    let order = async |id: u64, customer: u32, token: &str| {
        let billing = json!({ "billing": { "email": format!("customer-{customer}@mail.test") } });
        let body = woo_order(id, billing, &[("_ac", token)]);
        assert_eq!(stage.webhook("order.updated", &body).await.status, 200);
    };
    // One customer may come back, and five are a family.
    for (id, customer) in [(1, 1), (2, 1), (3, 1), (4, 2), (5, 3), (6, 4), (7, 5)] {
        order(id, customer, &token).await;
    }
    order(20, 1, &stage.token().await).await;
    assert_eq!(stage.order("7").await["flags"], json!([]));
    order(8, 6, &token).await;
    for id in ["1", "8"] {
        let seen = stage.order(id).await;
        assert_eq!(seen["flags"], json!(["many_customers"]), "{id}");
        assert_eq!(stage.commission(id).await, 270, "it takes nothing away");
    }
    assert_eq!(stage.order("20").await["flags"], json!([]), "another click");
    let conversions = scene.exported("conversions").await;
    let labelled = |label: &str| conversions.iter().filter(|row| row["label"] == label).count();
    assert_eq!((labelled("many_customers"), labelled("")), (8, 1));
}

#[tokio::test]
async fn no_link_leads_to_a_link() {
    let stage = Stage::set_up(&["--hosts", "go.agency.test"], json!({})).await;
    let link = |slug: &str, destination: &str| {
        json!({
            "campaign": stage.campaign, "influencer": stage.influencer, "slug": slug,
            "destination": destination,
        })
    };
    let ask = async |method: Method, path: &str, kind: &str, body: String| {
        stage.product.ask(method, path, kind, body).await.unwrap()
    };
    for (slug, destination) in [
        ("a", "https://go.shop.test/anna"),
        ("b", "https://go.shop.test/ANNA/?utm_source=x#y"),
        ("c", "https://go.shop.test/c"),
        ("d", "https://go.agency.test/whatever"),
        ("e", "https://go.agency.test:8443/"),
    ] {
        let body = link(slug, destination).to_string();
        let answer = ask(Method::POST, "/api/v1/links", "application/json", body).await;
        assert_eq!(answer.status, 422, "{destination}: {}", answer.body);
        assert!(answer.body.contains("destination"), "{}", answer.body);
    }
    for (slug, destination) in [
        ("f", "https://shop.test/anna"),
        ("g", "https://www.shop.test/anna"),
        ("h", "https://store.shop.test/product"),
    ] {
        stage.product.create("links", &link(slug, destination)).await.unwrap();
    }
    // Of two links of one import, the later one would close the circle.
    let row = |slug: &str, to: &str| {
        format!("{},{},https://go.shop.test/{to},{slug}\n", stage.campaign, stage.influencer)
    };
    let table = format!("campaign,influencer,destination,slug\n{}{}", row("x", "y"), row("y", "x"));
    let answer = ask(Method::POST, "/api/v1/links/import", "text/csv", table).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert!(answer.body.contains("line 3: destination"), "{}", answer.body);
    let path = format!("/api/v1/links/{}", stage.link);
    let moved = json!({ "destination": "https://go.shop.test/h" }).to_string();
    let answer = ask(Method::PATCH, &path, "application/json", moved).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
}
