//! Facts of an order may come in any order, repeatedly and late: the decision and the ledger must
//! be the same in the end.

use proptest::prelude::*;
use settlement::attribution::{Method, Verdict};
use settlement::history::Newness;
use settlement::ledger::settle;
use shared::catalog::{Catalog, Evidence};
use shared::commission::Pays;
use shared::id::{ClickId, FactId, ProofId};
use shared::order::{
    AmountPart, CodeVisit, FactKind, FailedRefund, OrderFact, Refund, RefundList, Source, Status,
    Touch, Unreadable, Visit, distinct, fold,
};
use shared::platform::Platform;
use shared::time::{Span, Timestamp};

use crate::plain_fold::plain_fold;
use crate::world::{
    ANNA, BEN, BENS_COUPON, MERCHANT, NOW, catalog, click_first, fifteen_percent, later, paid,
    settled, terms, total, touch,
};

#[test]
fn fifteen_percent_of_129_90_is_19_49_to_the_clicks_influencer() {
    let settled = settled(&[paid()], &click_first());
    assert_eq!(settled.decision.method, Method::Click);
    assert_eq!(settled.decision.subject().unwrap().influencer, Some(ANNA));
    assert_eq!(total(&settled), 1949);
}

#[test]
fn a_pixel_claim_pays_nothing_until_the_shop_confirms_it() {
    let claim = later(2, -1, |f| f.source = Source::Pixel);
    assert_eq!(total(&settled(std::slice::from_ref(&claim), &click_first())), 0);
    assert_eq!(total(&settled(&[claim, paid()], &click_first())), 1949);
}

#[test]
fn a_pixel_amount_never_replaces_the_shops_nor_fills_in_from_another_currency() {
    let claim = later(2, 500, |f| {
        f.source = Source::Pixel;
        f.currency = "USD".parse().ok();
        f.goods_minor = Some(999_999);
    });
    let blank = later(3, 0, |f| f.goods_minor = None);
    assert_eq!(fold(&[claim.clone(), paid()]).unwrap().goods_minor, Some(12990));
    assert_eq!(fold(&[claim, blank]).unwrap().goods_minor, None);
}

#[test]
fn a_refund_without_lines_reverses_pro_rata_and_a_deleted_refund_restores() {
    let refund = |id, minutes, totals: &[i64]| {
        later(id, minutes, |f| {
            f.refunds = totals.iter().map(|&t| Refund::new(t.to_string(), t, None)).collect();
        })
    };
    let catalog = click_first();
    // 15 % of 129.90, of which (139.90 - 69.95) / 139.90 was kept.
    assert_eq!(total(&settled(&[paid(), refund(2, 10, &[6995])], &catalog)), 974);
    assert_eq!(
        total(&settled(&[paid(), refund(2, 10, &[6995]), refund(3, 20, &[])], &catalog)),
        1949
    );
    assert_eq!(total(&settled(&[paid(), refund(2, 10, &[13990])], &catalog)), 0);
    assert_eq!(
        total(&settled(&[paid(), refund(2, 10, &[99999])], &catalog)),
        0,
        "never below zero"
    );
}

#[test]
fn refunds_with_lines_take_their_goods_and_shipping_takes_nothing() {
    let refund =
        |id: &str, total_minor, goods_minor| Refund::new(id.into(), total_minor, goods_minor);
    let event = |id, minutes, refund: Refund| {
        later(id, minutes, |f| {
            (f.kind, f.partial, f.status, f.goods_minor, f.total_minor) =
                (FactKind::Refund, true, None, None, None);
            (f.refunds, f.refund_list, f.coupons, f.touches) =
                (vec![refund], RefundList::Some, vec![], vec![]);
        })
    };
    let catalog = click_first();
    let goods = event(2, 10, refund("a", 3500, Some(3000)));
    let shipping = event(3, 20, refund("b", 1000, Some(0)));
    // 15 % of (129.90 - 30.00).
    assert_eq!(total(&settled(&[paid(), goods.clone(), shipping.clone()], &catalog)), 1499);
    // A refund that comes before its order waits for it.
    assert_eq!(total(&settled(&[goods.clone(), shipping], &catalog)), 0);
    let same_again = event(4, 30, refund("a", 3500, Some(3000)));
    assert_eq!(
        total(&settled(&[paid(), goods, same_again], &catalog)),
        1499,
        "a refund counts once by its id"
    );
    let all = event(5, 40, refund("c", 13_990, Some(12_990)));
    assert_eq!(total(&settled(&[paid(), all], &catalog)), 0);
}

