//! Which module reads which platform. A new platform is a new module and a line in each function.

use http::HeaderMap;
use shared::platform::Platform;
use shared::time::Timestamp;

use crate::arrival::{Arrival, Authenticity, Cause, Reading, Refusal};
use crate::mac::Begun;
use crate::{magento, shopify, stripe, woocommerce};

/// Returns the platform that a path names, or `None` if its webhooks are not understood.
pub fn platform(name: &str) -> Option<Platform> {
    match name {
        "magento" => Some(Platform::Magento),
        "shopify" => Some(Platform::Shopify),
        "stripe" => Some(Platform::Stripe),
        "woocommerce" => Some(Platform::Woocommerce),
        _ => None,
    }
}

/// Begins to authenticate an arrival by its head alone, so that nobody reads or hashes a body that
/// will be refused anyway.
pub fn begin(
    platform: Platform,
    headers: &HeaderMap,
    secrets: &[&str],
    received_at: Timestamp,
) -> Begun {
    match platform {
        Platform::Magento => magento::begin(headers, secrets, received_at),
        Platform::Shopify => shopify::begin(headers, secrets),
        Platform::Stripe => stripe::begin(headers, secrets, received_at),
        Platform::Woocommerce => woocommerce::begin(headers, secrets),
        Platform::Other => {
            let text = "webhooks of other platforms are not understood".to_owned();
            Begun::Refused(Refusal { cause: Cause::Unsigned, text })
        }
    }
}

/// Returns whether an arrival that has no signature is the platform's own test of the address.
pub fn is_ping(platform: Platform, headers: &HeaderMap, body: &[u8]) -> bool {
    platform == Platform::Woocommerce && woocommerce::is_ping(headers, body)
}

/// Returns whether a whole arrival is signed with any of the merchant's secrets.
pub fn authenticate(platform: Platform, arrival: &Arrival<'_>) -> Authenticity {
    match begin(platform, arrival.headers, arrival.secrets, arrival.received_at) {
        Begun::Check(mut check) => {
            check.take(arrival.body);
            check.finish()
        }
        Begun::PingOrRefused(_) if is_ping(platform, arrival.headers, arrival.body) => {
            Authenticity::Ping
        }
        Begun::PingOrRefused(refusal) | Begun::Refused(refusal) => Authenticity::Refused(refusal),
    }
}

/// Returns the topic that an arrival names, if there is one.
pub fn topic(platform: Platform, arrival: &Arrival<'_>) -> Option<String> {
    match platform {
        Platform::Shopify => shopify::topic(arrival.headers).map(str::to_owned),
        Platform::Stripe => stripe::topic(arrival.body),
        Platform::Woocommerce => woocommerce::topic(arrival.headers).map(str::to_owned),
        Platform::Magento | Platform::Other => None,
    }
}

/// Reads an arrival that was authenticated.
pub fn read(platform: Platform, arrival: &Arrival<'_>) -> Reading {
    match platform {
        Platform::Magento => magento::read(arrival),
        Platform::Shopify => shopify::read(arrival),
        Platform::Stripe => stripe::read(arrival),
        Platform::Woocommerce => woocommerce::read(arrival),
        Platform::Other => {
            Reading::Unparsed("webhooks of other platforms are not understood".to_owned())
        }
    }
}

