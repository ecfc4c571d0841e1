//! Who may do what: every operation, by every caller, on their own things and on those of others,
//! against a table. An operation without a row fails.

use std::collections::HashMap;

use api::{Operation, Verb, operations};
use harness::{Answer, http};
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Stage, text, woo_order};

/// What an operation answers to the agency, to the merchant and to the influencer whom its subject
/// concerns, and to another merchant and another influencer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gets {
    /// It is done, or refused for what the request says.
    In,
    /// 403.
    Out,
    /// 404: for them it does not exist.
    Nothing,
}

use Gets::{In, Nothing, Out};

/// The merchant, the influencer, the other merchant, the other influencer, as people who are signed
/// in. A token of theirs only reads. The agency is always in.
const TABLE: &[(&str, [Gets; 4])] = &[
    ("merchants_list", [In, Out, In, Out]),
    ("merchants_show", [In, Out, Nothing, Out]),
    ("merchants_create", [Out, Out, Out, Out]),
    ("merchants_change", [In, Out, Nothing, Out]),
    ("influencers_list", [In, In, In, In]),
    ("influencers_show", [In, In, Nothing, Nothing]),
    ("influencers_create", [Out, Out, Out, Out]),
    ("influencers_change", [Out, In, Out, Nothing]),
    ("influencers_import", [Out, Out, Out, Out]),
    ("campaigns_list", [In, In, In, In]),
    ("campaigns_show", [In, In, Nothing, Nothing]),
    ("campaigns_create", [Out, Out, Out, Out]),
    ("campaigns_change", [Out, Out, Out, Out]),
    ("campaigns_import", [Out, Out, Out, Out]),
    ("links_list", [In, In, In, In]),
    ("links_show", [In, In, Nothing, Nothing]),
    ("links_create", [Out, Out, Out, Out]),
    ("links_change", [Out, Out, Out, Out]),
    ("links_import", [Out, Out, Out, Out]),
    ("links_try", [Out, Out, Out, Out]),
    ("coupons_list", [In, In, In, In]),
    ("coupons_show", [In, In, Nothing, Nothing]),
    ("coupons_create", [Out, Out, Out, Out]),
    ("coupons_change", [Out, Out, Out, Out]),
    ("coupons_import", [Out, Out, Out, Out]),
    ("rates_list", [Out, Out, Out, Out]),
    ("rates_show", [Out, Out, Out, Out]),
    ("rates_create", [Out, Out, Out, Out]),
    ("rates_import", [Out, Out, Out, Out]),
    ("holds_list", [Out, Out, Out, Out]),
    ("holds_show", [Out, Out, Out, Out]),
    ("holds_create", [Out, Out, Out, Out]),
    ("holds_release", [Out, Out, Out, Out]),
    ("bookings_list", [Out, Out, Out, Out]),
    ("bookings_show", [Out, Out, Out, Out]),
    ("bookings_create", [Out, Out, Out, Out]),
    ("tokens_list", [Out, Out, Out, Out]),
    ("tokens_show", [Out, Out, Out, Out]),
    ("tokens_create", [Out, Out, Out, Out]),
    ("tokens_revoke", [Out, Out, Out, Out]),
    ("people_list", [Out, Out, Out, Out]),
    ("people_show", [Out, Out, Out, Out]),
    ("people_create", [Out, Out, Out, Out]),
    ("people_change", [Out, Out, Out, Out]),
    ("people_invite", [Out, Out, Out, Out]),
    ("people_end_sign_ins", [Out, Out, Out, Out]),
    ("stats", [In, In, In, In]),
    ("orders_list", [In, In, In, In]),
    ("orders_show", [In, Out, Nothing, Out]),
    ("orders_import", [Out, Out, Out, Out]),
    ("leads_import", [Out, Out, Out, Out]),
    ("balances", [In, In, In, In]),
    ("payouts_list", [Out, Out, Out, Out]),
    ("payouts_close", [Out, Out, Out, Out]),
    ("payouts_show", [In, Nothing, Nothing, Nothing]),
    ("payouts_file", [Out, Out, Out, Out]),
    ("payouts_paid", [Out, Out, Out, Out]),
    ("payouts_undo", [Out, Out, Out, Out]),
    ("payouts_cancel", [Out, Out, Out, Out]),
    ("unparsed_list", [Out, Out, Out, Out]),
    ("unparsed_replay", [Out, Out, Out, Out]),
    ("erasures_create", [Out, Out, Out, Out]),
    ("reconcile_list", [Out, Out, Out, Out]),
    ("reconcile_now", [Out, Out, Out, Out]),
    ("history_list", [Out, Out, Out, Out]),
    ("history_undo", [Out, Out, Out, Out]),
    ("me_show", [In, In, In, In]),
    ("me_change", [In, In, In, In]),
    ("me_password", [In, In, In, In]),
];

