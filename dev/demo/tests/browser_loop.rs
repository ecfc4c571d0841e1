//! The whole loop in real browsers against the real product: every figure of the statement to the
//! cent.

use demo::browser::Engine;
use demo::scene::{Scene, Setting};
use demo::walk::walk;
use harness::default_bin_dir;

async fn a_click_becomes_a_commission_to_the_cent(engine: Engine) {
    if engine != Engine::Chromium && !engine.is_installed() {
        eprintln!("SKIPPED browser_loop: {engine:?} or its driver is not installed");
        return;
    }
    let bin_dir = default_bin_dir().expect("the test lies in a build folder");
    let scene = Scene::set(Setting { bin_dir, data: None, confirms_by_itself: false })
        .await
        .expect("a set scene");
    let outcome = walk(&scene, engine, None).await.expect("a walk to the end");
    scene.strike().await.expect("afterclick ends with status 0");
    assert_eq!(outcome.checks.failed(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_chromium() {
    a_click_becomes_a_commission_to_the_cent(Engine::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_firefox() {
    a_click_becomes_a_commission_to_the_cent(Engine::Firefox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_webkit() {
    a_click_becomes_a_commission_to_the_cent(Engine::WebKit).await;
}
