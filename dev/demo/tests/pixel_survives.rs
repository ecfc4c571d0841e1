//! The built pixel where browsers are rough: tabs that die, networks that go, clean-ups,
//! prerendering, the page cache.
//!
//! Chromium alone, since its developer tools can do these things to it on command.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

mod recorder;

use std::collections::BTreeSet;
use std::time::Duration;

use demo::browser::Browser;
use recorder::{Recorder, TOKEN, dist, dist_file, page, page_with};
use serde_json::{Value, json};
use shared::event::EventName;

/// Waits until the core runs: it replaces the queue.
const STARTED: &str =
    "return !!(window.afterclick && afterclick.q && !Array.isArray(afterclick.q))";
const NONE_WAITS: &str = "return !Object.keys(localStorage).some(key => key.includes('.e.'))";
/// Long enough for a request that must not come.
const QUIET: Duration = Duration::from_millis(700);

/// How often to end a tab or a network: `AFTERCLICK_TEST_TAB_DEATHS` says more than CI has time
/// for.
fn deaths() -> usize {
    std::env::var("AFTERCLICK_TEST_TAB_DEATHS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(16)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_purchase_is_lost_when_the_tab_dies_or_the_network_goes_right_after_it() {
    let recorder = Recorder::start(&[("/thanks", page("", "")), ("/", page("", ""))]).await;
    let browser = Browser::start().await.unwrap();
    browser.open_window().await.unwrap();
    browser.developer_tools("Network.enable", json!({})).await.unwrap();
    for run in 0..deaths() {
        browser.open(&recorder.url("/thanks")).await.unwrap();
        browser.wait_until(STARTED).await.unwrap();
        let purchase =
            format!("afterclick('purchase', {{id: 'D{run}', value: '5.00', currency: 'EUR'}})");
        match run % 4 {
            // The tab dies with the request under way.
            0 => {
                browser.run(&purchase).await.unwrap();
                end_tab(&browser).await;
            }
            // The collector is away, and then the tab dies.
            1 => {
                recorder.answer(503);
                browser.run(&purchase).await.unwrap();
                end_tab(&browser).await;
                recorder.answer(204);
            }
            // The network is gone, and then the tab dies.
            2 => {
                cut_network(&browser, true).await;
                browser.run(&purchase).await.unwrap();
                end_tab(&browser).await;
            }
            // The network is gone, and the customer goes on.
            _ => {
                cut_network(&browser, true).await;
                browser.run(&purchase).await.unwrap();
                cut_network(&browser, false).await;
            }
        }
        browser.open(&recorder.url("/")).await.unwrap();
        browser.wait_until(STARTED).await.unwrap();
        browser.wait_until(NONE_WAITS).await.unwrap();
    }
    let purchases: BTreeSet<_> = recorder
        .events()
        .into_iter()
        .filter(|batch| batch.events[0].name == EventName::Purchase)
        .map(|batch| {
            (batch.events[0].order.as_ref().unwrap().id.clone(), batch.events[0].id.clone())
        })
        .collect();
    let orders: BTreeSet<_> = purchases.iter().map(|(order, _)| order.clone()).collect();
    let lost: Vec<_> = (0..deaths())
        .map(|run| format!("D{run}"))
        .filter(|order| !orders.contains(order))
        .collect();
    eprintln!(
        "{} deaths, {} purchases lost, {} told apart by their event ids",
        deaths(),
        lost.len(),
        purchases.len()
    );
    assert_eq!(lost, [""; 0]);
    assert_eq!(purchases.len(), orders.len(), "one event id an order, however often it was sent");
}

/// Ends the tab's process, and goes on in a new window, as a customer would.
async fn end_tab(browser: &Browser) {
    assert!(browser.developer_tools("Page.crash", json!({})).await.is_err(), "the tab is no more");
    browser.open_window().await.unwrap();
    browser.developer_tools("Network.enable", json!({})).await.unwrap();
}

async fn cut_network(browser: &Browser, is_cut: bool) {
    let conditions = json!({ "offline": is_cut, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    browser.developer_tools("Network.emulateNetworkConditions", conditions).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_goes_out_although_the_page_is_left_at_once() {
    let leave = "afterclick('purchase', {id: '7', value: '5.00', currency: 'EUR'}); location.href = '/next'";
    let recorder =
        Recorder::start(&[("/", page("", "")), ("/next", "<!doctype html>next".to_owned())]).await;
    let browser = Browser::start().await.unwrap();
    browser.open(&recorder.url("/")).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    browser.run(leave).await.unwrap();
    assert_eq!(recorder.event(0).await.events[0].name, EventName::Purchase);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_chromium_prerenders_is_counted_when_it_is_shown() {
    let rules = "<script type=speculationrules>{\"prerender\":[{\"urls\":[\"/next\"],\"eagerness\":\"immediate\"}]}</script>
        <a id=go href=/next>next</a>";
    let shown = page("window.was = document.prerendering", "");
    let recorder = Recorder::start(&[("/", page_with("", "", rules)), ("/next", shown)]).await;
    let browser = Browser::start().await.unwrap();
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    recorder.event(0).await;
    recorder.asked_for("/next").await;
    recorder.stays_at(1, QUIET).await;
    browser.click("#go").await.unwrap();
    assert_eq!(recorder.event(1).await.events[0].url, recorder.url("/next"));
    assert_eq!(
        browser.run("return was").await.unwrap(),
        true,
        "it was shown from the prerendered page"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_from_chromiums_own_cache_is_counted_again() {
    let persisted =
        page("addEventListener('pageshow', event => { window.persisted = event.persisted })", "");
    let recorder = Recorder::start(&[("/", persisted), ("/next", page("", ""))]).await;
    let browser = Browser::start().await.unwrap();
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    recorder.event(0).await;
    browser.wait_until(STARTED).await.unwrap();
    browser.run("location.href = '/next'").await.unwrap();
    recorder.event(1).await;
    browser.run("history.back()").await.unwrap();
    let third = recorder.event(2).await;
    assert_eq!(
        (third.events[0].name, third.events[0].url.as_str()),
        (EventName::Page, recorder.url("/").as_str())
    );
    // The pixel must not be what keeps a page out of the cache.
    assert_eq!(browser.run("return window.persisted").await.unwrap(), true);
    recorder.stays_at(3, QUIET).await;
}

/// What the shipped WebAssembly imports, as the browser reads it.
#[tokio::test(flavor = "multi_thread")]
async fn the_core_itself_reports_over_web_sys() {
    let recorder = Recorder::start(&[("/", page("", ""))]).await;
    let browser = Browser::start().await.unwrap();
    browser.open(&recorder.url("/")).await.unwrap();
    let read = format!(
        "fetch('/_ac/{}').then(answer => WebAssembly.compileStreaming(answer)).then(core => {{
             window.imports = WebAssembly.Module.imports(core).map(it => it.name);
             window.exports_ = WebAssembly.Module.exports(core).map(it => it.name).sort().join() }})",
        dist_file("core")
    );
    browser.run(&read).await.unwrap();
    browser.wait_until("return !!window.exports_").await.unwrap();
    let letters = browser.run("return imports").await.unwrap();
    let names = dist()["imports"].clone();
    let imports: BTreeSet<_> = letters
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|letter| names[letter.as_str()?].as_str())
        .collect();
    let by_web_sys = [
        "delete",
        "fetch",
        "hidden",
        "now",
        "replaceState",
        "sendBeacon",
        "set",
        "set_body_opt_str",
    ];
    let by_hand = ["act", "getRandomValues", "later", "part", "read", "settle"];
    assert_eq!(imports, by_web_sys.into_iter().chain(by_hand).collect());
    assert_eq!(browser.run("return exports_").await.unwrap(), "memory,wake");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_costs_less_than_a_fifth_of_a_millisecond() {
    let links = "<a href=https://buy.stripe.com/test_1>Pay</a><input name=_ac>".repeat(2000);
    let body = format!("<p id=far>far</p>{links}");
    let recorder = Recorder::start(&[("/", page_with("", "", &body))]).await;
    let browser = Browser::start().await.unwrap();
    browser.open(&recorder.url(&format!("/?ac={TOKEN}"))).await.unwrap();
    browser.wait_until(STARTED).await.unwrap();
    let clicks = "const begun = performance.now(); for (let i = 0; i < 1000; i++) far.click();
        return (performance.now() - begun) / 1000";
    let mut each = Vec::new();
    for _ in 0..5 {
        each.push(browser.run(clicks).await.unwrap().as_f64().unwrap());
    }
    eprintln!("milliseconds for a click: {each:.4?}");
    // A busy machine makes any of them slow.
    assert!(each.iter().any(|ms| *ms < 0.2), "{each:?}");
}

/// How often each page of the measurement is loaded.
const LOADS: usize = 25;
/// Counts tasks of 50 ms or more.
const COUNT_LONG_TASKS: &str = "window.long = 0; new PerformanceObserver(list => { window.long += list.getEntries().length }).observe({type: 'longtask', buffered: true});";
/// What every pixel of this kind must do, and nothing else: one script asks for the core and for a
/// second script, which looks into both storages, compiles the core and starts it with imports that
/// do nothing. To open a storage is the browser's own work, and how long it takes differs most from
/// machine to machine.
const REFERENCE: &str = "localStorage.ac, sessionStorage.ac; core.then(answer => WebAssembly.compileStreaming(answer)).then(module => {
    const imports = {};
    for (const {module: from, name} of WebAssembly.Module.imports(module)) (imports[from] ||= {})[name] = () => 0;
    return WebAssembly.instantiate(module, imports) }).then(() => { window.isDone = true })";

/// A time in milliseconds says more about the machine than about the pixel, so both are measured
/// here: the pixel, and a reference that loads the same core and opens the same storages.
#[tokio::test(flavor = "multi_thread")]
async fn starting_costs_no_more_than_twice_what_loading_its_core_costs_and_no_long_task() {
    let without = |script: &str| page(script, "").replace("src=\"/_ac/px.js\"", "");
    let reference = format!(
        "{COUNT_LONG_TASKS} window.core = fetch('/_ac/{}');
         document.head.append(Object.assign(document.createElement('script'), {{src: '/reference.js'}}))",
        dist_file("core")
    );
    let recorder = Recorder::start(&[
        ("/bare", without(COUNT_LONG_TASKS)),
        ("/reference", without(&reference)),
        ("/reference.js", REFERENCE.to_owned()),
        ("/", page(COUNT_LONG_TASKS, "")),
    ])
    .await;
    let browser = Browser::start().await.unwrap();
    browser.developer_tools("Performance.enable", json!({})).await.unwrap();
    let started = STARTED.trim_start_matches("return ");
    let landing = format!("/?ac={TOKEN}");
    // Each with what is true once it has started.
    let pages = [
        ("/bare", "true"),
        ("/reference", "!!window.isDone"),
        ("/", started),
        (landing.as_str(), started),
    ];
    let mut loads: [Vec<(f64, u64)>; 4] = Default::default();
    for _ in 0..LOADS {
        for ((path, is_started), loads) in pages.iter().zip(&mut loads) {
            // Otherwise every page belongs to the visit that the landing began.
            browser.run("try { sessionStorage.clear() } catch {}").await.unwrap();
            browser.open(&recorder.url(path)).await.unwrap();
            wait_in_the_page(&browser, is_started).await;
            loads.push((script_seconds(&browser).await * 1000.0, long_tasks(&browser).await));
        }
    }
    // The median: what else the machine does falls on a few loads. Each page in turn, so that a
    // busy minute falls on all of them.
    let [bare, reference, visit, landing] = loads.map(|mut loads| {
        loads.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let is_long = loads.iter().filter(|(_, long_tasks)| *long_tasks > 0).count();
        (loads[LOADS / 2].0, is_long)
    });
    let above = |of: (f64, usize)| of.0 - bare.0;
    eprintln!(
        "main thread, median ms: {:.2} to start, {:.2} with a landing kept and reported, {:.2} for the reference",
        above(visit),
        above(landing),
        above(reference)
    );
    assert!(above(visit) < 2.0 * above(reference), "{visit:?} {reference:?} {bare:?}");
    // A busy machine makes any task long now and then, on the bare page too.
    assert!(visit.1 < LOADS / 2 && landing.1 < LOADS / 2, "{visit:?} {landing:?} {bare:?}");
}

/// Waits until an expression is true. Asks through the developer tools: a script of the driver's
/// takes as long as what is measured.
async fn wait_in_the_page(browser: &Browser, expression: &str) {
    let end = tokio::time::Instant::now() + Duration::from_secs(15);
    while evaluated(browser, expression).await != true {
        assert!(tokio::time::Instant::now() < end, "never became true: {expression}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    // What a start puts off is over, too.
    tokio::time::sleep(Duration::from_millis(60)).await;
}

async fn evaluated(browser: &Browser, expression: &str) -> Value {
    let asked = json!({ "expression": expression, "returnByValue": true });
    let answer = browser.developer_tools("Runtime.evaluate", asked).await.unwrap();
    answer["result"]["value"].clone()
}

async fn long_tasks(browser: &Browser) -> u64 {
    evaluated(browser, "window.long").await.as_u64().unwrap()
}

/// Seconds that the page's scripts have run.
async fn script_seconds(browser: &Browser) -> f64 {
    let metrics = browser.developer_tools("Performance.getMetrics", json!({})).await.unwrap();
    let mut all = metrics["metrics"].as_array().into_iter().flatten();
    let found = all.find(|metric| metric["name"] == "ScriptDuration");
    found.and_then(|metric| metric["value"].as_f64()).unwrap()
}

/// Follows a link by a click, as a visitor does.
async fn click_through(browser: &Browser, to: &str) {
    let link = format!(
        "const a = document.createElement('a'); a.id = 'go'; a.href = '{to}'; a.textContent = 'go'; document.body.prepend(a)"
    );
    browser.run(&link).await.unwrap();
    browser.click("#go").await.unwrap();
}

/// Chromium cleans up an hour after a way through a tracker has ended. These times of its own
/// switch make it seconds.
const CLEAN_UP_SOON: &str = "--enable-features=DIPS:grace_period/1s/timer_delay/2s";
/// Ten times as long as the clean-up takes with these times.
const CLEAN_UP_PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn bounce_tracking_clean_up_leaves_the_cookie_of_the_shops_own_host() {
    let recorder = Recorder::start(&[("/", page("", ""))]).await;
    let browser = Browser::start_chromium_with(&[CLEAN_UP_SOON]).await.unwrap();
    let shop = |host: &str| recorder.url("/").replace("shop.localhost", host);
    // A tracker's host between two pages is what the clean-up is for; the shop's own host is not.
    // The shop's comes first: by the time that the tracker's cookie goes it has had its turn.
    for bounce in ["go.shop.test", "bounce.test"] {
        browser.open(&shop("start.test")).await.unwrap();
        click_through(&browser, &format!("{}bounce?to={}", shop(bounce), shop("shop.test"))).await;
        browser.wait_until("return location.host.startsWith('shop.test')").await.unwrap();
        let set = cookies(&browser).await;
        let expected = format!("ac .{}", bounce.trim_start_matches("go."));
        assert!(set.contains(&expected), "{set:?}");
        // The next click tells Chromium that the way ended here.
        click_through(&browser, &shop("start.test")).await;
        browser.wait_until("return location.host.startsWith('start.test')").await.unwrap();
    }
    let end = tokio::time::Instant::now() + CLEAN_UP_PATIENCE;
    let mut left = cookies(&browser).await;
    while left.contains("ac .bounce.test") && tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(200)).await;
        left = cookies(&browser).await;
    }
    assert!(left.contains("ac .shop.test"), "{left:?}");
    if left.contains("ac .bounce.test") {
        eprintln!(
            "SKIPPED bounce_tracking_clean_up: this Chromium cleans up after no tracker; \
             the cookie of the shop's own host stays, as every cookie does"
        );
    }
}

/// Name and domain of every cookie that the browser keeps.
async fn cookies(browser: &Browser) -> BTreeSet<String> {
    let all = browser.developer_tools("Network.getAllCookies", json!({})).await.unwrap();
    let all = all["cookies"].as_array().into_iter().flatten();
    all.map(|cookie| {
        format!("{} {}", cookie["name"].as_str().unwrap(), cookie["domain"].as_str().unwrap())
    })
    .collect()
}
