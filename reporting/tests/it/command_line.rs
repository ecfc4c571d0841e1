//! The binary `afterclick-report`: its output and its exit status.

use std::path::PathBuf;

use shared::id::{FactId, MerchantId};
use shared::order::{OrderFact, Source};
use shared::platform::Platform;
use shared::record::{Record, Unparsed};

use crate::support::{AUTUMN, SHOP, World, busy, merchant, noon, status_of, stderr_of, stdout_of};

/// Runs the binary and checks its status; returns what it printed on both sides.
#[track_caller]
fn check(world: &World, arguments: &[&str], status: i32) -> (String, String) {
    let output = world.run(arguments);
    assert_eq!(status_of(&output), status, "{arguments:?}: {}", stderr_of(&output));
    (stdout_of(&output), stderr_of(&output))
}

#[test]
fn an_export_says_what_it_wrote_and_where_it_ended() {
    let world = busy();
    let (stdout, stderr) = check(
        &world,
        &["export", "--journal", "data/journal", "--out", "out", "--format", "csv"],
        0,
    );
    assert!(stdout.contains("\nclicks: 4 rows in 3 files\n"), "{stdout}");
    assert_eq!(stderr, "");
    let cursor = stdout.lines().last().and_then(|line| line.strip_prefix("cursor: ")).unwrap();
    let again = ["export", "--data", "data", "--out", "next", "--format", "csv", "--since", cursor];
    let (stdout, _) = check(&world, &again, 0);
    assert!(stdout.contains("\ncommissions: ") && !stdout.contains("clicks: "), "{stdout}");
}

#[test]
fn a_statement_is_printed_as_asked() {
    let world = busy();
    let campaign = AUTUMN.to_string();
    let arguments = [
        "statement",
        "--data",
        "data",
        "--campaign",
        &campaign,
        "--period",
        "2026-11",
        "--as-of",
        "2026-11-30",
    ];
    let (table, _) = check(&world, &arguments, 0);
    assert!(table.starts_with("influencer_id      influencer  clicks_billable"), "{table}");
    let (csv, _) = check(&world, &[&arguments[..], &["--format", "csv", "--lines"]].concat(), 0);
    assert!(
        csv.contains("\ninf_0000000000003,Anna,2,1,1,0,64.95,9.74,0.00,-9.75,0.00,EUR,0,0.00\n"),
        "{csv}"
    );
    assert!(csv.contains("\n\ncommission_id,influencer_id,"), "{csv}");
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    let world = busy();
    let campaign = AUTUMN.to_string();
    for (arguments, why) in [
        (&["export", "--out", "out"][..], "--data"),
        (&["export", "--data", "data"], "--out"),
        (&["export", "--data", "data", "--out", "s3://bucket/x"], "only folders can be written to"),
        (
            &["export", "--data", "data", "--out", "out", "--format", "xlsx"],
            "parquet, csv or ndjson",
        ),
        (&["export", "--data", "data", "--out", "out", "--since", "yesterday"], "manifest.json"),
        (&["export", "--data", "data", "--out", "out", "--as-of", "30.11.2026"], "a day such as"),
        (
            &["statement", "--data", "data", "--campaign", &campaign, "--period", "11/2026"],
            "a month such as",
        ),
        (
            &["statement", "--data", "data", "--campaign", "autumn", "--period", "2026-11"],
            "cmp_ and 13",
        ),
        (&["payments"], "unrecognized subcommand"),
        (&[], "Usage"),
    ] {
        let (stdout, stderr) = check(&world, arguments, 2);
        assert!(stdout.is_empty() && stderr.contains(why), "{arguments:?}: {stderr}");
    }
    assert!(!world.path("out").exists());
    assert!(check(&world, &["--version"], 0).0.starts_with("afterclick-report "));
    assert!(check(&world, &["export", "--help"], 0).0.contains("--since"));
}

#[test]
fn an_audit_tells_the_journal_from_the_export() {
    let world = busy();
    check(&world, &["export", "--data", "data", "--out", "out"], 0);
    for arguments in [
        &["audit", "--journal", "data/journal", "out"][..],
        &["audit", "out", "--journal", "data/journal"],
        &["audit", "--journal=data/journal", "--journal", "data/journal", "out"],
        &["audit", "--data", "data", "out"],
    ] {
        let (stdout, _) = check(&world, arguments, 0);
        assert!(stdout.ends_with("all agree\n"), "{arguments:?}: {stdout}");
    }
}