#[test]
fn void_unpaid_draft_and_test_orders_earn_what_their_status_says() {
    let with = |status| later(1, 0, |f| f.status = Some(status));
    let catalog = click_first();
    assert_eq!(total(&settled(&[with(Status::Void)], &catalog)), 0);
    assert_eq!(total(&settled(&[with(Status::Draft)], &catalog)), 0);
    let unpaid = settled(&[with(Status::Unpaid)], &catalog);
    assert_eq!((total(&unpaid), unpaid.approvable()), (1949, false));
    assert_eq!(total(&settled(&[later(1, 0, |f| f.test = true)], &catalog)), 0);
}

#[test]
fn a_disputed_payment_voids_the_shops_order_until_it_is_won() {
    let dispute = |id, minutes, status| {
        later(id, minutes, |f| {
            let (id, at) = (f.id, f.received_at);
            let name = (Platform::Stripe, "pi_1".to_owned());
            *f = OrderFact {
                kind: FactKind::Cancel,
                status: Some(status),
                partial: true,
                ..OrderFact::blank(id, f.merchant, name, Source::Webhook, at)
            };
        })
    };
    let catalog = click_first();
    let updated = later(2, 90, |f| f.refunds = vec![]);
    let (opened, won) = (dispute(3, 60, Status::Void), dispute(4, 120, Status::Paid));
    let after = |facts: &[&OrderFact]| {
        let facts: Vec<_> = facts.iter().map(|&fact| fact.clone()).collect();
        total(&settled(&facts, &catalog))
    };
    assert_eq!(after(&[&paid(), &opened]), 0);
    assert_eq!(after(&[&paid(), &opened, &updated]), 0, "the shop does not know of it");
    assert_eq!(after(&[&won, &paid(), &opened, &updated]), 1949);
}

/// WooCommerce's deletion, which names no time: it is dated by its arrival.
fn deletion(id: u8, minutes: i64) -> OrderFact {
    later(id, 0, |f| {
        let at = NOW.plus(Span::minutes(minutes));
        let name = (Platform::Woocommerce, f.order_id.clone());
        *f = OrderFact {
            kind: FactKind::Cancel,
            status: Some(Status::Void),
            partial: true,
            ..OrderFact::blank(f.id, f.merchant, name, Source::Webhook, at)
        };
    })
}

/// A state of an order that the shop dates `shop` minutes, and that reached us at `ours`.
fn state(id: u8, shop: i64, ours: i64) -> OrderFact {
    later(id, 0, |f| {
        f.occurred_at = NOW.plus(Span::minutes(shop));
        f.received_at = NOW.plus(Span::minutes(ours));
    })
}

#[test]
fn a_deleted_order_is_restored_only_by_a_state_that_the_shop_dates_later() {
    let status = |facts: &[OrderFact]| fold(facts).unwrap().status;
    // The shop's clock is an hour behind ours, and deletions come late.
    let (paid, deleted) = (state(1, 60, 120), deletion(2, 130));
    let restored = state(3, 66, 131);
    assert_eq!(status(&[paid.clone(), deleted.clone()]), Status::Void);
    let older = state(4, 59, 140);
    assert_eq!(status(&[paid.clone(), deleted.clone(), older]), Status::Void, "an old delivery");
    let again = OrderFact { received_at: NOW.plus(Span::minutes(150)), ..paid.clone() };
    assert_eq!(status(&[paid.clone(), deleted.clone(), again]), Status::Void, "the same delivery");
    let all = [paid.clone(), deleted.clone(), restored.clone()];
    assert_eq!(status(&all), Status::Paid);
    let second = [&all[..], &[deletion(5, 160)]].concat();
    assert_eq!(status(&second), Status::Void, "deleted once more");
    let third = [&second[..], &[state(6, 101, 170)]].concat();
    assert_eq!(status(&third), Status::Paid, "and restored once more");
    let alone = [deleted, state(7, 60, 170)];
    assert_eq!(status(&alone), Status::Void, "nothing was known before: our clock decides");
}

