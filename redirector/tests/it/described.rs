//! The description of the API is true: Schemathesis makes requests from it, and holds the answers to
//! it, as every role.
//!
//! Needs the program `st` beside the Python that `AFTERCLICK_TEST_PYTHON` names, which
//! `scripts/test` installs. Without it the test says so and passes, because a laptop may not have it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use harness::http;
use hyper::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::Stage;

/// What no schema can say: that an id exists, that an end is after its start, that a day is over; and
/// of a text whether it is a table.
const SETTINGS: &str = "[checks]
positive_data_acceptance.expected-statuses = [
    '2xx', '3xx', '401', '403', '404', '409', '422', '429', '5xx',
]
[[operations]]
include-path-regex = '/import$'
checks.positive_data_acceptance.expected-statuses = [
    '2xx', '3xx', '400', '401', '403', '404', '409', '422', '429', '5xx',
]
";

/// Makes something of every kind, and returns the settings that name it to Schemathesis.
async fn settings(stage: &Stage) -> String {
    let product = &stage.product;
    let path = format!("/api/v1/influencers/{}", stage.influencer);
    let payout = r#"{"payout":{"method":"paypal","email":"a@example.com"}}"#;
    product.ask(Method::PATCH, &path, "application/json", payout).await.unwrap();
    let (influencer, campaign) = (&stage.influencer, &stage.campaign);
    let mut ids = vec![
        ("merchants", json!(stage.merchant)),
        ("influencers", json!(influencer)),
        ("campaigns", json!(campaign)),
        ("links", json!(stage.link)),
    ];
    for (resource, fields) in [
        ("coupons", json!({ "campaign": campaign, "influencer": influencer, "code": "ANNA15" })),
        (
            "bookings",
            json!({
                "influencer": influencer, "campaign": campaign, "kind": "bonus", "amount": "50",
                "note": "x",
            }),
        ),
        ("payouts", json!({ "merchant": stage.merchant, "closed_on": "2026-11-01" })),
        ("holds", json!({ "link": stage.link, "reason": "x" })),
        (
            "rates",
            json!({
                "date": "2026-11-01", "from": "SEK", "to": "EUR", "rate": "0.09", "source": "ECB",
            }),
        ),
        ("tokens", json!({ "role": "admin" })),
        ("people", json!({ "name": "Eva", "role": "admin" })),
    ] {
        let mut fields = fields;
        if resource == "payouts" {
            fields["closed_on"] = json!(crate::support::today());
        }
        let made = product.create(resource, &fields).await.unwrap();
        ids.push((resource, made["id"].clone()));
    }
    let mut settings = SETTINGS.to_owned();
    for (resource, id) in ids {
        write!(
            settings,
            "[[operations]]\ninclude-path-regex = '^/{resource}/\\{{id\\}}'\n\
             parameters = {{ 'path.id' = {id} }}\n"
        )
        .unwrap();
    }
    write!(
        settings,
        "[[operations]]\ninclude-path-regex = '\\{{merchant\\}}'\n\
         parameters = {{ 'path.merchant' = '{}' }}\n",
        stage.merchant
    )
    .unwrap();
    settings
}

/// Runs Schemathesis as whoever has a token, and returns what it says if it found something.
async fn found(st: &Path, stage: &Stage, token: &str) -> Option<String> {
    let base = format!("http://{}/api/v1", stage.product.admin);
    let output = Command::new(st)
        .current_dir(stage.folder.path())
        .args(["run", &format!("{base}/openapi.json"), "--url", &base])
        .args(["-H", &format!("Authorization: Bearer {token}"), "-n", "3", "--seed", "1"])
        .args(["--phases", "coverage,fuzzing", "--no-color"])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("Test cases:"), "it did not run: {said}");
    (!output.status.success()).then_some(said)
}

fn schemathesis() -> Option<PathBuf> {
    let python = std::env::var_os("AFTERCLICK_TEST_PYTHON")?;
    Some(Path::new(&python).parent()?.join("st")).filter(|st| st.exists())
}

#[tokio::test]
async fn every_answer_is_as_the_description_says() {
    let Some(st) = schemathesis() else {
        eprintln!("SKIPPED described: there is no Schemathesis beside AFTERCLICK_TEST_PYTHON");
        return;
    };
    let stage = Stage::set().await;
    let settings = settings(&stage).await;
    std::fs::write(stage.folder.path().join("schemathesis.toml"), settings).unwrap();
    let token = async |role: &str, of: &Value| {
        let token = json!({ "role": role, "for": of });
        let token = stage.product.create("tokens", &token).await.unwrap();
        token["token"].as_str().unwrap().to_owned()
    };
    for token in [
        token("influencer", &json!(stage.influencer)).await,
        token("merchant", &json!(stage.merchant)).await,
        stage.product.token.clone(),
    ] {
        let found = found(&st, &stage, &token).await;
        assert!(found.is_none(), "{}", found.unwrap_or_default());
    }
    let health = http::send(stage.product.admin, Method::GET, "/healthz", &[], "").await.unwrap();
    assert_eq!(health.status, 200);
}
