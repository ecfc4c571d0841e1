//! Redis away: hanging, dead and emptied. Followers and shops notice nothing, and afterwards nothing is missing.

use std::time::{Duration, Instant};

use harness::Redis;
use serde_json::json;

use crate::support::{Stage, woo_order};

/// Shopify gives a webhook five seconds; ours has no reason to take one.
const PROMPT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn webhooks_are_promised_promptly_while_redis_hangs_or_is_dead() {
    let mut redis = Redis::start(&[]).unwrap();
    let stage = Stage::set_up(&["--state", &redis.url()], json!({})).await;
    let token = stage.token().await;
    let deliver = async |id: u64| {
        let begun = Instant::now();
        let answer = stage.webhook("order.updated", &woo_order(id, json!({}), &[("_ac", &token)])).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(stage.click(&[]).await.status, 302);
        assert!(begun.elapsed() < PROMPT, "{id} took {:?}", begun.elapsed());
    };
    deliver(1).await;
    assert_eq!(stage.commission("1").await, 270);
    redis.hang().unwrap();
    deliver(2).await;
    redis.go_on().unwrap();
    redis.kill().unwrap();
    deliver(3).await;
    redis.start_again().unwrap();
    for id in ["1", "2", "3"] {
        assert_eq!(stage.commission(id).await, 270, "{id}: Redis came back empty, the journal did not");
    }
}
