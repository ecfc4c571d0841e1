//! Stripe webhooks, from the signature to the cent.

use harness::Answer;
use hmac::{Hmac, KeyInit, Mac};
use hyper::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{SECRET, Stage};

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Returns the signature of a body at a time, as Stripe writes it.
fn v1(secret: &str, time: i64, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let tag = mac.chain_update(format!("{time}.{body}")).finalize().into_bytes();
    tag.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn signed(secret: &str, time: i64, body: &str) -> String {
    format!("t={time},v1={}", v1(secret, time, body))
}

async fn post(stage: &Stage, header: &str, body: &str) -> Answer {
    stage
        .post(&format!("/_ac/hooks/stripe/{}", stage.key), &[("stripe-signature", header)], body)
        .await
}

/// Delivers an event as Stripe does now. Its answer must be 200.
pub(crate) async fn deliver(stage: &Stage, event: &Value) {
    let body = event.to_string();
    let answer = post(stage, &signed(SECRET, now(), &body), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Makes a live event that happened `ago` seconds ago.
fn event(kind: &str, ago: i64, object: Value) -> Value {
    json!({
        "id": format!("evt_{kind}_{ago}"), "object": "event", "type": kind, "created": now() - ago,
        "livemode": true, "data": { "object": object },
    })
}

/// Makes a paid session of 100.00 EUR less a discount of 10.00, in payment `pi_1`, with changes.
fn session(token: &str, changes: Value) -> Value {
    let mut object = json!({
        "id": "cs_live_1", "object": "checkout.session", "livemode": true, "mode": "payment",
        "payment_intent": "pi_1", "payment_status": "paid", "created": now() - 60, "currency": "eur",
        "amount_subtotal": 10_000, "amount_total": 11_590, "client_reference_id": token, "metadata": {},
        "total_details": { "amount_discount": 1000, "amount_shipping": 790, "amount_tax": 1800 },
    });
    object.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    event("checkout.session.completed", 50, object)
}

/// Makes a session of 100.00 EUR of goods, and nothing else to pay.
pub(crate) fn plain_session(token: &str) -> Value {
    let details = json!({ "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 });
    session(token, json!({ "amount_total": 10_000, "total_details": details }))
}

fn refund(ago: i64, refunded: i64) -> Value {
    let object = json!({
        "id": "ch_1", "object": "charge", "livemode": true, "payment_intent": "pi_1", "currency": "eur",
        "amount": 10_000, "amount_refunded": refunded,
    });
    event("charge.refunded", ago, object)
}

fn dispute(kind: &str, ago: i64, status: &str) -> Value {
    let object = json!({
        "id": "dp_1", "object": "dispute", "livemode": true, "payment_intent": "pi_1", "charge": "ch_1",
        "currency": "eur", "amount": 10_000, "status": status,
    });
    event(&format!("charge.dispute.{kind}"), ago, object)
}

#[tokio::test]
async fn a_paid_live_session_with_its_token_earns_to_the_cent() {
    let stage = Stage::set().await;
    deliver(&stage, &session(&stage.token().await, json!({}))).await;
    let order = stage.order("pi_1").await;
    let shown = &order["order"];
    assert_eq!((&shown["status"], &shown["goods"]), (&json!("paid"), &json!("90.00")));
    assert_eq!((&shown["total"], &shown["currency"]), (&json!("115.90"), &json!("EUR")));
    assert_eq!(order["facts"][0]["platform"], "stripe");
    assert_eq!(order["decision"]["method"], "click");
    assert_eq!(order["commission"][0]["amount"], "13.50", "15 % of 100.00 - 10.00");
    assert_eq!(stage.figures().await["orders"], 1);
}

#[tokio::test]
async fn a_refund_that_failed_gives_back_the_commission_that_it_took() {
    let stage = Stage::set().await;
    deliver(&stage, &plain_session(&stage.token().await)).await;
    assert_eq!(stage.commission("pi_1").await, 1500);
    deliver(&stage, &refund(30, 4000)).await;
    assert_eq!(stage.commission("pi_1").await, 900, "15 % of 60.00");
    let failed = |kind: &str, ago: i64| {
        let object = json!({
            "id": "re_1", "object": "refund", "charge": "ch_1", "payment_intent": "pi_1",
            "amount": 3000, "currency": "eur", "status": "failed",
        });
        event(kind, ago, object)
    };
    deliver(&stage, &failed("refund.failed", 20)).await;
    deliver(&stage, &failed("charge.refund.updated", 20)).await;
    assert_eq!(stage.commission("pi_1").await, 1350, "15 % of 90.00, and said once");
    deliver(&stage, &refund(10, 5000)).await;
    assert_eq!(stage.commission("pi_1").await, 750, "the charge says the sum anew");
}

#[tokio::test]
async fn a_promotion_code_credits_its_owner_and_a_renewal_is_an_order() {
    let stage = Stage::set().await;
    let coupon =
        json!({ "campaign": stage.campaign, "influencer": stage.influencer, "code": "promo_1A" });
    stage.product.create("coupons", &coupon).await.unwrap();
    let by_code = json!({ "client_reference_id": null, "discounts": [{ "coupon": "x", "promotion_code": "promo_1A" }] });
    deliver(&stage, &session("", by_code)).await;
    let order = stage.order("pi_1").await;
    assert_eq!(order["decision"]["method"], "coupon", "{order}");
    assert_eq!(stage.commission("pi_1").await, 1350);
    let token = stage.token().await;
    let invoice = |id: &str, reason: &str| {
        let object = json!({
            "id": id, "object": "invoice", "billing_reason": reason, "currency": "eur",
            "total": 11_900, "total_excluding_tax": 10_000,
            "parent": { "subscription_details": { "metadata": { "ac": token } } },
        });
        let mut event = event("invoice.paid", 0, object);
        event["id"] = json!(format!("evt_{id}"));
        event
    };
    deliver(&stage, &invoice("in_1", "subscription_create")).await;
    deliver(&stage, &invoice("in_2", "subscription_cycle")).await;
    let order = stage.order("in_2").await;
    assert_eq!(order["order"]["goods"], "100.00");
    assert_eq!(order["facts"][0]["renewal"], true);
    assert_eq!(order["decision"]["label"], "renewal", "the campaign does not pay renewals");
    let path = format!("/api/v1/orders/{}/in_1", stage.merchant);
    let first = stage.product.ask(Method::GET, &path, "", "").await.unwrap();
    assert_eq!(first.status, 404, "the first payment is that of its session");
}

#[tokio::test]
async fn the_token_is_read_in_metadata_in_both_spellings() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    for (id, name) in [("pi_2", "ac"), ("pi_3", "_ac")] {
        let changes = json!({ "payment_intent": id, "metadata": { name: token } });
        let mut event = session("cart-17", changes);
        event["id"] = json!(format!("evt_{id}"));
        deliver(&stage, &event).await;
        assert_eq!(stage.commission(id).await, 1350, "{name}");
    }
    let other = Stage::set().await;
    deliver(&other, &session(&token, json!({}))).await;
    let order = other.order("pi_1").await;
    assert_eq!(order["decision"]["method"], "none");
    assert!(order["facts"][0]["notes"].to_string().contains("client_reference_id"), "{order}");
}

#[tokio::test]
async fn the_published_events_are_read_and_never_earn() {
    let stage = Stage::set().await;
    let cases = [
        (
            include_str!("../fixtures/stripe/checkout.session.completed.json"),
            "pi_000000000000000000000000",
        ),
        (include_str!("../fixtures/stripe/charge.refunded.json"), "ch_000000000000000000000000"),
    ];
    for (body, order) in cases {
        assert_eq!(post(&stage, &signed(SECRET, now(), body), body).await.status, 200, "{order}");
        assert_eq!(stage.order(order).await["order"]["test"], true, "{order}");
        assert_eq!(stage.commission(order).await, 0);
    }
    // All published events have the same id, so the dispute of the same charge needs another shop.
    let other = Stage::set().await;
    let body = include_str!("../fixtures/stripe/charge.dispute.created.json");
    assert_eq!(post(&other, &signed(SECRET, now(), body), body).await.status, 200);
    let order = other.order("ch_000000000000000000000000").await;
    let fact = &order["facts"][0];
    assert_eq!((&fact["status"], &fact["kind"]), (&Value::Null, &json!("cancel")));
    assert!(fact["notes"].to_string().contains("an inquiry"), "{fact}");
}

#[tokio::test]
async fn only_a_fresh_signature_of_the_merchant_is_accepted() {
    let stage = Stage::set().await;
    let body = session("", json!({})).to_string();
    let time = now();
    let fits = v1(SECRET, time, &body);
    let wrong = v1("another secret", time, &body);
    let path = format!("/_ac/hooks/stripe/{}", stage.key);
    assert_eq!(stage.post(&path, &[], &body).await.status, 401);
    for header in [
        String::new(),
        "nonsense".to_owned(),
        format!("t={time},v1={wrong}"),
        format!("t={time},v0={fits}"),
        format!("t={},v1={fits}", time + 1),
        signed(SECRET, time, "{}"),
    ] {
        assert_eq!(post(&stage, &header, &body).await.status, 401, "{header}");
    }
    for stale in [time - 310, time + 320] {
        let answer = post(&stage, &signed(SECRET, stale, &body), &body).await;
        assert!(answer.status == 401 && answer.body.contains("stale"), "{}", answer.body);
    }
    assert_eq!(post(&stage, &format!("t={time},v1={wrong},v1={fits}"), &body).await.status, 200);
    assert_eq!(post(&stage, &signed(SECRET, now() - 280, &body), &body).await.status, 200);
}

#[tokio::test]
async fn a_new_secret_is_accepted_beside_the_old_one() {
    let stage = Stage::set().await;
    let path = format!("/api/v1/merchants/{}", stage.merchant);
    let rotation = json!({ "webhook_secret": "whsec_of_the_new_one" }).to_string();
    let answer =
        stage.product.ask(Method::PATCH, &path, "application/json", rotation).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = session("", json!({})).to_string();
    for secret in ["whsec_of_the_new_one", SECRET] {
        assert_eq!(
            post(&stage, &signed(secret, now(), &body), &body).await.status,
            200,
            "{secret}"
        );
    }
    assert_eq!(post(&stage, &signed("whsec_old", now(), &body), &body).await.status, 401);
}

#[tokio::test]
async fn unpaid_sessions_accrue_and_failed_ones_are_void() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    deliver(&stage, &session(&token, json!({ "payment_status": "unpaid" }))).await;
    assert_eq!(stage.order("pi_1").await["order"]["status"], "unpaid", "so it is never approved");
    assert_eq!(stage.order("pi_1").await["order"]["paid_at"], Value::Null);
    assert_eq!(stage.commission("pi_1").await, 1350, "accrues");
    let mut later = session(&token, json!({}));
    later["type"] = json!("checkout.session.async_payment_succeeded");
    later["id"] = json!("evt_succeeded");
    later["created"] = json!(now() - 40);
    deliver(&stage, &later).await;
    assert_eq!(stage.order("pi_1").await["order"]["status"], "paid");
    assert_eq!(stage.commission("pi_1").await, 1350);
    let mut failed = session(&token, json!({ "payment_status": "unpaid" }));
    failed["type"] = json!("checkout.session.async_payment_failed");
    failed["id"] = json!("evt_failed");
    failed["created"] = json!(now() - 30);
    deliver(&stage, &failed).await;
    assert_eq!(stage.order("pi_1").await["order"]["status"], "void");
    assert_eq!(stage.commission("pi_1").await, 0);
}

#[tokio::test]
async fn test_events_never_accrue() {
    let stage = Stage::set().await;
    let mut event = session(&stage.token().await, json!({}));
    event["livemode"] = json!(false);
    deliver(&stage, &event).await;
    let order = stage.order("pi_1").await;
    assert_eq!(
        (&order["order"]["test"], &order["order"]["goods"]),
        (&json!(true), &json!("90.00"))
    );
    assert_eq!(stage.commission("pi_1").await, 0);
}

#[tokio::test]
async fn refunds_are_cumulative_and_taken_pro_rata() {
    let stage = Stage::set().await;
    deliver(&stage, &plain_session(&stage.token().await)).await;
    assert_eq!(stage.commission("pi_1").await, 1500);
    deliver(&stage, &refund(20, 2500)).await;
    assert_eq!(stage.commission("pi_1").await, 1125, "75 % was kept");
    deliver(&stage, &refund(10, 6000)).await;
    assert_eq!(stage.commission("pi_1").await, 600, "40 % was kept, not 15 %");
    assert_eq!(stage.order("pi_1").await["order"]["refunded"], "60.00");
    let mut late = refund(15, 4000);
    late["id"] = json!("evt_late");
    deliver(&stage, &late).await;
    assert_eq!(
        stage.commission("pi_1").await,
        600,
        "an older sum that arrives late changes nothing"
    );
}

#[tokio::test]
async fn a_refund_before_its_session_waits_for_it() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    deliver(&stage, &refund(20, 6000)).await;
    assert_eq!(stage.order("pi_1").await["order"]["status"], "draft");
    assert_eq!(stage.commission("pi_1").await, 0);
    deliver(&stage, &plain_session(&token)).await;
    assert_eq!(stage.order("pi_1").await["order"]["status"], "paid");
    assert_eq!(stage.commission("pi_1").await, 600);
}

#[tokio::test]
async fn a_dispute_takes_the_commission_and_reinstated_funds_give_it_back() {
    let stage = Stage::set().await;
    deliver(&stage, &plain_session(&stage.token().await)).await;
    deliver(&stage, &dispute("created", 40, "warning_needs_response")).await;
    assert_eq!(stage.commission("pi_1").await, 1500, "an inquiry takes nothing");
    deliver(&stage, &dispute("created", 30, "needs_response")).await;
    assert_eq!(stage.commission("pi_1").await, 0);
    assert_eq!(stage.order("pi_1").await["order"]["status"], "void");
    deliver(&stage, &dispute("funds_reinstated", 20, "won")).await;
    assert_eq!(stage.commission("pi_1").await, 1500);
    deliver(&stage, &dispute("closed", 10, "lost")).await;
    assert_eq!(stage.commission("pi_1").await, 0);
}

#[tokio::test]
async fn the_same_event_ten_times_is_one_fact() {
    let stage = Stage::set().await;
    let mut event = plain_session(&stage.token().await);
    for pending in 0..10 {
        event["pending_webhooks"] = json!(pending);
        deliver(&stage, &event).await;
    }
    assert_eq!(stage.order("pi_1").await["facts"].as_array().unwrap().len(), 1);
    assert_eq!(stage.commission("pi_1").await, 1500);
    assert_eq!(stage.figures().await["orders"], 1);
}

#[tokio::test]
async fn yen_have_no_cents_and_kronur_come_in_hundredths() {
    let stage = Stage::set().await;
    for (currency, id, shown) in [("jpy", "pi_jpy", "9000"), ("isk", "pi_isk", "90")] {
        let mut event = session(
            "",
            json!({ "payment_intent": id, "currency": currency, "amount_total": 11_600 }),
        );
        event["id"] = json!(format!("evt_{id}"));
        deliver(&stage, &event).await;
        assert_eq!(stage.order(id).await["order"]["goods"], shown, "{currency}");
    }
}

#[tokio::test]
async fn an_invalid_field_is_unknown_and_the_session_is_kept() {
    let stage = Stage::set().await;
    let huge: Value = serde_json::from_str("123456789012345678901234567890").unwrap();
    let details = json!({ "amount_discount": 1000, "amount_shipping": huge, "amount_tax": "1800" });
    let changes = json!({ "amount_total": "11590", "created": "today", "total_details": details });
    deliver(&stage, &session(&stage.token().await, changes)).await;
    let order = stage.order("pi_1").await;
    assert_eq!(order["order"]["status"], "paid");
    assert_eq!(order["commission"], json!([]), "nobody knows what it is worth");
    let unreadable = order["order"]["unreadable"].to_string();
    assert!(unreadable.contains("amount_total"), "{unreadable}");
    let notes = order["facts"][0]["notes"].to_string();
    for field in ["object.created", "amount_total", "amount_shipping", "amount_tax"] {
        assert!(notes.contains(field), "{notes} should name {field}");
    }
}

#[tokio::test]
async fn unreadable_events_are_refused_with_the_field_and_other_events_are_ignored() {
    let stage = Stage::set().await;
    let nowhere = event("charge.dispute.created", 1, json!({ "id": "dp_1" })).to_string();
    let unknown_sum =
        event("charge.refunded", 1, json!({ "id": "ch_1", "currency": "eur" })).to_string();
    for (body, named) in [
        ("{", "body"),
        ("[]", "JSON object"),
        (r#"{"id":"evt_1"}"#, "type:"),
        (r#"{"type":"charge.refunded"}"#, "id:"),
        (nowhere.as_str(), "data.object.payment_intent"),
        (unknown_sum.as_str(), "data.object.amount_refunded"),
    ] {
        let answer = post(&stage, &signed(SECRET, now(), body), body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(
            answer.body.contains(named) && answer.body.contains("kept as unparsed"),
            "{}",
            answer.body
        );
    }
    let body = event("customer.created", 1, json!({})).to_string();
    let answer = post(&stage, &signed(SECRET, now(), &body), &body).await;
    assert!(answer.status == 200 && answer.body.starts_with("ignored: "), "{}", answer.body);
}
