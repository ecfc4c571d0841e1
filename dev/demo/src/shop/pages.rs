//! The shop's pages: templates that are filled with the values of one visitor.
//!
//! Every value is escaped. Only HTML that is made here is inserted as it is.

use serde_json::json;

use super::{ARTICLES, Article, Cart, Order, OrderLine, Status, Sums};

const LANDING: &str = include_str!("../../../../pixel-wasm/demo-shop/landing.html");
const PRODUCT: &str = include_str!("../../../../pixel-wasm/demo-shop/product.html");
const CART: &str = include_str!("../../../../pixel-wasm/demo-shop/cart.html");
const SUMMARY: &str = include_str!("../../../../pixel-wasm/demo-shop/summary.html");
const THANK_YOU: &str = include_str!("../../../../pixel-wasm/demo-shop/thank-you.html");
const NOT_FOUND: &str = include_str!("../../../../pixel-wasm/demo-shop/not-found.html");
const BACKOFFICE: &str = include_str!("../../../../pixel-wasm/demo-shop/backoffice.html");
/// The style sheet of all pages.
pub(super) const STYLE: &str = include_str!("../../../../pixel-wasm/demo-shop/style.css");

/// The settings of afterclick that a page contains.
#[derive(Debug)]
pub struct Site {
    /// The address of the pixel's script.
    pub pixel: String,
    /// The merchant's public key.
    pub merchant_key: String,
}

/// A page whose template is being filled in.
struct Page(String);

impl Page {
    /// Begins a page of the shop, with the pixel and the number of pieces in the cart.
    fn new(template: &str, site: &Site, cart: &Cart) -> Self {
        let page = Self(template.to_owned());
        page.text("pixel", &site.pixel)
            .text("key", &site.merchant_key)
            .text("cart_count", &cart.pieces().to_string())
    }

    fn text(self, name: &str, value: &str) -> Self {
        self.html(name, &escape(value))
    }

    fn html(self, name: &str, value: &str) -> Self {
        Self(self.0.replace(&format!("{{{{{name}}}}}"), value))
    }
}

pub(super) fn landing(site: &Site, cart: &Cart) -> String {
    let cards: String = ARTICLES.iter().map(card).collect();
    Page::new(LANDING, site, cart).html("cards", &cards).0
}

pub(super) fn product(site: &Site, cart: &Cart, article: &Article) -> String {
    Page::new(PRODUCT, site, cart)
        .text("name", article.name)
        .text("category", article.category)
        .text("price", &article.price.to_string())
        .text("text", article.text)
        .text("sku", article.sku)
        .0
}

pub(super) fn cart(site: &Site, cart: &Cart) -> String {
    let lines = cart.priced();
    Page::new(CART, site, cart)
        .html("lines", &line_list(&lines))
        .html("summary", &summary(cart, &lines))
        .0
}

pub(super) fn thank_you(site: &Site, cart: &Cart, order: &Order) -> String {
    Page::new(THANK_YOU, site, cart)
        .text("order_id", &order.id.to_string())
        .html("lines", &line_list(&order.lines))
        .html("sums", &sum_list(&order.sums))
        .html("purchase", &purchase(order))
        .0
}

pub(super) fn not_found(site: &Site, cart: &Cart) -> String {
    Page::new(NOT_FOUND, site, cart).0
}

pub(super) fn backoffice(orders: &[Order]) -> String {
    Page(BACKOFFICE.to_owned()).html("orders", &order_table(orders)).0
}

/// Returns what stands beside the articles of a cart. Where there are none, there is nothing to buy.
fn summary(cart: &Cart, lines: &[OrderLine]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    Page(SUMMARY.to_owned())
        .text("coupon", cart.coupon.as_deref().unwrap_or_default())
        .html("sums", &sum_list(&Sums::of(lines)))
        .0
}

/// Returns the purchase that the thank-you page hands to the pixel.
fn purchase(order: &Order) -> String {
    let item = |line: &OrderLine| {
        let article = line.article;
        // The price of one piece after the discount, as shops write it into their data layers.
        let price = line.total.share(1, i64::from(line.quantity));
        json!({ "sku": article.sku, "name": article.name, "category": article.category, "qty": line.quantity, "price": price.to_string() })
    };
    let sums = &order.sums;
    let purchase = json!({
        "id": order.id.to_string(), "value": sums.total().to_string(), "currency": "EUR", "tax": sums.tax.to_string(),
        "shipping": sums.shipping.to_string(), "coupon": order.coupon, "new_customer": true,
        "items": order.lines.iter().map(item).collect::<Vec<_>>(),
    });
    // SECURITY: the text stands inside a script element, so no value may close that element.
    purchase.to_string().replace('<', "\\u003c")
}

fn card(article: &Article) -> String {
    let Article { sku, name, category, price, .. } = article;
    format!(
        "<li><a class=\"card\" href=\"/product/{sku}\"><span class=\"picture\">{}</span>\
         <span class=\"text\"><span>{name}<small>{category}</small></span>\
         <span class=\"price\">{price} €</span></span></a></li>",
        picture_beside_name(article)
    )
}

/// Returns an article's picture where its name stands in text beside it. A second name would only
/// be read out twice.
fn picture_beside_name(article: &Article) -> String {
    format!("<img src=\"/pictures/{}.svg\" alt=\"\" width=\"400\" height=\"320\">", article.sku)
}

