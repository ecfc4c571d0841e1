//! The shop's server: serves the pages, finds carts by the shop's own cookie, and sends the
//! webhooks of its orders.
//!
//! It never stores anything on disk. It logs a failed webhook and does not repeat it; WooCommerce
//! does the same.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use harness::http;
use hyper::Method;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::pages::{self, Site};
use super::{Cart, Order, Status, article};
use crate::money::Cents;
use crate::webhook;

/// The shop's cookie. It holds the id of a cart.
const CART_COOKIE: &str = "shop_cart";
/// The id of the first order.
const FIRST_ORDER: u32 = 1001;
/// How long the shop waits before it reports a paid order by itself. In this time the order can be
/// seen as a claim.
const CONFIRM_AFTER: Duration = Duration::from_secs(1);

/// Where and how the shop sends its webhooks.
#[derive(Debug)]
pub struct Hook {
    /// The product's public listener.
    pub address: SocketAddr,
    /// The value of the `Host` header.
    pub host: String,
    /// The merchant's public key.
    pub merchant_key: String,
    /// The secret that signs the webhooks.
    pub secret: String,
    /// Whether the shop reports paid orders without a call of `confirm`.
    pub confirms_by_itself: bool,
}

/// An open shop. It closes when it is dropped.
pub struct Shop {
    inner: Arc<Inner>,
    server: JoinHandle<()>,
}

struct Inner {
    site: Site,
    hook: Hook,
    address: String,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    carts: HashMap<String, Cart>,
    orders: Vec<Order>,
}

