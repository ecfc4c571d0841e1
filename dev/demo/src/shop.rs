//! The demo shop: articles, carts, orders and what its owner does with them.
//!
//! It knows as much of afterclick as any shop's plug-in: it carries the click token from the
//! landing address to the order, and reports orders by signed webhooks. It never computes a
//! commission.

mod pages;
mod server;

use jiff::Timestamp;

use crate::money::Cents;

pub use pages::Site;
pub use server::{Hook, Shop};

/// VAT in percent, added to net prices at checkout.
const VAT_PERCENT: i64 = 19;
/// The flat price of shipping, net.
const SHIPPING: Cents = Cents(490);
/// The discount codes of the shop, with their percentage.
const COUPONS: [(&str, i64); 2] = [("BEN10", 10), ("ANNA10", 10)];

/// An article that the shop sells.
#[derive(Debug)]
pub struct Article {
    /// The article number in addresses and webhooks.
    pub sku: &'static str,
    /// The number in the shop's own database.
    pub number: u32,
    /// The name on the pages.
    pub name: &'static str,
    /// The category on the pages.
    pub category: &'static str,
    /// The net price of one piece.
    pub price: Cents,
    /// A few words about it.
    pub text: &'static str,
    /// The picture, as an SVG.
    pub picture: &'static str,
}

/// All articles of the shop.
pub const ARTICLES: [Article; 3] = [
    Article {
        sku: "lamp",
        number: 93,
        name: "Aurora table lamp",
        category: "Lighting",
        price: Cents(12990),
        text: "A thrown terracotta foot, a linen shade, and a warm light that leaves the corners of the room alone.",
        picture: include_str!("../../../pixel-wasm/demo-shop/lamp.svg"),
    },
    Article {
        sku: "throw",
        number: 94,
        name: "Linen throw",
        category: "Textiles",
        price: Cents(6495),
        text: "Stone-washed European flax, woven in a narrow width as it was a hundred years ago. 130 × 180 cm.",
        picture: include_str!("../../../pixel-wasm/demo-shop/throw.svg"),
    },
    Article {
        sku: "mug",
        number: 95,
        name: "Stoneware mug",
        category: "Table",
        price: Cents(2450),
        text: "Dipped twice in a sea-grey glaze. Each one comes out of the kiln a little different.",
        picture: include_str!("../../../pixel-wasm/demo-shop/mug.svg"),
    },
];

/// Returns the article with this number, if there is one.
pub fn article(sku: &str) -> Option<&'static Article> {
    ARTICLES.iter().find(|article| article.sku == sku)
}

/// The articles that a visitor has chosen, and the click token of the visit.
#[derive(Debug, Default, Clone)]
pub struct Cart {
    /// The click token from the landing address. It is the shop's own copy, for visitors whose
    /// browser blocks cookie and pixel.
    pub token: Option<String>,
    /// The discount code in use.
    pub coupon: Option<String>,
    lines: Vec<(&'static Article, u32)>,
}

impl Cart {
    /// Adds one piece; an unknown article changes nothing.
    pub fn add(&mut self, sku: &str) {
        let Some(article) = article(sku) else { return };
        match self.lines.iter_mut().find(|(known, _)| known.sku == sku) {
            Some((_, quantity)) => *quantity += 1,
            None => self.lines.push((article, 1)),
        }
    }

    /// Sets the discount code if the shop knows it; any other text removes the code.
    pub fn apply(&mut self, code: &str) {
        let code = code.trim().to_ascii_uppercase();
        self.coupon = COUPONS.iter().any(|(known, _)| *known == code).then_some(code);
    }

    /// Returns the number of pieces in the cart.
    pub fn pieces(&self) -> u32 {
        self.lines.iter().map(|(_, quantity)| quantity).sum()
    }

    fn discount_percent(&self) -> i64 {
        COUPONS
            .iter()
            .find(|(code, _)| Some(*code) == self.coupon.as_deref())
            .map_or(0, |(_, percent)| *percent)
    }

