//! Tests of lists of orders, in each store: a list has every order once, where it belongs, and a page
//! costs the same however many there are.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use journal::StreamName;
use proptest::prelude::*;
use serde_json::{Value, json};
use settlement::attribution::Method;
use settlement::history::newness;
use settlement::ledger::{Settled, settle};
use shared::catalog::{Catalog, Change, Entity};
use shared::class::Class;
use shared::id::{CampaignId, ClickId, FactId, InfluencerId, LinkId, MerchantId};
use shared::order::{Alias, AliasKind, OrderFact, OrderKey, Source, Status, Touch, by_order};
use shared::platform::Platform;
use shared::record::Record;
use shared::time::{Span, Timestamp};

use crate::listed::{Credited, Facet, Listed, Scope, rows_to_bytes};
use crate::lists::{ListQuestion, ListedOrder, listed_under, page};
use crate::model::{
    CountQuestion, CounterKey, KeyRange, Metric, Position, SettledOrder, name_key, totals_to_bytes,
};
use crate::projection::{Projection, counts_for};
use crate::state::HotState;
use crate::url::StateUrl;

const MERCHANTS: [MerchantId; 2] = [MerchantId::from_bits(1), MerchantId::from_bits(2)];
/// Two campaigns of the first merchant, and one of the second.
const CAMPAIGNS: [(u64, u64); 3] = [(11, 1), (12, 1), (13, 2)];
const INFLUENCERS: [InfluencerId; 2] = [InfluencerId::from_bits(21), InfluencerId::from_bits(22)];
const KEYS: &str = r#"{"keys":[{"id":1,"state":"active",
    "secret":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}]}"#;

fn minutes(count: i64) -> Timestamp {
    Timestamp::from_ms(1_763_800_000_000).plus(Span::minutes(count))
}

/// Each influencer has a link in each campaign.
fn link(campaign: usize, influencer: usize) -> LinkId {
    LinkId::from_bits(100 + campaign as u64 * 10 + influencer as u64)
}

fn catalog() -> Catalog {
    let at = Timestamp::from_ms(0);
    let merchant = |id: MerchantId| {
        let merchant = json!({
            "id": id, "key": id.to_string(), "name": "Shop", "domains": [], "currency": "EUR",
            "timezone": "Europe/Riga", "platform": null, "webhook_secret": null, "created_at": at,
            "updated_at": at,
        });
        Entity::Merchant(serde_json::from_value(merchant).unwrap())
    };
    let campaign = |(id, merchant): (u64, u64)| {
        let (id, merchant) = (CampaignId::from_bits(id), MerchantId::from_bits(merchant));
        let campaign = json!({
            "id": id, "merchant": merchant, "name": "Autumn", "window_days": 30,
            "dedupe_minutes": 30, "hold_days": 30, "starts_at": null, "ends_at": null,
            "commission": [{ "kind": "percent", "rate": "10" }], "precedence": ["click", "coupon"],
            "model": "last_click", "created_at": at, "updated_at": at,
        });
        Entity::Campaign(serde_json::from_value(campaign).unwrap())
    };
    let link = |campaign: usize, influencer: usize| -> Value {
        json!({
            "id": link(campaign, influencer), "campaign": CampaignId::from_bits(CAMPAIGNS[campaign].0),
            "influencer": INFLUENCERS[influencer], "destination": "https://shop.test/",
            "slug": format!("l{campaign}{influencer}"), "starts_at": null, "ends_at": null,
            "fallback": null, "paused": false, "created_at": at, "updated_at": at,
        })
    };
    let mut entities: Vec<Entity> = MERCHANTS.into_iter().map(merchant).collect();
    entities.extend(CAMPAIGNS.into_iter().map(campaign));
    for (campaign, influencer) in (0..3).flat_map(|campaign| [(campaign, 0), (campaign, 1)]) {
        entities.push(Entity::Link(serde_json::from_value(link(campaign, influencer)).unwrap()));
    }
    let mut catalog = Catalog::default();
    catalog.apply(&Change { at, entities, request: None, by: None });
    catalog
}

