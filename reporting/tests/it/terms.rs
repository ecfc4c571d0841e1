//! Terms that look beyond one order: leads, clicks, volume, caps and the minimum payout.

use shared::catalog::{Campaign, Change, Entity};
use shared::class::Class;
use shared::commission::{Base, Caps, Pays, Terms};
use shared::event::EventName;
use shared::id::EventId;
use shared::lead::{LeadFact, LeadStatus};
use shared::order::OrderFact;
use shared::record::{Click, EventFact, Record};
use shared::time::{Span, Timestamp};

use crate::support::{
    AUTUMN, LATE, SHOP, World, at, campaign, cancelled, click, event, lead, merchant, noon, paid,
    read, refunded,
};

/// A world whose autumn campaign was changed, and whose merchant trusts its pixel.
fn world(change: impl FnOnce(&mut Campaign)) -> World {
    let mut world = World::new();
    let Entity::Campaign(mut autumn) =
        campaign(AUTUMN, Pays::Percent("15".parse().unwrap(), Base::NetGoods))
    else {
        unreachable!()
    };
    change(&mut autumn);
    autumn.updated_at = at("2026-01-02T00:00:00Z");
    let trusting = merchant(|merchant| {
        (merchant.trust_pixel, merchant.updated_at) = (true, at("2026-01-02T00:00:00Z"));
    });
    let change = Change {
        at: autumn.updated_at,
        entities: vec![Entity::Campaign(autumn), trusting],
        request: None,
        by: None,
    };
    world.record(&Record::Catalog(change));
    world
}

fn terms(json: &str) -> Terms {
    serde_json::from_str(json).unwrap()
}

/// Pending, approved, reversed and payable of Anna's line.
fn anna(world: &World, period: &str, as_of: &str) -> [String; 4] {
    let statement = world.statement(AUTUMN, period, as_of);
    let csv = statement.render(reporting::Rendering::Csv, false);
    let cells: Vec<_> = csv.lines().nth(1).unwrap().split(',').map(str::to_owned).collect();
    [7, 8, 9, 10].map(|column| cells[column].clone())
}

/// Orders of 129.90 (15 % are 19.49), an hour apart.
fn sell(world: &mut World, count: u8) -> Vec<OrderFact> {
    let touch = world.click(1, noon());
    let order = |number: u8| {
        paid(
            &format!("10{number}"),
            noon().plus(Span::minutes(60 * i64::from(number) + 60)),
            &[touch],
        )
    };
    let orders: Vec<_> = (0..count).map(order).collect();
    orders.iter().for_each(|order| world.order(order.clone()));
    orders
}

fn hours_later(hours: i64) -> Timestamp {
    noon().plus(Span::minutes(60 * hours))
}

