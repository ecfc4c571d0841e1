//! Who is a new customer by the orders that are recorded: the same answer in whatever sequence facts
//! come, and nothing that was booked changes by what becomes known later.

use proptest::prelude::*;
use settlement::attribution::Verdict;
use settlement::history::{Heard, Newness, ORDERS_OF_A_CUSTOMER, newness};
use settlement::ledger::{Reason, Settled, settle};
use shared::catalog::{Catalog, Evidence};
use shared::commission::Terms;
use shared::id::{CustomerId, FactId};
use shared::order::{NewCustomer, OrderFact, Refund, Source, Status, Witness, by_order, fold};
use shared::platform::Platform;
use shared::time::{Span, Timestamp};

use crate::world::{MERCHANT, NOW, catalog, click_first, paid, total};

/// 10 percent, and 5.00 for a new customer.
fn bonus() -> Catalog {
    let rules = r#"[{"kind":"percent","rate":"10"},{"kind":"per_sale","amount":"5.00","when":{"new_customer":true}}]"#;
    let terms: Terms = serde_json::from_str(rules).unwrap();
    catalog(vec![Evidence::Click, Evidence::Coupon], terms)
}

fn customer(name: &str) -> Option<CustomerId> {
    CustomerId::of_email(MERCHANT, &format!("{name}@mail.example"))
}

fn minutes(count: i64) -> Timestamp {
    NOW.plus(Span::minutes(count))
}

/// A fact of a paid order of 129.90 by Carla, placed and heard of so many minutes after the click.
fn bought(id: &str, (placed, heard): (i64, i64), change: impl FnOnce(&mut OrderFact)) -> OrderFact {
    let mut fact = OrderFact {
        order_id: id.into(),
        ordered_at: Some(minutes(placed)),
        occurred_at: minutes(placed),
        received_at: minutes(heard),
        customer: customer("carla"),
        ..paid()
    };
    change(&mut fact);
    fact.id = FactId::of_content(&[format!("{fact:?}").as_bytes()]);
    fact
}

/// Settles every order of these facts.
fn all_settled(facts: &[OrderFact], catalog: &Catalog) -> Vec<Settled> {
    let orders: Vec<Vec<&OrderFact>> = by_order(facts).into_values().collect();
    let newness = newness(&orders, &|_| None);
    let settled = orders.iter().zip(&newness).map(|(facts, newness)| {
        let facts: Vec<OrderFact> = facts.iter().copied().cloned().collect();
        settle(&facts, catalog, &|_| None, newness).unwrap()
    });
    settled.collect()
}

fn settled_of(facts: &[OrderFact], id: &str) -> Settled {
    let mut all = all_settled(facts, &bonus());
    all.retain(|settled| settled.order.order_id == id);
    all.remove(0)
}

fn check(facts: &[OrderFact], id: &str, is_new: Option<bool>) {
    let settled = settled_of(facts, id);
    let said = is_new.map(|is_new| NewCustomer { is_new, by: Witness::RecordedOrders });
    assert_eq!(settled.decision.new_customer, said, "{id}: {facts:#?}");
    assert_eq!(total(&settled), if is_new == Some(true) { 1799 } else { 1299 }, "{id}");
}

#[test]
fn the_first_recorded_order_of_a_customer_is_new_and_later_ones_are_not() {
    let (first, second) = (bought("8", (60, 61), |_| {}), bought("9", (90, 91), |_| {}));
    let other = bought("7", (10, 11), |f| f.customer = customer("dora"));
    let nobody = bought("6", (10, 11), |f| f.customer = None);
    let all = [second, other, nobody, first];
    for (id, is_new) in [("8", Some(true)), ("9", Some(false)), ("7", Some(true)), ("6", None)] {
        check(&all, id, is_new);
    }
}

#[test]
fn of_orders_of_one_moment_the_smaller_number_is_first() {
    for heard in [(61, 62), (62, 61), (61, 61)] {
        let all = [bought("1000", (60, heard.0), |_| {}), bought("999", (60, heard.1), |_| {})];
        assert_eq!(settled_of(&all, "999").decision.new_customer.map(|one| one.is_new), Some(true));
        let later = settled_of(&all, "1000").decision.new_customer.map(|one| one.is_new);
        assert_eq!(later, Some(false));
    }
}

