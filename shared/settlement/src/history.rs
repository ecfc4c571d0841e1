//! Whether an order is its customer's first, by the orders of the same customer that are recorded:
//! for each moment the answer that was right by what was known then. So an older order that becomes
//! known later changes what is booked from that moment on, and nothing that was booked before.
//!
//! A customer is the hash of an address that the shop's server named. What only browsers said of an
//! order makes nobody new and nobody known.

use std::collections::{BTreeMap, BTreeSet};

use shared::id::{ClickId, CustomerId};
use shared::order::{
    Folding, NewCustomer, Order, OrderFact, Visit, Witness, fold_name, normal_order_id,
};
use shared::platform::Platform;
use shared::time::Timestamp;

use crate::arrival::by_arrival;

/// The number of a customer's orders that are compared: so many that were heard of first, and so
/// many that were placed first. Any other order is not the customer's first, whatever they say.
///
/// It is bounded because one address may be that of all orders of a counter or a marketplace.
pub const ORDERS_OF_A_CUSTOMER: usize = 50;

/// What a fact tells of when an order of a customer was heard of and placed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Heard {
    /// The arrival of the fact.
    pub received_at: Timestamp,
    /// The time at which the order was placed, as the fact states it.
    pub stated_at: Timestamp,
    /// The order's own id in that fact, folded.
    pub id: String,
}

impl Heard {
    /// Returns the customer whom a fact names and what is heard by it; `None` for what only a
    /// browser said.
    pub fn of(fact: &OrderFact) -> Option<(CustomerId, Self)> {
        let customer = fact.customer.filter(|_| fact.source.confirms())?;
        let stated_at = fact.ordered_at.unwrap_or(fact.occurred_at);
        let id = fold_name(&fact.order_id);
        Some((customer, Self { received_at: fact.received_at, stated_at, id }))
    }

    /// Returns what tells of the orders of a customer that are compared.
    ///
    /// The result depends on the set alone, and what is left out never comes back: an order may
    /// only move forward, in either sequence, when more facts become known. So a store may forget
    /// it.
    pub fn compared(heard: impl IntoIterator<Item = Self> + Clone) -> BTreeSet<Self> {
        let by_arrival = |heard: &Self| (heard.received_at, heard.stated_at);
        let by_placing = |heard: &Self| (heard.stated_at, heard.received_at);
        let mut compared = foremost(heard.clone(), by_arrival);
        compared.extend(foremost(heard, by_placing));
        compared
    }
}

/// Keeps of each id what comes first in a sequence, and of all ids the [`ORDERS_OF_A_CUSTOMER`] that
/// come first.
fn foremost(
    heard: impl IntoIterator<Item = Heard>,
    place: impl Fn(&Heard) -> (Timestamp, Timestamp),
) -> BTreeSet<Heard> {
    let mut by_id: BTreeMap<String, Heard> = BTreeMap::new();
    for one in heard {
        match by_id.get_mut(&one.id) {
            Some(held) if place(held) <= place(&one) => {}
            Some(held) => *held = one,
            None => _ = by_id.insert(one.id.clone(), one),
        }
    }
    let mut sorted: Vec<Heard> = by_id.into_values().collect();
    sorted.sort_by_cached_key(|one| (place(one), one.id.clone()));
    sorted.into_iter().take(ORDERS_OF_A_CUSTOMER).collect()
}

/// Whether an order is its customer's first, from moment to moment. Empty: nobody knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newness(Vec<(Timestamp, Option<bool>)>);

impl Newness {
    /// Adds the answer from a moment on. Moments come in order.
    fn put(&mut self, at: Timestamp, answer: Option<bool>) {
        if self.0.last().map_or(answer.is_some(), |(_, held)| *held != answer) {
            self.0.push((at, answer));
        }
    }

    /// Returns the answer by what was known at a moment.
    pub fn at(&self, at: Timestamp) -> Option<bool> {
        let until = self.0.partition_point(|(from, _)| *from <= at);
        self.0[..until].last().and_then(|(_, answer)| *answer)
    }

    /// Returns the moments at which the answer changed.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Timestamp> {
        self.0.iter().map(|(at, _)| *at)
    }

    /// Returns the order as it was known at a moment: with what was said of the customer, or else
    /// with what recorded orders show.
    ///
    /// SECURITY: a page's word is in the order only while no server has reported it, and then nobody
    /// knows its customer. So no browser makes somebody new whose orders are recorded.
    pub(crate) fn told_to(&self, order: Order, at: Timestamp) -> Order {
        let recorded = || {
            let is_new = self.at(at)?;
            Some(NewCustomer { is_new, by: Witness::RecordedOrders })
        };
        Order { new_customer: order.new_customer.or_else(recorded), ..order }
    }
}