/// Projects facts as the records of a stream behind `seq`.
fn project(state: &HotState, stream: &str, seq: u64, facts: &[OrderFact]) {
    let position = |seq| Position { seq, checksum: u32::try_from(seq).unwrap() };
    let stream = StreamName::new(stream).unwrap();
    let mut projection = Projection::new(&stream, position(seq));
    for (number, fact) in (seq + 1..).zip(facts) {
        projection.take(number, Record::Order(Box::new(fact.clone())), &catalog());
    }
    let reached = position(seq + facts.len() as u64);
    projection.store(state, reached, &|| Box::new(catalog()), live::clock::now()).unwrap();
}

/// A paid order of 100.00 that a click in the first campaign of the merchant brought.
fn order(merchant: usize, id: &str, placed: i64, version: i64) -> OrderFact {
    let touch = Touch {
        clicked_at: minutes(-10),
        click: ClickId::from_bytes([1; 16]),
        link: link(merchant * 2, 0),
        window_minutes: 43_200,
        key: None,
    };
    OrderFact {
        ordered_at: Some(minutes(placed)),
        status: Some(Status::Paid),
        currency: "EUR".parse().ok(),
        goods_minor: Some(10_000),
        touches: vec![touch],
        ..OrderFact::blank(
            FactId::of_content(&[format!("{merchant} {id} {placed} {version}").as_bytes()]),
            MERCHANTS[merchant],
            (Platform::Woocommerce, id.into()),
            Source::Webhook,
            minutes(100 + version),
        )
    }
}

/// Every list there is in the trials.
fn scopes() -> Vec<Scope> {
    let campaigns = CAMPAIGNS.map(|(id, _)| CampaignId::from_bits(id));
    let mut scopes = vec![Scope::All];
    scopes.extend(MERCHANTS.map(Scope::Merchant));
    scopes.extend(campaigns.map(Scope::Campaign));
    for influencer in INFLUENCERS {
        scopes.push(Scope::Influencer(influencer));
        scopes.extend(MERCHANTS.map(|merchant| Scope::OfMerchant(merchant, influencer)));
        scopes.extend(campaigns.map(|campaign| Scope::OfCampaign(campaign, influencer)));
    }
    scopes
}

fn is_in(scope: Scope, order: &ListedOrder) -> bool {
    let is_credited = |is: &dyn Fn(&Credited) -> bool| order.row.credited.as_ref().is_some_and(is);
    match scope {
        Scope::All => true,
        Scope::Merchant(merchant) => order.merchant == merchant,
        Scope::Campaign(campaign) => is_credited(&|it| it.campaign == campaign),
        Scope::Influencer(influencer) => is_credited(&|it| it.influencer == influencer),
        Scope::OfMerchant(merchant, influencer) => {
            order.merchant == merchant && is_credited(&|it| it.influencer == influencer)
        }
        Scope::OfCampaign(campaign, influencer) => {
            is_credited(&|it| it.campaign == campaign && it.influencer == influencer)
        }
    }
}

type Wanted = fn(Method, Status, bool) -> bool;

const FILTERS: [Wanted; 5] = [
    |_, _, _| true,
    |_, status, _| status == Status::Void,
    |method, _, _| method == Method::Click,
    |method, _, _| method == Method::None,
    |method, status, confirmed| method != Method::None && status == Status::Paid && confirmed,
];

/// Reads a whole list, in pages of so many orders.
fn whole(
    state: &HotState,
    (scope, wanted): (Scope, Wanted),
    (from, until): (Option<Timestamp>, Option<Timestamp>),
    limit: usize,
) -> Vec<ListedOrder> {
    let (mut orders, mut after) = (Vec::new(), None);
    loop {
        let is_wanted = &wanted;
        let question =
            ListQuestion { scope, is_wanted, from, until, after, limit, keep: &|_| true };
        let page = page(state, &question).unwrap();
        assert!(page.orders.len() <= limit && (page.next.is_none() || page.orders.len() == limit));
        orders.extend(page.orders);
        after = page.next;
        if after.is_none() {
            return orders;
        }
    }
}

/// Settles all orders from all facts at once.
fn settled(facts: &[OrderFact]) -> BTreeMap<OrderKey, (Settled, Vec<OrderFact>)> {
    let orders: Vec<_> = by_order(facts).into_iter().collect();
    let newness =
        newness(&orders.iter().map(|(_, facts)| facts.clone()).collect::<Vec<_>>(), &|_| None);
    let mut all = BTreeMap::new();
    for ((key, facts), newness) in orders.into_iter().zip(newness) {
        let facts: Vec<OrderFact> = facts.into_iter().cloned().collect();
        let settled = settle(&facts, &catalog(), &|_| None, &newness);
        all.extend(settled.map(|settled| (key, (settled, facts))));
    }
    all
}

