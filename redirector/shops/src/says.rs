//! What the reports of each shop system say of an order beside its amounts. A rule about what
//! nobody says never fits an order, so whoever makes such a rule is told.

use shared::platform::Platform;

/// Something that a rule can ask about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Which articles were bought.
    Product,
    /// Which categories these are in.
    Category,
    /// Whether it is the customer's first order.
    NewCustomer,
}

/// Returns whether a shop system's reports say this. For other software, the server API does.
pub const fn says(platform: Platform, asked: Asked) -> bool {
    match (platform, asked) {
        // Their server API and tables have a field for each.
        (Platform::Other, _) => true,
        // A Stripe session has amounts and no articles.
        (Platform::Stripe, Asked::Product) => false,
        (Platform::Shopify | Platform::Woocommerce | Platform::Magento, Asked::Product) => true,
        // Shopify counted a customer's orders in webhooks of older API versions alone.
        (_, Asked::Category | Asked::NewCustomer) => false,
    }
}
