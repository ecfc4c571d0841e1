//! What an export holds: tables, columns, formats, manifest.

use std::path::Path;

use parquet::basic::{LogicalType, TimeUnit, Type};
use parquet::file::reader::{FileReader, SerializedFileReader};
use reporting::Format;
use shared::agent::InApp;
use shared::consent::Consent;
use shared::event::EventName;
use shared::id::FactId;
use shared::lead::LeadStatus;
use shared::order::{CodeVisit, OrderFact, Source, Touch};
use shared::record::{Click, EventFact, Record};
use shared::time::Span;

use crate::support::read::{self, Table};
use crate::support::{
    BENS_COUPON, World, book_and_pay, busy, click, event, files, later, lead, noon, paid,
};

/// The columns that users were promised, in order.
const PROMISED_COLUMNS: [(&str, &str); 13] = [
    (
        "clicks",
        "click_id, clicked_at, merchant_id, campaign_id, influencer_id, link_id, slug, sub_id, class, \
         previous_click_id, country, device, in_app, referrer_host, node, seq",
    ),
    (
        "sessions",
        "event_id, click_id, started_at, merchant_id, campaign_id, influencer_id, link_id, pages, consent, \
         node, seq, coupon_id",
    ),
    (
        "order_facts",
        "fact_id, merchant_id, platform, order_id, source, kind, occurred_at, received_at, status, \
         goods_minor, tax_minor, shipping_minor, total_minor, currency, coupon, click_id, test, node, seq",
    ),
    (
        "conversions",
        "conversion_id, merchant_id, campaign_id, influencer_id, order_id, kind, method, model, click_id, \
         coupon, clicked_at, converted_at, status, label, goods_minor, currency, decision, held, consent, sub_id, \
         is_counted, order_number, link_id",
    ),
    (
        "commissions",
        "commission_id, conversion_id, merchant_id, campaign_id, influencer_id, order_id, booked_at, reason, \
         base_minor, rate, amount_minor, currency, status, payable_on, held, consent, sub_id, due_on, link_id, \
         is_reversal",
    ),
    (
        "leads",
        "conversion_id, lead_id, merchant_id, campaign_id, influencer_id, link_id, click_id, source, made_at, \
         status, status_at, order_id, label, amount_minor, currency, held",
    ),
    (
        "moves",
        "day, merchant_id, influencer_id, campaign_id, figure, amount_minor, currency, commission_id, \
         booking_id, payout_id",
    ),
    (
        "payouts",
        "payout_id, merchant_id, number, closed_on, made_at, influencer_id, amount_minor, currency, status, \
         paid_on, recorded_on, reference, checksum",
    ),
    (
        "bookings",
        "booking_id, merchant_id, campaign_id, influencer_id, kind, amount_minor, currency, note, author, \
         booked_on, created_at",
    ),
    ("merchants", "merchant_id, name, pays_in, timezone, created_at"),
    ("influencers", "influencer_id, name, created_at"),
    (
        "campaigns",
        "campaign_id, name, merchant_id, merchant, starts_at, ends_at, created_at, minimum_payout_minor, \
         target_goods_minor, target_orders",
    ),
    ("links", "link_id, slug, campaign_id, influencer_id, destination, created_at"),
];

#[test]
fn every_format_holds_the_same_rows_in_the_promised_columns() {
    let mut world = busy();
    let touch = click(1, noon()).visit().unwrap().touch;
    for (id, status, touches) in
        [("L1", LeadStatus::Open, &[touch][..]), ("L2", LeadStatus::Won, &[])]
    {
        let told = lead(id, status, noon().plus(Span::days(2)), touches);
        world.record(&Record::Lead(Box::new(told)));
    }
    book_and_pay(&mut world);
    let read = |format: Format| {
        let manifest = world.export(format.as_str(), format, None);
        read::export(&world.path(format.as_str()), &manifest)
    };
    let parquet = read(Format::Parquet);
    let conversions = parquet["conversions"].known("conversion_id");
    for id in parquet["commissions"].known("conversion_id") {
        assert!(conversions.contains(&id), "a commission names a conversion that is in the table");
    }
    assert_eq!(parquet.len(), PROMISED_COLUMNS.len());
    for (table, columns) in PROMISED_COLUMNS {
        assert_eq!(parquet[table].columns, columns.split(", ").collect::<Vec<_>>(), "{table}");
        assert!(!parquet[table].rows.is_empty(), "{table}");
    }
    assert_eq!(parquet, read(Format::Ndjson));
    let csv = read(Format::Csv);
    for (name, table) in parquet {
        assert_eq!(table.without_nulls(), csv[&name], "{name}");
    }
}

