//! Several nodes behind one balancer: one catalog, one set of keys, one hot state.

use std::time::{Duration, Instant};

use harness::{Launch, Product, Redis, RedisCluster};
use hyper::Method;
use serde_json::json;
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
