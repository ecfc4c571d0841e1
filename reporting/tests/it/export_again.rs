//! Exports after exports: cursors, folders that already hold an export, and journals that grow.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use reporting::{ExportOptions, Format, Manifest};
use shared::record::Record;
use shared::time::Span;

use crate::support::read;
use crate::support::{World, busy, click, files, noon, paid};

/// The tables that every export writes as a whole, as far as `busy` has rows for them.
const NOT_RECORDED: [&str; 7] =
    ["campaigns", "commissions", "conversions", "influencers", "links", "merchants", "moves"];

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
    assert_eq!(rows(&nothing).keys().copied().collect::<Vec<_>>(), NOT_RECORDED);
    go_on(&mut world);
    let second = world.export("two", Format::Ndjson, Some(&first.cursor));
    assert_eq!(
        rows(&second),
        BTreeMap::from([
            ("clicks", 2),
            ("order_facts", 1),
            ("conversions", 4),
            ("commissions", 4),
            ("moves", 4),
            ("merchants", 1),
            ("influencers", 2),
            ("campaigns", 2),
            ("links", 2)
        ])
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

/// Returns a table's rows, as a reader sees them that lists the table's files. One that a
/// later export has taken away is read again by such a reader, so there are no rows then.
fn rows_on_disk(world: &World, table: &str) -> Option<Vec<String>> {
    let days = std::fs::read_dir(world.path("out").join(table)).ok()?;
    let mut rows = Vec::new();
    for day in days {
        for part in std::fs::read_dir(day.ok()?.path()).ok()? {
            let path = part.ok()?.path();
            if path.extension().is_some_and(|extension| extension == "csv") {
                let text = std::fs::read_to_string(path).ok()?;
                rows.extend(text.lines().skip(1).map(str::to_owned));
            }
        }
    }
    Some(rows)
}

fn is_in_no_file_twice(world: &World, table: &str) -> bool {
    rows_on_disk(world, table)
        .is_none_or(|rows| rows.iter().collect::<BTreeSet<_>>().len() == rows.len())
}

#[test]
fn a_reader_finds_no_row_twice_while_an_export_works_or_after_it_was_killed() {
    const TABLES: [&str; 3] = ["clicks", "conversions", "commissions"];
    let mut world = busy();
    let mut cursor = world.export("out", Format::Csv, None).cursor;
    for round in 0..6 {
        go_on(&mut world);
        let since = (round % 2 == 0).then(|| cursor.parse().unwrap());
        let options = ExportOptions {
            out: world.path("out"),
            format: Format::Csv,
            since,
            as_of: "2026-11-20".parse().unwrap(),
        };
        let dataset = world.dataset();
        let before = TABLES.map(|table| rows_on_disk(&world, table));
        for killed_after in 0.. {
            let mut written = std::cell::Cell::new(0);
            let progress = |_: &str| {
                assert!(written.get() < killed_after, "killed");
                written.set(written.get() + 1);
                assert_eq!(TABLES.map(|table| rows_on_disk(&world, table)), before);
            };
            let run = || reporting::export(&dataset, &options, &progress).unwrap();
            let ended = catch_unwind(AssertUnwindSafe(run));
            let Ok(manifest) = ended else {
                assert_eq!(*written.get_mut(), killed_after);
                continue;
            };
            assert!(killed_after > 5, "it was killed at every file");
            let listed: BTreeSet<_> = manifest.files.iter().map(|file| file.path.clone()).collect();
            let found: BTreeSet<_> = files(&world.path("out")).into_keys().collect();
            assert_eq!(found, listed.into_iter().chain(["manifest.json".to_owned()]).collect());
            cursor = manifest.cursor;
            break;
        }
    }
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                assert!(TABLES.iter().all(|table| is_in_no_file_twice(&world, table)));
            }
        });
        for _ in 0..20 {
            world.export("out", Format::Csv, None);
        }
        is_done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
}

#[test]
fn a_table_that_was_moved_away_and_not_replaced_is_taken_back() {
    let world = busy();
    let first = world.export("out", Format::Csv, None);
    std::fs::create_dir(world.path("out/.next")).unwrap();
    std::fs::rename(world.path("out/clicks"), world.path("out/.next/clicks.before")).unwrap();
    assert_eq!(world.export("out", Format::Csv, Some(&first.cursor)), first);
    let gone = &first.files.iter().find(|file| file.table == "clicks").unwrap().path;
    std::fs::remove_file(world.path("out").join(gone)).unwrap();
    let error = world.try_export("out", Format::Csv, Some(&first.cursor)).unwrap_err().to_string();
    let is_named = error.contains("has lost") && error.contains(gone.as_str());
    assert!(is_named && error.contains("empty folder"), "{error}");
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