#[test]
fn a_page_with_the_shops_signature_changes_nothing_that_the_shops_server_said() {
    let server = |id, minutes, status| {
        later(id, minutes, |f| {
            (f.source, f.status, f.partial) = (Source::Postback, Some(status), true);
        })
    };
    let page = |minutes| {
        later(9, minutes, |f| {
            f.source = Source::Postback;
            f.consent = Some(shared::consent::Consent::Granted);
        })
    };
    let status = |facts: &[OrderFact]| fold(facts).unwrap().status;
    assert_eq!(status(&[page(0)]), Status::Paid);
    // The buyer holds the page's order back until the order is cancelled.
    for minutes in [0, 10, 500] {
        assert_eq!(status(&[server(1, 5, Status::Void), page(minutes)]), Status::Void);
        let both = [server(1, 5, Status::Void), page(minutes), server(2, 600, Status::Paid)];
        assert_eq!(status(&both), Status::Paid, "the server says so");
    }
}

#[test]
fn a_click_from_before_the_clock_was_set_back_is_credited() {
    let hour = 60;
    // Our clock said an hour too much at the click, or says an hour too little since.
    for shops_clock in [0, -hour, hour] {
        let order = |minutes_after: i64| {
            later(1, 0, |f| {
                f.touches = vec![touch(NOW)];
                f.received_at = NOW.plus(Span::minutes(minutes_after - hour));
                f.ordered_at = Some(NOW.plus(Span::minutes(minutes_after - hour + shops_clock)));
                f.occurred_at = f.received_at;
            })
        };
        let decision = settled(&[order(5)], &click_first()).decision;
        assert_eq!(decision.method, Method::Click, "a shop's clock at {shops_clock}");
        assert_eq!(decision.subject().and_then(|c| c.click), Some(touch(NOW).click));
    }
    let days = |back: i64| {
        later(1, 0, |f| {
            let at = NOW.plus(Span::minutes(-back * 24 * 60 - 1));
            (f.received_at, f.occurred_at, f.ordered_at) = (at, at, Some(at));
        })
    };
    assert_eq!(settled(&[days(0)], &click_first()).decision.method, Method::Click);
    assert_eq!(
        settled(&[days(1)], &click_first()).decision.candidates[0].verdict,
        Verdict::AfterOrder
    );
}

#[test]
fn the_window_is_half_open_and_a_late_order_is_labelled() {
    let at = |minutes| {
        later(1, 0, |f| {
            f.ordered_at = Some(NOW.plus(Span::minutes(minutes)));
            f.received_at = NOW.plus(Span::minutes(minutes));
        })
    };
    let last_minute = 30 * 24 * 60 - 1;
    assert_eq!(settled(&[at(last_minute)], &click_first()).decision.method, Method::Click);
    let late = settled(&[at(last_minute + 1)], &click_first());
    assert_eq!(
        (late.decision.method, late.decision.label.as_str()),
        (Method::None, "outside_window")
    );
    assert_eq!(late.decision.subject().unwrap().influencer, Some(ANNA));
    assert_eq!(total(&late), 0);
}

#[test]
fn the_campaign_says_whether_click_or_coupon_counts_first() {
    let both = later(1, 0, |f| f.coupons = vec![" ben15 ".into()]);
    let coupon_only = later(1, 0, |f| {
        f.coupons = vec!["Ben15".into()];
        f.touches = vec![];
    });
    let coupon_first = catalog(vec![Evidence::Coupon, Evidence::Click], fifteen_percent());
    let influencer = |fact: &OrderFact, catalog: &Catalog| {
        settled(std::slice::from_ref(fact), catalog).decision.subject().and_then(|c| c.influencer)
    };
    assert_eq!(influencer(&both, &click_first()), Some(ANNA));
    assert_eq!(influencer(&both, &coupon_first), Some(BEN));
    assert_eq!(influencer(&coupon_only, &click_first()), Some(BEN));
    let clicks_only = catalog(vec![Evidence::Click], fifteen_percent());
    assert_eq!(influencer(&coupon_only, &clicks_only), None);
    let decision = settled(&[both], &coupon_first).decision;
    assert!(
        decision.candidates.iter().any(|c| c.verdict == Verdict::LowerPrecedence),
        "the runner-up is shown"
    );
}

#[test]
fn the_latest_click_wins_and_the_path_before_it_is_shown() {
    let earlier = Touch { click: ClickId::from_bytes([7; 16]), ..touch(NOW.plus(Span::days(-3))) };
    let visits = [
        Visit { touch: earlier, previous: None },
        Visit { touch: touch(NOW), previous: Some(earlier.click) },
    ];
    let visit = |click: &ClickId| visits.iter().find(|visit| visit.touch.click == *click).copied();
    let settled = settle(&[paid()], &click_first(), &visit, &Newness::default()).unwrap();
    let verdicts: Vec<_> = settled.decision.candidates.iter().map(|c| c.verdict).collect();
    assert_eq!(verdicts, [Verdict::EarlierTouch, Verdict::Credited]);
}

