//! Magento 2 and Adobe Commerce: orders, invoices and credit memos, as a queued module posts them
//! or the REST API lists them.
//!
//! `state` decides; `status` is a word that each shop chooses. Amounts are in the website's
//! currency (`base_…`), never in the customer's. An order contains all that was refunded so far. A
//! credit memo that comes by itself adds to the order before it. The next state of the order
//! contains the credit memo, and replaces both. Personal data is never kept. A field that cannot be
//! read is noted and left out; the rest of the order still counts.

mod items;

use http::HeaderMap;
use serde_json::{Map, Value};
use shared::id::{FactId, ProofId};
use shared::money::{Currency, Decimal};
use shared::order::{
    AliasKind, AmountPart, FactKind, Line, OrderFact, Refund, RefundList, RefundedLine, Status,
    Touch, Unreadable,
};
use shared::platform::Platform;
use shared::time::{Span, Timestamp};

use crate::amounts::{self, bounded, brief, unreadable};
use crate::arrival::{Arrival, Reading};
use crate::fields::{self, first_notes, list, text_of};
use crate::mac::Begun;
use crate::signature::{self, OWN_HEADER};
use items::{BOUGHT, Names, exact, item_id, minus, net, plus, wholes};

/// The id of the one refund that stands for an order's own total: everything that was refunded so
/// far.
const REFUND_SO_FAR: &str = "so far";
/// Bytes of an order's id.
const ID_BYTES_MAX: usize = 64;
/// Bytes of a key that nobody can guess.
const KEY_BYTES_MIN: usize = 16;

/// Begins to check a delivery that the module signed.
pub(crate) fn begin(headers: &HeaderMap, secrets: &[&str], received_at: Timestamp) -> Begun {
    signature::begin(OWN_HEADER, headers, secrets, received_at)
}

/// What a body is about. Its outer name decides, or else its fields.
#[derive(Clone, Copy)]
enum Subject {
    Order,
    Invoice,
    CreditMemo,
}

/// Reads a signed arrival.
pub(crate) fn read(arrival: &Arrival<'_>) -> Reading {
    let body = match fields::object(arrival.body) {
        Ok(body) => body,
        Err(reason) => return Reading::Unparsed(reason),
    };
    let (subject, entity) = subject(&body);
    let reader = Reader { arrival, entity, notes: vec![], unreadable: vec![] };
    let fact = match subject {
        Subject::Order => reader.order(),
        Subject::Invoice => reader.invoice(),
        Subject::CreditMemo => reader.credit_memo(),
    };
    fact.map_or_else(Reading::Unparsed, |fact| Reading::Fact(Box::new(fact)))
}

fn subject(body: &Map<String, Value>) -> (Subject, &Map<String, Value>) {
    let wrapped = |name: &str| body.get(name).and_then(Value::as_object);
    if let Some(order) = wrapped("order") {
        return (Subject::Order, order);
    }
    if let Some(memo) = wrapped("creditmemo") {
        return (Subject::CreditMemo, memo);
    }
    if let Some(invoice) = wrapped("invoice") {
        return (Subject::Invoice, invoice);
    }
    let has = |field: &str| body.contains_key(field);
    // An order has no `order_id`. Of the other two, only a credit memo has these fields.
    match has("order_id") {
        false => (Subject::Order, body),
        true if has("creditmemo_status")
            || has("base_adjustment")
            || has("base_adjustment_positive") =>
        {
            (Subject::CreditMemo, body)
        }
        true => (Subject::Invoice, body),
    }
}

/// Reads the fields of one entity, and notes those that it cannot read.
struct Reader<'a> {
    arrival: &'a Arrival<'a>,
    entity: &'a Map<String, Value>,
    notes: Vec<String>,
    unreadable: Vec<Unreadable>,
}

impl<'a> Reader<'a> {
    fn order(mut self) -> Result<OrderFact, String> {
        let blank = self.blank("entity_id", "order")?;
        let state = self.entity.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
        if state.is_empty() {
            return Err("state: expected a word such as processing".to_owned());
        }
        let currency = self.currency();
        let status = self.status(&state, currency);
        let (goods_minor, lines) = self.goods(currency);
        let refunds: Vec<Refund> = self.refunded_so_far(currency).into_iter().collect();
        let kind = match status {
            Status::Void => FactKind::Cancel,
            _ if !refunds.is_empty() => FactKind::Refund,
            _ => FactKind::Order,
        };
        // Magento counts whole seconds. The order's state must come after a credit memo of the same
        // second, because it contains the memo.
        let updated_at = self.time("updated_at").map(|time| time.plus(Span::ms(1)));
        let fact = OrderFact {
            kind,
            aliases: fields::alias(AliasKind::IncrementId, self.entity.get("increment_id"))
                .into_iter()
                .collect(),
            proofs: self.proofs(),
            occurred_at: updated_at.unwrap_or(blank.received_at).min(blank.received_at),
            ordered_at: self.time("created_at"),
            status: Some(status),
            currency,
            goods_minor,
            lines: fields::lines(lines, &mut self.notes),
            tax_minor: self.amount("base_tax_amount", currency),
            shipping_minor: self.amount("base_shipping_amount", currency),
            total_minor: self.total(currency),
            refunds,
            refund_list: RefundList::Whole,
            coupons: self.coupons(),
            touches: self.touches(),
            customer: fields::customer(self.arrival, [self.entity.get("customer_email")]),
            mailbox: fields::mailbox(self.arrival, [self.entity.get("customer_email")]),
            ..blank
        };
        Ok(OrderFact { notes: first_notes(self.notes), unreadable: self.unreadable, ..fact })
    }

