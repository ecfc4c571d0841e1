//! Several nodes behind one balancer: one catalog, one set of keys, one hot state.

use std::time::{Duration, Instant};

use harness::{Launch, Product, Redis, RedisCluster};
use hyper::Method;
use serde_json::json;
use shared::catalog::{AccessToken, Change, Entity, Role, change_id};
use shared::record::Record;
use shared::time::Timestamp;
use tokio::time::sleep;

use crate::support::{BROWSER, PATIENCE, Stage, launch, text, token_of, until, woo_order};

/// Starts a second node, with the same keys and a journal of its own.
async fn second_node(first: &Stage, url: &str) -> (tempfile::TempDir, Launch, Product) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::copy(first.product.data().join("keys.json"), data.join("keys.json")).unwrap();
    let node = launch(&folder).arguments(&["--state", url]);
    let product = node.start().await.unwrap();
    (folder, node, product)
}

async fn click(node: &Product, slug: &str) -> harness::Answer {
    let headers = [("host", "go.shop.test"), ("user-agent", BROWSER)];
    harness::http::send(node.public, Method::GET, &format!("/{slug}"), &headers, "").await.unwrap()
}

/// Waits until a node knows a link, and returns how long that took.
async fn known_after(node: &Product, slug: &str) -> Duration {
    let begun = Instant::now();
    while click(node, slug).await.status != 302 {
        assert!(begun.elapsed() < PATIENCE, "{slug} is not known");
        sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}

async fn one_catalog_and_one_state(url: &str) {
    let first = Stage::set_up(&["--state", url], json!({})).await;
    let (folder, node, second) = second_node(&first, url).await;
    known_after(&second, "anna").await;
    // A change made at either node is at the other within a second. Five times that is asserted: a
    // machine that runs other tests is late, and a change that waits for something takes longer.
    let link = |slug: &str| {
        json!({ "campaign": first.campaign, "influencer": first.influencer, "slug": slug,
                "destination": "https://shop.test/" })
    };
    first.product.create("links", &link("from-first")).await.unwrap();
    let there = known_after(&second, "from-first").await;
    second.create("links", &link("from-second")).await.unwrap();
    let back = known_after(&first.product, "from-second").await;
    println!("a change was at the other node after {there:?} and {back:?}");
    assert!(there < Duration::from_secs(5) && back < Duration::from_secs(5), "{there:?} {back:?}");

    // A click at one node and the order at the other are one order, and both nodes have all
    // figures.
    let token = token_of(&click(&second, "anna").await);
    first.webhook("order.updated", &woo_order(727, json!({}), &[("_ac", &token)])).await;
    assert_eq!(first.commission("727").await, 270);
    let figures = async |node: &Product| {
        let stats = node.read("/api/v1/stats?by=campaign").await.unwrap();
        (
            stats["rows"][0]["clicks"]["raw"].as_i64().unwrap(),
            stats["rows"][0]["orders"].as_i64().unwrap(),
        )
    };
    until("both nodes know the order", async || {
        let (one, other) = (figures(&first.product).await, figures(&second).await);
        one == other && other.1 == 1
    })
    .await;

    // The first node is lost with its disk. The second has everything, even after a restart.
    let Stage { product, folder: lost, merchant, .. } = first;
    product.kill().await.unwrap();
    drop(lost);
    second.stop().await.unwrap();
    let second = node.start().await.unwrap();
    for slug in ["anna", "from-first", "from-second"] {
        assert_eq!(click(&second, slug).await.status, 302, "{slug}");
    }
    let order = second.read(&format!("/api/v1/orders/{merchant}/727")).await.unwrap();
    assert_eq!(text(&order["commission"][0]["amount"]), "2.70");
    second.stop().await.unwrap();
    drop(folder);
}

#[tokio::test]
async fn nodes_on_one_redis_have_one_catalog_and_one_state() {
    let redis = Redis::start(&[]).unwrap();
    one_catalog_and_one_state(&redis.url()).await;
}

#[tokio::test]
async fn nodes_on_a_cluster_have_one_catalog_and_one_state() {
    let cluster = RedisCluster::start(3, 0).unwrap();
    one_catalog_and_one_state(&cluster.url()).await;
}

/// Runs a Lua script in Redis that can write bytes: they are given as hexadecimal digits.
fn script(redis: &Redis, script: &str, arguments: &[&[u8]]) -> String {
    let hex = |bytes: &&[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let arguments: Vec<String> = arguments.iter().map(hex).collect();
    let unhex = "local function bytes(text) \
        return (text:gsub('..', function(pair) return string.char(tonumber(pair, 16)) end)) end ";
    let script = format!("{unhex}{script}");
    let mut command = vec!["EVAL", &script, "1", "ac:{00}x"];
    command.extend(arguments.iter().map(String::as_str));
    redis.cli(&command).unwrap()
}

/// Whoever can write to Redis writes a change that makes him administrator, as our nodes would
/// write it without a seal, and one that nobody can read.
#[tokio::test]
async fn who_writes_to_redis_changes_no_catalog_and_reads_no_secret() {
    let redis = Redis::start(&[]).unwrap();
    let url = redis.url();
    let first = Stage::set_up(&["--state", &url], json!({})).await;
    let (_folder, _node, second) = second_node(&first, &url).await;
    known_after(&second, "anna").await;

    let put = "return redis.call('HSET', KEYS[1], bytes(ARGV[1]), bytes(ARGV[2]))";
    let at = Timestamp::from_ms(1_790_000_000_000);
    let hash = blake3::hash(b"ac_evil").to_hex().to_string();
    let token = AccessToken::new(hash, Role::Admin, at);
    let change = Change { at, entities: vec![Entity::AccessToken(token)], request: None, by: None };
    let record = Record::Catalog(change).encode();
    script(&redis, put, &[&change_id(&record), &record]);
    script(&redis, put, &[&[7; 16], b"garbage"]);
    // One of our own entries under another name is not ours either.
    let copy = "local ids = redis.call('HKEYS', KEYS[1]) for _, id in ipairs(ids) do \
        if id ~= bytes(ARGV[1]) then redis.call('HSET', KEYS[1], bytes(ARGV[2]), \
        redis.call('HGET', KEYS[1], id)) end end return 1";
    script(&redis, copy, &[&change_id(&record), &[8; 16]]);

    let refused = async |node: &Product| {
        let metrics = harness::http::send(node.admin, Method::GET, "/metrics", &[], "");
        let metrics = metrics.await.unwrap().body;
        let line =
            metrics.lines().find(|line| line.starts_with("afterclick_exchange_refused_total"));
        line.unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    // Each is deleted by the node that sees it first.
    until("three entries are dropped", async || {
        refused(&first.product).await + refused(&second).await >= 3
    })
    .await;
    for node in [&first.product, &second] {
        let headers = [("authorization", "Bearer ac_evil")];
        let path = "/api/v1/merchants";
        let answer = harness::http::send(node.admin, Method::GET, path, &headers, "").await;
        assert_eq!(answer.unwrap().status, 401);
    }
    // The rest goes on.
    let link = json!({ "campaign": first.campaign, "influencer": first.influencer,
                       "slug": "later", "destination": "https://shop.test/" });
    first.product.create("links", &link).await.unwrap();
    known_after(&second, "later").await;

    // Garbage in the place of a change hides it from a node that comes later for a while only.
    let spoil = "for _, id in ipairs(redis.call('HKEYS', KEYS[1])) do \
        redis.call('HSET', KEYS[1], id, 'garbage') end return 1";
    script(&redis, spoil, &[]);
    let (_folder, _node, third) = second_node(&first, &url).await;
    known_after(&third, "later").await;

    let find = "for _, entry in ipairs(redis.call('HVALS', KEYS[1])) do \
        if entry:find(bytes(ARGV[1]), 1, true) then return 'readable' end end return 'sealed'";
    assert_eq!(script(&redis, find, &[b"webhook_secret"]).trim(), "sealed");
    let find = format!("redis.call('HSET', KEYS[1], 'x', 'a readable secret') {find}");
    assert_eq!(script(&redis, &find, &[b"readable"]).trim(), "readable", "the search finds things");
}

/// Gives every key another type.
const OTHER_TYPES: &str = "for _, key in ipairs(redis.call('KEYS', 'ac:{*')) do
        redis.call('DEL', key)
        redis.call('RPUSH', key, 'garbage')
    end";
/// Gives every value another content, and every hash two more fields.
const OTHER_VALUES: &str = "for _, key in ipairs(redis.call('KEYS', 'ac:{*')) do
        local kind = redis.call('TYPE', key).ok
        if kind == 'string' then redis.call('SET', key, 'garbage') end
        if kind == 'set' then redis.call('SADD', key, 'garbage') end
        if kind == 'hash' then
            for _, field in ipairs(redis.call('HKEYS', key)) do
                redis.call('HSET', key, field, 'garbage')
            end
            redis.call('HSET', key, 'garbage', 'garbage', '', '')
        end
    end";

/// Whoever can write to Redis spoils every key there is. Redirects, webhooks and changes go on, and
/// the figures come back from the journal.
#[tokio::test]
async fn garbage_in_redis_stops_nothing_and_the_figures_come_back() {
    let redis = Redis::start(&[]).unwrap();
    let stage = Stage::set_up(&["--state", &redis.url()], json!({})).await;
    let token = token_of(&click(&stage.product, "anna").await);
    for (number, garbage) in [(727u64, OTHER_TYPES), (728, OTHER_VALUES)] {
        let order = woo_order(number, json!({}), &[("_ac", &token)]);
        stage.webhook("order.updated", &order).await;
        assert_eq!(stage.commission(&number.to_string()).await, 270);
        redis.cli(&["eval", garbage, "0"]).unwrap();
        assert_eq!(click(&stage.product, "anna").await.status, 302);
        for number in 727..=number {
            let path = format!("/api/v1/orders/{}/{number}", stage.merchant);
            until("the order is back", async || {
                let order = stage.product.read(&path).await;
                order.is_ok_and(|order| order["commission"][0]["amount"] == "2.70")
            })
            .await;
        }
        let orders = number - 726;
        until("the figures are back", async || {
            let stats = stage.product.read("/api/v1/stats?by=campaign").await;
            stats.is_ok_and(|stats| {
                stats["rows"][0]["orders"] == orders && stats["up_to_date"] == true
            })
        })
        .await;
        // A change of the catalog is still made and offered.
        let link = json!({ "campaign": stage.campaign, "influencer": stage.influencer,
                           "slug": format!("after-{number}"), "destination": "https://shop.test/" });
        stage.product.create("links", &link).await.unwrap();
    }
    let metrics = harness::http::send(stage.product.admin, Method::GET, "/metrics", &[], "");
    let metrics = metrics.await.unwrap().body;
    let line = metrics.lines().find(|l| l.starts_with("afterclick_hot_state_foreign_total"));
    assert_ne!(line, Some("afterclick_hot_state_foreign_total 0"));
}
