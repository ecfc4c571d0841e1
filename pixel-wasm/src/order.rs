//! An order as a page's script wrote it: texts and numbers of any kind become exact amounts, or a complaint.
//!
//! Never guesses an amount: one that cannot be read is left out, and the page's developer is told which and why.
//! The order itself still goes out, since its id is what matters: the shop's server confirms the amounts.

use shared::event::{Item, Order};
use shared::money::{Currency, Decimal};

use crate::text;

/// Characters kept of names, codes and article numbers: a page may put anything there.
const TEXT_CHARS_MAX: usize = 200;

/// The fields of an order as text, as the page gave them.
#[derive(Debug, Default)]
pub struct RawOrder {
    /// The shop's order id.
    pub id: Option<String>,
    /// What the customer pays.
    pub value: Option<String>,
    /// ISO 4217 code.
    pub currency: Option<String>,
    /// Tax.
    pub tax: Option<String>,
    /// Shipping.
    pub shipping: Option<String>,
    /// Discount code.
    pub coupon: Option<String>,
    /// `true` or `false`.
    pub new_customer: Option<String>,
    /// The shop's own MAC over id, amounts and currency.
    pub sig: Option<String>,
    /// The lines.
    pub items: Vec<RawItem>,
}

/// The fields of one line as text.
#[derive(Debug, Default)]
pub struct RawItem {
    /// Article number.
    pub sku: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Category.
    pub category: Option<String>,
    /// How many.
    pub qty: Option<String>,
    /// Price of one.
    pub price: Option<String>,
}

/// Reads an order. What could not be used is left out and named in the complaints.
pub fn read(raw: RawOrder) -> (Order, String) {
    let mut reader = Reader::default();
    let currency = reader.currency(raw.currency.as_deref(), raw.value.is_some());
    let order = Order {
        id: short(raw.id.as_deref().unwrap_or_default().trim()),
        value: reader.amount("value", raw.value).filter(|_| currency.is_some()),
        currency,
        tax: reader.amount("tax", raw.tax),
        shipping: reader.amount("shipping", raw.shipping),
        coupon: raw.coupon.filter(|code| !code.is_empty()).map(|code| short(&code)),
        new_customer: raw.new_customer.map(|text| text == "true"),
        sig: raw.sig.filter(|sig| !sig.is_empty()).map(|sig| short(&sig)),
        items: raw.items.into_iter().map(|item| reader.item(item)).collect(),
    };
    (order, reader.complaints)
}

#[derive(Default)]
struct Reader {
    complaints: String,
}

impl Reader {
    fn amount(&mut self, field: &str, text: Option<String>) -> Option<Decimal> {
        let text = text.filter(|text| !text.is_empty())?;
        text.parse().map_err(|_| self.complain(field, &text, "is not a decimal number such as 129.90")).ok()
    }

    fn currency(&mut self, code: Option<&str>, is_needed: bool) -> Option<Currency> {
        let code = code.unwrap_or_default();
        let known = code.parse().ok();
        if known.is_none() && (is_needed || !code.is_empty()) {
            self.complain("currency", code, "is not an ISO 4217 code such as EUR; without it value");
        }
        known
    }

    fn item(&mut self, raw: RawItem) -> Item {
        Item {
            sku: raw.sku.as_deref().map(short),
            name: raw.name.as_deref().map(short),
            category: raw.category.as_deref().map(short),
            qty: self.amount("items[].qty", raw.qty),
            price: self.amount("items[].price", raw.price),
        }
    }

    fn complain(&mut self, field: &str, found: &str, expected: &str) {
        let separator = if self.complaints.is_empty() { "" } else { "; " };
        let parts = [separator, field, " `", &short(found), "` ", expected, " was left out"];
        self.complaints.push_str(&text::join(&parts));
    }
}

fn short(value: &str) -> String {
    String::from(text::first_chars(value, TEXT_CHARS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::is_order_id;

    fn some(text: &str) -> Option<String> {
        Some(text.into())
    }

    #[test]
    fn amounts_keep_their_digits() {
        for (text, written) in [
            ("129.90", "129.90"),
            ("129.9", "129.9"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("1e+3", "1000"),
        ] {
            let raw = RawOrder {
                id: some(" 1001 "),
                value: some(text),
                currency: some("eur"),
                ..RawOrder::default()
            };
            let (order, complaints) = read(raw);
            assert_eq!(order.value.map(|value| value.to_string()).as_deref(), Some(written));
            assert_eq!((order.id.as_str(), complaints.len()), ("1001", 0));
        }
    }

    #[test]
    fn what_cannot_be_used_is_left_out_and_named() {
        let check = |raw: RawOrder, named: &str| {
            let (order, complaints) = read(raw);
            assert!(complaints.contains(named), "{complaints} should say {named}");
            order
        };
        let base =
            || RawOrder { id: some("1"), value: some("1"), currency: some("EUR"), ..RawOrder::default() };
        let order =
            check(RawOrder { value: some("129,90 €"), ..base() }, "value `129,90 €` is not a decimal");
        assert_eq!((order.value, order.id.as_str()), (None, "1"));
        let order = check(RawOrder { currency: some("EURO"), ..base() }, "currency `EURO`");
        assert_eq!((order.value, order.currency), (None, None), "an amount without its currency is none");
        check(RawOrder { currency: None, ..base() }, "currency ``");
        check(RawOrder { tax: some("NaN"), ..base() }, "tax `NaN`");
        let item = RawItem { qty: some("two"), ..RawItem::default() };
        check(RawOrder { items: vec![item], ..base() }, "items[].qty `two`");
    }

    #[test]
    fn blanks_are_absent_and_long_texts_are_cut() {
        let raw =
            RawOrder { coupon: some(""), tax: some(""), id: some(&"9".repeat(500)), ..RawOrder::default() };
        let (order, complaints) = read(raw);
        assert_eq!((order.coupon, order.tax, complaints.len()), (None, None, 0));
        assert_eq!(order.id.len(), TEXT_CHARS_MAX);
        assert!(!is_order_id(&order.id), "an id that had to be cut is no id");
    }
}
