//! Every page that people are served is a good page: valid HTML, no violation that axe finds, no
//! sideways scrolling at 360 px, in light and dark.
//!
//! Needs the folder `node_modules` that `AFTERCLICK_TEST_NODE_MODULES` names, which `scripts/test`
//! fills. Without it the tests say so and pass, because a laptop may not have it.
//! `AFTERCLICK_TEST_PICTURES` names a folder for a picture of each page.

mod inspector;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::get;
use demo::scene::{BENS_CODE, Scene, Setting};
use harness::default_bin_dir;
use inspector::Inspector;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

/// Longer than any line, and without a place to break it.
const LONG_WORD: &str = "Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh-Cholmondeley";
const SLUG_CHARS_MAX: usize = 64;
/// How long the product may take to show a click. It only bounds a hang.
const PATIENCE: Duration = Duration::from_secs(60);

async fn inspector() -> Option<Inspector> {
    let inspector = Inspector::start().await;
    if inspector.is_none() {
        eprintln!(
            "SKIPPED pages: AFTERCLICK_TEST_NODE_MODULES holds no axe-core and html-validate"
        );
    }
    inspector
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_valid_accessible_and_fits_a_phone() {
    let Some(mut inspector) = inspector().await else { return };
    let bin_dir = default_bin_dir().expect("the test lies in a build folder");
    let setting = Setting { bin_dir, data: None, confirms_by_itself: false };
    let scene = Scene::set(setting).await.expect("a set scene");
    let link = add_long_names(&scene).await;
    visit_shop(&mut inspector, &scene).await;
    visit_back_office(&mut inspector, &scene).await;
    visit_links(&mut inspector, &scene, &link).await;
    visit_live_figures(&mut inspector, &scene).await;
    let faults = inspector.finish().await;
    scene.strike().await.expect("afterclick ends with status 0");
    assert_eq!(faults, [""; 0]);
}

/// Adds an influencer and a link whose names are as long as they may be, and returns the link's
/// address.
async fn add_long_names(scene: &Scene) -> String {
    let name = json!({ "name": LONG_WORD.repeat(3) });
    let influencer = scene.product.create("influencers", &name).await.expect("an influencer");
    let slug = "x".repeat(SLUG_CHARS_MAX);
    let destination = format!("{}{}", scene.shop.address(), "long".repeat(400));
    let link = json!({ "campaign": scene.campaign, "influencer": influencer["id"], "destination": destination, "slug": slug });
    scene.product.create("links", &link).await.expect("a link");
    scene.anna.url.replace("/anna", &format!("/{slug}"))
}

/// Walks through the shop by a link, and leaves two orders.
async fn visit_shop(inspector: &mut Inspector, scene: &Scene) {
    let shop = scene.shop.address();
    inspector.open("back-office-empty", &format!("{shop}backoffice")).await;
    inspector.open("landing", &scene.anna.url).await;
    for sku in ["lamp", "throw", "mug"] {
        inspector.open(&format!("product-{sku}"), &format!("{shop}product/{sku}")).await;
    }
    inspector.open("cart-empty", &format!("{shop}cart")).await;
    for sku in ["lamp", "throw"] {
        put_in_cart(inspector, scene, sku).await;
    }
    inspector.browser.type_into("#coupon", BENS_CODE).await.expect("the code");
    inspector.browser.click("#apply-coupon").await.expect("the code is taken");
    let is_discounted = "return document.body.innerText.includes('Discount included')";
    inspector.browser.wait_until(is_discounted).await.expect("a discount");
    inspector.look("cart").await;
    inspector.browser.click("#buy").await.expect("an order");
    inspector.browser.text("#order-id").await.expect("its number");
    inspector.look("thank-you").await;
    inspector.open("shop-not-found", &format!("{shop}product/nothing")).await;
    put_in_cart(inspector, scene, "mug").await;
    inspector.browser.click("#buy").await.expect("an order");
    inspector.browser.text("#order-id").await.expect("its number");
}

async fn put_in_cart(inspector: &Inspector, scene: &Scene, sku: &str) {
    let browser = &inspector.browser;
    let article = format!("{}product/{sku}", scene.shop.address());
    browser.open(&article).await.expect("the article");
    browser.click("#add-to-cart").await.expect("the button");
    browser.wait_until("return location.pathname === '/cart'").await.expect("the cart");
}

/// Looks at one order that is refunded in part, and one that is cancelled.
async fn visit_back_office(inspector: &mut Inspector, scene: &Scene) {
    let browser = &inspector.browser;
    browser.open(&format!("{}backoffice", scene.shop.address())).await.expect("the back office");
    for (action, is_done) in [
        (
            "1001/refund",
            "return !document.querySelector('tr:last-child').innerText.includes('\\n0.00 €')",
        ),
        ("1002/cancel", "return document.body.innerText.includes('cancelled')"),
    ] {
        browser.click(&format!("form[action$='{action}'] button")).await.expect("a button");
        browser.wait_until(is_done).await.expect("a changed order");
    }
    inspector.look("back-office").await;
}

/// Looks at what the public listener says of links.
async fn visit_links(inspector: &mut Inspector, scene: &Scene, long: &str) {
    inspector.open("preview", &format!("{}+", scene.anna.url)).await;
    inspector.open("preview-long", &format!("{long}+")).await;
    // The click brings the names into the live figures. The shop has no page at the destination.
    inspector.open("shop-not-found-long", long).await;
    let unknown = scene.anna.url.replace("/anna", "/nobody");
    inspector.open("link-not-found", &unknown).await;
}

/// Looks at the start page of the admin listener: before it is asked, refused, and with figures.
async fn visit_live_figures(inspector: &mut Inspector, scene: &Scene) {
    let start = format!("http://{}/", scene.product.admin);
    inspector.open("admin", &start).await;
    let said = |what: &str| {
        format!("return document.querySelector('#note').textContent.includes('{what}')")
    };
    inspector.browser.type_into("#token", "wrong").await.expect("a token");
    inspector.browser.click("button").await.expect("the button");
    inspector.browser.wait_until(&said("token")).await.expect("a refusal");
    inspector.look("admin-refused").await;
    wait_for_clicks(scene).await;
    for by in ["link", "influencer"] {
        inspector.browser.open(&start).await.expect("the page");
        inspector.browser.type_into("#token", &scene.product.token).await.expect("a token");
        let choose = format!("document.querySelector('#by').value = '{by}'");
        inspector.browser.run(&choose).await.expect("a choice");
        inspector.browser.click("button").await.expect("the button");
        inspector
            .browser
            .wait_until("return !!document.querySelector('tbody tr')")
            .await
            .expect("figures");
        inspector.look(&format!("admin-by-{by}")).await;
    }
}

/// Waits until the live figures know both links.
async fn wait_for_clicks(scene: &Scene) {
    let end = Instant::now() + PATIENCE;
    loop {
        let stats = scene.product.read("/api/v1/stats?by=influencer").await.expect("figures");
        if stats["rows"].as_array().is_some_and(|rows| rows.len() >= 2) {
            return;
        }
        assert!(Instant::now() < end, "the click is not in the figures: {stats}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// A page without a fault, but for what is added to its head and its main part.
fn planted(head: &str, main: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Planted</title>{head}</head>\
         <body><main><h1>Planted</h1>{main}</main></body></html>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_faults_are_found() {
    let Some(mut inspector) = inspector().await else { return };
    let viewport = "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">";
    let dark = "<style>@media (prefers-color-scheme: dark) { p { color: #eee } }</style>";
    let expected = [
        ("none", viewport, "<p>Nothing is wrong here.</p>", &[][..]),
        (
            "twice",
            viewport,
            "<p id=\"a\">1</p><p id=\"a\">2</p>",
            &["the id a stands twice", "no-dup-id"],
        ),
        ("nameless", viewport, "<button type=\"button\"></button>", &["axe button-name"]),
        ("wide", viewport, "<p style=\"width: 361px\">wide</p>", &["scrolls sideways"]),
        ("no-viewport", "", "<p>small print</p>", &["980 px wide in a window of 360"]),
        ("pale", viewport, "<p style=\"color: #ccc\">pale</p>", &["axe color-contrast"]),
        ("pale-in-dark", dark, "<p>pale</p>", &["px, dark: axe color-contrast"]),
        ("unlabelled", viewport, "<input type=\"text\">", &["axe label"]),
        ("unclosed", viewport, "<div><p>open</p>", &["close-order"]),
        ("order", viewport, "<h3>third</h3>", &["axe heading-order"]),
    ];
    let pages = expected.map(|(name, head, main, _)| (name.to_owned(), planted(head, main)));
    let base = serve(HashMap::from(pages)).await;
    for (name, ..) in expected {
        inspector.open(name, &format!("{base}{name}")).await;
    }
    let faults = inspector.finish().await;
    for (name, _, _, wanted) in expected {
        let found: Vec<_> = faults
            .iter()
            .filter(|fault| {
                fault.starts_with(&format!("{name},")) || fault.starts_with(&format!("{name}:"))
            })
            .collect();
        assert_eq!(found.is_empty(), wanted.is_empty(), "{name}: {found:#?}");
        for want in wanted {
            assert!(
                found.iter().any(|fault| fault.contains(want)),
                "{name}: no {want} in {found:#?}"
            );
        }
    }
}

/// Serves pages by their names, and returns the address before a name.
async fn serve(pages: HashMap<String, String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}/", listener.local_addr().expect("an address"));
    let routes = Router::new().route("/{name}", get(planted_page)).with_state(Arc::new(pages));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    base
}

type Pages = State<Arc<HashMap<String, String>>>;

async fn planted_page(
    Path(name): Path<String>,
    State(pages): Pages,
) -> Result<Html<String>, StatusCode> {
    pages.get(&name).cloned().map(Html).ok_or(StatusCode::NOT_FOUND)
}
