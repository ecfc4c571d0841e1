//! The built pixel in real browsers: what it stores, sends and leaves alone, seen by a collector
//! that only records.
//!
//! The collector answers as the contract says and lets a test choose the status. It stands for any
//! server that keeps to the contract; the loop with the real one is `browser_loop`. Every scenario
//! runs in every engine.
//!
//! In Chromium and WebKit each has a browser of its own. Firefox takes eight seconds of a processor
//! to start, so there all scenarios share one, each in a window and at an origin of its own.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

mod recorder;

use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use demo::browser::{Browser, Engine};
use recorder::{Recorder, STUB, TOKEN, dist_file, page, page_with, sent};
use serde_json::{Value, json};
use shared::consent::Consent;
use shared::event::{Batch, EventName};

/// Long enough for a request that must not come.
const QUIET: Duration = Duration::from_millis(700);

/// Waits until the core runs: it replaces the queue.
const STARTED: &str =
    "return !!(window.afterclick && afterclick.q && !Array.isArray(afterclick.q))";
/// Everything the page keeps, in both storages.
const KEPT: &str =
    "return JSON.stringify([Object.keys(localStorage).sort(), Object.keys(sessionStorage)])";
/// Nobody looks at the page, or somebody does again.
const HIDDEN: &str = "Object.defineProperty(document, 'hidden', {value: true, configurable: true});
    document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))";
const SHOWN: &str = "Object.defineProperty(document, 'hidden', {value: false, configurable: true});
    document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))";
/// How many events wait.
const WAITING: &str = "return Object.keys(localStorage).filter(key => key.includes('.e.')).length";

tokio::task_local! {
    /// The browser that scenarios share.
    static SHARED: Arc<Browser>;
}

type Scenario = Pin<Box<dyn Future<Output = ()> + Send>>;

fn named(
    name: &'static str,
    scenario: impl Future<Output = ()> + Send + 'static,
) -> (&'static str, Scenario) {
    (name, Box::pin(scenario))
}

/// A test of each scenario in each engine.
macro_rules! in_every_engine {
    ($($scenario:ident),* $(,)?) => {
        $(mod $scenario {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn chromium() {
                super::$scenario(Engine::Chromium).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn webkit() {
                if is_installed(Engine::WebKit) {
                    super::$scenario(Engine::WebKit).await;
                }
            }
        })*

        #[tokio::test(flavor = "multi_thread")]
        async fn every_scenario_in_firefox() {
            if is_installed(Engine::Firefox) {
                let scenarios = [$(named(stringify!($scenario), $scenario(Engine::Firefox))),*];
                run_in_one_browser(Engine::Firefox, scenarios).await;
            }
        }
    };
}

in_every_engine!(
    a_landing_is_one_session_and_its_token_is_kept_and_leaves_the_address,
    another_click_in_the_same_tab_begins_another_session,
    a_code_opens_one_visit_of_a_tab_and_goes_with_every_event,
    a_click_that_leads_to_an_address_with_a_code_is_a_click,
    a_code_heeds_consent_like_a_token,
    a_visit_without_a_click_sends_nothing_and_keeps_nothing,
    calls_before_the_script_all_run_with_consent_first,
    a_reloaded_thank_you_page_sends_once,
    a_purchase_reaches_the_server_whole,
    denied_consent_stores_nothing_and_sends_nothing,
    consent_withdrawn_forgets_and_consent_granted_begins,
    unknown_consent_waits_and_granted_later_sends_what_waited,
    global_privacy_control_is_a_no_unless_the_visitor_says_yes,
    a_token_that_says_no_is_a_no_and_nothing_is_kept_of_it,
    googles_consent_mode_is_heard,
    the_transparency_and_consent_framework_is_heard,
    shopifys_customer_privacy_is_heard,
    an_event_survives_503_and_goes_out_again_with_its_id,
    what_waits_goes_out_by_itself_when_the_server_is_back,
    what_waits_goes_out_when_the_connection_is_back,
    a_body_the_server_will_never_take_is_not_sent_again,
    twenty_events_and_32_kilobytes_wait_at_most,
    page_views_push_no_purchase_out,
    what_a_clock_ahead_has_dated_does_not_stay_for_ever,
    a_server_that_asks_for_patience_gets_it,
    what_waits_goes_out_when_the_page_is_looked_at_again,
    two_tabs_send_what_waits_once,
    calls_of_the_connection_and_the_cache_send_one_at_a_time,
    the_token_is_there_with_the_core_and_waits_for_no_answer,
    a_malformed_call_warns_once_names_the_field_and_is_not_sent,
    wrong_calls_warn_and_never_throw,
    blocked_storage_loses_no_landing_and_no_purchase,
    full_storage_loses_no_purchase,
    a_hidden_page_sends_by_beacon_and_keeps_until_an_answer,
    a_page_opened_in_the_background_is_counted_when_it_is_looked_at,
    a_prerendered_page_waits_for_its_visitor,
    a_page_that_comes_back_from_the_cache_is_a_page_again,
    pages_of_one_document_are_counted_with_the_back_button,
    a_frame_is_no_visit_but_may_report_a_purchase,
    two_merchants_on_a_page_do_not_meet,
    the_snippet_twice_is_harmless,
    a_page_that_breaks_the_browsers_functions_is_not_broken_further,
    a_policy_without_wasm_gets_the_same_events,
    a_page_that_demands_trusted_types_is_served_or_told_why,
    a_page_left_alone_is_looked_at_once_a_second_at_most,
    requests_need_no_preflight_and_carry_the_cookie,
    the_data_layer_is_read_in_all_its_shapes,
    the_orders_key_comes_from_the_page_or_from_the_address,
    the_token_is_handed_to_forms_stripe_and_shopify,
    shopifys_worker_and_sandboxed_frame_report_the_same,
);

async fn a_landing_is_one_session_and_its_token_is_kept_and_leaves_the_address(engine: Engine) {
    let (recorder, browser) = start(engine, &[("/", page("", "")), ("/next", page("", ""))]).await;
    browser.open(&recorder.url(&format!("/?color=red&ac={TOKEN}#top"))).await.unwrap();
    let first = recorder.event(0).await;
    assert_eq!((first.token.as_str(), first.events[0].name), (TOKEN, EventName::Session));
    assert_eq!(first.events[0].url, recorder.url("/?color=red#top"));
    assert_eq!(browser.address().await.unwrap(), recorder.url("/?color=red#top"));
    browser.reload().await.unwrap();
    recorder.event(1).await;
    browser.open(&recorder.url("/next")).await.unwrap();
    recorder.event(2).await;
    recorder.stays_at(3, QUIET).await;
    for batch in &recorder.events()[1..] {
        assert_eq!(
            (batch.token.as_str(), batch.events[0].name),
            (TOKEN, EventName::Page),
            "no second session"
        );
    }
}

async fn another_click_in_the_same_tab_begins_another_session(engine: Engine) {
    let (recorder, browser) = start(engine, &[("/", page("", ""))]).await;
    let other = TOKEN.replace('A', "B");
    for (index, token) in [TOKEN, TOKEN, &other].iter().enumerate() {
        browser.open(&recorder.url(&format!("/?ac={token}"))).await.unwrap();
        recorder.event(index).await;
    }
    let names: Vec<_> =
        recorder.events().iter().map(|batch| batch.events[0].name.as_str()).collect();
    assert_eq!(names, ["session", "page", "session"]);
    assert_eq!(recorder.event(2).await.token, other);
}

/// What an event says of the visit: its name, the code, and whether there is a token.
fn said(batch: &Batch) -> (&'static str, &str, bool) {
    let event = &batch.events[0];
    (event.name.as_str(), &event.code, !batch.token.is_empty())
}

async fn a_code_opens_one_visit_of_a_tab_and_goes_with_every_event(engine: Engine) {
    let buy = "afterclick('purchase', {id: '1001', value: 1, currency: 'EUR'});";
    let call = "afterclick('code', ' BEN 10 '); afterclick('code'); afterclick('code', 7);";
    let pages = [("/", page("", "")), ("/thanks", page(buy, "")), ("/call", page(call, ""))];
    let (recorder, browser) = start(engine, &pages).await;
    let landing = recorder.url("/?color=red&code=ANNA15#top");
    browser.open(&landing).await.unwrap();
    let first = recorder.event(0).await;
    assert_eq!(said(&first), ("session", "ANNA15", false));
    let opened_at = first.events[0].code_at.expect("a time");
    assert!((0..60_000).contains(&(first.events[0].ts - opened_at)), "{opened_at}");
    assert_eq!(browser.address().await.unwrap(), landing, "shops apply the code by it");
    browser.reload().await.unwrap();
    assert_eq!(said(&recorder.event(1).await), ("page", "ANNA15", false));
    browser.open(&recorder.url("/thanks")).await.unwrap();
    recorder.event(3).await;
    let bought = sent(&recorder.bodies()[2..], "purchase");
    assert_eq!((&bought["code"], &bought["code_at"]), (&json!("ANNA15"), &json!(opened_at)));
    // Another code opens another visit; the newest one stands.
    browser.open(&recorder.url("/?discount_code=BEN%2010")).await.unwrap();
    assert_eq!(said(&recorder.event(4).await), ("session", "BEN 10", false));
    browser.open(&recorder.url("/call")).await.unwrap();
    assert_eq!(said(&recorder.event(5).await), ("page", "BEN 10", false));
    for other in
        ["/?code=SplxlOBeZQQYbYS6WxSbIA&state=xyz", "/?code=%FF", "/#?code=EVE", "/?mycode=EVE"]
    {
        let before = recorder.events().len();
        browser.open("about:blank").await.unwrap();
        browser.open(&recorder.url(other)).await.unwrap();
        assert_eq!(said(&recorder.event(before).await), ("page", "BEN 10", false), "{other}");
    }
    assert_eq!(browser.run("return warnings.concat(errors).join()").await.unwrap(), "");
}

async fn a_click_that_leads_to_an_address_with_a_code_is_a_click(engine: Engine) {
    let (recorder, browser) = start(engine, &[("/", page("", ""))]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}&code=EVE"))).await.unwrap();
    assert_eq!(said(&recorder.event(0).await), ("session", "", true));
    browser.reload().await.unwrap();
    assert_eq!(said(&recorder.event(1).await), ("page", "", true));
    // A code that is handed over on the page is another visit, once.
    for expected in ["session", "page"] {
        let before = recorder.events().len();
        browser.run("afterclick('code', 'ANNA15')").await.unwrap();
        if expected == "page" {
            browser.run("afterclick('page')").await.unwrap();
        }
        assert_eq!(said(&recorder.event(before).await), (expected, "ANNA15", true));
    }
    recorder.stays_at(4, QUIET).await;
}

async fn a_code_heeds_consent_like_a_token(engine: Engine) {
    let asked = page("", "data-consent=\"unknown\"");
    let (recorder, browser) = start(engine, &[("/", asked)]).await;
    browser.open(&recorder.url("/?coupon=ANNA15")).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    recorder.stays_at(0, QUIET).await;
    assert_eq!(browser.run(KEPT).await.unwrap(), "[[],[]]");
    browser.run("afterclick('consent', 'granted')").await.unwrap();
    browser.run("afterclick('page')").await.unwrap();
    recorder.event(1).await;
    assert!(recorder.events().iter().all(|batch| said(batch).1 == "ANNA15"));
    browser.run("afterclick('consent', 'denied')").await.unwrap();
    browser.run("afterclick('code', 'BEN10')").await.unwrap();
    assert_eq!(browser.run(KEPT).await.unwrap(), "[[],[]]");
}

async fn a_visit_without_a_click_sends_nothing_and_keeps_nothing(engine: Engine) {
    let pages = ["/", "/?ac=1", "/?mac=TOKEN", "/?q=ac=TOKEN", "/#?ac=TOKEN", "/?ac=TOKEN%20"];
    let (recorder, browser) = start(engine, &[("/", page("", ""))]).await;
    for path in pages {
        let url = recorder.url(&path.replace("TOKEN", TOKEN));
        browser.open("about:blank").await.unwrap();
        browser.open(&url).await.unwrap();
        browser.wait_until(STARTED).await.unwrap();
        assert_eq!(browser.address().await.unwrap(), url);
    }
    recorder.stays_at(0, QUIET).await;
    assert_eq!(browser.run(KEPT).await.unwrap(), "[[],[]]");
}

async fn calls_before_the_script_all_run_with_consent_first(engine: Engine) {
    let early =
        "afterclick('page'); afterclick('lead', {id: 'L1'}); afterclick('consent', 'granted');";
    let (recorder, browser) = start(engine, &[("/", page(early, ""))]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    recorder.event(2).await;
    // The requests are under way at once and may arrive in any order.
    let mut seen: Vec<_> = recorder
        .events()
        .iter()
        .map(|batch| (batch.events[0].name.as_str(), batch.consent))
        .collect();
    seen.sort_by_key(|(name, _)| *name);
    assert_eq!(seen, ["lead", "page", "session"].map(|name| (name, Consent::Granted)));
    browser
        .run("const q = afterclick.q; (function () { q.push(arguments) })('page')")
        .await
        .unwrap();
    assert_eq!(
        recorder.event(3).await.events[0].name,
        EventName::Page,
        "a held queueing function still works"
    );
}

async fn a_reloaded_thank_you_page_sends_once(engine: Engine) {
    let purchase = "afterclick('purchase', {id: '1001', value: '129.90', currency: 'EUR'});";
    let (recorder, browser) = start(engine, &[("/thanks", page(purchase, ""))]).await;
    for _ in 0..3 {
        browser.open(&recorder.url("/thanks")).await.unwrap();
        browser.wait_until(STARTED).await.unwrap();
    }
    recorder.event(0).await;
    recorder.stays_at(1, QUIET).await;
}

async fn a_purchase_reaches_the_server_whole(engine: Engine) {
    let purchase = r#"afterclick('purchase', {id: 1001, value: 129.9, currency: 'eur', tax: '20.74', shipping: 0, coupon: 'ANNA"15',
        new_customer: true, items: [{sku: 'A1', name: 'Lampe „Nord“', category: 'Licht', qty: 2, price: 0.1 + 0.2}, {sku: 'B2'}]});"#;
    let (recorder, browser) = start(engine, &[("/thanks", page(purchase, ""))]).await;
    browser.open(&recorder.url("/thanks")).await.unwrap();
    let batch = recorder.event(0).await;
    let expected = json!({
        "id": "1001", "value": "129.9", "currency": "eur", "tax": "20.74", "shipping": "0", "coupon": "ANNA\"15", "new_customer": true,
        "items": [{ "sku": "A1", "name": "Lampe „Nord“", "category": "Licht", "qty": "2", "price": "0.3" }, { "sku": "B2" }],
    });
    assert_eq!(recorder.bodies()[0]["e"][0]["o"], expected);
    let order = batch.events[0].order.as_ref().expect("an order");
    assert_eq!(order.currency.map(|currency| currency.to_string()).as_deref(), Some("EUR"));
}

