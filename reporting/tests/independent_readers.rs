//! Exports as other engines read them: pyarrow and DuckDB, which share no code with this crate.
//!
//! Needs a Python that has both (`pip install pyarrow duckdb`): the one in
//! `AFTERCLICK_TEST_PYTHON`, else `python3`. Without it the test says so and passes, because a
//! laptop may not have it; `scripts/test` installs it.

#![allow(clippy::unwrap_used, reason = "a test may fail by it, helpers included")]

#[path = "it/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;

use reporting::{AccountStatement, Balances, ExportOptions, Form, Format, OnDay, Period, Whose};
use serde_json::{Value, json};
use shared::booking::BookingKind;
use shared::catalog::{Entity, Hold, HoldTarget};
use shared::id::HoldId;
use shared::time::Span;

use support::money::day;
use support::{
    ANNA, ANNAS_LINK, AUTUMN, BEN, FIXED, SHOP, World, at, cancelled, later, noon, paid,
};

/// Returns a Python that has both libraries; `None`, and a word about it, where there is none.
fn python(test: &str) -> Option<String> {
    let python = std::env::var("AFTERCLICK_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let asked = Command::new(&python).args(["-c", "import pyarrow, duckdb"]).output();
    if asked.is_ok_and(|found| found.status.success()) {
        return Some(python);
    }
    eprintln!("SKIPPED {test}: {python} has no pyarrow and duckdb");
    None
}

#[test]
fn pyarrow_and_duckdb_read_the_same_figures_from_every_format() {
    let Some(python) = python("independent_readers") else { return };
    let mut world = support::busy();
    support::book_and_pay(&mut world);
    for format in Format::ALL {
        world.export(format.as_str(), format, None);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/independent_readers.py");
    let output = Command::new(&python).arg(script).arg(world.path("")).output().unwrap();
    assert!(output.status.success(), "{}", support::stderr_of(&output));
    assert_eq!(support::stdout_of(&output), "3 formats, 8 tables, same figures\n");
}

const AS_OF: &str = "2027-01-15";
const DAYS: (&str, &str) = ("2026-12-01", "2026-12-31");

/// A quarter in which every figure of the glossary is not 0.
fn quarter() -> World {
    let mut world = support::busy();
    let december = |day: i64| at("2026-12-01T00:30:00Z").plus(Span::days(day));
    for (number, day) in [(10, -20), (11, -19), (12, 0), (13, 3), (14, 5)] {
        let touch = world.click(number, december(day));
        let order = paid(&format!("20{number}"), december(day), &[touch]);
        world.order(order.clone());
        match number {
            11 => world.order(cancelled(&order, december(20))),
            12 => world.order(cancelled(&order, december(2))),
            14 => world.order(later(&order, december(6), |fact| {
                fact.currency = "SEK".parse().ok();
            })),
            _ => {}
        }
    }
    let touch = world.click(20, december(4));
    world.order(later(&paid("2021", december(7), &[touch]), december(7), |fact| {
        fact.status = Some(shared::order::Status::Draft);
    }));
    world.order(later(&paid("2022", december(8), &[touch]), december(8), |fact| fact.test = true));
    world.record(&shared::record::Record::Event(support::event(
        20,
        shared::event::EventName::Session,
        december(4),
        Some(touch),
    )));
    minimum(&mut world);
    world.book(1, ANNA, BookingKind::FixedFee, 10_000, "2026-11-20T09:00:00Z");
    world.book(2, BEN, BookingKind::Bonus, 5_000, "2026-12-03T09:00:00Z");
    world.close_books(1, "2026-11-30", "2026-12-01T09:00:00Z");
    world.mark_paid(1, &[ANNA], "2026-12-02T09:00:00Z");
    world.close_books(2, "2026-12-15", "2026-12-16T09:00:00Z");
    world.mark_paid(2, &[BEN], "2026-12-17T09:00:00Z");
    world.book(3, BEN, BookingKind::Correction, -900, "2026-12-20T09:00:00Z");
    world.book(4, ANNA, BookingKind::Bonus, 1_234, "2027-01-05T09:00:00Z");
    world.order(later(&paid("2020", december(27), &[]), december(27), |fact| {
        fact.coupons = vec!["BEN15".into()];
    }));
    let (created_at, target) = (at("2026-12-21T00:00:00Z"), HoldTarget::Link(ANNAS_LINK));
    world.change(
        created_at,
        Entity::Hold(Hold {
            id: HoldId::from_bits(7),
            target,
            reason: "looks odd".into(),
            since: None,
            created_at,
            released_at: None,
            release_reason: None,
            updated_at: created_at,
        }),
    );
    world
}

/// Somebody who has only a little of a campaign with a minimum payout.
fn minimum(world: &mut World) {
    let pays = shared::commission::Pays::PerSale("5.00".parse().unwrap());
    let Entity::Campaign(mut fixed) = support::campaign(FIXED, pays) else { unreachable!() };
    (fixed.minimum_payout, fixed.hold_days) = ("50".parse().ok(), 1);
    fixed.updated_at = at("2026-01-02T00:00:00Z");
    world.change(fixed.updated_at, Entity::Campaign(fixed));
    let (cleo, link) = support::somebody_else(world);
    let click = shared::record::Click { link, ..support::click(30, noon()) };
    let touch = click.visit().unwrap().touch;
    world.record(&shared::record::Record::Click(click));
    world.order(paid("3001", noon(), &[touch]));
    assert_ne!(cleo, BEN);
}

fn rows_of(text: &str, table: &str) -> Value {
    serde_json::from_str::<Value>(text).unwrap()[table].clone()
}

#[test]
fn every_figure_of_the_glossary_is_a_query_that_gives_what_the_reports_say() {
    let Some(python) = python("glossary") else { return };
    let world = quarter();
    let dataset = world.dataset();
    let (as_of, period) = (
        AS_OF.parse().unwrap(),
        Period::days(DAYS.0.parse().unwrap(), DAYS.1.parse().unwrap()).unwrap(),
    );
    let options =
        ExportOptions { out: world.path("out"), format: Format::Parquet, since: None, as_of };
    reporting::export(&dataset, &options, &|_| {}).unwrap();
    let on = OnDay::Day(day(AS_OF));
    let balances = Balances::of(&dataset, Whose::default(), on).unwrap().write(Form::Json);
    let of_shop = Whose { merchant: Some(SHOP), influencer: None };
    let account = AccountStatement::of(&dataset, of_shop, period, on).unwrap();
    let campaign = reporting::Statement::of(&dataset, AUTUMN, period, as_of).unwrap();
    let expected = json!({
        "as_of": AS_OF,
        "from": DAYS.0,
        "to": DAYS.1,
        "campaign": AUTUMN.to_string(),
        "balances": rows_of(&balances, "accounts"),
        "account_statement": rows_of(&account.write(Form::Json, true), "accounts"),
        "campaign_statement": rows_of(&campaign.write(Form::Json, false), "influencers"),
    });
    std::fs::write(world.path("expected.json"), expected.to_string()).unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/accounts/glossary.md");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/glossary.py");
    let output = Command::new(&python)
        .arg(script)
        .args([page, world.path("out"), world.path("expected.json")])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        support::stdout_of(&output),
        support::stderr_of(&output)
    );
    let said = support::stdout_of(&output);
    assert!(said.starts_with("26 figures, ") && said.ends_with(" cells, all the same\n"), "{said}");
}
