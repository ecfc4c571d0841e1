//! Statements of account, balances and payouts: what was paid is never paid again, what was approved
//! later is in no earlier month, and every column adds up.

use reporting::{AccountStatement, Balances, Forecast, Form, Language, OnDay, Payouts, Whose};
use shared::agency::AgencyShare;
use shared::booking::BookingKind;
use shared::catalog::{Campaign, Entity};
use shared::commission::{Base, Pays};
use shared::id::InfluencerId;
use shared::order::{Alias, AliasKind, OrderFact};
use shared::payout::{Step, WhyNot};
use shared::target::Target;
use shared::time::Timestamp;

use crate::support::money::{Rows, day, rows};
use crate::support::{
    ANNA, AUTUMN, BEN, SHOP, World, at, campaign, cancelled, influencer, merchant, noon, paid,
    refunded, status_of, stderr_of, stdout_of,
};

/// A world whose autumn campaign pays 15 % and holds for fourteen days.
fn world(change: impl FnOnce(&mut Campaign)) -> World {
    let mut world = World::new();
    let pays = Pays::Percent("15".parse().unwrap(), Base::NetGoods);
    let Entity::Campaign(mut autumn) = campaign(AUTUMN, pays) else { unreachable!() };
    (autumn.hold_days, autumn.updated_at) = (14, at("2026-01-02T00:00:00Z"));
    change(&mut autumn);
    world.change(autumn.updated_at, Entity::Campaign(autumn));
    world
}

/// An order through Anna's link.
fn sold(world: &mut World, id: &str, placed_at: Timestamp, goods_minor: i64) -> OrderFact {
    let number = u8::try_from(id.len() + usize::from(id.as_bytes()[id.len() - 1])).unwrap();
    let touch = world.click(number, placed_at);
    let fact = OrderFact { goods_minor: Some(goods_minor), ..paid(id, placed_at, &[touch]) };
    let fact = OrderFact { total_minor: Some(goods_minor + 1000), ..fact };
    world.order(fact.clone());
    fact
}

/// Greta's November: 254.81 are approved in it, and 144.31 only in December.
fn november() -> World {
    let mut world = world(|_| {});
    sold(&mut world, "1001", at("2026-11-10T12:00:00Z"), 169_873);
    sold(&mut world, "1002", at("2026-11-20T12:00:00Z"), 96_207);
    world
}

const NOVEMBER: (&str, &str) = ("2026-11-01", "2026-11-30");
const DECEMBER: (&str, &str) = ("2026-12-01", "2026-12-31");

/// Carried in, new, paid, carried out, pending and in payout of Anna's only account.
fn figures(world: &World, days: (&str, &str), as_of: &str) -> [String; 6] {
    let (accounts, lines) = world.account_statement(ANNA, days, as_of);
    assert_eq!(accounts.len(), 1, "one merchant, one currency");
    let minor = |row: &std::collections::BTreeMap<String, String>, column: &str| -> i64 {
        row[column].replace('.', "").parse().unwrap()
    };
    let [carried_in, new, paid, carried_out] =
        ["carried_in", "new", "paid", "carried_out"].map(|column| minor(&accounts[0], column));
    assert_eq!(carried_in + new - paid, carried_out, "the columns add up");
    let sum: i64 = lines.iter().map(|line| minor(line, "amount")).sum();
    assert_eq!(carried_in + sum, carried_out, "the lines add up");
    ["carried_in", "new", "paid", "carried_out", "pending", "in_payout"]
        .map(|column| accounts[0][column].clone())
}

