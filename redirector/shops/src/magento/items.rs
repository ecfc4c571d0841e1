//! What the items of a Magento order or credit memo are worth. Pure; it never decides what is paid.
//!
//! Some items have parts. The variant of a configurable product, and the parts of a bundle with a
//! price of its own, are listed with the price 0. A dynamic bundle costs what its parts cost:
//! discounts, refunds and cancelled pieces then stand at the parts alone. Either way the bundle is
//! one line.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};
use shared::money::{Currency, Decimal, Fraction};

use crate::amounts::decimal;
use crate::fields::text_of;

/// The names of the fields that make an amount: the price, its discount, and the tax that is part of
/// the discount.
pub(super) struct Names {
    pub(super) price: &'static str,
    pub(super) discount: &'static str,
    pub(super) compensation: &'static str,
}

/// What was bought.
pub(super) const BOUGHT: Names = Names {
    price: "base_row_total",
    discount: "base_discount_amount",
    compensation: "base_discount_tax_compensation_amount",
};
/// What was refunded of an item.
const REFUNDED: Names = Names {
    price: "base_amount_refunded",
    discount: "base_discount_refunded",
    compensation: "base_discount_tax_compensation_refunded",
};

/// Something that was bought, with its parts.
pub(super) struct Whole<'v> {
    /// Its place in the list of items.
    pub(super) index: usize,
    pub(super) entry: &'v Value,
    parts: Vec<&'v Map<String, Value>>,
}

/// Returns what was bought. A part whose whole is not listed stands for itself.
pub(super) fn wholes(items: &[Value]) -> Vec<Whole<'_>> {
    let objects = || items.iter().filter_map(Value::as_object);
    let listed: HashSet<String> =
        objects().filter(|item| !is_part(item)).filter_map(item_id).collect();
    let mut parts: HashMap<String, Vec<&Map<String, Value>>> = HashMap::new();
    let mut wholes = Vec::new();
    for (index, entry) in items.iter().enumerate() {
        let part = entry.as_object().filter(|item| is_part(item));
        match part.map(|part| (part, whole_id(part))) {
            None => wholes.push(Whole { index, entry, parts: vec![] }),
            Some((part, Some(whole))) if listed.contains(&whole) => {
                parts.entry(whole).or_default().push(part);
            }
            Some((part, Some(_))) if part.get(BOUGHT.price).is_some_and(|v| !v.is_null()) => {
                wholes.push(Whole { index, entry, parts: vec![] });
            }
            Some(_) => {}
        }
    }
    for whole in &mut wholes {
        let id = whole.entry.as_object().filter(|item| !is_part(item)).and_then(item_id);
        whole.parts = id.and_then(|id| parts.remove(&id)).unwrap_or_default();
    }
    wholes
}

impl<'v> Whole<'v> {
    /// Returns the item with its price after discounts, without tax and without cancelled pieces.
    ///
    /// # Errors
    /// Names the field that cannot be read.
    pub(super) fn goods(
        &self,
        currency: Currency,
    ) -> Result<(&'v Map<String, Value>, Decimal), String> {
        let item = self.entry.as_object().ok_or("(itself): expected an object")?;
        let own = Amounts::of(item, &BOUGHT)?;
        let parts = self.parts.iter().map(|part| Amounts::of_part(part, &BOUGHT));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let of_parts = Amounts::sum(&parts)?;
        if !of_parts.stands_for(&own, currency) {
            return Ok((item, kept(item, own.with(&of_parts).net()?, currency)?));
        }
        let mut sum = Decimal::ZERO;
        for (part, amounts) in self.parts.iter().zip(&parts) {
            sum = plus(sum, kept(part, amounts.net()?, currency)?)?;
        }
        // Pieces are cancelled at the parts, or at the whole where the parts do not say it.
        let is_said = self.parts.iter().any(|part| is_cancelled(part));
        Ok((item, if is_said { sum } else { kept(item, sum, currency)? }))
    }

    /// Returns the goods that were refunded of the item, after discounts and without tax.
    ///
    /// # Errors
    /// Names the field that cannot be read.
    pub(super) fn refunded(&self) -> Result<Decimal, String> {
        let Some(item) = self.entry.as_object() else { return Ok(Decimal::ZERO) };
        let parts = self.parts.iter().map(|part| Amounts::of_part(part, &REFUNDED));
        let parts = Amounts::sum(&parts.collect::<Result<Vec<_>, _>>()?)?;
        Amounts::of_part(item, &REFUNDED)?.with(&parts).net()
    }
}

/// A price, its discount, and the tax that is part of the discount.
struct Amounts {
    price: Decimal,
    discount: Decimal,
    compensation: Decimal,
}

impl Amounts {
    /// Reads the amounts of something that must have a price.
    fn of(object: &Map<String, Value>, names: &Names) -> Result<Self, String> {
        if exact(object, names.price)?.is_none() {
            return Err(format!("{}: missing", names.price));
        }
        Self::of_part(object, names)
    }

    /// Reads amounts of which each may be missing. Discounts are negative in some fields.
    fn of_part(object: &Map<String, Value>, names: &Names) -> Result<Self, String> {
        let read = |field| Ok::<_, String>(exact(object, field)?.unwrap_or(Decimal::ZERO));
        Ok(Self {
            price: read(names.price)?,
            discount: read(names.discount)?.abs(),
            compensation: read(names.compensation)?,
        })
    }