async fn denied_consent_stores_nothing_and_sends_nothing(engine: Engine) {
    let calls = "afterclick('page'); afterclick('purchase', {id: '1', value: 1, currency: 'EUR'});";
    let (recorder, browser) = start(
        engine,
        &[
            ("/attribute", page(calls, "data-consent=\"denied\"")),
            ("/call", page(&format!("{calls} afterclick('consent', 'denied');"), "")),
        ],
    )
    .await;
    for path in ["/attribute", "/call"] {
        browser.open(&recorder.url(&format!("{path}?ac={TOKEN}"))).await.unwrap();
        browser.wait_until(STARTED).await.unwrap();
        assert_eq!(browser.run(KEPT).await.unwrap(), "[[],[]]", "{path}");
        assert_eq!(browser.run("return document.cookie").await.unwrap(), "", "{path}");
        recorder.stays_at(0, QUIET).await;
        // The browser's own list of what the page asked for: the pixel's files, and nothing else.
        let asked =
            "return performance.getEntriesByType('resource').map(entry => new URL(entry.name).pathname)
            .filter(path => !/^._ac.px[.-]/.test(path) && !path.includes('icon')).join()";
        assert_eq!(browser.run(asked).await.unwrap(), "", "{path}");
    }
}

async fn consent_withdrawn_forgets_and_consent_granted_begins(engine: Engine) {
    let pages = [("/", page("", "")), ("/denied", page("", "data-consent=\"denied\""))];
    let (recorder, browser) = start(engine, &pages).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    recorder.event(0).await;
    browser.wait_until(STARTED).await.unwrap();
    browser.run("afterclick('consent', 'denied'); afterclick('page')").await.unwrap();
    assert_eq!(browser.run(KEPT).await.unwrap(), "[[],[]]");
    recorder.stays_at(1, QUIET).await;
    browser.open(&recorder.url(&format!("/denied?ac={TOKEN}"))).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    assert_eq!(
        browser.address().await.unwrap(),
        recorder.url("/denied"),
        "shared without the click"
    );
    browser.run("afterclick('consent', 'granted')").await.unwrap();
    let session = recorder.event(1).await;
    assert_eq!((session.consent, session.token.as_str()), (Consent::Granted, TOKEN));
    assert_eq!(session.events[0].name, EventName::Session);
}

