//! Tests of what every store must do. They run for each store: embedded, one Redis server, a
//! cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use harness::RedisCluster;
use journal::StreamName;
use proptest::prelude::*;
use shared::agent::{Device, InApp};
use shared::catalog::Catalog;
use shared::class::Class;
use shared::consent::Consent;
use shared::event::EventName;
use shared::id::{CampaignId, ClickId, EventId, FactId, InfluencerId, LinkId, MerchantId, ProofId};
use shared::lead::{LeadFact, LeadStatus};
use shared::order::{
    Alias, AliasKind, BROWSER_FACTS_MAX, OrderFact, OrderKey, Source, Status, by_order, distinct,
    fold_name,
};
use shared::platform::Platform;
use shared::record::{Click, EventFact, Record, Unparsed};
use shared::time::{Span, Timestamp};

use crate::listed::Scope;
use crate::lists::{ListQuestion, page};
use crate::model::{CountQuestion, CounterKey, Entry, Metric, Position, name_key};
use crate::orders::{NamedEntries, find_order};
use crate::projection::Projection;
use crate::state::{HotState, is_lost};
use crate::url::StateUrl;

const MERCHANT: MerchantId = MerchantId::from_bits(1);
const KEYS: &str = r#"{"keys":[{"id":1,"state":"active",
    "secret":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}]}"#;
const LINK: LinkId = LinkId::from_bits(5);

/// The real time: Redis decides by it when a key expires.
fn now() -> Timestamp {
    static NOW: std::sync::LazyLock<Timestamp> = std::sync::LazyLock::new(live::clock::now);
    *NOW
}

/// Opens the state of another node with the same keys.
fn on_redis(url: &str) -> (tempfile::TempDir, HotState) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("keys.json"), KEYS).unwrap();
    let state = HotState::open(&StateUrl::Redis(url.to_owned()), folder.path()).unwrap();
    (folder, state)
}

fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

fn position(seq: u64) -> Position {
    Position { seq, checksum: u32::try_from(seq).unwrap() }
}

/// A catalog with one link, so that clicks on it are counted.
fn catalog() -> Catalog {
    let at = Timestamp::from_ms(0);
    let json = serde_json::json!({
        "id": LINK, "campaign": CampaignId::from_bits(2), "influencer": InfluencerId::from_bits(3),
        "destination": "https://shop.test/", "slug": "anna", "starts_at": null, "ends_at": null, "fallback": null,
        "paused": false, "created_at": at, "updated_at": at,
    });
    let link = shared::catalog::Entity::Link(serde_json::from_value(json).unwrap());
    let mut catalog = Catalog::default();
    catalog.apply(&shared::catalog::Change { at, entities: vec![link], request: None, by: None });
    catalog
}

fn click(number: u8, previous: Option<u8>) -> Record<'static> {
    Record::Click(Click {
        id: ClickId::from_bytes([number; 16]),
        at: now(),
        link: LINK,
        class: Class::Billable,
        window_minutes: 43_200,
        previous: previous.map(|number| ClickId::from_bytes([number; 16])),
        sub_id: None,
        country: None,
        device: Device::Mobile,
        in_app: InApp::None,
        referrer_host: "",
        consent: Consent::Unknown,
        branch: None,
    })
}

/// A session of the click with the same number.
fn session(number: u8) -> Record<'static> {
    Record::Event(event(number, EventName::Session, number.into()))
}

/// An event of a click, with an id that the browser chose.
fn event(of: u8, name: EventName, id: u16) -> EventFact {
    let Record::Click(click) = click(of, None) else { unreachable!() };
    EventFact {
        id: EventId::of_content(&[&id.to_be_bytes()]),
        name,
        at: now(),
        received_at: now(),
        merchant: MERCHANT,
        touch: Some(click.visit().unwrap().touch),
        code_visit: None,
        consent: Consent::Granted,
    }
}

fn order(number: u8, name: &str, aliases: &[&str]) -> OrderFact {
    let id = FactId::from_bytes([number; 16]);
    let alias = |value: &&str| Alias { kind: AliasKind::OrderNumber, value: (*value).to_owned() };
    OrderFact {
        aliases: aliases.iter().map(alias).collect(),
        clicks: vec![ClickId::from_bytes([2; 16])],
        ..OrderFact::blank(
            id,
            MERCHANT,
            (Platform::Woocommerce, name.into()),
            Source::Webhook,
            now(),
        )
    }
}

/// Projects records from `first` on.
fn project(state: &HotState, of: &str, counted: u64, first: u64, records: Vec<Record<'static>>) {
    let mut projection = Projection::new(&stream(of), position(counted));
    let last = first + records.len() as u64 - 1;
    for (seq, record) in (first..).zip(records) {
        projection.take(seq, record, &catalog());
    }
    projection.store(state, position(last), &|| Box::new(catalog()), now()).unwrap();
}

