//! What a catalog may not hold: domains of others, secrets that can be guessed, and links that lead
//! where nobody agreed to.

use harness::Answer;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Stage, text};

async fn ask(stage: &Stage, method: Method, path: &str, body: &Value) -> Answer {
    let path = format!("/api/v1/{path}");
    stage.product.ask(method, &path, "application/json", body.to_string()).await.unwrap()
}

async fn create(stage: &Stage, resource: &str, body: &Value) -> Answer {
    ask(stage, Method::POST, resource, body).await
}

/// Returns the fields that a problem names.
fn fields(answer: &Answer) -> Vec<String> {
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    problem["errors"].as_array().unwrap().iter().map(|e| text(&e["field"])).collect()
}

fn merchant(domain: &str) -> Value {
    json!({ "name": "B", "domains": [domain], "currency": "EUR", "timezone": "UTC" })
}

/// Nobody is paid by a rule about what the shop never says, so whoever makes it is told.
#[tokio::test]
async fn a_campaign_with_a_rule_that_cannot_count_in_the_shop_says_so() {
    let stage = Stage::set().await;
    let rules = json!([
        {
            "kind": "percent", "rate": "20",
            "when": { "category": ["Shoes"], "new_customer": true },
        },
        { "kind": "percent", "rate": "10" },
    ]);
    let campaign = json!({ "merchant": stage.merchant, "name": "Shoes", "commission": rules });
    let answer = create(&stage, "campaigns", &campaign).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let made: Value = serde_json::from_str(&answer.body).unwrap();
    for (kind, word) in [("warnings", "`category`"), ("notes", "`new_customer`")] {
        let [said] = &made[kind].as_array().unwrap()[..] else { panic!("{made}") };
        let said = text(said);
        assert!(said.contains(word) && said.contains("woocommerce"), "{said}");
    }
    let path = format!("campaigns/{}", text(&made["id"]));
    let plain = json!({ "commission": { "kind": "percent", "rate": "10" } });
    let changed = ask(&stage, Method::PATCH, &path, &plain).await;
    assert!(changed.status == 200 && !changed.body.contains("warnings"), "{}", changed.body);
    let answer = ask(&stage, Method::PATCH, &path, &json!({ "commission": rules })).await;
    assert!(answer.status == 200 && answer.body.contains("warnings"), "{}", answer.body);
}