/// Returns all orders, sorted as lists do.
fn expected(facts: &[OrderFact]) -> Vec<ListedOrder> {
    let mut listed = Vec::new();
    for (key, (settled, facts)) in settled(facts) {
        let row = Listed::of(&key, &settled, &facts);
        let sort_key = row.sort_key(&name_key(key.merchant, &key.name));
        listed.push(ListedOrder { merchant: key.merchant, key: sort_key, row });
    }
    listed.sort_by(|a, b| a.key.cmp(&b.key));
    listed
}

/// Checks every list, with every filter, against all facts.
fn check(state: &HotState, facts: &[OrderFact]) {
    let all = expected(facts);
    for scope in scopes() {
        for wanted in FILTERS {
            let is_wanted = |order: &&ListedOrder| {
                let row = &order.row;
                is_in(scope, order) && wanted(row.method, row.status, row.confirmed)
            };
            let expected: Vec<_> = all.iter().filter(is_wanted).cloned().collect();
            let found = whole(state, (scope, wanted), (None, None), 3);
            assert_eq!(found, expected, "{scope:?}: {facts:#?}");
        }
    }
    check_counts(state, facts);
    let (from, until) = (minutes(1), minutes(4));
    let in_time = |order: &&ListedOrder| (from..until).contains(&order.row.placed_at);
    let expected: Vec<_> = all.iter().filter(in_time).cloned().collect();
    assert_eq!(whole(state, (Scope::All, FILTERS[0]), (Some(from), Some(until)), 2), expected);
}

fn counted(state: &HotState, question: &CountQuestion) -> BTreeMap<CounterKey, i64> {
    let mut counted = BTreeMap::new();
    let mut add = |key, amount| *counted.entry(key).or_default() += amount;
    state.counts(question, &mut add).unwrap();
    counted
}

/// Checks what all orders count for, and every question for a part of it.
fn check_counts(state: &HotState, facts: &[OrderFact]) {
    let mut all: BTreeMap<CounterKey, i64> = BTreeMap::new();
    for (settled, _) in settled(facts).into_values() {
        for (key, amount) in counts_for(&settled, &catalog()) {
            *all.entry(key).or_default() += amount;
        }
    }
    assert_eq!(counted(state, &CountQuestion::ALL), all, "{facts:#?}");
    let campaigns = CAMPAIGNS.map(|(id, _)| CampaignId::from_bits(id));
    let hour = all.keys().next().map_or(0, |key| key.hour);
    for campaigns in [None, Some(campaigns[..1].to_vec()), Some(campaigns[1..].to_vec())] {
        for influencer in [None, Some(INFLUENCERS[1])] {
            for hours in [0..u32::MAX, hour..hour + 1] {
                let campaigns = campaigns.clone();
                let question = CountQuestion { campaigns, influencer, hours };
                let of_all = all.iter().filter(|(key, _)| question.has(key));
                let expected = of_all.map(|(key, amount)| (*key, *amount)).collect();
                assert_eq!(counted(state, &question), expected, "{question:?}");
            }
        }
    }
}

/// Returns the number of keys in all lists.
fn keys_of_lists(state: &HotState) -> usize {
    let parts = scopes().into_iter().flat_map(|scope| {
        let facets = Facet::all_of(&|_, _, _| true).into_iter();
        facets.map(move |facet| {
            let at = |facet: u8| [&scope.to_bytes()[..], &[facet]].concat();
            KeyRange { from: at(facet.0), until: at(facet.0 + 1) }
        })
    });
    let parts: Vec<KeyRange> = parts.collect();
    state.list_keys(&parts, usize::MAX >> 8).unwrap().iter().map(Vec::len).sum()
}