#[test]
fn failures_end_with_1_and_say_what_to_do() {
    let world = busy();
    let (_, stderr) = check(&world, &["export", "--data", "elsewhere", "--out", "out"], 1);
    assert!(stderr.contains("no journal at elsewhere/journal"), "{stderr}");
    let unknown =
        ["statement", "--data", "data", "--campaign", "cmp_0000000000099", "--period", "2026-11"];
    assert!(check(&world, &unknown, 1).1.contains("/api/v1/campaigns"));
    std::fs::write(world.path("file"), "").unwrap();
    assert!(
        check(&world, &["export", "--data", "data", "--out", "file"], 1)
            .1
            .contains("cannot create file")
    );
}

#[test]
fn the_data_folder_may_come_from_the_environment_and_a_journal_beats_it() {
    let world = busy();
    let run = |data: &str, more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_afterclick-report"));
        command.current_dir(world.path("")).env("AFTERCLICK_DATA", data);
        command.args(["export", "--out", "out"]).args(more).output().unwrap()
    };
    assert_eq!(status_of(&run("data", &[])), 0);
    assert_eq!(status_of(&run("elsewhere", &[])), 1);
    assert_eq!(status_of(&run("elsewhere", &["--journal", "data/journal"])), 0);
}

#[test]
fn records_of_a_newer_release_are_refused_or_counted_and_left_out() {
    let mut world = busy();
    world.payload_in("main", &[9, 1, 0]);
    let arguments = ["export", "--data", "data", "--out", "out", "--format", "csv"];
    let (_, stderr) = check(&world, &arguments, 1);
    assert!(
        stderr.contains("1 records are not understood, the first is record 12 of stream main"),
        "{stderr}"
    );
    assert!(!world.path("out").exists(), "nothing was written");
    let (_, stderr) = check(&world, &[&arguments[..], &["--skip-unknown"]].concat(), 0);
    assert!(stderr.contains("1 records are not understood and were left out"), "{stderr}");
}

#[test]
fn webhooks_that_could_not_be_understood_are_mentioned() {
    let mut world = busy();
    world.record(&Record::Unparsed(Unparsed {
        merchant: SHOP,
        platform: Platform::Shopify,
        received_at: noon(),
        topic: None,
        reason: "no id".into(),
        body: "e30".into(),
    }));
    let (_, stderr) = check(&world, &["export", "--data", "data", "--out", "out"], 0);
    assert!(stderr.contains("1 webhooks or postbacks could not be understood"), "{stderr}");
}

#[test]
fn a_statement_mentions_what_its_own_merchants_shop_sent_and_nobody_has_read() {
    let mut world = busy();
    let kept = |merchant: MerchantId, body: &str| Unparsed {
        merchant,
        platform: Platform::Shopify,
        received_at: noon(),
        topic: None,
        reason: "no id".into(),
        body: body.into(),
    };
    let other = MerchantId::from_bits(99);
    let read = kept(SHOP, "read");
    let name = (Platform::Shopify, "77".to_owned());
    let id = FactId::of_content(&[b"read again"]);
    let blank = OrderFact::blank(id, SHOP, name, Source::Webhook, noon());
    let fact = OrderFact { reread: Some(read.id()), ..blank };
    for record in [kept(other, "a"), kept(other, "b"), kept(SHOP, "a"), read] {
        world.record(&Record::Unparsed(record));
    }
    world.record(&Record::Order(Box::new(fact)));
    let campaign = AUTUMN.to_string();
    let arguments = ["statement", "--data", "data", "--campaign", &campaign, "--period", "2026-11"];
    let (_, stderr) = check(&world, &arguments, 0);
    let expected = format!("1 webhooks or postbacks of {SHOP} could not be understood");
    assert!(stderr.contains(&expected), "{stderr}");
    let (_, stderr) = check(&world, &["export", "--data", "data", "--out", "out"], 0);
    assert!(stderr.contains("3 webhooks or postbacks could not be understood"), "{stderr}");
}