async fn unknown_consent_waits_and_granted_later_sends_what_waited(engine: Engine) {
    let calls = "afterclick('lead', {id: 'L1'});";
    let (recorder, browser) =
        start(engine, &[("/", page(calls, "data-consent=\"unknown\""))]).await;
    let landing = recorder.url(&format!("/?ac={TOKEN}"));
    browser.open(&landing).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    browser.run("afterclick('getToken', token => { window.token = token })").await.unwrap();
    recorder.stays_at(0, QUIET).await;
    assert_eq!(browser.run(KEPT).await.unwrap(), "[[],[]]");
    assert_eq!(browser.address().await.unwrap(), landing, "a reload still needs the token");
    browser.run("afterclick('consent', 'granted')").await.unwrap();
    recorder.event(1).await;
    assert_eq!(names_of(&recorder.events()), ["lead", "session"]);
    assert!(
        recorder
            .events()
            .iter()
            .all(|batch| batch.consent == Consent::Granted && batch.token == TOKEN)
    );
    assert_eq!(browser.run("return window.token").await.unwrap(), TOKEN);
    assert_eq!(browser.address().await.unwrap(), recorder.url("/"));
}

/// The browser said it when the link was clicked, and says nothing here.
async fn a_token_that_says_no_is_a_no_and_nothing_is_kept_of_it(engine: Engine) {
    let (recorder, browser) = start(engine, &[("/", page("", "data-consent=\"granted\""))]).await;
    let refused = format!("{}g{}", &TOKEN[..5], &TOKEN[6..]);
    browser.open(&recorder.url(&format!("/?ac={refused}"))).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    recorder.stays_at(0, QUIET).await;
    assert_eq!(browser.run(KEPT).await.unwrap(), "[[],[]]");
    assert_eq!(browser.address().await.unwrap(), recorder.url("/"), "nobody shares the click");
    browser.run("afterclick('consent', 'granted')").await.unwrap();
    assert_eq!(recorder.event(0).await.consent, Consent::Granted);
}

