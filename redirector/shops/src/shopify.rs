//! Shopify webhooks (orders and refunds, REST Admin API payloads).
//!
//! An order topic contains the order in its current state. Refunds come inside it and under a topic
//! of their own, in any sequence; those with the same id are one refund. All amounts are in the
//! shop's own currency, never in the customer's (`presentment_money`). A field that cannot be read
//! is noted and left out; the rest of the order still counts.

use http::header::HeaderMap;
use serde_json::{Map, Value};
use shared::id::{CustomerId, FactId};
use shared::money::{Currency, Decimal};
use shared::order::{
    Alias, AliasKind, AmountPart, FactKind, Line, OrderFact, Refund, RefundList, RefundedLine,
    Status, Touch, Unreadable,
};
use shared::platform::Platform;
use shared::time::{Span, Timestamp};

use crate::amounts::{self, bounded, brief, decimal, unreadable};
use crate::arrival::{Arrival, Reading};
use crate::fields::{self, first_notes, list, query_tokens};
use crate::mac::Begun;

/// Returns the topic that a delivery's header names.
pub(crate) fn topic(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-shopify-topic").and_then(|topic| topic.to_str().ok())
}

/// Begins to check a delivery: `X-Shopify-Hmac-SHA256` is base64(HMAC-SHA256(secret, body)).
pub(crate) fn begin(headers: &HeaderMap, secrets: &[&str]) -> Begun {
    fields::begin_signed("X-Shopify-Hmac-SHA256", headers, secrets)
}

/// Reads a signed arrival.
pub(crate) fn read(arrival: &Arrival<'_>) -> Reading {
    // SECURITY: the topic is not signed. It only chooses the form that the body must then have, and
    // no body has both forms. When something happened is in the body: `updated_at`, `created_at`.
    let reader = match topic(arrival.headers) {
        Some("orders/create" | "orders/paid" | "orders/updated" | "orders/cancelled") => order,
        Some("refunds/create") => refund_alone,
        Some("orders/edited") => {
            return Reading::Ignored("an edit names no totals; orders/updated follows it");
        }
        Some("customers/redact") => return Reading::Asked(erasure(arrival)),
        Some("customers/data_request") => return Reading::Asked(disclosure(arrival)),
        Some("shop/redact") => {
            let merchant = arrival.merchant;
            return Reading::Asked(format!(
                "the shop has ended, and its customers must be erased: stop the server and run \
                 `afterclick erase --merchant {merchant} --all`"
            ));
        }
        Some(_) => return Reading::Ignored("only order and refund topics are recorded"),
        None => return Reading::Unparsed("X-Shopify-Topic: missing".to_owned()),
    };
    let fact = fields::object(arrival.body).and_then(|object| {
        check_zones(&object)?;
        reader(arrival, &object)
    });
    fact.map_or_else(Reading::Unparsed, |fact| Reading::Fact(Box::new(fact)))
}

/// Refuses times without a zone, which Shopify never sends. Left out, they would be taken for now.
fn check_zones(object: &Map<String, Value>) -> Result<(), String> {
    for field in ["created_at", "updated_at"] {
        let Some(text) = object.get(field).and_then(Value::as_str) else { continue };
        let time: Result<Timestamp, _> = text.parse();
        if let Err(error) = time
            && Timestamp::parse_gmt(text).is_ok()
        {
            return Err(format!("{field}: {error}"));
        }
    }
    Ok(())
}

/// Returns the customer that a request about privacy names, as a hash.
fn asking_customer(arrival: &Arrival<'_>) -> Option<CustomerId> {
    let request = fields::object(arrival.body).ok()?;
    fields::customer(arrival, [request.get("customer")?.get("email")])
}

/// Says what to do for a customer who asks to be erased.
fn erasure(arrival: &Arrival<'_>) -> String {
    match asking_customer(arrival) {
        Some(customer) => format!(
            "a customer asks to be erased: stop the server and run `afterclick erase --merchant {} \
             --customer {customer}`",
            arrival.merchant
        ),
        None => "a customer without an e-mail address asks to be erased: nothing tells who they \
                 are, so there is nothing to do"
            .to_owned(),
    }
}

/// Says what to answer a customer who asks what is kept of them.
fn disclosure(arrival: &Arrival<'_>) -> String {
    match asking_customer(arrival) {
        Some(customer) => format!(
            "a customer asks what is kept of them: their orders' numbers, times, amounts, codes and \
             clicks, under the hash {customer} of their e-mail address; the shop has the orders"
        ),
        None => {
            "a customer without an e-mail address asks what is kept of them: nothing tells who \
                 they are"
                .to_owned()
        }
    }
}

/// Reads an order in its current state.
fn order(arrival: &Arrival<'_>, order: &Map<String, Value>) -> Result<OrderFact, String> {
    let id = order.get("id").and_then(digits).ok_or("id: expected the order's number")?;
    let financial = order.get("financial_status").and_then(Value::as_str);
    let cancelled = order.get("cancelled_at").is_some_and(|time| !time.is_null());
    if financial.is_none() && !cancelled {
        return Err("financial_status: expected a word such as paid".to_owned());
    }
    let mut reader = Reader::of(arrival, order);
    let status =
        if cancelled { Status::Void } else { reader.status(financial.unwrap_or_default()) };
    let fact = reader.fact(id, status);
    Ok(OrderFact { notes: first_notes(reader.notes), unreadable: reader.unreadable, ..fact })
}

/// Reads a refund that comes by itself. It does not say what is in the order, or whether prices
/// include tax.
fn refund_alone(arrival: &Arrival<'_>, entry: &Map<String, Value>) -> Result<OrderFact, String> {
    let order_id =
        entry.get("order_id").and_then(digits).ok_or("order_id: expected the order's number")?;
    let currency = entry.values().find_map(shop_currency);
    let currency =
        currency.ok_or("shop_money.currency_code: no field names the shop's currency")?;
    // SECURITY: fulfillments and transactions name an order and its currency too. Read as a refund
    // of nothing, one of them could stand in for a refund.
    if !entry.get("refund_line_items").is_some_and(Value::is_array) {
        return Err("refund_line_items: expected a list, as every refund has".to_owned());
    }
    let mut notes = Vec::new();
    let read = refund(entry, Prices { currency, with_tax: false }, "", &mut notes)?;
    let created_at = time(entry, "created_at", &mut notes).unwrap_or(arrival.received_at);
    Ok(OrderFact {
        kind: FactKind::Refund,
        occurred_at: created_at.min(arrival.received_at),
        currency: Some(currency),
        refunds: read.refund.into_iter().collect(),
        unreadable: read.unreadable.into_iter().collect(),
        partial: true,
        test: is_test(entry, arrival.headers),
        notes: first_notes(notes),
        ..blank(arrival, order_id, "refund")
    })
}

