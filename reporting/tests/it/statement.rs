//! Statements to the cent.

use reporting::{Rendering, Statement};
use shared::catalog::{Change, Entity};
use shared::class::Class;
use shared::event::EventName;
use shared::id::CustomerId;
use shared::order::{CodeVisit, OrderFact, Source, Status};
use shared::rates::ExchangeRate;
use shared::record::{Click, EventFact, Record};
use shared::time::Span;

use crate::support::{
    ANNA, AUTUMN, BEN, BENS_COUPON, BENS_FIXED_LINK, EARLY, FIXED, LATE, SHOP, World, at, busy,
    cancelled, click, event, influencer, later, merchant, noon, paid, refunded,
};

const HEADER: &str = "influencer_id,influencer,clicks_billable,sessions,orders,orders_cancelled,goods,\
                      commission_pending,commission_approved,commission_reversed,payable,currency";
const BENS_EMPTY_LINE: &str = "inf_0000000000004,Ben,0,0,0,0,0.00,0.00,0.00,0.00,0.00,EUR";

fn csv(statement: &Statement) -> Vec<String> {
    statement.render(Rendering::Csv, false).lines().map(str::to_owned).collect()
}

/// The statement's lines below the header. Nothing is held.
fn check(world: &World, period: &str, as_of: &str, expected: &[&str]) {
    let lines = csv(&world.statement(AUTUMN, period, as_of));
    assert_eq!(lines[0], format!("{HEADER},orders_held,commission_held"));
    let nothing_held = |line: &String| {
        line.strip_suffix(",0,0.00").or(line.strip_suffix(",0,0")).map(str::to_owned)
    };
    let shown: Vec<_> = lines[1..].iter().map(nothing_held).collect();
    let expected: Vec<_> = expected.iter().map(|line| Some((*line).to_owned())).collect();
    assert_eq!(shown, expected, "{period} as of {as_of}");
}

/// An order of 129.90 through Anna's link.
fn sold() -> (World, OrderFact) {
    let mut world = World::new();
    let touch = world.click(1, noon());
    let order = paid("1001", noon().plus(Span::minutes(60)), &[touch]);
    world.order(order.clone());
    (world, order)
}

#[test]
fn today_is_the_merchants_day() {
    let world = World::new();
    let day = |time: &str| Statement::day_of(&world.dataset(), AUTUMN, at(time)).unwrap();
    // The merchant is in Berlin: an hour ahead of UTC in winter, two in summer.
    assert_eq!(day("2026-11-30T22:59:59Z").to_string(), "2026-11-30");
    assert_eq!(day("2026-11-30T23:00:00Z").to_string(), "2026-12-01");
    assert_eq!(day("2026-07-31T22:00:00Z").to_string(), "2026-08-01");
}

#[test]
fn fifteen_percent_of_129_90_is_19_49_and_payable_when_the_hold_has_passed() {
    let (mut world, _) = sold();
    let touch = click(1, noon()).visit().map(|visit| visit.touch);
    world.record(&Record::Event(event(1, EventName::Session, noon(), touch)));
    world.record(&Record::Event(event(1, EventName::Session, noon(), touch)));
    world.record(&Record::Click(Click { class: Class::Bot, ..click(2, noon()) }));
    let pending = "inf_0000000000003,Anna,1,1,1,0,129.90,19.49,0.00,0.00,0.00,EUR";
    let approved = "inf_0000000000003,Anna,1,1,1,0,129.90,0.00,19.49,0.00,19.49,EUR";
    check(&world, "2026-11", "2026-12-09", &[pending, BENS_EMPTY_LINE]);
    check(&world, "2026-11", "2026-12-10", &[approved, BENS_EMPTY_LINE]);
    let nothing = "inf_0000000000003,Anna,0,0,0,0,0.00,0.00,0.00,0.00,0.00,EUR";
    check(&world, "2026-12", LATE, &[nothing, BENS_EMPTY_LINE]);
}

#[test]
fn a_cancelled_order_is_counted_and_earns_nothing() {
    let (mut world, order) = sold();
    world.order(cancelled(&order, noon().plus(Span::days(2))));
    let expected = "inf_0000000000003,Anna,1,0,1,1,0.00,0.00,0.00,-19.49,0.00,EUR";
    check(&world, "2026-11", EARLY, &[expected, BENS_EMPTY_LINE]);
    check(&world, "2026-11", LATE, &[expected, BENS_EMPTY_LINE]);
}