#[test]
fn the_method_says_who_named_the_click_first() {
    let mut world = World::new();
    let told = |id: &str, source: Source, minutes: i64, touch: Touch| {
        let order = paid(id, noon().plus(Span::minutes(minutes)), &[touch]);
        let fact = FactId::of_content(&[id.as_bytes(), source.as_str().as_bytes()]);
        OrderFact { id: fact, source, ..order }
    };
    let touches: Vec<Touch> = (1..=4).map(|number| world.click(number, noon())).collect();
    world.order(told("1001", Source::Postback, 1, touches[0]));
    world.order(told("1002", Source::Webhook, 2, touches[1]));
    world.order(told("1002", Source::Postback, 3, touches[1]));
    world.order(told("1003", Source::Postback, 4, touches[2]));
    world.order(told("1003", Source::Webhook, 5, touches[2]));
    let by_id = told("1004", Source::Postback, 6, touches[3]);
    world.order(OrderFact { touches: vec![], clicks: vec![touches[3].click], ..by_id });
    let told = lead("L1", LeadStatus::Open, noon().plus(Span::minutes(7)), &touches[..1]);
    world.record(&Record::Lead(Box::new(told)));
    let manifest = world.export("out", Format::Csv, None);
    let conversions = &read::export(&world.path("out"), &manifest)["conversions"];
    assert_eq!(conversions.known("order_id"), ["1001", "1002", "1003", "1004", ""]);
    let methods = conversions.known("method");
    assert_eq!(methods, ["postback", "click", "postback", "postback", "postback"]);
    assert_eq!(conversions.known("link_id"), ["lnk_0000000000005"; 5]);
}

#[test]
fn what_was_earned_without_consent_is_told_apart() {
    let mut world = World::new();
    for (number, consent) in [(1, Consent::Denied), (2, Consent::Unknown), (3, Consent::Denied)] {
        let click = Click { consent, ..click(number, noon()) };
        let touch = click.visit().unwrap().touch;
        world.record(&Record::Click(click));
        let placed_at = noon().plus(Span::minutes(i64::from(number)));
        world.order(paid(&format!("100{number}"), placed_at, &[touch]));
        if number == 3 {
            // The page asked, and the visitor of the third click said yes.
            let session = event(number, EventName::Session, placed_at, Some(touch));
            world.record(&Record::Event(session));
        }
    }
    let manifest = world.export("out", Format::Csv, None);
    let tables = read::export(&world.path("out"), &manifest);
    for table in ["conversions", "commissions"] {
        assert_eq!(tables[table].known("consent"), ["denied", "unknown", "granted"], "{table}");
    }
}

/// Columns of whole numbers beside amounts.
const COUNTS: [&str; 4] = ["seq", "pages", "number", "target_orders"];

#[test]
fn parquet_has_the_promised_types() {
    let world = busy();
    let manifest = world.export("out", Format::Parquet, None);
    for entry in &manifest.files {
        let reader = SerializedFileReader::new(
            std::fs::File::open(world.path("out").join(&entry.path)).unwrap(),
        )
        .unwrap();
        let file = reader.metadata().file_metadata();
        assert!(is_a_writer_with_a_version(file.created_by().unwrap()), "{:?}", file.created_by());
        for column in file.schema_descr().columns() {
            let logical = column.logical_type_ref();
            match column.name() {
                name if name.ends_with("_at") => {
                    let Some(LogicalType::Timestamp(time)) = logical else {
                        panic!("{name}: {logical:?}")
                    };
                    assert!(time.is_adjusted_to_u_t_c && time.unit == TimeUnit::MICROS, "{name}");
                }
                name if name.ends_with("_minor") || COUNTS.contains(&name) => {
                    assert_eq!((column.physical_type(), logical), (Type::INT64, None), "{name}");
                }
                "test" | "is_counted" | "is_reversal" => {
                    assert_eq!(column.physical_type(), Type::BOOLEAN);
                }
                name => assert_eq!(logical, Some(&LogicalType::String), "{name}"),
            }
        }
    }
}