async fn global_privacy_control_is_a_no_unless_the_visitor_says_yes(engine: Engine) {
    let control = "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true});";
    let (recorder, browser) =
        start(engine, &[("/", page(control, "data-consent=\"granted\""))]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    recorder.stays_at(0, QUIET).await;
    assert_eq!(browser.run(KEPT).await.unwrap(), "[[],[]]");
    browser.run("afterclick('consent', 'granted')").await.unwrap();
    assert_eq!(recorder.event(0).await.consent, Consent::Granted);
}

async fn googles_consent_mode_is_heard(engine: Engine) {
    let mode = "window.dataLayer = []; function gtag() { dataLayer.push(arguments) }
        gtag('consent', 'default', {ad_storage: 'denied', ad_user_data: 'denied', wait_for_update: 500});
        gtag('js', new Date()); afterclick('lead', {id: 'L1'});";
    let (recorder, browser) = start(engine, &[("/", page(mode, ""))]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    recorder.stays_at(0, QUIET).await;
    assert_eq!(
        browser.run(KEPT).await.unwrap(),
        "[[],[]]",
        "a default of denied waits for the banner"
    );
    browser
        .run("gtag('consent', 'update', {ad_storage: 'granted', ad_user_data: 'granted'}); gtag('consent', 'default', {ad_storage: 'granted'})")
        .await
        .unwrap();
    recorder.event(1).await;
    assert_eq!(names_of(&recorder.events()), ["lead", "session"]);
    assert!(recorder.events().iter().all(|batch| batch.consent == Consent::Granted));
    // A default that comes too late counts for nothing.
    browser.run("gtag('consent', 'default', {ad_storage: 'denied'})").await.unwrap();
    tokio::time::sleep(QUIET).await;
    browser.run("afterclick('lead', {id: 'L2'})").await.unwrap();
    recorder.event(2).await;
    // What an update does not name stays as it was.
    browser.run("gtag('consent', 'update', {ad_user_data: 'denied'})").await.unwrap();
    browser.wait_until("return !Object.keys(localStorage).length").await.unwrap();
    browser.run("gtag('consent', 'update', {ad_storage: 'granted'})").await.unwrap();
    tokio::time::sleep(QUIET).await;
    browser
        .run("gtag('consent', 'default', {ad_storage: 'granted'}); afterclick('page')")
        .await
        .unwrap();
    recorder.stays_at(3, QUIET).await;
}

async fn the_transparency_and_consent_framework_is_heard(engine: Engine) {
    let framework = "window.__tcfapi = (command, version, listener) => { window.heard = [command, version].join();
            window.tell = (eventStatus, one, gdprApplies = true) => listener({gdprApplies, eventStatus, purpose: {consents: {1: one}}}, true);
            tell('cmpuishown', false) };";
    let (recorder, browser) = start(engine, &[("/", page(framework, ""))]).await;
    for (answer, is_sent) in [
        ("tell('useractioncomplete', true)", true),
        ("tell('useractioncomplete', false)", false),
        ("tell('tcloaded', true)", true),
        ("tell(undefined, false, false)", true),
    ] {
        let before = recorder.events().len();
        browser.open("about:blank").await.unwrap();
        let token = TOKEN.replace('A', &before.to_string());
        browser.open(&recorder.url(&format!("/?ac={token}"))).await.unwrap();
        browser.wait_until("return !!window.heard").await.unwrap();
        recorder.stays_at(before, QUIET).await;
        assert_eq!(browser.run("return heard").await.unwrap(), "addEventListener,2");
        browser.run(answer).await.unwrap();
        if is_sent {
            assert_eq!(recorder.event(before).await.consent, Consent::Granted, "{answer}");
        }
        recorder.stays_at(before + usize::from(is_sent), QUIET).await;
        assert_eq!(browser.run("return !!localStorage.length").await.unwrap(), is_sent, "{answer}");
    }
}

async fn shopifys_customer_privacy_is_heard(engine: Engine) {
    let shop = "window.answer = {marketing: false, banner: true};
        window.Shopify = {loadFeatures: (features, done) => setTimeout(() => { window.loaded = features[0].name;
            Shopify.customerPrivacy = {marketingAllowed: () => answer.marketing, shouldShowBanner: () => answer.banner}; done() }, 50)};";
    let (recorder, browser) = start(engine, &[("/", page(shop, ""))]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    browser.wait_until("return window.loaded === 'consent-tracking-api'").await.unwrap();
    recorder.stays_at(0, QUIET).await;
    browser.run("window.answer = {marketing: true, banner: false}").await.unwrap();
    assert_eq!(recorder.event(0).await.consent, Consent::Granted);
    browser.run("window.answer = {marketing: false, banner: false}").await.unwrap();
    browser.wait_until("return !localStorage.length").await.unwrap();
}

async fn an_event_survives_503_and_goes_out_again_with_its_id(engine: Engine) {
    let purchase = "afterclick('purchase', {id: '7', value: '5.00', currency: 'EUR'});";
    let (recorder, browser) =
        start(engine, &[("/thanks", page(purchase, "")), ("/next", page("", ""))]).await;
    recorder.answer(503);
    browser.open(&recorder.url("/thanks")).await.unwrap();
    let first = recorder.event(0).await;
    browser.open(&recorder.url("/next")).await.unwrap();
    recorder.answer(204);
    browser.reload().await.unwrap();
    browser.wait_until(&WAITING.replace("length", "length === 0")).await.unwrap();
    let tries = recorder.events();
    assert!(tries.len() > 1);
    for batch in &tries {
        assert_eq!(
            (&batch.events[0].id, batch.events[0].ts),
            (&first.events[0].id, first.events[0].ts)
        );
    }
    browser.reload().await.unwrap();
    recorder.stays_at(tries.len(), QUIET).await;
}

async fn what_waits_goes_out_by_itself_when_the_server_is_back(engine: Engine) {
    let calls = "afterclick('lead', {id: 'L1'}); afterclick('lead', {id: 'L2'});";
    let (recorder, browser) = start(engine, &[("/", page(calls, ""))]).await;
    recorder.answer(503);
    browser.open(&recorder.url("/")).await.unwrap();
    recorder.event(1).await;
    recorder.answer(204);
    browser.wait_until(&WAITING.replace("length", "length === 0")).await.unwrap();
    let ids = |range: &[Batch]| {
        let mut ids: Vec<_> = range.iter().map(|batch| batch.events[0].id.clone()).collect();
        ids.sort();
        ids.dedup();
        ids
    };
    assert_eq!(ids(&recorder.events()).len(), 2, "the same two events again");
}

async fn what_waits_goes_out_when_the_connection_is_back(engine: Engine) {
    let (recorder, browser) = start(engine, &[("/", page("", ""))]).await;
    recorder.answer(503);
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    let first = recorder.event(0).await;
    browser.wait_until(STARTED).await.unwrap();
    recorder.answer(204);
    browser.run("dispatchEvent(new Event('online'))").await.unwrap();
    assert_eq!(recorder.event(1).await.events[0].id, first.events[0].id);
}

async fn a_body_the_server_will_never_take_is_not_sent_again(engine: Engine) {
    let (recorder, browser) =
        start(engine, &[("/", page("afterclick('lead', {id: 'L1'})", ""))]).await;
    recorder.answer(400);
    browser.open(&recorder.url("/")).await.unwrap();
    recorder.event(0).await;
    browser.wait_until(&WAITING.replace("length", "length === 0")).await.unwrap();
    browser.wait_until("return window.warnings.length > 0").await.unwrap();
    assert!(
        warnings(&browser).await[0].contains("e: the recorder says no"),
        "the server's own words"
    );
    browser.reload().await.unwrap();
    recorder.stays_at(1, QUIET).await;
}

async fn twenty_events_and_32_kilobytes_wait_at_most(engine: Engine) {
    let (recorder, browser) = start(engine, &[("/", page("", ""))]).await;
    recorder.answer(503);
    browser.open(&recorder.url("/")).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    browser.run("for (let i = 0; i < 40; i++) afterclick('page')").await.unwrap();
    assert_eq!(browser.run(WAITING).await.unwrap(), 20);
    let large = "const items = Array.from({length: 90}, (_, i) => ({sku: 'A' + i, name: 'x'.repeat(60)}));
        for (let i = 1; i < 9; i++) afterclick('purchase', {id: 'P' + i, items});
        return Object.keys(localStorage).filter(key => key.includes('.e.')).reduce((sum, key) => sum + localStorage[key].length, 0)";
    let kept = browser.run(large).await.unwrap().as_u64().unwrap();
    assert!((16_000..=33_100).contains(&kept), "{kept} characters wait");
    let last = "return Object.keys(localStorage).some(key => localStorage[key].includes('\"P8\"'))";
    assert_eq!(browser.run(last).await.unwrap(), true, "the newest stays");
    browser.run("afterclick('purchase', {id: 'huge', items: Array.from({length: 50}, () => ({name: '€'.repeat(200), category: 'y'.repeat(200)}))})").await.unwrap();
    let huge =
        "return Object.values(localStorage).find(text => text.includes('\"huge\"')).includes('€')";
    assert_eq!(
        browser.run(huge).await.unwrap(),
        false,
        "an order that is too long goes without its lines"
    );
}

async fn page_views_push_no_purchase_out(engine: Engine) {
    let (recorder, browser) = start(engine, &[("/", page("", ""))]).await;
    recorder.answer(503);
    browser.open(&recorder.url("/")).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    browser
        .run("afterclick('purchase', {id: '1'}); afterclick('lead', {id: 'L1'}); for (let i = 0; i < 40; i++) afterclick('page')")
        .await
        .unwrap();
    let kept = "return ['purchase', 'lead', 'page'].map(name =>
        Object.keys(localStorage).filter(key => localStorage[key].includes('\"n\":\"' + name)).length).join()";
    assert_eq!(browser.run(kept).await.unwrap(), "1,1,18");
    // An order gives way to another order alone, the oldest first.
    browser
        .run("for (let i = 2; i < 23; i++) afterclick('purchase', {id: String(i)})")
        .await
        .unwrap();
    assert_eq!(browser.run(kept).await.unwrap(), "20,0,0");
    let oldest = "return Object.keys(localStorage).filter(key => key.includes('.e.')).sort().map(key => JSON.parse(localStorage[key].replace(/^\\d+ /, '')).e[0].o.id)[0]";
    assert_eq!(browser.run(oldest).await.unwrap(), "3");
}

async fn what_a_clock_ahead_has_dated_does_not_stay_for_ever(engine: Engine) {
    let kept =
        "for (const [name, days] of [['old', -31], ['young', -29], ['soon', 0.5], ['ahead', 400]])
        localStorage['ac.k1.o.purchase.' + name] = Math.round(Date.now() + days * 864e5) + ' 1';";
    let (recorder, browser) = start(engine, &[("/", page(kept, ""))]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    let left = "return Object.keys(localStorage).map(key => key.split('.').pop()).sort().join()";
    assert_eq!(browser.run(left).await.unwrap(), "soon,young");
}

async fn a_server_that_asks_for_patience_gets_it(engine: Engine) {
    let (recorder, browser) = start(engine, &[("/", page("", ""))]).await;
    recorder.answer(503);
    recorder.ask_for_patience(4);
    browser.open(&recorder.url("/")).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    let called = Instant::now();
    browser.run("afterclick('lead', {id: 'L1'})").await.unwrap();
    recorder.event(1).await;
    assert!(called.elapsed() >= Duration::from_secs(4), "{:?}", called.elapsed());
}

async fn what_waits_goes_out_when_the_page_is_looked_at_again(engine: Engine) {
    let (recorder, browser) = start(engine, &[("/", page("", ""))]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    browser.run(&format!("{HIDDEN}; afterclick('lead', {{id: 'L1'}})")).await.unwrap();
    let first = recorder.event(0).await;
    recorder.stays_at(1, QUIET).await;
    browser.run(SHOWN).await.unwrap();
    assert_eq!(recorder.event(1).await.events[0].id, first.events[0].id);
    browser.wait_until(&WAITING.replace("length", "length === 0")).await.unwrap();
}

async fn two_tabs_send_what_waits_once(engine: Engine) {
    let pages = [("/", page("", "")), ("/idle", "<!doctype html>idle".to_owned())];
    let (recorder, browser) = start(engine, &pages).await;
    browser.open(&recorder.url("/idle")).await.unwrap();
    // Ten events of a tab that is gone.
    let kept = "for (let i = 10; i < 20; i++) { const id = '0190a000-0000-7000-8000-0000000000' + i;
        localStorage['ac.k1.e.' + id] = Date.now() + ' ' + JSON.stringify({v: 1, k: 'k1', t: '', c: 'granted', e: [{id, n: 'lead', ts: 1}]}) }";
    browser.run(kept).await.unwrap();
    // Two pages of one browser: frames share its storage and its locks as tabs do.
    let both = "for (const name of ['one', 'two']) { const frame = document.createElement('iframe'); frame.src = '/'; document.body.append(frame) }";
    let has_locks = browser.run("return !!navigator.locks").await.unwrap();
    browser.run(both).await.unwrap();
    browser.wait_until(&WAITING.replace("length", "length === 0")).await.unwrap();
    tokio::time::sleep(QUIET).await;
    let mut ids: Vec<_> =
        recorder.events().into_iter().map(|batch| batch.events[0].id.clone()).collect();
    let sent = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10, "nothing is lost");
    assert!(has_locks != true || sent == 10, "{sent} requests for ten events");
}

async fn calls_of_the_connection_and_the_cache_send_one_at_a_time(engine: Engine) {
    let slow = "window.now = 0, window.most = 0; const real = fetch; window.fetch = async (url, request) => {
        if (!request || request.method !== 'POST') return real(url, request);
        window.most = Math.max(most, ++window.now);
        await new Promise(done => setTimeout(done, 100));
        try { return await real(url, request) } finally { window.now-- } };
        for (let i = 10; i < 20; i++) { const id = '0190a000-0000-7000-8000-0000000000' + i;
        localStorage['ac.k1.e.' + id] = Date.now() + ' ' + JSON.stringify({v: 1, k: 'k1', t: '', c: 'granted', e: [{id, n: 'lead', ts: 1}]}) }";
    let (recorder, browser) = start(engine, &[("/", page(slow, ""))]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    let storm = "for (let i = 0; i < 5; i++) { dispatchEvent(new Event('online')); dispatchEvent(new PageTransitionEvent('pageshow', {persisted: false})) }";
    browser.run(storm).await.unwrap();
    browser.wait_until(&WAITING.replace("length", "length === 0")).await.unwrap();
    assert_eq!(recorder.events().len(), 10);
    assert_eq!(browser.run("return most").await.unwrap(), 1);
}

/// Keeping the landing's token and handing it on wait for one file behind the script, and for no
/// request to the collector.
async fn the_token_is_there_with_the_core_and_waits_for_no_answer(engine: Engine) {
    let late = "const real = fetch; window.sent = []; window.fetch = (url, request) =>
        request && request.method === 'POST' ? new Promise(done => sent.push(() => done(real(url, request)))) : real(url, request);
        afterclick('purchase', {id: '1'}); afterclick('consent', 'granted'); afterclick('purchase', {id: '2'});";
    let (recorder, browser) = start(engine, &[("/", page(late, ""))]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    browser
        .wait_until(&format!("return !!afterclick.getToken && afterclick.getToken() === '{TOKEN}'"))
        .await
        .unwrap();
    browser.wait_until("return sent.length === 3").await.unwrap();
    recorder.stays_at(0, QUIET).await;
    assert_eq!(
        browser
            .run("return Object.keys(localStorage).map(key => key.split('.')[2]).sort().join()")
            .await
            .unwrap(),
        "e,e,e,o,o,t",
        "all is kept before anything is sent"
    );
    assert_eq!(browser.address().await.unwrap(), recorder.url("/"));
    assert_eq!(recorder.pixel_files(), 2, "the script, and one file behind it");
    browser
        .run("const held = sent.splice(0); sent.push = go => go(); held.forEach(go => go()); afterclick('lead', {id: 'L1'})")
        .await
        .unwrap();
    recorder.event(3).await;
    assert_eq!(names_of(&recorder.events()), ["lead", "purchase", "purchase", "session"]);
    assert!(recorder.events().iter().all(|batch| batch.consent == Consent::Granted));
}

async fn a_malformed_call_warns_once_names_the_field_and_is_not_sent(engine: Engine) {
    let (recorder, browser) = start(engine, &[("/", page("", ""))]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    for (call, field) in [
        ("'purchase', {value: 5, currency: 'EUR'}", "id \"\""),
        ("'purchase'", "id \"\""),
        ("'purchase', null", "id \"\""),
        ("'purchase', {id: '{{order_id}}'}", "id \"{{order_id}}\""),
        ("'purchase', {id: ' #undefined '}", "id \"#undefined\""),
        ("'purchase', {id: 'M1', value: '129,90 €', currency: 'EUR'}", "value \"129,90 €\""),
        ("'purchase', {id: 'M2', value: NaN, currency: 'EUR'}", "value \"NaN\""),
        ("'purchase', {id: 'M3', value: '5'}", "currency \"\""),
        ("'purchase', {id: 'M4', value: '5', currency: 'EURO'}", "currency \"EURO\""),
        ("'purchase', {id: 'M5', tax: {}}", "tax \"[object Object]\""),
        ("'purchase', {id: 'M6', items: [{sku: 'A'}, {qty: 'two'}]}", "qty \"two\""),
        ("'lead', {id: 'null'}", "id \"null\""),
    ] {
        browser.run("window.warnings.length = 0").await.unwrap();
        browser.run(&format!("afterclick({call})")).await.unwrap();
        let warnings = warnings(&browser).await;
        assert_eq!(warnings.len(), 1, "{call}: {warnings:?}");
        assert!(warnings[0].contains(field), "{call}: {warnings:?}");
    }
    recorder.stays_at(0, QUIET).await;
    browser.run("afterclick('purchase', {id: 'M4', value: '5', currency: 'EUR'})").await.unwrap();
    recorder.event(0).await;
    assert_eq!(browser.run("return window.errors.length").await.unwrap(), 0);
}

async fn wrong_calls_warn_and_never_throw(engine: Engine) {
    let calls = "afterclick('purchaze'); afterclick(); afterclick('consent', 'maybe');
        afterclick('purchase', {get id() { throw new Error('mine') }}); afterclick('getToken'); afterclick('lead');";
    let (recorder, browser) = start(engine, &[("/", page(calls, ""))]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    recorder.event(0).await;
    browser.wait_until("return window.warnings.length >= 5").await.unwrap();
    let warnings = warnings(&browser).await.join("\n");
    for part in ["purchaze", "undefined", "\"maybe\"", "mine", "getToken failed"] {
        assert!(warnings.contains(part), "{warnings} should name {part}");
    }
    assert_eq!(browser.run("return window.errors.length").await.unwrap(), 0);
}

async fn blocked_storage_loses_no_landing_and_no_purchase(engine: Engine) {
    let block = "for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, {get() { throw new DOMException('blocked', 'SecurityError') }});
        afterclick('purchase', {id: '9', value: '1.00', currency: 'EUR'});";
    let (recorder, browser) = start(engine, &[("/", page(block, ""))]).await;
    recorder.answer(503);
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    recorder.event(1).await;
    recorder.answer(204);
    assert_eq!(sent(&recorder.bodies(), "purchase")["o"]["id"], "9");
    let first = recorder.events();
    recorder.event(2).await;
    assert!(
        first.iter().any(|batch| batch.events[0].id == recorder.events()[2].events[0].id),
        "tried again"
    );
    assert!(recorder.bodies().iter().all(|body| body["t"] == TOKEN));
    assert_eq!(
        browser.run("return [window.errors.length, window.warnings.length].join()").await.unwrap(),
        "0,0"
    );
}

async fn full_storage_loses_no_purchase(engine: Engine) {
    let fill = "try { for (let size = 1 << 22; size; size >>= 1) for (;;) { try { localStorage['fill' + Math.random()] = 'x'.repeat(size) } catch { break } } } catch {}
        afterclick('purchase', {id: '9', value: '1.00', currency: 'EUR'});";
    let (recorder, browser) = start(engine, &[("/", page(fill, ""))]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    recorder.event(1).await;
    assert_eq!(sent(&recorder.bodies(), "purchase")["o"]["id"], "9");
    assert!(
        recorder.bodies().iter().all(|body| body["t"] == TOKEN),
        "the landing's token serves this page"
    );
    assert_eq!(
        browser.run("return [window.errors.length, window.warnings.length].join()").await.unwrap(),
        "0,0"
    );
}

async fn a_hidden_page_sends_by_beacon_and_keeps_until_an_answer(engine: Engine) {
    let spy = "window.beacons = 0; const send = navigator.sendBeacon.bind(navigator);
        navigator.sendBeacon = (url, body) => { window.beacons++; return send(url, body) };";
    let (recorder, browser) = start(engine, &[("/", page(spy, ""))]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    recorder.event(0).await;
    browser.wait_until(STARTED).await.unwrap();
    assert_eq!(browser.run("return beacons").await.unwrap(), 0, "a visible page sends by fetch");
    browser
        .run("Object.defineProperty(document, 'hidden', {value: true}); afterclick('lead', {id: 'L1'})")
        .await
        .unwrap();
    let first = recorder.event(1).await;
    assert_eq!(recorder.request(1).await.content_type, "text/plain;charset=UTF-8");
    assert_eq!(browser.run("return beacons").await.unwrap(), 1);
    browser.reload().await.unwrap();
    browser.wait_until(&WAITING.replace("length", "length === 0")).await.unwrap();
    let again =
        recorder.events().into_iter().skip(2).any(|batch| batch.events[0].id == first.events[0].id);
    assert!(again, "no answer was seen, so it is sent again");
}

async fn a_page_opened_in_the_background_is_counted_when_it_is_looked_at(engine: Engine) {
    let hidden = "Object.defineProperty(document, 'hidden', {value: true, configurable: true});";
    let (recorder, browser) = start(engine, &[("/", page(hidden, ""))]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    recorder.stays_at(0, QUIET).await;
    assert_eq!(
        browser.run("return Object.keys(localStorage).join()").await.unwrap(),
        "ac.k1.t",
        "the token is safe"
    );
    browser.run(SHOWN).await.unwrap();
    assert_eq!(recorder.event(0).await.events[0].name, EventName::Session);
}

async fn a_prerendered_page_waits_for_its_visitor(engine: Engine) {
    let prerender = "Object.defineProperty(document, 'prerendering', {value: true, configurable: true}); afterclick('page');";
    let (recorder, browser) = start(engine, &[("/", page(prerender, ""))]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    recorder.stays_at(0, QUIET).await;
    assert!(!recorder.was_asked_for("/_ac/px-"), "nothing but the loader is fetched");
    browser.run("document.dispatchEvent(new Event('prerenderingchange'))").await.unwrap();
    recorder.event(1).await;
}

async fn a_page_that_comes_back_from_the_cache_is_a_page_again(engine: Engine) {
    let (recorder, browser) = start(engine, &[("/", page("", ""))]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    recorder.event(0).await;
    browser.wait_until(STARTED).await.unwrap();
    browser
        .run("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: false}))")
        .await
        .unwrap();
    recorder.stays_at(1, QUIET).await;
    browser
        .run("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
        .await
        .unwrap();
    assert_eq!(recorder.event(1).await.events[0].name, EventName::Page);
}

async fn pages_of_one_document_are_counted_with_the_back_button(engine: Engine) {
    let (recorder, browser) = start(engine, &[("/", page("", ""))]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    recorder.event(0).await;
    for (index, step) in [
        "history.pushState({}, '', '/lamps?sort=price')",
        "history.pushState({}, '', '/lamps/aurora')",
        "history.back()",
    ]
    .iter()
    .enumerate()
    {
        browser.run(step).await.unwrap();
        assert_eq!(recorder.event(index + 1).await.events[0].name, EventName::Page, "{step}");
    }
    assert_eq!(recorder.event(3).await.events[0].url, recorder.url("/lamps?sort=price"));
    browser.run("history.replaceState({}, '', '/lamps?sort=name')").await.unwrap();
    recorder.stays_at(4, QUIET).await;
}

async fn a_frame_is_no_visit_but_may_report_a_purchase(engine: Engine) {
    let frame = format!("<iframe src=\"/frame?ac={TOKEN}\"></iframe>");
    let purchase = "afterclick('purchase', {id: '7'})";
    let (recorder, browser) =
        start(engine, &[("/", page_with("", "", &frame)), ("/frame", page(purchase, ""))]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    let purchase = recorder.event(0).await;
    assert_eq!((purchase.events[0].name, purchase.token.as_str()), (EventName::Purchase, TOKEN));
    tokio::time::sleep(QUIET).await;
    // The page around it shares the storage, and may send what the frame is sending: the same
    // event, once for the server.
    assert!(recorder.events().iter().all(|batch| batch.events[0].id == purchase.events[0].id));
}

async fn two_merchants_on_a_page_do_not_meet(engine: Engine) {
    let second = "<script async src=\"/_ac/px.js\" data-key=\"k2\" data-name=\"other\"></script>
        <script async src=\"/_ac/px.js\" data-key=\"k3\"></script>";
    let (recorder, browser) =
        start(engine, &[("/", page_with("", "", second)), ("/one", page("", ""))]).await;
    browser.open(&recorder.url("/one")).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    browser.run("const s = document.createElement('script'); s.src = '/_ac/px.js'; s.dataset.key = 'k3'; document.head.append(s)").await.unwrap();
    browser.wait_until("return window.warnings.length === 1").await.unwrap();
    assert!(warnings(&browser).await[0].contains("data-name"));
    browser.run("const s = document.createElement('script'); s.src = '/_ac/px.js'; s.dataset.key = 'k2'; s.dataset.name = 'other'; document.head.append(s)").await.unwrap();
    browser
        .wait_until("return !!(window.other && other.q && !Array.isArray(other.q))")
        .await
        .unwrap();
    browser.run("other('lead', {id: 'L1'}); afterclick('lead', {id: 'L1'})").await.unwrap();
    recorder.event(1).await;
    let mut keys: Vec<_> = recorder.events().into_iter().map(|batch| batch.merchant_key).collect();
    keys.sort();
    assert_eq!(keys, ["k1", "k2"]);
}

async fn the_snippet_twice_is_harmless(engine: Engine) {
    let twice = page("afterclick('lead')", "")
        .replace("</body>", "<script async src=\"/_ac/px.js\" data-key=\"k1\"></script></body>");
    let (recorder, browser) = start(engine, &[("/", twice)]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    recorder.event(1).await;
    recorder.stays_at(2, QUIET).await;
    assert_eq!(
        browser.run("return [window.errors.length, window.warnings.length].join()").await.unwrap(),
        "0,0"
    );
}

async fn a_page_that_breaks_the_browsers_functions_is_not_broken_further(engine: Engine) {
    let broken = "history.replaceState = () => { throw new Error('no more') }; const real = fetch; let posts = 0;
        window.fetch = (url, request) => { if (request && request.method == 'POST' && posts++ < 1) throw new Error('mine'); return real(url, request) };";
    let tagless = page("", "").replace(" data-key=\"k1\"", "");
    let (recorder, browser) =
        start(engine, &[("/", page(broken, "")), ("/tagless", tagless)]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    let session = recorder.event(0).await;
    assert_eq!((session.events[0].name, session.token.as_str()), (EventName::Session, TOKEN));
    assert_eq!(browser.run("return window.errors.length").await.unwrap(), 0);
    browser.open(&recorder.url("/tagless")).await.unwrap();
    browser.wait_until("return window.warnings.length === 1").await.unwrap();
    assert!(warnings(&browser).await[0].contains("data-key is missing"));
    let without_tag = "const s = document.createElement('script'); s.type = 'module'; s.src = '/_ac/px.js';
        s.onload = () => { window.loaded = true }; document.querySelectorAll('[data-key]').forEach(tag => tag.remove()); document.head.append(s)";
    browser.run(without_tag).await.unwrap();
    browser.wait_until("return !!window.loaded").await.unwrap();
    assert_eq!(browser.run("return window.errors.length").await.unwrap(), 0);
}

async fn a_policy_without_wasm_gets_the_same_events(engine: Engine) {
    let pages = ["/open", "/strict"].map(|path| (path, page("", "")));
    let (recorder, browser) = start(engine, &pages).await;
    recorder.policy("/strict", "script-src 'self' 'unsafe-inline'; connect-src 'self'");
    recorder.policy(
        "/open",
        "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; connect-src 'self'",
    );
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../../pixel-wasm/cases.json")).expect("JSON");
    let mut told = Vec::new();
    for path in ["/open", "/strict"] {
        let before = recorder.bodies().len();
        browser.open(&recorder.url(path)).await.unwrap();
        browser.wait_until(STARTED).await.unwrap();
        browser.run("localStorage.clear(); window.warnings.length = 0").await.unwrap();
        let run = format!(
            "for (const order of {}) afterclick('purchase', order)",
            json!(cases.iter().map(|case| &case["order"]).collect::<Vec<_>>())
        );
        browser.run(&run).await.unwrap();
        let accepted: Vec<_> = cases.iter().filter(|case| case["sent"].is_object()).collect();
        recorder.event(before + accepted.len() - 1).await;
        recorder.stays_at(before + accepted.len(), QUIET).await;
        let mut orders: Vec<_> = recorder
            .bodies()
            .split_off(before)
            .iter()
            .map(|body| body["e"][0]["o"].to_string())
            .collect();
        orders.sort();
        let mut expected: Vec<_> = accepted.iter().map(|case| case["sent"].to_string()).collect();
        expected.sort();
        assert_eq!(orders, expected, "{path}");
        let warnings = warnings(&browser).await;
        let refused = cases.iter().filter_map(|case| case["refused"].as_str()).collect::<Vec<_>>();
        assert_eq!(warnings.len(), refused.len(), "{path}: {warnings:?}");
        for (warning, field) in warnings.iter().zip(&refused) {
            assert!(
                warning.contains(&format!(" {field} \"")),
                "{path}: {warning} should name {field}"
            );
        }
        told.push(warnings);
    }
    assert_eq!(told[0], told[1]);
    if engine == Engine::Chromium {
        let plain = dist_file("plain");
        assert!(
            recorder.was_asked_for(&format!("/_ac/{plain}")),
            "Chromium refuses WebAssembly under this policy"
        );
    }
}

async fn a_page_that_demands_trusted_types_is_served_or_told_why(engine: Engine) {
    let pages =
        ["/allowed", "/free", "/forbidden"].map(|path| (path, page("afterclick('lead')", "")));
    let (recorder, browser) = start(engine, &pages).await;
    // WebAssembly needs no such policy. A page that forbids it needs one for the script in its place.
    let demand =
        "script-src 'self' 'unsafe-inline'; require-trusted-types-for 'script'; trusted-types";
    recorder.policy("/allowed", &format!("{demand} afterclick"));
    recorder.policy("/free", "require-trusted-types-for 'script'; trusted-types other");
    recorder.policy("/forbidden", &format!("{demand} other"));
    for (index, path) in ["/allowed", "/free"].iter().enumerate() {
        browser.open(&recorder.url(path)).await.unwrap();
        recorder.event(index).await;
        assert_eq!(browser.run("return window.errors.length").await.unwrap(), 0, "{path}");
    }
    let demands = browser.run("return !!window.trustedTypes").await.unwrap();
    browser.open(&recorder.url("/forbidden")).await.unwrap();
    if demands == true {
        browser.wait_until("return window.warnings.length === 1").await.unwrap();
        assert!(warnings(&browser).await[0].contains("trusted-types afterclick"));
        assert_eq!(browser.run("return window.errors.length").await.unwrap(), 0);
        recorder.stays_at(2, QUIET).await;
    } else {
        recorder.event(2).await;
    }
}

async fn a_page_left_alone_is_looked_at_once_a_second_at_most(engine: Engine) {
    let spies = "window.timers = []; for (const name of ['setTimeout', 'setInterval']) { const real = window[name];
            window[name] = (run, ms, ...rest) => { timers.push([name, Math.round(ms)]); return real(run, ms, ...rest) } }
        window.dataLayer = new Proxy(Array.from({length: 10000}, (_, i) => ({event: 'e' + i})), {
            get: (layer, name) => { window.reads = (window.reads || 0) + 1; return layer[name] } });";
    let own = format!("{spies} afterclick('consent', 'granted')");
    let (recorder, browser) =
        start(engine, &[("/", page(spies, "")), ("/own", page(&own, ""))]).await;
    for path in ["/", "/own"] {
        browser.open(&recorder.url(path)).await.unwrap();
        browser.wait_until(STARTED).await.unwrap();
        browser.run("window.timers.length = 0; window.reads = 0").await.unwrap();
        tokio::time::sleep(Duration::from_secs(4)).await;
        // WebKit's driver sets a long timer of its own for each script that it runs.
        let short = "return timers.filter(([name, ms]) => ms < 5000).length";
        let looks_now = async || browser.run(short).await.unwrap().as_u64().unwrap();
        let looks = looks_now().await;
        let reads = browser.run("return reads").await.unwrap().as_u64().unwrap();
        let wrong =
            "return timers.filter(([name, ms]) => name === 'setInterval' || ms < 1000).length";
        assert_eq!(browser.run(wrong).await.unwrap(), 0, "{path}");
        // A loaded machine may let a timer wait, and never lets one come early.
        assert!(looks <= 5, "{path}: {looks}");
        assert!(
            reads <= 10 * (looks + 1),
            "{path}: {reads} reads of the data layer in {looks} looks"
        );
        let has_navigation = browser.run("return !!window.navigation").await.unwrap() == true;
        if path == "/own" && has_navigation {
            assert_eq!(looks, 0, "events tell everything");
        }
        browser.run(&format!("{HIDDEN}; window.timers.length = 0")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(looks_now().await, 0, "{path}: hidden");
    }
}

async fn requests_need_no_preflight_and_carry_the_cookie(engine: Engine) {
    let (recorder, browser) = start(engine, &[("/", page("afterclick('lead')", ""))]).await;
    browser.open(&recorder.url("/")).await.unwrap();
    let request = recorder.request(0).await;
    assert_eq!(request.content_type, "text/plain;charset=UTF-8");
    assert_eq!(request.cookie, "ac=from-the-redirect", "the script-proof cookie travels by itself");
}

async fn the_data_layer_is_read_in_all_its_shapes(engine: Engine) {
    let before = "window.dataLayer = [{event: 'gtm.js'}, 'noise', null, {event: 'purchase', ecommerce: {transaction_id: 'T1', value: 72.05, currency: 'USD',
            tax: 3.6, shipping: 5.99, coupon: 'SUMMER_SALE', items: [{item_id: 'SKU_1', item_name: 'Tee', item_category: 'Apparel', price: 10.01, quantity: 3}]}}];
        function gtag() { dataLayer.push(arguments) }";
    let pages = [
        ("/", page(before, "data-ga4")),
        ("/off", page(before, "")),
        ("/named", page("window.shopLayer = []", "data-ga4=\"shopLayer\"")),
    ];
    let (recorder, browser) = start(engine, &pages).await;
    browser.open(&recorder.url("/off")).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    recorder.stays_at(0, QUIET).await;
    browser.open(&recorder.url("/")).await.unwrap();
    recorder.event(0).await;
    let order = &recorder.bodies()[0]["e"][0]["o"];
    let expected = json!({ "id": "T1", "value": "72.05", "currency": "USD", "tax": "3.6", "shipping": "5.99", "coupon": "SUMMER_SALE",
        "source": "ga4", "items": [{ "sku": "SKU_1", "name": "Tee", "category": "Apparel", "qty": "3", "price": "10.01" }] });
    assert_eq!(*order, expected, "pushed before the pixel was there");
    for (index, (push, id, value)) in [
        ("gtag('event', 'purchase', {transaction_id: 'T2', value: '380.00', currency: 'EUR', items: [null, {item_id: 'A', quantity: '2'}]})", "T2", "380.00"),
        ("dataLayer.push({ecommerce: null}, {event: 'orderComplete', ecommerce: {currencyCode: 'EUR', purchase: {actionField: {id: 'T3', revenue: '35.43', tax: '4.90', shipping: '5.99', coupon: 'X'}, products: [{id: 'P1', name: 'Tee', category: 'Apparel', price: '15.25', quantity: 1}]}}})", "T3", "35.43"),
        ("window.dataLayer = [{event: 'purchase', ecommerce: {transaction_id: 4, value: 1, currency: 'EUR'}}]", "4", "1"),
        ("dataLayer.push({event: 'purchase', transaction_id: 'T5', value: 2, currency: 'EUR'})", "T5", "2"),
        ("dataLayer.push({event: 'purchase', ecommerce: {transaction_id: 'T7', value: '1,234.50', currency: 'EURO', coupon: ['A', 'B']}})", "T7", "1,234.50"),
    ]
    .iter()
    .enumerate()
    {
        browser.run(push).await.unwrap();
        recorder.event(index + 1).await;
        let order = &recorder.bodies()[index + 1]["e"][0]["o"];
        assert_eq!((&order["id"], &order["value"], &order["source"]), (&json!(id), &json!(value), &json!("ga4")), "{push}");
    }
    let legacy = &recorder.bodies()[2]["e"][0]["o"];
    assert_eq!((&legacy["currency"], &legacy["items"][0]["sku"]), (&json!("EUR"), &json!("P1")));
    assert_eq!(
        recorder.bodies()[5]["e"][0]["o"]["coupon"],
        "A,B",
        "the server judges what decorates"
    );
    browser
        .run("dataLayer.push({event: 'refund', ecommerce: {transaction_id: 'T1'}}, {event: 'purchase', ecommerce: {transaction_id: 'T1', value: 72.05, currency: 'USD'}},
            {event: 'purchase', ecommerce: {transaction_id: '', value: 1, currency: 'EUR'}}, {event: 'purchase', ecommerce: {transaction_id: '{{id}}'}}, {event: 'add_to_cart', ecommerce: {items: []}})")
        .await
        .unwrap();
    browser.wait_until("return window.warnings.length >= 2").await.unwrap();
    recorder.stays_at(6, QUIET).await;
    assert_eq!(warnings(&browser).await.len(), 2, "an empty id and a placeholder");
    browser.open(&recorder.url("/named")).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    // A purchase that is pushed as the page is left.
    browser
        .run("shopLayer.push({event: 'purchase', ecommerce: {transaction_id: 'T6'}}); location.href = '/off'")
        .await
        .unwrap();
    recorder.event(6).await;
    assert_eq!(recorder.bodies()[6]["e"][0]["o"]["id"], "T6");
}

async fn the_orders_key_comes_from_the_page_or_from_the_address(engine: Engine) {
    let layer = "window.dataLayer = [{event: 'purchase', ecommerce: {transaction_id: 'T1', key: 'in-the-layer'}}]";
    let calls =
        "afterclick('purchase', {id: '1', key: 'k-1'}); afterclick('purchase', {id: '2', key: ''})";
    let pages = [
        ("/thanks", page(calls, "")),
        ("/layer", page_with(layer, "data-ga4", "")),
        (
            "/bare",
            page_with(
                "window.dataLayer = [{event: 'purchase', transaction_id: 'T2'}]",
                "data-ga4",
                "",
            ),
        ),
    ];
    let (recorder, browser) = start(engine, &pages).await;
    for (path, keys) in [
        ("/thanks?key=wc_order_58d2d042d1d#top", &["k-1", "wc_order_58d2d042d1d"][..]),
        ("/layer?order=7&key=wc_order_58d2d042d1d", &["in-the-layer"]),
        ("/bare?order=8&key=wc_order_58d2d042d1d", &["wc_order_58d2d042d1d"]),
    ] {
        let before = recorder.bodies().len();
        browser.open(&recorder.url(path)).await.unwrap();
        recorder.event(before + keys.len() - 1).await;
        let bodies = recorder.bodies().split_off(before);
        let mut sent: Vec<_> =
            bodies.iter().filter_map(|body| body["e"][0]["o"]["key"].as_str()).collect();
        sent.sort_unstable();
        assert_eq!(sent, keys, "{path}");
    }
}

async fn the_token_is_handed_to_forms_stripe_and_shopify(engine: Engine) {
    let body = "<form onsubmit='event.preventDefault()'><input type=hidden name=_ac><button id=go>Go</button></form>
        <input type=hidden id=shops name=_ac value=cookie><a id=pay href='https://buy.stripe.com/test_1'>Pay</a><a id=own href='https://buy.stripe.com/test_2?client_reference_id=cart_7'>Pay</a>
        <stripe-buy-button id=button></stripe-buy-button><a id=other href='https://shop.example/'>Other</a>";
    let (recorder, browser) =
        start(engine, &[("/", page_with("", "data-cart=\"shopify\"", body))]).await;
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    recorder.event(0).await;
    browser
        .wait_until(&format!("return document.querySelector('[name=_ac]').value === '{TOKEN}'"))
        .await
        .unwrap();
    let places = "return [pay.href, own.href, other.href, button.getAttribute('client-reference-id'), afterclick.getToken(), shops.value].join(' ')";
    assert_eq!(
        browser.run(places).await.unwrap(),
        format!(
            "https://buy.stripe.com/test_1?&client_reference_id={TOKEN} https://buy.stripe.com/test_2?client_reference_id=cart_7 https://shop.example/ {TOKEN} {TOKEN} cookie"
        )
    );
    let cart = format!("/cart/update.js attributes%5B_ac%5D={TOKEN}");
    assert!(recorder.was_asked_for(&cart));
    // A form that a script adds later is filled when it is sent.
    browser
        .run("document.querySelector('form').innerHTML = '<input type=hidden name=_ac><button id=go>Go</button>'")
        .await
        .unwrap();
    browser.click("#go").await.unwrap();
    assert_eq!(
        browser.run("return document.querySelector('[name=_ac]').value").await.unwrap(),
        TOKEN
    );
}

/// What Shopify gives to a pixel, and what it then reports: pages of a visit, and an order twice.
const SHOPIFY: &str = r#"
    const storage = () => { const kept = {}; return {getItem: async key => kept[key] ?? null, setItem: async (key, value) => { kept[key] = String(value) }} };
    // The purchase's own request fails: it waits for the next event, and the same checkout does not
    // report it again.
    const real = fetch; let requests = 0;
    self.fetch = (...words) => requests++ == 2 ? Promise.reject(new Error('no network')) : real(...words);
    const handlers = {}, browser = {localStorage: storage(), sessionStorage: storage()};
    let answer;
    afterclickShopify({key: 'k1', origin: 'ORIGIN', browser, init: {customerPrivacy: {marketingAllowed: false}},
        analytics: {subscribe: (name, handle) => { handlers[name] = handle }}, customerPrivacy: {subscribe: (name, handle) => { answer = handle }}});
    const page = href => ({context: {document: {location: {href}, referrer: 'https://social.example/'}}});
    handlers.page_viewed(page('https://shop.example/?ac=TOKEN&x=1'));
    setTimeout(() => {
        const before = requests;
        answer({customerPrivacy: {marketingAllowed: true}});
        handlers.page_viewed(page('https://shop.example/lamps'));
        for (let i = 0; i < 2; i++) setTimeout(() => handlers.checkout_completed({...page('https://shop.example/thanks'), data: CHECKOUT}), 20);
        setTimeout(() => handlers.page_viewed(page('https://shop.example/after?requests-before-the-answer=' + before)), 40);
    }, 600);
"#;

async fn shopifys_worker_and_sandboxed_frame_report_the_same(engine: Engine) {
    let fixture = include_str!("../fixtures/shopify/DERIVED_web_pixel_checkout_completed.json");
    let mut fixture: Value = serde_json::from_str(fixture).expect("JSON");
    let handed = TOKEN.replace('A', "C");
    fixture["data"]["checkout"]["attributes"] = json!([{ "key": "_ac", "value": handed }]);
    let checkout = fixture["data"].to_string();
    let shopify = SHOPIFY
        .replace("CHECKOUT", &checkout)
        .replace("TOKEN", TOKEN)
        .replace("'ORIGIN'", "origin");
    let worker = format!(
        "<!doctype html><script>const code = 'const origin = ' + JSON.stringify(location.origin) + '; importScripts(origin + \"/_ac/px-shopify.js\");' + {};
         new Worker(URL.createObjectURL(new Blob([code])))</script>",
        json!(shopify)
    );
    let frame = format!(
        "<!doctype html><body><script>const frame = document.createElement('iframe'); frame.sandbox = 'allow-scripts';
         frame.srcdoc = '<script src=\"' + location.origin + '/_ac/px-shopify.js\"></scr' + 'ipt><script>const origin = ' + JSON.stringify(location.origin) + ';' + {} + '</scr' + 'ipt>';
         document.body.append(frame)</script></body>",
        json!(shopify).to_string().replace("</", "<\\/")
    );
    let (recorder, browser) = start(engine, &[("/worker", worker), ("/frame", frame)]).await;
    for (path, origin) in [("/worker", recorder.url("")), ("/frame", "null".to_owned())] {
        let before = recorder.events().len();
        browser.open(&recorder.url(path)).await.unwrap();
        recorder.event(before + 3).await;
        recorder.stays_at(before + 4, QUIET).await;
        let (mut events, mut bodies) =
            (recorder.events().split_off(before), recorder.bodies().split_off(before));
        // In the order in which they happened: the one that failed arrives later.
        events.sort_by_key(|batch| batch.events[0].ts);
        bodies.sort_by_key(|body| body["e"][0]["ts"].as_i64());
        let names: Vec<_> = events.iter().map(|batch| batch.events[0].name.as_str()).collect();
        assert_eq!(names, ["session", "page", "purchase", "page"], "{path}");
        let tokens: Vec<_> = events.iter().map(|batch| batch.token.as_str()).collect();
        assert_eq!(
            tokens,
            [TOKEN, TOKEN, &handed, TOKEN],
            "{path}: the order's own token comes before the visit's"
        );
        assert!(events.iter().all(|batch| batch.consent == Consent::Granted));
        assert_eq!(events[0].events[0].url, "https://shop.example/?x=1");
        let last = events[3].events[0].url.as_str();
        assert!(last.ends_with("/after?requests-before-the-answer=0"), "{path}: {last}");
        let expected = json!({ "id": "1073459976", "value": "238.47", "currency": "EUR", "tax": "13.5", "shipping": "0",
            "new_customer": true, "key": "0123456789abcdef0123456789abcdef", "items": [{ "name": "Example", "qty": "3", "price": "74.99" }] });
        assert_eq!(bodies[2]["e"][0]["o"], expected, "{path}");
        let request = recorder.request(before).await;
        assert_eq!(
            (request.origin.as_str(), request.content_type.as_str()),
            (origin.as_str(), "text/plain;charset=UTF-8")
        );
    }
    assert_eq!(recorder.request(4).await.cookie, "", "no cookie travels from a sandbox");
}

/// A visitor, who goes on to another page once the page has read what the collector answered. Whoever
/// leaves before leaves the pixel with an event that it has to send again, as it should.
struct Visitor(Arc<Browser>);

/// How long a visitor waits for an answer that may never come.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

impl Visitor {
    async fn open(&self, url: &str) -> anyhow::Result<()> {
        self.wait_for_answers().await;
        self.0.open(url).await
    }

    async fn reload(&self) -> anyhow::Result<()> {
        self.wait_for_answers().await;
        self.0.reload().await
    }

    async fn wait_for_answers(&self) {
        let waiting = format!("try {{ {WAITING} }} catch {{ return 0 }}");
        let begun = Instant::now();
        while begun.elapsed() < ANSWER_WAIT
            && self.0.run(&waiting).await.is_ok_and(|waiting| waiting != 0)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Deref for Visitor {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        &self.0
    }
}

async fn start(engine: Engine, pages: &[(&str, String)]) -> (Recorder, Visitor) {
    let recorder = Recorder::start(pages).await;
    let browser = match SHARED.try_with(Arc::clone) {
        Ok(browser) => {
            browser.open_only_window().await.expect("a window");
            browser
        }
        Err(_) => Arc::new(Browser::start_engine(engine).await.expect("a browser")),
    };
    (recorder, Visitor(browser))
}

/// Runs one after the other, whatever becomes of those before.
async fn run_in_one_browser(
    engine: Engine,
    scenarios: impl IntoIterator<Item = (&'static str, Scenario)>,
) {
    let browser = Arc::new(Browser::start_engine(engine).await.expect("a browser"));
    let mut failed = Vec::new();
    for (name, scenario) in scenarios {
        eprintln!("{name}");
        if tokio::spawn(SHARED.scope(Arc::clone(&browser), scenario)).await.is_err() {
            failed.push(name);
        }
    }
    assert_eq!(failed, [""; 0]);
}

/// `scripts/test` lists what is skipped.
fn is_installed(engine: Engine) -> bool {
    if !engine.is_installed() {
        eprintln!("SKIPPED pixel_behaviour: {engine:?} or its driver is not installed");
    }
    engine.is_installed()
}

fn names_of(batches: &[Batch]) -> Vec<&'static str> {
    let mut names: Vec<_> = batches.iter().map(|batch| batch.events[0].name.as_str()).collect();
    names.sort_unstable();
    names
}

async fn warnings(browser: &Browser) -> Vec<String> {
    let warnings = browser.run("return window.warnings").await.expect("the page's warnings");
    warnings.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn the_stub_is_the_documented_one() {
    let landing = include_str!("../../../pixel-wasm/demo-shop/landing.html");
    assert!(landing.contains(STUB), "the demo shop and these tests embed the same snippet");
}