    /// Reads an invoice. In its state 2 it says that its order was paid.
    fn invoice(mut self) -> Result<OrderFact, String> {
        // SECURITY: orders of the server API have an `order_id` too, and are signed in the same way.
        if self.entity.get("entity_id").and_then(text_of).is_none() {
            return Err("entity_id: expected the invoice's number".to_owned());
        }
        let blank = self.blank("order_id", "invoice")?;
        let paid = self.entity.get("state").and_then(text_of).as_deref() == Some("2");
        let time = self.time("updated_at").or_else(|| self.time("created_at"));
        Ok(OrderFact {
            occurred_at: time.unwrap_or(blank.received_at).min(blank.received_at),
            status: paid.then_some(Status::Paid),
            partial: true,
            notes: first_notes(self.notes),
            ..blank
        })
    }

    fn credit_memo(mut self) -> Result<OrderFact, String> {
        let blank = self.blank("order_id", "creditmemo")?;
        let id = self
            .entity
            .get("entity_id")
            .and_then(text_of)
            .ok_or("entity_id: expected the memo's number")?;
        let currency =
            self.currency().ok_or("base_currency_code: expected a currency such as EUR")?;
        let field = "base_grand_total";
        if self.entity.get(field).is_none_or(Value::is_null) {
            return Err(format!("{field}: expected an amount"));
        }
        let total_minor = self.amount(field, Some(currency));
        if total_minor.is_none() {
            self.unread(AmountPart::Total, field);
        }
        let (goods_minor, lines) = self.goods_of_memo(currency);
        let lines = lines
            .into_iter()
            .map(|line| RefundedLine { line: line.id, goods_minor: line.goods_minor });
        let id = format!("creditmemo {id}");
        let refund = total_minor.map(|total_minor| Refund {
            lines: lines.collect(),
            ..Refund::new(id.clone(), total_minor, goods_minor)
        });
        // Whatever cannot be read of a memo, it is this refund that is unknown.
        let unread = std::mem::take(&mut self.unreadable).into_iter().next();
        let unread = unread.map(|unread| Unreadable { part: AmountPart::Refund(id), ..unread });
        let time = self.time("updated_at").or_else(|| self.time("created_at"));
        Ok(OrderFact {
            kind: FactKind::Refund,
            occurred_at: time.unwrap_or(blank.received_at).min(blank.received_at),
            currency: Some(currency),
            refunds: refund.into_iter().collect(),
            unreadable: unread.into_iter().collect(),
            partial: true,
            notes: first_notes(self.notes),
            ..blank
        })
    }

    /// Returns a blank fact about the order that a field names. The same state of an entity is one
    /// fact, whether the module posted it or the API listed it.
    fn blank(&self, id_field: &str, of: &str) -> Result<OrderFact, String> {
        let order_id =
            self.entity.get(id_field).and_then(text_of).filter(|id| id.len() <= ID_BYTES_MAX);
        let order_id =
            order_id.ok_or_else(|| format!("{id_field}: expected the order's number"))?;
        let content = serde_json::to_vec(self.entity).unwrap_or_default();
        let merchant = self.arrival.merchant.bits().to_be_bytes();
        let id = FactId::of_content(&[b"magento", &merchant, of.as_bytes(), &content]);
        let blank = fields::blank(Platform::Magento, self.arrival, order_id, id);
        Ok(OrderFact { refund_list: RefundList::Some, ..blank })
    }

    fn status(&mut self, state: &str, currency: Option<Currency>) -> Status {
        // Magento counts in binary fractions: a due amount of 0.00000000000003 is nothing due.
        let is_some = |amount: Decimal| {
            let minor = currency.map(|currency| amount.to_minor(currency));
            minor.map_or(amount.fraction().0 > 0, |minor| minor.is_ok_and(|minor| minor > 0))
        };
        // Who cannot read what is owed must not take it for paid.
        let owes = match self.exact("base_total_due") {
            Ok(due) => due.is_some_and(is_some),
            Err(reason) => {
                self.notes.push(reason);
                true
            }
        };
        let has_paid = self.exact("base_total_paid").ok().flatten().is_some_and(is_some);
        match state {
            "canceled" | "closed" => Status::Void,
            "new" | "pending_payment" if has_paid && !owes => Status::Paid,
            "processing" | "complete" if !owes || has_paid => Status::Paid,
            "new" | "pending_payment" | "processing" | "complete" | "holded" | "payment_review" => {
                Status::Unpaid
            }
            other => {
                let other = brief(other);
                self.notes.push(format!("state: `{other}` is not known; read as unpaid"));
                Status::Unpaid
            }
        }
    }