#[test]
fn greta_is_paid_254_81_and_then_144_31_and_never_more() {
    let mut world = november();
    let then = figures(&world, NOVEMBER, "2026-12-01");
    assert_eq!(then, ["0.00", "254.81", "0.00", "254.81", "144.31", "0.00"]);
    let batch = world.close_books(1, "2026-11-30", "2026-12-01T09:00:00Z");
    assert_eq!(batch.lines.iter().map(|line| line.amount_minor).collect::<Vec<_>>(), [25_481]);
    world.mark_paid(1, &[ANNA], "2026-12-01T10:00:00Z");
    world.mark_paid(1, &[ANNA], "2026-12-01T10:00:01Z");

    let new_year = "2027-01-01";
    assert_eq!(figures(&world, NOVEMBER, new_year), then, "November is what it was");
    let december = ["254.81", "144.31", "254.81", "144.31", "0.00", "0.00"];
    assert_eq!(figures(&world, DECEMBER, new_year), december);
    let batch = world.close_books(2, "2026-12-31", "2027-01-01T09:00:00Z");
    assert_eq!(batch.lines.iter().map(|line| line.amount_minor).collect::<Vec<_>>(), [14_431]);
    world.mark_paid(2, &[ANNA], "2027-01-02T09:00:00Z");

    for (number, closed_on) in [(3, "2026-11-30"), (4, "2026-12-31"), (5, "2027-06-30")] {
        let batch = world.close_books(number, closed_on, "2027-07-01T09:00:00Z");
        assert_eq!(batch.lines, [], "{closed_on}: everything is paid");
    }
    let january = figures(&world, ("2027-01-01", "2027-01-31"), "2027-07-01");
    assert_eq!(january, ["144.31", "0.00", "144.31", "0.00", "0.00", "0.00"]);
    assert_eq!(figures(&world, NOVEMBER, "2027-07-01"), then, "November is what it was");
    assert_eq!(figures(&world, DECEMBER, "2027-07-01"), december);
    let all = figures(&world, ("2026-01-01", "2027-12-31"), "2027-07-01");
    assert_eq!(all, ["0.00", "399.12", "399.12", "0.00", "0.00", "0.00"], "never more");
}

#[test]
fn a_refund_after_the_payment_is_carried_until_it_is_earned_back() {
    let mut world = november();
    world.close_books(1, "2026-12-31", "2027-01-01T09:00:00Z");
    world.mark_paid(1, &[ANNA], "2027-01-01T10:00:00Z");
    let order = paid("1001", at("2026-11-10T12:00:00Z"), &[]);
    let order = OrderFact { goods_minor: Some(169_873), total_minor: Some(170_873), ..order };
    world.order(refunded(&order, at("2027-01-10T12:00:00Z"), 170_873));
    let january = figures(&world, ("2027-01-01", "2027-01-31"), "2027-02-01");
    assert_eq!(january, ["399.12", "-254.81", "399.12", "-254.81", "0.00", "0.00"]);
    let batch = world.close_books(2, "2027-01-31", "2027-02-01T09:00:00Z");
    assert_eq!(batch.lines, []);
    assert_eq!(
        (batch.left_out[0].amount_minor, batch.left_out[0].why),
        (-25_481, WhyNot::BelowZero)
    );
    sold(&mut world, "1003", at("2027-02-01T12:00:00Z"), 200_000);
    let batch = world.close_books(3, "2027-02-28", "2027-03-01T09:00:00Z");
    assert_eq!(batch.lines[0].amount_minor, 30_000 - 25_481);
}

#[test]
fn below_the_minimum_is_carried_and_shown_until_it_is_reached() {
    let mut world = world(|autumn| autumn.minimum_payout = "50".parse().ok());
    sold(&mut world, "1001", noon(), 20_000);
    let balances = |world: &World, on: &str| balances(world, Whose::default(), on);
    let shown = |rows: &Rows| {
        let anna = rows.iter().find(|row| row["influencer"] == "Anna").unwrap().clone();
        ["approved", "payable", "below_minimum", "carried"].map(|column| anna[column].clone())
    };
    assert_eq!(shown(&balances(&world, "2026-11-30")), ["30.00", "0.00", "30.00", "30.00"]);
    let batch = world.close_books(1, "2026-11-30", "2026-12-01T09:00:00Z");
    assert_eq!((batch.lines.len(), batch.left_out[0].why), (0, WhyNot::BelowMinimum));
    sold(&mut world, "1002", at("2026-12-01T12:00:00Z"), 20_000);
    assert_eq!(shown(&balances(&world, "2026-12-31")), ["60.00", "60.00", "0.00", "0.00"]);
    assert_eq!(shown(&balances(&world, "2026-11-30")), ["30.00", "0.00", "30.00", "30.00"]);
    world.book(1, ANNA, BookingKind::Bonus, 100, "2026-11-11T09:00:00Z");
    let paid_at_once = ["31.00", "31.00", "0.00", "0.00"];
    assert_eq!(shown(&balances(&world, "2026-11-30")), paid_at_once, "a bonus waits for none");
}

fn balances(world: &World, whose: Whose, on: &str) -> Rows {
    let balances = Balances::of(&world.dataset(), whose, OnDay::Day(day(on))).unwrap();
    rows(&balances.write(Form::Csv))
}

