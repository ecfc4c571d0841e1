//! Links with rules: what the API takes, and where visitors are led.

use hyper::Method;
use serde_json::{Value, json};

use crate::support::{BROWSER, Stage, token_of, until};

const ANDROID: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/130.0.0.0 Mobile Safari/537.36";

fn rules() -> Value {
    json!([
        {
            "if": { "device": "ios", "language": ["es", "pt-BR"] },
            "destination": "https://shop.test/es?color=red", "name": "Spanish on iPhones",
        },
        { "if": { "query": { "ref": "bio", "s": null } }, "destination": "https://shop.test/bio" },
        { "if": { "country": "SE" }, "destination": "https://shop.test/se" },
        { "if": { "to": "2020-01-01T00:00:00Z" }, "destination": "https://shop.test/early" },
    ])
}

fn split() -> Value {
    json!([
        { "weight": 1, "destination": "https://shop.test/a", "name": "A" },
        { "weight": 3, "destination": "https://shop.test/b", "name": "B" },
    ])
}

/// Returns the page to which a visitor is led, without host and query.
async fn page(stage: &Stage, path: &str, headers: &[(&str, &str)]) -> String {
    let answer = stage.visit(Method::GET, path, headers).await;
    let location = answer.header("location");
    let page = location.strip_prefix("https://shop.test/").unwrap_or(location);
    page.split(['?', '#']).next().unwrap_or_default().to_owned()
}

async fn patch(stage: &Stage, fields: Value) -> (u16, Value) {
    let path = format!("/api/v1/links/{}", stage.link);
    let ask = stage.product.ask(Method::PATCH, &path, "application/json", fields.to_string());
    let answer = ask.await.unwrap();
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

#[tokio::test]
async fn the_first_rule_that_holds_leads_the_visitor() {
    let stage = Stage::set_with(json!({ "rules": rules() })).await;
    let spanish = ("accept-language", "es-MX,es;q=0.9");
    assert_eq!(page(&stage, "/anna", &[spanish]).await, "es");
    assert_eq!(page(&stage, "/anna?ref=bio&s=1", &[spanish]).await, "es");
    assert_eq!(page(&stage, "/anna?ref=bio&s=1", &[]).await, "bio");
    assert_eq!(page(&stage, "/anna?ref=b%69o&s", &[("user-agent", ANDROID), spanish]).await, "bio");
    assert_eq!(page(&stage, "/anna?ref=bio", &[("accept-language", "*")]).await, "product");
    let answer = stage.visit(Method::GET, "/anna?utm_source=ig", &[spanish]).await;
    let expected = format!("https://shop.test/es?ac={}&color=red&utm_source=ig", token_of(&answer));
    assert_eq!(answer.header("location"), expected);
    let preview = stage.visit(Method::GET, "/anna+", &[]).await.body;
    for destination in ["https://shop.test/product?color=red#reviews", "https://shop.test/se"] {
        assert!(preview.contains(destination), "{preview}");
    }
}

#[tokio::test]
async fn a_visitor_of_a_split_keeps_their_share() {
    let stage = Stage::set_with(json!({ "split": split() })).await;
    let mut led = (0, 0);
    for _ in 0..40 {
        let answer = stage.click(&[]).await;
        let first = answer.header("location").split('?').next().unwrap().to_owned();
        if first.ends_with("/a") {
            led.0 += 1;
        } else {
            led.1 += 1;
        }
        let cookie = format!("ac={}", token_of(&answer));
        for _ in 0..3 {
            let again = stage.click(&[("cookie", &cookie)]).await;
            assert!(again.header("location").starts_with(&first));
        }
    }
    assert!(led.0 > 0 && led.1 > led.0, "{led:?}");
}

#[tokio::test]
async fn rules_are_kept_replaced_and_cleared() {
    let stage = Stage::set_with(json!({ "rules": rules(), "split": split() })).await;
    let path = format!("/api/v1/links/{}", stage.link);
    let shown = stage.product.read(&path).await.unwrap();
    assert_eq!(shown["rules"][0]["if"], json!({ "device": ["ios"], "language": ["es", "pt-BR"] }));
    assert_eq!(
        (&shown["rules"][0]["name"], &shown["split"]),
        (&json!("Spanish on iPhones"), &split())
    );
    let one = json!([{ "if": { "device": "mobile" }, "destination": "https://shop.test/phone" }]);
    let (status, changed) = patch(&stage, json!({ "rules": one })).await;
    assert_eq!((status, &changed["split"]), (200, &split()), "{changed}");
    until("the new rule leads", async || page(&stage, "/anna", &[]).await == "phone").await;
    let (_, changed) = patch(&stage, json!({ "rules": [], "split": null })).await;
    assert_eq!((changed.get("rules"), changed.get("split")), (None, None), "{changed}");
    until("no rule leads", async || page(&stage, "/anna", &[]).await == "product").await;
}

#[tokio::test]
async fn every_mistake_in_rules_is_named_by_its_place() {
    let stage = Stage::set_with(json!({})).await;
    let good = "https://shop.test/x";
    let sent = json!({
        "rules": [
            { "if": { "device": "ios" }, "destination": good },
            { "if": { "device": ["toaster"] }, "destination": "https://evil.test/" },
            { "if": {}, "destination": good },
            { "if": { "language": "e", "color": "red" }, "destination": "http://shop.de/" },
            { "if": { "country": ["SE", "XZ"], "from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z" },
              "destination": good, "nam": "x" },
            { "if": { "query": {} }, "destination": "https://go.shop.test/anna" },
            { "if": { "query": { "": "x" } } },
            7,
        ],
        "split": [
            { "weight": 0, "destination": good },
            { "weight": 2, "destination": "/relative" },
        ],
    });
    let (status, problem) = patch(&stage, sent).await;
    assert_eq!(status, 422, "{problem}");
    let faults = problem["errors"].as_array().unwrap();
    let mut fields: Vec<_> = faults.iter().map(|fault| fault["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "rules[1].destination",
            "rules[1].if.device",
            "rules[2].if",
            "rules[3].destination",
            "rules[3].if.color",
            "rules[3].if.language",
            "rules[4].if.country",
            "rules[4].if.to",
            "rules[4].nam",
            "rules[5].destination",
            "rules[5].if.query",
            "rules[6].destination",
            "rules[6].if.query",
            "rules[7]",
            "split[0].weight",
            "split[1].destination",
        ],
        "{problem}"
    );
    let rule = json!({ "if": { "device": "ios" }, "destination": good });
    let share = |weight: u32| json!({ "weight": weight, "destination": good });
    for (sent, place) in [
        (json!({ "rules": vec![rule; 21] }), "rules"),
        (json!({ "rules": "ios" }), "rules"),
        (json!({ "split": vec![share(1); 11] }), "split"),
        (json!({ "split": [share(1), share(1), share(1000)] }), "split[1].weight"),
    ] {
        let (status, problem) = patch(&stage, sent).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!(place)), "{problem}");
    }
}

