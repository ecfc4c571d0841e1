//! Stripe webhooks: checkout sessions, renewals of subscriptions, captures, refunds and disputes.
//!
//! An order is a payment: its id is the payment intent, which sessions, charges and disputes all
//! name. A session says what was bought, an invoice what a subscription renewed; a charge says
//! whether it was captured, and how much was refunded so far; a dispute says whether the payment is
//! still valid. Amounts are integers in Stripe's own minor units. A field of
//! a session that cannot be read is noted and left out; the rest of the session still counts.

use http::HeaderMap;
use serde_json::Value;
use shared::id::FactId;
use shared::json::repaired;
use shared::money::{AMOUNT_MAX, Currency};
use shared::order::{
    Alias, AliasKind, AmountPart, FactKind, FailedRefund, OrderFact, Refund, RefundList, Status,
    Touch, Unreadable, normal_order_id,
};
use shared::platform::Platform;
use shared::time::{Span, Timestamp};
use shared::token::TOKEN_CHARS;

use crate::amounts::{brief_of, unreadable};
use crate::arrival::{Arrival, Reading};
use crate::mac::Begun;
use crate::{fields, signature};

/// Characters of an order id, and of a topic that is kept.
const NAME_CHARS_MAX: usize = 128;
/// Discounts of one event that are read.
const CODES_MAX: usize = 20;
/// Where a session may contain a click token, or the invoice of a subscription. Shops also use the
/// first place for other values.
const TOKEN_PATHS: [&str; 7] = [
    "data.object.client_reference_id",
    "data.object.metadata.ac",
    "data.object.metadata._ac",
    "data.object.subscription_details.metadata.ac",
    "data.object.subscription_details.metadata._ac",
    "data.object.parent.subscription_details.metadata.ac",
    "data.object.parent.subscription_details.metadata._ac",
];

/// Returns the event's type. It is in the body, because Stripe has no header for it.
pub(crate) fn topic(body: &[u8]) -> Option<String> {
    let event = serde_json::from_slice::<Value>(&repaired(body)).ok()?;
    Some(event.get("type")?.as_str()?.chars().take(NAME_CHARS_MAX).collect())
}

/// Begins to check a delivery that is signed by one of the secrets, with a recent time.
pub(crate) fn begin(headers: &HeaderMap, secrets: &[&str], received_at: Timestamp) -> Begun {
    signature::begin("Stripe-Signature", headers, secrets, received_at)
}

/// What an event is about.
#[derive(Clone, Copy)]
enum Subject {
    /// A session whose `payment_status` decides.
    Session,
    /// A session whose payment failed later.
    Failed,
    /// A payment of a subscription.
    Invoice,
    Refund,
    /// A refund that failed after its charge reported it, or was cancelled.
    RefundFailed,
    /// A charge that was only authorised, and is captured now.
    Captured,
    /// A charge that was only authorised, for too long.
    Expired,
    DisputeCreated,
    DisputeClosed,
    FundsReinstated,
}

impl Subject {
    fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
                Self::Session
            }
            "checkout.session.async_payment_failed" => Self::Failed,
            "invoice.paid" => Self::Invoice,
            "charge.refunded" => Self::Refund,
            "refund.failed" | "refund.updated" | "charge.refund.updated" => Self::RefundFailed,
            "charge.captured" => Self::Captured,
            "charge.expired" => Self::Expired,
            // An inquiry that becomes a dispute takes the money, too.
            "charge.dispute.created" | "charge.dispute.funds_withdrawn" => Self::DisputeCreated,
            "charge.dispute.closed" => Self::DisputeClosed,
            "charge.dispute.funds_reinstated" => Self::FundsReinstated,
            _ => return None,
        })
    }
}

/// Reads a signed arrival.
pub(crate) fn read(arrival: &Arrival<'_>) -> Reading {
    let event = match fields::object(arrival.body) {
        Ok(event) => Value::Object(event),
        Err(reason) => return Reading::Unparsed(reason),
    };
    let Some(kind) = event.get("type").and_then(Value::as_str) else {
        return Reading::Unparsed(
            "type: expected a word such as checkout.session.completed".to_owned(),
        );
    };
    let Some(subject) = Subject::of(kind) else {
        return Reading::Ignored("only sessions, renewals, refunds and disputes are recorded");
    };
    let reader = Reader { arrival, event: &event, notes: vec![], unreadable: vec![] };
    if reader.word("data.object.mode") == Some("setup") {
        return Reading::Ignored("a session that only keeps a payment method sells nothing");
    }
    if let (Subject::Invoice, Some(reason)) = (subject, reader.is_no_renewal()) {
        return Reading::Ignored(reason);
    }
    let state = reader.word("data.object.status");
    if matches!(subject, Subject::RefundFailed) && !matches!(state, Some("failed" | "canceled")) {
        return Reading::Ignored("a refund counts when its charge says so");
    }
    match reader.fact(subject) {
        Ok(fact) => Reading::Fact(Box::new(fact)),
        Err(reason) => Reading::Unparsed(reason),
    }
}

/// Reads the fields of one event, and notes those that it cannot read. Fields are named by their
/// path in the event.
struct Reader<'a> {
    arrival: &'a Arrival<'a>,
    event: &'a Value,
    notes: Vec<String>,
    unreadable: Vec<Unreadable>,
}