/// As [`project`], for a store that may say that it lost something.
fn try_to_project(
    state: &HotState,
    of: &str,
    first: u64,
    records: Vec<Record<'static>>,
) -> anyhow::Result<()> {
    let reach = state.reach(&stream(of))?;
    assert_eq!(reach.counted, Position::default(), "garbage is no position");
    let mut projection = Projection::new(&stream(of), reach.counted);
    let last = first + records.len() as u64 - 1;
    for (seq, record) in (first..).zip(records) {
        projection.take(seq, record, &catalog());
    }
    projection.store(state, position(last), &|| Box::new(catalog()), now())
}

/// Returns everything counted, by metric.
fn counted(state: &HotState) -> BTreeMap<Metric, i64> {
    let mut counted = BTreeMap::new();
    let mut add = |key: CounterKey, amount| *counted.entry(key.metric).or_default() += amount;
    state.counts(&CountQuestion::ALL, &mut add).unwrap();
    counted.retain(|_, amount| *amount != 0);
    counted
}

fn honours_the_contract(state: &HotState) {
    let (clicks, sessions) = (Metric::Clicks(Class::Billable), Metric::Sessions);
    assert_eq!(state.reach(&stream("edge")).unwrap().least, Position::default());
    project(state, "edge", 0, 1, vec![click(1, None), click(2, Some(1)), session(7)]);
    state.sweep().unwrap();
    assert_eq!(counted(state), BTreeMap::from([(clicks, 2), (sessions, 1)]));
    let visit = state.visit(&ClickId::from_bytes([2; 16])).unwrap().unwrap();
    assert_eq!(visit.previous, Some(ClickId::from_bytes([1; 16])));
    assert_eq!(state.visit(&ClickId::from_bytes([9; 16])).unwrap(), None);

    // A batch that was half stored before a crash is stored again, and counted once.
    project(state, "edge", 3, 2, vec![click(2, Some(1)), session(7), click(3, None), session(7)]);
    assert_eq!(counted(state), BTreeMap::from([(clicks, 3), (sessions, 1)]));
    // An event that comes by another stream too is the same event.
    project(state, "other", 0, 1, vec![session(7), session(8), click(4, None)]);
    assert_eq!(counted(state), BTreeMap::from([(clicks, 4), (sessions, 2)]));
    state.sweep().unwrap();
    let reach = state.reach(&stream("edge")).unwrap();
    assert_eq!((reach.least, reach.most, reach.counted), (position(5), position(5), position(5)));

    // An order is found by every name, with the clicks that led to it, in whatever order its facts
    // came.
    project(
        state,
        "facts",
        0,
        1,
        vec![Record::Order(Box::new(order(1, "727", &["#1001", "wc_key"])))],
    );
    let claim = OrderFact { source: Source::Pixel, ..order(2, "WC_KEY", &[]) };
    project(
        state,
        "facts",
        1,
        2,
        vec![Record::Order(Box::new(claim.clone())), Record::Order(Box::new(claim))],
    );
    for name in ["727", "1001", "wc_key"] {
        let found = find_order(state, MERCHANT, name).unwrap().unwrap();
        assert_eq!(found.facts.len(), 2, "{name}");
    }
    assert!(find_order(state, MERCHANT, "1002").unwrap().is_none());
    assert!(find_order(state, MerchantId::from_bits(2), "727").unwrap().is_none());
    let entries = state.entries(&[name_key(MERCHANT, "727")]).unwrap().remove(0);
    let led = entries.iter().filter(|entry| matches!(entry, Entry::Led(_))).count();
    assert_eq!(led, 2, "the click that the fact names, and the one before it");
    assert_eq!(state.names_with_totals(MERCHANT).unwrap().len(), 2);

    let unparsed = Unparsed {
        merchant: MERCHANT,
        platform: Platform::Shopify,
        received_at: now(),
        topic: None,
        reason: "no".into(),
        body: "e30=".into(),
    };
    project(state, "facts", 3, 4, vec![Record::Unparsed(unparsed)]);
    let mut listed = 0;
    state.each_unparsed(&mut |_| listed += 1).unwrap();
    assert_eq!(listed, 1);

    state.clear().unwrap();
    assert_eq!(counted(state), BTreeMap::new());
    assert!(find_order(state, MERCHANT, "727").unwrap().is_none());
    assert_eq!(state.reach(&stream("edge")).unwrap().counted, Position::default());
    state.each_unparsed(&mut |_| panic!("an unparsed delivery is left")).unwrap();
    bounds_what_a_browser_says(state);
    state.clear().unwrap();
    counts_each_lead_of_a_server_once(state);
    state.clear().unwrap();
    // The emptied store takes the same data again.
    project(state, "edge", 0, 1, vec![click(1, None), session(7)]);
    assert_eq!(counted(state), BTreeMap::from([(clicks, 1), (sessions, 1)]));
}

