//! One order may be reported a hundred thousand times: what a report costs must not depend on how
//! many came before it, and what says nothing new need not be kept.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use settlement::history::Newness;
use settlement::ledger::settle;
use shared::id::{ClickId, FactId};
use shared::order::{
    Alias, AliasKind, FactKind, FailedRefund, OrderFact, Refund, RefundList, Source, Status,
    TOUCHES_MAX, Touch, by_order, fold, repetitions,
};
use shared::platform::Platform;
use shared::time::Span;

use crate::world::{NOW, click_first, later, paid, settled, touch};

/// Reports in the small run; the large one has four times as many.
const FEW: u32 = 1000;
/// Four times the reports may take this many times as long. Were the time to grow with the square,
/// it would be sixteen times; with `N log N` it is five.
const TIMES_MAX: u32 = 9;

/// A way to report one order: makes report number `n`.
type Way = (&'static str, fn(u32) -> OrderFact);

/// A report that came `n` seconds after the order.
fn report(n: u32) -> OrderFact {
    later(0, 0, |f| {
        f.id = FactId::of_content(&[&n.to_be_bytes()]);
        f.occurred_at = f.occurred_at.plus(Span::seconds(i64::from(n)));
        f.received_at = f.received_at.plus(Span::seconds(i64::from(n)));
    })
}

const WAYS: [Way; 9] = [
    ("a refund that failed each time", |n| OrderFact {
        refund_list: RefundList::Some,
        refunds: vec![Refund::new("ch".into(), 9000, None)],
        failed_refunds: vec![FailedRefund { id: n.to_string(), of: "ch".into(), total_minor: 1 }],
        ..report(n)
    }),
    ("two states in turn, dated alike", in_turn),
    ("the same again", report),
    ("another amount each time", |n| OrderFact {
        goods_minor: Some(10_000 + i64::from(n)),
        ..report(n)
    }),
    ("a refund of its own each time", |n| OrderFact {
        refund_list: RefundList::Some,
        refunds: vec![Refund::new(n.to_string(), 1, Some(1))],
        ..report(n)
    }),
    ("the later, the older", |n| OrderFact {
        occurred_at: NOW.plus(Span::days(30)).plus(Span::seconds(-i64::from(n))),
        total_minor: Some(20_000 + i64::from(n)),
        ..report(n)
    }),
    ("paid and void in turn", |n| OrderFact {
        status: Some(if n % 2 == 0 { Status::Paid } else { Status::Void }),
        ..report(n)
    }),
    ("in two currencies in turn", |n| OrderFact {
        currency: if n % 2 == 0 { "EUR" } else { "USD" }.parse().ok(),
        refund_list: RefundList::Some,
        refunds: vec![Refund::new(n.to_string(), 1, None)],
        ..report(n)
    }),
    ("a click of its own each time", |n| OrderFact {
        touches: vec![Touch { click: click(n), ..touch(NOW.plus(Span::seconds(i64::from(n)))) }],
        ..report(n)
    }),
];

fn click(n: u32) -> ClickId {
    let mut id = [9; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    ClickId::from_bytes(id)
}

/// Returns the shortest of three runs: another process may take the processor in any of them.
fn shortest(mut run: impl FnMut()) -> Duration {
    let timed = |_| {
        let begun = Instant::now();
        run();
        begun.elapsed()
    };
    (0..3).map(timed).min().unwrap_or_default()
}

/// Measures up to five times: on a busy machine the two runs of a pair may not be treated alike.
/// What grows with the square fails each time.
fn check_growth(what: &str, of: impl Fn(u32) -> Duration) {
    let mut pairs = (0..5).map(|_| (of(FEW), of(4 * FEW)));
    assert!(
        pairs.any(|(few, many)| many <= few * TIMES_MAX),
        "{what}: four times as many as {FEW} take {:?}, not {:?}",
        of(4 * FEW),
        of(FEW) * 4
    );
}

#[test]
fn four_times_the_reports_of_an_order_take_about_four_times_as_long() {
    let catalog = click_first();
    for (what, report) in WAYS {
        let of = |count: u32| {
            let facts: Vec<OrderFact> = (0..count).map(report).collect();
            shortest(|| assert!(settle(&facts, &catalog, &|_| None, &Newness::default()).is_some()))
        };
        check_growth(what, of);
    }
}

#[test]
fn four_times_the_orders_that_share_a_name_take_about_four_times_as_long() {
    let named = |n: u32, source, platform, alias: &str| OrderFact {
        platform,
        source,
        order_id: n.to_string(),
        aliases: vec![Alias { kind: AliasKind::PaymentIntent, value: alias.to_owned() }],
        ..report(n)
    };
    let of = |count: u32| {
        let payments = (0..count).map(|n| named(n, Source::Webhook, Platform::Stripe, "same"));
        let calls = (0..count).map(|n| OrderFact {
            order_id: "same".to_owned(),
            ..named(count + n, Source::Postback, Platform::Other, "")
        });
        let facts: Vec<OrderFact> = payments.chain(calls).collect();
        shortest(|| assert_eq!(by_order(&facts).len(), count as usize + 1))
    };
    check_growth("payments with one name", of);
}

#[test]
fn of_a_hundred_thousand_equal_reports_two_are_kept() {
    let facts: Vec<OrderFact> = (0..100_000).map(report).collect();
    assert_eq!(repetitions(&facts).len(), facts.len() - 2);
    assert_eq!(repetitions(&facts[..20]), [], "an order with few facts keeps them all");
}

#[test]
fn states_that_change_something_are_all_kept() {
    let flips: Vec<OrderFact> = (0..200)
        .map(|n| OrderFact {
            status: Some(if n % 2 == 0 { Status::Paid } else { Status::Void }),
            ..report(n)
        })
        .collect();
    assert_eq!(repetitions(&flips), []);
}

#[test]
fn a_refund_that_failed_reduces_the_sum_that_was_reported_before_it() {
    let sum = |n, total| OrderFact {
        refund_list: RefundList::Some,
        refunds: vec![Refund::new("ch".into(), total, None)],
        partial: true,
        ..report(n)
    };
    let failed = |n, id: &str, total_minor| OrderFact {
        failed_refunds: vec![FailedRefund { id: id.into(), of: "ch".into(), total_minor }],
        refunds: vec![],
        refund_list: RefundList::Some,
        partial: true,
        ..report(n)
    };
    let refunded = |facts: &[OrderFact]| {
        let order = fold(&[&[report(0)], facts].concat()).unwrap();
        assert_eq!(order.refunded_pro_rata_minor, order.refunded_minor, "no line is named");
        order.refunded_minor
    };
    let one = [sum(1, 5000), failed(2, "re_1", 3000)];
    assert_eq!(refunded(&one), 2000);
    assert_eq!(
        refunded(&[one.to_vec(), vec![failed(3, "re_1", 3000)]].concat()),
        2000,
        "said twice"
    );
    assert_eq!(refunded(&[one.to_vec(), vec![failed(3, "re_2", 1500)]].concat()), 500);
    assert_eq!(refunded(&[one.to_vec(), vec![failed(3, "re_2", 9000)]].concat()), 0);
    assert_eq!(refunded(&[one.to_vec(), vec![sum(3, 4000)]].concat()), 4000, "the sum is new");
    assert_eq!(refunded(&[failed(2, "re_1", 3000)]), 0, "of nothing that was reported");
}

/// The states of an order that the shop dates alike, delivered in turn, as one id each.
fn in_turn(n: u32) -> OrderFact {
    let content = n % 2;
    OrderFact {
        id: FactId::of_content(&[b"in turn", &content.to_be_bytes()]),
        occurred_at: NOW,
        goods_minor: Some(10_000 + i64::from(content)),
        restates: true,
        ..report(n)
    }
}

#[test]
fn old_deliveries_that_are_sent_again_without_end_are_not_kept() {
    let void = OrderFact { status: Some(Status::Void), ..report(3) };
    let states: Vec<OrderFact> =
        [in_turn(0), in_turn(1), void].into_iter().chain((4..10_000).map(in_turn)).collect();
    assert_eq!(repetitions(&states).len(), states.len() - 5, "first and last of each, and the end");
    let gone = repetitions(&states);
    let is_kept = |f: &&OrderFact| !gone.contains(&(f.id, f.received_at));
    let kept: Vec<OrderFact> = states.iter().filter(is_kept).cloned().collect();
    assert_eq!(settled(&kept, &click_first()), settled(&states, &click_first()));
}

#[test]
fn an_order_with_very_many_clicks_weighs_the_latest_before_it() {
    let click_at = |n: u32, seconds: i64| OrderFact {
        touches: vec![Touch { click: click(n), ..touch(NOW.plus(Span::seconds(seconds))) }],
        ..report(n)
    };
    let mut facts: Vec<OrderFact> = (0..150).map(|n| click_at(n, i64::from(n))).collect();
    facts.extend((150..300).map(|n| click_at(n, 100_000 + i64::from(n))));
    let order = fold(&facts).unwrap();
    assert_eq!(order.touches.len(), TOUCHES_MAX);
    let credited = settled(&facts, &click_first()).decision.subject().unwrap().click;
    assert_eq!(credited, Some(click(149)));
}

/// Facts of few contents, each long after the one before, or a little earlier by the shop's clock.
fn reports() -> impl Strategy<Value = Vec<OrderFact>> {
    let one = (0u8..5, 1u8..12, -40i64..40, any::<bool>());
    prop::collection::vec(one, 1..8).prop_map(|runs| {
        let (mut facts, mut n) = (vec![], 0);
        for (content, length, shift, by_shop) in runs {
            for _ in 0..length {
                n += 1;
                if content > 2 {
                    let again = in_turn(u32::from(content));
                    facts.push(OrderFact { received_at: report(n).received_at, ..again });
                    continue;
                }
                let mut fact = report(n);
                fact.occurred_at = fact.occurred_at.plus(Span::seconds(shift * i64::from(n % 3)));
                match content {
                    0 => {}
                    1 => fact.status = Some(Status::Void),
                    _ => fact.refunds = vec![Refund::new("1".into(), 500, None)],
                }
                if !by_shop {
                    fact.source = Source::Postback;
                    fact.refund_list = RefundList::Some;
                }
                facts.push(fact);
            }
        }
        facts
    })
}

/// What a fact says of refunds: how it lists them, when, and for each its id, total and whether it
/// names the lines.
type SaidOfRefunds = (u8, i64, Vec<(u8, i64, bool)>);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn without_its_repetitions_an_order_settles_the_same_whatever_comes_later(
        facts in reports(),
        mut more in reports(),
    ) {
        let gone = repetitions(&facts);
        let kept: Vec<OrderFact> =
            facts.iter().filter(|f| !gone.contains(&(f.id, f.received_at))).cloned().collect();
        prop_assert_eq!(settled(&kept, &click_first()), settled(&facts, &click_first()));
        for (index, fact) in more.iter_mut().enumerate() {
            fact.id = FactId::of_content(&[b"more", &index.to_be_bytes()]);
            fact.restates = false;
            fact.goods_minor = Some(7000);
        }
        prop_assert_eq!(fold(&[kept, more.clone()].concat()), fold(&[facts, more].concat()));
    }

    /// The sums that are kept fact by fact are those of reading all facts in their order.
    #[test]
    fn refunds_add_up_as_if_all_facts_were_read_in_order(
        said in prop::collection::vec(
            (0u8..4, 0i64..20, prop::collection::vec((0u8..4, 1i64..900, any::<bool>()), 0..4)), 1..12,
        ),
    ) {
        let fact = |(n, (kind, minutes, refunds)): (usize, &SaidOfRefunds)| {
            later(0, *minutes, |f| {
                f.id = FactId::of_content(&[&n.to_be_bytes()]);
                let refund = |(id, total, lines): &(u8, i64, bool)| {
                    Refund::new(id.to_string(), *total, lines.then_some(total / 2))
                };
                f.refunds = refunds.iter().map(refund).collect();
                (f.refund_list, f.partial, f.currency) = match kind {
                    0 => (RefundList::Whole, false, f.currency),
                    1 => (RefundList::Some, true, f.currency),
                    2 => (RefundList::Some, true, None),
                    _ => (RefundList::Some, false, "USD".parse().ok()),
                };
                f.kind = FactKind::Refund;
            })
        };
        let facts: Vec<OrderFact> = said.iter().enumerate().map(fact).collect();
        let order = fold(&facts).unwrap();
        let mut in_order: Vec<&OrderFact> = facts.iter().collect();
        in_order.sort_by_key(|f| (f.occurred_at, f.received_at, f.id));
        let mut valid: Vec<&Refund> = vec![];
        for fact in in_order {
            if fact.currency.is_some() && fact.currency != order.currency {
                continue;
            }
            if fact.refund_list == RefundList::Whole && !fact.partial {
                valid.clear();
            }
            for refund in &fact.refunds {
                valid.retain(|earlier| earlier.id != refund.id);
                valid.push(refund);
            }
        }
        let goods: i64 = valid.iter().filter_map(|refund| refund.goods_minor).sum();
        let pro_rata: i64 =
            valid.iter().filter(|r| r.goods_minor.is_none()).map(|r| r.total_minor).sum();
        prop_assert_eq!(order.refunded_minor, valid.iter().map(|r| r.total_minor).sum::<i64>());
        prop_assert_eq!(order.refunded_goods_minor, goods);
        prop_assert_eq!(order.refunded_pro_rata_minor, pro_rata);
    }
}

#[test]
fn the_time_when_an_order_last_could_be_approved_is_that_of_the_change_that_ended_it() {
    let void = |id, minutes| later(id, minutes, |f| f.status = Some(Status::Void));
    let again = later(3, 20, |_| {});
    let catalog = click_first();
    let lapsed = |facts: &[OrderFact]| settled(facts, &catalog).lapsed_at;
    assert_eq!(lapsed(&[paid()]), None, "it still can");
    assert_eq!(lapsed(&[void(1, 0)]), None, "it never could");
    assert_eq!(lapsed(&[paid(), void(2, 10)]), Some(void(2, 10).received_at));
    let twice = [paid(), void(2, 10), again, void(4, 30), void(5, 40)];
    assert_eq!(lapsed(&twice), Some(void(4, 30).received_at));
}