/// Returns a blank fact. The same state of an order under several topics is one fact. `of` keeps
/// orders and refunds apart.
fn blank(arrival: &Arrival<'_>, order_id: String, of: &str) -> OrderFact {
    let id = FactId::of_content(&[
        b"shopify",
        &arrival.merchant.bits().to_be_bytes(),
        of.as_bytes(),
        arrival.body,
    ]);
    let fact = fields::blank(Platform::Shopify, arrival, order_id, id);
    OrderFact { refund_list: RefundList::Some, ..fact }
}

/// Reads the fields of one order, and notes those that it cannot read.
struct Reader<'a> {
    arrival: &'a Arrival<'a>,
    order: &'a Map<String, Value>,
    /// How its amounts must be read. `None` if its currency is not known.
    prices: Option<Prices>,
    lines: Vec<Line>,
    notes: Vec<String>,
    unreadable: Vec<Unreadable>,
}

impl<'a> Reader<'a> {
    fn of(arrival: &'a Arrival<'a>, order: &'a Map<String, Value>) -> Self {
        let (mut notes, mut unread) = (Vec::new(), Vec::new());
        let value = order.get("currency").filter(|value| !value.is_null());
        let code = value.and_then(Value::as_str).unwrap_or_default();
        let currency = code.parse().map_err(|error| notes.push(format!("currency: {error}"))).ok();
        let has_amounts = ["total_price", "line_items"].iter().any(|f| order.contains_key(*f));
        if currency.is_none() && (value.is_some() || has_amounts) {
            unread.push(unreadable(AmountPart::Currency, "currency", value));
        }
        let with_tax = order.get("taxes_included").and_then(Value::as_bool).unwrap_or_else(|| {
            notes.push(
                "taxes_included: not true or false; prices are read as without tax".to_owned(),
            );
            false
        });
        let prices = currency.map(|currency| Prices { currency, with_tax });
        Self { arrival, order, prices, lines: vec![], notes, unreadable: unread }
    }

    fn fact(&mut self, order_id: String, status: Status) -> OrderFact {
        let refunds = self.refunds();
        let kind = match status {
            Status::Void => FactKind::Cancel,
            _ if !refunds.is_empty() => FactKind::Refund,
            _ => FactKind::Order,
        };
        let goods_minor = self.goods();
        OrderFact {
            kind,
            aliases: self.aliases(),
            // The checkout's token is in the checkout and in its pixels, the order's in the address
            // of the page with its status. A cart's token is in pages before that, so it proves
            // nothing.
            proofs: fields::proofs(
                self.arrival,
                [self.order.get("checkout_token"), self.order.get("token")],
            ),
            occurred_at: self.occurred_at(status),
            ordered_at: time(self.order, "created_at", &mut self.notes),
            status: Some(status),
            currency: self.prices.map(|prices| prices.currency),
            goods_minor,
            lines: fields::lines(std::mem::take(&mut self.lines), &mut self.notes),
            tax_minor: self.amount("total_tax"),
            shipping_minor: self.shipping(),
            total_minor: self.total(),
            refunds,
            coupons: fields::codes(list(self.order, "discount_codes")),
            touches: self.touches(),
            customer: fields::customer(self.arrival, self.emails()),
            mailbox: fields::mailbox(self.arrival, self.emails()),
            new_customer: self.new_customer(),
            renewal: self.is_renewal(),
            test: is_test(self.order, self.arrival.headers),
            ..blank(self.arrival, order_id, "order")
        }
    }

    fn aliases(&self) -> Vec<Alias> {
        let names = [
            (AliasKind::OrderName, "name"),
            (AliasKind::OrderNumber, "order_number"),
            (AliasKind::CartToken, "cart_token"),
        ];
        names
            .into_iter()
            .filter_map(|(kind, field)| fields::alias(kind, self.order.get(field)))
            .collect()
    }

    fn emails(&self) -> [Option<&Value>; 3] {
        let of_customer = self.order.get("customer").and_then(|customer| customer.get("email"));
        [self.order.get("email"), self.order.get("contact_email"), of_customer]
    }

    /// Returns whether the customer is new. Only older payloads say it: they count the customer's
    /// orders, including this one.
    fn new_customer(&self) -> Option<bool> {
        let count = fields::text_of(self.order.get("customer")?.get("orders_count")?)?;
        count.parse::<u64>().ok().filter(|count| *count > 0).map(|count| count == 1)
    }

    /// Returns whether a subscription contract made the order.
    fn is_renewal(&self) -> bool {
        let source = self.order.get("source_name").and_then(Value::as_str).unwrap_or_default();
        source.starts_with("subscription_contract") && !source.contains("checkout")
    }

    fn status(&mut self, financial: &str) -> Status {
        match financial {
            "paid" | "partially_refunded" => Status::Paid,
            "refunded" | "voided" => Status::Void,
            "pending" | "authorized" | "partially_paid" => Status::Unpaid,
            other => {
                let other = brief(other);
                self.notes
                    .push(format!("financial_status: `{other}` is not known; read as unpaid"));
                Status::Unpaid
            }
        }
    }

    /// Returns the time of this state. `updated_at` counts whole seconds, and several states of an
    /// order may fall into one second. So milliseconds are added: they put the most advanced state
    /// last, and every state after a refund that came by itself, which says less about the refund
    /// than the order does.
    fn occurred_at(&mut self, status: Status) -> Timestamp {
        let further = match status {
            Status::Draft | Status::Unpaid => 1,
            Status::Paid => 2,
            Status::Void => 3,
        };
        let updated_at = time(self.order, "updated_at", &mut self.notes);
        let updated_at = updated_at.map(|time| time.plus(Span::ms(further)));
        updated_at.unwrap_or(self.arrival.received_at).min(self.arrival.received_at)
    }

    fn amount(&mut self, field: &str) -> Option<i64> {
        let prices = self.prices?;
        let amount = prices.money(self.order, field).transpose()?;
        let minor = amount.and_then(|amount| bounded(amount, prices.currency));
        minor.map_err(|reason| self.notes.push(format!("{field}: {reason}"))).ok()
    }

    fn total(&mut self) -> Option<i64> {
        let noted = self.notes.len();
        let total = self.amount("total_price");
        if self.notes.len() > noted {
            let value = self.order.get("total_price").filter(|value| !value.is_null());
            let value = value.or_else(|| self.order.get("total_price_set"));
            self.unreadable.push(unreadable(AmountPart::Total, "total_price", value));
        }
        total
    }

    fn shipping(&mut self) -> Option<i64> {
        self.amount("total_shipping_price").or_else(|| {
            let prices = self.prices?;
            self.order.get("shipping_lines")?.as_array()?;
            let sum = prices.sum(self.order, "shipping_lines", "price");
            let minor = sum.and_then(|sum| bounded(sum, prices.currency));
            minor.map_err(|reason| self.notes.push(reason)).ok()
        })
    }

