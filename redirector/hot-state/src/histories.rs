//! Which orders a customer placed, so that a new customer is told from a known one.
//!
//! Orders stand under their customer like entries under a name: a bounded number, those that were
//! heard of first and those that were placed first. `settlement::history` decides what they mean. Here is only found what it asks
//! for: all that it would find in the whole journal.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use settlement::history::{Heard, Newness, newness};
use shared::id::{CustomerId, MerchantId};
use shared::order::OrderFact;
use shared::time::Timestamp;

use crate::model::{Entry, NameKey, Stored};
use crate::orders::{FoundOrder, Gathered, NamedEntries, read_visits};
use crate::state::HotState;

const MERCHANT_BYTES: usize = 8;
/// What stands between the merchant and the customer. No name of an order begins with a zero byte,
/// and a click's key, which begins with one, is shorter.
const MARK: [u8; 2] = [0, 0];
const KEY_BYTES: usize = MERCHANT_BYTES + MARK.len() + 16;

/// Returns the key under which a customer's orders stand.
fn customer_key(merchant: MerchantId, customer: &CustomerId) -> NameKey {
    [&merchant.bits().to_be_bytes()[..], &MARK, customer.as_bytes()].concat()
}

/// Returns whether a customer's orders stand under a key.
pub(crate) fn is_customer(key: &NameKey) -> bool {
    key.len() == KEY_BYTES && key.get(MERCHANT_BYTES..).is_some_and(|key| key.starts_with(&MARK))
}

/// Returns the name under which an order stands that was heard of under a customer's key.
fn home(customer: &NameKey, heard: &Heard) -> NameKey {
    let merchant = customer.get(..MERCHANT_BYTES).unwrap_or_default();
    [merchant, heard.id.as_bytes()].concat()
}

/// The keys of customers whom facts name, each with when these orders of theirs were heard of.
pub(crate) type Customers = BTreeMap<NameKey, BTreeSet<Heard>>;

pub(crate) fn customers_of<'f>(facts: impl IntoIterator<Item = &'f OrderFact>) -> Customers {
    let mut customers = Customers::new();
    for fact in facts {
        if let Some((customer, heard)) = Heard::of(fact) {
            let key = customer_key(fact.merchant, &customer);
            customers.entry(key).or_default().insert(heard);
        }
    }
    customers
}

/// Puts orders under their customers, and takes away those that are too many. Returns the names of
/// all orders that stand there, or stood there until now.
pub(crate) fn enter(
    state: &HotState,
    known: &mut NamedEntries,
    customers: &Customers,
    now: Timestamp,
) -> Result<BTreeSet<NameKey>> {
    known.read(state, customers.keys().cloned())?;
    let (mut homes, mut stored, mut gone) = (BTreeSet::new(), Stored::default(), vec![]);
    for (key, heard) in customers {
        let held = known.heard(key);
        let compared = Heard::compared(held.iter().chain(heard).cloned());
        homes.extend(held.union(&compared).map(|heard| home(key, heard)));
        for one in compared.difference(&held) {
            let entry = Entry::Bought(one.clone());
            if known.add(key, entry.clone()) {
                stored.entries.push((key.clone(), entry));
            }
        }
        let too_many = held.difference(&compared);
        gone.extend(too_many.map(|one| (key.clone(), Entry::Bought(one.clone()).key())));
    }
    if !stored.entries.is_empty() {
        state.store(&stored, now)?;
    }
    state.remove_entries(&gone)?;
    gone.iter().for_each(|(name, entry)| known.remove(name, entry));
    Ok(homes)
}

/// Reads customers' orders and returns the names of those that are compared.
pub(crate) fn read<'k>(
    state: &HotState,
    known: &mut NamedEntries,
    customers: impl IntoIterator<Item = &'k NameKey> + Clone,
) -> Result<BTreeSet<NameKey>> {
    known.read(state, customers.clone().into_iter().cloned())?;
    let mut homes = BTreeSet::new();
    for key in customers {
        homes.extend(known.heard(key).iter().map(|heard| home(key, heard)));
    }
    Ok(homes)
}