impl Reader<'_> {
    fn fact(mut self, subject: Subject) -> Result<OrderFact, String> {
        let blank = self.blank()?;
        let fact = match subject {
            Subject::Session => self.session(blank, None)?,
            Subject::Failed => self.session(blank, Some(Status::Void))?,
            Subject::Invoice => self.invoice(blank)?,
            Subject::Refund => self.refund(blank)?,
            Subject::RefundFailed => self.refund_failed(blank)?,
            Subject::Captured => self.captured(blank)?,
            Subject::Expired => self.expired(blank)?,
            Subject::DisputeCreated => self.dispute(blank, Self::opened)?,
            Subject::DisputeClosed => self.dispute(blank, Self::closed)?,
            Subject::FundsReinstated => self.dispute(blank, |_| Some(Status::Paid))?,
        };
        Ok(OrderFact { notes: self.notes, unreadable: self.unreadable, ..fact })
    }

    /// Reads what every event says: its id, its time, and whether it is a test.
    fn blank(&mut self) -> Result<OrderFact, String> {
        let event = self
            .word("id")
            .filter(|id| !id.is_empty())
            .ok_or("id: expected the event's id, evt_…")?;
        let merchant = self.arrival.merchant.bits().to_be_bytes();
        let id = FactId::of_content(&[b"stripe", &merchant, event.as_bytes()]);
        if !matches!(self.field("data.object"), Some(Value::Object(_))) {
            return Err("data.object: expected a JSON object".to_owned());
        }
        let blank = fields::blank(Platform::Stripe, self.arrival, String::new(), id);
        Ok(OrderFact {
            occurred_at: self.time("created").unwrap_or(blank.received_at).min(blank.received_at),
            refund_list: RefundList::Some,
            test: self.is_test(),
            ..blank
        })
    }

    fn session(&mut self, blank: OrderFact, status: Option<Status>) -> Result<OrderFact, String> {
        let order_id = self.order_id("data.object.id")?;
        let status = status.unwrap_or_else(|| self.payment_status());
        let currency = self.currency().map_err(|reason| self.notes.push(reason)).ok();
        let has_amounts = ["data.object.amount_total", "data.object.amount_subtotal"]
            .iter()
            .any(|path| self.field(path).is_some());
        let stated = self.field("data.object.currency");
        if currency.is_none() && (stated.is_some() || has_amounts) {
            self.unread(AmountPart::Currency, "data.object.currency");
        }
        let mut fact = OrderFact {
            order_id,
            kind: if status == Status::Void { FactKind::Cancel } else { FactKind::Order },
            aliases: self.aliases(),
            // The shop's page after the payment gets the session's id in its address.
            proofs: fields::proofs(self.arrival, [self.field("data.object.id")]),
            ordered_at: self.completed_at(),
            // A session is created when the customer goes to the checkout.
            checkout_at: self.time("data.object.created"),
            customer: fields::customer(self.arrival, self.emails()),
            mailbox: fields::mailbox(self.arrival, self.emails()),
            status: Some(status),
            coupons: self.coupons(),
            touches: self.touches(),
            currency,
            ..blank
        };
        if let Some(currency) = currency {
            fact.total_minor = self.total("data.object.amount_total", currency);
            fact.tax_minor = self.amount("data.object.total_details.amount_tax", currency);
            fact.shipping_minor = self.shipping(currency);
            fact.goods_minor = self.goods(currency);
            self.note_inclusive_tax(&fact);
        }
        Ok(fact)
    }

    /// Returns why an invoice is no renewal, if it is none.
    fn is_no_renewal(&self) -> Option<&'static str> {
        match self.word("data.object.billing_reason").unwrap_or_default() {
            "subscription_create" => Some("a subscription's first payment is that of its session"),
            reason if reason.starts_with("subscription") => None,
            _ => Some("only invoices of subscriptions are recorded"),
        }
    }

    /// Reads what a subscription renewed. Its goods are the total without tax and shipping: the
    /// invoice's subtotal may be before or after discounts.
    fn invoice(&mut self, blank: OrderFact) -> Result<OrderFact, String> {
        let order_id = self.order_id("data.object.id")?;
        let currency = self.currency()?;
        let total_minor = self.total("data.object.total", currency);
        let untaxed = "data.object.total_excluding_tax";
        let path = if self.field(untaxed).is_some() { untaxed } else { "data.object.total" };
        let tax_minor = self.amount("data.object.tax", currency);
        let without_tax = self.amount(path, currency).map(|amount| {
            let tax = if path == untaxed { 0 } else { tax_minor.unwrap_or(0) };
            amount - tax
        });
        if without_tax.is_none() {
            self.unread(AmountPart::Goods, path);
        }
        let shipping_minor = self.amount("data.object.shipping_cost.amount_subtotal", currency);
        let goods = without_tax.map(|amount| (amount - shipping_minor.unwrap_or(0)).max(0));
        Ok(OrderFact {
            order_id,
            ordered_at: self.time("created"),
            status: Some(Status::Paid),
            currency: Some(currency),
            goods_minor: goods,
            tax_minor,
            shipping_minor,
            total_minor,
            coupons: self.coupons(),
            customer: fields::customer(self.arrival, self.emails()),
            mailbox: fields::mailbox(self.arrival, self.emails()),
            touches: self.touches(),
            renewal: true,
            ..blank
        })
    }

    fn total(&mut self, path: &str, currency: Currency) -> Option<i64> {
        let total = self.amount(path, currency);
        if total.is_none() && self.field(path).is_some() {
            self.unread(AmountPart::Total, path);
        }
        total
    }

    /// Reads a charge that is paid now. What was not captured counts as refunded. Stripe counts whole
    /// seconds, and a charge is captured after its session was completed.
    fn captured(&mut self, blank: OrderFact) -> Result<OrderFact, String> {
        let status = Some(Status::Paid);
        let occurred_at = blank.occurred_at.plus(Span::ms(1)).min(blank.received_at);
        let blank = OrderFact { occurred_at, ..blank };
        let gave_back =
            self.field("data.object.amount_refunded").and_then(Value::as_i64) != Some(0);
        if gave_back && self.field("data.object.amount_refunded").is_some() {
            return self.refund(blank).map(|fact| OrderFact { status, ..fact });
        }
        let order_id = self.order_id("data.object.id")?;
        Ok(OrderFact { order_id, status, partial: true, ..blank })
    }

    /// Reads a charge that nobody captured in time: the customer pays nothing.
    fn expired(&self, blank: OrderFact) -> Result<OrderFact, String> {
        let order_id = self.order_id("data.object.id")?;
        Ok(OrderFact { order_id, status: Some(Status::Void), partial: true, ..blank })
    }

    /// Returns the discount codes, as far as the event has them: the code of an expanded promotion
    /// code, the ids of promotion codes and coupons, and what the shop put into the metadata.
    fn coupons(&self) -> Vec<String> {
        let of_list = |path: &str| {
            let list = self.field(path).and_then(Value::as_array);
            list.map_or(&[][..], Vec::as_slice)
        };
        let listed = of_list("data.object.discounts").iter();
        let broken_down = of_list("data.object.total_details.breakdown.discounts").iter();
        let discounts = listed.chain(broken_down.filter_map(|entry| entry.get("discount")));
        let in_discounts = discounts.take(CODES_MAX).flat_map(|discount| {
            let source = discount.get("source").and_then(|source| source.get("coupon"));
            let values = [discount.get("promotion_code"), discount.get("coupon"), source];
            values.into_iter().flatten().flat_map(|value| {
                let names = [Some(value), value.get("code"), value.get("id")];
                names.into_iter().flatten().filter_map(Value::as_str)
            })
        });
        let mut codes = Vec::new();
        for code in in_discounts.chain(self.word("data.object.metadata.coupon")).map(str::trim) {
            if !code.is_empty() && code.len() <= NAME_CHARS_MAX && !codes.iter().any(|c| c == code)
            {
                codes.push(code.to_owned());
            }
        }
        codes
    }

    fn unread(&mut self, part: AmountPart, path: &str) {
        let value = self.field(path);
        self.unreadable.push(unreadable(part, path, value));
    }

    /// Returns the shop's own names of the order, if it gave any.
    fn aliases(&self) -> Vec<Alias> {
        let reference =
            self.word("data.object.client_reference_id").filter(|text| text.len() != TOKEN_CHARS);
        let reference = reference.map(Value::from);
        let names = [
            (AliasKind::OrderNumber, reference.as_ref()),
            (AliasKind::OrderNumber, self.field("data.object.metadata.order_id")),
        ];
        names.into_iter().filter_map(|(kind, value)| fields::alias(kind, value)).collect()
    }

    /// Returns when the order was placed: when its session was completed. A payment that comes
    /// later does not change that.
    fn completed_at(&mut self) -> Option<Timestamp> {
        (self.word("type") == Some("checkout.session.completed"))
            .then(|| self.time("created"))
            .flatten()
    }

    fn emails(&self) -> [Option<&Value>; 2] {
        let fields = ["data.object.customer_details.email", "data.object.customer_email"];
        fields.map(|path| self.field(path))
    }

    /// Reads a charge. `amount_refunded` is all that was refunded so far. So each charge has one
    /// refund, and its newest fact counts. An amount that is there and cannot be read is unknown.
    fn refund(&mut self, blank: OrderFact) -> Result<OrderFact, String> {
        let id =
            self.id("data.object.id").ok_or("data.object.id: expected the charge's id, ch_…")?;
        let path = "data.object.amount_refunded";
        let order_id = self.order_id("data.object.id")?;
        let (currency, refund) = match (self.currency(), self.field("data.object.currency")) {
            (Ok(currency), _) => (Some(currency), self.exact(path, currency)),
            (Err(reason), Some(_)) => (None, Err(reason)),
            (Err(reason), None) => return Err(reason),
        };
        let refund = match refund {
            Ok(None) => return Err(format!("{path}: expected an amount")),
            Ok(Some(total_minor)) => Some(Refund::new(id, total_minor, None)),
            Err(reason) => {
                self.notes.push(reason);
                let unread = if currency.is_some() { path } else { "data.object.currency" };
                self.unread(AmountPart::Refund(id), unread);
                None
            }
        };
        Ok(OrderFact {
            order_id,
            kind: FactKind::Refund,
            currency,
            refunds: refund.into_iter().collect(),
            partial: true,
            ..blank
        })
    }

    /// Reads a refund that did not reach the customer. Its charge reported it within a sum, and no
    /// event reports the sum anew.
    fn refund_failed(&self, blank: OrderFact) -> Result<OrderFact, String> {
        let named = |path: &str| self.id(path).ok_or_else(|| format!("{path}: expected an id"));
        let currency = self.currency()?;
        let amount = self.exact("data.object.amount", currency)?;
        let failed = FailedRefund {
            id: named("data.object.id")?,
            of: named("data.object.charge")?,
            total_minor: amount.ok_or("data.object.amount: expected an amount")?,
        };
        Ok(OrderFact {
            order_id: self.order_id("data.object.charge")?,
            kind: FactKind::Refund,
            currency: Some(currency),
            failed_refunds: vec![failed],
            partial: true,
            ..blank
        })
    }

    fn dispute(
        &mut self,
        blank: OrderFact,
        status: impl Fn(&mut Self) -> Option<Status>,
    ) -> Result<OrderFact, String> {
        let order_id = self.order_id("data.object.charge")?;
        Ok(OrderFact {
            order_id,
            kind: FactKind::Cancel,
            status: status(self),
            partial: true,
            ..blank
        })
    }

    /// A dispute takes the money when it begins. An inquiry before it does not.
    fn opened(&mut self) -> Option<Status> {
        match self.word("data.object.status") {
            Some(status) if status.starts_with("warning_") => {
                let note = "data.object.status: an inquiry, no dispute yet; the order stands";
                self.notes.push(note.to_owned());
                None
            }
            _ => Some(Status::Void),
        }
    }

    fn closed(&mut self) -> Option<Status> {
        match self.word("data.object.status") {
            Some("won") => Some(Status::Paid),
            Some("lost") => Some(Status::Void),
            Some("warning_closed") => None,
            _ => {
                let found = self.field("data.object.status").map(brief_of).unwrap_or_default();
                self.notes
                    .push(format!("data.object.status: `{found}` is not known; nothing changed"));
                None
            }
        }
    }

    fn payment_status(&mut self) -> Status {
        match self.word("data.object.payment_status") {
            Some("paid" | "no_payment_required") => Status::Paid,
            Some("unpaid") => Status::Unpaid,
            _ => {
                let found =
                    self.field("data.object.payment_status").map(brief_of).unwrap_or_default();
                self.notes.push(format!(
                    "data.object.payment_status: `{found}` is not known; read as unpaid"
                ));
                Status::Unpaid
            }
        }
    }

    /// Returns the id of the payment intent or, without one, the id at `other`.
    fn order_id(&self, other: &str) -> Result<String, String> {
        let path = "data.object.payment_intent";
        let id = if self.field(path).is_some() { self.id(path) } else { self.id(other) };
        id.ok_or_else(|| format!("{path}: expected an id, pi_…, or one in {other}"))
    }

    /// Returns the id at `path`: a text, or the `id` of an expanded object.
    fn id(&self, path: &str) -> Option<String> {
        let value = self.field(path)?;
        let text = normal_order_id(value.as_str().or_else(|| value.get("id")?.as_str())?);
        (!text.is_empty() && text.len() <= NAME_CHARS_MAX).then_some(text)
    }

    fn is_test(&mut self) -> bool {
        let mut is_test = false;
        for path in ["livemode", "data.object.livemode"] {
            match self.field(path) {
                None | Some(Value::Bool(true)) => {}
                Some(Value::Bool(false)) => is_test = true,
                Some(other) => {
                    self.notes
                        .push(format!("{path}: `{}` is neither true nor false", brief_of(other)));
                }
            }
        }
        is_test
    }

    fn currency(&self) -> Result<Currency, String> {
        let text = self.word("data.object.currency").unwrap_or_default();
        text.parse().map_err(|error| format!("data.object.currency: {error}"))
    }

    /// Reads a time in whole seconds since 1970.
    fn time(&mut self, path: &str) -> Option<Timestamp> {
        let value = self.field(path)?;
        match value.as_i64().and_then(|seconds| seconds.checked_mul(1000)).filter(|ms| *ms >= 0) {
            Some(ms) => Some(Timestamp::from_ms(ms)),
            None => {
                self.notes.push(format!("{path}: `{}` is not a time in seconds", brief_of(value)));
                None
            }
        }
    }

    /// Returns the items before discounts, less the discounts. Returns `None` if one of the fields
    /// cannot be read.
    fn goods(&mut self, currency: Currency) -> Option<i64> {
        let path = "data.object.amount_subtotal";
        let Some(subtotal) = self.amount(path, currency) else {
            if self.field(path).is_some() {
                self.unread(AmountPart::Goods, path);
            }
            return None;
        };
        let reduced = "data.object.total_details.amount_discount";
        let discount = match self.exact(reduced, currency) {
            Ok(discount) => discount.unwrap_or(0),
            Err(reason) => {
                self.notes.push(reason);
                self.unread(AmountPart::Goods, reduced);
                return None;
            }
        };
        if discount > subtotal {
            self.notes.push(format!("{path}: the discounts are larger; goods read as 0"));
        }
        Some((subtotal - discount).max(0))
    }

    fn shipping(&mut self, currency: Currency) -> Option<i64> {
        let details = "data.object.total_details.amount_shipping";
        let path = if self.field(details).is_some() {
            details
        } else {
            "data.object.shipping_cost.amount_total"
        };
        self.amount(path, currency)
    }

    /// Notes that prices include tax. Then the goods that are read here include it too.
    fn note_inclusive_tax(&mut self, fact: &OrderFact) {
        let (Some(total), Some(goods), Some(tax)) =
            (fact.total_minor, fact.goods_minor, fact.tax_minor)
        else {
            return;
        };
        if total < goods + fact.shipping_minor.unwrap_or(0) + tax {
            let note = "data.object.total_details.amount_tax: prices include tax, and so do the goods read here";
            self.notes.push(note.to_owned());
        }
    }

    fn amount(&mut self, path: &str, currency: Currency) -> Option<i64> {
        self.exact(path, currency).map_err(|reason| self.notes.push(reason)).ok()?
    }

    /// Returns an amount in the currency's own minor units, or `None` if there is no such field.
    ///
    /// # Errors
    /// When the amount is invalid.
    fn exact(&self, path: &str, currency: Currency) -> Result<Option<i64>, String> {
        let Some(value) = self.field(path) else { return Ok(None) };
        let minor = value.as_i64().and_then(|units| iso_minor(units, currency));
        match minor.filter(|minor| (0..=AMOUNT_MAX).contains(minor)) {
            Some(minor) => Ok(Some(minor)),
            None => Err(format!("{path}: `{}` is not an amount in {currency}", brief_of(value))),
        }
    }

    /// Returns the clicks of the tokens in the session's reference, if that looks like a token, and
    /// in its metadata.
    fn touches(&mut self) -> Vec<Touch> {
        let found = TOKEN_PATHS.iter().filter_map(|path| Some((*path, self.word(path)?.trim())));
        // A shop's own reference is not a token, and it is not a mistake.
        let tokens: Vec<_> = found
            .filter(|(path, text)| *path != TOKEN_PATHS[0] || text.len() == TOKEN_CHARS)
            .collect();
        fields::touches(self.arrival, tokens.into_iter(), &mut self.notes)
    }
}