    fn currency(&mut self) -> Option<Currency> {
        let field = "base_currency_code";
        let value = self.entity.get(field).filter(|value| !value.is_null());
        let code = value.and_then(Value::as_str).unwrap_or_default();
        let currency = code.parse().map_err(|error| self.notes.push(format!("{field}: {error}")));
        let has_amounts =
            ["base_grand_total", "items"].iter().any(|name| self.entity.contains_key(*name));
        if currency.is_err() && (value.is_some() || has_amounts) {
            self.unread(AmountPart::Currency, field);
        }
        currency.ok()
    }

    fn unread(&mut self, part: AmountPart, field: &str) {
        self.unreadable.push(unreadable(part, field, self.entity.get(field)));
    }

    fn total(&mut self, currency: Option<Currency>) -> Option<i64> {
        let field = "base_grand_total";
        let total = self.amount(field, currency);
        let cancelled = self.amount("base_total_canceled", currency).unwrap_or(0);
        let total = total.map(|total| (total - cancelled).max(0));
        let is_stated = self.entity.get(field).is_some_and(|value| !value.is_null());
        if total.is_none() && is_stated && currency.is_some() {
            self.unread(AmountPart::Total, field);
        }
        total
    }

    fn time(&mut self, field: &str) -> Option<Timestamp> {
        let text = self.entity.get(field).and_then(Value::as_str)?;
        Timestamp::parse_gmt(text)
            .map_err(|error| self.notes.push(format!("{field}: {error}")))
            .ok()
    }

    fn exact(&self, field: &str) -> Result<Option<Decimal>, String> {
        exact(self.entity, field)
    }

    fn amount(&mut self, field: &str, currency: Option<Currency>) -> Option<i64> {
        let currency = currency?;
        let amount = self.exact(field).and_then(|amount| {
            let bounded =
                |amount| bounded(amount, currency).map_err(|reason| format!("{field}: {reason}"));
            amount.map(bounded).transpose()
        });
        amount.map_err(|reason| self.notes.push(reason)).ok()?
    }

    /// Returns the sum of the items, after discounts, without tax and without what was cancelled, and
    /// each item as a line. A payload without items is read by its subtotal.
    fn goods(&mut self, currency: Option<Currency>) -> (Option<i64>, Vec<Line>) {
        let Some(currency) = currency else { return (None, vec![]) };
        let Some(items) = self.entity.get("items").and_then(Value::as_array) else {
            let goods = self.subtotal().and_then(|goods| minus(goods, self.cancelled_subtotal()?));
            let goods = goods.map_err(|reason| self.notes.push(reason)).ok();
            let goods = goods.and_then(|goods| amounts::goods(goods, currency, &mut self.notes));
            if goods.is_none() && self.entity.contains_key("base_subtotal") {
                self.unread(AmountPart::Goods, "base_subtotal");
            }
            return (goods, vec![]);
        };
        let (mut sum, mut lines, mut unread) = (Decimal::ZERO, Vec::new(), None);
        for whole in wholes(items) {
            let goods = whole.goods(currency);
            match goods.and_then(|(item, goods)| Ok((item, goods, plus(sum, goods)?))) {
                Ok((item, goods, more)) => {
                    sum = more;
                    lines.extend(line(item, goods, currency));
                }
                Err(reason) => {
                    let field = reason.split(':').next().unwrap_or_default();
                    let place = format!("items[{}].{field}", whole.index);
                    self.notes.push(format!("items[{}].{reason}", whole.index));
                    unread = unread.or_else(|| Some((place, whole.entry.get(field))));
                }
            }
        }
        // Items that do not count cancelled pieces leave it to the order's own sum.
        if !items.iter().any(|item| item.get("qty_canceled").is_some()) {
            match self.cancelled_subtotal().and_then(|cancelled| minus(sum, cancelled)) {
                Ok(rest) => sum = rest,
                Err(reason) => {
                    self.notes.push(reason);
                    let field = "base_subtotal_canceled";
                    unread = unread.or_else(|| Some((field.to_owned(), self.entity.get(field))));
                }
            }
        }
        let goods =
            unread.is_none().then(|| amounts::goods(sum, currency, &mut self.notes)).flatten();
        if goods.is_none() {
            let sum = Value::from(sum.to_string());
            let (field, value) = unread.unwrap_or(("items".to_owned(), Some(&sum)));
            self.unreadable.push(unreadable(AmountPart::Goods, field, value));
            lines.clear();
        }
        (goods, lines)
    }

    /// Returns the goods of a credit memo. Its items do not say which of them are parts, and the row
    /// of a dynamic bundle has no price there or that of all its parts. So where the rows do not add
    /// up to the memo's subtotal, the subtotal counts.
    fn goods_of_memo(&mut self, currency: Currency) -> (Option<i64>, Vec<Line>) {
        let minor = |amount: Decimal| amount.to_minor(currency).ok();
        let stated = self.exact("base_subtotal").ok().flatten().and_then(minor);
        let rows = list(self.entity, "items").iter().filter_map(Value::as_object);
        let rows = rows.map(|item| exact(item, BOUGHT.price).ok()?);
        let rows: Option<Vec<Decimal>> = rows.collect();
        let sum = rows.and_then(|rows| {
            rows.into_iter().try_fold(Decimal::ZERO, |sum, row| plus(sum, row).ok())
        });
        if stated.is_none() || stated == sum.and_then(minor) {
            return self.goods(Some(currency));
        }
        match self.subtotal() {
            Ok(goods) => (amounts::goods(goods, currency, &mut self.notes), vec![]),
            Err(reason) => {
                self.notes.push(reason);
                self.unread(AmountPart::Goods, "base_subtotal");
                (None, vec![])
            }
        }
    }