    fn sum(all: &[Self]) -> Result<Self, String> {
        let zero =
            Self { price: Decimal::ZERO, discount: Decimal::ZERO, compensation: Decimal::ZERO };
        all.iter().try_fold(zero, |sum, one| {
            Ok(Self {
                price: plus(sum.price, one.price)?,
                discount: plus(sum.discount, one.discount)?,
                compensation: plus(sum.compensation, one.compensation)?,
            })
        })
    }

    fn net(&self) -> Result<Decimal, String> {
        plus(minus(self.price, self.discount)?, self.compensation)
    }

    /// Returns whether parts with these amounts in all are what their whole is sold as: their prices
    /// make its price, and it has no more discount than they have.
    fn stands_for(&self, whole: &Self, currency: Currency) -> bool {
        let is_whole =
            is_zero(whole.price) || self.price.to_minor(currency) == whole.price.to_minor(currency);
        !is_zero(self.price) && is_whole && !is_less(self.discount, whole.discount)
    }

    /// Returns the amounts of a whole with those of its parts: what it does not say itself, they
    /// say. Of two discounts the larger one counts.
    fn with(self, parts: &Self) -> Self {
        let price = if is_zero(self.price) { parts.price } else { self.price };
        let (discount, compensation) = if is_less(self.discount, parts.discount) {
            (parts.discount, parts.compensation)
        } else {
            (self.discount, self.compensation)
        };
        Self { price, discount, compensation }
    }
}

/// Returns an amount of an order or a credit memo itself, after its discount and without tax.
///
/// # Errors
/// Names the field that cannot be read, or has no value.
pub(super) fn net(object: &Map<String, Value>, names: &Names) -> Result<Decimal, String> {
    Amounts::of(object, names)?.net()
}

/// Returns what is left of an amount without the cancelled pieces, rounded to the currency.
fn kept(item: &Map<String, Value>, amount: Decimal, currency: Currency) -> Result<Decimal, String> {
    let ordered = exact(item, "qty_ordered")?.unwrap_or(Decimal::ZERO);
    let cancelled = exact(item, "qty_canceled")?.unwrap_or(Decimal::ZERO);
    if is_zero(cancelled) || cancelled.is_negative() || !is_less(Decimal::ZERO, ordered) {
        return Ok(amount);
    }
    let left = minus(ordered, cancelled)?;
    if left.is_negative() {
        return Ok(Decimal::ZERO);
    }
    let ((amount, of_amount), (left, of_left)) = (amount.fraction(), left.fraction());
    let (ordered, of_ordered) = ordered.fraction();
    let minor = Fraction::new(amount, of_amount)
        .times(left, of_left)
        .and_then(|share| share.times(of_ordered, ordered))
        .and_then(|share| share.times(10i128.pow(currency.exponent()), 1))
        .and_then(Fraction::rounded);
    let minor = minor.ok_or("qty_canceled: too large")?;
    Ok(Decimal::from_minor(minor, currency))
}

fn is_cancelled(item: &Map<String, Value>) -> bool {
    exact(item, "qty_canceled").is_ok_and(|pieces| pieces.is_some_and(|pieces| !is_zero(pieces)))
}

/// Returns whether an item is only a part of another item.
fn is_part(item: &Map<String, Value>) -> bool {
    ["parent_item_id", "parent_item"]
        .into_iter()
        .any(|field| item.get(field).is_some_and(|whole| !whole.is_null()))
}

fn whole_id(part: &Map<String, Value>) -> Option<String> {
    let named = part.get("parent_item_id").and_then(text_of);
    named.or_else(|| item_id(part.get("parent_item")?.as_object()?))
}

/// Returns the id of an order's item, or the id of the order's item that a credit memo's item
/// refunds.
pub(super) fn item_id(item: &Map<String, Value>) -> Option<String> {
    ["order_item_id", "item_id"].into_iter().find_map(|field| item.get(field).and_then(text_of))
}

/// Reads an amount that may be missing.
///
/// # Errors
/// Names the field.
pub(super) fn exact(object: &Map<String, Value>, field: &str) -> Result<Option<Decimal>, String> {
    let value = object.get(field).filter(|value| !value.is_null());
    value.map(decimal).transpose().map_err(|reason| format!("{field}: {reason}"))
}

/// Returns a sum.
///
/// # Errors
/// When it is too large.
pub(super) fn plus(sum: Decimal, more: Decimal) -> Result<Decimal, String> {
    sum.checked_add(more).ok_or_else(|| "sum: too large".to_owned())
}

/// Returns a difference.
///
/// # Errors
/// When it is too large.
pub(super) fn minus(sum: Decimal, less: Decimal) -> Result<Decimal, String> {
    sum.checked_sub(less).ok_or_else(|| "sum: too large".to_owned())
}

const fn is_zero(amount: Decimal) -> bool {
    amount.fraction().0 == 0
}

fn is_less(one: Decimal, other: Decimal) -> bool {
    one.checked_sub(other).is_some_and(Decimal::is_negative)
}
