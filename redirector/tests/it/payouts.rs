//! Balances and payouts over HTTP, until the money has left: by the rules of docs/accounts/payouts.md.

use harness::{Answer, Product, Redis, http};
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Stage, launch, text, today, until, woo_order};

const IBAN: &str = "DE02120300000000202051";

/// A stage on which Anna has an account and a code that is paid at once.
struct Desk {
    stage: Stage,
    /// The campaign with the code.
    campaign: String,
}

impl Desk {
    async fn set(arguments: &[&str]) -> Self {
        let stage = Stage::set_up(arguments, json!({})).await;
        let desk = Self { campaign: String::new(), stage };
        let payout = json!({
            "method": "bank", "iban": IBAN, "name": "Anna Example", "document": "self_billing",
            "vat_id": "DE123456789", "vat": "reverse_charge",
        });
        desk.change(
            &format!("influencers/{}", desk.stage.influencer),
            &json!({ "payout": payout }),
        )
        .await;
        let payer = json!({
            "name": "Shop GmbH", "iban": "DE89370400440532013000",
            "address": { "street": "Hauptstr.", "building": "1", "postcode": "10115", "town": "Berlin", "country": "DE" },
        });
        desk.change(&format!("merchants/{}", desk.stage.merchant), &json!({ "payer": payer }))
            .await;
        let commission = json!({ "kind": "percent", "rate": "15", "base": "net_goods" });
        let campaign = json!({
            "merchant": desk.stage.merchant, "name": "Paid at once", "hold_days": 0,
            "commission": commission, "minimum_payout": "20.00",
        });
        let campaign =
            text(&desk.stage.product.create("campaigns", &campaign).await.unwrap()["id"]);
        let coupon =
            json!({ "campaign": campaign, "influencer": desk.stage.influencer, "code": "ANNA15" });
        desk.stage.product.create("coupons", &coupon).await.unwrap();
        Self { campaign, ..desk }
    }

    async fn change(&self, path: &str, fields: &Value) {
        let path = format!("/api/v1/{path}");
        let body = fields.to_string();
        let answer = self.stage.product.ask(Method::PATCH, &path, "application/json", body).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }

