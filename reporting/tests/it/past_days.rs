//! A past day stays what it was, whatever is recorded later; and the exported moves up to the end of a day
//! add up to the balances of that day.

use std::collections::BTreeMap;

use accounts::{Account, AsOf, Balance};
use bookings::{Figure, moves};
use shared::catalog::{Campaign, Change, Entity, Hold, HoldTarget, Suspendable, Suspension};
use shared::commission::Pays;
use shared::day::Day;
use shared::event::EventName;
use shared::id::{HoldId, LinkId};
use shared::order::{AmountPart, OrderFact, Unreadable};
use shared::payout::Step;
use shared::record::{Click, Record};
use shared::time::{Span, Timestamp};

use crate::support::money::{berlin, day, euros};
use crate::support::{
    ANNA, ANNAS_LINK, AUTUMN, SHOP, World, at, campaign, cancelled, click, event, later, link,
    merchant, noon, paid, refunded,
};

type Days = BTreeMap<Day, BTreeMap<Account, Balance>>;

/// The balances of every account at the end of every day.
fn days(world: &World) -> Days {
    let ledger = world.ledger();
    for entry in ledger.accounts().flat_map(|account| ledger.entries(account)) {
        let booked_on = berlin().date(entry.booked_at);
        assert!(entry.due_on.is_none_or(|due_on| booked_on <= due_on), "{entry:?}");
    }
    let (mut days, mut on) = (Days::new(), day("2026-11-01"));
    while on <= day("2027-03-31") {
        let of = |account| (account, ledger.balance(account, AsOf::end_of(on, &berlin())).unwrap());
        days.insert(on, ledger.accounts().map(of).collect());
        on = on.later(1);
    }
    days
}

/// Adds up the moves, and compares them with the balances of every day.
fn check_moves(world: &World, days: &Days) {
    let (ledger, catalog) = (world.ledger(), world.dataset().catalog);
    let moves = moves(&ledger, &catalog, day("2027-03-31"));
    let mut sums: BTreeMap<Account, Balance> = BTreeMap::new();
    for (on, balances) in days {
        for moved in moves.iter().filter(|moved| moved.day == *on) {
            let of = sums.entry(moved.account).or_default();
            let sum = match moved.figure {
                Figure::Pending => &mut of.pending_minor,
                Figure::Held => &mut of.held_minor,
                Figure::Approved => &mut of.approved_minor,
                Figure::InPayout => &mut of.in_payout_minor,
                Figure::Paid => &mut of.paid_minor,
            };
            *sum += moved.amount_minor;
        }
        for (account, balance) in balances {
            assert_eq!(
                sums.get(account).copied().unwrap_or_default(),
                *balance,
                "{on} {account:?}"
            );
        }
    }
}

/// Records something at a moment, and checks that no day before it changes.
#[track_caller]
fn then(world: &mut World, when: &str, record: impl FnOnce(&mut World, Timestamp)) {
    let before = days(world);
    record(world, at(when));
    let after = days(world);
    let today = berlin().date(at(when));
    for (on, balances) in &before {
        let known = after[on].iter().filter(|(account, balance)| {
            balances.contains_key(account) || **balance != Balance::default()
        });
        let known: BTreeMap<_, _> = known.map(|(account, balance)| (*account, *balance)).collect();
        if *on < today {
            assert_eq!(known, *balances, "{on} was changed by what came on {today}");
        }
    }
    check_moves(world, &after);
}

fn world(json: &str, caps: &str) -> World {
    let mut world = World::new();
    let Entity::Campaign(autumn) = campaign(AUTUMN, Pays::PerSale("0".parse().unwrap())) else {
        unreachable!()
    };
    let updated_at = at("2026-01-02T00:00:00Z");
    let autumn = Campaign {
        commission: serde_json::from_str(json).unwrap(),
        caps: serde_json::from_str(caps).unwrap(),
        updated_at,
        ..autumn
    };
    world.change(updated_at, Entity::Campaign(autumn));
    world
}

fn hold(world: &mut World, target: HoldTarget, from: &str, released_at: Option<Timestamp>) {
    let created_at = at(from);
    let number = u64::try_from(created_at.as_ms() / 1000).unwrap();
    world.record(&Record::Catalog(Change {
        at: released_at.unwrap_or(created_at),
        entities: vec![Entity::Hold(Hold {
            id: HoldId::from_bits(number),
            target,
            reason: "looks odd".into(),
            since: None,
            created_at,
            released_at,
            release_reason: None,
            updated_at: released_at.unwrap_or(created_at),
        })],
        request: None,
        by: None,
    }));
}

fn order_of(world: &mut World, number: u8, id: &str, when: Timestamp) -> OrderFact {
    let touch = world.click(number, when);
    let order = paid(id, when, &[touch]);
    world.order(order.clone());
    order
}