/// What a shop's server tells has no bound for a click. A lead of which it tells often, or of which
/// the page told before, is one lead.
fn counts_each_lead_of_a_server_once(state: &HotState) {
    let fact = |number: u16, status: LeadStatus| LeadFact {
        id: FactId::of_content(&[&number.to_be_bytes(), status.as_str().as_bytes()]),
        merchant: MERCHANT,
        lead_id: format!("L-{number}"),
        status,
        occurred_at: now(),
        received_at: now(),
        place: 0,
        made_at: None,
        touches: vec![],
        clicks: vec![ClickId::from_bytes([1; 16])],
        order_id: None,
        test: false,
        reread: None,
    };
    let told = |numbers: std::ops::Range<u16>, status| -> Vec<Record<'static>> {
        numbers.map(|number| Record::Lead(Box::new(fact(number, status)))).collect()
    };
    let leads = |state| counted(state).get(&Metric::Leads).copied();
    project(state, "edge", 0, 1, vec![click(1, None)]);
    let id = EventId::of_lead(MERCHANT, ClickId::from_bytes([1; 16]), "L-0");
    let by_page = EventFact { id, ..event(1, EventName::Lead, 0) };
    project(state, "events", 0, 1, vec![Record::Event(by_page)]);
    assert_eq!(leads(state), Some(1));
    project(state, "facts", 0, 1, told(0..10, LeadStatus::Open));
    assert_eq!(leads(state), Some(10));
    project(state, "facts", 10, 11, told(0..10, LeadStatus::Won));
    // A batch that was half stored before a crash is stored again.
    project(state, "facts", 20, 11, told(0..10, LeadStatus::Won));
    assert_eq!(leads(state), Some(10));
    let test = Record::Lead(Box::new(LeadFact { test: true, ..fact(99, LeadStatus::Won) }));
    project(state, "facts", 20, 21, vec![test]);
    assert_eq!(leads(state), Some(10));
}

/// However many events bring a click's token, with whatever ids: its sessions count once in a half
/// hour, and three of its leads.
fn bounds_what_a_browser_says(state: &HotState) {
    let events = |name, ids: std::ops::Range<u16>| -> Vec<Record<'static>> {
        ids.map(|id| Record::Event(event(1, name, id))).collect()
    };
    project(state, "events", 0, 1, events(EventName::Session, 0..2000));
    assert_eq!(counted(state), BTreeMap::from([(Metric::Sessions, 1)]));
    project(state, "events", 2000, 2001, events(EventName::Lead, 0..2));
    // One lead of the batch before comes again, by another record: that is the same lead.
    project(state, "events", 2002, 2003, events(EventName::Lead, 1..2000));
    let expected = BTreeMap::from([(Metric::Sessions, 1), (Metric::Leads, 3)]);
    assert_eq!(counted(state), expected);
    // A batch that was half stored before a crash is stored again.
    project(state, "events", 4001, 2003, events(EventName::Lead, 1..2000));
    project(state, "elsewhere", 0, 1, events(EventName::Lead, 5..9));
    assert_eq!(counted(state), expected);
    project(state, "elsewhere", 4, 5, vec![Record::Event(event(2, EventName::Lead, 5000))]);
    assert_eq!(counted(state)[&Metric::Leads], 4, "another click has places of its own");
    // At ten minutes before and after a half hour there are two sessions.
    let half_hour = now().as_ms() / 1_800_000 * 1_800_000 + 2 * 1_800_000;
    let at = |minutes: i64, id| EventFact {
        at: Timestamp::from_ms(half_hour).plus(Span::minutes(minutes)),
        ..event(3, EventName::Session, id)
    };
    let sessions = [at(-10, 1), at(-1, 2), at(0, 3), at(10, 4)].map(Record::Event);
    project(state, "elsewhere", 5, 6, sessions.to_vec());
    assert_eq!(counted(state)[&Metric::Sessions], 3);
}

#[test]
fn the_embedded_store_honours_the_contract_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let open = || HotState::open(&StateUrl::Embedded, folder.path()).unwrap();
    let state = open();
    honours_the_contract(&state);
    drop(state);
    assert_eq!(open().reach(&stream("edge")).unwrap().counted, position(2));
}

/// Returns every file below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// A disk that was full leaves files that are cut, or have blanks at their end.
#[test]
fn a_store_that_cannot_be_read_is_put_aside_and_built_again() {
    let folder = tempfile::tempdir().unwrap();
    let open = |at: &Path| HotState::open(&StateUrl::Embedded, at);
    let state = open(folder.path()).unwrap();
    honours_the_contract(&state);
    let locked = open(folder.path());
    assert!(locked.is_err(), "a store that another has is left alone");
    drop(state);
    let whole = folder.path().join("state");
    let names: Vec<_> = files_below(&whole);
    let mut put_aside = 0;
    for name in names.iter().map(|path| path.strip_prefix(&whole).unwrap()) {
        for is_cut in [true, false] {
            let copy = tempfile::tempdir().unwrap();
            let state = copy.path().join("state");
            for path in &names {
                let to = state.join(path.strip_prefix(&whole).unwrap());
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(path, to).unwrap();
            }
            let length = fs::metadata(state.join(name)).unwrap().len();
            let damaged = fs::OpenOptions::new().write(true).open(state.join(name)).unwrap();
            damaged.set_len(length / 2).unwrap();
            if !is_cut {
                damaged.set_len(length).unwrap();
            }
            let opened = open(copy.path()).unwrap();
            let is_new = copy.path().join("state.unreadable").exists();
            put_aside += u32::from(is_new);
            if is_new {
                assert_eq!(opened.reach(&stream("edge")).unwrap().counted, Position::default());
            }
            if put_aside == 1 && is_new {
                honours_the_contract(&opened);
            }
        }
    }
    assert!(put_aside > 0, "some of {} files had to be read", names.len());
}