    /// Sends an order with Anna's code; the shop sold goods of 18.00, of which 2.70 are hers.
    async fn order(&self, id: u64, changes: Value) {
        let mut all = json!({ "coupon_lines": [{ "id": 1, "code": "ANNA15", "discount": "0" }] });
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let answer = self.stage.webhook("order.updated", &woo_order(id, all, &[])).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    async fn book(&self, kind: &str, amount: &str) -> Answer {
        let booking = json!({
            "influencer": self.stage.influencer, "campaign": self.campaign, "kind": kind,
            "amount": amount, "note": "as agreed",
        });
        self.post("bookings", &booking).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        post(&self.stage.product, path, body).await
    }

    async fn close(&self, more: Value) -> Value {
        let answer = self.post("payouts", &self.closing(more)).await;
        assert!(matches!(answer.status, 200 | 201), "{}", answer.body);
        parse(&answer)
    }

    fn closing(&self, more: Value) -> Value {
        let mut body = json!({ "merchant": self.stage.merchant, "closed_on": today() });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    async fn file(&self, id: &str, query: &str) -> Answer {
        let path = format!("/api/v1/payouts/{id}/file?{query}");
        self.stage.product.ask(Method::GET, &path, "application/json", "").await.unwrap()
    }

    /// Returns Anna's balance: the names of amounts that are not zero, with their texts.
    async fn balance(&self) -> Vec<(String, String)> {
        amounts(&self.stage.product).await
    }
}

async fn post(product: &Product, path: &str, body: &Value) -> Answer {
    let path = format!("/api/v1/{path}");
    product.ask(Method::POST, &path, "application/json", body.to_string()).await.unwrap()
}

async fn amounts(product: &Product) -> Vec<(String, String)> {
    let balances = product.read("/api/v1/balances").await.unwrap();
    let items = balances["items"].as_array().unwrap();
    assert!(items.len() <= 1, "{balances}");
    let amounts = items.iter().flat_map(|item| item.as_object().unwrap());
    let amounts =
        amounts.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let is_set = |text: &str| text.parse::<f64>().is_ok_and(|amount| amount != 0.0);
    amounts.filter(|(name, text)| name != "minimum_payout" && is_set(text)).collect()
}

fn is(amounts: &[(&str, &str)]) -> Vec<(String, String)> {
    amounts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn parse(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("no JSON: {}", answer.body))
}

#[tokio::test]
async fn what_is_approved_is_closed_filed_paid_and_never_paid_again() {
    let desk = Desk::set(&[]).await;
    desk.order(727, json!({})).await;
    assert_eq!(desk.balance().await, is(&[("approved", "2.70"), ("below_minimum", "2.70")]));
    let nothing = desk.close(json!({})).await;
    assert_eq!((&nothing["id"], &nothing["lines"]), (&Value::Null, &json!([])));
    assert_eq!(nothing["left_out"][0]["why"], "below_minimum");
    assert_eq!(desk.book("bonus", "50.00").await.status, 201);
    let look = desk.close(json!({ "dry_run": true })).await;
    assert_eq!((&look["id"], &look["sum"]), (&Value::Null, &json!("52.70")));

    let made = desk.close(json!({})).await;
    let (id, checksum) = (text(&made["id"]), text(&made["checksum"]));
    assert_eq!((&made["state"], &made["sum"]), (&json!("open"), &json!("52.70")));
    assert_eq!(desk.balance().await, is(&[("approved", "52.70"), ("in_payout", "52.70")]));
    assert_eq!(desk.close(json!({})).await["id"], Value::Null, "it stands in a batch already");

    let file = desk.file(&id, &format!("format=sepa&checksum={checksum}")).await;
    assert_eq!(file.status, 200, "{}", file.body);
    assert!(file.header("content-disposition").contains("attachment"));
    for part in [IBAN, "Anna Example", "<CtrlSum>52.70</CtrlSum>", "DE89370400440532013000"] {
        assert!(file.body.contains(part), "{part}: {}", file.body);
    }
    let paid = format!("payouts/{id}/paid");
    let mark = json!({ "reference": "F-1", "checksum": checksum });
    let first = desk.post(&paid, &mark).await;
    assert_eq!((first.status, &parse(&first)["state"]), (200, &json!("paid")), "{}", first.body);
    let all_paid = is(&[("approved", "52.70"), ("paid", "52.70")]);
    assert_eq!(desk.balance().await, all_paid);
    let again = desk.post(&paid, &json!({})).await;
    assert_eq!(parse(&again), parse(&first), "saying it again changes nothing");
    assert_eq!(desk.file(&id, "format=sepa").await.status, 409, "there is nothing left to pay");

    // A crash takes nothing back.
    let Desk { stage, .. } = desk;
    let Stage { product, folder, influencer, .. } = stage;
    product.kill().await.unwrap();
    let product = launch(&folder).start().await.unwrap();
    assert_eq!(amounts(&product).await, all_paid);

    // The transfer came back.
    let undo = json!({ "influencers": [influencer], "reason": "the account is closed" });
    assert_eq!(post(&product, &format!("payouts/{id}/undo"), &undo).await.status, 200);
    assert_eq!(amounts(&product).await, is(&[("approved", "52.70"), ("in_payout", "52.70")]));
    assert_eq!(post(&product, &format!("payouts/{id}/undo"), &undo).await.status, 409);
    assert_eq!(post(&product, &format!("payouts/{id}/cancel"), &json!({})).await.status, 200);
    assert_eq!(amounts(&product).await, is(&[("approved", "52.70"), ("payable", "52.70")]));
    let late = post(&product, &paid, &json!({})).await;
    assert_eq!(late.status, 409, "a cancelled batch is not paid: {}", late.body);
    let listed = product.read("/api/v1/payouts").await.unwrap();
    assert_eq!(listed["items"][0]["state"], "cancelled");
}

/// The journal seals how somebody is paid. The page for print has what documents need, with the keys.
#[tokio::test]
async fn the_printed_statement_has_what_documents_need() {
    let desk = Desk::set(&[]).await;
    desk.book("bonus", "30.00").await;
    let (today, influencer) = (today(), desk.stage.influencer.as_str());
    let arguments = [
        "statement",
        "--influencer",
        influencer,
        "--from",
        "2026-01-01",
        "--to",
        &today,
        "--format",
        "html",
    ];
    let bin_dir = harness::default_bin_dir().unwrap();
    let data = desk.stage.product.data();
    let print = async |folder: &std::path::Path, flag: &str| {
        harness::product::run(&bin_dir, "afterclick-report", folder, flag, &arguments)
            .await
            .unwrap()
    };
    let page = print(data, "--data").await;
    for part in ["Anna Example", "DE123456789", "30.00"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains(IBAN), "an account is not for everybody's eyes");
    let without_keys = print(&data.join("journal"), "--journal").await;
    assert!(!without_keys.contains("DE123456789") && without_keys.contains("30.00"));
}

#[tokio::test]
async fn what_is_taken_back_after_the_payout_is_carried_and_explained() {
    let desk = Desk::set(&[]).await;
    desk.order(727, json!({})).await;
    desk.book("fixed_fee", "20.00").await;
    let first = text(&desk.close(json!({})).await["id"]);
    // Something is taken back between the close and the payment.
    desk.order(727, json!({ "status": "cancelled" })).await;
    let minus = is(&[("approved", "20.00"), ("below_zero", "-2.70"), ("in_payout", "22.70")]);
    assert_eq!(desk.balance().await, minus);
    let paid = format!("payouts/{first}/paid");
    let refused = desk.post(&paid, &json!({})).await;
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("2.70 EUR too much"), "{}", refused.body);
    assert_eq!(desk.file(&first, "format=plain").await.status, 409);
    // The money had left already: that is a fact, whatever anybody thinks of it.
    assert_eq!(desk.post(&paid, &json!({ "has_left": true })).await.status, 200);
    let owes = is(&[("approved", "20.00"), ("below_zero", "-2.70"), ("paid", "22.70")]);
    assert_eq!(desk.balance().await, owes);
    let next = desk.close(json!({})).await;
    assert_eq!(
        (&next["left_out"][0]["why"], &next["left_out"][0]["amount"]),
        (&json!("below_zero"), &json!("-2.70"))
    );
    desk.book("bonus", "30.00").await;
    let next = desk.close(json!({})).await;
    assert_eq!((&next["sum"], &next["number"]), (&json!("27.30"), &json!(2)), "{next}");
}

#[tokio::test]
async fn a_payout_that_could_be_wrong_is_refused_with_the_way_out() {
    let desk = Desk::set(&[]).await;
    desk.book("bonus", "30.00").await;
    for (closing, part) in [
        (json!({ "closed_on": "2199-01-01" }), "still to come"),
        (json!({ "closed_on": "30.11.2026" }), "2026-11-30"),
        (json!({ "merchant": "mer_00000000" }), "does not exist"),
        (json!({ "influencers": [] }), "leave it out for all"),
        (json!({ "currency": "USD" }), "no such field"),
    ] {
        let answer = desk.post("payouts", &desk.closing(closing.clone())).await;
        assert_eq!(answer.status, 422, "{closing}: {}", answer.body);
        assert!(answer.body.contains(part), "{closing}: {}", answer.body);
    }
    let id = text(&desk.close(json!({})).await["id"]);
    assert_eq!(desk.file(&id, "format=xls").await.status, 422);
    let paypal = desk.file(&id, "format=paypal").await;
    assert_eq!(paypal.status, 422, "she has no account there: {}", paypal.body);
    assert_eq!(desk.file(&id, "format=sepa&checksum=0").await.status, 409);
    let paid = format!("payouts/{id}/paid");
    for (mark, status) in [
        (json!({ "checksum": "0" }), 409),
        (json!({ "on": "2020-01-01" }), 422),
        (json!({ "on": "2199-01-01" }), 422),
        (json!({ "when": "now" }), 422),
    ] {
        let answer = desk.post(&paid, &mark).await;
        assert_eq!(answer.status, status, "{mark}: {}", answer.body);
    }
    // Whoever gets into a mailbox must not have the money sent elsewhere.
    let elsewhere = json!({ "payout": { "method": "bank", "iban": "DE89370400440532013000" } });
    desk.change(&format!("influencers/{}", desk.stage.influencer), &elsewhere).await;
    let changed = desk.file(&id, "format=sepa").await;
    assert_eq!(changed.status, 422);
    assert!(changed.body.contains("changed since the close"), "{}", changed.body);
    let missing = "pay_0000000000000";
    assert_eq!(desk.post(&format!("payouts/{missing}/paid"), &json!({})).await.status, 404);
    for (field, value) in [
        ("kind", json!("gift")),
        ("amount", json!("0")),
        ("amount", json!("-5.00")),
        ("amount", json!("5.001")),
        ("currency", json!("SEK")),
        ("note", json!("")),
    ] {
        let mut booking = json!({
            "influencer": desk.stage.influencer, "merchant": desk.stage.merchant, "kind": "bonus",
            "amount": "5.00", "note": "as agreed",
        });
        booking[field] = value;
        let answer = desk.post("bookings", &booking).await;
        assert_eq!(answer.status, 422, "{booking}");
        assert_eq!(parse(&answer)["errors"][0]["field"], field, "{}", answer.body);
    }
    for payout in [json!({ "method": "bank", "iban": "DE02120300000000202052" }), json!({ "x": 1 })]
    {
        let path = format!("/api/v1/influencers/{}", desk.stage.influencer);
        let body = json!({ "payout": payout }).to_string();
        let answer = desk.stage.product.ask(Method::PATCH, &path, "application/json", body).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, 422, "{}", answer.body);
    }
}

