//! Redis away under load: followers notice nothing and no window stays away, and the harness would
//! notice if one did.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

use std::time::Duration;

use loadtest::{OutagePlan, Phase, outage, rebuild};

async fn phases(cluster: bool, fault: Option<&str>) -> Vec<Phase> {
    let folder = tempfile::tempdir().unwrap();
    let plan = OutagePlan {
        bin_dir: harness::default_bin_dir().unwrap(),
        data: folder.path().join("data"),
        lasts: Duration::from_secs(2),
        cluster,
        fault: fault.map(str::to_owned),
    };
    outage(&plan, |phase| println!("{phase:?}")).await.unwrap()
}

fn is_good(phase: &Phase) -> bool {
    phase.sent > 500 && phase.failed == 0 && phase.whole_after.is_some()
}

#[tokio::test]
async fn a_redis_that_hangs_dies_or_is_emptied_fails_no_redirect_and_loses_no_window() {
    let phases = phases(false, None).await;
    assert!(phases.len() == 4 && phases.iter().all(is_good), "{phases:#?}");
}

#[tokio::test]
async fn a_cluster_that_loses_a_master_and_moves_slots_loses_no_window() {
    let phases = phases(true, None).await;
    assert!(phases.len() == 3 && phases.iter().all(is_good), "{phases:#?}");
}

#[tokio::test]
async fn a_product_that_overlooks_a_loss_or_forgets_a_window_is_caught() {
    for fault in ["state-blind", "state-forgets:100"] {
        let phases = phases(false, Some(fault)).await;
        assert!(phases.iter().any(|phase| phase.wrong > 0), "{fault} was not caught: {phases:#?}");
    }
}

#[tokio::test]
async fn an_emptied_redis_is_filled_again_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let report = rebuild(&harness::default_bin_dir().unwrap(), &folder.path().join("data"), 20_000)
        .await
        .unwrap();
    println!("{report:?}: {} a second", report.a_second());
    assert!(report.bytes_a_window <= 250, "{report:?}");
}
