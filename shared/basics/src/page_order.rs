//! An order of a pixel event, and how it is read: strictly when the page reported it by a call of
//! its own, and leniently when the pixel found it in a data layer, which others wrote for another
//! purpose.
//!
//! A call is refused with the name of the field that is wrong, so that its developer mends it. Of a
//! found order nobody would read that: what cannot be read is left out and named, and the click
//! still finds its order. Never guesses an amount.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::money::{Currency, Decimal};

/// The most codes that are kept of an order.
const CODES_MAX: usize = 20;
/// The most lines and unread fields that are kept of an order.
const ITEMS_MAX: usize = 200;

/// An order as the page knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "RawOrder")]
pub struct Order {
    /// The shop's own order id.
    pub id: String,
    /// The amount that the customer pays, or the value of the goods: shops differ.
    pub value: Option<Decimal>,
    /// The currency of all amounts of the order.
    pub currency: Option<Currency>,
    /// The tax, contained or added.
    pub tax: Option<Decimal>,
    /// The shipping costs.
    pub shipping: Option<Decimal>,
    /// The discount codes that were used: in the body `coupon`, one or a list.
    pub coupons: Vec<String>,
    /// True for the customer's first order, false for a later one.
    pub new_customer: Option<bool>,
    /// The order's key: what only the buyer's page and the shop know. It proves that the page is the
    /// buyer's.
    pub key: Option<String>,
    /// The shop's MAC over id, amounts and currency, in hex. The page only passes it on.
    pub sig: Option<String>,
    /// The place on the page where the pixel found it; absent when the page reported it by a call.
    pub source: Option<PageSource>,
    /// The lines.
    pub items: Vec<Item>,
    /// The fields that could not be read, of an order that the pixel found.
    pub unread: Vec<Unread>,
}

/// A field of an order that was found on a page and could not be read. It is unknown, never zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The field's name in the body, such as `value` or `items[0].price`.
    pub field: String,
    /// What stood there.
    pub text: String,
}

/// The place on a page where the pixel found an order that no call reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PageSource {
    /// Google's data layer.
    Ga4,
    /// A place unknown to this version.
    #[serde(other)]
    Other,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// The shop's article number.
    pub sku: Option<String>,
    /// The name of the article.
    pub name: Option<String>,
    /// Its category.
    pub category: Option<String>,
    /// The number of pieces.
    pub qty: Option<Decimal>,
    /// The price of one piece.
    pub price: Option<Decimal>,
}

/// An order as it stands in the body. Each field may be anything.
#[derive(Deserialize)]
struct RawOrder {
    id: String,
    value: Option<Value>,
    currency: Option<Value>,
    tax: Option<Value>,
    shipping: Option<Value>,
    coupon: Option<Value>,
    new_customer: Option<Value>,
    key: Option<Value>,
    sig: Option<Value>,
    source: Option<PageSource>,
    items: Option<Value>,
}

#[derive(Deserialize)]
struct RawItem {
    sku: Option<Value>,
    name: Option<Value>,
    category: Option<Value>,
    qty: Option<Value>,
    price: Option<Value>,
}

impl TryFrom<RawOrder> for Order {
    type Error = String;

    fn try_from(raw: RawOrder) -> Result<Self, String> {
        let mut reader = Reader { is_found: raw.source.is_some(), unread: vec![] };
        let mut order = Self {
            id: raw.id,
            value: reader.read("value", raw.value)?,
            currency: reader.read("currency", raw.currency)?,
            tax: reader.read("tax", raw.tax)?,
            shipping: reader.read("shipping", raw.shipping)?,
            coupons: reader.codes(raw.coupon)?,
            new_customer: reader.read("new_customer", raw.new_customer)?,
            key: reader.read("key", raw.key)?,
            sig: reader.read("sig", raw.sig)?,
            source: raw.source,
            items: reader.items(raw.items)?,
            unread: vec![],
        };
        let names_currency = reader.unread.iter().any(|unread| unread.field == "currency");
        if reader.is_found && order.value.is_some() && order.currency.is_none() && !names_currency {
            reader.leave_out("currency", &Value::Null);
        }
        order.unread = reader.unread;
        Ok(order)
    }
}

struct Reader {
    /// Whether the pixel found the order.
    is_found: bool,
    unread: Vec<Unread>,
}

impl Reader {
    /// Reads a field, if it is there. An empty text in a found order is no field.
    fn read<T: DeserializeOwned>(
        &mut self,
        field: &str,
        value: Option<Value>,
    ) -> Result<Option<T>, String> {
        let Some(value) = value.filter(|value| !self.is_found || !is_empty(value)) else {
            return Ok(None);
        };
        match T::deserialize(&value) {
            Ok(read) => Ok(Some(read)),
            Err(_) if self.is_found => {
                self.leave_out(field, &value);
                Ok(None)
            }
            Err(error) => Err(format!("{field}: {error}")),
        }
    }

    fn leave_out(&mut self, field: &str, value: &Value) {
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if self.unread.len() < ITEMS_MAX {
            self.unread.push(Unread { field: field.to_owned(), text });
        }
    }

    /// Reads one code or a list of codes. Data layers join several by commas.
    fn codes(&mut self, value: Option<Value>) -> Result<Vec<String>, String> {
        let listed: Vec<String> = match value {
            Some(list @ Value::Array(_)) => self.read("coupon", Some(list))?.unwrap_or_default(),
            value => self.read("coupon", value)?.into_iter().collect(),
        };
        if !self.is_found {
            return Ok(listed);
        }
        let parts = listed.iter().flat_map(|codes| codes.split(',')).map(str::trim);
        Ok(parts.filter(|code| !code.is_empty()).take(CODES_MAX).map(str::to_owned).collect())
    }

    fn items(&mut self, value: Option<Value>) -> Result<Vec<Item>, String> {
        let list: Option<Vec<Value>> = self.read("items", value)?;
        let mut items = Vec::new();
        for (index, value) in list.into_iter().flatten().enumerate() {
            let is_skipped = self.is_found && (value.is_null() || items.len() >= ITEMS_MAX);
            if is_skipped {
                continue;
            }
            let place = format!("items[{index}]");
            let Some(raw) = self.read::<RawItem>(&place, Some(value))? else { continue };
            items.push(Item {
                sku: self.read(&format!("{place}.sku"), raw.sku)?,
                name: self.read(&format!("{place}.name"), raw.name)?,
                category: self.read(&format!("{place}.category"), raw.category)?,
                qty: self.read(&format!("{place}.qty"), raw.qty)?,
                price: self.read(&format!("{place}.price"), raw.price)?,
            });
        }
        Ok(items)
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}
