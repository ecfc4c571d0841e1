//! A kill under load loses no promised click, and the harness would notice if it did.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

use loadtest::{KillReport, Plan, kill_cycles};

async fn killed(cycles: usize, fault: Option<&str>) -> KillReport {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        bin_dir: harness::default_bin_dir().unwrap(),
        data: folder.path().join("data"),
        cycles,
        followers: 16,
        fault: fault.map(str::to_owned),
    };
    let report = kill_cycles(&plan, |_| ()).await.unwrap();
    println!("{report:?}");
    report
}

#[tokio::test]
async fn fifty_kills_under_load_lose_and_double_nothing() {
    let report = killed(50, None).await;
    assert!(report.promised > 2000, "too little load to mean anything: {report:?}");
    assert_eq!((report.lost, report.doubled), (0, 0), "{report:?}");
    assert!(report.recorded >= report.promised);
}

#[tokio::test]
async fn a_product_that_skips_the_write_is_caught() {
    let report = killed(2, Some("skip-write")).await;
    assert!(report.promised > 0);
    assert!(
        report.lost > 0,
        "not caught, or afterclick was built without `--features redirector/faults`: {report:?}"
    );
}
