//! A failing system call makes no false promise, and the harness would notice if it did.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

use loadtest::{FailedCall, failing_calls};

async fn failed(count: usize, fault: Option<&str>) -> Vec<FailedCall> {
    let bin_dir = harness::default_bin_dir().unwrap();
    failing_calls(&bin_dir, 0..count, fault, |call| println!("{call:?}")).await.unwrap()
}

#[tokio::test]
async fn fifty_failing_calls_break_no_promise() {
    let calls = failed(50, None).await;
    assert!(calls.iter().all(|call| (call.lost, call.doubled) == (0, 0)), "{calls:#?}");
    let (refused, promised) =
        calls.iter().fold((0, 0), |(r, p), call| (r + call.refused, p + call.promised));
    assert!(
        refused > 100 && promised > 1000,
        "the failures must be felt: {refused} refused, {promised} promised"
    );
}

#[tokio::test]
async fn a_product_that_promises_early_is_caught() {
    let calls = failed(6, Some("ack-early")).await;
    assert!(calls.iter().any(|call| call.lost > 0), "{calls:#?}");
}