#[test]
fn a_refund_without_lines_takes_its_share_back() {
    let (mut world, order) = sold();
    world.order(refunded(&order, noon().plus(Span::days(2)), 6995));
    // 15 % of 129.90, of which half was kept: 9.7425, rounded once.
    let expected = "inf_0000000000003,Anna,1,0,1,0,64.95,0.00,9.74,-9.75,9.74,EUR";
    check(&world, "2026-11", LATE, &[expected, BENS_EMPTY_LINE]);
}

#[test]
fn a_refund_in_a_later_month_is_a_negative_line_there_and_changes_no_earlier_commission() {
    let (mut world, order) = sold();
    world.order(refunded(&order, at("2027-01-05T10:00:00Z"), 13990));
    let november = "inf_0000000000003,Anna,1,0,1,0,0.00,0.00,19.49,0.00,19.49,EUR";
    let january = "inf_0000000000003,Anna,0,0,0,0,0.00,0.00,-19.49,-19.49,-19.49,EUR";
    check(&world, "2026-11", LATE, &[november, BENS_EMPTY_LINE]);
    check(&world, "2027-01", LATE, &[january, BENS_EMPTY_LINE]);
}

#[test]
fn a_cancellation_after_the_hold_comes_off_the_next_payment() {
    let (mut world, order) = sold();
    world.order(cancelled(&order, at("2027-01-05T10:00:00Z")));
    let november = "inf_0000000000003,Anna,1,0,1,1,0.00,0.00,19.49,0.00,19.49,EUR";
    let january = "inf_0000000000003,Anna,0,0,0,0,0.00,0.00,-19.49,-19.49,-19.49,EUR";
    check(&world, "2026-11", LATE, &[november, BENS_EMPTY_LINE]);
    check(&world, "2027-01", LATE, &[january, BENS_EMPTY_LINE]);
}

#[test]
fn credit_that_moves_after_the_hold_comes_off_the_next_payment_too() {
    let mut world = World::new();
    let order =
        later(&paid("1001", noon(), &[]), noon(), |fact| fact.coupons = vec!["BEN15".into()]);
    world.order(order.clone());
    world.order(later(&order, at("2027-01-05T10:00:00Z"), |fact| {
        fact.coupons = vec!["SALE".into()];
    }));
    let anna = "inf_0000000000003,Anna,0,0,0,0,0.00,0.00,0.00,0.00,0.00,EUR";
    let november = "inf_0000000000004,Ben,0,0,0,0,0.00,0.00,19.49,0.00,19.49,EUR";
    let january = "inf_0000000000004,Ben,0,0,0,0,0.00,0.00,-19.49,-19.49,-19.49,EUR";
    check(&world, "2026-11", LATE, &[anna, november]);
    check(&world, "2027-01", LATE, &[anna, january]);
}

#[test]
fn a_sum_beyond_the_range_of_amounts_is_refused_and_names_whose_it_is() {
    let mut world = World::new();
    let touch = world.click(1, noon());
    for id in ["1001", "1002"] {
        let absurd = OrderFact { goods_minor: Some(i64::MAX), ..paid(id, noon(), &[touch]) };
        world.order(absurd);
    }
    let (period, as_of) = ("2026-11".parse().unwrap(), LATE.parse().unwrap());
    let error = Statement::of(&world.dataset(), AUTUMN, period, as_of).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&ANNA.to_string()) && text.contains("order_facts"), "{text}");
}

#[test]
fn an_unpaid_order_that_lapses_was_never_payable() {
    let mut world = World::new();
    let touch = world.click(1, noon());
    let order =
        later(&paid("1001", noon(), &[touch]), noon(), |fact| fact.status = Some(Status::Unpaid));
    world.order(order.clone());
    let accrued = "inf_0000000000003,Anna,1,0,1,0,129.90,19.49,0.00,0.00,0.00,EUR";
    check(&world, "2026-11", LATE, &[accrued, BENS_EMPTY_LINE]);
    world.order(cancelled(&order, at("2027-01-05T10:00:00Z")));
    let lapsed = "inf_0000000000003,Anna,1,0,1,1,0.00,19.49,0.00,0.00,0.00,EUR";
    check(&world, "2026-11", LATE, &[lapsed, BENS_EMPTY_LINE]);
}