    /// Returns the sum of the lines: after discounts, without tax and shipping. The order's totals
    /// cannot be used: `subtotal_price` is sometimes before the discounts. If one line cannot be
    /// read, the sum is unknown. Tips and gift cards that are bought are no goods.
    fn goods(&mut self) -> Option<i64> {
        let prices = self.prices?;
        let listed = self.order.get("line_items");
        let Some(lines) = listed.and_then(Value::as_array) else {
            self.notes.push("line_items: expected a list".to_owned());
            self.unreadable.push(unreadable(AmountPart::Goods, "line_items", listed));
            return None;
        };
        let mut sum = Decimal::ZERO;
        let mut unread = None;
        for (index, line) in lines.iter().enumerate() {
            if is_no_goods(line) {
                continue;
            }
            match prices.line(line).and_then(|goods| Ok((goods, plus(sum, goods)?))) {
                Ok((goods, more)) => {
                    sum = more;
                    let entry = line.as_object();
                    self.lines.extend(entry.and_then(|e| fields::line(e, goods, prices.currency)));
                }
                Err(reason) => {
                    let field = reason.split(':').next().unwrap_or_default();
                    let place = format!("line_items[{index}].{field}");
                    unread = unread.or_else(|| Some((place, at_path(line, field))));
                    self.notes.push(format!("line_items[{index}].{reason}"));
                }
            }
        }
        let goods = unread
            .is_none()
            .then(|| amounts::goods(sum, prices.currency, &mut self.notes))
            .flatten();
        if goods.is_none() {
            let sum = Value::from(sum.to_string());
            let (field, value) = unread.unwrap_or(("line_items".to_owned(), Some(&sum)));
            self.unreadable.push(unreadable(AmountPart::Goods, field, value));
            self.lines.clear();
        }
        goods
    }

    fn refunds(&mut self) -> Vec<Refund> {
        let Some(prices) = self.prices else { return vec![] };
        let mut refunds = Vec::new();
        let listed = self.order.get("refunds").filter(|value| !value.is_null());
        if listed.is_some_and(|value| !value.is_array()) {
            self.notes.push("refunds: expected a list".to_owned());
            let part = AmountPart::Refund(String::new());
            self.unreadable.push(unreadable(part, "refunds", listed));
        }
        for (index, entry) in list(self.order, "refunds").iter().enumerate() {
            let path = format!("refunds[{index}].");
            match object(entry).and_then(|entry| refund(entry, prices, &path, &mut self.notes)) {
                Ok(read) => {
                    refunds.extend(read.refund);
                    self.unreadable.extend(read.unreadable);
                }
                Err(reason) => {
                    let part = AmountPart::Refund(format!("#{index}"));
                    let field = format!("{path}id");
                    self.unreadable.push(unreadable(part, field, entry.get("id")));
                    self.notes.push(format!("{path}{reason}"));
                }
            }
        }
        refunds
    }

    /// Returns the clicks of the tokens in cart attributes named `ac` or `_ac`, and in the
    /// addresses by which the visitor came.
    fn touches(&mut self) -> Vec<Touch> {
        let text = |entry: &'a Map<String, Value>, field| entry.get(field).and_then(Value::as_str);
        let attributes = list(self.order, "note_attributes").iter().filter_map(|attribute| {
            let attribute = attribute.as_object()?;
            let field = match text(attribute, "name")? {
                "ac" => "note_attributes.ac",
                "_ac" => "note_attributes._ac",
                _ => return None,
            };
            Some((field, text(attribute, "value")?.to_owned()))
        });
        let addresses = ["landing_site", "referring_site"].into_iter().flat_map(|field| {
            let tokens = text(self.order, field).map(query_tokens).unwrap_or_default();
            tokens.into_iter().map(move |token| (field, token))
        });
        fields::touches(self.arrival, attributes.chain(addresses), &mut self.notes)
    }
}

/// A refund, as far as it could be read.
#[derive(Default)]
struct ReadRefund {
    refund: Option<Refund>,
    unreadable: Option<Unreadable>,
}

/// Reads one refund. `path` is its place in the body, for the notes.
///
/// The refunded goods are its lines, however much money was paid back. In a refund without lines
/// they are the money that was paid back, less shipping and tax.
fn refund(
    entry: &Map<String, Value>,
    prices: Prices,
    path: &str,
    notes: &mut Vec<String>,
) -> Result<ReadRefund, String> {
    let id = entry.get("id").and_then(digits).ok_or("id: expected the refund's number")?;
    let mut unread = None;
    let mut note = |reason: String| {
        let field = reason.split(':').next().unwrap_or_default();
        let part = AmountPart::Refund(id.clone());
        let of_refund = unreadable(part, format!("{path}{field}"), member(entry, field));
        unread.get_or_insert(of_refund);
        notes.push(format!("{path}{reason}"));
    };
    let (lines, cash) = (prices.refunded_lines(entry), prices.cash(entry));
    let (total, goods) = match (lines, cash) {
        (Ok(Some(goods)), Ok(cash)) => (cash, Ok(goods)),
        (Ok(Some(goods)), Err(reason)) => {
            note(reason);
            (goods, Ok(goods))
        }
        (Ok(None), Ok(cash)) => {
            (cash, prices.refunded_otherwise(entry).and_then(|other| minus(cash, other)))
        }
        (Err(reason), Ok(cash)) => (cash, Err(reason)),
        (_, Err(reason)) => {
            note(reason);
            return Ok(ReadRefund { refund: None, unreadable: unread });
        }
    };
    let goods = goods.and_then(|goods| {
        let minor = bounded(not_below_zero(goods), prices.currency);
        minor.map_err(|reason| format!("refund_line_items: {reason}"))
    });
    let goods_minor = goods.map_err(&mut note).ok();
    let total_minor =
        bounded(total, prices.currency).map_err(|reason| format!("transactions: {reason}"));
    let total_minor = total_minor.map_err(note).ok();
    let lines = prices.refunded_line_ids(entry);
    let refund = total_minor
        .map(|total_minor| Refund { lines, ..Refund::new(id.clone(), total_minor, goods_minor) });
    Ok(ReadRefund { refund, unreadable: unread })
}

/// Returns whether a line is a tip, or a gift card that is bought. Neither is goods: a tip is for the
/// shop's people, and a gift card is paid with when goods are bought for it.
fn is_no_goods(line: &Value) -> bool {
    // Only a tip has these fields, also where they name nobody.
    let is_tip =
        ["tip_payment_gateway", "tip_payment_method"].iter().any(|field| line.get(field).is_some())
            || line.get("tip").is_some_and(Value::is_object);
    is_tip || line.get("gift_card").and_then(Value::as_bool) == Some(true)
}

/// Returns whether a line of a refund is one of a tip or of a gift card.
fn refunds_no_goods(entry: &Value) -> bool {
    entry.get("line_item").is_some_and(is_no_goods)
}

/// Returns the value at a path such as `discount_allocations[0].amount` below a line.
fn at_path<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    member(value.as_object()?, path)
}

/// Returns the value at a path such as `transactions[0].amount` below an object.
fn member<'v>(object: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    let mut names = path.split('.').map(|name| name.split_once('[').unwrap_or((name, "")));
    let of_list = |value: &'v Value, index: &str| match index.strip_suffix(']') {
        Some(index) => value.get(index.parse::<usize>().ok()?),
        None => Some(value),
    };
    let (first, index) = names.next()?;
    let begin = of_list(object.get(first)?, index)?;
    names.try_fold(begin, |value, (name, index)| of_list(value.get(name)?, index))
}