#[test]
fn what_people_booked_is_owed_like_commission_and_keeps_its_reason() {
    let mut world = november();
    let (fee, wrong) = ("2026-11-05T09:00:00Z", "2026-12-05T09:00:00Z");
    world.book(1, ANNA, BookingKind::FixedFee, 10_000, fee);
    world.book(2, ANNA, BookingKind::Correction, -2_500, wrong);
    let (accounts, lines) = world.account_statement(ANNA, NOVEMBER, "2026-12-31");
    assert_eq!(accounts[0]["new"], "354.81");
    let line = lines.iter().find(|line| line["kind"] == "fixed_fee").unwrap();
    assert_eq!((&*line["amount"], &*line["note"]), ("100.00", "three <b>reels</b>"));
    assert_eq!(figures(&world, DECEMBER, "2026-12-31")[1], "119.31", "144.31 − 25.00");
}

#[test]
fn lines_name_the_post_and_the_order_as_the_shop_shows_it() {
    let mut world = world(|_| {});
    let touch = world.click(1, noon());
    let alias = Alias { kind: AliasKind::OrderName, value: "#10-77".into() };
    let number = Alias { kind: AliasKind::OrderNumber, value: "77".into() };
    world.order(OrderFact { aliases: vec![number, alias], ..paid("1001", noon(), &[touch]) });
    let (_, lines) = world.account_statement(ANNA, NOVEMBER, "2026-12-31");
    let named = ["order_id", "order_number", "sub_id", "campaign", "reason", "kind"];
    let named = named.map(|column| &*lines[0][column]);
    assert_eq!(named, ["1001", "#10-77", "story-1", "Autumn", "accrued", "order"]);
}

#[test]
fn a_merchant_sees_what_is_owed_to_everybody() {
    let mut world = november();
    world.book(1, BEN, BookingKind::Bonus, 700, "2026-11-11T09:00:00Z");
    world.change(
        at("2026-02-02T00:00:00Z"),
        merchant(|merchant| {
            merchant.agency_shares =
                vec![AgencyShare { from: merchant.created_at, percent: "20".parse().unwrap() }];
            merchant.updated_at = at("2026-02-02T00:00:00Z");
        }),
    );
    let whose = Whose { merchant: Some(SHOP), influencer: None };
    let period = "2026-11".parse().unwrap();
    let on = OnDay::Day(day("2026-12-31"));
    let statement = AccountStatement::of(&world.dataset(), whose, period, on).unwrap();
    let json: serde_json::Value = serde_json::from_str(&statement.write(Form::Json, true)).unwrap();
    let owed: Vec<_> = json["accounts"].as_array().unwrap().iter().collect();
    assert_eq!(
        owed.iter()
            .map(|row| (row["influencer"].as_str(), row["carried_out"].as_str()))
            .collect::<Vec<_>>(),
        [(Some("Anna"), Some("254.81")), (Some("Ben"), Some("7.00"))]
    );
    assert_eq!(json["totals"][0]["carried_out"], "261.81");
    // 20 % of 261.81 are 52.362.
    let share = &json["agency_share"][0];
    assert_eq!((&share["new"], &share["total"]), (&"52.36".into(), &"52.36".into()));
    assert_eq!(json["lines"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&json["from"], &json["to"], &json["as_of"]),
        (&"2026-11-01".into(), &"2026-11-30".into(), &"2026-11-30".into())
    );
    let strangers = Whose { merchant: None, influencer: Some(InfluencerId::from_bits(99)) };
    let error = AccountStatement::of(&world.dataset(), strangers, period, on).err().unwrap();
    assert!(error.to_string().contains("inf_000000000003"), "{error}");
}