#[test]
fn an_order_that_the_shop_says_came_before_the_click_is_not_the_clicks() {
    let earlier = later(1, 0, |f| f.ordered_at = Some(NOW.plus(Span::minutes(-60))));
    let decision = settled(&[earlier], &click_first()).decision;
    assert_eq!(decision.method, Method::None);
    assert_eq!(decision.candidates[0].verdict, Verdict::AfterOrder);
}

#[test]
fn a_shop_clock_that_is_years_behind_does_not_lose_the_click() {
    let stale =
        later(1, 0, |f| f.ordered_at = Some(Timestamp::parse_gmt("2017-03-22T19:28:02").unwrap()));
    assert_eq!(settled(&[stale], &click_first()).decision.method, Method::Click);
}

#[test]
fn whole_seconds_of_a_shop_do_not_put_an_order_before_its_click() {
    let second = |ms: i64| later(1, 0, |f| f.ordered_at = Some(NOW.plus(Span::ms(-ms))));
    assert_eq!(settled(&[second(900)], &click_first()).decision.method, Method::Click);
}

#[test]
fn a_click_after_the_order_was_heard_of_takes_nothing_away() {
    let after = paid().received_at.plus(Span::minutes(1));
    let late_click = Touch { click: ClickId::from_bytes([9; 16]), ..touch(after) };
    let claim = later(2, 5, |f| {
        f.source = Source::Pixel;
        f.touches = vec![late_click];
    });
    let decision = settled(&[paid(), claim], &click_first()).decision;
    assert_eq!(decision.subject().and_then(|c| c.click), Some(touch(NOW).click));
    assert!(decision.candidates.iter().any(|c| c.verdict == Verdict::LessTrusted));
    let key: Vec<_> = ProofId::of_key(MERCHANT, "wc_order_58d2d042d1d").into_iter().collect();
    let without_token = later(1, 0, |f| f.touches = vec![]);
    let without_token = OrderFact { proofs: key.clone(), ..without_token };
    let claim = later(2, 5, |f| {
        f.source = Source::Pixel;
        f.proofs = key;
        f.touches = vec![late_click];
    });
    let decision = settled(&[without_token, claim], &click_first()).decision;
    assert_eq!(decision.candidates[0].verdict, Verdict::AfterOrder);
}

#[test]
fn a_fixed_amount_is_paid_once_while_anything_is_kept() {
    let catalog = catalog(vec![Evidence::Click], terms(Pays::PerSale("5.00".parse().unwrap())));
    let refund = |total| later(2, 10, |f| f.refunds = vec![Refund::new("1".into(), total, None)]);
    assert_eq!(total(&settled(&[paid(), refund(100)], &catalog)), 500);
    assert_eq!(total(&settled(&[paid(), refund(13990)], &catalog)), 0);
}