/// Returns whether parquet-java reads a writer's name and version from a text: `<application>
/// version <x.y.z> (build <hash>)`. Without them it ignores the statistics of text columns.
fn is_a_writer_with_a_version(created_by: &str) -> bool {
    let read = || {
        let (application, rest) = created_by.split_once(" version ")?;
        let (version, build) = rest.strip_suffix(')')?.split_once(" (build ")?;
        let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
        Some(application == "afterclick" && numbers.len() == 3 && !build.is_empty())
    };
    read() == Some(true)
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let world = busy();
    for format in Format::ALL {
        let (one, two) = (format!("{format}-1"), format!("{format}-2"));
        world.export(&one, format, None);
        world.export(&two, format, None);
        assert_eq!(files(&world.path(&one)), files(&world.path(&two)));
    }
}

#[test]
fn the_manifest_names_every_file_with_its_hash_and_sums() {
    let world = busy();
    let manifest = world.export("out", Format::Csv, None);
    let mut found = files(&world.path("out"));
    let json: serde_json::Value =
        serde_json::from_slice(&found.remove("manifest.json").unwrap()).unwrap();
    assert_eq!(json["format"], "csv");
    assert_eq!(json["cursor"], manifest.cursor);
    let listed: Vec<_> = manifest.files.iter().map(|file| file.path.clone()).collect();
    assert_eq!(
        found.keys().cloned().collect::<Vec<_>>(),
        listed,
        "listed, sorted, and no temporary files"
    );
    for (path, bytes) in &found {
        let entry = manifest.files.iter().find(|file| file.path == *path).unwrap();
        assert_eq!(entry.blake3, blake3::hash(bytes).to_hex().to_string());
    }
    let commissions = manifest.files.iter().filter(|file| file.table == "commissions");
    let sum: i128 = commissions.map(|file| file.sums["amount_minor"]["EUR"]).sum();
    assert_eq!(sum, 974 + 1949, "15 % of half of 129.90 for Anna, of 129.90 for Ben");
}

#[test]
fn parts_lie_by_day_and_are_named_by_stream_and_sequence() {
    let world = busy();
    let manifest = world.export("out", Format::Ndjson, None);
    let clicks: Vec<_> = manifest
        .files
        .iter()
        .filter(|file| file.table == "clicks")
        .map(|f| f.path.as_str())
        .collect();
    assert_eq!(
        clicks,
        [
            "clicks/date=2026-11-10/part-core-1-1-1.ndjson",
            "clicks/date=2026-11-10/part-main-2-4.ndjson",
            "clicks/date=2026-11-11/part-main-3-3.ndjson",
        ]
    );
    assert!(
        manifest.files.iter().any(|f| f.path == "conversions/date=2026-11-12/part-all-1-1.ndjson")
    );
}

fn table(world: &World, name: &str) -> Table {
    let manifest = world.export("out", Format::Parquet, None);
    read::export(&world.path("out"), &manifest).remove(name).unwrap_or_default()
}

#[test]
fn a_click_shows_its_owners_and_null_where_they_are_unknown() {
    let clicks = table(&busy(), "clicks");
    assert_eq!(clicks.column("slug"), [None, Some("anna"), Some("anna"), Some("anna")]);
    assert_eq!(clicks.column("merchant_id")[..2], [None, Some("mer_00000001")]);
    assert_eq!(clicks.column("country"), [Some("DE"), Some("DE"), Some("DE"), None]);
    assert_eq!(clicks.column("in_app")[2], Some(""), "a browser of its own");
    assert_eq!(clicks.known("class"), ["billable", "billable", "bot", "billable"]);
    assert_eq!(clicks.column("previous_click_id")[3], clicks.column("click_id")[1]);
    assert_eq!(clicks.known("seq"), ["1", "2", "4", "3"]);
}

