//! What is held is listed and in nothing that may be paid, and goes on when it is released.

use reporting::{Format, Rendering};
use shared::catalog::{Change, Entity, Hold, HoldTarget, Suspendable, Suspension};
use shared::event::EventName;
use shared::id::HoldId;
use shared::order::{AmountPart, OrderFact, Touch, Unreadable};
use shared::record::Record;
use shared::time::{Span, Timestamp};

use crate::support::read::{self, Table};
use crate::support::{
    ANNA, ANNAS_LINK, AUTUMN, LATE, SHOP, World, at, campaign, event, later, merchant, noon, paid,
};

fn change(world: &mut World, entity: Entity) {
    world.record(&Record::Catalog(Change {
        at: noon(),
        entities: vec![entity],
        request: None,
        by: None,
    }));
}

fn hold(target: HoldTarget, released_at: Option<Timestamp>) -> Entity {
    let created_at = at("2026-11-11T00:00:00Z");
    Entity::Hold(Hold {
        id: HoldId::from_bits(7),
        target,
        reason: "looks odd".into(),
        since: None,
        created_at,
        released_at,
        release_reason: None,
        updated_at: released_at.unwrap_or(created_at),
    })
}

fn unread_goods(fact: &mut OrderFact) {
    fact.goods_minor = None;
    fact.unreadable = vec![Unreadable {
        part: AmountPart::Goods,
        field: "line_items[0].total".into(),
        shape: "9,999.99".into(),
    }];
}

/// Goods, pending, approved, payable, orders held and commission held of Anna's line.
fn anna(world: &World, as_of: &str) -> [String; 6] {
    let csv = world.statement(AUTUMN, "2026-11", as_of).render(Rendering::Csv, false);
    let cells: Vec<_> = csv.lines().nth(1).unwrap().split(',').map(str::to_owned).collect();
    [6, 7, 8, 10, 12, 13].map(|column| cells[column].clone())
}

fn table(world: &World, name: &str, out: &str) -> Table {
    let manifest = world.export(out, Format::Csv, None);
    read::export(&world.path(out), &manifest).remove(name).unwrap_or_default()
}

/// Orders 1001 and 1002 of 129.90 through Anna's link; 15 % are 19.49.
fn sold() -> World {
    let mut world = World::new();
    let touch = world.click(1, noon());
    world.order(paid("1001", noon().plus(Span::minutes(60)), &[touch]));
    world.order(paid("1002", noon().plus(Span::minutes(90)), &[touch]));
    world
}

#[test]
fn an_order_whose_goods_are_unknown_is_listed_and_in_no_sum() {
    let mut world = World::new();
    let touch = world.click(1, noon());
    world.order(later(&paid("1001", noon(), &[touch]), noon(), unread_goods));
    assert_eq!(anna(&world, LATE), ["0.00", "0.00", "0.00", "0.00", "1", "0.00"]);
    assert_eq!(world.statement(AUTUMN, "2026-11", LATE).held, 1);
    let conversions = table(&world, "conversions", "before");
    assert_eq!(conversions.known("goods_minor"), [""], "unknown, not 0");
    assert_eq!(conversions.known("held"), ["unreadable_amount: line_items[0].total is `9,999.99`"]);
    world.order(later(&paid("1001", noon(), &[touch]), noon().plus(Span::days(1)), |_| {}));
    assert_eq!(anna(&world, LATE), ["129.90", "0.00", "19.49", "19.49", "0", "0.00"]);
    assert_eq!(table(&world, "conversions", "after").known("held"), [""]);
}

#[test]
fn what_is_held_by_hand_is_not_payable_and_shows_its_reason() {
    let mut world = sold();
    assert_eq!(anna(&world, LATE), ["259.80", "0.00", "38.98", "38.98", "0", "0.00"]);
    change(&mut world, hold(HoldTarget::Order { merchant: SHOP, order_id: "1001".into() }, None));
    assert_eq!(anna(&world, LATE), ["259.80", "19.49", "19.49", "19.49", "1", "19.49"]);
    let commissions = table(&world, "commissions", "held");
    assert_eq!(commissions.known("status"), ["held", "pending"]);
    assert_eq!(commissions.known("payable_on")[0], "", "there is no such day while it is held");
    let held = commissions.known("held");
    assert_eq!(held, ["by_hand: hld_0000000000007: looks odd", ""]);
    for target in [HoldTarget::Link(ANNAS_LINK), HoldTarget::Influencer(ANNA)] {
        let mut world = sold();
        change(&mut world, hold(target.clone(), None));
        let all = ["259.80", "38.98", "0.00", "0.00", "2", "38.98"];
        assert_eq!(anna(&world, LATE), all, "{target:?}");
    }
}

#[test]
fn what_is_released_goes_on_and_is_payable_from_the_day_of_its_release_at_the_earliest() {
    for (released_at, day, before) in [
        ("2026-11-20T09:00:00Z", "2026-12-10", "2026-12-09"),
        ("2027-01-15T09:00:00Z", "2027-01-15", "2027-01-14"),
    ] {
        let mut world = sold();
        let target = HoldTarget::Influencer(ANNA);
        change(&mut world, hold(target.clone(), None));
        change(&mut world, hold(target, Some(at(released_at))));
        assert_eq!(anna(&world, before), ["259.80", "38.98", "0.00", "0.00", "0", "0.00"]);
        assert_eq!(anna(&world, day), ["259.80", "0.00", "38.98", "38.98", "0", "0.00"]);
        let commissions = table(&world, "commissions", "released");
        assert_eq!(commissions.known("payable_on"), [day, day]);
        assert_eq!(commissions.known("reason"), ["accrued", "accrued"], "nothing was booked twice");
    }
}