/// Tells for each order whether it is its customer's first, by all of these orders. Each order is
/// the set of its facts; `visit` looks up a click that may earn.
///
/// The result depends on the set of orders and facts, not on their sequence. An order comes before
/// another if it was placed earlier, or in the same moment and has the smaller id. Which orders
/// show that somebody has bought is said by [`Order::is_purchase`]; an order of which only the
/// payment provider told does not come before one that a shop reported, since it may be that order.
pub fn newness(
    orders: &[Vec<&OrderFact>],
    visit: &dyn Fn(&ClickId) -> Option<Visit>,
) -> Vec<Newness> {
    let mut answers = vec![Newness::default(); orders.len()];
    let customers = orders_by_customer(orders);
    let alone: BTreeSet<CustomerId> =
        customers.iter().filter(|(_, of)| of.len() == 1).map(|(customer, _)| *customer).collect();
    let mut courses: BTreeMap<usize, Course> = BTreeMap::new();
    let mut firsts: BTreeMap<CustomerId, Firsts> = BTreeMap::new();
    for (customer, heard) in &customers {
        if alone.contains(customer) {
            continue;
        }
        for index in heard.keys() {
            courses.entry(*index).or_insert_with(|| Course::of(&orders[*index], visit));
        }
        firsts.insert(*customer, Firsts::of(*customer, heard, &courses));
    }
    for (index, answer) in answers.iter_mut().enumerate() {
        if let Some(course) = courses.get(&index) {
            *answer = course.answers(index, &firsts);
        } else if let Some(at) = orders[index]
            .iter()
            .filter_map(|fact| Heard::of(fact))
            .map(|(_, h)| h.received_at)
            .min()
        {
            // Nobody but this order names its customers, so nothing can come before it.
            answer.put(at, Some(true));
        }
    }
    answers
}

/// What was heard of the orders of a customer, by the order's index.
type HeardOf = BTreeMap<usize, Vec<Heard>>;

fn orders_by_customer(orders: &[Vec<&OrderFact>]) -> BTreeMap<CustomerId, HeardOf> {
    let mut customers: BTreeMap<CustomerId, HeardOf> = BTreeMap::new();
    for (index, facts) in orders.iter().enumerate() {
        for (customer, heard) in facts.iter().filter_map(|fact| Heard::of(fact)) {
            customers.entry(customer).or_default().entry(index).or_default().push(heard);
        }
    }
    customers
}

/// A place among a customer's orders: when it was placed, and an id that does not depend on the
/// arrival of facts. The shorter id is the smaller one, since shops count upwards.
type Place = (Timestamp, usize, String);

/// An order as it was known from moment to moment.
struct Course {
    states: Vec<(Timestamp, Known)>,
}

/// What is known of an order at a moment, as far as it concerns others.
#[derive(PartialEq, Eq)]
struct Known {
    customer: Option<CustomerId>,
    place: Place,
    is_purchase: bool,
    /// Whether a shop reported it, and not its payment provider alone.
    is_by_shop: bool,
}

impl Course {
    fn of(facts: &[&OrderFact], visit: &dyn Fn(&ClickId) -> Option<Visit>) -> Self {
        let spelled = |fact: &&&OrderFact| {
            let id = normal_order_id(&fact.order_id);
            (id.len(), id)
        };
        let confirming = facts.iter().filter(|fact| fact.source.confirms());
        let (length, id) = confirming.map(|fact| spelled(&fact)).min().unwrap_or_default();
        let by_arrival = by_arrival(facts.iter().copied(), visit);
        let mut states: Vec<(Timestamp, Known)> = vec![];
        let (mut folding, mut is_by_shop) = (Folding::default(), false);
        for of_moment in by_arrival.chunk_by(|one, next| one.received_at == next.received_at) {
            of_moment.iter().for_each(|fact| folding.add(fact));
            is_by_shop |= of_moment.iter().any(is_of_shop);
            let (Some(first), Some(order)) = (of_moment.first(), folding.order()) else { continue };
            let known = Known {
                customer: order.customer.filter(|_| order.confirmed),
                place: (order.placed_at, length, id.clone()),
                is_purchase: order.is_purchase(),
                is_by_shop,
            };
            if states.last().is_none_or(|(_, held)| *held != known) {
                states.push((first.received_at, known));
            }
        }
        Self { states }
    }

    fn at(&self, at: Timestamp) -> Option<&Known> {
        let until = self.states.partition_point(|(from, _)| *from <= at);
        self.states[..until].last().map(|(_, known)| known)
    }