/// Claims of order 727 from now on, so many minutes later, each with this key.
fn claims(from: u8, count: u8, minutes: i64, key: &str) -> Vec<Record<'static>> {
    let claim = |number: u8| {
        let fact = OrderFact { source: Source::Pixel, clicks: vec![], ..order(number, "727", &[]) };
        let proofs = ProofId::of_key(MERCHANT, key).into_iter().collect();
        let received_at = now().plus(Span::minutes(minutes));
        Record::Order(Box::new(OrderFact { proofs, received_at, ..fact }))
    };
    (from..from + count).map(claim).collect()
}

#[test]
fn claims_without_the_key_do_not_shut_out_those_with_it_nor_those_that_come_later() {
    let folder = tempfile::tempdir().unwrap();
    let state = HotState::open(&StateUrl::Embedded, folder.path()).unwrap();
    let report = OrderFact {
        proofs: ProofId::of_key(MERCHANT, "wc_order_1").into_iter().collect(),
        ..order(1, "727", &[])
    };
    let flood = [claims(10, 100, 0, ""), claims(110, 30, 0, "made up")].concat();
    let buyer = claims(200, 1, 0, "wc_order_1");
    let flooded = flood.len() as u64;
    project(&state, "facts", 0, 1, flood);
    project(&state, "facts", flooded, flooded + 1, buyer);
    project(&state, "facts", flooded + 1, flooded + 2, vec![Record::Order(Box::new(report))]);
    let ids = || -> BTreeSet<FactId> {
        let found = find_order(&state, MERCHANT, "727").unwrap().unwrap();
        found.facts.iter().map(|fact| fact.id).collect()
    };
    assert!(ids().contains(&FactId::from_bytes([200; 16])), "the buyer's");
    assert_eq!(ids().len(), BROWSER_FACTS_MAX + 1);
    let entries = state.entries(&[name_key(MERCHANT, "727")]).unwrap().remove(0);
    let facts = entries.iter().filter(|entry| matches!(entry, Entry::Fact(_))).count();
    assert_eq!(facts, BROWSER_FACTS_MAX + 1, "of one span only so many are kept");
    let later = claims(201, 1, 10, "");
    project(&state, "facts", flooded + 2, flooded + 3, later);
    let entries = state.entries(&[name_key(MERCHANT, "727")]).unwrap().remove(0);
    let is_later = |entry: &Entry| entry.key()[1..] == [201; 16];
    assert!(entries.iter().any(is_later), "another span has room of its own");
}

#[test]
fn expired_windows_and_events_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let state = HotState::open(&StateUrl::Embedded, folder.path()).unwrap();
    project(&state, "edge", 0, 1, vec![click(1, None), session(7)]);
    let window = || state.visit(&ClickId::from_bytes([1; 16])).unwrap();
    state.retire(now().plus(Span::days(36))).unwrap();
    assert!(window().is_some(), "orders come late");
    state.retire(now().plus(Span::days(37))).unwrap();
    assert!(window().is_none());
    project(&state, "edge", 2, 3, vec![session(7)]);
    assert_eq!(counted(&state)[&Metric::Sessions], 1, "an event that is sent again is known");
    state.retire(now().plus(Span::days(61))).unwrap();
    project(&state, "edge", 3, 4, vec![session(7)]);
    assert_eq!(counted(&state)[&Metric::Sessions], 2, "after sixty days it is new");
}

#[test]
fn redis_honours_the_contract_and_deletes_only_our_keys() {
    let server = harness::Redis::start(&[]).unwrap();
    server.cli(&["set", "somebody else's", "1"]).unwrap();
    let (_folder, state) = on_redis(&server.url());
    honours_the_contract(&state);
    assert_eq!(server.cli(&["get", "somebody else's"]).unwrap(), "1\n");
    let expires = server.cli(&["--raw", "eval", EXPIRY, "0"]).unwrap();
    assert!(expires.trim().parse::<i64>().unwrap() > 30 * 24 * 3600, "{expires}");
}