/// Any fact of one of a few orders, which change time, status, credit and names.
fn any_fact() -> impl Strategy<Value = OrderFact> {
    let statuses = prop::sample::select(vec![
        Some(Status::Paid),
        Some(Status::Paid),
        Some(Status::Unpaid),
        Some(Status::Void),
        Some(Status::Draft),
    ]);
    let alias = prop::option::of(0u8..4);
    let credit = prop::option::of((0usize..2, 0usize..2));
    ((0usize..2, 0u8..4), (0i64..6, 0i64..6), statuses, alias, credit, 0u8..8).prop_map(
        |((merchant, id), (placed, version), status, alias, credit, kind)| {
            let mut fact = order(merchant, &id.to_string(), placed, version);
            fact.status = status;
            fact.source = if kind == 0 { Source::Pixel } else { Source::Webhook };
            fact.test = kind == 1;
            match credit {
                Some((campaign, influencer)) => {
                    let campaign = if merchant == 0 { campaign } else { 2 };
                    fact.touches[0].link = link(campaign, influencer);
                    let click = u8::try_from(10 + campaign * 2 + influencer).unwrap();
                    fact.touches[0].click = ClickId::from_bytes([click; 16]);
                }
                None => fact.touches.clear(),
            }
            let alias = alias.map(|value| format!("#{value}"));
            let alias = alias.map(|value| Alias { kind: AliasKind::OrderName, value });
            fact.aliases = alias.into_iter().collect();
            let content = format!("{fact:?}");
            OrderFact { id: FactId::of_content(&[content.as_bytes()]), ..fact }
        },
    )
}

fn any_facts() -> impl Strategy<Value = (Vec<OrderFact>, Vec<OrderFact>)> {
    prop::collection::vec(any_fact(), 1..14).prop_flat_map(|facts| {
        let twice = [facts.clone(), facts.clone()].concat();
        (Just(facts), Just(twice).prop_shuffle())
    })
}

/// Projects facts in batches, by two streams, and checks the lists then.
fn lists_are_those_of_all_facts(
    state: &HotState,
    (facts, shuffled): (&[OrderFact], &[OrderFact]),
    batch: usize,
) {
    let mut reached = [0, 0];
    for (number, some) in shuffled.chunks(batch).enumerate() {
        let of = number % 2;
        project(state, ["facts-a", "facts-b"][of], reached[of], some);
        reached[of] += some.len() as u64;
    }
    check(state, facts);
    let in_lists = |order: &ListedOrder| if order.row.credited.is_some() { 6 } else { 2 };
    let expected: usize = expected(facts).iter().map(in_lists).sum();
    assert_eq!(keys_of_lists(state), expected, "no key is left behind: {facts:#?}");
}

fn embedded() -> (tempfile::TempDir, HotState) {
    let folder = tempfile::tempdir().unwrap();
    let state = HotState::open(&StateUrl::Embedded, folder.path()).unwrap();
    (folder, state)
}

fn on_redis(server: &harness::Redis) -> (tempfile::TempDir, HotState) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("keys.json"), KEYS).unwrap();
    let state = HotState::open(&StateUrl::Redis(server.url()), folder.path()).unwrap();
    (folder, state)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]

    /// Whatever sequence and batches facts come in: every list has the orders that all facts make.
    #[test]
    fn every_list_has_each_order_once_where_it_belongs(
        (facts, shuffled) in any_facts(),
        batch in 1usize..5,
    ) {
        let (_folder, state) = embedded();
        lists_are_those_of_all_facts(&state, (&facts, &shuffled), batch);
    }
}

#[test]
fn lists_in_redis_have_each_order_once_where_it_belongs() {
    let server = harness::Redis::start(&[]).unwrap();
    let (_folder, state) = on_redis(&server);
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..Default::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let trial = |((facts, shuffled), batch): ((Vec<OrderFact>, Vec<OrderFact>), usize)| {
        lists_are_those_of_all_facts(&state, (&facts, &shuffled), batch);
        state.clear().unwrap();
        assert_eq!(whole(&state, (Scope::All, FILTERS[0]), (None, None), 3), []);
        Ok(())
    };
    runner.run(&(any_facts(), 1usize..5), trial).unwrap();
}

#[test]
fn a_cluster_lists_orders_too() {
    let cluster = harness::RedisCluster::start(3, 0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("keys.json"), KEYS).unwrap();
    let state = HotState::open(&StateUrl::Redis(cluster.url()), folder.path()).unwrap();
    let facts: Vec<_> = (0..40).map(|n| order(n % 2, &n.to_string(), n as i64, 0)).collect();
    project(&state, "facts", 0, &facts);
    check(&state, &facts);
    state.sweep().unwrap();
}

