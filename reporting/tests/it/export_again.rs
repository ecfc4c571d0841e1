//! Exports after exports: cursors, folders that already hold an export, and journals that grow.

use std::collections::BTreeMap;

use reporting::{Format, Manifest};
use shared::record::Record;
use shared::time::Span;

use crate::support::read;
use crate::support::{World, busy, click, files, noon, paid};

fn rows(manifest: &Manifest) -> BTreeMap<&str, u64> {
    let mut rows = BTreeMap::new();
    for file in &manifest.files {
        *rows.entry(file.table.as_str()).or_default() += file.rows;
    }
    rows
}

/// One more click and one more order.
fn go_on(world: &mut World) {
    let touch = world.click(50, noon());
    world.order(paid("2001", noon().plus(Span::minutes(5)), &[touch]));
    world.record_in("core-2", &Record::Click(click(51, noon())));
}

#[test]
fn a_cursor_leaves_out_what_was_exported_and_nothing_else() {
    let mut world = busy();
    let first = world.export("one", Format::Ndjson, None);
    let nothing = world.export("none", Format::Ndjson, Some(&first.cursor));
    assert_eq!(rows(&nothing).keys().copied().collect::<Vec<_>>(), ["commissions", "conversions"]);
    go_on(&mut world);
    let second = world.export("two", Format::Ndjson, Some(&first.cursor));
    assert_eq!(
        rows(&second),
        BTreeMap::from([("clicks", 2), ("order_facts", 1), ("conversions", 4), ("commissions", 4)])
    );
    let clicks = &read::export(&world.path("two"), &second)["clicks"];
    assert_eq!(clicks.known("node"), ["core-2", "main"]);
}

#[test]
fn going_on_in_the_same_folder_ends_where_one_export_would() {
    let mut world = busy();
    let first = world.export("grown", Format::Parquet, None);
    go_on(&mut world);
    let grown = world.export("grown", Format::Parquet, Some(&first.cursor));
    let whole = world.export("whole", Format::Parquet, None);
    assert_eq!(grown.cursor, whole.cursor);
    assert_eq!(rows(&grown), rows(&whole));
    let sorted = |out: &str, manifest: &Manifest| {
        let mut tables = read::export(&world.path(out), manifest);
        tables.values_mut().for_each(|table| table.rows.sort());
        tables
    };
    assert_eq!(sorted("grown", &grown), sorted("whole", &whole));
    let again = world.export("grown", Format::Parquet, Some(&first.cursor));
    assert_eq!(again, grown, "a repeated run changes nothing");
}

#[test]
fn a_whole_export_replaces_an_earlier_one_and_leaves_other_files_alone() {
    let mut world = busy();
    world.export("out", Format::Csv, None);
    let note = world.path("out/clicks/date=2026-11-10/notes.txt");
    std::fs::write(&note, "mine").unwrap();
    let leftover = world.path("out/clicks/date=2026-11-10/part-main-1-1.csv.tmp");
    std::fs::write(&leftover, "half").unwrap();
    go_on(&mut world);
    let manifest = world.export("out", Format::Csv, None);
    let mut found: Vec<_> = files(&world.path("out")).into_keys().collect();
    found.retain(|name| name != "manifest.json");
    let mut listed: Vec<_> = manifest.files.iter().map(|file| file.path.clone()).collect();
    listed.push("clicks/date=2026-11-10/notes.txt".to_owned());
    listed.sort();
    assert_eq!(found, listed);
    let other = world.export("out", Format::Ndjson, None);
    assert!(
        files(&world.path("out")).len() > listed.len() + other.files.len(),
        "another format is left alone"
    );
}

#[test]
fn a_cursor_that_does_not_continue_the_folder_is_refused() {
    let mut world = busy();
    let first = world.export("old", Format::Csv, None);
    go_on(&mut world);
    let second = world.export("new", Format::Csv, None);
    let refused = |out: &str, format, cursor: &str, why: &str| {
        let error = world.try_export(out, format, Some(cursor)).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("empty folder"), "{error}");
    };
    refused("old", Format::Csv, &second.cursor, "ends before --since");
    refused("old", Format::Ndjson, &first.cursor, "in the format csv");
    refused("new", Format::Csv, &first.cursor, "reach over --since");
    std::fs::remove_file(world.path("old/manifest.json")).unwrap();
    refused("old", Format::Csv, &first.cursor, "no manifest.json");
}

#[test]
fn a_cursor_of_another_journal_is_refused() {
    let long = busy().export("out", Format::Csv, None).cursor;
    let error = World::new().try_export("out", Format::Csv, Some(&long)).unwrap_err();
    assert!(error.to_string().contains("export without --since"), "{error}");
}

#[test]
fn a_torn_tail_ends_the_export_and_is_exported_once_it_is_whole() {
    let mut world = busy();
    let whole = world.export("whole", Format::Csv, None);
    let segment = world.segment("main");
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &bytes[..bytes.len() - 3]).unwrap();
    let torn = world.export("torn", Format::Csv, None);
    assert_eq!(rows(&torn)["order_facts"], rows(&whole)["order_facts"] - 1);
    std::fs::write(&segment, &bytes).unwrap();
    let rest = world.export("rest", Format::Csv, Some(&torn.cursor));
    assert_eq!((rows(&rest)["order_facts"], &rest.cursor), (1, &whole.cursor));
    world.click(60, noon());
}

#[test]
fn two_exports_into_one_folder_are_kept_apart() {
    let world = busy();
    world.export("out", Format::Csv, None);
    let held = std::fs::File::open(world.path("out")).unwrap();
    held.lock().unwrap();
    let error = world.try_export("out", Format::Csv, None).unwrap_err();
    assert!(error.to_string().contains("another export is writing"), "{error}");
}
