//! The built pixel in a real browser: what it stores, sends and leaves alone, seen by a collector that only records.
//!
//! The collector answers as the contract says and lets a test choose the status. It stands for any server that keeps
//! to the contract; the loop with the real one is `browser_loop`.

mod recorder;

use std::time::Duration;

use demo::browser::Browser;
use recorder::{Recorder, STUB, TOKEN, page, sent};
use serde_json::{Value, json};
use shared::event::{Consent, EventName};

/// Long enough for a request that must not come.
const QUIET: Duration = Duration::from_millis(700);

/// Waits until the core runs: it replaces the queue.
const STARTED: &str = "return !!(window.afterclick && afterclick.q && !Array.isArray(afterclick.q))";
/// Everything the page keeps, in both storages.
const KEPT: &str = "return JSON.stringify([Object.keys(localStorage).sort(), Object.keys(sessionStorage)])";

#[tokio::test(flavor = "multi_thread")]
async fn a_landing_is_one_session_and_its_token_is_kept_and_leaves_the_address() {
    let (recorder, browser) = start(&[("/", page("", "")), ("/next", page("", ""))]).await;
    browser.open(&recorder.url(&format!("/?color=red&ac={TOKEN}#top"))).await.unwrap();
    let first = recorder.event(0).await;
    assert_eq!((first.token.as_str(), first.events[0].name), (TOKEN, EventName::Session));
    assert_eq!(first.events[0].url, recorder.url("/?color=red#top"));
    assert_eq!(browser.address().await.unwrap(), recorder.url("/?color=red#top"));
    browser.reload().await.unwrap();
    browser.open(&recorder.url("/next")).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    browser.run("afterclick('page')").await.unwrap();
    let second = recorder.event(1).await;
    assert_eq!((second.token.as_str(), second.events[0].name), (TOKEN, EventName::Page), "no second session");
    recorder.stays_at(2, QUIET).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_click_in_the_same_tab_begins_another_session() {
    let (recorder, browser) = start(&[("/", page("", ""))]).await;
    let other = TOKEN.replace('A', "B");
    for (index, token) in [TOKEN, TOKEN, &other].iter().enumerate() {
        browser.open(&recorder.url(&format!("/?ac={token}"))).await.unwrap();
        browser.wait_until(STARTED).await.unwrap();
        recorder.event(if index == 2 { 1 } else { 0 }).await;
    }
    assert_eq!(recorder.event(1).await.token, other);
    recorder.stays_at(2, QUIET).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_without_a_known_click_is_a_session_with_an_empty_token() {
    let (recorder, browser) = start(&[("/", page("", ""))]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    let session = recorder.event(0).await;
    assert_eq!(
        (session.token.as_str(), session.consent, session.merchant_key.as_str()),
        ("", Consent::Unknown, "k1")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_before_the_script_all_run_with_consent_first() {
    let early = "afterclick('page'); afterclick('lead', {id: 'L1'}); afterclick('consent', 'granted');";
    let (recorder, browser) = start(&[("/", page(early, ""))]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    recorder.event(2).await;
    // The requests are under way at once and may arrive in any order.
    let mut seen: Vec<_> =
        recorder.events().iter().map(|batch| (batch.events[0].name.as_str(), batch.consent)).collect();
    seen.sort_by_key(|(name, _)| *name);
    assert_eq!(seen, ["lead", "page", "session"].map(|name| (name, Consent::Granted)));
    browser.run("const q = afterclick.q; (function () { q.push(arguments) })('page')").await.unwrap();
    assert_eq!(
        recorder.event(3).await.events[0].name,
        EventName::Page,
        "a held queueing function still works"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reloaded_thank_you_page_sends_once() {
    let purchase = "afterclick('purchase', {id: '1001', value: '129.90', currency: 'EUR'});";
    let (recorder, browser) = start(&[("/thanks", page(purchase, ""))]).await;
    for _ in 0..3 {
        browser.open(&recorder.url("/thanks")).await.unwrap();
        browser.wait_until(STARTED).await.unwrap();
    }
    recorder.event(1).await;
    recorder.stays_at(2, QUIET).await;
    let purchases =
        recorder.events().iter().filter(|batch| batch.events[0].name == EventName::Purchase).count();
    assert_eq!(purchases, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_reaches_the_server_whole() {
    let purchase = r#"afterclick('purchase', {id: 1001, value: 129.9, currency: 'eur', tax: '20.74', shipping: 0, coupon: 'ANNA"15',
        new_customer: true, items: [{sku: 'A1', name: 'Lampe „Nord“', category: 'Licht', qty: 2, price: '64.95'}]});"#;
    let (recorder, browser) = start(&[("/thanks", page(purchase, ""))]).await;
    browser.open(&recorder.url("/thanks")).await.unwrap();
    recorder.event(1).await;
    let purchase = recorder.bodies().into_iter().find_map(|body| body["e"][0].get("o").cloned());
    let expected = json!({
        "id": "1001", "value": "129.9", "currency": "EUR", "tax": "20.74", "shipping": "0", "coupon": "ANNA\"15", "new_customer": true,
        "items": [{ "sku": "A1", "name": "Lampe „Nord“", "category": "Licht", "qty": "2", "price": "64.95" }],
    });
    assert_eq!(purchase, Some(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_consent_stores_nothing_and_sends_nothing() {
    let calls = "afterclick('page'); afterclick('purchase', {id: '1', value: 1, currency: 'EUR'});";
    let (recorder, browser) = start(&[
        ("/attribute", page(calls, "data-consent=\"denied\"")),
        ("/call", page(&format!("{calls} afterclick('consent', 'denied');"), "")),
    ])
    .await;
    for path in ["/attribute", "/call"] {
        browser.open(&recorder.url(&format!("{path}?ac={TOKEN}"))).await.unwrap();
        browser.wait_until(STARTED).await.unwrap();
        assert_eq!(browser.run(KEPT).await.unwrap(), "[[],[]]", "{path}");
    }
    recorder.stays_at(0, QUIET).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_withdrawn_forgets_and_consent_granted_begins() {
    let (recorder, browser) = start(&[("/", page("", ""))]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    recorder.event(0).await;
    browser.wait_until(STARTED).await.unwrap();
    browser.run("afterclick('consent', 'denied'); afterclick('page')").await.unwrap();
    assert_eq!(browser.run(KEPT).await.unwrap(), "[[],[]]");
    recorder.stays_at(1, QUIET).await;
    browser.run("afterclick('consent', 'granted')").await.unwrap();
    let session = recorder.event(1).await;
    assert_eq!((session.consent, session.token.as_str()), (Consent::Granted, TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_survives_503_and_goes_out_again_with_its_id() {
    let purchase = "afterclick('purchase', {id: '7', value: '5.00', currency: 'EUR'});";
    let (recorder, browser) = start(&[("/thanks", page(purchase, "")), ("/next", page("", ""))]).await;
    recorder.answer(503);
    browser.open(&recorder.url(&format!("/thanks?ac={TOKEN}"))).await.unwrap();
    recorder.event(1).await;
    recorder.answer(204);
    browser.open(&recorder.url("/next")).await.unwrap();
    recorder.event(3).await;
    let ids = |range: std::ops::Range<usize>| {
        let mut ids: Vec<_> = recorder.events()[range]
            .iter()
            .map(|batch| (batch.events[0].id.clone(), batch.events[0].ts))
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(0..2), ids(2..4), "the same events with the same ids and times");
    assert_eq!(recorder.bodies()[3]["t"], TOKEN);
    browser.wait_until("return !Object.keys(localStorage).some(key => key.includes('.e.'))").await.unwrap();
    browser.reload().await.unwrap();
    recorder.stays_at(4, QUIET).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_goes_out_when_the_connection_is_back() {
    let (recorder, browser) = start(&[("/", page("", ""))]).await;
    recorder.answer(503);
    browser.open(&recorder.url("/")).await.unwrap();
    let first = recorder.event(0).await;
    browser.wait_until(STARTED).await.unwrap();
    recorder.answer(204);
    browser.run("dispatchEvent(new Event('online'))").await.unwrap();
    assert_eq!(recorder.event(1).await.events[0].id, first.events[0].id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_the_server_will_never_take_is_not_sent_again() {
    let (recorder, browser) = start(&[("/", page("", ""))]).await;
    recorder.answer(400);
    browser.open(&recorder.url("/")).await.unwrap();
    recorder.event(0).await;
    browser.wait_until("return !Object.keys(localStorage).some(key => key.includes('.e.'))").await.unwrap();
    browser.reload().await.unwrap();
    recorder.stays_at(1, QUIET).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_events_wait_at_most() {
    let (recorder, browser) = start(&[("/", page("", ""))]).await;
    recorder.answer(503);
    browser.open(&recorder.url("/")).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    browser.run("for (let i = 0; i < 40; i++) afterclick('page')").await.unwrap();
    let waiting = browser
        .run("return Object.keys(localStorage).filter(key => key.includes('.e.')).length")
        .await
        .unwrap();
    assert_eq!(waiting, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_without_an_order_id_warns_once_and_the_page_goes_on() {
    let calls = "afterclick('purchase', {value: 5, currency: 'EUR'}); afterclick('lead');";
    let (recorder, browser) = start(&[("/", page(calls, ""))]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    recorder.event(1).await;
    recorder.stays_at(2, QUIET).await;
    assert!(recorder.events().iter().all(|batch| batch.events[0].name != EventName::Purchase));
    let warnings = warnings(&browser).await;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("purchase: id ``"), "{warnings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_calls_warn_and_never_throw() {
    let calls = "afterclick('purchaze'); afterclick(); afterclick('consent', 'maybe'); afterclick('purchase', {id: '5', value: '5,00 €', currency: 'EUR'});
        afterclick('purchase', {get id() { throw new Error('mine') }});";
    let (recorder, browser) = start(&[("/", page(calls, ""))]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    recorder.event(1).await;
    browser.wait_until("return window.warnings.length >= 5").await.unwrap();
    let warnings = warnings(&browser).await.join("\n");
    for part in ["`purchaze`", "`undefined`", "consent `maybe`", "value `5,00 €`", "mine"] {
        assert!(warnings.contains(part), "{warnings} should name {part}");
    }
    assert_eq!(browser.run("return window.errors.length").await.unwrap(), 0);
    let sent = sent(&recorder.bodies(), "purchase");
    assert_eq!(sent["o"], json!({ "id": "5", "currency": "EUR", "items": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_storage_loses_no_landing_and_no_purchase() {
    let block = "for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, {get() { throw new DOMException('blocked', 'SecurityError') }});
        afterclick('purchase', {id: '9', value: '1.00', currency: 'EUR'});";
    let (recorder, browser) = start(&[("/", page(block, ""))]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    recorder.event(1).await;
    assert_eq!(sent(&recorder.bodies(), "purchase")["o"]["id"], "9");
    assert!(recorder.bodies().iter().all(|body| body["t"] == TOKEN));
    assert_eq!(
        browser.run("return [window.errors.length, window.warnings.length].join()").await.unwrap(),
        "0,0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn full_storage_loses_no_purchase() {
    let fill = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') };
        afterclick('purchase', {id: '9', value: '1.00', currency: 'EUR'});";
    let (recorder, browser) = start(&[("/", page(fill, ""))]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    recorder.event(1).await;
    assert_eq!(sent(&recorder.bodies(), "purchase")["o"]["id"], "9");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_page_sends_by_beacon_and_keeps_until_an_answer() {
    let spy = "window.beacons = 0; const send = navigator.sendBeacon.bind(navigator);
        navigator.sendBeacon = (url, body) => { window.beacons++; return send(url, body) };";
    let (recorder, browser) = start(&[("/", page(spy, ""))]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    recorder.event(0).await;
    browser.wait_until(STARTED).await.unwrap();
    assert_eq!(browser.run("return beacons").await.unwrap(), 0, "a visible page sends by fetch");
    browser
        .run("Object.defineProperty(document, 'visibilityState', {value: 'hidden'}); afterclick('page')")
        .await
        .unwrap();
    let first = recorder.event(1).await;
    assert_eq!(browser.run("return beacons").await.unwrap(), 1);
    browser.reload().await.unwrap();
    assert_eq!(
        recorder.event(2).await.events[0].id,
        first.events[0].id,
        "no answer was seen, so it is sent again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prerendered_page_waits_for_its_visitor() {
    let prerender = "Object.defineProperty(document, 'prerendering', {value: true, configurable: true}); afterclick('page');";
    let (recorder, browser) = start(&[("/", page(prerender, ""))]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    recorder.stays_at(0, QUIET).await;
    browser.run("document.dispatchEvent(new Event('prerenderingchange'))").await.unwrap();
    recorder.event(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snippet_twice_is_harmless() {
    let twice = page("afterclick('lead')", "")
        .replace("</body>", "<script async src=\"/_ac/px.js\" data-key=\"k1\"></script></body>");
    let (recorder, browser) = start(&[("/", twice)]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    recorder.event(1).await;
    recorder.stays_at(2, QUIET).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_policy_gets_one_warning_with_the_line_it_needs() {
    let page = page("afterclick('page')", "");
    let (recorder, browser) = start(&[("/strict", page.clone()), ("/open", page)]).await;
    recorder.policy("/strict", "script-src 'self' 'unsafe-inline'");
    recorder.policy("/open", "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; connect-src 'self'");
    browser.open(&recorder.url("/strict")).await.unwrap();
    browser.wait_until("return window.warnings.length > 0").await.unwrap();
    let warnings = warnings(&browser).await;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("'wasm-unsafe-eval'") && warnings[0].contains(&recorder.url("")),
        "{warnings:?}"
    );
    recorder.stays_at(0, QUIET).await;
    browser.open(&recorder.url("/open")).await.unwrap();
    recorder.event(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_need_no_preflight_and_carry_the_cookie() {
    let (recorder, browser) = start(&[("/", page("", ""))]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    let request = recorder.request(0).await;
    assert_eq!(request.content_type, "text/plain;charset=UTF-8");
    assert_eq!(request.cookie, "ac=from-the-redirect", "the script-proof cookie travels by itself");
}

async fn start(pages: &[(&str, String)]) -> (Recorder, Browser) {
    let recorder = Recorder::start(pages).await;
    (recorder, Browser::start().await.expect("a browser"))
}

async fn warnings(browser: &Browser) -> Vec<String> {
    let warnings = browser.run("return window.warnings").await.expect("the page's warnings");
    warnings.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn the_stub_is_the_documented_one() {
    let landing = include_str!("../../pixel-wasm/demo-shop/landing.html");
    assert!(landing.contains(STUB), "the demo shop and these tests embed the same snippet");
}