/// Two nodes hear of the same orders at once, each something else.
#[test]
fn nodes_that_share_a_server_list_an_order_once() {
    let server = harness::Redis::start(&[]).unwrap();
    let ((_one, one), (_two, two)) = (on_redis(&server), on_redis(&server));
    let told = |by: i64| -> Vec<OrderFact> {
        let fact = |n: i64| OrderFact {
            status: Some(if by == 0 { Status::Unpaid } else { Status::Paid }),
            ..order(0, &(n % 10).to_string(), n % 7 + by, 10 * by + n)
        };
        (0..40).map(fact).collect()
    };
    let by = |state: HotState, stream: &'static str, facts: Vec<OrderFact>| {
        std::thread::spawn(move || {
            for (number, fact) in facts.iter().enumerate() {
                project(&state, stream, number as u64, std::slice::from_ref(fact));
            }
        })
    };
    let threads = [by(one, "facts-a", told(0)), by(two.clone(), "facts-b", told(1))];
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    check(&two, &[told(0), told(1)].concat());
}

/// An earlier release wrote no rows. Where it left off, everything is projected again.
#[test]
fn a_state_without_lists_is_projected_again() {
    let server = harness::Redis::start(&[]).unwrap();
    let (_folder, state) = on_redis(&server);
    project(&state, "facts", 0, &[order(0, "7", 1, 0)]);
    state.sweep().unwrap();
    let stream = StreamName::new("facts").unwrap();
    assert_eq!(state.reach(&stream).unwrap().least.seq, 1);
    server.cli(&["eval", AS_AN_EARLIER_RELEASE, "0"]).unwrap();
    let (_folder, state) = on_redis(&server);
    let reach = state.reach(&stream).unwrap();
    assert_eq!((reach.least.seq, reach.counted.seq), (0, 1), "counted records stay counted");
}

/// Takes rows and lists away, and the last byte of each position, which says the layout.
const AS_AN_EARLIER_RELEASE: &str = "for _, key in ipairs(redis.call('KEYS', 'ac:{??}[io]')) do
        redis.call('DEL', key)
    end
    for _, key in ipairs(redis.call('KEYS', 'ac:{??}p')) do
        for _, field in ipairs(redis.call('HKEYS', key)) do
            local value = redis.call('HGET', key, field)
            if field:sub(1, 1) ~= '~' then redis.call('HSET', key, field, value:sub(1, -2)) end
        end
    end";

/// What none of our nodes wrote is in no list: keys without an order, and rows that were copied.
#[test]
fn forged_keys_and_rows_list_no_order() {
    let server = harness::Redis::start(&[]).unwrap();
    let (_folder, state) = on_redis(&server);
    project(&state, "facts", 0, &[order(0, "727", 1, 0)]);
    server.cli(&["eval", FORGE, "0"]).unwrap();
    let orders = whole(&state, (Scope::All, FILTERS[0]), (None, None), 10);
    let ids: Vec<_> = orders.iter().map(|order| order.row.order_id.as_str()).collect();
    assert_eq!(ids, ["727"]);
    assert!(state.foreign() > 0, "the copied row was deleted");
}

/// Puts the row of order 727 under 728 too, that name in every list, and 727 in another part of the
/// list of all orders.
const FORGE: &str = "for _, key in ipairs(redis.call('KEYS', 'ac:{??}i')) do
        for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
            redis.call('ZADD', key, 0, member:sub(1, -3) .. '8' .. member:sub(-1))
            if member:byte(1) == 0 then
                redis.call('ZADD', key, 0, string.char(0, 0) .. member:sub(3))
            end
        end
    end
    local key = redis.call('KEYS', 'ac:{??}o')[1]
    local name = redis.call('HKEYS', key)[1]
    for bucket = 0, 63 do
        local rows = string.format('ac:{%02x}o', bucket)
        redis.call('HSET', rows, name:sub(1, -2) .. '8', redis.call('HGET', key, name))
    end";

