//! What one side said of an order, gathered fact by fact: for each question the fact that answers
//! it. It judges nothing: the fold reads it.
//!
//! A fact costs the same however many came before it. The answers depend on the set of the facts,
//! not on the order in which they are added.

use std::collections::{BTreeMap, BTreeSet};

use super::code_visit::CodeVisit;
use super::fact::{AmountPart, FactKind, OrderFact, Source, Status, Unreadable};
use super::place::{Place, place};
use super::refunds::Refunds;
use super::touch::Touch;
use crate::money::Currency;
use crate::platform::Platform;
use crate::time::Timestamp;

/// The fact with the highest place of those that were offered.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Latest<'f>(Option<(Place, &'f OrderFact)>);

impl<'f> Latest<'f> {
    fn offer(&mut self, place: Place, fact: &'f OrderFact) {
        if self.0.is_none_or(|(held, _)| held < place) {
            self.0 = Some((place, fact));
        }
    }

    pub(super) fn fact(self) -> Option<&'f OrderFact> {
        self.0.map(|(_, fact)| fact)
    }
}

/// What tells a part of the amounts.
///
/// The most trusted fact that states the part decides. If it could not be read, the part is
/// unknown, and an earlier word does not stand in for it: the amount may have changed. Only a fact
/// about a later moment does, from whatever channel.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Told<'f> {
    /// The fact that states the part, readably or not.
    stated: Latest<'f>,
    /// The latest fact, by time alone, that states it readably.
    read: Latest<'f>,
}

impl<'f> Told<'f> {
    /// Offers a fact, which counts if it states the part.
    fn offer(&mut self, place: Place, fact: &'f OrderFact, part: &AmountPart, has_amount: bool) {
        let is_unread = fact.unreadable_part(part).is_some();
        if has_amount || is_unread {
            self.stated.offer(place, fact);
        }
        if has_amount && !is_unread {
            self.read.offer(by_time(place), fact);
        }
    }

    /// Returns the fact that tells the part, or what is unreadable.
    pub(super) fn answer(
        self,
        part: &AmountPart,
    ) -> (Option<&'f OrderFact>, Option<&'f Unreadable>) {
        let Some((place, stated)) = self.stated.0 else { return (None, None) };
        let Some(unread) = stated.unreadable_part(part) else { return (Some(stated), None) };
        match self.read.0.filter(|(read_at, _)| *read_at > by_time(place)) {
            Some((_, read)) => (Some(read), None),
            None => (None, Some(unread)),
        }
    }
}

/// Returns a place that time alone decides.
const fn by_time(place: Place) -> Place {
    ((Source::Webhook, false, false), place.1, place.2, place.3)
}

/// The facts of one side, the shop's server or browsers, as far as they can still matter.
#[derive(Debug, Default)]
pub(super) struct Said<'f> {
    pub last: Latest<'f>,
    pub status: Latest<'f>,
    /// Disputes that the customer's bank decided, by time alone.
    pub dispute: Latest<'f>,
    /// The fact that last stated when the order was placed.
    pub ordered: Latest<'f>,
    pub checkout: Latest<'f>,
    /// The fact that last had the contents of the order.
    pub content: Latest<'f>,
    pub currency: Told<'f>,
    pub goods: BTreeMap<Currency, Told<'f>>,
    pub total: BTreeMap<Currency, Told<'f>>,
    pub customer: Latest<'f>,
    pub new_customer: Latest<'f>,
    /// The arrival of the first fact.
    pub first_at: Option<Timestamp>,
    /// The arrival of the first fact that says that the order is paid.
    pub paid_at: Option<Timestamp>,
    pub test: bool,
    pub renewal: bool,
    pub touches: BTreeSet<Touch>,
    pub code_visits: BTreeSet<CodeVisit>,
    /// The clicks that are later than the fact that brought their token.
    pub ahead: BTreeSet<Touch>,
    /// When WooCommerce's deletions arrived, and its first state of the order.
    deletions: BTreeSet<Timestamp>,
    first_state_at: Option<Timestamp>,
    pub refunds: Refunds<'f>,
}