#[tokio::test]
async fn a_domain_has_one_owner() {
    let stage = Stage::set().await;
    for taken in [
        "co.uk",
        "myshopify.com",
        "com",
        "xn--55qx5d.cn",
        "shop.test",
        "www.shop.test",
        "test",
        "127.1",
        "0x7f.1",
    ] {
        let answer = create(&stage, "merchants", &merchant(taken)).await;
        assert_eq!((answer.status, fields(&answer)), (422, vec!["domains".into()]), "{taken}");
    }
    for free in ["myshop.test", "a-shop.co.uk", "a.myshopify.com", "b.myshopify.com"] {
        let answer = create(&stage, "merchants", &merchant(free)).await;
        assert_eq!(answer.status, 201, "{free}: {}", answer.body);
    }
    let mut many = merchant("co.uk");
    many["domains"] = json!(["co.uk", "fine.test", "x.shop.test", "127.1"]);
    let answer = create(&stage, "merchants", &many).await;
    assert!(answer.body.contains("co.uk") && answer.body.contains("127.1"), "{}", answer.body);
    let other = stage.product.create("merchants", &merchant("deep.other.test")).await.unwrap();
    let other = format!("merchants/{}", text(&other["id"]));
    let own = format!("merchants/{}", stage.merchant);
    for (path, domains, status) in [
        // Above, below and equal to another merchant's.
        (&own, json!(["shop.test", "other.test"]), 422),
        (&own, json!(["shop.test", "a.deep.other.test"]), 422),
        (&other, json!(["go.shop.test"]), 422),
        (&own, json!(["shop.test", "www.shop.test", "shop.example"]), 200),
    ] {
        let answer = ask(&stage, Method::PATCH, path, &json!({ "domains": domains })).await;
        assert_eq!(answer.status, status, "{domains}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_webhook_secret_cannot_be_guessed() {
    let stage = Stage::set().await;
    for (secret, status) in [("123456789012345", 422), ("1234567890123456", 201)] {
        let mut body = merchant("other.test");
        body["webhook_secret"] = secret.into();
        let answer = create(&stage, "merchants", &body).await;
        assert_eq!(answer.status, status, "{secret}: {}", answer.body);
    }
    let path = format!("merchants/{}", stage.merchant);
    let answer = ask(&stage, Method::PATCH, &path, &json!({ "webhook_secret": "short" })).await;
    assert_eq!((answer.status, fields(&answer)), (422, vec!["webhook_secret".into()]));
}

#[tokio::test]
async fn a_link_leads_to_its_merchant_or_where_the_campaign_allows() {
    let stage = Stage::set().await;
    let link = |destination: &str, fallback: &str| {
        json!({ "campaign": stage.campaign, "influencer": stage.influencer,
                "destination": destination, "fallback": fallback })
    };
    let home = "https://shop.test/";
    for astray in [
        "https://evil.example/",
        "https://shop.test.evil.example/",
        "https://myshop.test/",
        "https://shop.test@evil.example/",
        "https://evil.example/https://shop.test/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/",
        "https://10.0.0.1/",
        "https://shop.test./",
    ] {
        let answer = create(&stage, "links", &link(astray, home)).await;
        assert_eq!((answer.status, fields(&answer)), (422, vec!["destination".into()]), "{astray}");
        let answer = create(&stage, "links", &link(home, astray)).await;
        assert_eq!((answer.status, fields(&answer)), (422, vec!["fallback".into()]), "{astray}");
    }
    // Every mistake at once.
    let answer = create(&stage, "links", &link("https://a.example/", "https://127.1/")).await;
    let mut named = fields(&answer);
    named.sort();
    assert_eq!(named, ["destination", "fallback"], "{}", answer.body);
    let answer = create(&stage, "links", &link("https://www.shop.test/a?b=1#c", home)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let made = format!("links/{}", stage.link);
    let moved = json!({ "destination": "https://evil.example/" });
    assert_eq!(ask(&stage, Method::PATCH, &made, &moved).await.status, 422);

    // The campaign allows one host more.
    let campaign = format!("campaigns/{}", stage.campaign);
    let open = |hosts: Value| json!({ "destinations": hosts });
    for wide in [json!(["com"]), json!(["https://partner.example/"]), json!("partner.example")] {
        let answer = ask(&stage, Method::PATCH, &campaign, &open(wide)).await;
        assert_eq!((answer.status, fields(&answer)), (422, vec!["destinations".into()]));
    }
    let answer = ask(&stage, Method::PATCH, &campaign, &open(json!(["partner.example"]))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let moved = json!({ "destination": "https://events.partner.example/shop" });
    assert_eq!(ask(&stage, Method::PATCH, &made, &moved).await.status, 200);
    // A link that leads there goes on when the campaign does not allow it any more.
    let answer = ask(&stage, Method::PATCH, &campaign, &open(Value::Null)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let paused = json!({ "paused": false, "destination": "https://events.partner.example/shop" });
    assert_eq!(ask(&stage, Method::PATCH, &made, &paused).await.status, 200);
    let location = stage.click(&[]).await.header("location").to_owned();
    assert!(location.starts_with("https://events.partner.example/shop?ac="), "{location}");
    let moved = json!({ "destination": "https://partner.example/" });
    assert_eq!(ask(&stage, Method::PATCH, &made, &moved).await.status, 422);
}

#[tokio::test]
async fn an_import_names_every_link_that_leads_astray() {
    let stage = Stage::set().await;
    let row = |destination: &str, slug: &str| {
        format!("{},{},{destination},{slug}\n", stage.campaign, stage.influencer)
    };
    let csv = format!(
        "campaign,influencer,destination,slug\n{}{}{}",
        row("https://shop.test/a", "one"),
        row("https://evil.example/", "two"),
        row("https://127.1/", "three"),
    );
    let answer = stage.product.ask(Method::POST, "/api/v1/links/import", "text/csv", csv).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert_eq!(fields(&answer), ["line 3: destination", "line 4: destination"]);
    assert_eq!(stage.click(&[]).await.status, 302);
    let visit = stage.visit(Method::GET, "/one", &[]).await;
    assert_eq!(visit.status, 404, "nothing of the file was taken");
}