#[test]
fn a_coupon_credits_its_owner_without_a_click() {
    let mut world = World::new();
    world.order(later(&paid("1001", noon(), &[]), noon(), |fact| {
        fact.coupons = vec![" ben15 ".into()];
    }));
    let anna = "inf_0000000000003,Anna,0,0,0,0,0.00,0.00,0.00,0.00,0.00,EUR";
    let ben = "inf_0000000000004,Ben,0,0,1,0,129.90,0.00,19.49,0.00,19.49,EUR";
    check(&world, "2026-11", LATE, &[anna, ben]);
}

#[test]
fn a_fixed_amount_is_paid_in_the_merchants_currency_and_goods_stay_in_the_orders() {
    let mut world = World::new();
    let fixed = Click { link: BENS_FIXED_LINK, ..click(1, noon()) };
    world.record(&Record::Click(fixed.clone()));
    let dollars = |fact: &mut OrderFact| fact.currency = "USD".parse().ok();
    world.order(later(&paid("1001", noon(), &[fixed.visit().unwrap().touch]), noon(), dollars));
    let lines = csv(&world.statement(FIXED, "2026-11", LATE));
    assert_eq!(
        lines[1..],
        [
            "inf_0000000000004,Ben,1,0,0,0,0.00,0.00,5.00,0.00,5.00,EUR,0,0.00",
            "inf_0000000000004,Ben,0,0,1,0,129.90,0.00,0.00,0.00,0.00,USD,0,0.00",
        ]
    );
}

#[test]
fn a_share_of_a_foreign_order_waits_for_its_exchange_rate_and_is_then_paid_in_the_merchants_currency()
 {
    let mut world = World::new();
    let touch = world.click(1, noon());
    let yen =
        later(&paid("1001", noon(), &[touch]), noon(), |fact| fact.currency = "JPY".parse().ok());
    world.order(yen);
    let euros = "inf_0000000000003,Anna,1,0,0,0,0.00,0.00,0.00,0.00,0.00,EUR";
    let yen = "inf_0000000000003,Anna,0,0,1,0,12990,1949,0,0,0,JPY";
    check(&world, "2026-11", LATE, &[euros, yen, BENS_EMPTY_LINE]);
    // 12,990 JPY at 160 JPY a EUR are 81.1875 EUR, of which 15 % are 12.18.
    let rate = ExchangeRate {
        day: noon().utc_day(),
        from: "EUR".parse().unwrap(),
        to: "JPY".parse().unwrap(),
        rate: "160".parse().unwrap(),
        source: "ECB".into(),
        created_at: at("2027-01-10T00:00:00Z"),
    };
    let change =
        Change { at: rate.created_at, entities: vec![Entity::Rate(rate)], request: None, by: None };
    world.record(&Record::Catalog(change));
    check(&world, "2026-11", LATE, &[euros, yen, BENS_EMPTY_LINE]);
    let january = "inf_0000000000003,Anna,0,0,0,0,0.00,0.00,12.18,0.00,12.18,EUR";
    let taken_back = "inf_0000000000003,Anna,0,0,0,0,0,-1949,0,-1949,0,JPY";
    check(&world, "2027-01", LATE, &[january, taken_back, BENS_EMPTY_LINE]);
}

#[test]
fn a_month_begins_at_the_merchants_midnight() {
    let mut world = World::new();
    // 00:30 on 1 November in Berlin, still October by UTC.
    let touch = world.click(1, at("2026-10-31T23:30:00Z"));
    world.order(paid("1001", at("2026-10-31T23:40:00Z"), &[touch]));
    // 23:59 on 31 October in Berlin.
    world.click(2, at("2026-10-31T22:59:00Z"));
    let november = "inf_0000000000003,Anna,1,0,1,0,129.90,0.00,19.49,0.00,19.49,EUR";
    let october = "inf_0000000000003,Anna,1,0,0,0,0.00,0.00,0.00,0.00,0.00,EUR";
    check(&world, "2026-11", LATE, &[november, BENS_EMPTY_LINE]);
    check(&world, "2026-10", LATE, &[october, BENS_EMPTY_LINE]);
    // The hold counts Berlin's days: from 1 November to 1 December.
    check(&world, "2026-11", "2026-12-01", &[november, BENS_EMPTY_LINE]);
    let pending = "inf_0000000000003,Anna,1,0,1,0,129.90,19.49,0.00,0.00,0.00,EUR";
    check(&world, "2026-11", "2026-11-30", &[pending, BENS_EMPTY_LINE]);
}

