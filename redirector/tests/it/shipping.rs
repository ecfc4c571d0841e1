//! Sealed segments are copied, and copies may then be all that is left of them. Nothing is lost to
//! figures, audit or export.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use harness::Launch;
use hyper::Method;
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::support::{Stage, launch, until, woo_order};

/// Enough orders to fill some segments of the smallest size.
const ORDERS: u64 = 300;
const SMALL: [&str; 2] = ["--segment-bytes", "65536"];

/// Returns the segments of the stream of facts in a journal.
fn segments(journal: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for stream in std::fs::read_dir(journal).into_iter().flatten() {
        let stream = stream.unwrap().path();
        if stream.file_name().unwrap().to_string_lossy().starts_with("facts-") {
            let files = std::fs::read_dir(stream).unwrap().map(|file| file.unwrap().path());
            found.extend(
                files.filter(|path| path.extension().is_some_and(|extension| extension == "seg")),
            );
        }
    }
    found.sort();
    found
}

async fn afterclick(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let program = harness::default_bin_dir().unwrap().join("afterclick");
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().copied()).stdin(Stdio::null());
    let output = command.output().await.unwrap();
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code(), text.concat())
}

async fn fill(stage: &Stage) {
    let token = stage.token().await;
    for id in 1..=ORDERS {
        let answer =
            stage.webhook("order.updated", &woo_order(id, json!({}), &[("_ac", &token)])).await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn copied_segments_are_retired_and_nothing_is_missing() {
    let copies = tempfile::tempdir().unwrap();
    let place = copies.path().to_str().unwrap();
    let shipping = [&SMALL[..], &["--ship", place, "--retain-bytes", "0"]].concat();
    let stage = Stage::set_up(&shipping, json!({})).await;
    fill(&stage).await;
    let journal = stage.product.data().join("journal");
    until("all but the open segment retired", async || segments(&journal).len() == 1).await;
    let copied = segments(copies.path());
    assert!(copied.len() >= 3, "{copied:?}");
    let mode = |path: &PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
    assert!(copied.iter().all(|path| mode(path) == 0o600), "only the owner may read a copy");
    assert_eq!(stage.commission("1").await, 270, "the hot state keeps what it took in");
    let out = stage.folder.path().join("all").to_str().unwrap().to_owned();
    let listed =
        stage.product.report(&["export", "--journal", place, "--out", &out]).await.unwrap();
    assert!(listed.contains(&format!("order_facts: {ORDERS} rows")), "{listed}");

    // A restart goes on. A rebuild takes what is still here, and reports what is not.
    let data = stage.product.data().to_str().unwrap().to_owned();
    let Stage { product, folder, merchant, .. } = stage;
    product.stop().await.unwrap();
    let again = launch(&folder).arguments(&shipping).start().await.unwrap();
    let first = format!("/api/v1/orders/{merchant}/1");
    assert_eq!(again.read(&first).await.unwrap()["commission"][0]["amount"], "2.70");
    again.stop().await.unwrap();
    let (status, said) = afterclick(&["replay", "--data", &data], &[]).await;
    assert_eq!(status, Some(0), "{said}");

    // Copies and journal are audited together. A single flipped bit in a copy is found.
    let verify = ["verify", "--data", &data, "--ship", place];
    let (status, said) = afterclick(&verify, &[]).await;
    assert_eq!((status, said.matches("all whole").count() >= 2), (Some(0), true), "{said}");
    let mut bytes = std::fs::read(&copied[1]).unwrap();
    bytes[5000] ^= 8;
    std::fs::write(&copied[1], bytes).unwrap();
    let (status, said) = afterclick(&verify, &[]).await;
    assert_eq!((status, said.contains("DAMAGED")), (Some(1), true), "{said}");
}

#[tokio::test]
async fn without_a_copy_nothing_is_retired() {
    let (status, said) = afterclick(&["serve", "--retain-days", "1"], &[]).await;
    assert_eq!((status, said.contains("set ship")), (Some(64), true), "{said}");
    // A place that cannot be written to: all segments stay.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    std::fs::write(&file, "in the way").unwrap();
    let shipping =
        [&SMALL[..], &["--ship", file.to_str().unwrap(), "--retain-bytes", "0"]].concat();
    let stage = Stage::set_up(&shipping, json!({})).await;
    fill(&stage).await;
    sleep(Duration::from_secs(4)).await;
    assert!(segments(&stage.product.data().join("journal")).len() >= 3);
}

/// An S3 server of the test's own: moto's, as `scripts/test` installs it.
struct Moto {
    _process: Child,
    address: String,
}

impl Moto {
    async fn start() -> Option<Self> {
        let python =
            std::env::var("AFTERCLICK_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let found = Command::new(&python).args(["-c", "import moto.server"]).output().await;
        if !found.is_ok_and(|found| found.status.success()) {
            return None;
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(&python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        let child =
            command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let address = ([127, 0, 0, 1], port).into();
        until("moto listens", async || {
            let made = harness::http::send(
                address,
                Method::PUT,
                "/copies",
                &[("content-length", "0")],
                "",
            )
            .await;
            made.is_ok_and(|made| made.status == 200)
        })
        .await;
        Some(Self { _process: child, address: format!("http://127.0.0.1:{port}") })
    }
}

#[tokio::test]
async fn segments_are_copied_to_an_s3_compatible_store() {
    let Some(moto) = Moto::start().await else {
        eprintln!("SKIPPED shipping: python has no moto");
        return;
    };
    let environment = [
        ("AWS_ENDPOINT_URL", moto.address.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "eu-central-1"),
    ];
    let place = "s3://copies/node-1";
    let folder = tempfile::tempdir().unwrap();
    let mut shipping: Launch = launch(&folder)
        .arguments(&[&SMALL[..], &["--ship", place, "--retain-bytes", "0"]].concat());
    for (name, value) in environment {
        shipping = shipping.environment(name, value);
    }
    let stage = Stage::set_on(folder, shipping, json!({})).await;
    fill(&stage).await;
    let journal = stage.product.data().join("journal");
    until("all but the open segment retired", async || segments(&journal).len() == 1).await;
    let data = stage.product.data().to_str().unwrap().to_owned();
    stage.product.stop().await.unwrap();
    let (status, said) =
        afterclick(&["verify", "--data", &data, "--ship", place], &environment).await;
    assert_eq!((status, said.matches("all whole").count()), (Some(0), 2), "{said}");
    // The keys of the store may come from files.
    let (key, secret) = (stage.folder.path().join("key"), stage.folder.path().join("secret"));
    for file in [&key, &secret] {
        std::fs::write(file, "test\n").unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let in_files = [
        environment[0],
        environment[3],
        ("AWS_ACCESS_KEY_ID_FILE", key.to_str().unwrap()),
        ("AWS_SECRET_ACCESS_KEY_FILE", secret.to_str().unwrap()),
    ];
    let (status, said) = afterclick(&["verify", "--data", &data, "--ship", place], &in_files).await;
    assert_eq!((status, said.matches("all whole").count()), (Some(0), 2), "{said}");
    let (status, said) =
        afterclick(&["verify", "--data", &data, "--ship", place], &environment[..1]).await;
    assert_eq!((status, said.contains("AWS_ACCESS_KEY_ID")), (Some(1), true), "{said}");
}
