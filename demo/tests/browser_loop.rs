//! The whole loop in a real browser against the real product: every figure of the statement to the cent.

use demo::scene::{Scene, Setting};
use demo::walk::walk;
use harness::default_bin_dir;

#[tokio::test(flavor = "multi_thread")]
async fn a_click_becomes_a_commission_to_the_cent() {
    let bin_dir = default_bin_dir().expect("the test lies in a build folder");
    let scene =
        Scene::set(Setting { bin_dir, data: None, confirms_by_itself: false }).await.expect("a set scene");
    let outcome = walk(&scene, None).await.expect("a walk to the end");
    scene.strike().await.expect("afterclick ends with status 0");
    assert_eq!(outcome.checks.failed(), [""; 0]);
}