/// Any fact of an order: every source, every status, refunds that grow and shrink, credit that
/// moves.
fn any_fact() -> impl Strategy<Value = OrderFact> {
    let sources = prop::sample::select(vec![
        Source::DataLayer,
        Source::Pixel,
        Source::Postback,
        Source::Webhook,
    ]);
    let statuses = prop::option::of(prop::sample::select(vec![
        Status::Draft,
        Status::Unpaid,
        Status::Paid,
        Status::Void,
    ]));
    let money = (
        prop::sample::select(vec!["EUR", "USD", "JPY"]),
        prop::option::of(0i64..100_000),
        0i64..30_000,
    );
    (0u8..6, sources, statuses, 0i64..5, 0i64..5, money, prop::collection::vec(1i64..20_000, 0..3), 0u8..8, 0u8..12)
        .prop_map(|(id, source, status, occurred, received, (currency, goods, extra), refunds, evidence, unread)| {
            // Equal ids must mean equal facts, so everything but the time of arrival follows from
            // the id.
            let content =
                format!("{id}{source:?}{status:?}{occurred}{currency}{goods:?}{extra}{refunds:?}{evidence}{unread}");
            later(0, 0, |f| {
                f.id = FactId::of_content(&[content.as_bytes()]);
                f.source = source;
                f.status = status;
                f.occurred_at = NOW.plus(Span::minutes(60 + occurred));
                f.received_at = NOW.plus(Span::minutes(61 + received));
                f.currency = currency.parse().ok();
                f.goods_minor = goods;
                f.total_minor = goods.map(|goods| goods + extra);
                f.refunds = refunds.iter().map(|&t| Refund::new(t.to_string(), t, None)).collect();
                if unread > 9 {
                    let of = refunds.first().map_or("7".to_owned(), ToString::to_string);
                    let failed = FailedRefund { id: extra.to_string(), of, total_minor: extra };
                    f.failed_refunds = vec![failed];
                }
                f.touches = if evidence & 1 == 0 { vec![touch(NOW)] } else { vec![] };
                let by_code = CodeVisit { opened_at: NOW, coupon: BENS_COUPON };
                f.code_visit = (extra % 3 == 0).then_some(by_code);
                f.coupons = if evidence & 2 == 0 { vec!["BEN15".into()] } else { vec![] };
                f.proofs = if evidence & 4 == 0 { ProofId::of_key(MERCHANT, "key").into_iter().collect() } else { vec![] };
                f.asks_proof = evidence != 6;
                f.test = evidence == 7;
                f.partial = evidence == 5;
                f.restates = evidence != 3;
                f.kind = if f.partial { FactKind::Cancel } else { FactKind::Order };
                f.consent = if evidence == 6 { Some(shared::consent::Consent::Unknown) } else { None };
                f.refund_list = if evidence > 3 { RefundList::Some } else { RefundList::Whole };
                let first_refund = refunds.first().map_or("7".to_owned(), ToString::to_string);
                let part = match unread {
                    0 => Some(AmountPart::Currency),
                    1 => Some(AmountPart::Goods),
                    2 => Some(AmountPart::Total),
                    3 => Some(AmountPart::Refund(first_refund)),
                    _ => None,
                };
                match part {
                    Some(AmountPart::Currency) => f.currency = None,
                    Some(AmountPart::Goods) => f.goods_minor = None,
                    Some(AmountPart::Total) => f.total_minor = None,
                    Some(AmountPart::Refund(_)) | None => {}
                }
                let unreadable = |part| Unreadable { part, field: content, shape: "a".into() };
                f.unreadable = part.map(unreadable).into_iter().collect();
            })
        })
}

/// Facts, some of them delivered again later.
fn any_facts(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<OrderFact>> {
    let again = prop::collection::vec((any::<prop::sample::Index>(), 1i64..8), 0..6);
    (prop::collection::vec(any_fact(), count), again).prop_map(|(mut facts, again)| {
        for (index, minutes) in again {
            let fact = index.get(&facts).clone();
            let received_at = fact.received_at.plus(Span::minutes(minutes));
            facts.push(OrderFact { received_at, ..fact });
        }
        facts
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Taken fact by fact, an order is what its rules say of all facts, at every moment; and what
    /// was booked until then does not change by what comes later.
    #[test]
    fn fact_by_fact_an_order_is_what_its_rules_say_at_every_moment(
        facts in any_facts(1..12),
    ) {
        let catalog = click_first();
        prop_assert_eq!(fold(&facts), plain_fold(&facts));
        let mut known: Vec<OrderFact> = distinct(&facts).into_iter().cloned().collect();
        known.sort_by_key(|fact| (fact.received_at, fact.id));
        let whole = settled(&known, &catalog);
        while known.pop().is_some() {
            let Some(until) = settle(&known, &catalog, &|_| None, &Newness::default()) else { break };
            prop_assert_eq!(Some(until.order.clone()), plain_fold(&known));
            let before = whole.bookings.iter().take(until.bookings.len());
            prop_assert_eq!(before.cloned().collect::<Vec<_>>(), until.bookings);
        }
    }

    #[test]
    fn every_permutation_with_duplicates_settles_the_same(
        (facts, shuffled) in any_facts(1..6).prop_flat_map(|facts| {
            let twice: Vec<_> = facts.iter().chain(&facts).cloned().collect();
            (Just(facts), Just(twice).prop_shuffle())
        }),
    ) {
        let catalog = click_first();
        prop_assert_eq!(fold(&facts), fold(&shuffled));
        let (once, again) = (settled(&facts, &catalog), settled(&shuffled, &catalog));
        prop_assert_eq!(once.decision.to_json(), again.decision.to_json());
        prop_assert_eq!(&once, &again);
        for booking in &once.bookings {
            let balance = once.balance(&booking.account);
            prop_assert!(balance >= 0, "balance {balance}");
        }
    }
}
