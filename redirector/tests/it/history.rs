//! Who changed what, and the way back.

use harness::http;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Stage, text};

async fn patch(stage: &Stage, path: &str, fields: Value) {
    let path = format!("/api/v1/{path}");
    let body = fields.to_string();
    let answer = stage.product.ask(Method::PATCH, &path, "application/json", body).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
}

async fn history(stage: &Stage, query: &str) -> Vec<Value> {
    let answer = stage.product.read(&format!("/api/v1/history?{query}")).await.unwrap();
    answer["items"].as_array().unwrap().clone()
}

/// Returns the fields that a change names, each before and after.
fn fields(change: &Value) -> Vec<(String, Value, Value)> {
    let entities = change["entities"].as_array().unwrap().iter();
    let fields = entities.flat_map(|entity| entity["fields"].as_array().unwrap());
    fields.map(|f| (text(&f["field"]), f["before"].clone(), f["after"].clone())).collect()
}

async fn undo(stage: &Stage, change: &Value) -> (u16, String) {
    let path = format!("/api/v1/history/{}/undo", text(&change["id"]));
    let answer = stage.product.ask(Method::POST, &path, "application/json", "").await.unwrap();
    (answer.status, answer.body)
}

#[tokio::test]
async fn a_change_says_who_made_it_and_what_was_before() {
    let stage = Stage::set().await;
    let merchant = format!("merchants/{}", stage.merchant);
    patch(&stage, &merchant, json!({ "name": "New", "webhook_secret": "another-secret-0001" }))
        .await;
    let token = stage.product.create("tokens", &json!({ "role": "admin", "name": "CI" })).await;
    let token = token.unwrap();
    let authorization = format!("Bearer {}", text(&token["token"]));
    let headers = [("authorization", authorization.as_str())];
    let body = r#"{"name":"Newer"}"#.to_owned();
    let path = format!("/api/v1/{merchant}");
    http::send(stage.product.admin, Method::PATCH, &path, &headers, body).await.unwrap();

    let all = history(&stage, &format!("entity={}", stage.merchant)).await;
    assert_eq!(all.len(), 3);
    assert_eq!(fields(&all[0]), [("name".into(), json!("New"), json!("Newer"))]);
    assert_eq!((&all[0]["by"], &all[0]["by_name"]), (&json!("token"), &json!("CI")));
    let second = fields(&all[1]);
    assert!(second.contains(&("name".into(), json!("Shop"), json!("New"))), "{second:?}");
    assert!(second.contains(&("webhook_secret".into(), json!("hidden"), json!("hidden"))));
    assert_eq!(all[1]["by"], "first_token");
    assert_eq!(all[2]["entities"][0]["is_new"], true);
    let whole = Value::from(history(&stage, "limit=1000").await).to_string();
    for secret in ["another-secret-0001", crate::support::SECRET, "hash\":\"", "\"sealed\""] {
        assert!(!whole.contains(secret), "{secret}");
    }
    let by = format!("by={}", text(&token["id"]));
    assert_eq!(history(&stage, &by).await.len(), 1);

    // Pages have neither gaps nor repeats.
    let (mut ids, mut cursor) = (vec![], String::new());
    loop {
        let path = format!("/api/v1/history?limit=2&cursor={cursor}");
        let page = stage.product.read(&path).await.unwrap();
        ids.extend(page["items"].as_array().unwrap().iter().map(|item| text(&item["id"])));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let whole = history(&stage, "").await;
    assert_eq!(ids, whole.iter().map(|item| text(&item["id"])).collect::<Vec<_>>());
}

#[tokio::test]
async fn undo_goes_back_unless_something_came_after() {
    let stage = Stage::set().await;
    let link = format!("links/{}", stage.link);
    patch(&stage, &link, json!({ "destination": "https://shop.test/new", "paused": true })).await;
    let of_link = format!("entity={}", stage.link);
    let change = history(&stage, &of_link).await.remove(0);
    assert_eq!(undo(&stage, &change).await.0, 200);
    let shown = stage.product.read(&format!("/api/v1/{link}")).await.unwrap();
    assert_eq!(
        (&shown["destination"], &shown["paused"]),
        (&json!("https://shop.test/product?color=red#reviews"), &json!(false))
    );
    assert!(stage.click(&[]).await.header("location").starts_with("https://shop.test/product"));
    let (status, said) = undo(&stage, &change).await;
    assert!(status == 409 && said.contains("was changed since"), "{said}");
    let redo = history(&stage, &of_link).await.remove(0);
    assert_eq!(undo(&stage, &redo).await.0, 200, "an undo is a change like any other");

    let created = history(&stage, &of_link).await.pop().unwrap();
    let (status, said) = undo(&stage, &created).await;
    assert!(status == 409 && said.contains("archive it"), "{said}");
    let unknown = json!({ "id": "catalog-x.1" });
    assert_eq!(undo(&stage, &unknown).await.0, 404);
}

#[tokio::test]
async fn what_is_archived_is_paused_not_listed_and_can_be_restored() {
    let stage = Stage::set().await;
    let link = format!("links/{}", stage.link);
    let count = async |query: &str| {
        let path = format!("/api/v1/{query}");
        stage.product.read(&path).await.unwrap()["items"].as_array().unwrap().len()
    };
    patch(&stage, &link, json!({ "archived": true })).await;
    let shown = stage.product.read(&format!("/api/v1/{link}")).await.unwrap();
    assert_eq!((&shown["archived"], &shown["paused"]), (&json!(true), &json!(true)));
    assert_eq!((count("links").await, count("links?archived=true").await), (0, 1));
    let change = history(&stage, "").await.remove(0);
    assert_eq!(undo(&stage, &change).await.0, 200);
    assert_eq!((count("links").await, count("links?archived=true").await), (1, 0));
    let shown = stage.product.read(&format!("/api/v1/{link}")).await.unwrap();
    assert_eq!((&shown["archived"], &shown["paused"]), (&json!(false), &json!(false)));
    for (path, list) in [
        (format!("merchants/{}", stage.merchant), "merchants"),
        (format!("influencers/{}", stage.influencer), "influencers"),
        (format!("campaigns/{}", stage.campaign), "campaigns"),
    ] {
        patch(&stage, &path, json!({ "archived": true })).await;
        assert_eq!(count(list).await, 0, "{list}");
        patch(&stage, &path, json!({ "archived": false })).await;
        assert_eq!(count(list).await, 1, "{list}");
    }
}

#[tokio::test]
async fn lists_are_filtered_searched_sorted_and_told_as_tables() {
    let stage = Stage::set().await;
    let product = &stage.product;
    for (slug, paused) in [("ben-1", false), ("Clara", true), ("dora", false)] {
        let influencer = json!({ "name": format!("={slug}") });
        let influencer = product.create("influencers", &influencer).await.unwrap();
        let link = json!({
            "campaign": stage.campaign, "influencer": influencer["id"], "slug": slug,
            "destination": "https://shop.test/", "paused": paused,
        });
        product.create("links", &link).await.unwrap();
    }
    let slugs = async |query: &str| {
        let page = product.read(&format!("/api/v1/links?{query}")).await.unwrap();
        let items = page["items"].as_array().unwrap().clone();
        items.iter().map(|link| text(&link["slug"])).collect::<Vec<_>>()
    };
    for (query, expected) in [
        ("", &["anna", "ben-1", "Clara", "dora"][..]),
        ("sort=-created_at", &["dora", "Clara", "ben-1", "anna"]),
        ("sort=name", &["anna", "ben-1", "Clara", "dora"]),
        ("sort=-name&limit=2", &["dora", "Clara"]),
        ("paused=true", &["Clara"]),
        ("q=CLA", &["Clara"]),
        ("q=color%3Dred", &["anna"]),
        ("q=nobody", &[]),
        (&format!("influencer={}", stage.influencer), &["anna"]),
        (&format!("merchant={}&paused=false", stage.merchant), &["anna", "ben-1", "dora"]),
    ] {
        assert_eq!(slugs(query).await, expected, "{query}");
    }
    // Every order, page by page, is the order of the whole.
    for sort in ["created_at", "-created_at", "name", "-name"] {
        let (mut found, mut cursor) = (vec![], String::new());
        loop {
            let path = format!("/api/v1/links?sort={sort}&limit=1&cursor={cursor}");
            let page = product.read(&path).await.unwrap();
            found.push(text(&page["items"][0]["slug"]));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(found, slugs(&format!("sort={sort}")).await);
    }
    for wrong in ["sort=age", "influencer=inf_0000000000000", "format=xml", "separator=x", "q="] {
        let path = format!("/api/v1/links?{wrong}");
        let answer = product.ask(Method::GET, &path, "application/json", "").await.unwrap();
        assert_eq!(answer.status, 422, "{wrong}: {}", answer.body);
    }
    let path = "/api/v1/influencers?format=csv&separator=%3B&sort=name&q=%3D";
    let answer = product.ask(Method::GET, path, "application/json", "").await.unwrap();
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    let lines: Vec<_> = answer.body.lines().collect();
    assert!(lines[0].starts_with("id;name;email;email_since;payout;"), "{}", lines[0]);
    assert!(lines.len() == 4 && lines[1].contains(";'=ben-1;"), "{}", answer.body);
    let promoters = format!("/api/v1/influencers?campaign={}&q=dora", stage.campaign);
    assert_eq!(product.read(&promoters).await.unwrap()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_link_says_where_it_is_found_and_where_its_slug_leads_elsewhere() {
    let stage = Stage::set_up(&["--hosts", "links.agency.test"], json!({})).await;
    let product = &stage.product;
    let first = product.read(&format!("/api/v1/links/{}", stage.link)).await.unwrap();
    assert_eq!(
        first["addresses"],
        json!(["https://links.agency.test/anna", "https://go.shop.test/anna"])
    );
    let other = json!({
        "name": "Beta", "domains": ["beta.test"], "currency": "EUR", "timezone": "UTC",
    });
    let other = product.create("merchants", &other).await.unwrap();
    let campaign = json!({
        "merchant": other["id"], "name": "Winter",
        "commission": { "kind": "percent", "rate": "10" },
    });
    let campaign = product.create("campaigns", &campaign).await.unwrap();
    let link = json!({
        "campaign": campaign["id"], "influencer": stage.influencer, "slug": "Anna",
        "destination": "https://beta.test/",
    });
    let link = product.create("links", &link).await.unwrap();
    assert_eq!(link["addresses"], json!(["https://go.beta.test/Anna"]));
    let warning = text(&link["warnings"][0]);
    assert!(warning.contains("links.agency.test") && warning.contains(&stage.link), "{warning}");
}