/// How the amounts of a delivery must be read.
#[derive(Clone, Copy)]
struct Prices {
    /// The shop's currency.
    currency: Currency,
    /// Prices are known to include tax.
    with_tax: bool,
}

impl Prices {
    /// Returns an amount in the shop's currency: `<field>_set.shop_money`, or the flat field, which
    /// is in the same currency.
    fn money(self, entry: &Map<String, Value>, field: &str) -> Result<Option<Decimal>, String> {
        let shop_money = entry.get(&format!("{field}_set")).and_then(|set| set.get("shop_money"));
        let code = shop_money.and_then(|money| money.get("currency_code")).and_then(Value::as_str);
        if let Some(Ok(other)) = code.map(str::parse::<Currency>)
            && other != self.currency
        {
            return Err(format!("is in {other}, the shop's currency is {}", self.currency));
        }
        let exact = shop_money.and_then(|money| money.get("amount")).map(decimal);
        match (exact, entry.get(field)) {
            (Some(Ok(amount)), _) => Ok(Some(amount)),
            (_, Some(flat)) if !flat.is_null() => decimal(flat).map(Some),
            (Some(Err(reason)), _) => Err(reason),
            (None, _) => Ok(None),
        }
    }

    fn required(self, entry: &Map<String, Value>, field: &str) -> Result<Decimal, String> {
        let amount =
            self.money(entry, field).and_then(|amount| amount.ok_or_else(|| "missing".to_owned()));
        amount.map_err(|reason| format!("{field}: {reason}"))
    }

    /// Returns the sum of a field over a list's entries, without refunds of what is no goods.
    fn sum(
        self,
        object_of: &Map<String, Value>,
        entries: &str,
        field: &str,
    ) -> Result<Decimal, String> {
        list(object_of, entries).iter().enumerate().try_fold(
            Decimal::ZERO,
            |sum, (index, entry)| {
                if refunds_no_goods(entry) {
                    return Ok(sum);
                }
                let amount = object(entry).and_then(|entry| self.required(entry, field));
                amount
                    .and_then(|more| plus(sum, more))
                    .map_err(|reason| format!("{entries}[{index}].{reason}"))
            },
        )
    }

    /// Returns the value of a line: price × quantity, after its discounts, without its tax.
    fn line(self, line: &Value) -> Result<Decimal, String> {
        let line = object(line)?;
        let quantity = line.get("quantity").map_or_else(|| Err("missing".to_owned()), decimal);
        let quantity = quantity.map_err(|reason| format!("quantity: {reason}"))?;
        let gross =
            self.required(line, "price")?.checked_mul(quantity).ok_or("price: too large")?;
        let net = minus(gross, self.sum(line, "discount_allocations", "amount")?)?;
        if self.with_tax { minus(net, self.sum(line, "tax_lines", "price")?) } else { Ok(net) }
    }

    /// Returns the goods of the lines that a refund names. Returns `None` if it names no lines, or
    /// only lines without value. Tips and gift cards that are given back are zero goods.
    fn refunded_lines(self, refund: &Map<String, Value>) -> Result<Option<Decimal>, String> {
        let goods = self.sum(refund, "refund_line_items", "subtotal")?;
        if goods.fraction().0 <= 0 {
            let is_of_others = list(refund, "refund_line_items").iter().any(refunds_no_goods);
            return Ok(is_of_others.then_some(Decimal::ZERO));
        }
        let tax = if self.with_tax {
            self.sum(refund, "refund_line_items", "total_tax")?
        } else {
            Decimal::ZERO
        };
        minus(goods, tax).map(Some)
    }

    /// Returns the refunded goods of each line of the order. Lines that cannot be read are left
    /// out.
    fn refunded_line_ids(self, refund: &Map<String, Value>) -> Vec<RefundedLine> {
        let read = |entry: &Value| {
            let entry = entry.as_object().filter(|_| !refunds_no_goods(entry))?;
            let line = entry.get("line_item_id").and_then(digits)?;
            let goods = self.required(entry, "subtotal").ok()?;
            let tax =
                if self.with_tax { self.required(entry, "total_tax").ok()? } else { Decimal::ZERO };
            let goods_minor = bounded(minus(goods, tax).ok()?, self.currency).ok()?;
            (goods_minor > 0).then_some(RefundedLine { line, goods_minor })
        };
        list(refund, "refund_line_items").iter().filter_map(read).collect()
    }

    /// Returns the money that a refund paid back: the sum of its successful transactions.
    fn cash(self, refund: &Map<String, Value>) -> Result<Decimal, String> {
        let mut sum = Decimal::ZERO;
        for (index, transaction) in list(refund, "transactions").iter().enumerate() {
            let is = |field, word| transaction.get(field).and_then(Value::as_str) == Some(word);
            if !is("kind", "refund") || !is("status", "success") {
                continue;
            }
            let amount = object(transaction).and_then(|transaction| self.transaction(transaction));
            let more = amount.and_then(|amount| plus(sum, amount.abs()));
            sum = more.map_err(|reason| format!("transactions[{index}].{reason}"))?;
        }
        Ok(sum)
    }

    /// Returns a transaction's amount.
    ///
    /// # Errors
    /// When the amount is missing or invalid, or only in the customer's currency.
    fn transaction(self, transaction: &Map<String, Value>) -> Result<Decimal, String> {
        let currency = transaction.get("currency").and_then(Value::as_str);
        let foreign =
            currency.is_some_and(|code| code.parse::<Currency>().ok() != Some(self.currency));
        if foreign && transaction.get("amount_set").is_none_or(Value::is_null) {
            return Err(format!("amount: is not in the shop's currency {}", self.currency));
        }
        self.required(transaction, "amount")
    }

    /// Returns the shipping, and the tax that belongs to no line, in a refund. Newer payloads list
    /// the shipping twice; it counts once.
    fn refunded_otherwise(self, refund: &Map<String, Value>) -> Result<Decimal, String> {
        let (mut shipping, mut tax) = (Decimal::ZERO, Decimal::ZERO);
        for (index, adjustment) in list(refund, "order_adjustments").iter().enumerate() {
            let at = |reason| format!("order_adjustments[{index}].{reason}");
            let adjustment = object(adjustment).map_err(at)?;
            if adjustment.get("kind").and_then(Value::as_str) == Some("shipping_refund") {
                shipping = plus(shipping, self.required(adjustment, "amount").map_err(at)?.abs())?;
            }
            let more =
                self.money(adjustment, "tax_amount").map_err(|r| at(format!("tax_amount: {r}")))?;
            tax = plus(tax, more.unwrap_or(Decimal::ZERO).abs())?;
        }
        let listed = self.sum(refund, "refund_shipping_lines", "subtotal_amount")?;
        let more = minus(listed, shipping)?;
        plus(shipping, not_below_zero(more)).and_then(|shipping| plus(shipping, tax))
    }
}