#[test]
fn a_damaged_journal_is_refused_with_path_and_offset() {
    let world = busy();
    let segment = world.segment("main");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let (_, stderr) = check(&world, &["export", "--data", "data", "--out", "out"], 1);
    assert!(stderr.contains("00000000000000000001.seg is damaged at byte "), "{stderr}");
}

#[test]
fn records_that_a_repair_gave_up_are_left_out_and_named() {
    let mut world = busy();
    world.close();
    let segment = world.segment("main");
    let mut bytes = std::fs::read(&segment).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let arguments = ["export", "--data", "data", "--out", "out", "--format", "csv"];
    check(&world, &arguments, 1);
    let how = journal::Repairing::GiveUp { now_ms: 1 };
    let losses = journal::repair(&world.journal_dir(), how, &|_| true).unwrap();
    let [loss] = &losses[..] else { panic!("{losses:?}") };
    let (_, stderr) = check(&world, &arguments, 0);
    let named = format!("records {0} to {0} of stream main are lost", loss.first_seq);
    assert!(stderr.contains(&named), "{stderr}");
    let (stdout, _) = check(&world, &["audit", "out", "--data", "data"], 0);
    assert!(stdout.contains("all agree"), "{stdout}");
    // Later records follow behind the gap, and an audit of the earlier export still agrees.
    world.click(61, noon());
    check(&world, &["export", "--data", "data", "--out", "later", "--format", "csv"], 0);
    let (stdout, _) = check(&world, &["audit", "out", "--data", "data"], 0);
    assert!(stdout.contains("all agree"), "{stdout}");
}

#[test]
fn a_stream_that_is_gone_or_shorter_than_it_was_is_refused() {
    let mut world = busy();
    world.close();
    let segment = world.segment("main");
    let length = segment.metadata().unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(&segment).unwrap();
    let arguments = ["export", "--data", "data", "--out", "out"];
    file.set_len(length - 1).unwrap();
    let (_, stderr) = check(&world, &arguments, 1);
    assert!(stderr.contains("ends before a record that was known to be on disk"), "{stderr}");
    std::fs::remove_dir_all(segment.parent().unwrap()).unwrap();
    let (_, stderr) = check(&world, &arguments, 1);
    assert!(stderr.contains("journal/main"), "{stderr}");
}

#[test]
fn two_journals_are_one_input_unless_they_share_a_stream() {
    let (one, two) = (busy(), World::empty());
    let dirs =
        [one.journal_dir(), two.journal_dir()].map(|dir: PathBuf| dir.to_str().unwrap().to_owned());
    let export = |first: &str, second: &str, out: &str, status| {
        check(&one, &["export", "--journal", first, "--journal", second, "--out", out], status)
    };
    std::fs::create_dir_all(two.journal_dir()).unwrap();
    export(&dirs[0], &dirs[1], "a", 0);
    export(&dirs[0], &dirs[0], "b", 0);
    let mut two = two;
    let record = Record::Click(crate::support::click(77, noon()));
    two.record_in("node-2", &record);
    let (stdout, _) = export(&dirs[0], &dirs[1], "c", 0);
    assert_eq!(
        stdout,
        export(&dirs[1], &dirs[0], "d", 0).0,
        "the order of the journals does not matter"
    );
    assert!(stdout.contains("\nclicks: 5 rows"), "{stdout}");
    let together = ["export", "--journal", &dirs[0], "--journal", &dirs[1], "--out", "f"];
    assert_eq!(stdout, check(&one, &together, 0).0, "nor does it matter how they are given");
    two.record_in("main", &record);
    let (_, stderr) = export(&dirs[0], &dirs[1], "e", 1);
    assert!(stderr.contains("different segments of the same stream main"), "{stderr}");
}

#[test]
fn an_invalid_time_zone_is_named() {
    let mut world = busy();
    let lost = merchant(|merchant| {
        (merchant.timezone, merchant.updated_at) = ("Mars/Olympus".into(), noon());
    });
    world.record(&Record::Catalog(shared::catalog::Change {
        at: noon(),
        entities: vec![lost],
        request: None,
        by: None,
    }));
    let (_, stderr) = check(&world, &["export", "--data", "data", "--out", "out"], 1);
    assert!(stderr.contains("merchant mer_00000001: timezone `Mars/Olympus`"), "{stderr}");
}