#[test]
fn drafts_tests_and_late_orders_are_no_orders() {
    let mut world = World::new();
    let touch = world.click(1, noon());
    world.order(later(&paid("draft", noon(), &[touch]), noon(), |fact| {
        fact.status = Some(Status::Draft);
    }));
    world.order(later(&paid("test", noon(), &[touch]), noon(), |fact| fact.test = true));
    world.order(paid("late", at("2026-12-20T00:00:00Z"), &[touch]));
    let expected = "inf_0000000000003,Anna,1,0,0,0,0.00,0.00,0.00,0.00,0.00,EUR";
    check(&world, "2026-11", LATE, &[expected, BENS_EMPTY_LINE]);
    let december = "inf_0000000000003,Anna,0,0,0,0,0.00,0.00,0.00,0.00,0.00,EUR";
    check(&world, "2026-12", LATE, &[december, BENS_EMPTY_LINE]);
}

#[test]
fn an_order_that_only_the_pixel_knows_earns_where_the_merchant_trusts_it_and_the_statement_says_so()
{
    let mut world = World::new();
    let touch = world.click(1, noon());
    world.order(later(&paid("1001", noon(), &[touch]), noon(), |fact| fact.source = Source::Pixel));
    let claimed = "inf_0000000000003,Anna,1,0,0,0,0.00,0.00,0.00,0.00,0.00,EUR";
    check(&world, "2026-11", LATE, &[claimed, BENS_EMPTY_LINE]);
    let trusting =
        merchant(|merchant| (merchant.trust_pixel, merchant.updated_at) = (true, noon()));
    world.record(&Record::Catalog(Change {
        at: noon(),
        entities: vec![trusting],
        request: None,
        by: None,
    }));
    let earned = "inf_0000000000003,Anna,1,0,1,0,129.90,0.00,19.49,0.00,19.49,EUR";
    check(&world, "2026-11", LATE, &[earned, BENS_EMPTY_LINE]);
    assert_eq!(world.statement(AUTUMN, "2026-11", LATE).unconfirmed, 1);
}

#[test]
fn sessions_of_a_click_count_once_in_a_half_hour() {
    let (mut world, _) = sold();
    let touch = click(1, noon()).visit().map(|visit| visit.touch);
    for number in 0..200 {
        let when = noon().plus(Span::minutes(i64::from(number) / 2));
        world.record(&Record::Event(event(number, EventName::Session, when, touch)));
    }
    let four = "inf_0000000000003,Anna,1,4,1,0,129.90,0.00,19.49,0.00,19.49,EUR";
    check(&world, "2026-11", LATE, &[four, BENS_EMPTY_LINE]);
}

#[test]
fn sessions_that_a_code_opened_count_for_its_owner() {
    let (mut world, _) = sold();
    let when = noon().plus(Span::minutes(5));
    let code_visit = Some(CodeVisit { opened_at: noon(), coupon: BENS_COUPON });
    for number in 0..3 {
        let event = event(number, EventName::Session, when, None);
        world.record(&Record::Event(EventFact { code_visit, ..event }));
    }
    let statement = world.statement(AUTUMN, "2026-11", LATE);
    let of = |influencer| {
        let mut lines = statement.lines.iter();
        lines
            .find(|line| line.influencer == influencer)
            .map(|line| (line.sessions, line.clicks_billable))
    };
    assert_eq!((of(ANNA), of(BEN)), (Some((0, 1)), Some((1, 0))));
}

#[test]
fn orders_of_many_customers_by_one_click_are_noted_and_earn() {
    let brought = |customers: u8| {
        let mut world = World::new();
        let touch = world.click(1, noon());
        for number in 0..2 * customers {
            let mail = format!("{}@mail.test", number / 2);
            let order = paid(&format!("20{number}"), noon().plus(Span::minutes(60)), &[touch]);
            world.order(OrderFact { customer: CustomerId::of_email(SHOP, &mail), ..order });
        }
        let statement = world.statement(AUTUMN, "2026-11", LATE);
        (statement.many_customers, statement.lines[0].orders, statement.commissions.len())
    };
    assert_eq!(brought(5), (0, 10, 10));
    assert_eq!(brought(6), (12, 12, 12));
}