#[test]
fn only_what_the_shop_confirmed_and_the_customer_kept_or_paid_is_a_purchase() {
    let later = || bought("9", (90, 91), |_| {});
    let with = |change: fn(&mut OrderFact)| [bought("8", (60, 61), change), later()];
    check(&with(|f| f.status = Some(Status::Unpaid)), "9", Some(false));
    check(&with(|f| f.status = Some(Status::Draft)), "9", Some(true));
    check(&with(|f| f.status = None), "9", Some(true));
    check(&with(|f| f.test = true), "9", Some(true));
    check(&with(|f| f.source = Source::Pixel), "9", Some(true));
    check(&with(|f| f.status = Some(Status::Void)), "9", Some(true));
    let refunded = |f: &mut OrderFact| {
        (f.status, f.refunds) = (Some(Status::Void), vec![Refund::new("1".into(), 13_990, None)]);
    };
    check(&with(refunded), "9", Some(false));
    let cancelled = bought("8", (60, 70), |f| f.status = Some(Status::Void));
    check(&[bought("8", (60, 61), |_| {}), cancelled, later()], "9", Some(false));
}

#[test]
fn the_shops_own_word_comes_first_and_a_browser_makes_nobody_new() {
    let first = || bought("8", (60, 61), |_| {});
    for is_new in [true, false] {
        let said = bought("9", (90, 91), |f| f.new_customer = Some(is_new));
        let decision = settled_of(&[first(), said], "9").decision;
        assert_eq!(decision.new_customer, Some(NewCustomer { is_new, by: Witness::Shop }));
    }
    let claim = bought("9", (90, 90), |f| {
        (f.source, f.new_customer, f.customer) = (Source::Pixel, Some(true), None);
    });
    check(&[first(), claim.clone(), bought("9", (90, 91), |_| {})], "9", Some(false));
    // Before the shop reports it, the claim is shown as what it is, and pays nothing.
    let alone = settled_of(&[first(), claim], "9");
    let by_page = NewCustomer { is_new: true, by: Witness::Page };
    assert_eq!((alone.decision.new_customer, total(&alone)), (Some(by_page), 0));
}

#[test]
fn an_older_order_that_becomes_known_later_takes_the_bonus_back_from_then_on() {
    let order = bought("9", (90, 91), |_| {});
    let older = bought("3", (-5000, 2000), |_| {});
    let settled = settled_of(&[older.clone(), order.clone()], "9");
    let booked: Vec<_> =
        settled.bookings.iter().map(|b| (b.booked_at, b.reason, b.amount_minor)).collect();
    let expected = [(minutes(91), Reason::Accrued, 1799), (minutes(2000), Reason::History, -500)];
    assert_eq!(booked, expected);
    assert_eq!(settled.bookings[0], settled_of(std::slice::from_ref(&order), "9").bookings[0]);
    // It turns out that nobody ever bought it.
    let test = bought("3", (-5000, 3000), |f| f.test = true);
    let settled = settled_of(&[older, order, test], "9");
    let last = settled.bookings.last().unwrap();
    assert_eq!(
        (last.booked_at, last.reason, last.amount_minor),
        (minutes(3000), Reason::History, 500)
    );
}

#[test]
fn a_payment_by_itself_is_not_before_the_shops_order_that_it_may_belong_to() {
    let payment = |id: &str, at: i64| bought(id, (at, at), |f| f.platform = Platform::Stripe);
    let all = [payment("pi_1", 60), bought("8", (61, 61), |_| {}), payment("pi_2", 90)];
    check(&all, "8", Some(true));
    check(&all, "pi_1", Some(true));
    check(&all, "pi_2", Some(false));
}

#[test]
fn existing_customers_by_recorded_orders_may_be_nobodys() {
    let precedence = vec![Evidence::ExistingCustomer, Evidence::Click];
    let catalog = catalog(precedence, crate::world::fifteen_percent());
    let all = [bought("8", (60, 61), |_| {}), bought("9", (90, 91), |_| {})];
    let settled = all_settled(&all, &catalog);
    let totals: Vec<_> = settled.iter().map(total).collect();
    assert_eq!(totals, [1949, 0]);
    let last = settled.last().unwrap();
    assert_eq!(last.decision.label, "existing_customer");
    assert!(last.decision.candidates.iter().any(|c| c.verdict == Verdict::ExistingCustomer));
}

#[test]
fn beyond_the_bound_nobody_is_new_and_an_older_order_is_heeded_however_many_there_are() {
    let bound = i64::try_from(ORDERS_OF_A_CUSTOMER).unwrap();
    let is_new =
        |facts: &[OrderFact], id| settled_of(facts, id).decision.new_customer.unwrap().is_new;
    let test = |n: i64| bought(&n.to_string(), (n, 2000 + n), |f| f.test = true);
    let mut all: Vec<OrderFact> = (0..bound - 1).map(test).collect();
    all.push(bought("late", (8000, 9000), |_| {}));
    assert!(is_new(&all, "late"), "only tests came before");
    all.push(test(bound - 1));
    assert!(!is_new(&all, "late"), "nobody compares so many");
    let mut all: Vec<_> =
        (0..3 * bound).map(|n| bought(&n.to_string(), (n, 2000 + n), |_| {})).collect();
    assert!(is_new(&all, "0"));
    assert!(!is_new(&all, "77"));
    all.push(bought("old", (-9, 9000), |_| {}));
    assert!(is_new(&all, "old") && !is_new(&all, "0"));
    // What is compared follows from the set, and a store that forgets the rest finds the same.
    let heard = |facts: &[OrderFact]| -> Vec<Heard> {
        facts.iter().filter_map(Heard::of).map(|(_, heard)| heard).collect()
    };
    let at_once = Heard::compared(heard(&all));
    let mut kept = std::collections::BTreeSet::new();
    for some in all.rchunks(7) {
        kept = Heard::compared(kept.into_iter().chain(heard(some)).collect::<Vec<_>>());
    }
    assert_eq!(kept, at_once);
    assert_eq!(kept.len(), 2 * ORDERS_OF_A_CUSTOMER - (ORDERS_OF_A_CUSTOMER - 1));
}

