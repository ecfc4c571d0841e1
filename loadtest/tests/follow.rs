//! Followers, journal and figures agree after a short load, and the harness would notice if they
//! did not.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

use std::time::Duration;

use loadtest::{
    Bursts, Disturb, End, FollowPlan, FollowReport, Kind, Load, News, Question, follow,
};

async fn followed(change: impl FnOnce(&mut FollowPlan)) -> FollowReport {
    let folder = tempfile::tempdir().unwrap();
    let second = Duration::from_secs(1);
    let mut plan = FollowPlan {
        bin_dir: harness::default_bin_dir().unwrap(),
        data: folder.path().join("data"),
        question: Question::Follow,
        load: Load::Rate(300.0),
        lasts: 3 * second,
        bursts: Some(Bursts { every: 2 * second, factor: 3.0, decay: second / 2 }),
        keep_alive: 30,
        connections: 200,
        tls: None,
        pin: false,
        disturb: Disturb::None,
        catalog: (0, 0),
        bound: Duration::from_millis(50),
        patience: 10 * second,
        seed: 1,
        fault: None,
    };
    change(&mut plan);
    let report = follow(&plan, &mut |_: News<'_>| ()).await.unwrap();
    println!("{}", report.text());
    report
}

#[tokio::test]
async fn every_kind_of_request_is_answered_recorded_and_counted_once() {
    let report = followed(|_| ()).await;
    assert!(report.is_good());
    let phase = &report.phases[0];
    for (kind, of_kind) in Kind::ALL.iter().zip(&phase.kinds) {
        assert!(of_kind.ended(End::Answered) > 0, "nobody came as {}", kind.name());
    }
    assert!(phase.total() > 1200 && phase.clicks.count() > 900, "too little load to mean anything");
    assert!(report.seconds.len() >= 2 && report.marks.iter().any(|mark| mark.what == "a post"));
    let page = report.page();
    assert!(page.contains("no difference") && page.contains("<svg") && !page.contains("NaN"));
    assert!(!page.contains("<script") && !page.contains("http"), "the page needs nothing else");
}

#[tokio::test]
async fn followers_come_by_tls_with_new_sessions_and_resumed_ones() {
    let report = followed(|plan| (plan.tls, plan.lasts) = (Some(50), Duration::from_secs(2))).await;
    assert!(report.is_good());
    assert!(report.phases[0].ended(End::Answered, true) > 300, "too little load to mean anything");
}

#[tokio::test]
async fn a_load_goes_on_while_segments_roll() {
    let report = followed(|plan| {
        (plan.disturb, plan.lasts, plan.load) =
            (Disturb::Roll, Duration::from_secs(1), Load::Rate(600.0));
    })
    .await;
    assert!(report.is_good());
    assert_eq!(report.phases.len(), 3);
}

#[tokio::test]
async fn a_product_that_skips_the_write_is_caught() {
    let report = followed(|plan| {
        (plan.fault, plan.lasts) = (Some("skip-write".to_owned()), Duration::from_secs(2));
    })
    .await;
    let differs = |what: &str| {
        report
            .reconciliation
            .checks
            .iter()
            .any(|check| check.differences > 0 && check.what.contains(what))
    };
    assert!(
        !report.is_good() && differs("answered clicks") && differs("sessions answered"),
        "not caught, or afterclick was built without `--features redirector/faults`"
    );
    assert!(report.page().contains("stands there 0 times"), "the page shows what is missing");
}