/// Everything that can happen to orders, over four months.
fn live(world: &mut World) {
    let mut orders = Vec::new();
    for (number, id, when) in [
        (1, "1001", "2026-11-05T09:00:00Z"),
        (2, "1002", "2026-11-10T22:59:00Z"),
        (3, "1003", "2026-11-10T23:01:00Z"),
        (4, "1004", "2026-11-20T09:00:00Z"),
    ] {
        then(world, when, |world, when| orders.push(order_of(world, number, id, when)));
    }
    let of_order = |id: &str| HoldTarget::Order { merchant: SHOP, order_id: id.into() };
    then(world, "2026-11-25T09:00:00Z", |world, _| {
        hold(world, of_order("1002"), "2026-11-25T09:00:00Z", None);
    });
    then(world, "2026-12-01T09:00:00Z", |world, when| {
        world.order(refunded(&orders[0], when, 3_000));
    });
    then(world, "2026-12-08T09:00:00Z", |world, _| {
        world.close_books(1, "2026-12-07", "2026-12-08T09:00:00Z");
    });
    then(world, "2026-12-09T09:00:00Z", |world, _| {
        world.mark_paid(1, &[ANNA], "2026-12-09T09:00:00Z");
    });
    then(world, "2026-12-20T09:00:00Z", |world, when| {
        hold(world, of_order("1002"), "2026-11-25T09:00:00Z", Some(when));
    });
    then(world, "2026-12-27T09:00:00Z", |world, _| {
        hold(world, HoldTarget::Influencer(ANNA), "2026-12-27T09:00:00Z", None);
    });
    then(world, "2026-12-28T09:00:00Z", |world, when| world.order(cancelled(&orders[2], when)));
    then(world, "2027-01-04T09:00:00Z", |world, when| {
        world.order(later(&orders[3], when, |fact| {
            fact.goods_minor = None;
            fact.unreadable = vec![Unreadable {
                part: AmountPart::Goods,
                field: "total".into(),
                shape: "9,9".into(),
            }];
        }));
    });
    then(world, "2027-01-10T09:00:00Z", |world, when| {
        hold(world, HoldTarget::Influencer(ANNA), "2026-12-27T09:00:00Z", Some(when));
    });
    then(world, "2027-01-12T09:00:00Z", |world, when| {
        world.order(later(&orders[3], when, |_| {}));
    });
    then(world, "2027-02-01T09:00:00Z", |world, _| {
        world.close_books(2, "2027-01-31", "2027-02-01T09:00:00Z");
    });
    then(world, "2027-02-02T09:00:00Z", |world, _| {
        let batch = shared::id::PayoutId::from_bits(2);
        world.step(
            shared::id::PayoutId::from_bits(900),
            "2027-02-02T09:00:00Z",
            Step::Cancelled { batch },
        );
    });
    then(world, "2027-02-10T09:00:00Z", |world, when| {
        world.order(cancelled(&orders[0], when));
        world.order(cancelled(&orders[1], when));
    });
    then(world, "2027-02-11T09:00:00Z", |world, _| {
        world.step(
            shared::id::PayoutId::from_bits(901),
            "2027-02-11T09:00:00Z",
            Step::Undone {
                batch: shared::id::PayoutId::from_bits(1),
                influencers: vec![ANNA],
                reason: "came back".into(),
            },
        );
    });
}