    /// Returns the goods by the entity's own sums.
    fn subtotal(&self) -> Result<Decimal, String> {
        const SUBTOTAL: Names = Names { price: "base_subtotal", ..BOUGHT };
        let of_shipping = self.exact("base_shipping_discount_amount")?;
        plus(net(self.entity, &SUBTOTAL)?, of_shipping.unwrap_or(Decimal::ZERO))
    }

    /// Returns the goods that were cancelled, by the order's own sums.
    fn cancelled_subtotal(&self) -> Result<Decimal, String> {
        let read = |field| Ok::<_, String>(self.exact(field)?.unwrap_or(Decimal::ZERO).abs());
        let (cancelled, discount) =
            (read("base_subtotal_canceled")?, read("base_discount_canceled")?);
        let rest = minus(cancelled, discount)?;
        Ok(if rest.is_negative() { Decimal::ZERO } else { rest })
    }

    /// Returns everything that was refunded so far, as one refund.
    fn refunded_so_far(&mut self, currency: Option<Currency>) -> Option<Refund> {
        let currency = currency?;
        let (field, noted) = ("base_total_refunded", self.notes.len());
        let total_minor = self.amount(field, Some(currency));
        if self.notes.len() > noted {
            self.unread(AmountPart::Refund(REFUND_SO_FAR.to_owned()), field);
        }
        let total_minor = total_minor.filter(|total| *total > 0)?;
        let lines = self.refunded_lines(currency).unwrap_or_else(|reason| {
            self.notes.push(reason);
            vec![]
        });
        let of_lines: i64 = lines.iter().map(|line| line.goods_minor).sum();
        let goods_minor =
            if of_lines > 0 { Some(of_lines) } else { self.refunded_subtotal(currency) };
        Some(Refund { lines, ..Refund::new(REFUND_SO_FAR.to_owned(), total_minor, goods_minor) })
    }

    /// Returns what was refunded of each item. One item that cannot be read makes the others'
    /// refunds useless: their sum would be too small.
    fn refunded_lines(&self, currency: Currency) -> Result<Vec<RefundedLine>, String> {
        let mut lines = Vec::new();
        for whole in wholes(list(self.entity, "items")) {
            let at = |reason: String| format!("items[{}].{reason}", whole.index);
            let goods = whole.refunded().map_err(at)?;
            if goods.is_negative() {
                continue;
            }
            let goods_minor =
                bounded(goods, currency).map_err(|reason| at(format!("refunded: {reason}")))?;
            let id = whole.entry.as_object().and_then(item_id);
            let line = id.filter(|_| goods_minor > 0);
            lines.extend(line.map(|line| RefundedLine { line, goods_minor }));
        }
        Ok(lines)
    }

    /// Returns the refunded goods by the order's own sums. Returns `None` if the order has no such
    /// sums; then the goods are refunded pro rata.
    fn refunded_subtotal(&self, currency: Currency) -> Option<i64> {
        const SUBTOTAL: Names = Names {
            price: "base_subtotal_refunded",
            discount: "base_discount_refunded",
            compensation: "base_discount_tax_compensation_refunded",
        };
        bounded(net(self.entity, &SUBTOTAL).ok()?, currency).ok()
    }

    fn coupons(&self) -> Vec<String> {
        let codes = self.entity.get("coupon_code").and_then(Value::as_str).unwrap_or_default();
        codes.split(',').map(str::trim).filter(|code| !code.is_empty()).map(str::to_owned).collect()
    }

    /// Returns the proofs that the order bears: its protect code, and the mask of its quote, which a
    /// module may add. Old versions of Magento have protect codes that can be guessed.
    fn proofs(&self) -> Vec<ProofId> {
        let extension = self.entity.get("extension_attributes");
        let mask = |name: &str| self.entity.get(name).or_else(|| extension?.get(name));
        let keys = [self.entity.get("protect_code"), mask("quote_mask"), mask("masked_quote_id")];
        let is_long = |key: &&Value| key.as_str().is_some_and(|key| key.len() >= KEY_BYTES_MIN);
        fields::proofs(self.arrival, keys.map(|key| key.filter(is_long)))
    }

