//! Reconciliation: shops are asked for their orders. Orders whose webhooks were lost are found, and
//! no order is taken twice.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use harness::Product;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Stage, text, until, woo_order};

/// A shop's API. It answers by the start of the path, and remembers the requests.
struct Shop {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

type Answers = Arc<dyn Fn(&str) -> (u16, String) + Send + Sync>;

impl Shop {
    fn open(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) =
            (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let (answers, log) = (Arc::clone(&answers), Arc::clone(&log));
                std::thread::spawn(move || {
                    let (mut request, mut some) = (Vec::new(), [0; 4096]);
                    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                        match stream.read(&mut some) {
                            Ok(0) | Err(_) => return,
                            Ok(count) => request.extend(&some[..count]),
                        }
                    }
                    let request = String::from_utf8_lossy(&request).into_owned();
                    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                    log.lock().unwrap().push(request);
                    let (status, body) = answers(&path);
                    let head = format!(
                        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    _ = stream
                        .write_all(head.as_bytes())
                        .and_then(|()| stream.write_all(body.as_bytes()));
                });
            }
        });
        Self { address, asked }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Starts a product that asks every second, with a merchant whose shop gives these answers.
async fn stage(platform: &str, answers: Answers) -> (Stage, Shop) {
    let seconds = ["--poll-seconds", "1", "--reconcile-seconds", "1"];
    let stage = Stage::set_up(&seconds, json!({})).await;
    let shop = Shop::open(answers);
    let api = json!({ "platform": platform, "shop_api": { "url": shop.url(), "token": "top-secret", "secret": "s" } });
    patch(&stage.product, &stage.merchant, &api).await;
    (stage, shop)
}