#[test]
fn an_order_is_found_by_its_id_and_by_every_name() {
    let (_folder, state) = embedded();
    let named = |id: &str, name: &str| OrderFact {
        aliases: vec![Alias { kind: AliasKind::OrderName, value: name.into() }],
        ..order(0, id, 1, 0)
    };
    let facts = [named("5511", "#1007"), named("5512", "#1008"), order(1, "1007", 2, 0)];
    project(&state, "facts", 0, &facts);
    let found = |merchants: &[MerchantId], name: &str| -> Vec<String> {
        let orders = listed_under(&state, merchants, name).unwrap().into_iter();
        orders.map(|order| order.row.order_id).collect()
    };
    assert_eq!(found(&MERCHANTS, "5511"), ["5511"]);
    assert_eq!(found(&MERCHANTS, "#1007"), ["1007", "5511"], "the newest first");
    assert_eq!(found(&MERCHANTS[..1], " 1007 "), ["5511"]);
    assert_eq!(found(&MERCHANTS, "1009"), Vec::<String>::new());
    let row = &listed_under(&state, &MERCHANTS, "5511").unwrap()[0].row;
    assert_eq!(row.names, ["#1007"]);
}

/// A row that no facts are behind.
fn row(n: u64) -> SettledOrder {
    // Of a hundred orders one is void, and one is credited to the second influencer.
    let credited = Credited {
        campaign: CampaignId::from_bits(11 + n % 2),
        influencer: INFLUENCERS[usize::from(n.is_multiple_of(100))],
        link: Some(link(0, 0)),
    };
    let is_credited = !n.is_multiple_of(3);
    let row = Listed {
        anchor: 2,
        placed_at: minutes(i64::try_from(n).unwrap()),
        order_id: format!("{}", 5_000_000 + n),
        names: vec![format!("#{}", 1000 + n)],
        status: if n % 100 == 1 { Status::Void } else { Status::Paid },
        confirmed: true,
        test: false,
        method: if is_credited { Method::Click } else { Method::None },
        label: String::new(),
        reason: "credited to the latest click within its window; 0 other candidates".into(),
        credited: is_credited.then_some(credited),
        currency: "EUR".parse().ok(),
        goods_minor: Some(12_990),
        net_goods_minor: Some(12_990),
        commission: "EUR".parse().ok().map(|eur| (eur, 1949)).into_iter().collect(),
        held: false,
    };
    let name = name_key(MERCHANTS[0], &row.order_id);
    SettledOrder { name, totals: vec![], rows: Some(rows_to_bytes(&[row]).unwrap()) }
}

fn fill(state: &HotState, numbers: std::ops::Range<u64>) {
    let numbers: Vec<u64> = numbers.collect();
    for some in numbers.chunks(1000) {
        state.put_orders(&some.iter().map(|n| row(*n)).collect::<Vec<_>>()).unwrap();
    }
}

/// Reads the first page, and one that begins in the middle, with every filter.
fn read_pages(
    state: &HotState,
    (orders, limit): (u64, usize),
    times: usize,
) -> BTreeMap<String, (usize, Duration)> {
    let middle = minutes(i64::try_from(orders / 2).unwrap());
    let mut read = BTreeMap::new();
    for scope in scopes() {
        for (number, wanted) in FILTERS.iter().enumerate() {
            for until in [None, Some(middle)] {
                let (is_wanted, keep) = (wanted, &|_: &ListedOrder| true);
                let question =
                    ListQuestion { scope, is_wanted, from: None, until, after: None, limit, keep };
                let timed = || {
                    let begun = Instant::now();
                    (page(state, &question).unwrap(), begun.elapsed())
                };
                let (page, took) = timed();
                // The machine has others to serve: the quickest one counts.
                let took = (0..times).map(|_| timed().1).fold(took, Duration::min);
                let what =
                    format!("{scope:?}, filter {number}, from the middle {}", until.is_some());
                read.insert(what, (page.keys_read, took));
            }
        }
    }
    read
}

#[test]
fn a_page_reads_the_same_number_of_keys_however_many_orders_there_are() {
    let (_folder, state) = embedded();
    fill(&state, 0..20_000);
    let of_few = read_pages(&state, (20_000, 50), 0);
    fill(&state, 20_000..60_000);
    let of_many = read_pages(&state, (60_000, 50), 0);
    assert!(of_few.values().all(|(keys, _)| *keys <= 50 + 5 * 32), "{of_few:#?}");
    for (what, (keys, _)) in of_many {
        let (before, _) = of_few[&what];
        assert!(keys <= before.max(64) + 32, "{what}: {keys}, before {before}");
    }
}

