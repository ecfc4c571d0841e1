//! Which module reads which platform. A new platform is a new module and a line in each function.

use shared::platform::Platform;

use crate::arrival::{Arrival, Authenticity, Reading};
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

/// Returns whether an arrival is signed with any of the merchant's secrets.
pub fn authenticate(platform: Platform, arrival: &Arrival<'_>) -> Authenticity {
    match platform {
        Platform::Magento => magento::authenticate(arrival),
        Platform::Shopify => shopify::authenticate(arrival),
        Platform::Stripe => stripe::authenticate(arrival),
        Platform::Woocommerce => woocommerce::authenticate(arrival),
        Platform::Other => {
            Authenticity::Refused("webhooks of other platforms are not understood".to_owned())
        }
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
pub fn topic_headers(topic: &str) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    if let Ok(topic) = http::HeaderValue::from_str(topic) {
        for name in ["x-shopify-topic", "x-wc-webhook-topic"] {
            headers.insert(http::HeaderName::from_static(name), topic.clone());
        }
    }
    headers
}
