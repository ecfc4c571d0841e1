//! Judges an event of a pixel: it becomes a record, or it is dropped for a reason. Pure.
//!
//! What only a browser says is a claim. Nothing here may decide what is paid.

use live::{HotMerchant, Snapshot};
use shared::consent::Consent;
use shared::event::{Event, EventName, Order, PageSource, is_order_id};
use shared::id::{EventId, FactId, ProofId};
use shared::money::{Currency, Decimal};
use shared::order::{
    AmountPart, CodeVisit, OrderFact, Source, Status, Touch, Unreadable, normal_order_id,
};
use shared::platform::Platform;
use shared::record::{EventFact, Record};
use shared::time::{Span, Timestamp};
use shops::signed_order;

use crate::collect::caller::Caller;

/// How long a browser may hold back an event. The own time of an older event is not believed.
const EVENT_AGE_MAX: Span = Span::days(30);
const CLOCK_SKEW: Span = Span::minutes(2);
/// The most notes about fields that were left out.
const NOTES_MAX: usize = 20;
/// The bytes from which on an order id may be a key. Numbers have fewer.
const KEY_BYTES: usize = 16;

/// The record of an event, or the reason to drop the event.
pub(super) type Verdict = Result<Record<'static>, &'static str>;

/// What all events of a request have in common.
pub(super) struct Judge<'a> {
    pub snapshot: &'a Snapshot,
    pub merchant: &'a HotMerchant,
    pub caller: &'a Caller,
    pub is_image: bool,
    /// What the page says of the visitor's consent.
    pub consent: Consent,
    /// The browser, or the click's token, says that the visitor refuses to be tracked.
    pub refuses_tracking: bool,
    /// The click that brought the visitor, if the request has a valid token.
    pub touch: Option<Touch>,
    pub now: Timestamp,
}