#[test]
fn a_session_is_counted_once_with_the_pages_up_to_the_next_one() {
    let mut world = World::new();
    let touch = world.click(1, noon());
    let minutes = |minutes| noon().plus(Span::minutes(minutes));
    let mut put = |number, name, minute, touch| {
        world.record(&Record::Event(event(number, name, minutes(minute), touch)));
    };
    put(1, EventName::Session, 1, Some(touch));
    put(1, EventName::Session, 1, Some(touch));
    put(2, EventName::Page, 2, Some(touch));
    put(2, EventName::Page, 2, Some(touch));
    put(3, EventName::Session, 60, Some(touch));
    put(4, EventName::Page, 59, Some(touch));
    put(5, EventName::Page, 60, Some(touch));
    put(6, EventName::Session, 5, None);
    put(7, EventName::Lead, 5, Some(touch));
    let sessions = table(&world, "sessions");
    assert_eq!(sessions.known("pages"), ["3", "2"]);
    assert_eq!(sessions.known("seq"), ["3", "7"]);
    assert_eq!(sessions.known("influencer_id"), ["inf_0000000000003", "inf_0000000000003"]);
}

#[test]
fn a_session_that_a_code_opened_shows_the_coupon_and_no_click() {
    let mut world = World::new();
    let touch = world.click(1, noon());
    let minutes = |minutes| noon().plus(Span::minutes(minutes));
    let mut put = |number, name, minute, touch, opened| {
        let code_visit = Some(CodeVisit { opened_at: minutes(opened), coupon: BENS_COUPON });
        let event = event(number, name, minutes(minute), touch);
        world.record(&Record::Event(EventFact { code_visit, ..event }));
    };
    put(1, EventName::Session, 10, None, 10);
    put(2, EventName::Session, 11, None, 10);
    put(3, EventName::Page, 12, None, 10);
    // The click came before the code; then after it.
    put(4, EventName::Page, 13, Some(touch), 10);
    put(5, EventName::Session, 14, Some(touch), -5);
    // A code alone brings no lead.
    put(6, EventName::Lead, 15, None, 10);
    put(7, EventName::Lead, 15, Some(touch), 10);
    let sessions = table(&world, "sessions");
    assert_eq!(sessions.column("click_id")[0], None);
    assert_eq!(sessions.column("link_id")[0], None);
    assert_eq!(sessions.known("pages"), ["3", "1"]);
    let coupon = BENS_COUPON.to_string();
    assert_eq!(sessions.column("coupon_id"), [Some(&*coupon), None]);
    assert_eq!(sessions.known("influencer_id"), ["inf_0000000000004", "inf_0000000000003"]);
    assert_eq!(table(&world, "clicks").known("class").len(), 1, "no click is invented");
    let of_click = table(&world, "leads").known("influencer_id").join(" ");
    assert_eq!(of_click, "inf_0000000000003");
}

#[test]
fn every_delivery_of_a_fact_is_shown_and_booked_once() {
    let world = busy();
    let facts = table(&world, "order_facts");
    assert_eq!(facts.known("order_id"), ["1002", "1001", "1001", "1001", "1003"]);
    let ids = facts.known("fact_id");
    assert!(ids[1] == ids[2] && ids[2] != ids[3], "the shop sent it twice, then a refund");
    assert_eq!(facts.known("coupon"), ["ben15,SALE, \"now\"", "", "", "", ""]);
    assert_eq!(facts.column("tax_minor")[..2], [None, Some("2074")]);
    assert_eq!(table(&world, "commissions").known("amount_minor"), ["1949", "1949", "-975"]);
}