/// Any fact of one of a few orders of two customers.
fn any_fact() -> impl Strategy<Value = OrderFact> {
    let statuses = prop::sample::select(vec![
        Some(Status::Paid),
        Some(Status::Paid),
        Some(Status::Unpaid),
        Some(Status::Void),
        Some(Status::Draft),
        None,
    ]);
    let word = prop::sample::select(vec![None, None, None, None, Some(true), Some(false)]);
    (0u8..5, 0i64..6, 0i64..20, statuses, 0u8..12, word).prop_map(
        |(order, placed, heard, status, kind, word)| {
            bought(&order.to_string(), (placed, 10 + heard), |f| {
                f.status = status;
                f.ordered_at = (kind != 0).then_some(minutes(placed));
                f.occurred_at = minutes(10 + heard);
                f.test = kind == 1 && order < 2;
                f.source = if kind == 2 { Source::Pixel } else { Source::Webhook };
                f.platform = if order > 2 { Platform::Stripe } else { f.platform };
                f.customer = match kind {
                    2 | 3 => None,
                    4 | 5 => customer("dora"),
                    _ => customer("carla"),
                };
                f.new_customer = word;
            })
        },
    )
}

/// The rule in plain words, at one moment: everything that is known then, each order against all.
fn plainly_new(facts: &[OrderFact], id: &str) -> Option<NewCustomer> {
    let orders: Vec<_> = by_order(facts).into_values().collect();
    let folded = orders.iter().map(|facts| {
        let facts: Vec<OrderFact> = facts.iter().copied().cloned().collect();
        fold(&facts).unwrap()
    });
    let folded: Vec<_> = folded.collect();
    let order = folded.iter().find(|order| order.order_id == id)?;
    // Those with other ids are payments here.
    let is_payment = |order: &shared::order::Order| order.order_id.as_str() > "2";
    if order.new_customer.is_some() {
        return order.new_customer;
    }
    let customer = order.customer.filter(|_| order.confirmed)?;
    let place = |order: &shared::order::Order| (order.placed_at, order.order_id.clone());
    let earlier = folded.iter().filter(|other| place(other) < place(order));
    let earlier = earlier.filter(|other| is_payment(order) || !is_payment(other));
    let has_bought =
        earlier.filter(|other| other.is_purchase() && other.customer == Some(customer)).count() > 0;
    Some(NewCustomer { is_new: !has_bought, by: Witness::RecordedOrders })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// At every moment the answer is what the plain rule says of what is known then; what was booked
    /// stays; and the sequence of facts does not matter.
    #[test]
    fn newness_is_the_plain_rule_at_every_moment(
        (facts, shuffled) in prop::collection::vec(any_fact(), 1..14).prop_flat_map(|facts| {
            let twice: Vec<_> = facts.iter().chain(&facts).cloned().collect();
            (Just(facts), Just(twice).prop_shuffle())
        }),
    ) {
        let catalog = bonus();
        let whole = all_settled(&facts, &catalog);
        prop_assert_eq!(&whole, &all_settled(&shuffled, &catalog));
        for until in 10..31 {
            let known: Vec<_> =
                facts.iter().filter(|f| f.received_at <= minutes(until)).cloned().collect();
            for settled in all_settled(&known, &catalog) {
                let id = &settled.order.order_id;
                prop_assert_eq!(settled.order.new_customer, plainly_new(&known, id), "{}", id);
                let of_whole = whole.iter().find(|whole| whole.order.order_id == *id).unwrap();
                let before = &of_whole.bookings[..settled.bookings.len()];
                prop_assert_eq!(before, &settled.bookings[..]);
            }
        }
    }
}

#[test]
fn nothing_recorded_means_nobody_knows() {
    let facts = [bought("9", (90, 91), |_| {})];
    let settled = settle(&facts, &click_first(), &|_| None, &Newness::default()).unwrap();
    assert_eq!(settled.decision.new_customer, None);
    assert!(!settled.decision.to_json().contains("new_customer"));
}