    /// Returns the lines with their prices before and after the discount.
    pub fn priced(&self) -> Vec<OrderLine> {
        let percent = self.discount_percent();
        let price = |&(article, quantity): &(&'static Article, u32)| {
            let subtotal = Cents(article.price.0 * i64::from(quantity));
            OrderLine {
                article,
                quantity,
                subtotal,
                total: subtotal - subtotal.share(percent, 100),
            }
        };
        self.lines.iter().map(price).collect()
    }
}

/// A line of an order, in net amounts.
#[derive(Debug, Clone)]
pub struct OrderLine {
    /// The article.
    pub article: &'static Article,
    /// The number of pieces.
    pub quantity: u32,
    /// The price of all pieces before the discount.
    pub subtotal: Cents,
    /// The price of all pieces after the discount.
    pub total: Cents,
}

/// The sums of an order.
#[derive(Debug, Clone, Copy)]
pub struct Sums {
    /// Goods after discount, net.
    pub goods: Cents,
    /// The discount, net.
    pub discount: Cents,
    /// Shipping, net.
    pub shipping: Cents,
    /// VAT on goods and shipping.
    pub tax: Cents,
}

impl Sums {
    /// Adds up lines and shipping.
    pub fn of(lines: &[OrderLine]) -> Self {
        let goods = lines.iter().map(|line| line.total).sum::<Cents>();
        let discount = lines.iter().map(|line| line.subtotal).sum::<Cents>() - goods;
        Self {
            goods,
            discount,
            shipping: SHIPPING,
            tax: (goods + SHIPPING).share(VAT_PERCENT, 100),
        }
    }

    /// Returns the amount that the customer pays, VAT included.
    pub fn total(&self) -> Cents {
        self.goods + self.shipping + self.tax
    }
}

/// The status of an order, in WooCommerce's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Paid.
    Processing,
    /// Cancelled after it was placed.
    Cancelled,
}

impl Status {
    /// Returns the word that webhooks use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Cancelled => "cancelled",
        }
    }
}

/// An order as the shop stores it.
#[derive(Debug, Clone)]
pub struct Order {
    /// The shop's order id.
    pub id: u32,
    /// The key in the thank-you page's address.
    pub key: String,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// Its status.
    pub status: Status,
    /// The lines.
    pub lines: Vec<OrderLine>,
    /// The sums when it was placed; refunds do not change them.
    pub sums: Sums,
    /// The discount code that was used.
    pub coupon: Option<String>,
    /// The click token that the cart carried.
    pub token: Option<String>,
    /// The refunds, VAT included.
    pub refunds: Vec<Cents>,
}

impl Order {
    /// Turns a cart into an order.
    pub fn place(id: u32, cart: &Cart, now: Timestamp) -> Self {
        let lines = cart.priced();
        Self {
            id,
            key: format!("wc_order_{:x}{id:x}", now.as_millisecond()),
            placed_at: now,
            status: Status::Processing,
            sums: Sums::of(&lines),
            lines,
            coupon: cart.coupon.clone(),
            token: cart.token.clone(),
            refunds: Vec::new(),
        }
    }

    /// Returns the sum of all refunds.
    pub fn refunded(&self) -> Cents {
        self.refunds.iter().copied().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_adds_up() {
        let mut cart = Cart::default();
        cart.add("lamp");
        cart.add("lamp");
        cart.add("nothing");
        cart.apply(" ben10 ");
        let order = Order::place(1, &cart, Timestamp::UNIX_EPOCH);
        let sums = order.sums;
        assert_eq!((cart.pieces(), sums.goods, sums.discount), (2, Cents(23382), Cents(2598)));
        assert_eq!((sums.tax, sums.total()), (Cents(4536), Cents(23382 + 490 + 4536)));
        cart.apply("FREE");
        assert_eq!(cart.coupon, None);
    }
}