#[test]
fn conversions_show_how_an_order_was_credited_and_include_late_ones() {
    let conversions = table(&busy(), "conversions");
    assert_eq!(conversions.known("order_id"), ["1002", "1001", "1003"]);
    assert_eq!(conversions.known("method"), ["coupon", "click", "none"]);
    assert_eq!(conversions.known("label"), ["", "", "outside_window"]);
    assert_eq!(conversions.column("coupon"), [Some("ben15"), None, None]);
    assert_eq!(conversions.known("goods_minor"), ["12990", "6495", "12990"]);
    let decision: serde_json::Value =
        serde_json::from_str(conversions.known("decision")[1]).unwrap();
    let verdicts: Vec<_> =
        decision["candidates"].as_array().unwrap().iter().map(|c| c["verdict"].clone()).collect();
    assert_eq!(verdicts, ["earlier_touch", "credited"], "the path before the click is shown");
}

#[test]
fn a_draft_and_a_test_are_labelled_and_earn_nothing() {
    let mut world = World::new();
    let touch = world.click(1, noon());
    world.order(later(&paid("draft", noon(), &[touch]), noon(), |f| {
        f.status = Some(shared::order::Status::Draft);
    }));
    world.order(later(&paid("test", noon(), &[touch]), noon(), |f| f.test = true));
    let conversions = table(&world, "conversions");
    assert_eq!(conversions.known("label"), ["draft", "test"]);
    assert_eq!(conversions.known("status"), ["claimed", "confirmed"]);
    assert_eq!(table(&world, "commissions"), Table::default());
}

#[test]
fn a_commission_waits_for_its_day_and_a_reversal_is_its_own_row() {
    let commissions = table(&busy(), "commissions");
    assert_eq!(commissions.known("status"), ["pending", "pending", "reversed"]);
    assert_eq!(commissions.known("payable_on"), ["2026-12-10", "2026-12-12", "2026-12-12"]);
    assert_eq!(commissions.known("reason"), ["accrued", "accrued", "refunded"]);
    assert_eq!(commissions.known("rate"), ["15", "15", "15"]);
    assert_eq!(commissions.known("base_minor"), ["12990", "12990", "6495"]);
}

#[test]
fn texts_from_outside_run_no_formula_and_numbers_stay_numbers() {
    let mut world = World::new();
    // An id of ours that begins with a minus sign: it joins, so it stays as it is.
    let minus = Click { sub_id: Some("-1"), referrer_host: "=evil.example", ..click(0xfb, noon()) };
    world.record(&Record::Click(Click { in_app: InApp::None, ..minus.clone() }));
    let mut order = paid("=HYPERLINK(\"x\")", noon(), &[minus.visit().unwrap().touch]);
    order.goods_minor = Some(-100);
    world.order(order);
    let manifest = world.export("out", Format::Csv, None);
    let tables = read::export(&world.path("out"), &manifest);
    assert_eq!(tables["clicks"].known("sub_id"), ["'-1"]);
    assert_eq!(tables["clicks"].known("referrer_host"), ["'=evil.example"]);
    assert!(tables["clicks"].known("click_id")[0].starts_with("-_v7"));
    assert_eq!(tables["order_facts"].known("order_id"), ["'=HYPERLINK(\"x\")"]);
    assert_eq!(tables["order_facts"].known("goods_minor"), ["-100"]);
    let clicks = manifest.files.iter().find(|file| file.table == "clicks").unwrap();
    let raw = std::fs::read_to_string(world.path("out").join(&clicks.path)).unwrap();
    assert!(
        raw.ends_with("\r\n") && raw.starts_with("click_id,clicked_at,"),
        "RFC 4180 with a header"
    );
}

#[test]
fn a_journal_without_facts_gives_an_export_of_names_with_a_cursor() {
    let world = World::new();
    let manifest = world.export("out", Format::Parquet, None);
    let tables: Vec<_> = manifest.files.iter().map(|file| file.table.as_str()).collect();
    assert_eq!(tables, ["campaigns", "influencers", "links", "merchants"]);
    let [campaigns, influencers, links, merchants] =
        ["campaigns", "influencers", "links", "merchants"].map(|name| table(&world, name));
    assert_eq!(merchants.known("timezone"), ["Europe/Berlin"]);
    assert_eq!(influencers.known("name"), ["Anna", "Ben"]);
    assert_eq!(campaigns.known("merchant"), ["Shop", "Shop"]);
    assert_eq!(links.known("slug"), ["anna", "ben"]);
    assert!(Path::new(&world.path("out/manifest.json")).exists());
}