/// Returns headers that name a topic, for orders that come without the headers of a webhook.
pub fn topic_headers(topic: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(topic) = http::HeaderValue::from_str(topic) {
        for name in ["x-shopify-topic", "x-wc-webhook-topic"] {
            headers.insert(http::HeaderName::from_static(name), topic.clone());
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use http::{HeaderMap, HeaderName, HeaderValue};
    use shared::order::OrderFact;
    use shared::time::{Span, Timestamp};

    use super::*;
    use crate::hex::to_hex;
    use crate::{mac, plain};

    const SECRET: &str = "secret";
    const NOW: Timestamp = Timestamp::from_ms(1_780_000_000_000);
    const PLATFORMS: [Platform; 4] =
        [Platform::Magento, Platform::Shopify, Platform::Stripe, Platform::Woocommerce];
    /// Headers that platforms send and do not sign, or that somebody may add, with values that could
    /// mean something.
    const UNSIGNED: [(&str, &[&str]); 14] = [
        (
            "x-shopify-topic",
            &[
                "orders/create",
                "orders/paid",
                "orders/cancelled",
                "refunds/create",
                "orders/delete",
            ],
        ),
        ("x-shopify-test", &["true", "TRUE", "false", ""]),
        ("x-shopify-triggered-at", &["2099-01-01T00:00:00Z", "1970-01-01T00:00:00Z"]),
        ("x-shopify-shop-domain", &["other.myshopify.com"]),
        ("x-shopify-webhook-id", &["another", ""]),
        ("x-shopify-event-id", &["another"]),
        (
            "x-wc-webhook-topic",
            &[
                "order.created",
                "order.deleted",
                "order.restored",
                "ORDER.RESTORED",
                "product.updated",
            ],
        ),
        ("x-wc-webhook-event", &["restored", "deleted"]),
        ("x-wc-webhook-resource", &["product"]),
        ("x-wc-webhook-delivery-id", &["another"]),
        ("x-wc-webhook-source", &["https://other.example/"]),
        ("date", &["Fri, 01 Jan 2099 00:00:00 GMT"]),
        ("idempotency-key", &["another"]),
        ("content-type", &["text/plain", "application/x-www-form-urlencoded"]),
    ];

    fn fixture(path: &str) -> Vec<u8> {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
    }

    /// Each platform's recorded bodies, with the topic under which they come.
    fn recorded() -> Vec<(Platform, &'static str, Vec<u8>)> {
        let of = |platform, topic, path: &str| (platform, topic, fixture(path));
        let shopify = |topic, name| {
            of(Platform::Shopify, topic, &format!("redirector/tests/fixtures/shopify/{name}.json"))
        };
        let stripe = |name| {
            of(Platform::Stripe, "", &format!("redirector/tests/fixtures/stripe/{name}.json"))
        };
        let magento = |name| {
            of(Platform::Magento, "", &format!("redirector/tests/fixtures/magento/{name}.json"))
        };
        let order = "dev/demo/fixtures/woocommerce/docs_v3_order_created_processing.json";
        vec![
            shopify("orders/create", "docs_2026-01_orders_create"),
            shopify("orders/paid", "docs_2026-01_orders_paid"),
            shopify("orders/paid", "shopify_api_ruby_order_paid_EUR_tax"),
            shopify(
                "orders/updated",
                "shopify_api_ruby_order_partially_refunded_discount_noteattrs",
            ),
            shopify("orders/create", "shopify_api_ruby_order_pending"),
            shopify("refunds/create", "docs_2026-01_refunds_create"),
            shopify("refunds/create", "shopify_api_ruby_refund_two_lines"),
            shopify("refunds/create", "shopify_api_ruby_refund_shipping_only"),
            stripe("checkout.session.completed"),
            stripe("charge.refunded"),
            stripe("charge.dispute.created"),
            magento("mage2pro_observer_order_created"),
            magento("adobe_docs_invoice_created"),
            of(Platform::Woocommerce, "order.updated", order),
            (Platform::Woocommerce, "order.deleted", br#"{"id":727}"#.to_vec()),
        ]
    }

    fn header(platform: Platform) -> &'static str {
        match platform {
            Platform::Shopify => "x-shopify-hmac-sha256",
            Platform::Woocommerce => "x-wc-webhook-signature",
            Platform::Stripe => "stripe-signature",
            Platform::Magento | Platform::Other => "x-afterclick-signature",
        }
    }

    /// Returns the platform's signature of a body.
    fn signature(platform: Platform, body: &[u8]) -> String {
        let seconds = (NOW.as_ms() / 1000).to_string();
        let timed = || mac::code(SECRET, &[seconds.as_bytes(), b".", body]).unwrap();
        match platform {
            Platform::Shopify | Platform::Woocommerce => {
                STANDARD.encode(mac::code(SECRET, &[body]).unwrap())
            }
            _ => format!("t={seconds},v1={}", to_hex(&timed())),
        }
    }

    fn signed(platform: Platform, topic: &str, body: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        put(&mut headers, header(platform), &signature(platform, body));
        match platform {
            Platform::Shopify => put(&mut headers, "x-shopify-topic", topic),
            Platform::Woocommerce => put(&mut headers, "x-wc-webhook-topic", topic),
            _ => {}
        }
        headers
    }

    fn put(headers: &mut HeaderMap, name: &str, value: &str) {
        headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }

    /// Returns the fact of a delivery; `None` if it is refused, ignored or not understood.
    fn delivered(
        platform: Platform,
        headers: &HeaderMap,
        body: &[u8],
        at: Timestamp,
    ) -> Option<OrderFact> {
        let arrival = Arrival { secrets: &[SECRET], ..Arrival::of_test(headers, body, at) };
        if authenticate(platform, &arrival) != Authenticity::Signed {
            return None;
        }
        match read(platform, &arrival) {
            Reading::Fact(fact) => Some(*fact),
            Reading::Ignored(_) | Reading::Asked(_) | Reading::Unparsed(_) => None,
        }
    }

    #[test]
    fn headers_that_nobody_signed_change_no_fact() {
        for (platform, topic, body) in recorded() {
            let right = signed(platform, topic, &body);
            let genuine = delivered(platform, &right, &body, NOW);
            let genuine = genuine.unwrap_or_else(|| panic!("{platform:?} {topic} is no fact"));
            let check = |headers: &HeaderMap, what: &str| {
                let Some(altered) = delivered(platform, headers, &body, NOW) else { return };
                // As documented: this header can make a test of an order, which then earns nothing.
                let test = genuine.test || (altered.test && headers.contains_key("x-shopify-test"));
                assert_eq!(altered, OrderFact { test, ..genuine.clone() }, "{platform:?} {what}");
            };
            for name in right.keys() {
                let mut headers = right.clone();
                headers.remove(name);
                check(&headers, &format!("without {name}"));
            }
            for (name, values) in UNSIGNED {
                for value in values {
                    let mut headers = right.clone();
                    put(&mut headers, name, value);
                    check(&headers, &format!("{name}: {value}"));
                }
            }
        }
    }

    #[test]
    fn a_delivery_that_comes_again_later_is_the_same_fact_of_the_same_time() {
        for (platform, topic, body) in recorded() {
            let right = signed(platform, topic, &body);
            let first = delivered(platform, &right, &body, NOW).unwrap();
            let late = NOW.plus(Span::minutes(4));
            let topics = UNSIGNED.iter().filter(|(name, _)| name.ends_with("-topic"));
            for (name, value) in
                topics.flat_map(|(name, values)| values.iter().map(move |v| (name, v)))
            {
                let mut headers = right.clone();
                put(&mut headers, name, value);
                let Some(again) = delivered(platform, &headers, &body, late) else { continue };
                if first.partial && first.platform == Platform::Woocommerce {
                    assert_ne!(again.id, first.id, "an order may be deleted twice");
                } else {
                    assert_eq!(
                        (again.id, again.occurred_at),
                        (first.id, first.occurred_at),
                        "{value}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_was_signed_for_one_reader_is_no_fact_of_another() {
        let order = br#"{"order_id":"1001","currency":"EUR","goods":"5.00","status":"paid"}"#;
        let mut bodies = recorded();
        bodies.push((Platform::Other, "", order.to_vec()));
        // Shopify and WooCommerce sign the body alone, the others a time and the body: a signature
        // can be moved within each of these groups.
        let signs_body = |platform| matches!(platform, Platform::Shopify | Platform::Woocommerce);
        for (platform, topic, body) in bodies {
            let is_alike =
                |other: &Platform| *other != platform && signs_body(*other) == signs_body(platform);
            for other in PLATFORMS.into_iter().filter(is_alike) {
                for topic in [topic, "orders/paid", "refunds/create", "order.updated"] {
                    let headers = signed(other, topic, &body);
                    let fact = delivered(other, &headers, &body, NOW);
                    assert!(fact.is_none(), "{platform:?} as {other:?} under {topic}: {fact:?}");
                }
            }
            if platform == Platform::Other {
                continue;
            }
            let headers = HeaderMap::new();
            let arrival = Arrival::of_test(&headers, &body, NOW);
            let orders = plain::orders(&body).unwrap_or_default();
            let mut facts =
                orders.iter().map(|order| plain::read(&arrival, Platform::Other, order));
            assert!(facts.all(|fact| fact.is_err()), "{platform:?} {topic} as an order of our own");
        }
    }

    #[test]
    fn other_resources_of_a_shop_are_no_orders_under_any_topic() {
        for (platform, body) in [
            (
                Platform::Woocommerce,
                r#"{"id":727,"status":"active","billing_period":"month","currency":"EUR","line_items":[{"total":"9.00"}],"date_paid_gmt":"2026-05-01T10:00:00"}"#,
            ),
            (
                Platform::Woocommerce,
                r#"{"id":727,"status":"publish","regular_price":"9.00","price":"9.00"}"#,
            ),
            (
                Platform::Woocommerce,
                r#"{"id":727,"status":"publish","discount_type":"percent","code":"x"}"#,
            ),
            (Platform::Woocommerce, r#"{"id":727,"username":"anna","role":"customer"}"#),
            (
                Platform::Shopify,
                r#"{"id":5,"order_id":6,"status":"success","line_items":[{"price_set":{"shop_money":{"amount":"9","currency_code":"EUR"}}}]}"#,
            ),
            (
                Platform::Shopify,
                r#"{"id":5,"order_id":6,"kind":"refund","status":"success","amount":"9","amount_set":{"shop_money":{"amount":"9","currency_code":"EUR"}}}"#,
            ),
        ] {
            let topics = [
                "order.updated",
                "order.restored",
                "order.deleted",
                "orders/paid",
                "refunds/create",
            ];
            for topic in topics {
                let headers = signed(platform, topic, body.as_bytes());
                let fact = delivered(platform, &headers, body.as_bytes(), NOW);
                assert!(fact.is_none(), "{topic}: {fact:?}");
            }
        }
    }
}