#[test]
fn a_claim_without_a_proof_is_no_order_and_what_it_earned_before_proofs_stays() {
    let mut world = World::new();
    let touch = world.click(1, noon());
    let facts = |order: &str| {
        let report = paid(order, noon(), &[]);
        let claim = later(&report, noon(), |fact| {
            (fact.source, fact.touches) = (Source::Pixel, vec![touch]);
        });
        [report, claim].map(|fact| Record::Order(Box::new(fact)).encode())
    };
    facts("1001").iter().for_each(|payload| world.payload_in("main", payload));
    let unproven = "inf_0000000000003,Anna,1,0,0,0,0.00,0.00,0.00,0.00,0.00,EUR";
    check(&world, "2026-11", LATE, &[unproven, BENS_EMPTY_LINE]);
    // Records of version 1, as an earlier version wrote them.
    for mut payload in facts("1002") {
        payload[1] = 1;
        world.payload_in("main", &payload);
    }
    let earned = "inf_0000000000003,Anna,1,0,1,0,129.90,0.00,19.49,0.00,19.49,EUR";
    check(&world, "2026-11", LATE, &[earned, BENS_EMPTY_LINE]);
    // The same shop reports the order again, and a claim of that time waits for another one.
    let again = later(&paid("1002", noon(), &[]), at("2026-11-20T12:00:00Z"), |_| {});
    world.order(again);
    let [report, mut claim] = facts("1003");
    claim[1] = 1;
    world.payload_in("main", &claim);
    world.payload_in("main", &report);
    check(&world, "2026-11", LATE, &[earned, BENS_EMPTY_LINE]);
}

#[test]
fn influencers_come_by_name_and_their_names_run_no_formula() {
    let mut world = World::new();
    let mut entities = vec![influencer(ANNA, "Zoe"), influencer(BEN, "=1+1, \"Ben\"")];
    for entity in &mut entities {
        let Entity::Influencer(influencer) = entity else { unreachable!() };
        influencer.updated_at = noon();
    }
    world.record(&Record::Catalog(Change { at: noon(), entities, request: None, by: None }));
    let lines = csv(&world.statement(AUTUMN, "2026-11", EARLY));
    assert!(lines[1].starts_with("inf_0000000000004,\"'=1+1, \"\"Ben\"\"\",0,"), "{}", lines[1]);
    assert!(lines[2].starts_with("inf_0000000000003,Zoe,0,"));
}

#[test]
fn lines_show_every_booking_and_add_up_to_the_statement() {
    let statement = busy().statement(AUTUMN, "2026-11", "2026-12-11");
    let text = statement.render(Rendering::Csv, true);
    let (summary, lines) = text.split_once("\n\n").unwrap();
    assert_eq!(summary.lines().count(), 3);
    let (header, lines) = lines.split_once('\n').unwrap();
    assert_eq!(
        header,
        "commission_id,influencer_id,order_id,order_status,booked_at,reason,\
         base,base_currency,rate,amount,currency,status,payable_on"
    );
    let expected = [
        "1001,confirmed,2026-11-12T12:00:05.000Z,accrued,129.90,EUR,15,19.49,EUR,pending,2026-12-12",
        "1001,confirmed,2026-11-13T12:00:00.000Z,refunded,64.95,EUR,15,-9.75,EUR,reversed,2026-12-12",
        "1002,confirmed,2026-11-10T12:00:00.000Z,accrued,129.90,EUR,15,19.49,EUR,approved,2026-12-10",
    ];
    let shown: Vec<_> = lines.lines().map(|line| line.splitn(3, ',').last().unwrap()).collect();
    assert_eq!(shown, expected);
    assert!(
        lines.lines().all(|line| line.split(',').nth(1).unwrap().starts_with("inf_000000000000"))
    );
    let booked: i64 = statement.commissions.iter().map(|line| line.booking.amount_minor).sum();
    let stated: i64 =
        statement.lines.iter().map(|line| line.pending_minor + line.approved_minor).sum();
    assert_eq!((booked, stated), (2923, 2923));
}

#[test]
fn the_table_for_people_is_aligned() {
    let (world, _) = sold();
    let text = world.statement(AUTUMN, "2026-11", LATE).render(Rendering::Table, false);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{text}");
    assert_eq!(lines[1].find("129.90").map(|at| at + 6), lines[0].find("goods").map(|at| at + 5));
}
