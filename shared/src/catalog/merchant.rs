//! Merchants: who pays, with the shops they own.

use serde::{Deserialize, Serialize};

use crate::id::MerchantId;
use crate::money::Currency;
use crate::platform::Platform;
use crate::time::Timestamp;

/// A secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldSecret {
    /// The secret.
    pub secret: String,
    /// Until when it is still believed: platforms go on signing with it for up to an hour.
    pub valid_until: Timestamp,
}

/// How a shop's own API is asked for orders that its webhooks lost, or that it has no webhooks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShopApi {
    /// Where: `https://shop.example`, without a path.
    pub url: String,
    /// Magento's integration token, WooCommerce's consumer key, Shopify's Admin API access token,
    /// Stripe's restricted key.
    pub token: String,
    /// WooCommerce's consumer secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// Who pays; owns shops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merchant {
    /// Its id.
    pub id: MerchantId,
    /// Its public key: stands in pixels and in addresses of webhooks.
    pub key: String,
    /// What people call it.
    pub name: String,
    /// The domains of its shops, lower case.
    pub domains: Vec<String>,
    /// The currency it pays in.
    pub currency: Currency,
    /// IANA time zone of its days and months.
    pub timezone: String,
    /// The shop software.
    pub platform: Option<Platform>,
    /// The secret its shop signs webhooks with.
    pub webhook_secret: Option<String>,
    /// The secret before, which still signs for a while after a change.
    #[serde(default)]
    pub old_webhook_secret: Option<OldSecret>,
    /// How its shop is asked.
    #[serde(default)]
    pub shop_api: Option<ShopApi>,
    /// Whether an order known from the pixel alone earns.
    #[serde(default)]
    pub trust_pixel: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Merchant {
    /// Whether `host` is one of the merchant's domains or lies under one.
    pub fn owns_host(&self, host: &str) -> bool {
        self.domain_of(host).is_some()
    }

    /// The merchant's domain that `host` is or lies under; compared label by label.
    pub fn domain_of(&self, host: &str) -> Option<&str> {
        let under = |domain: &&String| {
            host.strip_suffix(domain.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.domains.iter().find(under).map(String::as_str)
    }
}