fn line_list(lines: &[OrderLine]) -> String {
    if lines.is_empty() {
        return "<p class=\"muted\">Nothing here yet.</p>".into();
    }
    let line = |line: &OrderLine| {
        let OrderLine { article, quantity, total, .. } = line;
        format!(
            "<div class=\"line\"><span class=\"picture\">{}</span>\
             <div><b>{}</b><br><span class=\"muted\">{quantity} × {} €</span></div>\
             <span class=\"price\">{total} €</span></div>",
            picture_beside_name(article),
            article.name,
            article.price
        )
    };
    lines.iter().map(line).collect()
}

fn sum_list(sums: &Sums) -> String {
    let discount = if sums.discount.0 == 0 {
        String::new()
    } else {
        format!("<dt>Discount included</dt><dd>{} €</dd>", sums.discount)
    };
    format!(
        "<dl class=\"sums\"><dt>Goods</dt><dd>{} €</dd>{discount}<dt>Shipping</dt><dd>{} €</dd><dt>VAT 19 %</dt><dd>{} €</dd>\
         <dt class=\"total\">Total</dt><dd class=\"total\">{} €</dd></dl>",
        sums.goods,
        sums.shipping,
        sums.tax,
        sums.total()
    )
}

/// The columns of the back office's table before the buttons, and the class of their cells.
const ORDER_COLUMNS: [(&str, &str); 7] = [
    ("Order", "text"),
    ("Status", "text"),
    ("Code", "text"),
    ("Click token", "text"),
    ("Goods", "number"),
    ("Refunded", "number"),
    ("Total", "number"),
];

fn order_table(orders: &[Order]) -> String {
    if orders.is_empty() {
        return "<p class=\"panel\">No orders yet.</p>".into();
    }
    let head =
        |&(name, class): &(&str, &str)| format!("<th scope=\"col\" class=\"{class}\">{name}</th>");
    let heads: String = ORDER_COLUMNS.iter().map(head).collect();
    let rows: String = orders.iter().rev().map(order_row).collect();
    format!(
        "<div class=\"panel\"><table><thead><tr>{heads}<th scope=\"col\">Change</th></tr></thead>\
         <tbody>{rows}</tbody></table></div>"
    )
}

fn order_row(order: &Order) -> String {
    let [(order_column, _), columns @ ..] = &ORDER_COLUMNS;
    let cell = |((column, class), value): (&(&str, &str), String)| {
        format!("<td class=\"{class}\" data-column=\"{column}\">{value}</td>")
    };
    let cells: String = columns.iter().zip(order_cells(order)).map(cell).collect();
    format!(
        "<tr><th scope=\"row\" data-column=\"{order_column}\">{}</th>{cells}\
         <td class=\"actions\">{}</td></tr>",
        order.id,
        order_buttons(order)
    )
}

/// Returns what stands in an order's cells behind its number.
fn order_cells(order: &Order) -> [String; 6] {
    let status = order.status.as_str();
    let token = order
        .token
        .as_deref()
        .and_then(|token| token.get(..10))
        .map_or_else(|| "–".into(), |start| format!("{}…", escape(start)));
    [
        format!("<span class=\"tag {status}\">{status}</span>"),
        escape(order.coupon.as_deref().unwrap_or("–")),
        format!("<code>{token}</code>"),
        format!("{} €", order.sums.goods),
        format!("{} €", order.refunded()),
        format!("{} €", order.sums.total()),
    ]
}

fn order_buttons(order: &Order) -> String {
    let id = order.id;
    // Each row has the same buttons, so their full names say of which order.
    let button = |action: &str, label: &str, name: &str| {
        format!(
            "<form method=\"post\" action=\"/backoffice/{id}/{action}\"><button type=\"submit\" \
             class=\"button plain\" aria-label=\"{name} {id}\">{label}</button></form> "
        )
    };
    match order.status {
        Status::Processing => {
            button("refund", "Refund a quarter", "Refund a quarter of order")
                + &button("cancel", "Cancel", "Cancel order")
        }
        Status::Cancelled => "–".into(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn site() -> Site {
        Site { pixel: "http://go.shop.localhost/_ac/px.js".into(), merchant_key: "k\"1".into() }
    }

    #[test]
    fn no_page_has_a_blank_left() {
        let mut chosen = Cart::default();
        chosen.add("lamp");
        let order = Order::place(1001, &chosen, Timestamp::UNIX_EPOCH);
        let site = site();
        let pages = [
            landing(&site, &chosen),
            product(&site, &chosen, &ARTICLES[1]),
            cart(&site, &chosen),
            cart(&site, &Cart::default()),
            thank_you(&site, &chosen, &order),
            not_found(&site, &chosen),
            backoffice(&[order]),
            backoffice(&[]),
        ];
        for page in pages {
            assert!(!page.contains("{{") && !page.contains("k\"1"), "{page}");
        }
    }

    #[test]
    fn a_value_cannot_leave_the_script() {
        let mut chosen = Cart::default();
        chosen.add("mug");
        chosen.coupon = Some("</script>".into());
        let order = Order::place(1, &chosen, Timestamp::UNIX_EPOCH);
        assert!(!purchase(&order).contains("</script>"));
    }
}
