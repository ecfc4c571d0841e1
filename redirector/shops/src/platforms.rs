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