/// Prints the shortest remaining life of all windows, in seconds.
const EXPIRY: &str = "local least = -1
    for _, key in ipairs(redis.call('KEYS', 'ac:{*}w*')) do
        local ttl = redis.call('TTL', key)
        if least < 0 or ttl < least then least = ttl end
    end
    return least";

#[test]
fn a_cluster_honours_the_contract() {
    let cluster = RedisCluster::start(3, 0).unwrap();
    let (_folder, state) = on_redis(&cluster.url());
    honours_the_contract(&state);
    state.sweep().unwrap();
    let keys =
        |node: &harness::Redis| node.cli(&["dbsize"]).unwrap().trim().parse::<u32>().unwrap();
    assert!(cluster.nodes.iter().all(|node| keys(node) > 10), "the buckets spread over the nodes");
}

#[test]
fn lost_data_is_noticed_at_any_time() {
    let server = harness::Redis::start(&[]).unwrap();
    let (_folder, state) = on_redis(&server.url());
    project(&state, "edge", 0, 1, vec![click(1, None), click(2, None)]);
    server.cli(&["flushall"]).unwrap();
    assert!(is_lost(&state.sweep().unwrap_err()), "before the first sweep");
    project(&state, "edge", 0, 1, vec![click(1, None), click(2, None)]);
    state.sweep().unwrap();
    server.cli(&["flushall"]).unwrap();
    // A loss between two sweeps, in the middle of a batch: counters are written first.
    let mut projection = Projection::new(&stream("edge"), position(2));
    projection.take(3, click(3, None), &catalog());
    let error = projection.store(&state, position(3), &|| Box::new(catalog()), now()).unwrap_err();
    assert!(is_lost(&error), "{error:#}");
    assert_eq!(state.reach(&stream("edge")).unwrap().counted, Position::default());
    project(&state, "edge", 0, 1, vec![click(1, None), click(2, None), click(3, None)]);
    state.sweep().unwrap();
    assert_eq!(counted(&state)[&Metric::Clicks(Class::Billable)], 3);
    // A loss of one bucket, as when one master of a cluster fails over to a replica that lags.
    server.cli(&["del", "ac:{11}p"]).unwrap();
    assert!(is_lost(&state.sweep().unwrap_err()));
    let reach = state.reach(&stream("edge")).unwrap();
    assert_eq!((reach.least.seq, reach.most.seq, reach.counted.seq), (0, 3, 3));
    server.cli(&["hset", "ac:{11}p", "edge", "x"]).unwrap();
    state.forget();
    assert_eq!(
        state.reach(&stream("edge")).unwrap().least.seq,
        0,
        "an invalid position means the beginning"
    );
}

/// An earlier release counted by UTC days, under another key. What it left is not read: the stream
/// is counted anew from its beginning, once.
#[test]
fn counters_of_an_earlier_release_are_counted_anew() {
    let server = harness::Redis::start(&[]).unwrap();
    let (_folder, state) = on_redis(&server.url());
    let records = || vec![click(1, None), click(2, None), session(7)];
    project(&state, "edge", 0, 1, records());
    state.sweep().unwrap();
    let whole = counted(&state);
    server.cli(&["eval", AS_AN_EARLIER_RELEASE, "0"]).unwrap();
    let (_folder, state) = on_redis(&server.url());
    assert_eq!(counted(&state), BTreeMap::new());
    let reach = state.reach(&stream("edge")).unwrap();
    assert_eq!((reach.least.seq, reach.counted.seq, reach.most.seq), (0, 0, 3));
    project(&state, "edge", 0, 1, records());
    state.sweep().unwrap();
    assert_eq!(counted(&state), whole);
    assert_eq!(server.cli(&["--raw", "keys", "ac:{??}c*"]).unwrap().trim(), "", "they are gone");
}

/// Moves counters to where an earlier release had them.
const AS_AN_EARLIER_RELEASE: &str = "for _, key in ipairs(redis.call('KEYS', 'ac:{??}f*')) do
        redis.call('RENAME', key, key:sub(1, 7) .. 'c' .. key:sub(9))
    end";