/// Returns the currency of the first `shop_money` in a value.
fn shop_currency(value: &Value) -> Option<Currency> {
    match value {
        Value::Object(object) => {
            let code = object.get("shop_money").and_then(|money| money.get("currency_code"));
            let currency = code.and_then(Value::as_str).and_then(|code| code.parse().ok());
            currency.or_else(|| object.values().find_map(shop_currency))
        }
        Value::Array(entries) => entries.iter().find_map(shop_currency),
        _ => None,
    }
}

/// Returns an id as its literal digits: a float cannot hold 18 of them.
fn digits(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) if number.is_u64() => Some(number.to_string()),
        Value::String(text) => text.parse::<u64>().ok().map(|number| number.to_string()),
        _ => None,
    }
}

fn time(object: &Map<String, Value>, field: &str, notes: &mut Vec<String>) -> Option<Timestamp> {
    let text = object.get(field).and_then(Value::as_str)?;
    text.parse().map_err(|error| notes.push(format!("{field}: {error}"))).ok()
}

/// Returns whether it is a test order or a test of the address. The header is not signed: it can make
/// a test of an order, which then earns nothing, but no order of a test.
fn is_test(object: &Map<String, Value>, headers: &HeaderMap) -> bool {
    let named = headers
        .get("x-shopify-test")
        .is_some_and(|test| test.as_bytes().eq_ignore_ascii_case(b"true"));
    named || object.get("test").and_then(Value::as_bool) == Some(true)
}

fn object(value: &Value) -> Result<&Map<String, Value>, String> {
    value.as_object().ok_or_else(|| "(itself): expected an object".to_owned())
}

fn plus(sum: Decimal, more: Decimal) -> Result<Decimal, String> {
    sum.checked_add(more).ok_or_else(|| "sum: too large".to_owned())
}

fn minus(sum: Decimal, less: Decimal) -> Result<Decimal, String> {
    sum.checked_sub(less).ok_or_else(|| "sum: too large".to_owned())
}

