//! What shops' servers report, read into facts. Pure: bytes and time in, a fact or a reason out.
//!
//! A platform's module says whether a delivery is authentic, what its topic is, and what it
//! reports; the functions here choose the module. A new platform is a new module and a line in
//! each.

mod fields;
mod magento;
pub(crate) mod plain;
pub(crate) mod postback;
mod shopify;
pub(crate) mod signature;
pub(crate) mod signed_order;
mod stripe;
mod woocommerce;

use hyper::header::HeaderMap;
use shared::id::MerchantId;
use shared::order::OrderFact;
use shared::platform::Platform;
use shared::time::Timestamp;
use shared::token::{Claims, TokenError};

/// What orders of the server API are called when they are kept unread.
pub(crate) const ORDERS_TOPIC: &str = "orders";

/// Whether a delivery comes from who it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Authenticity {
    /// It is signed with the merchant's secret.
    Signed,
    /// It is the platform's own unsigned test of the address: answered and not read.
    Ping,
    /// Why it is not believed, for whoever sets the shop up.
    Refused(String),
}

/// A webhook as it arrived.
#[derive(Clone, Copy)]
pub(crate) struct Delivery<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) received_at: Timestamp,
}

/// The platform that a path names, where its webhooks are understood.
pub(crate) fn platform(name: &str) -> Option<Platform> {
    match name {
        "magento" => Some(Platform::Magento),
        "shopify" => Some(Platform::Shopify),
        "stripe" => Some(Platform::Stripe),
        "woocommerce" => Some(Platform::Woocommerce),
        _ => None,
    }
}

/// Whether a delivery comes from who it says, by any of the merchant's secrets that are valid now.
pub(crate) fn authenticate(
    platform: Platform,
    secrets: &[&str],
    delivery: Delivery<'_>,
) -> Authenticity {
    match platform {
        Platform::Magento => magento::authenticate(secrets, delivery),
        Platform::Shopify => shopify::authenticate(secrets, delivery),
        Platform::Stripe => stripe::authenticate(secrets, delivery),
        Platform::Woocommerce => woocommerce::authenticate(secrets, delivery),
        Platform::Other => {
            Authenticity::Refused("webhooks of other platforms are not understood".to_owned())
        }
    }
}

/// The topic that a delivery names.
pub(crate) fn topic(platform: Platform, delivery: Delivery<'_>) -> Option<String> {
    match platform {
        Platform::Shopify => shopify::topic(delivery.headers).map(str::to_owned),
        Platform::Stripe => stripe::topic(delivery.body),
        Platform::Woocommerce => woocommerce::topic(delivery.headers).map(str::to_owned),
        Platform::Magento | Platform::Other => None,
    }
}

/// Reads an authentic delivery.
pub(crate) fn read(platform: Platform, context: &Context<'_>, delivery: Delivery<'_>) -> Report {
    match platform {
        Platform::Magento => magento::read(context, delivery),
        Platform::Shopify => shopify::read(context, delivery),
        Platform::Stripe => stripe::read(context, delivery),
        Platform::Woocommerce => woocommerce::read(context, delivery.headers, delivery.body),
        Platform::Other => {
            Report::Unparsed("webhooks of other platforms are not understood".to_owned())
        }
    }
}

/// What reading a report needs beside its bytes.
pub(crate) struct Context<'a> {
    pub(crate) merchant: MerchantId,
    pub(crate) received_at: Timestamp,
    /// Checks a click token.
    pub(crate) token: &'a dyn Fn(&str) -> Result<Claims, TokenError>,
}

/// What a report turned out to be.
#[derive(Debug)]
pub(crate) enum Report {
    /// Something about an order.
    Fact(Box<OrderFact>),
    /// Nothing to keep, and why.
    Ignored(&'static str),
    /// Not understood, and why: the field, the value, what was expected.
    Unparsed(String),
}