impl<'a> Reader<'a> {
    /// Returns the value at a path such as `data.object.id`. `null` counts as absent.
    fn field(&self, path: &str) -> Option<&'a Value> {
        let found = path.split('.').try_fold(self.event, |value, name| value.get(name));
        found.filter(|value| !value.is_null())
    }

    fn word(&self, path: &str) -> Option<&'a str> {
        self.field(path)?.as_str()
    }
}

/// Returns the decimal places of the amounts that Stripe sends. Three currencies differ from ISO
/// 4217: Stripe counts whole ariary, and hundredths of króna and shilling.
fn stripe_exponent(currency: Currency) -> u32 {
    match currency.code() {
        "ISK" | "UGX" => 2,
        "MGA" => 0,
        _ => currency.exponent(),
    }
}

/// Converts Stripe's units to the currency's own. Returns `None` if that is not possible exactly.
fn iso_minor(units: i64, currency: Currency) -> Option<i64> {
    let (theirs, ours) = (stripe_exponent(currency), currency.exponent());
    let more = units.checked_mul(10i64.checked_pow(ours.saturating_sub(theirs))?)?;
    let fewer = 10i64.checked_pow(theirs.saturating_sub(ours))?;
    (more % fewer == 0).then_some(more / fewer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrival::Authenticity;
    use crate::platforms::authenticate;
    use http::header::HeaderValue;
    use serde_json::json;
    use shared::id::{CustomerId, ProofId};

    const SIGNED_AT: i64 = 1_700_000_000;
    const BODY: &[u8] = br#"{"id":727,"status":"processing"}"#;
    const VECTOR: &str = "696f03b9ccdd7c1796e868ebe222d58ee098e674afc805925c531f5404243e35";

    fn authentic(header: &str, secrets: &[&str], now: i64) -> Authenticity {
        let mut headers = HeaderMap::new();
        headers.insert("stripe-signature", HeaderValue::from_str(header).unwrap());
        let received_at = Timestamp::from_ms(now * 1000 + 999);
        let arrival = Arrival { secrets, ..Arrival::of_test(&headers, BODY, received_at) };
        authenticate(Platform::Stripe, &arrival)
    }

    fn reason(authenticity: Authenticity) -> String {
        let Authenticity::Refused(refusal) = authenticity else { panic!("{authenticity:?}") };
        refusal.text
    }

    #[test]
    fn the_published_vector_is_signed() {
        let header = format!("t={SIGNED_AT},v1={VECTOR}");
        assert_eq!(authentic(&header, &["whsec_test"], SIGNED_AT), Authenticity::Signed);
        assert_eq!(
            authentic(&header, &["whsec_new", "whsec_test"], SIGNED_AT),
            Authenticity::Signed
        );
        assert!(reason(authentic(&header, &["whsec_tes"], SIGNED_AT)).contains("does not fit"));
    }

    #[test]
    fn one_of_several_signatures_is_enough_and_other_schemes_do_not_count() {
        let other = "0".repeat(64);
        for header in [
            format!("t={SIGNED_AT},v1={other},v1={VECTOR}"),
            format!("t={SIGNED_AT}, v1={VECTOR}, v1={other}, v0={other}"),
        ] {
            assert_eq!(
                authentic(&header, &["whsec_test"], SIGNED_AT),
                Authenticity::Signed,
                "{header}"
            );
        }
        let header = format!("t={SIGNED_AT},v0={VECTOR}");
        assert!(reason(authentic(&header, &["whsec_test"], SIGNED_AT)).contains("expected"));
    }

    #[test]
    fn a_signature_is_believed_for_300_seconds_either_way() {
        let header = format!("t={SIGNED_AT},v1={VECTOR}");
        for (now, fresh) in
            [(-300, true), (300, true), (-301, false), (301, false), (-SIGNED_AT, false)]
        {
            let found = authentic(&header, &["whsec_test"], SIGNED_AT + now);
            assert_eq!(found == Authenticity::Signed, fresh, "{now}");
            assert!(fresh || reason(found).contains("stale"), "{now}");
        }
    }

    #[test]
    fn the_time_is_part_of_what_is_signed() {
        for time in ["1700000001", "01700000000", " 1700000000", "", "now", "99999999999999999999"]
        {
            let header = format!("t={time},v1={VECTOR}");
            let reason = reason(authentic(&header, &["whsec_test"], SIGNED_AT));
            assert!(reason.contains("fit") || reason.contains("expected"), "{time}: {reason}");
        }
        for header in ["", ",", "=", "t=1", "v1=1", "t,v1", "t=,v1="] {
            assert!(matches!(authentic(header, &["k"], 1), Authenticity::Refused(_)), "{header}");
        }
    }

    fn reading(event: &Value) -> Reading {
        let body = event.to_string();
        let received_at = Timestamp::from_ms(1_800_000_000_000);
        read(&Arrival::of_test(&HeaderMap::new(), body.as_bytes(), received_at))
    }

    fn event(kind: &str, object: Value) -> Value {
        json!({ "id": "evt_1", "type": kind, "created": SIGNED_AT, "livemode": true,
                "data": { "object": object } })
    }

    fn fact(event: &Value) -> OrderFact {
        match reading(event) {
            Reading::Fact(fact) => *fact,
            other => panic!("{other:?}"),
        }
    }

    fn session(changes: Value) -> OrderFact {
        let mut object = json!({
            "id": "cs_1", "payment_intent": "pi_1", "currency": "eur", "payment_status": "paid",
            "amount_subtotal": 10_000, "amount_total": 11_590, "created": SIGNED_AT - 60,
            "total_details": { "amount_discount": 1000, "amount_shipping": 790, "amount_tax": 1800 },
        });
        object.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        fact(&event("checkout.session.completed", object))
    }

    fn unparsed(event: &Value) -> String {
        match reading(event) {
            Reading::Unparsed(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_session_says_what_was_bought() {
        let fact = session(json!({}));
        let amounts = (fact.goods_minor, fact.tax_minor, fact.shipping_minor, fact.total_minor);
        assert_eq!(amounts, (Some(9000), Some(1800), Some(790), Some(11_590)));
        assert_eq!((fact.order_id.as_str(), fact.status), ("pi_1", Some(Status::Paid)));
        assert_eq!((fact.refund_list, fact.partial, fact.test), (RefundList::Some, false, false));
        assert_eq!(fact.occurred_at, Timestamp::from_ms(SIGNED_AT * 1000));
        assert_eq!(fact.checkout_at, Some(Timestamp::from_ms((SIGNED_AT - 60) * 1000)));
        assert_eq!(fact.ordered_at, Some(Timestamp::from_ms(SIGNED_AT * 1000)));
        assert_eq!(fact.notes, Vec::<String>::new());
        let cost = json!({ "total_details": { "amount_tax": 0 }, "shipping_cost": { "amount_total": 490 } });
        assert_eq!(session(cost).shipping_minor, Some(490));
    }

    #[test]
    fn a_session_says_its_other_names_and_who_bought() {
        let fact = session(json!({
            "client_reference_id": "1001", "metadata": { "order_id": "W-7" }, "customer_details": { "email": "a@b.example" },
        }));
        let names: Vec<_> = fact.aliases.iter().map(|alias| alias.value.as_str()).collect();
        assert_eq!(names, ["1001", "W-7"]);
        let session = json!({ "id": "cs_live_a1" });
        let proof = ProofId::of_key(fact.merchant, "cs_live_a1");
        assert_eq!(self::session(session).proofs, Vec::from_iter(proof), "its id is a key");
        assert_eq!(fact.customer, CustomerId::of_email(fact.merchant, "a@b.example"));
    }

    #[test]
    fn a_session_is_paid_unpaid_or_void() {
        for (word, status, notes) in [
            ("paid", Status::Paid, 0),
            ("no_payment_required", Status::Paid, 0),
            ("unpaid", Status::Unpaid, 0),
            ("odd", Status::Unpaid, 1),
        ] {
            let fact = session(json!({ "payment_status": word }));
            assert_eq!((fact.status, fact.notes.len()), (Some(status), notes), "{word}");
        }
        let object = json!({ "id": "cs_1", "payment_status": "unpaid" });
        let failed = fact(&event("checkout.session.async_payment_failed", object));
        assert_eq!((failed.status, failed.kind), (Some(Status::Void), FactKind::Cancel));
        assert_eq!(failed.order_id, "cs_1");
    }

    #[test]
    fn the_order_is_the_payment_intent_or_else_the_object_itself() {
        assert_eq!(session(json!({ "payment_intent": { "id": "pi_2" } })).order_id, "pi_2");
        assert_eq!(session(json!({ "payment_intent": null })).order_id, "cs_1");
        let charge = json!({ "id": "ch_1", "currency": "eur", "amount_refunded": 5 });
        assert_eq!(fact(&event("charge.refunded", charge)).order_id, "ch_1");
        let dispute =
            json!({ "id": "dp_1", "charge": { "id": "ch_1" }, "status": "needs_response" });
        assert_eq!(fact(&event("charge.dispute.created", dispute)).order_id, "ch_1");
        for odd in [json!(5), json!(""), json!([]), json!({ "id": 5 }), json!("x".repeat(129))] {
            let object = json!({ "id": "cs_1", "payment_intent": odd });
            let reason = unparsed(&event("checkout.session.completed", object));
            assert!(reason.contains("data.object.payment_intent"), "{reason}");
        }
    }

    #[test]
    fn amounts_are_read_in_stripes_units_and_kept_in_the_currencys() {
        let total = |currency: &str, units: Value| {
            let fact = session(
                json!({ "currency": currency, "amount_total": units, "total_details": null }),
            );
            (fact.total_minor, fact.notes.len())
        };
        for (currency, units, expected) in [
            ("jpy", 500, Some(500)),
            ("kwd", 5120, Some(5120)),
            ("huf", 1045, Some(1045)),
            ("twd", 80_045, Some(80_045)),
            ("isk", 500, Some(5)),
            ("ugx", 1200, Some(12)),
            ("mga", 500, Some(50_000)),
            ("isk", 501, None),
            ("eur", AMOUNT_MAX, Some(AMOUNT_MAX)),
            ("eur", AMOUNT_MAX + 1, None),
            ("mga", i64::MAX, None),
            ("eur", -1, None),
        ] {
            let (found, notes) = total(currency, json!(units));
            assert_eq!(found, expected, "{units} {currency}");
            // Goods in króna and shilling divide by 100, too; only a missing total is noted.
            assert_eq!(notes, usize::from(expected.is_none()), "{units} {currency}");
        }
        for currency in "bif clp djf gnf jpy kmf krw pyg rwf vnd vuv xaf xof xpf"
            .split(' ')
            .map(str::to_uppercase)
        {
            assert_eq!(stripe_exponent(currency.parse().unwrap()), 0, "{currency}");
        }
        for currency in ["BHD", "JOD", "KWD", "OMR", "TND"] {
            assert_eq!(stripe_exponent(currency.parse().unwrap()), 3, "{currency}");
        }
    }

    #[test]
    fn strange_fields_are_noted_by_path_and_leave_the_rest() {
        let huge: Value = serde_json::from_str("123456789012345678901234567890").unwrap();
        let fact = session(json!({
            "amount_total": "11590", "created": huge, "amount_subtotal": 10_000,
            "total_details": { "amount_discount": 0, "amount_tax": huge, "amount_shipping": 7.5 },
        }));
        assert_eq!(
            (fact.goods_minor, fact.total_minor, fact.tax_minor),
            (Some(10_000), None, None)
        );
        for path in
            ["amount_total", "created", "total_details.amount_tax", "total_details.amount_shipping"]
        {
            assert!(
                fact.notes.iter().any(|n| n.starts_with(&format!("data.object.{path}: "))),
                "{path}"
            );
        }
        let odd = session(json!({ "total_details": { "amount_discount": "a few" } }));
        assert_eq!(odd.goods_minor, None, "an unreadable discount is not taken for none");
        let over = session(json!({ "total_details": { "amount_discount": 20_000 } }));
        assert_eq!((over.goods_minor, over.notes.len()), (Some(0), 1));
        let foreign = session(json!({ "currency": "zzz" }));
        assert_eq!((foreign.currency, foreign.total_minor, foreign.notes.len()), (None, None, 1));
    }

    fn unread(fact: &OrderFact) -> Vec<(AmountPart, &str)> {
        fact.unreadable.iter().map(|u| (u.part.clone(), u.field.as_str())).collect()
    }

    #[test]
    fn an_amount_that_cannot_be_read_makes_its_part_unknown() {
        use AmountPart::{Currency, Goods, Refund, Total};
        let discount = "data.object.total_details.amount_discount";
        for (changes, part, path) in [
            (json!({ "amount_subtotal": "100.00" }), Goods, "data.object.amount_subtotal"),
            (json!({ "total_details": { "amount_discount": 7.5 } }), Goods, discount),
            (json!({ "amount_total": -1 }), Total, "data.object.amount_total"),
            (json!({ "currency": "zzz" }), Currency, "data.object.currency"),
            (json!({ "currency": null }), Currency, "data.object.currency"),
        ] {
            let fact = session(changes.clone());
            assert_eq!(unread(&fact), [(part, path)], "{changes}");
        }
        assert_eq!(unread(&session(json!({ "shipping_cost": "x" }))), []);
        for (field, value) in [
            ("amount_refunded", json!("5")),
            ("amount_refunded", json!(-5)),
            ("currency", json!("zzz")),
        ] {
            let mut charge = json!({ "id": "ch_1", "currency": "eur", "amount_refunded": 5 });
            charge[field] = value.clone();
            let fact = fact(&event("charge.refunded", charge));
            let path = format!("data.object.{field}");
            let expected = [(Refund("ch_1".into()), path.as_str())];
            assert_eq!(
                (unread(&fact).as_slice(), fact.refunds.len()),
                (&expected[..], 0),
                "{value}"
            );
        }
    }

    #[test]
    fn tax_inside_the_prices_is_noted() {
        let details = json!({ "amount_discount": 0, "amount_shipping": 0, "amount_tax": 1597 });
        let fact = session(json!({ "amount_total": 10_000, "total_details": details }));
        assert_eq!(fact.goods_minor, Some(10_000));
        assert!(fact.notes[0].contains("include tax"), "{:?}", fact.notes);
    }

    #[test]
    fn a_shops_own_reference_is_no_token_and_no_mistake() {
        assert_eq!(session(json!({ "client_reference_id": "cart-17" })).notes.len(), 0);
        assert_eq!(session(json!({ "client_reference_id": "x".repeat(76) })).notes.len(), 1);
        let notes =
            session(json!({ "metadata": { "ac": "short", "_ac": "x".repeat(76), "other": 1 } }))
                .notes;
        assert!(
            notes.len() == 2 && notes[1].starts_with("data.object.metadata._ac: token"),
            "{notes:?}"
        );
    }

    #[test]
    fn money_is_real_unless_it_is_said_not_to_be() {
        assert!(session(json!({ "livemode": false })).test);
        let mut charge = event(
            "charge.refunded",
            json!({ "id": "ch", "currency": "eur", "amount_refunded": 1 }),
        );
        assert!(!fact(&charge).test);
        charge["livemode"] = json!(false);
        assert!(fact(&charge).test);
        charge["livemode"] = json!("no");
        assert!(fact(&charge).notes[0].starts_with("livemode: "));
    }

    #[test]
    fn a_dispute_voids_and_its_end_decides() {
        for (kind, word, status, notes) in [
            ("created", "needs_response", Some(Status::Void), 0),
            ("created", "warning_needs_response", None, 1),
            ("closed", "won", Some(Status::Paid), 0),
            ("closed", "lost", Some(Status::Void), 0),
            ("closed", "warning_closed", None, 0),
            ("closed", "odd", None, 1),
            ("funds_withdrawn", "under_review", Some(Status::Void), 0),
            ("funds_reinstated", "under_review", Some(Status::Paid), 0),
        ] {
            let object = json!({ "id": "dp_1", "payment_intent": "pi_1", "status": word });
            let fact = fact(&event(&format!("charge.dispute.{kind}"), object));
            assert_eq!((fact.status, fact.notes.len()), (status, notes), "{kind} {word}");
            assert!(fact.partial && fact.kind == FactKind::Cancel && fact.currency.is_none());
        }
    }

    #[test]
    fn a_refund_that_failed_later_is_taken_out_of_its_charges_sum() {
        let refund = |status: &str, kind: &str| {
            let object = json!({ "id": "re_1", "charge": "ch_1", "payment_intent": "pi_1",
                                 "amount": 300, "currency": "eur", "status": status });
            reading(&event(kind, object))
        };
        for kind in ["refund.failed", "refund.updated", "charge.refund.updated"] {
            for status in ["failed", "canceled"] {
                let Reading::Fact(fact) = refund(status, kind) else { panic!("{kind} {status}") };
                let expected =
                    FailedRefund { id: "re_1".into(), of: "ch_1".into(), total_minor: 300 };
                assert_eq!((fact.failed_refunds, fact.order_id.as_str()), (vec![expected], "pi_1"));
                assert!(fact.partial && fact.refunds.is_empty() && fact.status.is_none());
            }
            for status in ["pending", "succeeded", "requires_action"] {
                assert!(matches!(refund(status, kind), Reading::Ignored(_)), "{kind} {status}");
            }
        }
        let odd = json!({ "id": "re_1", "charge": "ch_1", "currency": "eur", "status": "failed" });
        assert!(unparsed(&event("refund.failed", odd)).starts_with("data.object.amount: "));
    }

    #[test]
    fn discounts_name_their_codes_in_every_form_that_stripe_sends() {
        let codes = |changes: Value| session(changes).coupons;
        assert_eq!(codes(json!({})), Vec::<String>::new());
        let plain = json!({ "discounts": [{ "coupon": "ANNA15", "promotion_code": null }] });
        assert_eq!(codes(plain), ["ANNA15"]);
        let by_code = json!({ "discounts": [{ "coupon": null, "promotion_code": "promo_1" }] });
        assert_eq!(codes(by_code), ["promo_1"]);
        let expanded = json!({
            "discounts": ["di_1", { "promotion_code": { "id": "promo_1", "code": "ANNA15" } }],
            "total_details": { "breakdown": { "discounts": [
                { "amount": 5, "discount": { "source": { "coupon": "c1" }, "coupon": { "id": "c2" } } },
            ] } },
            "metadata": { "coupon": " BEN " },
        });
        assert_eq!(codes(expanded), ["ANNA15", "promo_1", "c2", "c1", "BEN"]);
        for odd in [json!(5), json!([5, null, [], {}]), json!([{ "coupon": "" }])] {
            assert_eq!(codes(json!({ "discounts": odd })), Vec::<String>::new());
        }
    }

    #[test]
    fn a_renewal_is_an_order_of_its_own() {
        let renewal = |changes: Value| {
            let mut invoice = json!({
                "id": "in_2", "billing_reason": "subscription_cycle", "currency": "eur",
                "subtotal": 10_000, "total": 10_710, "total_excluding_tax": 9000, "tax": 1710,
                "discounts": [{ "coupon": "ANNA15" }], "customer_email": "a@b.example",
            });
            invoice.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            fact(&event("invoice.paid", invoice))
        };
        let whole = renewal(json!({}));
        let amounts = (whole.goods_minor, whole.tax_minor, whole.total_minor);
        assert_eq!(amounts, (Some(9000), Some(1710), Some(10_710)));
        assert_eq!((whole.order_id.as_str(), whole.status), ("in_2", Some(Status::Paid)));
        assert!(whole.renewal && !whole.partial && whole.notes.is_empty());
        assert_eq!(whole.coupons, ["ANNA15"]);
        assert_eq!(renewal(json!({ "payment_intent": "pi_2" })).order_id, "pi_2");
        assert_eq!(renewal(json!({ "total_excluding_tax": null })).goods_minor, Some(9000));
        let shipped = json!({ "shipping_cost": { "amount_subtotal": 500 } });
        assert_eq!(renewal(shipped).goods_minor, Some(8500));
        let odd = renewal(json!({ "total_excluding_tax": "90.00" }));
        let path = "data.object.total_excluding_tax";
        assert_eq!((odd.goods_minor, unread(&odd)), (None, vec![(AmountPart::Goods, path)]));
        let token = json!({ "ac": "x".repeat(76) });
        let noted = json!({ "parent": { "subscription_details": { "metadata": token } } });
        assert!(renewal(noted).notes[0].contains("subscription_details.metadata.ac: token"));
    }

    #[test]
    fn a_payment_that_is_captured_later_is_paid_then_and_one_that_is_not_is_void() {
        let charge = |kind: &str, refunded: Value| {
            fact(&event(
                kind,
                json!({ "id": "ch_1", "payment_intent": "pi_1", "currency": "eur", "amount": 100,
                        "amount_captured": 70, "amount_refunded": refunded }),
            ))
        };
        let whole = charge("charge.captured", json!(0));
        assert_eq!((whole.order_id.as_str(), whole.status), ("pi_1", Some(Status::Paid)));
        assert!(whole.partial && whole.refunds.is_empty());
        let part = charge("charge.captured", json!(30));
        assert_eq!((part.status, part.refunds[0].total_minor), (Some(Status::Paid), 30));
        assert!(charge("charge.captured", json!(null)).refunds.is_empty());
        let expired = charge("charge.expired", json!(0));
        assert_eq!((expired.status, expired.kind), (Some(Status::Void), FactKind::Order));
        // What follows from the facts together.
        let authorised = session(json!({ "payment_status": "unpaid" }));
        let later = |fact: OrderFact, n: u8| OrderFact {
            id: FactId::from_bytes([n; 16]),
            occurred_at: Timestamp::from_ms(SIGNED_AT * 1000 + i64::from(n)),
            ..fact
        };
        let order = |facts: Vec<OrderFact>| shared::order::fold(&facts).unwrap();
        assert_eq!(order(vec![authorised.clone()]).status, Status::Unpaid);
        let paid = order(vec![authorised.clone(), later(part, 1)]);
        assert_eq!((paid.status, paid.refunded_minor), (Status::Paid, 30));
        let void = order(vec![authorised, later(expired, 1)]);
        assert_eq!((void.status, void.goods_minor), (Status::Void, Some(9000)));
    }

    #[test]
    fn what_is_needed_and_missing_is_named() {
        let charge = json!({ "id": "ch_1", "currency": "eur", "amount_refunded": 5 });
        let without = |field: &str| {
            let mut charge = charge.clone();
            charge[field] = json!(null);
            unparsed(&event("charge.refunded", charge))
        };
        for field in ["id", "currency", "amount_refunded"] {
            assert!(
                without(field).starts_with(&format!("data.object.{field}: ")),
                "{}",
                without(field)
            );
        }
        let mut nameless = event("charge.refunded", charge.clone());
        nameless["id"] = json!("");
        assert!(unparsed(&nameless).starts_with("id: "));
        assert!(unparsed(&event("charge.refunded", json!([]))).starts_with("data.object: "));
        assert!(
            unparsed(&event("charge.dispute.closed", json!({}))).contains("data.object.charge")
        );
        assert!(unparsed(&json!({ "id": "evt_1" })).starts_with("type: "));
        assert!(unparsed(&json!([])).starts_with("body: "));
        for reason in [json!(null), json!("manual"), json!("subscription_create")] {
            let invoice = json!({ "id": "in_1", "billing_reason": reason });
            assert!(matches!(reading(&event("invoice.paid", invoice)), Reading::Ignored(_)));
        }
        let setup = event("checkout.session.completed", json!({ "id": "cs_1", "mode": "setup" }));
        assert!(matches!(reading(&setup), Reading::Ignored(_)));
    }

    #[test]
    fn the_event_makes_the_fact_and_its_type_is_the_topic() {
        let one = event("charge.dispute.closed", json!({ "charge": "ch_1", "status": "won" }));
        let mut other = one.clone();
        other["pending_webhooks"] = json!(2);
        assert_eq!(fact(&one).id, fact(&other).id);
        other["id"] = json!("evt_2");
        assert_ne!(fact(&one).id, fact(&other).id);
        other["created"] = json!(9_000_000_000i64);
        assert_eq!(
            fact(&other).occurred_at,
            fact(&other).received_at,
            "no event is from the future"
        );
        assert_eq!(topic(one.to_string().as_bytes()).as_deref(), Some("charge.dispute.closed"));
        assert_eq!((topic(b"{"), topic(br#"{"type":5}"#)), (None, None));
    }
}