/// A world whose autumn campaign pays for clicks or leads, and whose merchant trusts its pixel.
fn paying(json: &str) -> World {
    let mut world = World::new();
    let pays = shared::commission::Pays::PerSale("0".parse().unwrap());
    let Entity::Campaign(mut autumn) = campaign(AUTUMN, pays) else { unreachable!() };
    autumn.commission = serde_json::from_str(json).unwrap();
    autumn.updated_at = at("2026-01-02T00:00:00Z");
    change(&mut world, Entity::Campaign(autumn));
    let trusting = merchant(|merchant| {
        (merchant.trust_pixel, merchant.updated_at) = (true, at("2026-01-02T00:00:00Z"));
    });
    change(&mut world, trusting);
    world
}

#[test]
fn clicks_of_a_suspended_or_held_link_are_not_paid() {
    let per_click = r#"{"kind":"per_click","amount":"0.10"}"#;
    let clicked = || {
        let mut world = paying(per_click);
        for number in 1..=4 {
            world.click(number, noon().plus(Span::minutes(i64::from(number))));
        }
        world
    };
    assert_eq!(anna(&clicked(), LATE)[1..4], ["0.00", "0.40", "0.40"]);
    let mut suspended = clicked();
    let from = noon().plus(Span::minutes(3));
    let suspension = Suspension::changed(None, Suspendable::Influencer(ANNA), Some(from), noon());
    change(&mut suspended, Entity::Suspension(suspension));
    assert_eq!(anna(&suspended, LATE)[1..4], ["0.00", "0.20", "0.20"], "two came before");
    let mut held = clicked();
    let ids = |world: &World, out: &str| {
        table(world, "commissions", out).known("commission_id").join(" ")
    };
    change(&mut held, hold(HoldTarget::Link(ANNAS_LINK), None));
    assert_eq!(anna(&held, LATE)[1..], ["0.40", "0.00", "0.00", "0", "0.40"]);
    assert_eq!(ids(&held, "held"), ids(&clicked(), "free"), "the same booking, held");
}

#[test]
fn leads_of_a_suspended_link_or_a_revoked_key_are_not_paid() {
    let per_lead = r#"{"kind":"per_lead","amount":"2.50"}"#;
    let led = |key: Option<u8>| {
        let mut world = paying(per_lead);
        let touch = Touch { key, ..world.click(1, noon()) };
        let when = noon().plus(Span::minutes(5));
        world.record(&Record::Event(event(1, EventName::Lead, when, Some(touch))));
        world
    };
    assert_eq!(anna(&led(Some(3)), LATE)[1..4], ["0.00", "2.50", "2.50"]);
    let mut suspended = led(Some(3));
    let suspension = Suspension::changed(None, Suspendable::Link(ANNAS_LINK), Some(noon()), noon());
    change(&mut suspended, Entity::Suspension(suspension));
    assert_eq!(anna(&suspended, LATE)[1..4], ["0.00", "0.00", "0.00"]);
    assert_eq!(table(&suspended, "conversions", "suspended").known("label"), ["suspended"]);
    let mut revoked = led(Some(3));
    change(&mut revoked, hold(HoldTarget::Key(3), None));
    assert_eq!(anna(&revoked, LATE)[1..4], ["2.50", "0.00", "0.00"]);
    let conversions = table(&revoked, "conversions", "revoked");
    let held = conversions.known("held");
    assert_eq!(held, ["revoked_key: key 3, hld_0000000000007: looks odd"]);
    let mut other = led(Some(2));
    change(&mut other, hold(HoldTarget::Key(3), None));
    assert_eq!(anna(&other, LATE)[1..4], ["0.00", "2.50", "2.50"]);
}

#[test]
fn a_commission_that_was_payable_is_taken_back_on_the_statement_of_the_suspension() {
    let mut world = sold();
    let made_at = at("2027-01-20T10:00:00Z");
    let of = Suspendable::Influencer(ANNA);
    let suspension = Suspension::changed(None, of, Some(noon()), made_at);
    change(&mut world, Entity::Suspension(suspension));
    let commissions = table(&world, "commissions", "suspended");
    assert_eq!(commissions.known("reason"), ["accrued", "accrued", "suspended", "suspended"]);
    let statement = world.statement(AUTUMN, "2027-01", LATE);
    assert_eq!(statement.lines[0].payable_minor, -3898, "it may have been paid in December");
}

#[test]
fn a_held_order_counts_for_no_volume_and_takes_its_place_under_a_cap() {
    let world = |json: &str, caps: &str| {
        let mut world = sold();
        let pays = shared::commission::Pays::PerSale("0".parse().unwrap());
        let Entity::Campaign(mut autumn) = campaign(AUTUMN, pays) else { unreachable!() };
        autumn.commission = serde_json::from_str(json).unwrap();
        autumn.caps = serde_json::from_str(caps).unwrap();
        autumn.updated_at = at("2026-01-02T00:00:00Z");
        change(&mut world, Entity::Campaign(autumn));
        world
    };
    let volume = r#"[{"kind":"percent","rate":"10"},{"kind":"volume","orders":2,"rate":"5"}]"#;
    let first = HoldTarget::Order { merchant: SHOP, order_id: "1001".into() };
    let mut held = world(volume, "{}");
    assert_eq!(anna(&held, LATE)[3], "38.97", "12.99 twice and 5 % of 259.80");
    change(&mut held, hold(first.clone(), None));
    assert_eq!(anna(&held, LATE)[3], "12.99", "one order reaches no volume");
    let mut capped = world(r#"{"kind":"percent","rate":"10"}"#, r#"{"commission_total":"20"}"#);
    assert_eq!(anna(&capped, LATE)[3], "20.00");
    change(&mut capped, hold(first, None));
    assert_eq!(anna(&capped, LATE)[3], "7.01", "what is held is reserved");
}