#[test]
fn leads_are_paid_once_within_the_window_where_the_pixel_is_trusted() {
    let per_lead = |campaign: &mut Campaign| {
        campaign.commission = terms(r#"{"kind":"per_lead","amount":"2.50"}"#);
    };
    let mut trusting = world(per_lead);
    let touch = trusting.click(1, noon());
    for (number, when) in
        [(1, hours_later(1)), (1, hours_later(2)), (2, hours_later(3)), (3, hours_later(24 * 40))]
    {
        trusting.record(&Record::Event(event(number, EventName::Lead, when, Some(touch))));
    }
    assert_eq!(anna(&trusting, "2026-11", LATE), ["0.00", "5.00", "0.00", "5.00"]);
    assert_eq!(
        anna(&trusting, "2026-11", "2026-11-30"),
        ["5.00", "0.00", "0.00", "0.00"],
        "the hold"
    );
    let statement = trusting.statement(AUTUMN, "2026-11", LATE);
    assert!(
        statement.commissions.iter().all(|line| line.base_is_count && line.booking.base_minor == 1)
    );

    let mut wary = World::new();
    let Entity::Campaign(mut autumn) = campaign(AUTUMN, Pays::PerLead("2.50".parse().unwrap()))
    else {
        unreachable!()
    };
    autumn.updated_at = at("2026-01-02T00:00:00Z");
    let change = Change {
        at: autumn.updated_at,
        entities: vec![Entity::Campaign(autumn)],
        request: None,
        by: None,
    };
    wary.record(&Record::Catalog(change));
    let touch = wary.click(1, noon());
    wary.record(&Record::Event(event(1, EventName::Lead, hours_later(1), Some(touch))));
    assert_eq!(
        anna(&wary, "2026-11", LATE)[1],
        "0.00",
        "a lead that only a browser reported is a claim"
    );
}

fn two_fifty_a_lead(campaign: &mut Campaign) {
    campaign.commission = terms(r#"{"kind":"per_lead","amount":"2.50"}"#);
}

/// The world of [`world`], whose merchant trusts browsers so far.
fn trusting(trust_pixel: bool, trust_leads: Option<bool>) -> World {
    let mut world = world(two_fifty_a_lead);
    let changed_at = at("2026-01-03T00:00:00Z");
    let merchant = merchant(|merchant| {
        (merchant.trust_pixel, merchant.trust_leads) = (trust_pixel, trust_leads);
        merchant.updated_at = changed_at;
    });
    let change = Change { at: changed_at, entities: vec![merchant], request: None, by: None };
    world.record(&Record::Catalog(change));
    world
}

#[test]
fn trust_in_leads_pays_no_invented_order_and_trust_in_orders_no_invented_lead() {
    for (trust_pixel, trust_leads, expected) in [
        (true, None, "2.50"),
        (true, Some(false), "0.00"),
        (false, Some(true), "2.50"),
        (false, None, "0.00"),
    ] {
        let mut world = trusting(trust_pixel, trust_leads);
        let touch = world.click(1, noon());
        world.record(&Record::Event(event(1, EventName::Lead, hours_later(1), Some(touch))));
        assert_eq!(anna(&world, "2026-11", LATE)[1], expected, "{trust_pixel} {trust_leads:?}");
    }
    let mut world = trusting(false, Some(true));
    world_pays_sales(&mut world);
    let touch = world.click(1, noon());
    let invented = OrderFact {
        source: shared::order::Source::Pixel,
        ..paid("1001", hours_later(1), &[touch])
    };
    world.order(invented);
    assert_eq!(anna(&world, "2026-11", LATE)[1], "0.00", "an order stays a claim");
}

/// Lets the campaign pay for sales, too.
fn world_pays_sales(world: &mut World) {
    let Entity::Campaign(mut autumn) = campaign(AUTUMN, Pays::PerSale("100.00".parse().unwrap()))
    else {
        unreachable!()
    };
    autumn.updated_at = at("2026-01-04T00:00:00Z");
    let change = Change {
        at: autumn.updated_at,
        entities: vec![Entity::Campaign(autumn)],
        request: None,
        by: None,
    };
    world.record(&Record::Catalog(change));
}

#[test]
fn what_the_shops_server_says_of_a_lead_decides_what_it_earns() {
    let mut world = trusting(false, None);
    let touch = world.click(1, noon());
    let mut tell = |id: &str, status: LeadStatus, hours: i64| {
        let fact = lead(id, status, hours_later(hours), &[touch]);
        let order_id = (status == LeadStatus::Won).then(|| "1001".to_owned());
        world.record(&Record::Lead(Box::new(LeadFact { order_id, ..fact })));
    };
    // Five of one click: the bound is for browsers.
    for id in ["L1", "L2", "L3", "L4", "L5"] {
        tell(id, LeadStatus::Open, 1);
        tell(id, LeadStatus::Qualified, 2);
    }
    tell("L4", LeadStatus::NotQualified, 3);
    tell("L5", LeadStatus::Won, 4);
    tell("L6", LeadStatus::Lost, 1);
    assert_eq!(anna(&world, "2026-11", LATE), ["0.00", "10.00", "-2.50", "10.00"]);
    let manifest = world.export("out", reporting::Format::Csv, None);
    let leads = read::export(&world.path("out"), &manifest).remove("leads").unwrap();
    let column = |name: &str| {
        let mut values = leads.known(name);
        values.sort_unstable();
        values
    };
    assert_eq!(
        column("status"),
        ["lost", "not_qualified", "qualified", "qualified", "qualified", "won"]
    );
    assert_eq!(column("order_id"), ["", "", "", "", "", "1001"]);
    assert_eq!(column("amount_minor"), ["0", "0", "250", "250", "250", "250"]);
    assert_eq!(column("source"), ["server"; 6]);
}

#[test]
fn a_lead_of_which_page_and_server_tell_counts_once() {
    let both = |is_same: bool| {
        let mut world = trusting(false, Some(true));
        let touch = world.click(1, noon());
        let told = if is_same { "L1" } else { "L2" };
        let id = EventId::of_lead(SHOP, touch.click, told);
        let by_page = event(1, EventName::Lead, hours_later(1), Some(touch));
        world.record(&Record::Event(EventFact { id, ..by_page }));
        let by_server = lead("L1", LeadStatus::Qualified, hours_later(2), &[touch]);
        world.record(&Record::Lead(Box::new(by_server)));
        anna(&world, "2026-11", LATE)[1].clone()
    };
    assert_eq!((both(true), both(false)), ("2.50".to_owned(), "5.00".to_owned()));
}

#[test]
fn no_more_leads_of_a_click_are_paid_than_its_campaign_counts_and_none_of_a_flood() {
    let paid = |most: Option<u32>, class: Class| {
        let mut world = world(|campaign| {
            campaign.commission = terms(r#"{"kind":"per_lead","amount":"2.50"}"#);
            campaign.caps.leads_per_click = most;
        });
        world.record(&Record::Click(Click { class, ..click(1, noon()) }));
        let touch = click(1, noon()).visit().map(|visit| visit.touch);
        for number in 0..200 {
            let when = noon().plus(Span::minutes(i64::from(number)));
            world.record(&Record::Event(event(number, EventName::Lead, when, touch)));
        }
        anna(&world, "2026-11", LATE)[1].clone()
    };
    assert_eq!(paid(None, Class::Billable), "7.50", "three by default");
    assert_eq!(paid(None, Class::Duplicate), "7.50");
    assert_eq!(paid(Some(1), Class::Billable), "2.50");
    assert_eq!(paid(Some(0), Class::Billable), "0.00");
    assert_eq!(paid(None, Class::Flood), "0.00", "a lead proves no person");
}

#[test]
fn a_click_of_a_flood_earns_by_a_sale_and_not_by_itself() {
    let mut world = world(|campaign| {
        campaign.commission =
            terms(r#"[{"kind":"per_click","amount":"1.00"},{"kind":"per_sale","amount":"5.00"}]"#);
    });
    world.record(&Record::Click(Click { class: Class::Flood, ..click(1, noon()) }));
    let touch = click(1, noon()).visit().unwrap().touch;
    assert_eq!(anna(&world, "2026-11", LATE)[1], "0.00");
    world.order(paid("1001", hours_later(1), &[touch]));
    assert_eq!(anna(&world, "2026-11", LATE)[1], "5.00");
}

#[test]
fn clicks_are_paid_by_the_day_and_rounded_once() {
    let per_click = |campaign: &mut Campaign| {
        campaign.commission = terms(r#"{"kind":"per_click","amount":"0.005"}"#);
    };
    let mut world = world(per_click);
    for number in 1..=3 {
        world.click(number, noon());
    }
    // 00:30 on the next day in Berlin.
    world.click(4, noon().plus(Span::minutes(11 * 60 + 30)));
    assert_eq!(
        anna(&world, "2026-11", LATE),
        ["0.00", "0.03", "0.00", "0.03"],
        "0.015 and 0.005, each rounded"
    );
    let statement = world.statement(AUTUMN, "2026-11", LATE);
    assert_eq!(
        statement.commissions.iter().map(|line| line.booking.base_minor).collect::<Vec<_>>(),
        [3, 1]
    );
}

#[test]
fn every_commission_names_a_conversion_and_the_post_that_brought_it() {
    let mut world = world(|campaign| {
        campaign.commission = terms(
            r#"[{"kind":"per_click","amount":"0.10"},{"kind":"per_lead","amount":"2.50"},{"kind":"percent","rate":"15"}]"#,
        );
    });
    let touch = world.click(1, noon());
    world.record(&Record::Click(Click { sub_id: None, ..click(2, noon()) }));
    world.record(&Record::Event(event(1, EventName::Lead, hours_later(1), Some(touch))));
    world.record(&Record::Lead(Box::new(lead("L1", LeadStatus::Won, hours_later(1), &[touch]))));
    let order = paid("1001", hours_later(2), &[touch]);
    world.order(order.clone());
    world.order(refunded(&order, hours_later(3), 6495));
    let manifest = world.export("out", reporting::Format::Csv, None);
    let tables = read::export(&world.path("out"), &manifest);
    let [conversions, commissions] = ["conversions", "commissions"].map(|name| &tables[name]);
    let rows = |table: &read::Table, names: [&str; 3]| -> Vec<[String; 3]> {
        let [a, b, c] = names.map(|name| table.known(name));
        let row = |index: usize| [a[index], b[index], c[index]].map(str::to_owned);
        (0..a.len()).map(row).collect()
    };
    let brought = rows(conversions, ["conversion_id", "kind", "sub_id"]);
    let kinds: Vec<_> = brought.iter().map(|[_, kind, sub_id]| (&kind[..], &sub_id[..])).collect();
    assert_eq!(
        kinds,
        [("clicks", ""), ("lead", "story-1"), ("lead", "story-1"), ("order", "story-1")]
    );
    let booked = rows(commissions, ["conversion_id", "reason", "sub_id"]);
    assert_eq!(booked.len(), 5, "the clicks, two leads, the order and its refund");
    for [conversion, reason, sub_id] in &booked {
        let named = brought.iter().find(|[id, ..]| id == conversion);
        assert_eq!(named.map(|[.., brought_by]| brought_by), Some(sub_id), "{reason}");
    }
    let clicks = conversions.known("decision")[0];
    assert!(clicks.contains("2 billable clicks of 2026-11-10"), "{clicks}");
}

#[test]
fn volume_pays_more_on_the_whole_month_and_takes_it_back() {
    let rules = r#"[{"kind":"percent","rate":"15"},{"kind":"volume","orders":3,"rate":"2"},{"kind":"volume","orders":5,"rate":"4"}]"#;
    let mut world = world(|campaign| campaign.commission = terms(rules));
    let orders = sell(&mut world, 3);
    // 3 × 19.49 and 2 % of 389.70.
    assert_eq!(anna(&world, "2026-11", LATE), ["0.00", "66.26", "0.00", "66.26"]);
    world.order(cancelled(&orders[0], hours_later(9)));
    assert_eq!(anna(&world, "2026-11", LATE)[1], "38.98", "two orders are not three");
}

#[test]
fn caps_bound_an_order_a_month_and_the_whole_campaign_and_make_room_again() {
    let caps = |order: Option<&str>, month: Option<&str>, total: Option<&str>| {
        let amount = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        Caps {
            commission_per_order: amount(order),
            commission_per_influencer_month: amount(month),
            commission_total: amount(total),
            ..Caps::default()
        }
    };
    for (caps, expected) in [
        (caps(Some("10.00"), None, None), "30.00"),
        (caps(None, Some("50.00"), None), "50.00"),
        (caps(None, Some("50.00"), Some("45.00")), "45.00"),
        (caps(None, None, Some("100.00")), "58.47"),
    ] {
        let mut world = world(|campaign| campaign.caps = caps);
        sell(&mut world, 3);
        assert_eq!(anna(&world, "2026-11", LATE)[1], expected);
    }
    let mut world = world(|campaign| campaign.caps = caps(None, Some("30.00"), None));
    let orders = sell(&mut world, 3);
    assert_eq!(anna(&world, "2026-11", LATE)[1], "30.00");
    world.order(cancelled(&orders[1], hours_later(9)));
    assert_eq!(anna(&world, "2026-11", LATE)[1], "30.00", "two others still fill it");
    world.order(cancelled(&orders[2], hours_later(10)));
    assert_eq!(anna(&world, "2026-11", LATE)[1], "19.49");
    world.order(cancelled(&orders[0], hours_later(11)));
    assert_eq!(anna(&world, "2026-11", LATE)[1], "0.00", "and never below zero");
}

#[test]
fn less_than_the_minimum_is_carried_forward() {
    let mut world = world(|campaign| campaign.minimum_payout = Some("30.00".parse().unwrap()));
    let touch = world.click(1, noon());
    let order = paid("1001", hours_later(1), &[touch]);
    world.order(order.clone());
    let december = paid("1002", at("2026-12-05T12:00:00Z"), &[touch]);
    world.order(december);
    world.order(paid("1003", at("2026-12-06T12:00:00Z"), &[touch]));
    assert_eq!(
        anna(&world, "2026-11", LATE),
        ["0.00", "19.49", "0.00", "0.00"],
        "too little to pay out"
    );
    assert_eq!(
        anna(&world, "2026-12", LATE),
        ["0.00", "38.98", "0.00", "58.47"],
        "with what was carried"
    );
    // After the payout a refund is a negative line, and is carried until it is earned again.
    world.order(cancelled(&order, at("2027-01-20T12:00:00Z")));
    assert_eq!(anna(&world, "2027-01", LATE), ["0.00", "-19.49", "-19.49", "0.00"]);
}
