//! The snippets of the install guides, as they stand in `docs/`, on pages of the shops that they
//! are for.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

mod recorder;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use demo::browser::Browser;
use recorder::{Recorder, TOKEN};
use serde_json::json;
use shared::event::EventName;

const PIXEL: &str = include_str!("../../../docs/shops/pixel.md");
const SHOPIFY: &str = include_str!("../../../docs/shops/shopify.md");
const WOOCOMMERCE: &str = include_str!("../../../docs/shops/woocommerce.md");
const MAGENTO: &str = include_str!("../../../docs/shops/magento.md");
const STRIPE: &str = include_str!("../../../docs/shops/stripe.md");
const QUIET: Duration = Duration::from_millis(700);

/// The first block of code under a heading, with the merchant's key and the link host filled in.
fn snippet(guide: &str, heading: &str) -> String {
    let (_, section) =
        guide.split_once(&format!("## {heading}\n")).expect("the heading is in the guide");
    let lines = section.lines().skip_while(|line| !line.starts_with("    "));
    let block = lines.take_while(|line| line.starts_with("    ") || line.is_empty());
    let block: Vec<_> = block.map(|line| line.strip_prefix("    ").unwrap_or_default()).collect();
    // Pages lie on the recorder's host, as behind a proxy that serves both.
    block.join("\n").replace("<merchant key>", "k1").replace("https://go.shop.example", "")
}

/// As `snippet`, where an absolute address is needed.
fn absolute(snippet: &str) -> String {
    snippet
        .replace("= '/_ac", "= location.origin + '/_ac")
        .replace("origin: ''", "origin: location.origin")
}

fn page(head: &str, body: &str) -> String {
    format!(
        "<!doctype html><html><head><meta charset=utf-8><link rel=icon href=data:,>{head}</head>{body}</html>"
    )
}