/// Returns whether an order that was found is its customer's first, by the recorded orders.
///
/// # Errors
/// When the state cannot be read.
pub fn newness_of(state: &HotState, found: &FoundOrder) -> Result<Newness> {
    let customers = customers_of(&found.facts);
    let mut known = NamedEntries::default();
    let homes = read(state, &mut known, customers.keys())?;
    known.read(state, homes.iter().cloned())?;
    let (mut others, mut visits) = (Gathered::default(), found.visits.clone());
    others.add(&known, homes, &mut visits);
    others.orders.remove(&found.key);
    for facts in others.orders.values() {
        read_visits(state, &mut visits, facts)?;
    }
    let orders = [&found.facts].into_iter().chain(others.orders.values());
    let orders: Vec<Vec<&OrderFact>> = orders.map(|facts| facts.iter().collect()).collect();
    let answers = newness(&orders, &|click| visits.get(click).copied());
    Ok(answers.into_iter().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use journal::StreamName;
    use proptest::prelude::*;
    use serde_json::json;
    use settlement::history::ORDERS_OF_A_CUSTOMER;
    use settlement::ledger::{Settled, settle};
    use shared::catalog::{Catalog, Change, Entity};
    use shared::id::{CampaignId, ClickId, FactId, InfluencerId, LinkId};
    use shared::order::{Source, Status, Touch, by_order};
    use shared::platform::Platform;
    use shared::record::Record;
    use shared::time::Span;

    use super::*;
    use crate::model::{CountQuestion, Metric, Position};
    use crate::orders::find_order;
    use crate::projection::Projection;
    use crate::url::StateUrl;

    const MERCHANT: MerchantId = MerchantId::from_bits(1);
    const CAMPAIGN: CampaignId = CampaignId::from_bits(2);
    const LINK: LinkId = LinkId::from_bits(5);

    fn minutes(count: i64) -> Timestamp {
        Timestamp::from_ms(1_763_800_000_000).plus(Span::minutes(count))
    }

    /// A link that earns 10 percent, and 5.00 for a new customer.
    fn catalog() -> Catalog {
        let at = Timestamp::from_ms(0);
        let merchant = json!({
            "id": MERCHANT, "key": "key", "name": "Shop", "domains": [], "currency": "EUR",
            "timezone": "UTC", "platform": null, "webhook_secret": null, "created_at": at,
            "updated_at": at,
        });
        let bonus =
            json!({ "kind": "per_sale", "amount": "5.00", "when": { "new_customer": true } });
        let campaign = json!({
            "id": CAMPAIGN, "merchant": MERCHANT, "name": "Autumn", "window_days": 30,
            "dedupe_minutes": 30, "hold_days": 30, "starts_at": null, "ends_at": null,
            "commission": [{ "kind": "percent", "rate": "10" }, bonus], "precedence": ["click"],
            "model": "last_click", "created_at": at, "updated_at": at,
        });
        let link = json!({
            "id": LINK, "campaign": CAMPAIGN, "influencer": InfluencerId::from_bits(3),
            "destination": "https://shop.test/", "slug": "anna", "starts_at": null,
            "ends_at": null, "fallback": null, "paused": false, "created_at": at, "updated_at": at,
        });
        let entities = vec![
            Entity::Merchant(serde_json::from_value(merchant).unwrap()),
            Entity::Campaign(serde_json::from_value(campaign).unwrap()),
            Entity::Link(serde_json::from_value(link).unwrap()),
        ];
        let mut catalog = Catalog::default();
        catalog.apply(&Change { at, entities, request: None, by: None });
        catalog
    }

    /// A paid order of 100.00, placed and heard of at these minutes, by this customer.
    fn bought(id: &str, (placed, heard): (i64, i64), name: &str) -> OrderFact {
        let touch = Touch {
            clicked_at: minutes(-10),
            click: ClickId::from_bytes([1; 16]),
            link: LINK,
            window_minutes: 43_200,
            key: None,
        };
        let content = format!("{id} {placed} {heard} {name}");
        OrderFact {
            ordered_at: Some(minutes(placed)),
            status: Some(Status::Paid),
            currency: "EUR".parse().ok(),
            goods_minor: Some(10_000),
            touches: vec![touch],
            customer: CustomerId::of_email(MERCHANT, &format!("{name}@mail.example")),
            ..OrderFact::blank(
                FactId::of_content(&[content.as_bytes()]),
                MERCHANT,
                (Platform::Woocommerce, id.into()),
                Source::Webhook,
                minutes(heard),
            )
        }
    }

    fn open(folder: &Path) -> HotState {
        HotState::open(&StateUrl::Embedded, folder).unwrap()
    }

    /// Projects facts as the records of a stream behind `seq`.
    fn project(state: &HotState, stream: &str, seq: u64, facts: &[OrderFact]) {
        let position = |seq| Position { seq, checksum: u32::try_from(seq).unwrap() };
        let stream = StreamName::new(stream).unwrap();
        let mut projection = Projection::new(&stream, position(seq));
        for (number, fact) in (seq + 1..).zip(facts) {
            projection.take(number, Record::Order(Box::new(fact.clone())), &catalog());
        }
        let reached = position(seq + facts.len() as u64);
        projection.store(state, reached, &|| Box::new(catalog()), live::clock::now()).unwrap();
    }

    /// Settles every order as the batch does: from all facts at once.
    fn by_all(facts: &[OrderFact]) -> Vec<(Newness, Settled)> {
        let orders: Vec<Vec<&OrderFact>> = by_order(facts).into_values().collect();
        let newness = newness(&orders, &|_| None);
        let settled = orders.iter().zip(newness).map(|(facts, newness)| {
            let facts: Vec<OrderFact> = facts.iter().copied().cloned().collect();
            let settled = settle(&facts, &catalog(), &|_| None, &newness).unwrap();
            (newness, settled)
        });
        settled.collect()
    }

    fn commission(state: &HotState) -> i64 {
        let mut sum = 0;
        let mut add = |key: crate::model::CounterKey, amount| {
            sum += if matches!(key.metric, Metric::Commission(_)) { amount } else { 0 };
        };
        state.counts(&CountQuestion::ALL, &mut add).unwrap();
        sum
    }

    /// Checks that live answers and figures are those of all facts.
    fn check(state: &HotState, facts: &[OrderFact]) {
        let expected = by_all(facts);
        for (newness, settled) in &expected {
            let found = find_order(state, MERCHANT, &settled.order.order_id).unwrap().unwrap();
            assert_eq!(newness_of(state, &found).unwrap(), *newness, "{facts:#?}");
        }
        let bookings = expected.iter().flat_map(|(_, settled)| &settled.bookings);
        assert_eq!(commission(state), bookings.map(|b| b.amount_minor).sum::<i64>(), "{facts:#?}");
    }

    #[test]
    fn an_older_order_that_comes_later_changes_the_figures_of_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let state = open(folder.path());
        let order = bought("9", (90, 91), "carla");
        project(&state, "facts", 0, std::slice::from_ref(&order));
        assert_eq!(commission(&state), 1500);
        let older = bought("3", (-5, 200), "carla");
        project(&state, "facts", 1, std::slice::from_ref(&older));
        assert_eq!(commission(&state), 1500 + 1000);
        check(&state, &[order, older]);
    }

    #[test]
    fn of_a_customer_with_very_many_orders_few_are_kept_and_the_answers_stay() {
        let folder = tempfile::tempdir().unwrap();
        let state = open(folder.path());
        let bound = i64::try_from(ORDERS_OF_A_CUSTOMER).unwrap();
        // Placed in the sequence in which they were heard of, but for the last ones, which are old.
        let placed = |n: i64| if n < 3 * bound { n } else { -n };
        let facts: Vec<_> =
            (0..4 * bound).map(|n| bought(&n.to_string(), (placed(n), 1000 + n), "desk")).collect();
        // The first ones come last, as from a stream that lagged.
        let sequence = [&facts[20..], &facts[..20]].concat();
        for (number, some) in sequence.chunks(7).enumerate() {
            project(&state, "facts", number as u64 * 7, some);
        }
        check(&state, &facts);
        let customers = customers_of(&facts);
        let mut known = NamedEntries::default();
        known.read(&state, customers.keys().cloned()).unwrap();
        let kept: Vec<_> = customers.keys().map(|customer| known.count(customer)).collect();
        assert_eq!(kept, [2 * ORDERS_OF_A_CUSTOMER]);
    }

    #[test]
    fn nodes_that_share_a_server_find_one_first_order() {
        let server = harness::Redis::start(&[]).unwrap();
        let keys = r#"{"keys":[{"id":1,"state":"active",
            "secret":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}]}"#;
        let node = || {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("keys.json"), keys).unwrap();
            let state = HotState::open(&StateUrl::Redis(server.url()), folder.path()).unwrap();
            (folder, state)
        };
        let ((_one, one), (_two, two)) = (node(), node());
        let of = |name: &str| -> Vec<OrderFact> {
            let order = |n: i64| bought(&format!("{name}-{n}"), (100 - n, 200 + n), "carla");
            (0..30).map(order).collect()
        };
        let by = |state: HotState, name: &'static str, facts: Vec<OrderFact>| {
            std::thread::spawn(move || {
                for (number, fact) in facts.iter().enumerate() {
                    project(&state, name, number as u64, std::slice::from_ref(fact));
                }
            })
        };
        let threads = [by(one, "facts-a", of("a")), by(two.clone(), "facts-b", of("b"))];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        check(&two, &[of("a"), of("b")].concat());
    }

    /// Any fact of one of a few orders of two customers.
    fn any_fact() -> impl Strategy<Value = OrderFact> {
        let statuses = prop::sample::select(vec![
            Some(Status::Paid),
            Some(Status::Unpaid),
            Some(Status::Void),
            Some(Status::Draft),
            None,
        ]);
        let word = prop::sample::select(vec![None, None, None, Some(true), Some(false)]);
        (0u8..5, 0i64..6, 0i64..20, statuses, 0u8..12, word).prop_map(
            |(order, placed, heard, status, kind, new_customer)| {
                let name = if matches!(kind, 4 | 5) { "dora" } else { "carla" };
                let fact = bought(&order.to_string(), (placed, heard), name);
                let fact = OrderFact {
                    status,
                    new_customer,
                    ordered_at: fact.ordered_at.filter(|_| kind != 0),
                    test: kind == 1 && order < 2,
                    source: if kind == 2 { Source::Pixel } else { Source::Webhook },
                    customer: fact.customer.filter(|_| !matches!(kind, 2 | 3)),
                    ..fact
                };
                let content = format!("{fact:?}");
                OrderFact { id: FactId::of_content(&[content.as_bytes()]), ..fact }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// Whatever sequence and batches facts come in, by one stream or two, live figures and
        /// answers are those of all facts.
        #[test]
        fn live_answers_are_those_of_all_facts(
            (facts, shuffled) in prop::collection::vec(any_fact(), 1..14).prop_flat_map(|facts| {
                let twice = [facts.clone(), facts.clone()].concat();
                (Just(facts), Just(twice).prop_shuffle())
            }),
            batch in 1usize..5,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let state = open(folder.path());
            let mut reached = [0, 0];
            for (number, some) in shuffled.chunks(batch).enumerate() {
                let of = number % 2;
                project(&state, ["facts-a", "facts-b"][of], reached[of], some);
                reached[of] += some.len() as u64;
            }
            check(&state, &facts);
        }
    }
}
