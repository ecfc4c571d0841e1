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

/// Who answers what a rule asks about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// The shop's reports say it.
    Reports,
    /// The reports do not say it, but they name the customer by an address: so the orders that are
    /// recorded show it.
    RecordedOrders,
    /// Nobody does, unless the server API is told as well.
    Nobody,
}

/// Returns who answers this for the orders of a shop system. For other software, the server API
/// does.
pub const fn answers(platform: Platform, asked: Asked) -> Answers {
    match (platform, asked) {
        // Their server API and tables have a field for each.
        (Platform::Other, _) => Answers::Reports,
        // A Stripe session has amounts and no articles.
        (Platform::Stripe, Asked::Product) => Answers::Nobody,
        (Platform::Shopify | Platform::Woocommerce | Platform::Magento, Asked::Product) => {
            Answers::Reports
        }
        // Shopify counted a customer's orders in webhooks of older API versions alone.
        (_, Asked::NewCustomer) => Answers::RecordedOrders,
        // Lines of Shopify and WooCommerce name the product and not what it is filed under; those of
        // Magento name no category either.
        (_, Asked::Category) => Answers::Nobody,
    }
}