async fn visit(pages: &[(&str, String)]) -> (Recorder, Browser) {
    let recorder = Recorder::start(pages).await;
    let browser = Browser::start().await.unwrap();
    browser.open(&recorder.url(&format!("{}?ac={TOKEN}", pages[0].0))).await.unwrap();
    (recorder, browser)
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_html() {
    let head = snippet(PIXEL, "Any shop: plain HTML");
    let thanks = page(&head, &format!("<body>{}</body>", snippet(PIXEL, "The thank-you page")));
    let (recorder, browser) =
        visit(&[("/", page(&head, "<body></body>")), ("/thanks", thanks)]).await;
    assert_eq!(recorder.event(0).await.events[0].name, EventName::Session);
    browser.open(&recorder.url("/thanks")).await.unwrap();
    recorder.event(2).await;
    let order = recorder::sent(&recorder.bodies(), "purchase")["o"].clone();
    let expected = json!({ "id": "1001", "key": "k7Qe2nXvT4mB9sLz", "value": "160.41", "currency": "EUR", "tax": "25.61", "shipping": "4.90", "items": [] });
    assert_eq!(order, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn google_tag_manager() {
    let tag = absolute(&snippet(PIXEL, "Google Tag Manager"));
    let layer = "<script>window.dataLayer = [{event: 'purchase', ecommerce: {transaction_id: 'T1', value: 1, currency: 'EUR'}}]</script>";
    let (recorder, _browser) =
        visit(&[("/", page(&format!("{layer}{tag}"), "<body></body>"))]).await;
    recorder.event(1).await;
    assert_eq!(recorder::sent(&recorder.bodies(), "purchase")["o"]["id"], "T1");
}

#[tokio::test(flavor = "multi_thread")]
async fn shopifys_theme() {
    let head = snippet(SHOPIFY, "4. The theme");
    let (recorder, _browser) = visit(&[("/", page(&head, "<body></body>"))]).await;
    recorder.event(0).await;
    recorder.asked_for(&format!("/cart/update.js attributes%5B_ac%5D={TOKEN}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shopifys_custom_pixel() {
    let fixture = include_str!("../fixtures/shopify/DERIVED_web_pixel_checkout_completed.json");
    let sandbox = format!(
        "<script>
        const kept = {{}}, storage = {{getItem: async key => kept[key] ?? null, setItem: async (key, value) => {{ kept[key] = value }}}};
        const handlers = {{}}, analytics = {{subscribe: (name, handle) => {{ handlers[name] = handle }}}};
        const browser = {{localStorage: storage, sessionStorage: storage}}, init = {{customerPrivacy: {{marketingAllowed: true}}}};
        const api = {{customerPrivacy: {{subscribe() {{}}}}}};
        {}
        script.addEventListener('load', () => handlers.checkout_completed({{context: {{document: {{location, referrer: ''}}}}, data: {}.data}}));
        </script>",
        absolute(&snippet(SHOPIFY, "5. The custom pixel")),
        fixture
    );
    let (recorder, _browser) = visit(&[("/", page("", &format!("<body></body>{sandbox}")))]).await;
    let purchase = recorder.event(0).await;
    let order = purchase.events[0].order.as_ref().unwrap();
    assert_eq!(order.id, "1073459976");
    assert_eq!(
        order.key.as_deref(),
        Some("0123456789abcdef0123456789abcdef"),
        "the checkout's token"
    );
}

/// Runs a template of the guide with as much of Magento as it uses, and returns what it prints.
fn run_template(template: &str) -> Option<String> {
    let around = r#"
        namespace Magento\Framework\App {
            class ObjectManager {
                static function getInstance() { return new self(); }
                function get($name) { if ($name === 'Magento\Checkout\Model\Session') return $this; }
                function getLastRealOrder() { return $this; }
                function getIncrementId() { return '000000123'; }
                function getProtectCode() { return '62ef31f388160d69ee03991765ae1b52'; }
            }
        }
        namespace Magento\Checkout\Model { class Session {} }
        namespace {
            class Renderer { function renderTag($tag, $attributes, $text) { return "<$tag>$text</$tag>"; } }
            $secureRenderer = new Renderer();
    "#;
    run(&format!("<?php {around} ?>{template}<?php }}"))
}

/// Returns what PHP prints for a file; `None` where PHP is not installed.
fn run(file: &str) -> Option<String> {
    let mut php = Command::new("php").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    php.stdin.take()?.write_all(file.as_bytes()).ok()?;
    Some(String::from_utf8(php.wait_with_output().ok()?.stdout).expect("UTF-8"))
}

#[tokio::test(flavor = "multi_thread")]
async fn magentos_success_page() {
    let Some(purchase) = run_template(&snippet(MAGENTO, "The success page")) else {
        eprintln!("SKIPPED install_guides: PHP is not installed");
        return;
    };
    let head = snippet(MAGENTO, "The pixel");
    let success = page(&head, &format!("<body>{purchase}</body>"));
    let (recorder, browser) =
        visit(&[("/", page(&head, "<body></body>")), ("/success", success)]).await;
    recorder.event(0).await;
    browser.open(&recorder.url("/success")).await.unwrap();
    // The page, and its order.
    recorder.event(2).await;
    let order = recorder::sent(&recorder.bodies(), "purchase")["o"].clone();
    let expected =
        json!({ "id": "000000123", "key": "62ef31f388160d69ee03991765ae1b52", "items": [] });
    assert_eq!(order, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn stripes_page_after_the_payment() {
    let thanks = snippet(STRIPE, "4. The page after the payment");
    let head = snippet(PIXEL, "Any shop: plain HTML");
    let (recorder, browser) =
        visit(&[("/", page(&head, "<body></body>")), ("/thanks", page(&head, &thanks))]).await;
    recorder.event(0).await;
    browser.open(&recorder.url("/thanks?session_id=cs_live_a1b2c3")).await.unwrap();
    recorder.event(2).await;
    let order = recorder::sent(&recorder.bodies(), "purchase")["o"].clone();
    assert_eq!(order, json!({ "id": "cs_live_a1b2c3", "key": "cs_live_a1b2c3", "items": [] }));
    browser.open(&recorder.url("/thanks")).await.unwrap();
    recorder.event(3).await;
    recorder.stays_at(4, QUIET).await;
}

/// Runs the guide's PHP with as much of WordPress and WooCommerce as it uses, and returns what the
/// actions print.
fn run_php(code: &str) -> Option<String> {
    let around = r#"
        $actions = array();
        function add_action( $name, $does ) { $GLOBALS['actions'][ $name ] = $does; }
        function wp_json_encode( $value, $flags ) { return json_encode( $value, $flags ); }
        function wc_get_order( $id ) { return new Order(); }
        class Order {
            public $meta = array();
            function update_meta_data( $key, $value ) { $this->meta[ $key ] = $value; }
            function get_id() { return 727; }
            function get_order_key() { return 'wc_order_58d2d042d1d'; }
            function get_total() { return '160.41'; }
            function get_currency() { return 'EUR'; }
            function get_total_tax() { return '25.61'; }
            function get_shipping_total() { return '4.90'; }
        }
    "#;
    let after = format!(
        "$order = new Order(); $_POST['_ac'] = '{TOKEN}'; $_COOKIE['ac'] = 'broken';
         $actions['woocommerce_checkout_create_order']( $order );
         foreach ( array( 'wp_head', 'woocommerce_after_order_notes', 'woocommerce_thankyou' ) as $name ) {{ $actions[ $name ]( 727 ); echo \"\\n--\\n\"; }}
         echo $order->meta['_ac'];"
    );
    run(&format!("<?php {around} {code} {after}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn woocommerces_functions() {
    let Some(printed) = run_php(&snippet(WOOCOMMERCE, "The pixel, and the token in the order"))
    else {
        eprintln!("SKIPPED install_guides: PHP is not installed");
        return;
    };
    let parts: Vec<_> = printed.split("\n--\n").collect();
    let [head, field, thanks, token] = parts[..] else { panic!("four parts: {printed}") };
    assert_eq!(token, TOKEN, "the token of the field is in the order");
    let body = format!("<body><form>{field}</form>{thanks}</body>");
    let (recorder, browser) = visit(&[("/", page(head, &body))]).await;
    recorder.event(1).await;
    let order = recorder::sent(&recorder.bodies(), "purchase")["o"].clone();
    assert_eq!((&order["id"], &order["key"]), (&json!("727"), &json!("wc_order_58d2d042d1d")));
    assert_eq!(
        browser.run("return document.querySelector('[name=_ac]').value").await.unwrap(),
        TOKEN
    );
}