fn not_below_zero(amount: Decimal) -> Decimal {
    if amount.is_negative() { Decimal::ZERO } else { amount }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;
    use shared::order::fold;

    use super::*;
    use shared::id::{CustomerId, MerchantId, ProofId};

    use crate::arrival::Authenticity;
    use crate::platforms::authenticate;

    const NOW: Timestamp = Timestamp::from_ms(1_780_000_000_000);

    fn fixture(name: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/shopify");
        std::fs::read(folder.join(format!("{name}.json"))).unwrap()
    }

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let fields =
            fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        fields.collect()
    }

    fn reading_at(received_at: Timestamp, topic: &str, body: &[u8]) -> Reading {
        let headers = headers(&[("x-shopify-topic", topic)]);
        read(&Arrival::of_test(&headers, body, received_at))
    }

    fn fact_of(topic: &str, body: &[u8]) -> OrderFact {
        match reading_at(NOW, topic, body) {
            Reading::Fact(fact) => *fact,
            other => panic!("{topic}: {other:?}"),
        }
    }

    /// An order with one line of 100.00 less 10.00, tax 14.37 in it, in a shop whose prices include
    /// tax.
    fn taxed(changes: Value) -> OrderFact {
        let mut order = json!({
            "id": 5, "currency": "EUR", "financial_status": "paid", "taxes_included": true,
            "total_price": "94.90", "line_items": [{
                "price": "100.00", "quantity": 1, "discount_allocations": [{ "amount": "10.00" }],
                "tax_lines": [{ "price": "14.37" }],
            }],
        });
        order.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        fact_of("orders/updated", order.to_string().as_bytes())
    }

    fn refunded(refund: Value) -> (i64, Option<i64>, Vec<String>) {
        let fact = taxed(json!({ "refunds": [refund] }));
        (fact.refunds[0].total_minor, fact.refunds[0].goods_minor, fact.notes)
    }

    fn cash(amount: &str) -> Value {
        json!([{ "kind": "refund", "status": "success", "amount": amount, "currency": "EUR" }])
    }

    #[test]
    fn tips_and_gift_cards_are_no_goods_and_neither_are_their_refunds() {
        let line = |id: u64, price: &str, more: Value| {
            let mut line = json!({ "id": id, "price": price, "quantity": 1 });
            line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            line
        };
        let tip = json!({ "tip_payment_gateway": "shopify_payments", "product_id": null });
        let lines = json!([
            line(1, "100.00", json!({ "gift_card": false, "tip": null })),
            line(2, "15.00", tip.clone()),
            line(4, "5.00", json!({ "tip_payment_gateway": null, "tip_payment_method": null })),
            line(5, "5.00", json!({ "tip": { "payment_method": null } })),
            line(3, "50.00", json!({ "gift_card": true })),
        ]);
        let of = |lines: &Value, refunds: Value| {
            taxed(json!({ "taxes_included": false, "line_items": lines, "refunds": refunds }))
        };
        let fact = of(&lines, json!([]));
        assert_eq!((fact.goods_minor, fact.lines.len()), (Some(10000), 1));
        let refunded = |line: u64, amount: &str, of: Value| json!({ "line_item_id": line, "subtotal": amount, "line_item": of });
        let refund = |lines: Value, paid: &str| json!([{ "id": 9, "refund_line_items": lines, "transactions": cash(paid) }]);
        let tip_back = refund(json!([refunded(2, "15.00", tip.clone())]), "15.00");
        let fact = of(&lines, tip_back);
        assert_eq!((fact.refunds[0].total_minor, fact.refunds[0].goods_minor), (1500, Some(0)));
        assert_eq!(fact.refunds[0].lines, []);
        let both = json!([refunded(2, "15.00", tip), refunded(1, "40.00", json!({}))]);
        let fact = of(&lines, refund(both, "55.00"));
        assert_eq!((fact.refunds[0].total_minor, fact.refunds[0].goods_minor), (5500, Some(4000)));
        assert_eq!(fact.refunds[0].lines.len(), 1);
        let only_a_card = of(&json!([line(3, "50.00", json!({ "gift_card": true }))]), json!([]));
        assert_eq!(only_a_card.goods_minor, Some(0));
    }

    #[test]
    fn the_published_signature_is_believed_and_no_other() {
        let body = fixture("DERIVED_order_USD_shop_EUR_presentment");
        let with = |signature: &str, secrets: &[&str], body: &[u8]| {
            let headers = headers(&[("x-shopify-hmac-sha256", signature)]);
            let arrival = Arrival { secrets, ..Arrival::of_test(&headers, body, NOW) };
            authenticate(Platform::Shopify, &arrival)
        };
        let signature = "EX0dIDXaXV6ywSYYpp9F6KusUm5Rs7/oa7b2xTOsyKs=";
        assert_eq!(with(signature, &["hush"], &body), Authenticity::Signed);
        assert_eq!(
            with(signature, &["new", "hush"], &body),
            Authenticity::Signed,
            "the secret before"
        );
        let forged = [
            with(signature, &["Hush"], &body),
            with(signature, &["hush"], &body[1..]),
            with(&signature[4..], &["hush"], &body),
            with("", &["hush"], &body),
        ];
        for answer in forged {
            assert!(matches!(answer, Authenticity::Refused(_)), "{answer:?}");
        }
    }

    /// Fixture, order id, currency, goods, total, tax, status, test.
    type OrderRow = (&'static str, &'static str, &'static str, i64, i64, i64, Status, bool);

    const ORDERS: [OrderRow; 8] = [
        // 3 × 7499; yen have no decimals.
        (
            "DERIVED_order_JPY_shop_JPY",
            "1073459976",
            "JPY",
            22_497,
            23_847,
            1350,
            Status::Paid,
            false,
        ),
        // 3 × 80.46 USD, shown to the customer as 238.47 EUR in all.
        (
            "DERIVED_order_USD_shop_EUR_presentment",
            "1073459976",
            "USD",
            24_138,
            25_588,
            1449,
            Status::Paid,
            false,
        ),
        // 89.99 + 19.99 + 24.99 + 159.99 + 119.99; a test of the address.
        (
            "docs_2026-01_orders_create",
            "820982911946154500",
            "USD",
            41_495,
            40_495,
            0,
            Status::Void,
            true,
        ),
        (
            "docs_2026-01_orders_paid",
            "820982911946154500",
            "USD",
            41_495,
            40_495,
            0,
            Status::Void,
            true,
        ),
        // 3 × 74.99, tax 13.50 on top.
        (
            "shopify_api_ruby_order_paid_EUR_tax",
            "1073459976",
            "EUR",
            22_497,
            23_847,
            1350,
            Status::Paid,
            false,
        ),
        // 199.00 - 17.91.
        (
            "shopify_api_ruby_order_paid_discount_code",
            "1073459981",
            "USD",
            18_109,
            18_109,
            0,
            Status::Paid,
            false,
        ),
        // 3 × 199.00 - 3.34 - 3.33 - 3.33.
        (
            "shopify_api_ruby_order_partially_refunded_discount_noteattrs",
            "450789469",
            "USD",
            58_700,
            59_894,
            1194,
            Status::Paid,
            false,
        ),
        (
            "shopify_api_ruby_order_pending",
            "1073459983",
            "USD",
            19_900,
            19_900,
            0,
            Status::Unpaid,
            false,
        ),
    ];

    #[test]
    fn every_published_order_is_read_to_the_cent() {
        for (name, id, currency, goods, total, tax, status, test) in ORDERS {
            let fact = fact_of("orders/updated", &fixture(name));
            let amounts = (fact.goods_minor, fact.total_minor, fact.tax_minor);
            assert_eq!(amounts, (Some(goods), Some(total), Some(tax)), "{name}");
            assert_eq!(
                (fact.order_id.as_str(), fact.status, fact.test),
                (id, Some(status), test),
                "{name}"
            );
            assert_eq!(fact.currency, currency.parse().ok(), "{name}");
            assert!(fact.notes.is_empty(), "{name}: {:?}", fact.notes);
            assert_eq!(fact.refund_list, RefundList::Some);
        }
    }

    #[test]
    fn codes_refunds_and_shipping_of_the_published_orders_are_read() {
        let fact = fact_of("orders/paid", &fixture("shopify_api_ruby_order_paid_discount_code"));
        assert_eq!((fact.coupons, fact.refunds), (vec!["FAKE30".to_owned()], vec![]));
        let name = "shopify_api_ruby_order_partially_refunded_discount_noteattrs";
        let fact = fact_of("orders/updated", &fixture(name));
        // 195.66 + 195.67 of goods, 209.00 of money.
        let line = |id: &str, goods_minor| RefundedLine { line: id.to_owned(), goods_minor };
        let lines = vec![line("703073504", 19_566), line("466157049", 19_567)];
        let refund = Refund { lines, ..Refund::new("509562969".to_owned(), 20_900, Some(39_133)) };
        assert_eq!((fact.kind, fact.refunds), (FactKind::Refund, vec![refund]));
        let fact = fact_of("orders/create", &fixture("docs_2026-01_orders_create"));
        assert_eq!((fact.kind, fact.shipping_minor), (FactKind::Cancel, Some(1000)));
    }

    #[test]
    fn names_lines_customer_and_renewals_of_the_published_orders_are_read() {
        let fact = fact_of("orders/create", &fixture("DERIVED_order_USD_shop_EUR_presentment"));
        let kinds: Vec<_> = fact.aliases.iter().map(|alias| alias.kind).collect();
        assert!(kinds.contains(&AliasKind::OrderName), "{kinds:?}");
        let keys = ["0123456789abcdef0123456789abcdef", "a229dbf865b776cc02ec2d3622008f24"];
        let proofs = keys.map(|key| ProofId::of_key(fact.merchant, key).unwrap());
        assert_eq!(fact.proofs, proofs, "the tokens of checkout and order, not the cart's");
        let kept = serde_json::to_string(&fact).unwrap();
        assert!(keys.iter().all(|key| !kept.contains(key)), "{kept}");
        assert_eq!(
            fact.lines.iter().map(|line| line.goods_minor).sum::<i64>(),
            fact.goods_minor.unwrap()
        );
        let by = taxed(json!({ "email": "A@b.example" }));
        assert_eq!(by.customer, CustomerId::of_email(by.merchant, "a@b.example"));
        for (count, new) in [
            (json!(1), Some(true)),
            (json!("4"), Some(false)),
            (json!(null), None),
            (json!(0), None),
        ] {
            assert_eq!(taxed(json!({ "customer": { "orders_count": count } })).new_customer, new);
        }
        assert!(taxed(json!({ "source_name": "subscription_contract" })).renewal);
        assert!(
            !taxed(json!({ "source_name": "subscription_contract_checkout_one" })).renewal,
            "the first order"
        );
    }

    #[test]
    fn every_published_refund_is_read_to_the_cent() {
        let rows = [
            // 414.95 over five lines; 75.00 + 10.00 of money.
            (
                "docs_2026-01_refunds_create",
                "820982911946154500",
                "890088186047892400",
                8500,
                41_495,
            ),
            ("shopify_api_ruby_refund_two_lines", "450789469", "509562969", 20_900, 39_133),
            (
                "shopify_api_ruby_refund_amount_only_lines_zero",
                "450789469",
                "929361472",
                4194,
                4194,
            ),
            ("shopify_api_ruby_refund_shipping_only", "450789469", "929361471", 500, 0),
        ];
        for (name, order_id, id, total_minor, goods) in rows {
            let fact = fact_of("refunds/create", &fixture(name));
            let of_lines: i64 = fact.refunds[0].lines.iter().map(|line| line.goods_minor).sum();
            // 0 where the goods follow from the money.
            assert!([0, goods].contains(&of_lines), "{name}: {of_lines}");
            let refund = Refund {
                lines: fact.refunds[0].lines.clone(),
                ..Refund::new(id.to_owned(), total_minor, Some(goods))
            };
            assert_eq!((fact.order_id.as_str(), fact.refunds), (order_id, vec![refund]), "{name}");
            assert_eq!(
                (fact.status, fact.partial, fact.kind),
                (None, true, FactKind::Refund),
                "{name}"
            );
            assert_eq!((fact.currency, fact.notes), ("USD".parse().ok(), vec![]), "{name}");
        }
    }

    #[test]
    fn a_malformed_order_is_kept_with_notes() {
        let fact = fact_of("orders/updated", &fixture("anonymised_2025-04_orders_1"));
        assert_eq!((fact.order_id.as_str(), fact.status), ("123", Some(Status::Unpaid)));
        assert_eq!((fact.currency, fact.goods_minor, fact.total_minor), (None, None, None));
        for field in ["currency", "financial_status"] {
            assert!(
                fact.notes.iter().any(|note| note.starts_with(field)),
                "{field} in {:?}",
                fact.notes
            );
        }
        let body = String::from_utf8(fixture("anonymised_2025-04_orders_1")).unwrap();
        let body = body.replace(r#""currency": "example string""#, r#""currency": "EUR""#);
        let fact = fact_of("orders/updated", body.as_bytes());
        for field in ["line_items[0].price", "total_price", "total_tax"] {
            assert!(
                fact.notes.iter().any(|note| note.starts_with(field)),
                "{field} in {:?}",
                fact.notes
            );
        }
    }

    #[test]
    fn what_is_no_order_or_refund_is_refused_by_field() {
        let pixel = fixture("DERIVED_web_pixel_checkout_completed");
        let (order, refund) = (
            fixture("shopify_api_ruby_order_pending"),
            fixture("shopify_api_ruby_refund_two_lines"),
        );
        let rows: [(&str, &[u8], &str); 8] = [
            ("orders/paid", &pixel, "id:"),
            ("orders/paid", &refund, "financial_status:"),
            ("refunds/create", &order, "order_id:"),
            ("refunds/create", br#"{"id":1,"order_id":2}"#, "shop_money.currency_code:"),
            ("orders/paid", br#"{"id":1.5,"financial_status":"paid"}"#, "id:"),
            ("orders/paid", br#"{"id":1e3,"financial_status":"paid"}"#, "id:"),
            ("orders/paid", b"[]", "body:"),
            ("orders/paid", b"{", "body:"),
        ];
        for (topic, body, named) in rows {
            let reading = reading_at(NOW, topic, body);
            assert!(
                matches!(&reading, Reading::Unparsed(why) if why.starts_with(named)),
                "{named} {reading:?}"
            );
        }
        for topic in ["customers/redact", "customers/data_request", "shop/redact"] {
            let body = json!({
                "shop_id": 954_889, "shop_domain": "shop.myshopify.com",
                "customer": { "id": 191_167, "email": "John@Example.com", "phone": "555-625-1199" },
                "orders_to_redact": [299_938], "orders_requested": [299_938],
                "data_request": { "id": 9999 },
            });
            let bodies = [body.to_string(), json!({ "customer": {} }).to_string(), "{".to_owned()];
            for body in bodies {
                let reading = reading_at(NOW, topic, body.as_bytes());
                let Reading::Asked(text) = reading else { panic!("{topic}: {reading:?}") };
                assert!(!text.to_lowercase().contains("john") && !text.contains("555"), "{text}");
            }
        }
        let hash = CustomerId::of_email(MerchantId::from_bits(1), "john@example.com").unwrap();
        let body = br#"{"customer":{"email":"John@Example.com"}}"#;
        let Reading::Asked(text) = reading_at(NOW, "customers/redact", body) else { panic!() };
        assert!(text.contains(&format!("--customer {hash}`")), "{text}");
        for topic in ["orders/edited", "app/uninstalled", "carts/update"] {
            assert!(matches!(reading_at(NOW, topic, b"{}"), Reading::Ignored(_)), "{topic}");
        }
    }

    #[test]
    fn no_cut_of_an_order_panics() {
        let body = fixture("shopify_api_ruby_order_partially_refunded_discount_noteattrs");
        let order: Map<String, Value> = serde_json::from_slice(&body).unwrap();
        for field in order.keys() {
            for strange in
                [json!(null), json!({}), json!([1]), json!("x"), json!(-1), json!("1e400")]
            {
                let mut order = order.clone();
                order.insert(field.clone(), strange);
                let body = Value::Object(order).to_string();
                if let Reading::Fact(fact) = reading_at(NOW, "orders/updated", body.as_bytes()) {
                    assert!(fact.notes.len() <= 21);
                }
            }
        }
    }

    #[test]
    fn tax_inside_prices_is_no_goods() {
        // 100.00 - 10.00 - 14.37.
        assert_eq!(taxed(json!({})).goods_minor, Some(7563));
        assert_eq!(taxed(json!({ "taxes_included": false })).goods_minor, Some(9000));
        let unknown = taxed(json!({ "taxes_included": null }));
        assert_eq!((unknown.goods_minor, unknown.notes.len()), (Some(9000), 1));
    }

    #[test]
    fn a_refund_is_its_lines_or_else_its_cash_less_shipping_and_tax() {
        let line = json!([{ "subtotal": 90.0, "total_tax": 14.37 }]);
        let whole = json!({ "id": 1, "refund_line_items": line, "transactions": cash("94.90") });
        assert_eq!(refunded(whole), (9490, Some(7563), vec![]));
        let restocked = json!({ "id": 1, "refund_line_items": line, "transactions": [] });
        assert_eq!(refunded(restocked), (0, Some(7563), vec![]), "goods given back without money");
        let mixed = json!({
            "id": 1, "transactions": cash("9.90"),
            "order_adjustments": [{ "kind": "shipping_refund", "amount": "-4.12", "tax_amount": "-0.78" }],
            "refund_shipping_lines": [{ "subtotal_amount_set": { "shop_money": { "amount": "4.12" } } }],
        });
        // 9.90 - 4.12 - 0.78; the shipping is listed twice and counts once.
        assert_eq!(refunded(mixed), (990, Some(500), vec![]));
        let shipping = json!({
            "id": 1, "transactions": cash("4.90"),
            "refund_shipping_lines": [{ "subtotal_amount_set": { "shop_money": { "amount": "4.90" } } }],
        });
        assert_eq!(refunded(shipping), (490, Some(0), vec![]));
        let pending = json!({ "id": 1, "transactions": [
            { "kind": "refund", "status": "failure", "amount": "5.00" },
            { "kind": "void", "status": "success", "amount": "5.00" },
        ]});
        assert_eq!(refunded(pending), (0, Some(0), vec![]), "no money moved");
    }

    #[test]
    fn a_strange_refund_costs_no_other_field() {
        let bad_line = json!({ "id": 1, "refund_line_items": [{}], "transactions": cash("9.49") });
        let (total, goods, notes) = refunded(bad_line);
        assert_eq!((total, goods), (949, None), "taken pro rata");
        assert_eq!(notes, ["refunds[0].refund_line_items[0].subtotal: missing"]);
        let foreign = json!([{ "kind": "refund", "status": "success", "amount": "99.00", "currency": "USD" }]);
        let with_lines = json!({
            "id": 1, "transactions": foreign,
            "refund_line_items": [{ "subtotal": "90.00", "total_tax": "0" }],
        });
        let (total, goods, notes) = refunded(with_lines);
        assert_eq!(
            (total, goods, notes.len()),
            (9000, Some(9000), 1),
            "dollars are not counted as euros"
        );
        let fact = taxed(json!({ "refunds": [{ "id": 1, "transactions": foreign }, 5, {}] }));
        assert_eq!((fact.refunds.len(), fact.notes.len(), fact.goods_minor), (0, 3, Some(7563)));
    }

    fn unread(fact: &OrderFact) -> Vec<(AmountPart, &str, &str)> {
        let parts = fact.unreadable.iter();
        parts.map(|u| (u.part.clone(), u.field.as_str(), u.shape.as_str())).collect()
    }

    #[test]
    fn an_amount_that_cannot_be_read_makes_its_part_unknown() {
        use AmountPart::{Currency, Goods, Refund, Total};
        let lines =
            |line: Value| json!({ "line_items": [{ "price": "5.00", "quantity": 1 }, line] });
        let reduced =
            json!({ "price": "5", "quantity": 1, "discount_allocations": [{ "amount": "x" }] });
        let refund = json!({ "refunds": [{ "id": 9, "transactions": cash("5,00") }] });
        let nine = Refund("9".into());
        for (changes, part, field, shape) in [
            (
                lines(json!({ "price": "1,000.00", "quantity": 1 })),
                Goods,
                "line_items[1].price",
                "9,999.99",
            ),
            (lines(json!({ "price": "1" })), Goods, "line_items[1].quantity", "missing"),
            (lines(reduced), Goods, "line_items[1].discount_allocations[0].amount", "a"),
            (json!({ "line_items": {} }), Goods, "line_items", "an object"),
            (json!({ "total_price": "1,000.00" }), Total, "total_price", "9,999.99"),
            (json!({ "currency": "zzz" }), Currency, "currency", "aaa"),
            (refund, nine.clone(), "refunds[0].transactions[0].amount", "9,99"),
            (json!({ "refunds": 5 }), Refund(String::new()), "refunds", "9"),
        ] {
            let fact = taxed(changes.clone());
            assert_eq!(unread(&fact), [(part.clone(), field, shape)], "{changes}");
            assert!(part != Goods || (fact.goods_minor.is_none() && fact.lines.is_empty()));
        }
        assert_eq!(unread(&taxed(json!({}))), []);
        let money = json!({ "shop_money": { "amount": "5,00", "currency_code": "EUR" } });
        let alone = json!({ "id": 9, "order_id": 5, "refund_line_items": [], "transactions": [
            { "kind": "refund", "status": "success", "amount": "5,00", "amount_set": money },
        ]});
        let alone = fact_of("refunds/create", alone.to_string().as_bytes());
        assert_eq!(unread(&alone), [(nine, "transactions[0].amount", "9,99")]);
        assert_eq!((alone.refunds.len(), alone.partial), (0, true), "kept, and not as zero");
    }

    #[test]
    fn presentment_money_is_never_read() {
        let set = json!({ "shop_money": { "amount": "80.00", "currency_code": "EUR" },
            "presentment_money": { "amount": "99.00", "currency_code": "USD" } });
        let line = json!([{ "price": "99.00", "price_set": set, "quantity": 2 }]);
        let fact = taxed(json!({ "line_items": line, "total_price_set": set }));
        assert_eq!((fact.goods_minor, fact.total_minor), (Some(16_000), Some(8000)));
        let wrong = json!({ "shop_money": { "amount": "99.00", "currency_code": "USD" } });
        let fact = taxed(json!({ "total_price_set": wrong }));
        assert_eq!((fact.total_minor, fact.notes.len()), (None, 1));
    }

    #[test]
    fn one_state_under_three_topics_is_one_fact() {
        let body = fixture("docs_2026-01_orders_paid");
        let id = |topic| fact_of(topic, &body).id;
        assert_eq!(id("orders/create"), id("orders/paid"));
        assert_eq!(id("orders/paid"), id("orders/cancelled"));
        assert_ne!(
            id("orders/paid"),
            fact_of("orders/paid", &fixture("shopify_api_ruby_order_pending")).id
        );
    }

    #[test]
    fn within_one_second_the_state_that_is_further_along_stands() {
        let at = |received_ms: i64, topic: &str, body: Value| match reading_at(
            NOW.plus(Span::ms(received_ms)),
            topic,
            body.to_string().as_bytes(),
        ) {
            Reading::Fact(fact) => *fact,
            other => panic!("{other:?}"),
        };
        let second = "2026-05-01T12:00:00+02:00";
        let refund = json!({
            "id": 9, "order_id": 5, "created_at": second, "transactions": cash("90.00"),
            "refund_line_items": [{
                "subtotal_set": { "shop_money": { "amount": "90.00", "currency_code": "EUR" } },
                "total_tax": "14.37",
            }],
        });
        let state = |status: &str, refunds: Value| {
            json!({ "id": 5, "currency": "EUR", "financial_status": status, "taxes_included": true,
                "updated_at": second, "line_items": [], "refunds": refunds })
        };
        let facts = [
            at(0, "orders/updated", state("partially_refunded", json!([refund]))),
            at(1000, "refunds/create", refund.clone()),
            at(2000, "orders/create", state("pending", json!([]))),
        ];
        let order = fold(&facts).unwrap();
        assert_eq!((order.status, order.refunded_goods_minor), (Status::Paid, 7563));
        assert_eq!(
            facts[1].refunds[0].goods_minor,
            Some(9000),
            "a refund by itself does not say the tax"
        );
    }

    #[test]
    fn times_with_an_offset_are_read_and_none_lies_ahead_of_us() {
        let fact = fact_of("orders/paid", &fixture("shopify_api_ruby_order_paid_EUR_tax"));
        assert_eq!(fact.ordered_at, "2025-07-02T16:31:26Z".parse().ok());
        assert_eq!(fact.occurred_at, "2025-07-02T16:31:26.002Z".parse().unwrap());
        assert_eq!(taxed(json!({ "updated_at": "2999-01-01T00:00:00Z" })).occurred_at, NOW);
        assert_eq!(taxed(json!({ "created_at": "yesterday" })).notes.len(), 1);
        for field in ["created_at", "updated_at"] {
            let body = fixture("shopify_api_ruby_order_paid_EUR_tax");
            let mut order: Value = serde_json::from_slice(&body).unwrap();
            order[field] = json!("2026-11-20T10:00:00");
            let read = reading_at(NOW, "orders/paid", order.to_string().as_bytes());
            assert!(
                matches!(&read, Reading::Unparsed(reason) if reason.starts_with(field)),
                "without its zone: {read:?}"
            );
        }
    }
}