    /// Returns the clicks of the tokens in custom or extension attributes named `ac` or `_ac`.
    fn touches(&mut self) -> Vec<Touch> {
        let custom = list(self.entity, "custom_attributes").iter().filter_map(|attribute| {
            let field = match attribute.get("attribute_code")?.as_str()? {
                "ac" => "custom_attributes.ac",
                "_ac" => "custom_attributes._ac",
                _ => return None,
            };
            Some((field, attribute.get("value")?.as_str()?))
        });
        let extension = self.entity.get("extension_attributes").and_then(Value::as_object);
        let named = [("extension_attributes.ac", "ac"), ("extension_attributes._ac", "_ac")];
        let extension = named
            .into_iter()
            .filter_map(|(field, name)| Some((field, extension?.get(name)?.as_str()?)));
        fields::touches(self.arrival, custom.chain(extension), &mut self.notes)
    }
}

fn line(item: &Map<String, Value>, goods: Decimal, currency: Currency) -> Option<Line> {
    let line = fields::line(item, goods, currency);
    let id = item_id(item)?;
    let named = |field| item.get(field).and_then(text_of);
    let goods_minor = bounded(goods, currency).ok()?;
    let plain = || Line {
        id: id.clone(),
        sku: named("sku"),
        product: named("product_id"),
        category: None,
        goods_minor,
    };
    Some(line.map_or_else(plain, |line| Line { id: id.clone(), ..line }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use http::header::HeaderMap;
    use serde_json::json;
    use shared::id::MerchantId;
    use shared::order::fold;

    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_780_000_000_000);

    fn reading(body: &[u8]) -> Reading {
        read(&Arrival::of_test(&HeaderMap::new(), body, NOW))
    }

    fn fact(body: &Value) -> OrderFact {
        match reading(body.to_string().as_bytes()) {
            Reading::Fact(fact) => *fact,
            other => panic!("{other:?}"),
        }
    }

    fn fixture(name: &str) -> Value {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/magento");
        serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
    }

    /// An order as the REST API lists it: a configurable product with its choice, and a discount.
    fn listed(changes: Value) -> Value {
        let mut order = json!({
            "entity_id": 31, "increment_id": "000000031", "state": "processing", "status": "closed_exchange_success",
            "base_currency_code": "EUR", "order_currency_code": "USD", "base_grand_total": 139.9, "grand_total": 150.1,
            "base_subtotal": 145, "base_discount_amount": -15.1, "base_shipping_amount": 10, "base_tax_amount": 0,
            "base_total_due": 0, "base_total_paid": 139.9, "coupon_code": "ANNA15, EXTRA",
            "created_at": "2026-05-01 10:00:00", "updated_at": "2026-05-01 10:00:05",
            "customer_email": "Buyer@example.org",
            "items": [
                { "item_id": 1, "sku": "S1", "product_id": 7, "base_row_total": 100, "base_discount_amount": 15.1 },
                { "item_id": 2, "sku": "S1-M", "product_id": 8, "base_row_total": 0, "parent_item_id": 1 },
                { "item_id": 3, "sku": "B1", "product_id": "9", "base_row_total": "45.00" },
            ],
        });
        order.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        order
    }

    fn memo(changes: Value) -> Value {
        let mut memo = json!({
            "entity_id": 5, "order_id": 31, "base_currency_code": "EUR", "base_grand_total": 45, "base_adjustment": 0,
            "created_at": "2026-05-03 10:00:00",
            "items": [{ "order_item_id": 3, "base_row_total": 45, "qty": 1 }],
        });
        memo.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        memo
    }

    #[test]
    fn the_published_order_is_read_without_anything_personal() {
        let fact = fact(&fixture("mage2pro_observer_order_created.json"));
        assert_eq!((fact.order_id.as_str(), fact.status), ("1", Some(Status::Unpaid)));
        let amounts = (fact.goods_minor, fact.shipping_minor, fact.total_minor, fact.tax_minor);
        assert_eq!(amounts, (Some(918_000), Some(1000), Some(919_000), Some(0)));
        assert_eq!(fact.aliases[0].value, "000000001");
        let proof = |key: &str| ProofId::of_key(MerchantId::from_bits(1), key).unwrap();
        assert_eq!(fact.proofs, [proof("62ef31f388160d69ee03991765ae1b52")]);
        let mask = "Fp3gT1mUWpZ7Jm9nOtOfzFzTKVo4kTUG";
        for masked in [
            json!({ "quote_mask": mask }),
            json!({ "extension_attributes": { "masked_quote_id": mask } }),
        ] {
            assert_eq!(self::fact(&listed(masked)).proofs, [proof(mask)]);
        }
        assert_eq!(
            self::fact(&listed(json!({ "protect_code": "a1b2c3" }))).proofs,
            [],
            "guessable"
        );
        assert_eq!(fact.ordered_at, Some(Timestamp::parse_gmt("2018-11-10T04:35:13").unwrap()));
        assert_eq!(
            fact.customer,
            shared::id::CustomerId::of_email(MerchantId::from_bits(1), "customer@example.com")
        );
        let kept = serde_json::to_string(&fact).unwrap();
        for personal in
            ["customer@example.com", "Test", "127.0.0.1", "62ef31f388160d69ee03991765ae1b52"]
        {
            assert!(!kept.contains(personal), "{personal} is kept");
        }
        assert_eq!(fact.notes, Vec::<String>::new());
    }

    #[test]
    fn the_published_invoice_pays_its_order_and_the_refund_request_is_not_understood() {
        let fact = fact(&fixture("adobe_docs_invoice_created.json"));
        assert_eq!(
            (fact.order_id.as_str(), fact.status, fact.partial),
            ("3", Some(Status::Paid), true)
        );
        let request = fixture("adobe_docs_refund_request.json").to_string();
        assert!(
            matches!(reading(request.as_bytes()), Reading::Unparsed(reason) if reason.starts_with("entity_id:"))
        );
    }

    #[test]
    fn parents_count_in_the_websites_currency_by_state() {
        let order = fact(&listed(json!({})));
        assert_eq!((order.goods_minor, order.currency), (Some(12_990), "EUR".parse().ok()));
        assert_eq!(
            order.lines.iter().map(|l| (l.id.as_str(), l.goods_minor)).collect::<Vec<_>>(),
            [("1", 8490), ("3", 4500)]
        );
        assert_eq!(order.coupons, ["ANNA15", "EXTRA"]);
        assert_eq!(
            fact(&json!({ "order": listed(json!({})) })).id,
            order.id,
            "wrapped or not is one fact"
        );
        for (state, due, status) in [
            ("new", 139, Status::Unpaid),
            ("new", 0, Status::Paid),
            ("processing", 0, Status::Paid),
            ("complete", 0, Status::Paid),
            ("holded", 0, Status::Unpaid),
            ("payment_review", 0, Status::Unpaid),
            ("canceled", 0, Status::Void),
            ("closed", 0, Status::Void),
            ("odd", 0, Status::Unpaid),
        ] {
            assert_eq!(
                fact(&listed(json!({ "state": state, "base_total_due": due }))).status,
                Some(status),
                "{state}"
            );
        }
    }

    #[test]
    fn a_credit_memo_and_the_orders_own_total_are_the_same_money() {
        let order = fact(&listed(json!({})));
        let memo = fact(&memo(json!({})));
        assert_eq!(fold(&[order.clone(), memo.clone()]).unwrap().net_goods_minor(), Some(8490));
        let refunded = json!({ "base_total_refunded": 45, "base_subtotal_refunded": 45, "updated_at": "2026-05-03 10:00:00" });
        let after = fact(&listed(refunded));
        for facts in [
            vec![order.clone(), memo.clone(), after.clone()],
            vec![after.clone(), memo, order.clone()],
        ] {
            let folded = fold(&facts).unwrap();
            assert_eq!((folded.net_goods_minor(), folded.refunded_minor), (Some(8490), 4500));
        }
        let mut by_item =
            listed(json!({ "base_total_refunded": 100.9, "updated_at": "2026-05-04 10:00:00" }));
        by_item["items"][0]["base_amount_refunded"] = json!(100);
        by_item["items"][0]["base_discount_refunded"] = json!(15.1);
        let folded = fold(&[order, after, fact(&by_item)]).unwrap();
        assert_eq!((folded.net_goods_minor(), folded.refunded_lines["1"]), (Some(4500), 8490));
    }

    /// A dynamic bundle of two parts, and a simple item.
    fn bundle(changes: Value) -> Value {
        let mut order = listed(json!({
            "base_grand_total": 64.9, "items": [
                { "item_id": 1, "product_type": "bundle", "sku": "B", "base_row_total": 61, "base_discount_amount": 0, "qty_ordered": 1 },
                { "item_id": 2, "product_type": "simple", "base_row_total": 23, "base_discount_amount": 2.3, "parent_item_id": 1, "qty_ordered": 1 },
                { "item_id": 3, "product_type": "simple", "base_row_total": 38, "base_discount_amount": 3.8, "parent_item_id": 1, "qty_ordered": 1 },
                { "item_id": 4, "product_type": "simple", "base_row_total": 10, "qty_ordered": 1 },
            ],
        }));
        order.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        order
    }

    fn with_items(mut order: Value, changes: &[(usize, Value)]) -> Value {
        for (index, change) in changes {
            let item = order["items"][index].as_object_mut().unwrap();
            item.extend(change.as_object().unwrap().clone());
        }
        order
    }

    #[test]
    fn a_dynamic_bundle_is_worth_what_its_parts_are_after_their_discounts() {
        let order = fact(&bundle(json!({})));
        let lines: Vec<_> = order.lines.iter().map(|l| (l.id.as_str(), l.goods_minor)).collect();
        assert_eq!((order.goods_minor, lines), (Some(6490), vec![("1", 5490), ("4", 1000)]));
        let own = json!({ "base_discount_amount": 6.1 });
        let none = json!({ "base_discount_amount": 0 });
        for (changes, goods, why) in [
            (vec![(0, own.clone())], 6490, "stated at the bundle and at its parts, it counts once"),
            (vec![(0, own.clone()), (1, none.clone()), (2, none)], 6490, "stated at the bundle"),
            (vec![(0, json!({ "base_row_total": 0 }))], 6490, "the parts alone have prices"),
            (
                vec![(1, json!({ "base_discount_tax_compensation_amount": 0.37 }))],
                6527,
                "the tax that was part of a part's discount",
            ),
            (
                vec![(1, json!({ "base_row_total": 99 }))],
                6490,
                "prices that do not make the bundle's are not what it was sold for",
            ),
        ] {
            let found = fact(&with_items(bundle(json!({})), &changes)).goods_minor;
            assert_eq!(found, Some(goods), "{why}");
        }
        let mut alone = bundle(json!({}));
        alone["items"].as_array_mut().unwrap().remove(0);
        assert_eq!(fact(&alone).goods_minor, Some(6490), "parts without their bundle");
    }

    #[test]
    fn refunds_of_a_dynamic_bundle_lie_on_its_parts() {
        let refunded = |bundle_amount: Value| {
            let so_far =
                json!({ "base_total_refunded": 64.9, "updated_at": "2026-05-03 10:00:00" });
            let part = |amount: f64, discount: f64| json!({ "base_amount_refunded": amount, "base_discount_refunded": discount });
            let changes = [
                (0, json!({ "base_amount_refunded": bundle_amount })),
                (1, part(23.0, 2.3)),
                (2, part(38.0, 3.8)),
                (3, json!({ "base_amount_refunded": 10 })),
            ];
            fold(&[fact(&with_items(bundle(so_far), &changes))]).unwrap()
        };
        for bundle_amount in [json!(0), json!(61), Value::Null] {
            let order = refunded(bundle_amount);
            assert_eq!(order.net_goods_minor(), Some(0));
            assert_eq!(order.refunded_lines["1"], 5490);
        }
        let compensated = with_items(
            listed(json!({ "base_total_refunded": 90, "updated_at": "2026-05-03 10:00:00" })),
            &[(
                0,
                json!({
                    "base_discount_tax_compensation_amount": 2.41, "base_amount_refunded": 100,
                    "base_discount_refunded": 15.1, "base_discount_tax_compensation_refunded": 2.41,
                }),
            )],
        );
        let order = fold(&[fact(&compensated)]).unwrap();
        assert_eq!(
            order.net_goods_minor(),
            Some(4500),
            "the tax in its discount is given back too"
        );
        let odd = with_items(
            bundle(json!({ "base_total_refunded": 64.9 })),
            &[
                (1, json!({ "base_amount_refunded": "23,00" })),
                (3, json!({ "base_amount_refunded": 10 })),
            ],
        );
        let order = fold(&[fact(&odd)]).unwrap();
        assert_eq!(order.net_goods_minor(), Some(0), "one unread: pro rata, not the others alone");
    }

    #[test]
    fn a_memo_of_a_dynamic_bundle_takes_back_its_parts_once() {
        let of = |bundle_row: Value, subtotal: Value| {
            fact(&memo(json!({
                "base_grand_total": 54.9, "base_subtotal": subtotal, "base_discount_amount": -6.1,
                "items": [
                    { "order_item_id": 1, "base_row_total": bundle_row },
                    { "order_item_id": 2, "base_row_total": 23, "base_discount_amount": 2.3 },
                    { "order_item_id": 3, "base_row_total": 38, "base_discount_amount": 3.8 },
                ],
            })))
        };
        for row in [Value::Null, json!(61), json!(0)] {
            let refunds = of(row.clone(), json!(61)).refunds;
            assert_eq!(refunds[0].goods_minor, Some(5490), "{row}");
        }
        assert_eq!(of(Value::Null, Value::Null).unreadable.len(), 1, "nothing says what it takes");
    }

    #[test]
    fn cancelled_pieces_are_not_sold() {
        let pieces = |cancelled: Value| json!({ "qty_ordered": 2, "qty_canceled": cancelled });
        for (changes, goods) in [
            (vec![(0, pieces(json!(1)))], 8745),
            (vec![(0, pieces(json!("2.0000")))], 4500),
            (vec![(0, pieces(json!(0)))], 12_990),
            (vec![(2, json!({ "qty_ordered": 3, "qty_canceled": 1 }))], 11_490),
        ] {
            let found = fact(&with_items(listed(json!({})), &changes)).goods_minor;
            assert_eq!(found, Some(goods), "{changes:?}");
        }
        let part = json!({ "qty_canceled": 1 });
        for (changes, goods) in [
            (vec![(2, part.clone())], 3070),
            (vec![(1, part.clone()), (2, part.clone())], 1000),
            (vec![(0, part)], 1000),
        ] {
            let found = fact(&with_items(bundle(json!({})), &changes)).goods_minor;
            assert_eq!(found, Some(goods), "of a bundle: {changes:?}");
        }
        let sums = json!({ "base_subtotal_canceled": 50, "base_discount_canceled": -5, "base_total_canceled": 45 });
        let order = fact(&listed(sums.clone()));
        assert_eq!((order.goods_minor, order.total_minor), (Some(8490), Some(9490)));
        let mut without_items = listed(sums);
        without_items.as_object_mut().unwrap().remove("items");
        assert_eq!(fact(&without_items).goods_minor, Some(8490));
        let odd = with_items(listed(json!({})), &[(0, pieces(json!("one")))]);
        let unread = &fact(&odd).unreadable[0];
        assert_eq!(
            (unread.part.clone(), unread.field.as_str()),
            (AmountPart::Goods, "items[0].qty_canceled")
        );
    }

    #[test]
    fn what_is_due_is_compared_after_rounding_to_the_currency() {
        for (due, status) in [
            (json!(2.8421709430404e-14), Status::Paid),
            (json!(4.440892098500626e-16), Status::Paid),
            (json!(-2.8e-14), Status::Paid),
            (json!(0.004), Status::Paid),
            (json!(0.01), Status::Unpaid),
        ] {
            let order = listed(json!({ "base_total_due": due, "base_total_paid": null }));
            assert_eq!(fact(&order).status, Some(status), "{due}");
        }
        let unpaid = json!({ "base_total_due": 1, "base_total_paid": 2.8e-14 });
        assert_eq!(fact(&listed(unpaid)).status, Some(Status::Unpaid), "nothing was paid");
    }

    #[test]
    fn shipping_alone_takes_no_goods() {
        let shipping = json!({ "base_total_refunded": 10, "base_subtotal_refunded": 0, "base_shipping_refunded": 10 });
        assert_eq!(fold(&[fact(&listed(shipping))]).unwrap().net_goods_minor(), Some(12_990));
        let unknown = json!({ "base_total_refunded": 69.95 });
        assert_eq!(
            fold(&[fact(&listed(unknown))]).unwrap().net_goods_minor(),
            Some(6495),
            "pro rata"
        );
        let memo = memo(json!({ "base_grand_total": 10, "items": [] }));
        assert_eq!(
            fold(&[fact(&listed(json!({}))), fact(&memo)]).unwrap().net_goods_minor(),
            Some(12_990)
        );
    }

    fn unread(fact: &OrderFact) -> Vec<(AmountPart, &str, &str)> {
        let parts = fact.unreadable.iter();
        parts.map(|u| (u.part.clone(), u.field.as_str(), u.shape.as_str())).collect()
    }

    #[test]
    fn an_amount_that_cannot_be_read_makes_its_part_unknown() {
        use AmountPart::{Currency, Goods, Refund, Total};
        let items = |total: Value| json!({ "items": [{ "item_id": 1, "base_row_total": 10 }, { "item_id": 2, "base_row_total": total }] });
        let so_far = Refund(REFUND_SO_FAR.into());
        for (changes, part, field, shape) in [
            (items(json!("1,000.00")), Goods, "items[1].base_row_total", "9,999.99"),
            (json!({ "items": [5] }), Goods, "items[0].(itself)", "missing"),
            (json!({ "base_grand_total": "1,000.00" }), Total, "base_grand_total", "9,999.99"),
            (json!({ "base_currency_code": "€" }), Currency, "base_currency_code", "€"),
            (json!({ "base_total_refunded": "9,00" }), so_far, "base_total_refunded", "9,99"),
        ] {
            let fact = fact(&listed(changes.clone()));
            assert_eq!(unread(&fact), [(part, field, shape)], "{changes}");
        }
        let huge = "9".repeat(30);
        let sum = fact(&listed(json!({ "items": [
            { "item_id": 1, "base_row_total": huge }, { "item_id": 2, "base_row_total": "0.000000000000000001" },
        ] })));
        assert_eq!((sum.goods_minor, sum.unreadable.len()), (None, 1), "no item is dropped");
        let listed_memo = memo(json!({ "base_grand_total": "45,00" }));
        let memo = fact(&listed_memo);
        let expected = (Refund("creditmemo 5".into()), "base_grand_total", "99,99");
        assert_eq!((unread(&memo), memo.refunds.len()), (vec![expected], 0));
        let owing = fact(&listed(json!({ "base_total_due": "1,00", "base_total_paid": 0 })));
        assert_eq!(owing.status, Some(Status::Unpaid), "what is owed is unknown, not zero");
    }

    #[test]
    fn a_strange_field_fails_that_field_and_no_body_panics() {
        let strange = json!({
            "base_grand_total": "many", "base_tax_amount": {}, "updated_at": "yesterday", "items": [{ "item_id": 1 }, 5],
            "coupon_code": 7, "custom_attributes": "ac", "customer_email": ["x"],
        });
        let fact = fact(&listed(strange));
        assert_eq!(
            (fact.status, fact.goods_minor, fact.total_minor),
            (Some(Status::Paid), None, None)
        );
        for field in [
            "base_grand_total: `many`",
            "base_tax_amount",
            "updated_at",
            "items[0].base_row_total: missing",
        ] {
            assert!(
                fact.notes.iter().any(|note| note.starts_with(field)),
                "{field} in {:?}",
                fact.notes
            );
        }
        for (body, named) in [
            ("{", "body"),
            ("[]", "JSON object"),
            ("{}", "entity_id"),
            (r#"{"entity_id":1}"#, "state"),
            (r#"{"creditmemo":{"order_id":1}}"#, "entity_id"),
            (r#"{"creditmemo":{"order_id":1,"entity_id":2}}"#, "base_currency_code"),
        ] {
            assert!(
                matches!(reading(body.as_bytes()), Reading::Unparsed(reason) if reason.contains(named)),
                "{body}"
            );
        }
        let whole = listed(json!({})).to_string();
        for length in 0..whole.len() {
            reading(&whole.as_bytes()[..length]);
        }
    }
}