    /// Returns whether the order, which has this index, is its customer's first.
    fn answers(&self, index: usize, firsts: &BTreeMap<CustomerId, Firsts>) -> Newness {
        let named: BTreeSet<CustomerId> =
            self.states.iter().filter_map(|(_, known)| known.customer).collect();
        let firsts_named = named.iter().filter_map(|customer| firsts.get(customer));
        let others = firsts_named.flat_map(Firsts::moments);
        let moments: BTreeSet<Timestamp> =
            self.states.iter().map(|(at, _)| *at).chain(others).collect();
        let mut newness = Newness::default();
        for at in moments {
            let Some(known) = self.at(at) else { continue };
            let answer = known.customer.map(|customer| match firsts.get(&customer) {
                None => true,
                Some(firsts) => firsts.allow(index, known, at),
            });
            newness.put(at, answer);
        }
        newness
    }
}

/// Returns whether a shop reported a fact, and not its payment provider.
fn is_of_shop(fact: &OrderFact) -> bool {
    fact.source.confirms() && fact.platform != Platform::Stripe
}

/// The first purchase of a customer, from moment to moment.
struct Firsts {
    /// The orders that are compared, by index.
    compared: BTreeSet<usize>,
    /// Of all orders.
    of_all: Changes,
    /// Of those that a shop reported.
    of_shops: Changes,
}

/// The place of the first order and its index, from each moment on.
type Changes = Vec<(Timestamp, Option<(Place, usize)>)>;

impl Firsts {
    fn of(customer: CustomerId, heard: &HeardOf, courses: &BTreeMap<usize, Course>) -> Self {
        let compared = Heard::compared(heard.values().flatten().cloned());
        let ids: BTreeSet<&String> = compared.iter().map(|heard| &heard.id).collect();
        let is_compared =
            |(_, heard): &(&usize, &Vec<Heard>)| heard.iter().any(|heard| ids.contains(&heard.id));
        let compared: BTreeSet<usize> =
            heard.iter().filter(is_compared).map(|(index, _)| *index).collect();
        let of = |index: &usize| courses.get(index).map(|course| (*index, course));
        let purchases = |known: &Known| known.is_purchase && known.customer == Some(customer);
        let of_all = first_of(compared.iter().filter_map(of), &purchases);
        let by_shops = |known: &Known| known.is_by_shop && purchases(known);
        let of_shops = first_of(compared.iter().filter_map(of), &by_shops);
        Self { compared, of_all, of_shops }
    }

    /// Returns the moments at which one of the firsts changes.
    fn moments(&self) -> impl Iterator<Item = Timestamp> {
        self.of_all.iter().chain(&self.of_shops).map(|(at, _)| *at)
    }

    /// Returns whether an order may be the customer's first, by what is known of it at a moment.
    fn allow(&self, index: usize, known: &Known, at: Timestamp) -> bool {
        // A payment whose order the shop reports under another name must not come before that order.
        let changes = if known.is_by_shop { &self.of_shops } else { &self.of_all };
        let until = changes.partition_point(|(from, _)| *from <= at);
        let first = changes[..until].last().and_then(|(_, first)| first.as_ref());
        let is_not_before = |(first, of): &(Place, usize)| *of == index || known.place <= *first;
        self.compared.contains(&index) && first.is_none_or(is_not_before)
    }
}

/// Returns from when on which order is the first of those that count.
fn first_of<'c>(
    courses: impl Iterator<Item = (usize, &'c Course)>,
    counts: &dyn Fn(&Known) -> bool,
) -> Changes {
    let mut moments: BTreeMap<Timestamp, Vec<(usize, Option<&Place>)>> = BTreeMap::new();
    for (index, course) in courses {
        for (at, known) in &course.states {
            let place = counts(known).then_some(&known.place);
            moments.entry(*at).or_default().push((index, place));
        }
    }
    let mut standing: BTreeSet<(&Place, usize)> = BTreeSet::new();
    let mut of_order: BTreeMap<usize, &Place> = BTreeMap::new();
    let mut changes = Changes::new();
    for (at, moved) in moments {
        for (index, place) in moved {
            if let Some(before) = of_order.remove(&index) {
                standing.remove(&(before, index));
            }
            if let Some(place) = place {
                of_order.insert(index, place);
                standing.insert((place, index));
            }
        }
        let first = standing.first().map(|(place, index)| ((*place).clone(), *index));
        if changes.last().map_or(first.is_some(), |(_, held)| *held != first) {
            changes.push((at, first));
        }
    }
    changes
}