impl Shop {
    /// Opens the shop on a listener that is already bound: its address is needed before the shop
    /// opens.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn open(listener: TcpListener, site: Site, hook: Hook) -> Result<Self> {
        let address = format!("http://shop.localhost:{}/", listener.local_addr()?.port());
        let inner = Arc::new(Inner { site, hook, address, books: Mutex::default() });
        let routes = routes(Arc::clone(&inner));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                eprintln!("the demo shop stopped: {error}");
            }
        });
        Ok(Self { inner, server })
    }

    /// Returns the shop's address for a browser.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// Reports a paid order, as a shop's server does when the payment has succeeded.
    ///
    /// # Errors
    /// When there is no such order or the webhook is not accepted.
    pub async fn confirm(&self, order: u32) -> Result<()> {
        self.inner.report(order, |_| {}).await
    }

    /// Cancels an order and reports it.
    ///
    /// # Errors
    /// As [`Shop::confirm`].
    pub async fn cancel(&self, order: u32) -> Result<()> {
        self.inner.report(order, |order| order.status = Status::Cancelled).await
    }

    /// Refunds part of an order's total and reports it.
    ///
    /// # Errors
    /// As [`Shop::confirm`].
    pub async fn refund(&self, order: u32, amount: Cents) -> Result<()> {
        self.inner.report(order, |order| order.refunds.push(amount)).await
    }

    /// Returns an order as the shop stores it.
    ///
    /// # Errors
    /// When there is no order with this id.
    pub fn order(&self, id: u32) -> Result<Order> {
        self.inner.books().order(id).cloned()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Books {
    fn order(&mut self, id: u32) -> Result<&mut Order> {
        self.orders
            .iter_mut()
            .find(|order| order.id == id)
            .with_context(|| format!("the shop has no order {id}"))
    }
}

impl Inner {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes an order, then reports it as it stands.
    async fn report(&self, id: u32, change: impl FnOnce(&mut Order)) -> Result<()> {
        let order = {
            let mut books = self.books();
            let order = books.order(id)?;
            change(order);
            order.clone()
        };
        self.deliver(&order).await.with_context(|| format!("webhook for order {id}"))
    }

    async fn deliver(&self, order: &Order) -> Result<()> {
        let now = Timestamp::now();
        let body = webhook::body(order, now)?;
        let signature = webhook::signature(&self.hook.secret, &body)?;
        let delivery = format!("{:032x}", now.as_nanosecond());
        let headers = [
            ("host", self.hook.host.as_str()),
            ("content-type", "application/json"),
            ("user-agent", "WooCommerce/10.3.0 Hookshot (WordPress/6.8)"),
            ("x-wc-webhook-source", &self.address),
            ("x-wc-webhook-topic", "order.updated"),
            ("x-wc-webhook-resource", "order"),
            ("x-wc-webhook-event", "updated"),
            ("x-wc-webhook-signature", &signature),
            ("x-wc-webhook-id", "1"),
            ("x-wc-webhook-delivery-id", &delivery),
        ];
        let path = format!("/_ac/hooks/woocommerce/{}", self.hook.merchant_key);
        let answer = http::send(self.hook.address, Method::POST, &path, &headers, body).await?;
        ensure!(answer.status == 200, "{path} answered {}: {}", answer.status, answer.body);
        Ok(())
    }

    /// Returns the visitor's cart and its id, and makes the cart if there is none. Stores the click
    /// token of a landing address in it.
    fn visit(&self, headers: &HeaderMap, query: &HashMap<String, String>) -> (String, Cart) {
        let mut books = self.books();
        let known = cookie(headers, CART_COOKIE)
            .filter(|id| books.carts.contains_key(*id))
            .map(str::to_owned);
        let id = known.unwrap_or_else(|| {
            format!("{:x}{}", Timestamp::now().as_nanosecond(), books.carts.len())
        });
        let cart = books.carts.entry(id.clone()).or_default();
        if let Some(token) = query.get("ac") {
            cart.token = Some(token.clone());
        }
        (id, cart.clone())
    }

    fn change_cart(&self, id: &str, change: impl FnOnce(&mut Cart)) {
        change(self.books().carts.entry(id.to_owned()).or_default());
    }

    fn place_order(&self, cart_id: &str) -> Option<Order> {
        let mut books = self.books();
        let cart = books.carts.get_mut(cart_id).filter(|cart| cart.pieces() > 0)?;
        let token = cart.token.clone();
        let cart = std::mem::replace(cart, Cart { token, ..Cart::default() });
        let id = FIRST_ORDER + u32::try_from(books.orders.len()).ok()?;
        let order = Order::place(id, &cart, Timestamp::now());
        books.orders.push(order.clone());
        Some(order)
    }
}

type TheShop = State<Arc<Inner>>;
type Parameters = Query<HashMap<String, String>>;
type Fields = Form<HashMap<String, String>>;

fn routes(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/", get(landing))
        .route("/product/{sku}", get(product))
        .route("/cart", get(cart))
        .route("/cart/add", post(add))
        .route("/cart/coupon", post(coupon))
        .route("/checkout", post(checkout))
        .route("/thank-you", get(thank_you))
        .route("/backoffice", get(backoffice))
        .route("/backoffice/{id}/{action}", post(manage))
        .route("/pictures/{file}", get(picture))
        .route("/style.css", get(|| async { ([(header::CONTENT_TYPE, "text/css")], pages::STYLE) }))
        .fallback(not_found)
        .with_state(inner)
}

async fn landing(State(shop): TheShop, Query(query): Parameters, headers: HeaderMap) -> Response {
    let (id, cart) = shop.visit(&headers, &query);
    page(&id, pages::landing(&shop.site, &cart))
}

async fn product(
    State(shop): TheShop,
    Path(sku): Path<String>,
    Query(query): Parameters,
    headers: HeaderMap,
) -> Response {
    let (id, cart) = shop.visit(&headers, &query);
    match article(&sku) {
        Some(article) => page(&id, pages::product(&shop.site, &cart, article)),
        None => page_not_found(&shop, &id, &cart),
    }
}

/// The picture of an article. It is a file of its own, because the ids in it may stand only once in
/// a page, and a page may show an article twice.
async fn picture(Path(file): Path<String>) -> Response {
    match file.strip_suffix(".svg").and_then(article) {
        Some(article) => {
            ([(header::CONTENT_TYPE, "image/svg+xml")], article.picture).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn cart(State(shop): TheShop, Query(query): Parameters, headers: HeaderMap) -> Response {
    let (id, cart) = shop.visit(&headers, &query);
    page(&id, pages::cart(&shop.site, &cart))
}

async fn add(State(shop): TheShop, headers: HeaderMap, Form(fields): Fields) -> Response {
    let (id, _) = shop.visit(&headers, &HashMap::new());
    shop.change_cart(&id, |cart| cart.add(fields.get("sku").map_or("", String::as_str)));
    with_cart(&id, Redirect::to("/cart"))
}

async fn coupon(State(shop): TheShop, headers: HeaderMap, Form(fields): Fields) -> Response {
    let (id, _) = shop.visit(&headers, &HashMap::new());
    shop.change_cart(&id, |cart| cart.apply(fields.get("code").map_or("", String::as_str)));
    with_cart(&id, Redirect::to("/cart"))
}

async fn checkout(State(shop): TheShop, headers: HeaderMap) -> Response {
    let (id, _) = shop.visit(&headers, &HashMap::new());
    let Some(order) = shop.place_order(&id) else { return with_cart(&id, Redirect::to("/cart")) };
    if shop.hook.confirms_by_itself {
        let (shop, order) = (Arc::clone(&shop), order.id);
        tokio::spawn(async move {
            tokio::time::sleep(CONFIRM_AFTER).await;
            log_failure(shop.report(order, |_| {}).await);
        });
    }
    with_cart(&id, Redirect::to(&format!("/thank-you?order={}&key={}", order.id, order.key)))
}

async fn thank_you(State(shop): TheShop, Query(query): Parameters, headers: HeaderMap) -> Response {
    let (id, cart) = shop.visit(&headers, &query);
    let wanted = query.get("order").and_then(|id| id.parse().ok()).unwrap_or(0);
    let order = shop.books().order(wanted).cloned();
    match order {
        // The key cannot be guessed, so nobody reads another customer's order.
        Ok(order) if query.get("key") == Some(&order.key) => {
            page(&id, pages::thank_you(&shop.site, &cart, &order))
        }
        _ => page_not_found(&shop, &id, &cart),
    }
}

async fn not_found(State(shop): TheShop, Query(query): Parameters, headers: HeaderMap) -> Response {
    let (id, cart) = shop.visit(&headers, &query);
    page_not_found(&shop, &id, &cart)
}

fn page_not_found(shop: &Inner, cart_id: &str, cart: &Cart) -> Response {
    let mut answer = page(cart_id, pages::not_found(&shop.site, cart));
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}

async fn backoffice(State(shop): TheShop) -> Html<String> {
    Html(pages::backoffice(&shop.books().orders))
}

async fn manage(State(shop): TheShop, Path((id, action)): Path<(u32, String)>) -> Redirect {
    let quarter = |order: &mut Order| {
        let left = order.sums.total() - order.refunded();
        order.refunds.push(order.sums.total().share(1, 4).min(left));
    };
    log_failure(match action.as_str() {
        "cancel" => shop.report(id, |order| order.status = Status::Cancelled).await,
        "refund" => shop.report(id, quarter).await,
        other => Err(anyhow::anyhow!("`{other}` is not cancel or refund")),
    });
    Redirect::to("/backoffice")
}

/// Logs a failed webhook. It does not stop the shop.
fn log_failure(outcome: Result<()>) {
    if let Err(error) = outcome {
        eprintln!("demo shop: {error:#}");
    }
}

fn page(cart_id: &str, html: String) -> Response {
    with_cart(cart_id, Html(html))
}

fn with_cart(cart_id: &str, response: impl IntoResponse) -> Response {
    let cookie = format!("{CART_COOKIE}={cart_id}; Path=/; HttpOnly; SameSite=Lax");
    ([(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, "no-store".to_owned())], response)
        .into_response()
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies =
        headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}