async fn patch(product: &Product, merchant: &str, fields: &Value) -> Value {
    let path = format!("/api/v1/merchants/{merchant}");
    let answer =
        product.ask(Method::PATCH, &path, "application/json", fields.to_string()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// How reconciliation of the merchant went, once `enough` says so.
async fn reconciliation(stage: &Stage, enough: impl Fn(&Value) -> bool) -> Value {
    let mut own = Value::Null;
    until("enough reconciliations", async || {
        let looks = stage.product.read("/api/v1/reconcile").await.unwrap();
        let mut items = looks["items"].as_array().unwrap().iter();
        own = items.find(|look| look["merchant"] == stage.merchant).cloned().unwrap_or_default();
        !own.is_null() && enough(&own)
    })
    .await;
    own
}

#[tokio::test]
async fn an_order_whose_webhook_was_lost_is_found_once_and_a_known_one_never() {
    let orders = Arc::new(Mutex::new(String::from("[]")));
    let listed = Arc::clone(&orders);
    let (stage, shop) =
        stage("woocommerce", Arc::new(move |_| (200, listed.lock().unwrap().clone()))).await;
    let token = stage.token().await;
    let known = woo_order(727, json!({}), &[("_ac", &token)]);
    let lost = woo_order(728, json!({}), &[("_ac", &token)]);
    stage.webhook("order.updated", &known).await;
    assert_eq!(stage.commission("727").await, 270);
    *orders.lock().unwrap() = format!("[{known},{lost}]");
    let found = reconciliation(&stage, |of_shop| of_shop["found"].as_u64() >= Some(1)).await;
    assert_eq!(found["found"], 1, "{found}");
    assert_eq!(stage.commission("728").await, 270);
    let later = reconciliation(&stage, |of_shop| {
        of_shop["runs"].as_u64() >= Some(found["runs"].as_u64().unwrap() + 2)
    })
    .await;
    assert_eq!((&later["found"], &later["failures"]), (&json!(1), &json!(0)), "{later}");
    assert_eq!(stage.order("727").await["facts"].as_array().unwrap().len(), 1);
    let asked = shop.asked.lock().unwrap()[0].to_lowercase();
    assert!(asked.contains("authorization: basic dg9wlxnly3jlddpz"), "key and secret: {asked}");
}

#[tokio::test]
async fn magento_is_asked_for_orders_and_credit_memos_page_by_page() {
    let order = |id: usize, token: &str| {
        json!({
            "entity_id": id, "increment_id": format!("{id:09}"), "state": "processing", "base_currency_code": "EUR",
            "base_grand_total": 100, "base_total_due": 0, "created_at": null, "updated_at": "2026-05-01 10:00:00",
            "items": [{ "item_id": 1, "base_row_total": 100 }],
            "extension_attributes": { "ac": token },
        })
    };
    let token = Arc::new(Mutex::new(String::new()));
    let shown = Arc::clone(&token);
    let (stage, _shop) = stage("magento", Arc::new(move |path| {
        let token = shown.lock().unwrap().clone();
        let answer = match path {
            _ if token.is_empty() => json!({ "items": null, "total_count": 0 }),
            _ if path.contains("creditmemos") => json!({ "total_count": 1, "items": [{
                "entity_id": 5, "order_id": 101, "base_currency_code": "EUR", "base_grand_total": 40,
                "created_at": "2026-05-02 10:00:00", "items": [{ "order_item_id": 1, "base_row_total": 40 }],
            }]}),
            _ if path.ends_with("currentPage]=1") || path.ends_with("currentPage%5D=1") => {
                json!({ "total_count": 101, "items": (1..=100).map(|id| order(id, &token)).collect::<Vec<_>>() })
            }
            _ => json!({ "total_count": 101, "items": [order(101, &token)] }),
        };
        (200, answer.to_string())
    })).await;
    *token.lock().unwrap() = stage.token().await;
    let found = reconciliation(&stage, |of_shop| of_shop["found"].as_u64() >= Some(102)).await;
    assert_eq!((&found["found"], &found["last_error"]), (&json!(102), &Value::Null), "{found}");
    assert_eq!(stage.commission("000000101").await, 900, "15 % of 60.00");
    assert_eq!(stage.figures().await["orders"], 101);
}

#[tokio::test]
async fn a_shop_that_refuses_or_answers_nonsense_is_reported_and_delays_no_other() {
    let answer = Arc::new(Mutex::new((401, String::from("no"))));
    let said = Arc::clone(&answer);
    let (stage, _shop) = stage("shopify", Arc::new(move |_| said.lock().unwrap().clone())).await;
    let refused = reconciliation(&stage, |of_shop| of_shop["failures"].as_u64() >= Some(1)).await;
    assert!(text(&refused["last_error"]).contains("401"), "{refused}");
    *answer.lock().unwrap() = (200, "<html>".to_owned());
    let path = format!("/api/v1/reconcile/{}?since=2026-01-01T00:00:00Z", stage.merchant);
    let now = async || {
        stage.product.ask(Method::POST, &path, "application/json", "").await.unwrap().status
    };
    assert_eq!(now().await, 202);
    let nonsense = reconciliation(&stage, |of_shop| {
        of_shop["last_error"].as_str().is_some_and(|e| e.contains("JSON"))
    })
    .await;
    assert_eq!(nonsense["runs"], 0);
    *answer.lock().unwrap() = (200, r#"{"orders":[]}"#.to_owned());
    now().await;
    reconciliation(&stage, |of_shop| of_shop["runs"].as_u64() >= Some(1)).await;
    let shown = stage.product.read(&format!("/api/v1/merchants/{}", stage.merchant)).await.unwrap();
    assert_eq!((&shown["has_shop_api"], &shown["shop_api"]), (&json!(true), &Value::Null));
    let log = std::fs::read_to_string(stage.folder.path().join("data/afterclick.log")).unwrap();
    assert!(
        !log.contains("top-secret") && !nonsense.to_string().contains("top-secret"),
        "no answer shows the key"
    );
    let cleared = patch(&stage.product, &stage.merchant, &json!({ "shop_api": null })).await;
    assert_eq!(cleared["has_shop_api"], false);
    for url in ["http://shop.example", "https://shop.example/path", "ftp://shop.example", "shop"] {
        let body = json!({ "shop_api": { "url": url, "token": "x" } }).to_string();
        let path = format!("/api/v1/merchants/{}", stage.merchant);
        let answer =
            stage.product.ask(Method::PATCH, &path, "application/json", body).await.unwrap();
        assert_eq!(answer.status, 422, "{url}");
    }
}

#[tokio::test]
async fn an_order_that_cannot_be_read_hides_no_other_and_what_is_taken_back_is_found() {
    let orders = Arc::new(Mutex::new(String::from("[]")));
    let listed = Arc::clone(&orders);
    let (stage, _shop) =
        stage("woocommerce", Arc::new(move |_| (200, listed.lock().unwrap().clone()))).await;
    let token = stage.token().await;
    let state = |id: u64, changes: Value| woo_order(id, changes, &[("_ac", &token)]);
    let placed = state(727, json!({ "date_modified_gmt": "2017-03-22T19:28:08" }));
    let edited = json!({ "line_items": [{ "id": 315, "total": "10.00" }], "date_modified_gmt": "2017-03-22T19:28:08" });
    let edited = state(727, edited);
    stage.webhook("order.updated", &placed).await;
    stage.webhook("order.updated", &edited).await;
    assert_eq!(stage.commission("727").await, 150);
    // The webhook that takes the edit back was lost. Beside it in the list stand an order that was cut
    // inside an emoji, and one that is no order.
    let cut = state(728, json!({ "customer_note": "thanks" })).replace("thanks", r"thanks \ud83d");
    *orders.lock().unwrap() = format!("\u{feff}[{cut},{{\"id\":[]}},{placed}]");
    let found = reconciliation(&stage, |of_shop| of_shop["found"].as_u64() >= Some(2)).await;
    assert_eq!((&found["failures"], &found["last_error"]), (&json!(0), &Value::Null), "{found}");
    assert_eq!((stage.commission("727").await, stage.commission("728").await), (270, 270));
    let runs = found["runs"].as_u64().unwrap();
    let later = reconciliation(&stage, |of_shop| of_shop["runs"].as_u64() >= Some(runs + 2)).await;
    assert_eq!(later["found"], 2, "{later}");
}

#[tokio::test]
async fn woocommerce_is_asked_with_the_key_in_the_address_where_its_host_takes_the_header_away() {
    let order = Arc::new(Mutex::new(String::from("[]")));
    let listed = Arc::clone(&order);
    let answers =
        move |path: &str| match path.contains("&consumer_key=top-secret&consumer_secret=s") {
            true => (200, listed.lock().unwrap().clone()),
            false => (401, r#"{"code":"woocommerce_rest_cannot_view"}"#.to_owned()),
        };
    let (stage, _shop) = stage("woocommerce", Arc::new(answers)).await;
    let token = stage.token().await;
    *order.lock().unwrap() = format!("[{}]", woo_order(728, json!({}), &[("_ac", &token)]));
    let found = reconciliation(&stage, |of_shop| of_shop["found"].as_u64() >= Some(1)).await;
    assert_eq!((&found["found"], &found["failures"]), (&json!(1), &json!(0)), "{found}");
    assert_eq!(stage.commission("728").await, 270);
    let log = std::fs::read_to_string(stage.folder.path().join("data/afterclick.log")).unwrap();
    assert!(!log.contains("top-secret"), "no log shows the key");
}

/// How long a shop takes to answer; the test does not wait for it.
const SLOW_SHOP: Duration = Duration::from_secs(28);

#[tokio::test]
async fn a_slow_shop_does_not_delay_the_end() {
    let (stage, shop) = stage(
        "stripe",
        Arc::new(|_| {
            std::thread::sleep(SLOW_SHOP);
            (200, "{}".to_owned())
        }),
    )
    .await;
    until("it is being asked", async || !shop.asked.lock().unwrap().is_empty()).await;
    let begun = Instant::now();
    stage.product.stop().await.unwrap();
    assert!(begun.elapsed() < SLOW_SHOP / 2, "{:?}", begun.elapsed());
}