#[test]
fn a_page_for_print_runs_nothing_and_asks_for_nothing() {
    let mut world = november();
    let Entity::Influencer(mut anna) = influencer(ANNA, "Anna") else { unreachable!() };
    anna.name = "<script>alert('Anna')</script> & \u{202e}Co\u{7}".into();
    anna.payout = Some(serde_json::json!({
        "method": "bank", "iban": "DE89370400440532013000", "name": "Anna GmbH", "holder": "company",
        "address": {"street": "Gasse", "building": "1", "postcode": "10115", "town": "Berlin", "country": "DE"},
        "document": "self_billing", "tax_number": "12/345/67890", "vat_id": "DE136695976", "vat": "reverse_charge"
    }));
    anna.updated_at = at("2026-02-01T00:00:00Z");
    world.change(anna.updated_at, Entity::Influencer(anna));
    let whose = Whose { merchant: None, influencer: Some(ANNA) };
    let (period, on) = ("2026-11".parse().unwrap(), OnDay::Day(day("2026-12-01")));
    for language in Language::ALL {
        let statement = AccountStatement::of(&world.dataset(), whose, period, on).unwrap();
        let page = statement.write(Form::Html(language), true);
        let direction = if language == Language::He { "rtl" } else { "ltr" };
        assert!(
            page.contains(&format!("<html lang=\"{language}\" dir=\"{direction}\">")),
            "{page}"
        );
        for banned in
            ["<script", "http://", "https://", "src=", "href=", "url(", "@import", "\u{7}"]
        {
            assert!(!page.contains(banned), "{language}: {banned}");
        }
        assert!(
            page.contains("&lt;script&gt;alert(&#39;Anna&#39;)&lt;/script&gt; &amp; "),
            "{page}"
        );
        assert!(page.contains(">254.81</bdi>") && page.contains("DE136695976"), "{page}");
        assert!(page.contains("2006/112/"), "the text of the reverse charge: {page}");
        assert!(!page.contains("DE8937"), "no account number");
    }
    let swedish = AccountStatement::of(&world.dataset(), whose, period, on).unwrap();
    let swedish = swedish.write(Form::Html(Language::Sv), true);
    assert!(swedish.contains("Kontoutdrag") && swedish.contains("Självfaktura"), "{swedish}");
}

#[test]
fn payouts_list_lines_with_their_state_and_what_was_left_out() {
    let mut world = november();
    let owes = "2026-11-11T09:00:00Z";
    world.book(1, BEN, BookingKind::Correction, -700, owes);
    world.close_books(1, "2026-11-30", "2026-12-01T09:00:00Z");
    let shown = |world: &World| {
        let payouts = Payouts::of(&world.dataset(), Whose::default()).unwrap();
        let rows = rows(&payouts.write(Form::Csv));
        let of = |row: &std::collections::BTreeMap<String, String>| {
            ["influencer", "amount", "status", "why", "paid_on", "reference"]
                .map(|column| row[column].clone())
                .join(" ")
        };
        rows.iter().map(of).collect::<Vec<_>>()
    };
    let left_out = "Ben -7.00 left_out below_zero  ";
    assert_eq!(shown(&world), ["Anna 254.81 open   ", left_out]);
    world.mark_paid(1, &[ANNA], "2026-12-02T09:00:00Z");
    assert_eq!(shown(&world), ["Anna 254.81 paid  2026-12-02 SEPA 1", left_out]);
    let undone = Step::Undone {
        batch: shared::id::PayoutId::from_bits(1),
        influencers: vec![ANNA],
        reason: "came back".into(),
    };
    world.step(shared::id::PayoutId::from_bits(77), "2026-12-03T09:00:00Z", undone);
    assert_eq!(shown(&world)[0], "Anna 254.81 open   ");
}

#[test]
fn a_forecast_compares_with_the_target_and_says_what_is_missing() {
    let mut world = world(|autumn| {
        autumn.starts_at = Some(at("2026-10-31T23:00:00Z"));
        autumn.ends_at = Some(at("2026-11-28T23:00:00Z"));
        autumn.target = Some(Target { goods: "1000".parse().ok(), orders: Some(10) });
    });
    for (id, day) in [("1001", 1), ("1002", 5), ("1003", 9), ("1004", 12)] {
        let placed_at = at(&format!("2026-11-{day:02}T12:00:00Z"));
        sold(&mut world, id, placed_at, 10_000);
    }
    let void = sold(&mut world, "1005", at("2026-11-13T12:00:00Z"), 99_999);
    world.order(cancelled(&void, at("2026-11-13T13:00:00Z")));
    let on = OnDay::Day(day("2026-11-14"));
    let forecast = Forecast::of(&world.dataset(), AUTUMN, on).unwrap().write(Form::Csv);
    let goods = forecast.lines().nth(1).unwrap();
    // Fourteen days brought 400.00, and fourteen are left. The worst week in a row brought 100.00
    // (2 to 8 November, for instance), the best one 200.00.
    assert_eq!(
        goods,
        "goods,EUR,1000.00,400.00,14,14,800.00,600.00,800.00,600.00,200.00,daily_mean_and_weeks"
    );
    let orders = forecast.lines().nth(2).unwrap();
    assert_eq!(orders, "orders,,10,4,14,14,8,6,8,6,2,daily_mean_and_weeks");
}