#[tokio::test]
async fn a_link_can_be_tried_without_a_click() {
    let stage = Stage::set_with(json!({ "rules": rules(), "split": split() })).await;
    let tried = async |query: &str| {
        let path = format!("/api/v1/links/{}/try?{query}", stage.link);
        stage.product.read(&path).await.unwrap()
    };
    let agent = BROWSER.replace(' ', "+").replace(';', "%3B");
    let first = tried(&format!("user_agent={agent}&language=es-MX")).await;
    assert_eq!(first["answered_by"], "rule");
    assert_eq!((&first["place"], &first["name"]), (&json!(0), &json!("Spanish on iPhones")));
    assert_eq!(first["destination"], "https://shop.test/es?color=red");
    assert_eq!((&first["device"], &first["system"]), (&json!("mobile"), &json!("ios")));
    assert_eq!(tried("query=ref%3Dbio%26s%3D1").await["place"], 1);
    assert_eq!(tried("country=se").await["place"], 2);
    assert_eq!(tried("at=2019-12-31T23:59:59Z").await["place"], 3);
    let split = tried("at=2020-01-01T00:00:00Z").await;
    assert_eq!(split["answered_by"], "split");
    assert_eq!(split["shares"][1]["parts"], 96);
    for (query, wrong) in [("country=ZZ", "country"), ("at=now", "at")] {
        let path = format!("/api/v1/links/{}/try?{query}", stage.link);
        let answer = stage.product.ask(Method::GET, &path, "", String::new()).await.unwrap();
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains(&format!(r#""field":"{wrong}""#)), "{}", answer.body);
    }
    assert!(stage.figures().await.is_null(), "nothing was recorded");
}