/// Whoever can write to Redis leaves keys of other types, and values that mean nothing, in the
/// place of every kind of key. Nothing stops: what is not ours goes away, and is counted.
#[test]
fn garbage_in_any_key_is_taken_away_and_stops_nothing() {
    let server = harness::Redis::start(&[]).unwrap();
    let (_folder, state) = on_redis(&server.url());
    let records = || {
        let fact = order(1, "727", &["#1001"]);
        let unparsed = Unparsed {
            merchant: MERCHANT,
            platform: Platform::Shopify,
            received_at: now(),
            topic: None,
            reason: "no".into(),
            body: "e30=".into(),
        };
        vec![
            click(1, None),
            click(2, Some(1)),
            session(7),
            Record::Order(Box::new(fact)),
            Record::Unparsed(unparsed),
        ]
    };
    project(&state, "edge", 0, 1, records());
    state.sweep().unwrap();
    let whole = counted(&state);
    let keys = server.cli(&["--raw", "eval", KINDS, "0"]).unwrap();
    assert_eq!(keys.trim(), "aefgiknopuw", "every kind of key is there");
    for garbage in [OTHER_TYPES, OTHER_VALUES] {
        let before = state.foreign();
        server.cli(&["eval", garbage, "0"]).unwrap();
        // All ways to read.
        counted(&state);
        state.each_unparsed(&mut |_| {}).unwrap();
        assert!(find_order(&state, MERCHANT, "1001").unwrap().is_none(), "it was overwritten");
        _ = state.visit(&ClickId::from_bytes([2; 16])).unwrap();
        _ = state.names_with_totals(MERCHANT).unwrap();
        assert_eq!(listed(&state), 0, "the order is read from rows that are not ours");
        if let HotState::Redis(redis) = &state {
            _ = redis.change_names().unwrap();
        }
        assert!(state.foreign() > before, "{}", state.foreign());
        // All ways to write, as the projector does it: from the beginning, after it was told so.
        state.forget();
        state.clear().unwrap();
        let mut attempts = 0;
        while let Err(error) = try_to_project(&state, "edge", 1, records()) {
            assert!(is_lost(&error) && attempts < 3, "{error:#}");
            attempts += 1;
        }
        state.sweep().unwrap();
        assert_eq!(counted(&state), whole);
        assert_eq!(find_order(&state, MERCHANT, "1001").unwrap().unwrap().facts.len(), 1);
        assert_eq!(listed(&state), 1);
    }
}

/// Returns how many orders the list of all orders has.
fn listed(state: &HotState) -> usize {
    let question = ListQuestion {
        scope: Scope::All,
        is_wanted: &|_, _, _| true,
        from: None,
        until: None,
        after: None,
        limit: 10,
        keep: &|_| true,
    };
    page(state, &question).unwrap().orders.len()
}

/// Puts a fact in Redis that no journal has, and one of our own under another name.
#[test]
fn a_forged_order_in_redis_is_no_order() {
    let server = harness::Redis::start(&[]).unwrap();
    let (_folder, state) = on_redis(&server.url());
    let facts = vec![Record::Order(Box::new(order(1, "727", &[])))];
    project(&state, "facts", 0, 1, facts);
    let forged = serde_json::to_string(&order(2, "728", &[])).unwrap();
    server.cli(&["eval", FORGE, "0", &forged]).unwrap();
    assert!(find_order(&state, MERCHANT, "728").unwrap().is_none());
    assert!(find_order(&state, MERCHANT, "729").unwrap().is_none());
    assert_eq!(find_order(&state, MERCHANT, "727").unwrap().unwrap().facts.len(), 1);
    assert_eq!(state.foreign(), 2);
}