#[test]
fn the_commands_print_what_was_asked_for() {
    let mut world = november();
    world.change(
        at("2026-02-02T00:00:00Z"),
        merchant(|merchant| {
            (merchant.name, merchant.updated_at) = ("Laden".into(), at("2026-02-02T00:00:00Z"));
        }),
    );
    world.close_books(1, "2026-11-30", "2026-12-01T09:00:00Z");
    let run = |arguments: &[&str]| {
        let output = world.run(&[arguments, &["--data", "data"]].concat());
        (status_of(&output), stdout_of(&output), stderr_of(&output))
    };
    let (anna, autumn) = (ANNA.to_string(), AUTUMN.to_string());
    let of_anna =
        ["statement", "--influencer", &anna, "--from", "2026-11-03", "--to", "2026-11-24"];
    let (status, table, _) = run(&[&of_anna[..], &["--as-of", "2026-12-01", "--lines"]].concat());
    assert_eq!(status, 0);
    assert!(
        table.starts_with("influencer: Anna\n") && table.contains("timezone: Europe/Berlin"),
        "{table}"
    );
    assert!(table.contains("254.81") && table.contains("1001"), "{table}");
    let (status, csv, _) =
        run(&[&of_anna[..], &["--format", "csv", "--lines", "lines.csv"]].concat());
    assert_eq!((status, csv.lines().count()), (0, 2), "{csv}");
    let lines = std::fs::read_to_string(world.path("lines.csv")).unwrap();
    assert!(lines.starts_with("day,kind,merchant_id,") && lines.lines().count() == 2, "{lines}");
    let (status, page, _) =
        run(&[&of_anna[..], &["--format", "html", "--language", "he"]].concat());
    assert!(status == 0 && page.contains("dir=\"rtl\""), "{page}");
    let of_autumn =
        ["statement", "--campaign", &autumn, "--period", "2026-11", "--as-of", "2026-12-01"];
    let (_, page, _) = run(&[&of_autumn[..], &["--format", "html", "--lines"]].concat());
    assert!(
        page.contains("<dd><bdi>Autumn</bdi></dd>") && page.contains(">254.81</bdi>"),
        "{page}"
    );
    let whole = ["statement", "--campaign", &autumn, "--from", "2026-11-10", "--to", "2026-11-24"];
    let (_, csv, _) = run(&[&whole[..], &["--format", "csv", "--as-of", "2026-12-31"]].concat());
    assert!(csv.contains(",399.12,0.00,399.12,EUR"), "any days of a campaign: {csv}");
    let (status, balances, _) = run(&["balances", "--as-of", "2026-12-01", "--format", "csv"]);
    assert!(
        status == 0 && balances.contains(",144.31,0.00,254.81,254.81,0.00,0.00,"),
        "{balances}"
    );
    let (status, payouts, _) = run(&["payouts", "--format", "json"]);
    assert!(status == 0 && payouts.contains("\"status\": \"open\""), "{payouts}");
    let (status, forecast, _) = run(&["forecast", "--campaign", &autumn, "--format", "csv"]);
    assert!(status == 0 && forecast.contains("goods,EUR,,2660.80,"), "{forecast}");
    for (arguments, why) in [
        (&["statement", "--influencer", &anna][..], "--period"),
        (&["statement", "--period", "2026-11"], "--campaign"),
        (
            &["statement", "--campaign", &autumn, "--influencer", &anna, "--period", "2026-11"],
            "--influencer",
        ),
        (&["statement", "--influencer", &anna, "--from", "2026-11-03"], "--to"),
        (
            &["statement", "--influencer", &anna, "--from", "2026-11-03", "--to", "2026-11-01"],
            "comes after",
        ),
        (
            &["statement", "--influencer", &anna, "--period", "2026-11", "--language", "fr"],
            "en, sv, he",
        ),
    ] {
        let (status, _, stderr) = run(arguments);
        assert!(status == 2 && stderr.contains(why), "{arguments:?}: {status} {stderr}");
    }
}
