//! Models, codes and the audit: reports that pay nobody.

use reporting::{Codes, Dataset, ExportFolder, Finding, Format, Models, Rendering, UnknownRecords};
use shared::class::Class;
use shared::id::ClickId;
use shared::order::Touch;
use shared::record::{Click, Record};
use shared::time::Span;

use crate::support::{
    ANNAS_LINK, AUTUMN, World, busy, cancelled, click, files, noon, paid, refunded, status_of,
    stderr_of, stdout_of,
};

/// The cells of a report's rows.
fn rows(csv: &str) -> Vec<Vec<String>> {
    csv.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// A link of Ben's in the autumn campaign, and a click on it that another click led to.
fn bens_click(world: &mut World, number: u8, days: i64, previous: Option<ClickId>) -> Touch {
    let bens = world.bens_autumn_link();
    let click = Click { link: bens, previous, ..click(number, noon().plus(Span::days(days))) };
    world.record(&Record::Click(click.clone()));
    click.visit().unwrap().touch
}

fn annas_click(world: &mut World, number: u8, days: i64, previous: Option<ClickId>) -> Touch {
    let click =
        Click { link: ANNAS_LINK, previous, ..click(number, noon().plus(Span::days(days))) };
    assert_eq!(click.class, Class::Billable);
    world.record(&Record::Click(click.clone()));
    click.visit().unwrap().touch
}

#[test]
fn models_share_every_order_to_the_cent() {
    let mut world = World::new();
    // Clicks of Anna, Ben and Anna: ten days before the order, three days before it, and on its
    // day.
    let first = annas_click(&mut world, 1, 0, None);
    let second = bens_click(&mut world, 2, 7, Some(first.click));
    let third = annas_click(&mut world, 3, 10, Some(second.click));
    let placed_at = noon().plus(Span::days(10)).plus(Span::minutes(5));
    let order = paid("1001", placed_at, &[third]);
    world.order(order.clone());
    // One by Ben's code alone, one of Anna's that is cancelled.
    let mut by_code = paid("1002", placed_at, &[]);
    by_code.coupons = vec!["ben15".into()];
    world.order(by_code);
    let void = paid("1003", placed_at, &[third]);
    world.order(void.clone());
    world.order(cancelled(&void, placed_at.plus(Span::minutes(9))));

    let models = Models::of(&world.dataset(), AUTUMN, "2026-11".parse().unwrap()).unwrap();
    let csv = models.render(Rendering::Csv);
    assert!(csv.starts_with(
        "influencer_id,influencer,orders,paid,last_click,first_click,linear,position,time_decay,currency\n"
    ));
    let rows = rows(&csv);
    // 129.90 in thirds is 43.30; by position 40, 20 and 40 %; by weeks before the order ½, 1 and 1
    // of 2½.
    assert_eq!(
        rows[0][1..],
        ["Anna", "1", "129.90", "129.90", "129.90", "86.60", "103.92", "77.94", "EUR"]
    );
    assert_eq!(
        rows[1][1..],
        ["Ben", "2", "129.90", "129.90", "129.90", "173.20", "155.88", "181.86", "EUR"]
    );

    // 64.95 does not divide by three without a remainder, and no cent may be lost.
    world.order(refunded(&order, placed_at.plus(Span::minutes(20)), 6995));
    let models = Models::of(&world.dataset(), AUTUMN, "2026-11".parse().unwrap()).unwrap();
    let cents = |text: &str| text.replace('.', "").parse::<i64>().unwrap();
    let rows = self::rows(&models.render(Rendering::Csv));
    for column in 3..9 {
        let sum: i64 = rows.iter().map(|row| cents(&row[column])).sum();
        assert_eq!(sum, 6495 + 12990, "column {column} of {rows:?}");
    }
}

#[test]
fn a_code_used_without_its_owners_clicks_stands_out() {
    let mut world = World::new();
    let annas = annas_click(&mut world, 1, 0, None);
    let bens = bens_click(&mut world, 2, 0, None);
    for number in 0..10u8 {
        let touches = match number {
            0..=2 => vec![bens],
            3 => vec![annas],
            _ => vec![],
        };
        let mut order = paid(&format!("20{number}"), noon().plus(Span::days(1)), &touches);
        (order.coupons, order.new_customer) = (vec!["BEN15".into()], Some(number % 2 == 0));
        world.order(order);
    }
    let csv = |world: &World| {
        Codes::of(&world.dataset(), AUTUMN, "2026-11".parse().unwrap())
            .unwrap()
            .render(Rendering::Csv)
    };
    assert_eq!(
        rows(&csv(&world))[0][1..],
        ["BEN15", "inf_0000000000004", "Ben", "10", "7", "1", "5", "70", "1299.00", "EUR"]
    );
    let mut void = paid("209", noon().plus(Span::days(1)), &[]);
    void.coupons = vec!["BEN15".into()];
    world.order(cancelled(&void, noon().plus(Span::days(2))));
    assert_eq!(
        rows(&csv(&world))[0][4..9],
        ["9", "6", "1", "4", ""],
        "too few orders to say anything"
    );
}

fn audited(world: &World, out: &str) -> reporting::Audit {
    let exported = ExportFolder::open(&world.path(out)).unwrap();
    let dataset: Dataset = reporting::read(
        &[world.journal_dir()],
        Some(&exported.cursor),
        UnknownRecords::Refuse,
        &|_| {},
    )
    .unwrap();
    exported.check_reach(&dataset.ends).unwrap();
    exported.audit(&dataset, &|_| {}).unwrap()
}

#[test]
fn an_export_is_computed_again_to_the_byte_even_after_the_journals_grew() {
    for format in Format::ALL {
        let mut world = busy();
        let first = world.export("out", format, None);
        let touch = world.click(50, noon());
        world.order(paid("2001", noon().plus(Span::minutes(5)), &[touch]));
        let audit = audited(&world, "out");
        assert_eq!((audit.findings, audit.files), (vec![], first.files.len() as u64), "{format}");
        // The same for a folder that a second export continued.
        let grown = world.export("out", format, Some(&first.cursor));
        world.click(51, noon());
        let audit = audited(&world, "out");
        assert_eq!((audit.findings, audit.files), (vec![], grown.files.len() as u64), "{format}");
        assert_eq!(audit.rows["order_facts"], 6, "{format}");
    }
}

#[test]
fn an_audit_finds_what_was_changed_taken_away_or_forged() {
    let world = busy();
    let manifest = world.export("out", Format::Csv, None);
    let file =
        |table: &str| manifest.files.iter().find(|file| file.table == table).unwrap().path.clone();
    let (altered, missing, forged) = (file("clicks"), file("sessions"), file("commissions"));
    let path = |below: &str| world.path("out").join(below);
    std::fs::write(path(&altered), "click_id\n").unwrap();
    std::fs::remove_file(path(&missing)).unwrap();
    // A forger who knows the manifest too: another amount, and the hash of the new bytes.
    let text = std::fs::read_to_string(path(&forged)).unwrap();
    let lie = text.replacen("1949", "9949", 1);
    assert_ne!(text, lie);
    std::fs::write(path(&forged), &lie).unwrap();
    let manifest_path = path("manifest.json");
    let json = std::fs::read_to_string(&manifest_path).unwrap();
    let (old, new) =
        (blake3::hash(text.as_bytes()).to_hex(), blake3::hash(lie.as_bytes()).to_hex());
    let entry = manifest.files.iter().find(|file| file.path == forged).unwrap();
    let honest = entry.sums["amount_minor"]["EUR"];
    let json = json.replace(old.as_str(), new.as_str());
    std::fs::write(&manifest_path, json.replace(&format!("\"EUR\": {honest}"), "\"EUR\": 8000"))
        .unwrap();
    let findings = audited(&world, "out").findings;
    let found = |path: &str| {
        findings.iter().filter(|finding| finding.to_string().starts_with(path)).count()
    };
    assert_eq!((found(&altered), found(&missing), found(&forged)), (1, 1, 1), "{findings:?}");
    assert!(
        findings.iter().any(|finding| matches!(finding, Finding::Differs { path, sums, .. }
            if *path == forged && sums == &[("amount_minor".to_owned(), "EUR".to_owned(), 8000, honest)])),
        "{findings:?}"
    );
}

#[test]
fn an_audit_finds_rows_that_the_export_left_out() {
    let world = busy();
    world.export("out", Format::Ndjson, None);
    let manifest_path = world.path("out/manifest.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&manifest_path).unwrap()).unwrap();
    let listed = manifest["files"].as_array_mut().unwrap();
    let before = listed.len();
    listed.retain(|file| file["table"] != "order_facts" || file["date"] != "2026-11-12");
    assert_eq!(listed.len(), before - 1);
    std::fs::write(&manifest_path, manifest.to_string()).unwrap();
    let findings = audited(&world, "out").findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(matches!(&findings[0], Finding::Absent { rows: 2, .. }), "{findings:?}");
}

#[test]
fn the_commands_print_and_end_with_the_right_status() {
    let world = busy();
    let campaign = AUTUMN.to_string();
    for (report, header) in [("models", "influencer_id"), ("codes", "coupon_id")] {
        let output =
            world.run(&[report, "--data", "data", "--campaign", &campaign, "--period", "2026-11"]);
        assert_eq!(status_of(&output), 0, "{}", stderr_of(&output));
        assert!(stdout_of(&output).starts_with(header), "{}", stdout_of(&output));
    }
    assert_eq!(status_of(&world.run(&["audit", "nowhere", "--data", "data"])), 1);
    world.export("out", Format::Csv, None);
    let output = world.run(&["audit", "out", "--data", "data"]);
    assert_eq!(status_of(&output), 0, "{}", stderr_of(&output));
    assert!(stdout_of(&output).contains("all agree"), "{}", stdout_of(&output));
    let part =
        files(&world.path("out")).into_keys().find(|name| name.starts_with("clicks/")).unwrap();
    std::fs::write(world.path("out").join(&part), "").unwrap();
    let output = world.run(&["audit", "out", "--data", "data"]);
    assert_eq!(status_of(&output), 1);
    assert!(
        stderr_of(&output).contains("was changed after the export wrote it"),
        "{}",
        stderr_of(&output)
    );
    let empty = World::empty();
    std::fs::create_dir_all(empty.journal_dir()).unwrap();
    let journal = empty.journal_dir();
    let output = world.run(&["audit", "--journal", journal.to_str().unwrap(), "out"]);
    assert!(
        stderr_of(&output).contains("had read stream core-1 up to record 1"),
        "{}",
        stderr_of(&output)
    );
}