impl<'f> Said<'f> {
    /// Takes in a fact, which must not have been taken in before.
    pub(super) fn add(&mut self, fact: &'f OrderFact) {
        let place = place(fact);
        let offer = |latest: &mut Latest<'f>, answers: bool| {
            if answers {
                latest.offer(place, fact);
            }
        };
        offer(&mut self.last, true);
        offer(&mut self.status, fact.status.is_some() && !is_deletion(fact));
        offer(&mut self.ordered, fact.ordered_at.is_some());
        offer(&mut self.checkout, fact.checkout_at.is_some());
        offer(&mut self.customer, fact.customer.is_some());
        offer(&mut self.new_customer, fact.new_customer.is_some());
        if !fact.partial {
            let no_currency = fact.unreadable_part(&AmountPart::Currency).is_some();
            offer(&mut self.content, fact.currency.is_some() || no_currency);
            self.currency.offer(place, fact, &AmountPart::Currency, fact.currency.is_some());
        }
        if let Some(currency) = fact.currency.filter(|_| !fact.partial) {
            let goods = self.goods.entry(currency).or_default();
            goods.offer(place, fact, &AmountPart::Goods, fact.goods_minor.is_some());
            let total = self.total.entry(currency).or_default();
            total.offer(place, fact, &AmountPart::Total, fact.total_minor.is_some());
        }
        if is_dispute(fact) && fact.status.is_some() {
            self.dispute.offer(by_time(place), fact);
        }
        let earliest = |held: &mut Option<Timestamp>| {
            *held = Some(held.map_or(fact.received_at, |held| held.min(fact.received_at)));
        };
        earliest(&mut self.first_at);
        if fact.status == Some(Status::Paid) {
            earliest(&mut self.paid_at);
        }
        if is_woocommerce(fact) && !is_deletion(fact) && fact.status.is_some() {
            earliest(&mut self.first_state_at);
        }
        if is_deletion(fact) {
            self.deletions.insert(fact.received_at);
        }
        self.test |= fact.test;
        self.renewal |= fact.renewal;
        self.touches.extend(&fact.touches);
        self.code_visits.extend(&fact.code_visit);
        self.ahead.extend(fact.touches.iter().filter(|touch| touch.is_ahead_of(fact.received_at)));
        self.refunds.add(place, fact);
    }

    /// Returns the time at which the order was placed, as it was last stated.
    pub(super) fn stated_at(&self) -> Option<Timestamp> {
        self.ordered.fact().and_then(|fact| fact.ordered_at)
    }

    /// Returns the state of the order by its last fact. A dispute that the customer's bank decided
    /// against the shop comes first: only the payment provider sends it, shops do not hear of it.
    pub(super) fn status(&self) -> Status {
        if self.dispute.fact().is_some_and(|f| f.status == Some(Status::Void)) {
            return Status::Void;
        }
        match self.status.0 {
            None if self.deletions.is_empty() => Status::Draft,
            None => Status::Void,
            Some((place, fact)) if self.is_deleted_after(place, fact) => Status::Void,
            Some((_, fact)) => fact.status.unwrap_or(Status::Draft),
        }
    }

    /// Returns whether the order was deleted after its latest state, which this fact has.
    ///
    /// A state names its own time, and that time alone counts, however often and under whatever
    /// header it is sent again. Only WooCommerce's deletion names no time. It came after every
    /// state that was known when it arrived. So a state that came later, and that the shop dates
    /// later than those, takes it back. Where no state was known, our clock dates the deletion.
    fn is_deleted_after(&self, (rank, ..): Place, latest: &OrderFact) -> bool {
        let Some(last) = self.deletions.last() else { return false };
        if rank < (Source::Webhook, true, true) || latest.received_at <= *last {
            return true;
        }
        let first_state_at = self.first_state_at.unwrap_or(Timestamp::MAX);
        let unknown = self.deletions.range(..first_state_at).next_back();
        unknown.is_some_and(|deleted_at| latest.occurred_at < *deleted_at)
    }
}

fn is_woocommerce(fact: &OrderFact) -> bool {
    let is_webhook = fact.source == Source::Webhook && !fact.is_signed_page();
    is_webhook && fact.platform == Platform::Woocommerce
}

/// Returns whether a fact is WooCommerce's deletion, whose body has the order's id and nothing
/// else.
fn is_deletion(fact: &OrderFact) -> bool {
    is_woocommerce(fact)
        && fact.partial
        && fact.kind == FactKind::Cancel
        && fact.status == Some(Status::Void)
}

fn is_dispute(fact: &OrderFact) -> bool {
    fact.platform == Platform::Stripe && fact.kind == FactKind::Cancel && fact.partial
}