/// The operations that ask for no token.
const OPEN: &[&str] = &["openapi", "sign_in", "sign_out"];

/// Words that only the agency, Alpha and Anna may read.
const OF_ALPHA: [&str; 5] = ["Shop", "Autumn", "anna", "ANNA15", "shop.test"];

/// Two merchants with an influencer each, and something of every kind that is Alpha's.
struct World {
    stage: Stage,
    ids: HashMap<&'static str, String>,
    /// Tokens and sign-ins of the four of the table.
    tokens: [String; 4],
    sign_ins: [String; 4],
}

impl World {
    async fn set() -> Self {
        let stage = Stage::set().await;
        let product = &stage.product;
        let make =
            async |resource: &str, fields: Value| product.create(resource, &fields).await.unwrap();
        let coupon =
            json!({ "campaign": stage.campaign, "influencer": stage.influencer, "code": "ANNA15" });
        let coupon = make("coupons", coupon).await;
        let other = json!({
            "name": "Beta", "domains": ["beta.test"], "currency": "EUR", "timezone": "UTC",
        });
        let other = make("merchants", other).await;
        let ben = make("influencers", json!({ "name": "Ben" })).await;
        let campaign = json!({
            "merchant": other["id"], "name": "Winter",
            "commission": { "kind": "percent", "rate": "10" },
        });
        let campaign = make("campaigns", campaign).await;
        let link = json!({
            "campaign": campaign["id"], "influencer": ben["id"], "slug": "ben",
            "destination": "https://beta.test/",
        });
        make("links", link).await;
        let payout = json!({ "payout": { "method": "paypal", "email": "a@example.com" } });
        let path = format!("/api/v1/influencers/{}", stage.influencer);
        let answer = product.ask(Method::PATCH, &path, "application/json", payout.to_string());
        assert_eq!(answer.await.unwrap().status, 200);
        let booking = json!({
            "influencer": stage.influencer, "merchant": stage.merchant, "kind": "bonus",
            "amount": "50.00", "note": "for Autumn",
        });
        let booking = make("bookings", booking).await;
        let today = text(&booking["booked_on"]);
        let close = json!({ "merchant": stage.merchant, "closed_on": today });
        let payout = make("payouts", close).await;
        let hold = make("holds", json!({ "link": stage.link, "reason": "Autumn" })).await;
        let rate = json!({
            "date": "2026-11-01", "from": "SEK", "to": "EUR", "rate": "0.09", "source": "ECB",
        });
        let rate = make("rates", rate).await;
        let token = make("tokens", json!({ "role": "admin", "name": "Autumn" })).await;
        let person = make("people", json!({ "name": "Autumn", "role": "admin" })).await;
        let order = woo_order(1001, json!({}), &[]);
        assert_eq!(stage.webhook("order.updated", &order).await.status, 200);
        stage.figures().await;
        let caller = async |role: &str, of: &Value| {
            let token = make("tokens", json!({ "role": role, "for": of })).await;
            format!("Bearer {}", token["token"].as_str().unwrap())
        };
        let signed_in = async |role: &str, of: &Value| {
            let person = make("people", json!({ "name": "P", "role": role, "for": of })).await;
            let link = text(&person["sign_in"]).rsplit('/').next().unwrap().to_owned();
            let body = json!({ "link": link }).to_string();
            let path = "/api/v1/sign-ins";
            let answer = http::send(product.admin, Method::POST, path, &[], body).await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.body);
            answer.header("set-cookie").split(';').next().unwrap().to_owned()
        };
        let (own, anna) = (json!(stage.merchant), json!(stage.influencer));
        let four = [
            ("merchant", &own),
            ("influencer", &anna),
            ("merchant", &other["id"]),
            ("influencer", &ben["id"]),
        ];
        let (mut tokens, mut sign_ins) = (vec![], vec![]);
        for (role, of) in four {
            tokens.push(caller(role, of).await);
            sign_ins.push(signed_in(role, of).await);
        }
        let [tokens, sign_ins] = [tokens, sign_ins].map(|four| four.try_into().unwrap());
        let ids = HashMap::from([
            ("merchants", stage.merchant.clone()),
            ("influencers", stage.influencer.clone()),
            ("campaigns", stage.campaign.clone()),
            ("links", stage.link.clone()),
            ("coupons", text(&coupon["id"])),
            ("rates", text(&rate["id"])),
            ("holds", text(&hold["id"])),
            ("bookings", text(&booking["id"])),
            ("tokens", text(&token["id"])),
            ("people", text(&person["id"])),
            ("payouts", text(&payout["id"])),
        ]);
        Self { ids, tokens, sign_ins, stage }
    }

    /// Returns the address of an operation whose subject is Alpha's.
    fn path(&self, operation: &Operation) -> String {
        let first = operation.path.trim_start_matches('/').split('/').next().unwrap();
        let id = self.ids.get(first).map_or("", String::as_str);
        let path = operation.path.replace("{id}", id).replace("{order}", "1001");
        let path = path.replace("{merchant}", &self.stage.merchant);
        let query = match operation.name.as_str() {
            "payouts_file" => "?format=plain".to_owned(),
            "orders_import" | "leads_import" | "campaigns_import" => {
                format!("?merchant={}", self.stage.merchant)
            }
            _ => String::new(),
        };
        format!("/api/v1{path}{query}")
    }

    async fn ask(&self, operation: &Operation, headers: &[(&str, &str)]) -> Answer {
        let method: Method = operation.verb.as_str().parse().unwrap();
        let body = if method == Method::GET { "" } else { "{}" };
        let path = self.path(operation);
        http::send(self.stage.product.admin, method, &path, headers, body.to_owned()).await.unwrap()
    }
}

