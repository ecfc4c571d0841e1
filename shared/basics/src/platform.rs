//! The software that a shop runs on.

use serde::{Deserialize, Serialize};

/// The software that a merchant's shop runs on, or that takes its payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Shopify.
    Shopify,
    /// WooCommerce.
    Woocommerce,
    /// Magento 2 or Adobe Commerce.
    Magento,
    /// Stripe Checkout.
    Stripe,
    /// Any other software.
    Other,
}

impl Platform {
    /// All platforms, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Shopify, Self::Woocommerce, Self::Magento, Self::Stripe, Self::Other];

    /// Returns the word that exports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shopify => "shopify",
            Self::Woocommerce => "woocommerce",
            Self::Magento => "magento",
            Self::Stripe => "stripe",
            Self::Other => "other",
        }
    }
}