impl Judge<'_> {
    pub(super) fn judge(&self, event: &Event) -> Verdict {
        match self.caller {
            Caller::Foreign => return Err("foreign_origin"),
            Caller::Nobody => return Err("no_origin"),
            Caller::SameOrigin | Caller::Opaque | Caller::Shop(_) => {}
        }
        if self.consent == Consent::Denied {
            return Err("consent_denied");
        }
        let code_visit = self.code_visit(event);
        match (event.name, &event.order) {
            // An image is for pages without scripts, which the shop's server writes with the key in
            // them. Without it, it is an address that anybody may have asked for.
            (EventName::Purchase, Some(order))
                if self.is_image && self.proof(order).is_none() && order.sig.is_none() =>
            {
                Err("unproven")
            }
            (EventName::Purchase, Some(order)) => {
                Ok(Record::Order(Box::new(self.purchase(event, order, code_visit))))
            }
            _ if self.touch.is_none() && code_visit.is_none() => Err("no_click"),
            _ => Ok(Record::Event(EventFact {
                id: self.event_id(event),
                name: event.name,
                at: self.believable(event),
                received_at: self.now,
                merchant: self.merchant.id,
                touch: self.touch,
                code_visit,
                consent: self.known_consent(),
            })),
        }
    }

    /// Returns what is recorded of the visitor's consent. A signal of the browser does not drop what
    /// the page sends, and the ledger must tell it apart. A page that asked knows better.
    const fn known_consent(&self) -> Consent {
        match self.consent {
            Consent::Unknown if self.refuses_tracking => Consent::Denied,
            said => said,
        }
    }

    /// Returns the time that the browser states if it can be right, and else the server's.
    fn believable(&self, event: &Event) -> Timestamp {
        let stated = Timestamp::from_ms(event.ts);
        let age = self.now.since(stated);
        let is_unbelievable = age > EVENT_AGE_MAX || age < Span::ms(-CLOCK_SKEW.as_ms());
        if is_unbelievable { self.now } else { stated.min(self.now) }
    }

    /// Returns the visit that a discount code opened, if the code is a coupon's of this merchant and
    /// the visit lies inside the window of its campaign. Other codes are not recorded.
    ///
    /// The browser's clock may be wrong, so only the time between the code and the event is believed,
    /// and never one below zero.
    fn code_visit(&self, event: &Event) -> Option<CodeVisit> {
        if event.code.is_empty() {
            return None;
        }
        let age = event.code_at.map_or(0, |code_at| event.ts.saturating_sub(code_at).max(0));
        let at = self.believable(event);
        let opened_at = Timestamp::from_ms(at.as_ms().saturating_sub(age));
        let coupon = self.snapshot.coupon_meant_by(self.merchant.id, &event.code, opened_at)?;
        let campaign = self.snapshot.campaign(coupon.campaign)?;
        let window = Span::minutes(i64::from(campaign.window_minutes));
        let visit = CodeVisit { opened_at, coupon: coupon.id };
        visit.covers(window, at).then_some(visit)
    }

    fn event_id(&self, event: &Event) -> EventId {
        if let Some(id) = lead_id(event)
            && let Some(touch) = self.touch
        {
            // SECURITY: a lead's own id counts once for a click, and not once for all clicks:
            // whoever guesses ids must not take the leads of others.
            return EventId::of_lead(self.merchant.id, touch.click, &id);
        }
        let merchant = self.merchant.id.bits().to_be_bytes();
        let name = event.name.as_str().as_bytes();
        EventId::of_content(&[b"event", &merchant, name, event.id.to_ascii_lowercase().as_bytes()])
    }

    /// Returns a purchase as the browser saw it, or as the shop's page signed it.
    fn purchase(&self, event: &Event, order: &Order, code_visit: Option<CodeVisit>) -> OrderFact {
        let merchant = self.merchant;
        let is_signed = signed_order::is_signed(&merchant.webhook_secrets(self.now), order);
        // SECURITY: the time is not signed. As the shop's word it would date an order to before a
        // suspension, or to better terms.
        let at = if is_signed == Some(true) { self.now } else { self.believable(event) };
        let mut notes = Vec::new();
        let currency = order.currency;
        let mut minor =
            |field: &str, amount: Option<Decimal>| minor(field, amount, currency, &mut notes);
        let (total, tax, shipping) = (
            minor("value", order.value),
            minor("tax", order.tax),
            minor("shipping", order.shipping),
        );
        let exact = if is_signed == Some(true) { goods_of_amounts(order) } else { goods(order) };
        let goods = minor("items", exact);
        let is_stated = order.value.is_some() || order.items.iter().any(|i| i.price.is_some());
        let unread = |part, field: &str, amount: Option<Decimal>| Unreadable {
            part,
            field: field.to_owned(),
            shape: shops::shape_of(&amount.map_or("too large".to_owned(), |a| a.to_string())),
        };
        let mut unreadable = Vec::new();
        if total.is_none() && order.value.is_some() {
            unreadable.push(unread(AmountPart::Total, "value", order.value));
        }
        if goods.is_none() && is_stated && currency.is_some() && order.unread.is_empty() {
            unreadable.push(unread(AmountPart::Goods, "items", exact));
        }
        unreadable.extend(left_out(order, goods.is_none(), &mut notes));
        let proof = self.proof(order);
        let id = self.claim_id(event, order, proof, code_visit);
        let order_id = order_id(order, proof);
        let order_name = (merchant.platform.unwrap_or(Platform::Other), order_id);
        let source = match order.source {
            Some(PageSource::Ga4) => Source::DataLayer,
            Some(PageSource::Other) | None => Source::Pixel,
        };
        let fact = OrderFact {
            occurred_at: at,
            ordered_at: Some(at),
            status: Some(Status::Paid),
            currency,
            goods_minor: goods,
            tax_minor: tax,
            shipping_minor: shipping,
            total_minor: total,
            touches: self.touch.into_iter().collect(),
            code_visit,
            proofs: proof.into_iter().collect(),
            consent: Some(self.known_consent()),
            unreadable,
            ..OrderFact::blank(id, merchant.id, order_name, source, self.now)
        };
        if is_signed == Some(true) {
            // SECURITY: codes and `new_customer` are not signed: only the browser says them. So
            // they are left out. Click and visit stay: who has a signed page is the buyer.
            // The key is not signed either, so it proves nothing to others.
            return OrderFact {
                id: self.signed_id(order),
                source: Source::Postback,
                proofs: vec![],
                notes,
                ..fact
            };
        }
        if is_signed == Some(false) {
            let note =
                "sig: does not fit the order and the merchant's `webhook_secret`; kept as a claim";
            notes.push(note.to_owned());
        }
        let coupons = order.coupons.iter().filter(|code| !code.trim().is_empty());
        let coupons = coupons.cloned().collect();
        OrderFact { coupons, new_customer: order.new_customer, notes, ..fact }
    }

    /// Returns the proof that the order's key is; the key itself goes no further.
    fn proof(&self, order: &Order) -> Option<ProofId> {
        ProofId::of_key(self.merchant.id, order.key.as_deref()?)
    }

    /// Returns the id of a claim. Order, click, key and coupon are part of it, since the page chooses the
    /// event's id and an image's follows from the order: nobody takes the place of another one's
    /// claim.
    fn claim_id(
        &self,
        event: &Event,
        order: &Order,
        proof: Option<ProofId>,
        code_visit: Option<CodeVisit>,
    ) -> FactId {
        let click = self.touch.map(|touch| touch.click);
        // A retry may state another moment, so the moment is no part.
        let coupon = code_visit.map(|visit| visit.coupon.bits().to_be_bytes());
        let event = self.event_id(event);
        let order = normal_order_id(&order.id);
        let mut parts: Vec<&[u8]> = vec![
            b"claim",
            event.as_bytes(),
            order.as_bytes(),
            click.as_ref().map_or(&[], |click| click.as_bytes()),
            proof.as_ref().map_or(&[], |proof| proof.as_bytes()),
        ];
        parts.extend(coupon.as_ref().map(|coupon| &coupon[..]));
        FactId::of_content(&parts)
    }

    fn signed_id(&self, order: &Order) -> FactId {
        let merchant = self.merchant.id.bits().to_be_bytes();
        // SECURITY: of one signed message there is one fact, however its signature is spelled.
        // Otherwise the same purchase could be sent again after a cancellation.
        let sig = order.sig.as_deref().unwrap_or_default().to_ascii_lowercase();
        FactId::of_content(&[b"signed", &merchant, order.id.as_bytes(), sig.as_bytes()])
    }
}