/// Names the kinds of keys that are there.
const KINDS: &str = "local kinds = {}
    for _, key in ipairs(redis.call('KEYS', 'ac:{*')) do kinds[key:sub(8, 8)] = true end
    local found = {}
    for kind in pairs(kinds) do found[#found + 1] = kind end
    table.sort(found)
    return table.concat(found)";
/// Gives every key, and the exchange's, another type.
const OTHER_TYPES: &str = "local keys = redis.call('KEYS', 'ac:{*')
    keys[#keys + 1] = 'ac:{00}x'
    for _, key in ipairs(keys) do
        redis.call('DEL', key)
        redis.call('RPUSH', key, 'garbage')
    end";
/// Gives every value of every key, and the exchange's, another content.
const OTHER_VALUES: &str = "redis.call('HSET', 'ac:{00}x', 'short', 'garbage')
    for _, key in ipairs(redis.call('KEYS', 'ac:{*')) do
        local kind = redis.call('TYPE', key).ok
        if kind == 'string' then redis.call('SET', key, 'garbage') end
        if kind == 'set' then redis.call('SADD', key, 'garbage') end
        if kind == 'zset' then redis.call('ZADD', key, 0, 'garbage', 0, string.char(0, 31)) end
        if kind == 'hash' then
            for _, field in ipairs(redis.call('HKEYS', key)) do
                redis.call('HSET', key, field, 'garbage')
            end
            redis.call('HSET', key, 'garbage', 'garbage', '', '')
        end
    end";
/// Puts the order of the first argument, and a copy of the one that is there, under other names.
/// Both are found by the key of the one that is there, with another last digit.
const FORGE: &str = "local key = redis.call('KEYS', 'ac:{*}n*727')[1]
    local name = key:sub(9)
    local function bucket(id)
        for b = 0, 63 do redis.call('HSET', string.format('ac:{%02x}n', b) .. id[1], id[2], id[3]) end
    end
    for _, field in ipairs(redis.call('HKEYS', key)) do
        if field:sub(1, 1) == string.char(0) then
            bucket({ name:sub(1, -2) .. '8', field, ARGV[1] })
            bucket({ name:sub(1, -2) .. '9', field, redis.call('HGET', key, field) })
        end
    end";

/// Each kind of write must leave a new mark in the bucket that it writes to. Otherwise its loss
/// goes unnoticed.
#[test]
fn every_kind_of_write_leaves_a_mark_where_it_wrote() {
    let server = harness::Redis::start(&[]).unwrap();
    let (_folder, state) = on_redis(&server.url());
    let buckets = || -> BTreeMap<String, String> {
        let keys = server.cli(&["--raw", "keys", "ac:{*}p"]).unwrap();
        keys.lines().map(|key| (key.to_owned(), server.cli(&["hvals", key]).unwrap())).collect()
    };
    let fact =
        || Record::Order(Box::new(OrderFact { clicks: vec![], ..order(1, "727", &["1001"]) }));
    // Counters change too, in the bucket of their stream.
    for (seq, record, written) in [(1, click(1, None), "w"), (2, session(7), "e"), (3, fact(), "n")]
    {
        let before = buckets();
        project(&state, "edge", seq - 1, seq, vec![record]);
        let after = buckets();
        let changed: Vec<&String> =
            after.keys().filter(|key| before.get(*key) != after.get(*key)).collect();
        let keys = server.cli(&["--raw", "keys", &format!("ac:{{*}}{written}*")]).unwrap();
        for key in keys.lines().filter(|key| key.starts_with("ac:{")) {
            let bucket = format!("{}p", &key[..7]);
            assert!(
                changed.contains(&&bucket),
                "{written}: {bucket} has no new mark, only {changed:?}"
            );
        }
    }
}

#[test]
fn nodes_that_share_a_server_count_an_order_once() {
    let server = harness::Redis::start(&[]).unwrap();
    let ((_one, one), (_two, two)) = (on_redis(&server.url()), on_redis(&server.url()));
    let by = |state: HotState, name: &'static str| {
        std::thread::spawn(move || {
            for number in 1..=40u8 {
                let aliases = [format!("shared-{}", number % 5)];
                let fact = order(number, &format!("{}-{number}", name), &[&aliases[0]]);
                let fact =
                    OrderFact { id: FactId::of_content(&[name.as_bytes(), &[number]]), ..fact };
                let seq = u64::from(number);
                project(&state, name, seq - 1, seq, vec![Record::Order(Box::new(fact))]);
            }
        })
    };
    let threads = [by(one.clone(), "facts-a"), by(two.clone(), "facts-b")];
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    for number in 1..=40 {
        for name in ["facts-a", "facts-b"] {
            let found = find_order(&one, MERCHANT, &format!("{name}-{number}")).unwrap().unwrap();
            assert_eq!(found.facts.len(), 1);
        }
    }
    for name in 0..5 {
        let mut known = NamedEntries::default();
        let root = name_key(MERCHANT, &format!("shared-{name}"));
        known.read(&two, [root.clone()]).unwrap();
        assert_eq!(known.group(&root).facts.len(), 16, "every fact of both nodes");
    }
}

/// An order that is reported again and again takes no more room, is found under all its names, and
/// still counts.
#[test]
fn an_order_that_is_reported_a_thousand_times_is_kept_in_few_entries() {
    let folder = tempfile::tempdir().unwrap();
    let state = HotState::open(&StateUrl::Embedded, folder.path()).unwrap();
    let report = |n: u64| {
        let at = now().plus(Span::ms(i64::try_from(n).unwrap()));
        let (id, fact) = (FactId::of_content(&[&n.to_be_bytes()]), order(1, "1001", &["#1001-A"]));
        Record::Order(Box::new(OrderFact { id, occurred_at: at, received_at: at, ..fact }))
    };
    for batch in 0..30 {
        let first = batch * 40 + 1;
        project(&state, "facts", first - 1, first, (first..first + 40).map(report).collect());
    }
    let names = ["1001", "1001-a"].map(|name| name_key(MERCHANT, &fold_name(name)));
    let entries = state.entries(&names).unwrap();
    let facts = entries[0].iter().filter(|entry| matches!(entry, Entry::Fact(_))).count();
    assert!(facts <= 30, "{facts} of 1,200 facts are kept");
    for name in ["1001", "#1001-A"] {
        let found = find_order(&state, MERCHANT, name).unwrap().unwrap();
        assert_eq!(found.facts.len(), facts, "{name}");
    }
}

/// Two orders whose ids differ only in case are found and counted apart, whichever came first.
#[test]
fn twins_in_case_are_two_orders() {
    let folder = tempfile::tempdir().unwrap();
    let state = HotState::open(&StateUrl::Embedded, folder.path()).unwrap();
    let sale = |number: u8, id: &str, goods: i64| {
        let fact = OrderFact {
            source: Source::Postback,
            status: Some(Status::Paid),
            goods_minor: Some(goods),
            ..order(number, id, &[])
        };
        Record::Order(Box::new(fact))
    };
    project(&state, "facts", 0, 1, vec![sale(1, "aB3xY9", 1000)]);
    let claim = OrderFact { source: Source::Pixel, ..order(3, "ab3xy9", &[]) };
    project(&state, "facts", 1, 2, vec![Record::Order(Box::new(claim))]);
    let found = find_order(&state, MERCHANT, "aB3xY9").unwrap().unwrap();
    assert_eq!(found.facts.len(), 2, "the claim is about the only order there is");
    project(&state, "facts", 2, 3, vec![sale(2, "Ab3Xy9", 2000)]);
    for (id, goods) in [("aB3xY9", 1000), ("Ab3Xy9", 2000)] {
        let found = find_order(&state, MERCHANT, id).unwrap().unwrap();
        let amounts: Vec<_> = found.facts.iter().map(|fact| fact.goods_minor).collect();
        assert_eq!(amounts, [Some(goods)], "{id}");
    }
}

/// Few names, two of which differ only in case.
const NAMES: [&str; 7] = ["0", "1", "2", "3", "4", "a", "A"];

/// Facts of few orders with few names, so that they meet in every way.
fn any_fact() -> impl Strategy<Value = OrderFact> {
    let platform =
        prop::sample::select(vec![Platform::Shopify, Platform::Woocommerce, Platform::Stripe]);
    let source = prop::sample::select(vec![
        Source::Webhook,
        Source::Webhook,
        Source::Postback,
        Source::Pixel,
    ]);
    let names = prop::collection::vec(prop::sample::select(&NAMES[..]), 1..4);
    let key = prop::option::of(0u8..3);
    (platform, source, names, key, 0u8..3).prop_map(|(platform, source, names, key, version)| {
        let content = format!("{platform:?} {source:?} {names:?} {key:?} {version}");
        let id = FactId::of_content(&[content.as_bytes()]);
        let received_at = Timestamp::from_ms(i64::from(version));
        let own = (platform, names[0].to_owned());
        let alias = |name: &&str| Alias { kind: AliasKind::OrderNumber, value: (*name).to_owned() };
        let aliases =
            if source == Source::Webhook { names[1..].iter().map(alias).collect() } else { vec![] };
        let proofs = key.and_then(|key| ProofId::of_key(MERCHANT, &format!("key {key}")));
        let proofs = proofs.into_iter().collect();
        OrderFact { aliases, proofs, ..OrderFact::blank(id, MERCHANT, own, source, received_at) }
    })
}

type Orders = BTreeMap<OrderKey, Vec<FactId>>;

fn ids(orders: impl IntoIterator<Item = (OrderKey, Vec<OrderFact>)>) -> Orders {
    let sorted = |facts: Vec<OrderFact>| {
        let mut ids: Vec<FactId> = facts.iter().map(|fact| fact.id).collect();
        ids.sort_unstable();
        ids
    };
    orders.into_iter().map(|(key, facts)| (key, sorted(facts))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever order and batches facts arrive in, twice or with restarts between, by one node or
    /// two, the state holds the orders that all facts together make.
    #[test]
    fn the_state_holds_the_orders_that_all_facts_make(
        (facts, shuffled) in prop::collection::vec(any_fact(), 1..14)
            .prop_flat_map(|facts| {
                let twice = [facts.clone(), facts.clone()].concat();
                (Just(facts), Just(twice).prop_shuffle())
            }),
        batch in 1usize..5,
        restart_every in 1usize..9,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let open = || HotState::open(&StateUrl::Embedded, Path::new(folder.path())).unwrap();
        let mut state = open();
        let mut seq = 0;
        for (number, some) in shuffled.chunks(batch).enumerate() {
            if number % restart_every == restart_every - 1 {
                drop(state);
                state = open();
            }
            let records = some.iter().map(|fact| Record::Order(Box::new(fact.clone()))).collect();
            project(&state, "facts", seq, seq + 1, records);
            seq += some.len() as u64;
        }
        let mut held = Orders::new();
        for name in NAMES {
            let folded = fold_name(name);
            let root = name_key(MERCHANT, &folded);
            let mut known = NamedEntries::default();
            known.read(&state, [root.clone()]).unwrap();
            held.extend(ids(known.group(&root).orders()));
            let found = find_order(&state, MERCHANT, name).unwrap();
            let named = shuffled.iter().any(|fact| fact.names().contains(&folded));
            prop_assert_eq!(found.is_some(), named);
            let is_spelled_so = |fact: &OrderFact| {
                fact.source.confirms() && fact.spelled_names().iter().any(|own| own == name)
            };
            if shuffled.iter().any(is_spelled_so) {
                prop_assert!(found.unwrap().facts.iter().any(is_spelled_so));
            }
        }
        let whole = |facts: Vec<&OrderFact>| {
            let facts: Vec<OrderFact> = facts.into_iter().cloned().collect();
            distinct(&facts).into_iter().cloned().collect()
        };
        let expected = ids(by_order(&facts).into_iter().map(|(key, facts)| (key, whole(facts))));
        prop_assert_eq!(held, expected);
    }
}