#[tokio::test]
async fn a_repeated_close_is_one_and_two_at_once_pay_once() {
    let desk = Desk::set(&[]).await;
    desk.book("bonus", "30.00").await;
    let closing = desk.closing(json!({}));
    let (one, other) = tokio::join!(desk.post("payouts", &closing), desk.post("payouts", &closing));
    let ids = [parse(&one)["id"].clone(), parse(&other)["id"].clone()];
    assert_eq!(ids.iter().filter(|id| !id.is_null()).count(), 1, "{ids:?}");
    assert_eq!(desk.balance().await, is(&[("approved", "30.00"), ("in_payout", "30.00")]));
    desk.book("bonus", "40.00").await;
    let authorization = format!("Bearer {}", desk.stage.product.token);
    let headers = [("authorization", authorization.as_str()), ("idempotency-key", "close-1")];
    let keyed = async || {
        let (admin, body) = (desk.stage.product.admin, closing.to_string());
        http::send(admin, Method::POST, "/api/v1/payouts", &headers, body).await.unwrap()
    };
    let (first, second) = (keyed().await, keyed().await);
    assert_eq!((first.status, second.status), (201, 201), "{} {}", first.body, second.body);
    assert_eq!(parse(&first)["id"], parse(&second)["id"]);
    assert_eq!(second.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn everybody_sees_their_own_balance_alone() {
    let desk = Desk::set(&[]).await;
    desk.book("bonus", "30.00").await;
    let ben = desk.stage.product.create("influencers", &json!({ "name": "Ben" })).await.unwrap();
    let booking = json!({
        "influencer": ben["id"], "merchant": desk.stage.merchant, "kind": "bonus",
        "amount": "7.00", "note": "as agreed",
    });
    desk.post("bookings", &booking).await;
    let id = text(&desk.close(json!({})).await["id"]);
    let token = async |role: &str, of: &str| {
        let made = desk.stage.product.create("tokens", &json!({ "role": role, "for": of })).await;
        format!("Bearer {}", text(&made.unwrap()["token"]))
    };
    let read = async |authorization: &str, path: &str| {
        let headers = [("authorization", authorization)];
        http::send(desk.stage.product.admin, Method::GET, path, &headers, "").await.unwrap()
    };
    let count = |answer: &Answer| parse(answer)["items"].as_array().unwrap().len();
    let anna = token("influencer", &desk.stage.influencer).await;
    let merchant = token("merchant", &desk.stage.merchant).await;
    let other = json!({
        "name": "Other", "domains": ["other.test"], "currency": "EUR", "timezone": "UTC",
    });
    let other = desk.stage.product.create("merchants", &other).await.unwrap();
    let other = token("merchant", &text(&other["id"])).await;
    for (who, path, items) in [
        (&anna, "/api/v1/balances".to_owned(), 1),
        (&anna, format!("/api/v1/balances?influencer={}", text(&ben["id"])), 1),
        (&merchant, "/api/v1/balances".to_owned(), 2),
        (&other, "/api/v1/balances".to_owned(), 0),
        (&other, format!("/api/v1/balances?merchant={}", desk.stage.merchant), 0),
    ] {
        let answer = read(who, &path).await;
        assert_eq!((answer.status, count(&answer)), (200, items), "{path}: {}", answer.body);
    }
    let payout = format!("/api/v1/payouts/{id}");
    let statuses = [&anna, &merchant, &other].map(|who| (who, payout.as_str()));
    for ((who, path), status) in statuses.into_iter().zip([404, 200, 404]) {
        assert_eq!(read(who, path).await.status, status);
    }
    for path in ["/api/v1/payouts".to_owned(), format!("{payout}/file?format=plain")] {
        assert_eq!(read(&merchant, &path).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn a_node_that_lacks_another_nodes_journal_closes_nothing() {
    let redis = Redis::start(&[]).unwrap();
    let desk = Desk::set(&["--state", &redis.url()]).await;
    let first = desk.stage.product.data().to_owned();
    desk.order(727, json!({})).await;
    desk.order(728, json!({})).await;
    desk.stage.figures().await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::copy(first.join("keys.json"), data.join("keys.json")).unwrap();
    let url = redis.url();
    let node = launch(&folder).arguments(&["--state", &url]).start().await.unwrap();
    until("the second node has the catalog", async || {
        node.read("/api/v1/coupons").await.unwrap()["items"].as_array().unwrap().len() == 1
    })
    .await;
    let closing = desk.closing(json!({ "ignore_minimum": true }));
    until("it knows of the other node", async || {
        post(&node, "payouts", &closing).await.status == 409
    })
    .await;
    let balances = node.read("/api/v1/balances").await.unwrap();
    assert!(!balances["missing_streams"].as_array().unwrap().is_empty(), "{balances}");
    node.stop().await.unwrap();
    let journal = first.join("journal");
    let others = ["--state", &url, "--other-journals", journal.to_str().unwrap()];
    let node = launch(&folder).arguments(&others).start().await.unwrap();
    assert_eq!(amounts(&node).await, desk.balance().await, "both nodes say the same");
    let made = parse(&post(&node, "payouts", &closing).await);
    assert_eq!(made["sum"], "5.40", "{made}");
    until("the first node knows of it", async || {
        desk.balance().await == is(&[("approved", "5.40"), ("in_payout", "5.40")])
    })
    .await;
}
