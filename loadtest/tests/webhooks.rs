//! Every webhook that was answered 200 is in the journal once, and the harness would notice if one
//! were not.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

use loadtest::{WebhookPlan, WebhookReport, deliver};

async fn delivered(fault: Option<&str>) -> WebhookReport {
    let folder = tempfile::tempdir().unwrap();
    let plan = WebhookPlan {
        bin_dir: harness::default_bin_dir().unwrap(),
        data: folder.path().join("data"),
        orders: 2000,
        connections: 64,
        pin: false,
        fault: fault.map(str::to_owned),
    };
    let report = deliver(&plan).await.unwrap();
    println!("{report:?}: {} a second", report.a_second());
    report
}

#[tokio::test]
async fn two_thousand_webhooks_are_two_thousand_orders() {
    let report = delivered(None).await;
    assert_eq!((report.promised, report.lost, report.doubled), (2000, 0, 0), "{report:?}");
}

#[tokio::test]
async fn a_product_that_skips_the_write_is_caught() {
    let report = delivered(Some("skip-write")).await;
    assert!(
        report.lost > 0,
        "not caught, or afterclick was built without `--features redirector/faults`: {report:?}"
    );
}