/// Returns the id that the page gave to a lead, if it can be one.
fn lead_id(event: &Event) -> Option<String> {
    let id = &event.order.as_ref().filter(|_| event.name == EventName::Lead)?.id;
    is_order_id(id).then(|| normal_order_id(id))
}

/// Returns the id under which a claim is kept. A page may call its order by the key; the key itself
/// is kept nowhere.
fn order_id(order: &Order, proof: Option<ProofId>) -> String {
    let id = normal_order_id(&order.id);
    let is_key = id.len() >= KEY_BYTES && order.key.as_deref().map(str::trim) == Some(id.as_str());
    proof.filter(|_| is_key).map_or(id, |proof| format!("key:{proof}"))
}

/// Returns the sum of price × quantity over the lines. Without lines, returns the value less tax
/// and shipping, where these are given.
fn goods(order: &Order) -> Option<Decimal> {
    let one = "1".parse().unwrap_or(Decimal::ZERO);
    let lines = order.items.iter().map(|item| item.price?.checked_mul(item.qty.unwrap_or(one)));
    let sum = lines.reduce(|sum, line| sum?.checked_add(line?)).flatten();
    sum.or_else(|| goods_of_amounts(order))
}

/// Returns the amounts that a found order states and that could not be read. Fields without a part
/// in the amounts are noted.
fn left_out(order: &Order, needs_goods: bool, notes: &mut Vec<String>) -> Vec<Unreadable> {
    let mut unreadable: Vec<Unreadable> = Vec::new();
    for unread in &order.unread {
        let (field, shape) = (unread.field.as_str(), shops::shape_of(&unread.text));
        let parts: &[AmountPart] = match field {
            "currency" => &[AmountPart::Currency],
            "value" => &[AmountPart::Total, AmountPart::Goods],
            "tax" | "shipping" => &[AmountPart::Goods],
            _ if field.ends_with(".price") || field.ends_with(".qty") => &[AmountPart::Goods],
            _ => &[],
        };
        if parts.is_empty() && notes.len() < NOTES_MAX {
            notes.push(format!("{field}: `{shape}` cannot be used and is left out"));
        }
        for part in parts {
            let is_known = *part == AmountPart::Goods && !needs_goods;
            if !is_known && unreadable.iter().all(|other| other.part != *part) {
                let (part, field, shape) = (part.clone(), field.to_owned(), shape.clone());
                unreadable.push(Unreadable { part, field, shape });
            }
        }
    }
    unreadable
}

/// Returns the value less tax and shipping, where these are given; `None` while one of them is
/// unknown.
fn goods_of_amounts(order: &Order) -> Option<Decimal> {
    if order.unread.iter().any(|unread| matches!(unread.field.as_str(), "tax" | "shipping")) {
        return None;
    }
    let without_tax = order.value?.checked_sub(order.tax.unwrap_or(Decimal::ZERO))?;
    without_tax.checked_sub(order.shipping.unwrap_or(Decimal::ZERO))
}

fn minor(
    field: &str,
    amount: Option<Decimal>,
    currency: Option<Currency>,
    notes: &mut Vec<String>,
) -> Option<i64> {
    let minor = shops::bounded(amount?, currency?);
    minor.map_err(|reason| notes.push(format!("{field}: {reason}"))).ok()
}