fn gets(answer: &Answer) -> Gets {
    match answer.status {
        403 => Out,
        404 => Nothing,
        200..=299 | 400 | 409 | 422 => In,
        other => panic!("{other}: {}", answer.body),
    }
}

#[tokio::test]
async fn every_operation_admits_whom_the_table_names() {
    let world = World::set().await;
    let table: HashMap<_, _> = TABLE.iter().copied().collect();
    let mut wrong = vec![];
    for operation in operations() {
        let name = operation.name.as_str();
        if OPEN.contains(&name) {
            continue;
        }
        let row = table.get(name).unwrap_or_else(|| panic!("`{name}` has no row in the table"));
        for (caller, expected) in row.iter().enumerate() {
            let of_token = if operation.verb == Verb::Get { *expected } else { Out };
            let token = [("authorization", world.tokens[caller].as_str())];
            let sign_in = world.sign_ins[caller].as_str();
            let person = [("cookie", sign_in), ("sec-fetch-site", "same-origin")];
            for (who, headers, expected) in
                [("token", &token[..], of_token), ("person", &person[..], *expected)]
            {
                let answer = world.ask(&operation, headers).await;
                let said = format!("{name}, {who} {caller}: {} {}", answer.status, answer.body);
                let leaks = caller > 1 && OF_ALPHA.iter().any(|word| answer.body.contains(word));
                if gets(&answer) != expected || leaks {
                    wrong.push(said);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(table.len() + OPEN.len(), operations().len(), "a row too many");
}

#[tokio::test]
async fn nobody_is_in_without_a_token_that_counts() {
    let world = World::set().await;
    let product = &world.stage.product;
    let made = json!({ "role": "admin" });
    let revoked = product.create("tokens", &made).await.unwrap();
    let path = format!("/api/v1/tokens/{}", revoked["id"].as_str().unwrap());
    let answer = product.ask(Method::DELETE, &path, "application/json", "").await.unwrap();
    assert_eq!(answer.status, 204);
    let soon = crate::support::now_ms() + 1500;
    let soon = jiff::Timestamp::from_millisecond(soon).unwrap().to_string();
    let ended = json!({ "role": "admin", "expires_at": soon });
    let ended = product.create("tokens", &ended).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1600)).await;
    let bearer = |token: &Value| format!("Bearer {}", token["token"].as_str().unwrap());
    let callers = [None, Some(bearer(&revoked)), Some(bearer(&ended))];
    for operation in operations().iter().filter(|of| !OPEN.contains(&of.name.as_str())) {
        // Wrong tokens are slowed, so each operation meets one of them.
        let caller = callers[operation.name.len() % callers.len()].as_deref();
        let headers: Vec<_> = caller.map(|value| ("authorization", value)).into_iter().collect();
        let answer = world.ask(operation, &headers).await;
        assert_eq!(answer.status, 401, "{}: {}", operation.name, answer.body);
    }
}