/// Puts clicks and an order in every hour of a day for each of fifteen influencers of campaigns.
fn fill_campaigns(state: &HotState, campaigns: std::ops::Range<u64>, seq: u64) {
    let (mut counts, mut orders) = (BTreeMap::new(), Vec::new());
    for (campaign, influencer) in campaigns.flat_map(|c| (0..15).map(move |i| (c, i))) {
        for hour in 480_000..480_024 {
            let (campaign, of) = (CampaignId::from_bits(campaign), 1 + campaign * 100 + influencer);
            let influencer = InfluencerId::from_bits(of);
            let metric = Metric::Clicks(Class::Billable);
            let key = CounterKey { campaign, hour, influencer, link: None, metric };
            counts.insert(key, 7);
            let order = CounterKey { metric: Metric::Orders, ..key };
            let name = name_key(MERCHANTS[0], &format!("{of}-{hour}"));
            orders.push(SettledOrder { name, totals: totals_to_bytes(&[(order, 1)]), rows: None });
        }
    }
    let stream = StreamName::new("edge").unwrap();
    let at = |seq| Position { seq, checksum: 1 };
    state.count(&stream, (at(seq), at(seq + 1)), &counts).unwrap();
    orders.chunks(10_000).for_each(|some| state.put_orders(some).unwrap());
}

#[test]
fn figures_of_a_campaign_cost_the_same_with_ten_and_with_a_thousand_others() {
    let (_folder, state) = embedded();
    let questions = [
        CountQuestion { campaigns: Some(vec![CampaignId::from_bits(3)]), ..CountQuestion::ALL },
        CountQuestion { influencer: Some(InfluencerId::from_bits(304)), ..CountQuestion::ALL },
        CountQuestion {
            campaigns: Some(vec![CampaignId::from_bits(3), CampaignId::from_bits(4)]),
            hours: 480_010..480_012,
            ..CountQuestion::ALL
        },
    ];
    let ask = |question: &CountQuestion| {
        let mut sum = 0;
        let read = state.counts(question, &mut |_, amount| sum += amount).unwrap();
        (read, sum)
    };
    fill_campaigns(&state, 0..11, 0);
    let with_ten = questions.each_ref().map(ask);
    assert_eq!(with_ten, [(720, 15 * 24 * 8), (720, 24 * 8), (120, 2 * 2 * 15 * 8)]);
    fill_campaigns(&state, 11..1001, 1);
    assert_eq!(questions.each_ref().map(ask), with_ten);
}

/// Prints what lists of a million orders cost: run it with `--release`, `--run-ignored all` and
/// `--no-capture`.
#[test]
#[ignore = "a measurement that takes minutes, and means something at release speed alone"]
fn a_page_of_a_million_orders_takes_less_than_a_tenth_of_a_second() {
    let (folder, state) = embedded();
    let begun = Instant::now();
    fill(&state, 0..1_000_000);
    eprintln!("embedded: 1,000,000 orders written in {:?}", begun.elapsed());
    let slowest = [100, 1000].map(|limit| slowest(&state, (1_000_000, limit)));
    let bytes: u64 = bytes_below(folder.path());
    eprintln!("embedded: {} bytes an order", bytes / 1_000_000);
    let server = harness::Redis::start(&[]).unwrap();
    let (_folder, state) = on_redis(&server);
    let memory = || -> u64 {
        let info = server.cli(&["info", "memory"]).unwrap();
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        used.trim().parse().unwrap()
    };
    let before = memory();
    fill(&state, 0..200_000);
    eprintln!("Redis: {} bytes an order", (memory() - before) / 200_000);
    for limit in [100, 1000] {
        self::slowest(&state, (200_000, limit));
    }
    assert!(slowest[0] < Duration::from_millis(100), "{slowest:?}");
}

/// Reads pages with every filter, prints how long they take, and returns the longest time.
fn slowest(state: &HotState, (orders, limit): (u64, usize)) -> Duration {
    let pages = read_pages(state, (orders, limit), 5);
    let mut times: Vec<Duration> = pages.values().map(|(_, took)| *took).collect();
    times.sort_unstable();
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    eprintln!("{orders} orders, {limit} a page: {} filters, {median:?}, {slowest:?}", times.len());
    slowest
}

fn bytes_below(folder: &std::path::Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let bytes = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => bytes_below(&entry.path()),
        false => entry.metadata().unwrap().len(),
    });
    bytes.sum()
}