#[test]
fn no_past_day_changes_where_a_percentage_is_paid() {
    let mut world = world(r#"{"kind":"percent","rate":"15"}"#, "{}");
    live(&mut world);
    // One order could not be read from 4 to 12 January: its 19.49 were held in these days.
    let held = |on: &str| {
        let as_of = AsOf::end_of(day(on), &berlin());
        world.ledger().balance(euros(ANNA), as_of).unwrap().held_minor
    };
    assert_eq!((held("2027-01-11"), held("2027-01-12")), (1_949, 0));
}

#[test]
fn no_past_day_changes_where_hold_days_and_caps_do() {
    let mut world = world(r#"{"kind":"percent","rate":"15"}"#, r#"{"commission_total":"60"}"#);
    let setting = |world: &mut World, when: Timestamp, hold_days: u32, most: &str| {
        let Entity::Campaign(autumn) = campaign(AUTUMN, Pays::PerSale("0".parse().unwrap())) else {
            unreachable!()
        };
        let autumn = Campaign {
            commission: serde_json::from_str(r#"{"kind":"percent","rate":"15"}"#).unwrap(),
            caps: serde_json::from_str(&format!(r#"{{"commission_total":"{most}"}}"#)).unwrap(),
            hold_days,
            updated_at: when,
            ..autumn
        };
        world.change(when, Entity::Campaign(autumn));
    };
    for (number, id) in [(1, "1001"), (2, "1002"), (3, "1003")] {
        then(&mut world, "2026-11-05T09:00:00Z", |world, when| {
            order_of(world, number, id, when);
        });
    }
    then(&mut world, "2026-12-20T09:00:00Z", |world, when| setting(world, when, 60, "20"));
    then(&mut world, "2027-01-02T09:00:00Z", |world, when| {
        order_of(world, 4, "1004", when);
    });
    let anna = |world: &World, on: &str| {
        let as_of = AsOf::end_of(day(on), &berlin());
        world.ledger().balance(euros(ANNA), as_of).unwrap()
    };
    assert_eq!(anna(&world, "2026-12-05").approved_minor, 5_847, "by the hold of November");
    assert_eq!(anna(&world, "2027-03-31").approved_minor, 5_847, "nothing is taken back");
    then(&mut world, "2027-01-03T09:00:00Z", |world, when| setting(world, when, 60, "100"));
    then(&mut world, "2027-01-04T09:00:00Z", |world, when| {
        order_of(world, 5, "1005", when);
    });
    assert_eq!(anna(&world, "2027-03-05").approved_minor, 9_745, "five orders, after sixty days");
    assert_eq!(anna(&world, "2027-03-04").approved_minor, 5_847);
}

#[test]
fn clicks_of_a_day_are_rounded_once_whatever_is_held() {
    let mut world = world(r#"{"kind":"per_click","amount":"0.005"}"#, "{}");
    let other = LinkId::from_bits(55);
    world.change(at("2026-01-02T00:00:00Z"), link(other, AUTUMN, ANNA, "anna-too"));
    world.click(1, noon());
    world.record(&Record::Click(Click { link: other, ..click(2, noon()) }));
    let sums = |world: &World| {
        let balance =
            world.ledger().balance(euros(ANNA), AsOf::end_of(day("2027-03-31"), &berlin()));
        balance.map(|balance| (balance.approved_minor, balance.held_minor)).unwrap()
    };
    assert_eq!(sums(&world), (1, 0), "two clicks at 0.005");
    hold(&mut world, HoldTarget::Link(other), "2026-12-20T09:00:00Z", None);
    let (approved, held) = sums(&world);
    assert!(approved + held == 1 && approved != held, "{approved} {held}");
}

#[test]
fn no_past_day_changes_where_volume_and_caps_count() {
    let volume = r#"[{"kind":"percent","rate":"10"},{"kind":"volume","orders":3,"rate":"5"}]"#;
    live(&mut world(volume, "{}"));
    live(&mut world(volume, r#"{"commission_per_influencer_month":"40","commission_total":"45"}"#));
}

#[test]
fn no_past_day_changes_where_clicks_are_held() {
    let mut world = world(r#"{"kind":"per_click","amount":"0.005"}"#, "{}");
    let bens = world.bens_autumn_link();
    for number in 1..=3 {
        let when = "2026-11-05T09:00:00Z";
        then(&mut world, when, |world, when| {
            let when = when.plus(Span::minutes(i64::from(number)));
            world.click(number, when);
            world.record(&Record::Click(Click { link: bens, ..click(100 + number, when) }));
        });
    }
    then(&mut world, "2026-12-20T09:00:00Z", |world, _| {
        hold(world, HoldTarget::Link(ANNAS_LINK), "2026-12-20T09:00:00Z", None);
    });
    then(&mut world, "2027-01-20T09:00:00Z", |world, when| {
        hold(world, HoldTarget::Link(ANNAS_LINK), "2026-12-20T09:00:00Z", Some(when));
    });
    // From the second of Anna's three clicks on: 0.02 were booked, and a third of it is left.
    then(&mut world, "2027-02-20T09:00:00Z", |world, when| {
        let from = at("2026-11-05T09:02:00Z");
        let of = Suspendable::Influencer(ANNA);
        world.change(when, Entity::Suspension(Suspension::changed(None, of, Some(from), when)));
    });
    let as_of = |on: &str| AsOf::end_of(day(on), &berlin());
    let approved =
        |on: &str| world.ledger().balance(euros(ANNA), as_of(on)).unwrap().approved_minor;
    assert_eq!((approved("2027-02-19"), approved("2027-02-20")), (2, 1));
}

#[test]
fn no_past_day_changes_where_leads_of_pages_are_taken_back() {
    let mut world = world(r#"{"kind":"per_lead","amount":"2.50"}"#, "{}");
    let trusting = merchant(|merchant| {
        (merchant.trust_pixel, merchant.updated_at) = (true, at("2026-01-02T00:00:00Z"));
    });
    world.change(at("2026-01-02T00:00:00Z"), trusting);
    then(&mut world, "2026-11-05T09:00:00Z", |world, when| {
        let touch = world.click(1, when);
        let lead = event(1, EventName::Lead, when.plus(Span::minutes(5)), Some(touch));
        world.record(&Record::Event(lead));
    });
    then(&mut world, "2027-02-20T09:00:00Z", |world, when| {
        let of = Suspendable::Link(ANNAS_LINK);
        let from = at("2026-11-01T00:00:00Z");
        world.change(when, Entity::Suspension(Suspension::changed(None, of, Some(from), when)));
    });
    let as_of = |on: &str| AsOf::end_of(day(on), &berlin());
    let approved =
        |on: &str| world.ledger().balance(euros(ANNA), as_of(on)).unwrap().approved_minor;
    assert_eq!((approved("2027-02-19"), approved("2027-02-20")), (250, 0));
}
